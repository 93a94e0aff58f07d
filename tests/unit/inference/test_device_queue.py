import threading

import pytest

from maskrcnn_core.inference.device_queue import DeviceQueue, device_queue_for


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
    assert "a queued run failed" in caplog.text


def test_a_process_has_one_queue_for_each_device():
    assert device_queue_for("cpu") is device_queue_for("cpu")
    assert device_queue_for("cpu") is not device_queue_for("cuda")


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
    monkeypatch.setattr("maskrcnn_core.inference.device_queue.time.monotonic", lambda: queue._began + 2.0)
    assert queue.seconds_until("holder") == 0.5, "it runs, and nobody knows yet how long one takes"
    expected = [queue.seconds_until(client) for client in "abc"]
    assert expected == [0.5, 2.5, 4.5], "turns, each as long as the first has taken so far"
    gate.set()


def test_how_long_jobs_take_is_learnt_from_them(monkeypatch):
    queue, gate, started = DeviceQueue("test"), threading.Event(), threading.Event()
    now = [0.0]
    monkeypatch.setattr("maskrcnn_core.inference.device_queue.time.monotonic", lambda: now[0])

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


def test_who_waits_is_told_in_how_long_they_have_their_answer(monkeypatch):
    queue, gate, started = DeviceQueue("test"), threading.Event(), threading.Event()
    now = [0.0]
    monkeypatch.setattr("maskrcnn_core.inference.device_queue.time.monotonic", lambda: now[0])

    def last(seconds):
        now[0] += seconds

    # The first of a kind takes long, as ever; the middle of the last five is what is said.
    for kind, took in (("small", (9.0, 1.0, 1.0)), ("large", (5.0, 5.0, 5.0))):
        for seconds in took:
            assert queue.submit("a", lambda seconds=seconds: last(seconds), kind=kind).wait(10)
    queue.submit("a", lambda: (started.set(), gate.wait(10)), kind="large")
    assert started.wait(10)
    jobs = [queue.submit("a", lambda: None, kind="small") for _ in range(3)]
    other = queue.submit("b", lambda: None, kind="large")
    new = queue.submit("b", lambda: None, kind="never run before")
    # large (5, runs), small (1), large of b (5), small (1), the new one of b, small (1)
    assert [job.seconds_left for job in jobs] == [6.0, 12.0, 13.0]
    assert other.seconds_left == 11.0
    assert new.seconds_left is None, "nobody knows"
    now[0] += 4.0
    assert jobs[0].seconds_left == 2.0
    gate.set()
    assert jobs[-1].wait(10) and jobs[-1].seconds_left is None


def test_the_end_of_a_job_is_told_and_one_that_cannot_hear_it_harms_nobody():
    queue, told = DeviceQueue("test"), threading.Event()

    def raises():
        raise ValueError("cannot hear")

    queue.submit("a", lambda: None, on_end=raises)
    job = queue.submit("a", lambda: 7, on_end=lambda: told.set())
    assert job.wait(10) and job.result == 7 and told.wait(10)
    assert queue.submit("a", lambda: None).wait(10)
