"""Who works, at what and how fast: read from rows that workers left behind."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from maskrcnn_core.projects.db.tables import SHARE, WORKER
from maskrcnn_core.projects.proposals import jobs, shares, workers
from maskrcnn_core.projects.proposals.pace import look_at_workers
from maskrcnn_core.projects.store import Store
from tests.builders.cli import invoke
from tests.builders.projects import make_project
from tests.integration.projects.test_jobs import add, begin, finish

pytestmark = pytest.mark.both_databases

HERE, THERE = "here:11:a", "there:22:b"


def past(store, seconds):
    """Move what workers did into the past."""
    at = datetime.now(UTC) - timedelta(seconds=seconds)
    with store.writing() as connection:
        connection.execute(update(SHARE).where(SHARE.c.done_at.is_not(None)).values(done_at=at))
        connection.execute(update(WORKER).values(since=at - timedelta(minutes=30)))


@pytest.fixture
def at_work(store):
    """Two workers at a job of forty images: one has done ten, three minutes ago, and one six, now."""
    job = add(store, make_project(store, images=40, instances=1, name="Cells"))
    share = begin(store, job, HERE)
    for _ in range(10):
        finish(store, share)
        share = shares.next_share(store, job.id, HERE)
    past(store, 180)
    other = begin(store, job, THERE)
    for _ in range(6):
        finish(store, other)
        other = shares.next_share(store, job.id, THERE)
    with store.writing() as connection:
        long_ago = datetime.now(UTC) - timedelta(minutes=30)
        connection.execute(update(WORKER).values(since=long_ago))
    return job


def test_each_worker_is_seen_with_its_job_and_its_rates(store, at_work):
    crew = look_at_workers(store)
    here, there = crew.workers
    assert (here.host, here.pid, here.told, here.project, here.model_key) == (
        "here", 11, "works", "Cells", "shapes",
    )  # fmt: skip
    assert (here.done, here.rate_now, here.rate) == (10, 0, 2)
    assert (there.done, there.rate_now, there.rate) == (6, 6, pytest.approx(1.2))
    assert crew.left == 24 and crew.rate == pytest.approx(3.2)
    assert crew.ends_at - crew.at == timedelta(minutes=24 / crew.rate)
    assert crew.told.startswith("2 workers, 3.2 images a minute together, 24 images left, until about ")
    by_host = {}
    for one in crew.done:
        by_host[one.host] = by_host.get(one.host, 0) + one.images
    assert by_host == {"here": 10, "there": 6}
    assert crew.done[0].host == "here" and crew.at - crew.done[0].at < timedelta(minutes=4)


def test_one_that_died_is_shown_as_such_and_goes_after_a_while(store, at_work):
    assert workers.bury(store, "there:22:") == 1
    last = look_at_workers(store).workers[-1]
    assert (last.host, last.told, last.done) == ("there", "died", 6)
    with store.writing() as connection:
        long_ago = datetime.now(UTC) - timedelta(seconds=workers.SHOWN_SECONDS + 60)
        connection.execute(update(WORKER).where(WORKER.c.name == THERE).values(ended_at=long_ago))
    assert [one.host for one in look_at_workers(store).workers] == ["here"]


def test_one_that_waits_is_counted_and_nobody_is_told_so(store):
    assert look_at_workers(store).told == "No worker is running."
    workers.sign_on(store, THERE)
    assert look_at_workers(store).told == "1 worker, waiting."
    job = add(store, make_project(store))
    begin(store, job, HERE)
    assert look_at_workers(store).told == "2 workers, 1 of them waiting for a job."
    assert look_at_workers(store).ends_at is None, "nobody knows yet"


def test_what_a_worker_leaves_to_others_is_told(place, store, at_work, monkeypatch):
    monkeypatch.setattr("maskrcnn_core.cli.jobs.Store", lambda: Store(place))
    workers.note(store, HERE, note="left job 7 (mine) to others: no weights")
    told = invoke("project", "workers")
    assert told.exit_code == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[1].split()[:5] == ["here", "11", "works", str(at_work.id), "Cells"]
    assert lines[-1] == "here, process 11: left job 7 (mine) to others: no weights"
    jobs.cancel_job(store, at_work.id)
