"""Several processes over the same images: the same results in the same order, whatever becomes of one."""

import itertools
import json
import os
import signal
import time
from contextlib import closing

import psutil
import pytest

from maskrcnn_core.batch.running import Result, Task
from maskrcnn_core.batch.worker import Job
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import ExportError, InferenceError
from tests.builders.workers import BLUE, GREEN, KILLED, RED, here, job, tasks_in, workers


@pytest.fixture(autouse=True)
def marks(tmp_path, monkeypatch):
    folder = tmp_path / "killed"
    folder.mkdir()
    monkeypatch.setenv(KILLED, str(folder))


def wait_until(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_results_and_order_are_those_of_one_process(tmp_path):
    tasks = tasks_in(tmp_path / "in", 30, at_4=RED)
    with workers(3) as three:
        assert list(three.results(tasks)) == here(tasks)
        pids = three.pids
        assert len(pids) == 3
        assert list(three.results(tasks[:5])) == here(tasks[:5])
        assert three.pids == pids, "they stay for the next shard"
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_nothing_is_started_for_nothing():
    with workers() as two:
        assert list(two.results([])) == []
        assert two.pids == ()


def test_an_image_that_kills_its_process_fails_alone_and_the_run_goes_on(tmp_path):
    tasks, told = tasks_in(tmp_path / "in", 20, at_5=BLUE, at_11=GREEN), []
    with workers(2, on_event=told.append) as two:
        results = list(two.results(tasks))
    undisturbed = here(tasks)
    assert [r for r in results if r.task.id != 6] == [r for r in undisturbed if r.task.id != 6]
    (failed,) = [r for r in results if r.failed]
    assert failed.task.id == 6
    assert failed.failed == (
        "its worker process ended twice while it had this image (SIGKILL); it may need more memory than "
        "there is"
    )
    assert len(told) == 3, "twice for the one, once for the other"
    assert "a worker process on simulated ended (SIGKILL) with" in told[0]


def test_a_process_that_is_killed_from_outside_is_replaced(tmp_path):
    tasks = tasks_in(tmp_path / "in", 60)
    with workers(2) as two, closing(two.results(tasks)) as results:
        first = list(itertools.islice(results, 5))
        before = two.pids
        os.kill(before[0], signal.SIGKILL)
        rest = list(results)
        assert [*first, *rest] == here(tasks)


def test_no_more_is_handed_out_than_can_be_given_back_soon(tmp_path):
    taken = []

    def given():
        for task in tasks_in(tmp_path / "in", 200):
            taken.append(task)
            yield task

    with workers(1) as one, closing(one.results(given())) as results:
        next(results)
        wait_until(lambda: len(taken) >= 5)
        assert len(taken) <= 40
        assert len(list(results)) == 199


def test_processes_that_cannot_begin_end_the_run(tmp_path):
    with (
        workers(2, model="dies at once") as two,
        pytest.raises(InferenceError, match=r"all worker processes"),
    ):
        list(two.results(tasks_in(tmp_path / "in", 2)))


def test_what_a_process_cannot_write_ends_the_run_and_arrives(tmp_path):
    with workers(2, model="cannot write") as two:
        with pytest.raises(ExportError, match="out: cannot write"):
            list(two.results(tasks_in(tmp_path / "in", 9)))
        assert two.pids == ()


def test_a_run_that_is_left_ends_its_processes(tmp_path):
    with workers(2) as two:
        with closing(two.results(tasks_in(tmp_path / "in", 50))) as results:
            next(results)
            pids = two.pids
        wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids))


def test_what_goes_between_processes_comes_through_as_it_is(tmp_path):
    for task, result in zip(tasks := tasks_in(tmp_path / "in", 9, at_2=RED), here(tasks), strict=True):
        assert Task.of_row(json.loads(json.dumps(task.row()))) == task
        assert Result.of_row(task, json.loads(json.dumps(result.row()))) == result
    made = job(thresholds=Thresholds(0.25, 0.4, 7, 0.3, frozenset({3, 1})), names="n.txt", batch=8, workers=2)
    assert Job.of_row(made.row()) == made
    assert Job.of_row(job().row()) == job()
