"""A database server that restarts: what may be tried again is, and what nobody can know is said."""

import re
import threading
import time
from types import SimpleNamespace

import pytest
from sqlalchemy import make_url, select
from sqlalchemy.exc import DBAPIError

from maskrcnn_core.errors import AwayError, StoreError
from maskrcnn_core.projects import journal
from maskrcnn_core.projects.db import patience
from maskrcnn_core.projects.db.engine import told
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.db.tables import PROJECT
from maskrcnn_core.projects.store import Store
from tests.builders.projects import change, make_project, statuses
from tests.integration.postgres import start_postgres

pytestmark = pytest.mark.both_databases

ON_POSTGRESQL = pytest.mark.parametrize("place", ["postgresql"], indirect=True)


@pytest.fixture(scope="module")
def mortal():
    """A server that tests may restart."""
    server = start_postgres()
    yield server
    server.stop()


@pytest.fixture
def shaky(mortal, tmp_path, request):
    """A store on it."""
    name = re.sub(r"\W", "_", request.node.name)[:60]
    mortal.execute(f"CREATE DATABASE {name}")
    store = Store(StorePlace(make_url(mortal.url(name)), str(tmp_path / "files")))
    yield store
    store.close()


def end_connections(connection):
    """What an administrator does, or a server that restarts; but for the connection that asks."""
    connection.exec_driver_sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )


class Ending:
    """Ends the connection that is used, as often as it is told to, before a step of the store's."""

    def __init__(self, store, times):
        self.other = Store(store.place)
        self.times = times

    def __call__(self):
        if self.times > 0:
            self.times -= 1
            with self.other._engine.connect() as connection:
                end_connections(connection)


@pytest.fixture
def ending(store):
    made = []

    def make(times):
        made.append(Ending(store, times))
        return made[-1]

    yield make
    for one in made:
        one.other.close()


def before(monkeypatch, module, name, act):
    real = getattr(module, name)

    def first(*arguments, **options):
        act()
        return real(*arguments, **options)

    monkeypatch.setattr(module, name, first)


@ON_POSTGRESQL
@pytest.mark.parametrize("operation", [None, "tab:1"])
def test_a_decision_whose_connection_is_ended_before_the_commit_is_made_again_once(
    store, ending, monkeypatch, operation
):
    project = make_project(store)
    row = store.instances(project)[0]
    before(monkeypatch, journal, "insert_rows", ending(2))
    store.decide(project, "ann", "accept", iter([change(row, status="accepted")]), operation=operation)
    assert statuses(store, project)[0] == "accepted"
    assert [entry.kind for entry in store.journal(project)].count("accept") == 1


@ON_POSTGRESQL
def test_a_reader_whose_connection_is_ended_reads_again(store, ending, monkeypatch):
    project = make_project(store)
    before(monkeypatch, journal, "entries", ending(1))
    assert store.journal(project)[0].who == "ann"


@ON_POSTGRESQL
def test_a_connection_that_ended_while_nobody_used_it_costs_nothing(store, ending):
    project = make_project(store)
    ending(1)()
    with store.writing() as connection:  # which nobody tries again
        assert connection.execute(select(PROJECT.c.id)).scalars().all() == [project]


@ON_POSTGRESQL
def test_what_is_ended_again_and_again_is_told_without_what_the_connection_is_made_of(
    store, ending, monkeypatch
):
    project = make_project(store)
    before(monkeypatch, journal, "entries", ending(100))
    with pytest.raises(AwayError, match="is not responding") as raised:
        store.journal(project)
    assert isinstance(raised.value.__cause__, DBAPIError) and "postgresql" not in str(raised.value)


class LostCommit:
    """A commit that is carried out, and whose answer is lost."""

    def __init__(self, work):
        self.work = work
        self.rollback = work.rollback

    def commit(self):
        self.work.commit()
        raise DBAPIError("COMMIT", {}, Exception("lost"), connection_invalidated=True)


@pytest.fixture
def lose_commit(monkeypatch):
    """Loses the answer to the next commit of something written."""

    def lose():
        def begin(engine, writes):
            connection, work = real(engine, writes)
            if not writes:
                return connection, work
            monkeypatch.setattr(patience, "_begin", real)
            return connection, LostCommit(work)

        monkeypatch.setattr(patience, "_begin", begin)

    real = patience._begin
    return lose


def test_a_lost_answer_to_a_commit_is_no_second_decision(store, lose_commit):
    project = make_project(store)
    one, two = store.instances(project)[:2]
    lose_commit()
    store.decide(project, "ann", "accept", [change(one, status="accepted")], operation="tab:1")
    assert [entry.kind for entry in store.journal(project)].count("accept") == 1
    lose_commit()
    assert store.undo(project, "ann", operation="tab:2").kind == "undo"
    assert [entry.kind for entry in store.journal(project)].count("undo") == 1
    lose_commit()
    with pytest.raises(AwayError, match="it is not known whether the last change was saved"):
        store.decide(project, "ann", "reject", [change(two, status="rejected")])


def test_what_a_database_refuses_is_not_tried_again(store, monkeypatch):
    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=time.monotonic))
    make_project(store, name="One")
    with pytest.raises(StoreError, match="already") as raised:
        store.create_project("One", "ann")
    assert not isinstance(raised.value, AwayError)


def test_a_restart_of_the_server_is_waited_for(shaky, mortal):
    project = make_project(shaky)
    row = shaky.instances(project)[0]
    mortal.end()
    back = threading.Timer(1.0, mortal.begin)
    back.start()
    try:
        shaky.decide(project, "ann", "accept", [change(row, status="accepted")])
        assert statuses(shaky, project)[0] == "accepted"
    finally:
        back.join()


def test_a_server_that_stays_away_is_waited_for_once_and_is_there_as_soon_as_it_is_back(
    shaky, mortal, monkeypatch
):
    project = make_project(shaky)
    waited = []
    clock = SimpleNamespace(sleep=waited.append, monotonic=time.monotonic)
    monkeypatch.setattr(patience, "time", clock)
    mortal.end()
    try:
        for _ in range(3):
            with pytest.raises(AwayError, match="is not responding"):
                shaky.projects()
        assert waited == list(patience.PAUSES), "not by each question"
    finally:
        mortal.begin()
    assert shaky.project(project).name == "Cells"


def test_a_password_is_in_no_message(tmp_path):
    place = StorePlace(make_url("postgresql+psycopg://ann:sec%20ret@127.0.0.1:9/desk"), str(tmp_path))
    with pytest.raises(StoreError) as raised, told(place):
        raise DBAPIError("", {}, Exception("invalid: host=127.0.0.1 password=sec ret"))
    assert "sec ret" not in str(raised.value) and "password=***" in str(raised.value)
