import subprocess
import sys
import threading

import pytest

from maskrcnn_core.queueing import DeviceQueue, queue_for


@pytest.fixture
def held():
    """A queue whose thread is kept busy until the event is set."""
    queue, gate, started = DeviceQueue("test"), threading.Event(), threading.Event()

    def hold():
        started.set()
        gate.wait(10)

    queue.submit("holder", hold)
    started.wait(10)
    yield queue, gate
    gate.set()


def test_jobs_of_one_client_run_in_the_order_they_came(held):
    queue, gate = held
    order = []
    jobs = [queue.submit("a", lambda n=n: order.append(n)) for n in range(5)]
    gate.set()
    assert jobs[-1].wait(10)
    assert order == [0, 1, 2, 3, 4]


def test_clients_take_turns_and_everybody_knows_their_place(held):
    queue, gate = held
    order = []
    many = [queue.submit("many", lambda n=n: order.append(f"many{n}")) for n in range(4)]
    one = queue.submit("one", lambda: order.append("one"))
    assert [job.place for job in many] == [1, 3, 4, 5]
    assert one.place == 2
    gate.set()
    assert many[-1].wait(10)
    assert order == ["many0", "one", "many1", "many2", "many3"]
    assert one.place == 0


def test_the_image_that_is_looked_at_goes_first(held):
    queue, gate = held
    order = []
    last = queue.submit("a", lambda: order.append("waiting"))
    queue.submit("a", lambda: order.append("looked at"), first=True)
    gate.set()
    assert last.wait(10)
    assert order == ["looked at", "waiting"]


def test_a_job_that_waits_can_be_put_first(held):
    queue, gate = held
    order = []
    jobs = [queue.submit("a", lambda n=n: order.append(n)) for n in range(4)]
    jobs[2].hurry()
    assert [job.place for job in jobs] == [2, 3, 1, 4]
    gate.set()
    assert jobs[3].wait(10)
    assert order == [2, 0, 1, 3]


def test_a_cancelled_job_never_runs(held):
    queue, gate = held
    ran = []
    job = queue.submit("a", lambda: ran.append(1))
    last = queue.submit("b", lambda: None)
    assert job.cancel()
    assert job.state == "cancelled"
    assert not job.cancel()
    gate.set()
    assert last.wait(10)
    assert ran == []


def test_a_job_that_raises_does_not_stop_the_queue(caplog):
    queue = DeviceQueue("test")
    bad = queue.submit("a", lambda: 1 / 0)
    good = queue.submit("a", lambda: "result")
    assert good.wait(10)
    assert (bad.state, type(bad.error)) == ("failed", ZeroDivisionError)
    assert (good.state, good.result) == ("done", "result")
    assert "a queued job failed" in caplog.text


def test_a_process_has_one_queue_for_each_device():
    assert queue_for("cpu") is queue_for("cpu")
    assert queue_for("cpu") is not queue_for("cuda")


def test_two_jobs_never_run_at_once():
    queue = DeviceQueue("test")
    running, most = [0], [0]

    def work():
        running[0] += 1
        most[0] = max(most[0], running[0])
        threading.Event().wait(0.01)
        running[0] -= 1

    jobs = [queue.submit(str(n % 3), work) for n in range(12)]
    assert all(job.wait(10) for job in jobs)
    assert most == [1]


def test_who_is_further_back_has_longer_to_wait_for_news(held, monkeypatch):
    queue, gate = held
    assert queue.seconds_until("nobody") is None
    for client in ("a", "a", "b", "c"):
        queue.submit(client, lambda: None)
    monkeypatch.setattr("maskrcnn_core.queueing.time.monotonic", lambda: queue._began + 2.0)
    assert queue.seconds_until("holder") == 0.5, "it runs, and nobody knows yet how long one takes"
    expected = [queue.seconds_until(client) for client in "abc"]
    assert expected == [0.5, 2.5, 4.5], "turns, each as long as the first has taken so far"
    gate.set()


def test_how_long_jobs_take_is_learnt_from_them(monkeypatch):
    queue, gate, started = DeviceQueue("test"), threading.Event(), threading.Event()
    now = [0.0]
    monkeypatch.setattr("maskrcnn_core.queueing.time.monotonic", lambda: now[0])

    def last(seconds):
        now[0] += seconds

    for seconds in (4.0, 4.0):
        assert queue.submit("a", lambda seconds=seconds: last(seconds)).wait(10)
    queue.submit("a", lambda: (started.set(), gate.wait(10)))
    assert started.wait(10)
    queue.submit("b", lambda: None)
    assert queue.seconds_until("a") == queue.seconds_until("b") == pytest.approx(4.0)
    now[0] += 3.0
    assert queue.seconds_until("b") == pytest.approx(1.0)
    gate.set()


def test_a_process_that_ends_lets_the_job_that_runs_end_and_begins_no_other():
    code = """
import threading, time
from maskrcnn_core.queueing import DeviceQueue

queue, begun = DeviceQueue("cpu"), threading.Event()

def work():
    begun.set()
    time.sleep(0.3)
    print("ended", flush=True)

queue.submit("ann", work)
queue.submit("ann", lambda: print("another one", flush=True))
begun.wait()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["ended"], "")
