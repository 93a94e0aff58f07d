"""Nothing that was acknowledged is ever lost, whoever is killed and however many write at once."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from maskrcnn_core.errors import ConflictError
from maskrcnn_core.projects.db.engine import open_engine
from maskrcnn_core.projects.store import Store
from tests.builders.projects import change, make_project

pytestmark = pytest.mark.both_databases

ROOT = Path(__file__).parents[3]
KILLS = {"sqlite": 200, "postgresql": 40}

# Importing takes longer than a hundred decisions: each writer is a fork of a process that has imported all.
WRITERS = """
import os, sys
from sqlalchemy import make_url
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.store import Store

place, project = StorePlace(make_url(sys.argv[1]), sys.argv[2]), int(sys.argv[3])
Store(place).close()
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        print("dead", flush=True)
        continue
    print(os.getpid(), flush=True)
    number, store = int(line), Store(place)
    while True:
        row = store.instances(project)[0]
        number += 1
        values = {"score": float(number), "status": "accepted" if number % 2 else "rejected"}
        store.decide(project, "ann", f"decision {number}", [Change("instance", row.id, row.version, values)])
        os.write(1, f"{number}\\n".encode())  # in one go: it is said wholly or not at all
"""


class Writers:
    """Processes that decide without end, and say so after each decision, until they are killed."""

    def __init__(self, place, project):
        command = [sys.executable, "-c", WRITERS, place.database.render_as_string(False), place.files]
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors, "text": True}
        self.process = subprocess.Popen([*command, str(project)], cwd=ROOT, **pipes)
        assert self.process.stdout.readline() == "ready\n", self.told()

    def told(self):
        """What a writer that ended by itself said of it."""
        self.errors.seek(0)
        return self.errors.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        self.errors.close()

    def kill_one(self, number, seconds):
        """Lets one begin after decision ``number``, kills it, and returns what it acknowledged."""
        self.process.stdin.write(f"{number}\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline())
        time.sleep(seconds)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pytest.fail(f"a writer ended by itself: {self.told()}")
        said = []
        while (line := self.process.stdout.readline()) != "dead\n":
            said.append(int(line))
        return said


def wait_for_the_server(store):
    """PostgreSQL goes on with what a client had sent before it was killed: until that has ended one way or
    the other, nobody can say whether it was saved."""
    if store.place.sqlite_file:
        return
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND state <> 'idle'"
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with store._engine.connect() as connection:
            if not connection.exec_driver_sql(query).scalar_one():
                return
        time.sleep(0.005)
    pytest.fail("waited 30 s for the server to end what a killed client had begun")


def test_200_kills_lose_nothing_acknowledged_and_double_nothing(place):
    store = Store(place)
    project = make_project(store, images=1, instances=1)
    store.decide(project, "ann", "begin", [change(store.instances(project)[0], score=0.0)])
    kills, rng = KILLS[place.database.get_backend_name()], random.Random(5)
    kept, killed_while_saving, acknowledged = 0, 0, 0
    longest = 0.15
    with Writers(place, project) as writers:
        for _ in range(kills):
            said = writers.kill_one(kept, rng.uniform(0.0, longest))
            if not said:
                longest = min(longest * 1.1, 1.0)  # a slow machine: let some of them get to save
            last = said[-1] if said else kept
            acknowledged += len(said)
            wait_for_the_server(store)
            row = store.instances(project)[0]
            assert row.score in (last, last + 1), "what was saved but not yet said may be there, nothing else"
            assert row.status == (
                "proposed" if not row.score else "accepted" if row.score % 2 else "rejected"
            )
            killed_while_saving += row.score == last + 1
            kept = int(row.score)
    assert acknowledged > kills / 4
    lines = [e for e in store.journal(project, limit=10 * kept + 10) if e.kind.startswith("decision")]
    assert [e.kind for e in reversed(lines)] == [f"decision {n}" for n in range(1, kept + 1)]
    assert [e.changes[0]["after"]["score"] for e in reversed(lines)] == list(range(1, kept + 1))
    store.close()
    open_engine(place).dispose()  # and the database is sound


def test_eight_writers_at_once_lose_nothing(place):
    """Each on rows of its own: nobody is refused, and every decision is there once."""
    store = Store(place)
    project = make_project(store, images=1, instances=8)

    def write(k):
        own = Store(place)
        for n in range(1, 26):
            row = own.instances(project)[k]
            own.decide(project, f"person {k}", f"{k}:{n}", [change(row, score=float(n))])
        own.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert [row.score for row in store.instances(project)] == [25.0] * 8
    kinds = [e.kind for e in store.journal(project, limit=1000) if ":" in e.kind]
    assert sorted(kinds) == sorted(f"{k}:{n}" for k in range(8) for n in range(1, 26))
    store.close()


def test_of_two_who_write_the_same_row_at_once_one_is_refused_and_kept(place):
    store = Store(place)
    project = make_project(store, images=1, instances=1)
    outcomes = []
    for n in range(20):
        seen = store.instances(project)[0]
        barrier = threading.Barrier(2)

        def write(who, value, seen=seen, barrier=barrier):
            barrier.wait()
            try:
                store.decide(project, who, "score", [change(seen, score=value)])
                return who
            except ConflictError:
                return None

        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(write, ("ann", "bob"), (100.0 + n, 200.0 + n)))
        outcomes.append(sorted(filter(None, done)))
        winner = next(filter(None, done))
        assert store.instances(project)[0].score == (100.0 if winner == "ann" else 200.0) + n
    assert all(len(done) == 1 for done in outcomes)
    lines = store.journal(project, limit=40)
    assert [e.is_refused for e in lines].count(True) == 20
    assert {line.changes[0]["after"]["score"] for line in lines} == {
        base + n for base in (100.0, 200.0) for n in range(20)
    }
    store.close()


@pytest.mark.parametrize("threads", [4])
def test_one_store_serves_many_threads(place, threads):
    store = Store(place)
    project = make_project(store, images=1, instances=threads)

    def work(k):
        for n in range(10):
            store.decide(project, f"p{k}", "score", [change(store.instances(project)[k], score=float(n + 1))])
            store.undo(project, f"p{k}")
            store.redo(project, f"p{k}")
        return store.instances(project)[k].score

    with ThreadPoolExecutor(threads) as pool:
        assert list(pool.map(work, range(threads))) == [10.0] * threads
    store.close()
