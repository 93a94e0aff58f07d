"""Workers that end before their work is done: another one is started, with nobody looking, and it is told."""

import io
import os
import signal
import subprocess
import sys

import pytest
from sqlalchemy.exc import OperationalError

from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.proposals import job_claims, jobs, workers
from maskrcnn_core.projects.proposals.supervising import (
    FIRST_PAUSE,
    MOST_PAUSE,
    STEADY_SECONDS,
    TRIES,
    Supervisor,
)
from maskrcnn_core.projects.proposals.worker import log_file, only_worker
from maskrcnn_core.projects.proposals.workers import worker_prefix
from tests.integration.projects.test_worker import (
    ON_SQLITE,
    PARENT,
    ROOT,
    add,
    facts,
    make_project,
    no_other_weights,
    pid_of_worker,
    undisturbed,
    until,
    until_in_the_middle,
)

__all__ = ["no_other_weights", "undisturbed"]


class FakeProcess:
    """A worker that ends when it is told to."""

    pids = iter(range(1_000_000, 2_000_000))

    def __init__(self):
        self.pid = next(self.pids)
        self.code = None
        self.stdin = io.BytesIO()

    def poll(self):
        return self.code


class Stage:
    """A supervisor whose workers and clock the test moves."""

    def __init__(self, store):
        self.now = 1000.0
        self.started = []
        self.supervisor = Supervisor(store, start=self.start, clock=lambda: self.now)

    def start(self, _):
        self.started.append(FakeProcess())
        return self.started[-1]

    def look_after(self, seconds, **how):
        self.now += seconds
        return self.supervisor.look(**how)

    def fall(self, code=-signal.SIGKILL):
        self.started[-1].code = code
        return self.look_after(0)


@pytest.fixture
def stage(store):
    return Stage(store)


@pytest.fixture
def job(store):
    return add(store, make_project(store, images=1))


@ON_SQLITE
def test_no_worker_is_started_for_nothing(store, stage):
    assert not stage.supervisor.look()
    jobs.pause_job(store, add(store, make_project(store, images=1)).id)
    assert not stage.supervisor.look() and not stage.started
    stage.supervisor.watch()
    assert stage.supervisor._thread is None, "nobody need look"


@ON_SQLITE
def test_the_pipe_to_a_worker_is_closed_when_it_has_ended(stage, job):
    assert stage.look_after(0)
    (worker,) = stage.started
    assert not worker.stdin.closed, "its end tells the worker to end"
    stage.fall()
    assert worker.stdin.closed


@ON_SQLITE
def test_after_each_fall_it_waits_longer_and_tells_so_and_at_last_gives_up(stage, job):
    assert stage.look_after(0)
    pause = FIRST_PAUSE
    for _ in range(TRIES - 1):
        assert not stage.fall()
        assert stage.supervisor.told() == f"the worker ended (killed), restarting in {pause:.0f} s"
        assert not stage.look_after(pause - 0.5)
        assert stage.supervisor.told().endswith("restarting in 1 s")
        assert stage.look_after(0.5)
        assert stage.supervisor.told() == "the worker ended (killed), and is restarting"
        pause = min(2 * pause, MOST_PAUSE)
    assert not stage.fall() and not stage.look_after(10 * MOST_PAUSE)
    assert stage.supervisor.is_given_up
    assert stage.supervisor.told().startswith(f"the worker ended {TRIES} times in a row (killed)")
    assert stage.look_after(0, anew=True), "somebody asks"
    assert stage.supervisor.told() == ""


@ON_SQLITE
def test_a_worker_that_was_at_work_for_a_while_falls_for_the_first_time(stage, job):
    stage.look_after(0)
    for _ in range(2 * TRIES):
        stage.now += STEADY_SECONDS
        stage.fall()
        assert "restarting in 2 s" in stage.supervisor.told()
        assert stage.look_after(FIRST_PAUSE)
    assert not stage.look_after(STEADY_SECONDS) and stage.supervisor.told() == "", "and it lives"


@ON_SQLITE
def test_one_that_ends_because_nothing_is_left_is_no_fall(stage, job):
    stage.look_after(0)
    stage.started[-1].code = 0
    assert stage.look_after(0), "but there is something"
    assert stage.supervisor.told() == ""


@ON_SQLITE
@pytest.mark.parametrize(
    ("code", "told"),
    [
        (1, "(code 1: error: no such thing)"),
        (130, "(stopped)"),
        (-signal.SIGTERM, "(stopped)"),
        (-signal.SIGSEGV, "(crashed: SIGSEGV)"),
        (-200, "(crashed: signal 200)"),
    ],
)
def test_the_reason_is_told(place, stage, job, code, told):
    stage.look_after(0)
    log_file(place).write_text("began\nerror: no such thing\n\n")
    stage.fall(code)
    assert told in stage.supervisor.told()


def test_the_job_of_a_dead_worker_is_free_at_once_and_that_it_was_lost_counts(store, stage, job):
    for n in range(job_claims.LOST_ALLOWED):
        assert stage.look_after(MOST_PAUSE, anew=True)
        name = worker_prefix(stage.started[-1].pid) + f"{n}"
        assert job_claims.claim_job(store, name).id == job.id
        assert not jobs.has_work(store)
        stage.fall()
        assert jobs.has_work(store)
    assert job_claims.claim_job(store, "another") is None
    assert "workers in a row died without a message" in jobs.job(store, job.id).message


def test_only_the_workers_of_that_very_process_are_buried(store, job):
    job_claims.claim_job(store, worker_prefix(12) + "a")
    assert workers.bury(store, worker_prefix(1)) == 0
    assert workers.bury(store, worker_prefix(12)) == 1
    assert jobs.job(store, job.id).state == "running" and jobs.has_work(store)


@ON_SQLITE
def test_while_the_database_is_away_nothing_is_forgotten(store, stage, job, monkeypatch):
    stage.look_after(0)
    job_claims.claim_job(store, worker_prefix(stage.started[-1].pid) + "a")
    real = workers.bury

    def refuse(*_):
        raise StoreError("away") from OperationalError("", {}, Exception("away"))

    monkeypatch.setattr(workers, "bury", refuse)
    with pytest.raises(StoreError, match="away"):
        stage.fall()
    monkeypatch.setattr(workers, "bury", real)
    assert stage.look_after(FIRST_PAUSE)


@ON_SQLITE
def test_a_worker_that_cannot_be_started_is_a_fall(store, job):
    def refuse(_):
        raise StoreError("cannot start a worker (no such file)")

    supervisor = Supervisor(store, start=refuse, clock=lambda: 0.0)
    with pytest.raises(StoreError, match="cannot start"):
        supervisor.look()
    assert not supervisor.look()
    assert "(cannot start a worker (no such file)), restarting in 2 s" in supervisor.told()


@ON_SQLITE
def test_beside_another_apps_worker_none_is_started_until_that_one_is_gone(place, stage, job):
    with only_worker(place):
        assert not stage.look_after(0)
    assert stage.look_after(0)


@ON_SQLITE
def test_a_killed_worker_comes_back_although_nobody_looks(place, store, undisturbed):
    project = make_project(store)
    job = add(store, project)
    arguments = [place.database.render_as_string(False), place.files]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", PARENT, *arguments], cwd=ROOT, **pipes) as app:
        try:
            assert app.stdout.readline() == "True False\n"
            until_in_the_middle(store, job)
            os.kill(pid_of_worker(store, job), signal.SIGKILL)
            until(lambda: jobs.job(store, job.id).state == "done", "the job to be done")
        finally:
            app.kill()
    assert facts(store, project) == undisturbed
