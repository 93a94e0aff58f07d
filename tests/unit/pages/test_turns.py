"""Pages take turns, and none waits for one that takes long."""

import threading

from pages.shell.turns import Turns


def enter(turns, held, is_in):
    """Takes a turn on a thread of its own, and keeps it until ``held`` is set."""

    def stay():
        with turns.turn():
            is_in.set()
            held.wait(10)

    thread = threading.Thread(target=stay)
    thread.start()
    return thread


def many(turns, count):
    held = [threading.Event() for _ in range(count)]
    is_in = [threading.Event() for _ in range(count)]
    threads = []
    for one, there in zip(held, is_in, strict=True):
        threads.append(enter(turns, one, there))
        if len(threads) <= turns._at_once:
            assert there.wait(10)
    return held, is_in, threads


def finish(held, threads):
    for one in held:
        one.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_no_more_are_in_than_may_be_and_each_gets_in():
    turns = Turns(2, counted=100.0, patience=100.0)
    held, is_in, threads = many(turns, 5)
    for leaves in range(3):
        assert sum(there.is_set() for there in is_in) == leaves + 2
        waiting = [there for there in is_in if not there.is_set()]
        first = next(n for n, one in enumerate(held) if is_in[n].is_set() and not one.is_set())
        held[first].set()
        threads[first].join(10)
        # One of those that wait gets in for the one that left.
        for _ in range(1000):
            if any(there.wait(0.01) for there in waiting):
                break
    assert all(there.is_set() for there in is_in)
    finish(held, threads)


def test_one_that_takes_long_no_longer_counts():
    turns = Turns(1, counted=0.05, patience=100.0)
    held, is_in, threads = many(turns, 2)
    assert is_in[1].wait(10), "the first is still in"
    finish(held, threads)


def test_nobody_waits_longer_than_their_patience():
    turns = Turns(1, counted=100.0, patience=0.05)
    held, is_in, threads = many(turns, 3)
    assert is_in[1].wait(10) and is_in[2].wait(10)
    finish(held, threads)


def test_a_page_that_ends_in_an_error_makes_room():
    turns = Turns(1, counted=100.0, patience=100.0)
    try:
        with turns.turn():
            raise ValueError
    except ValueError:
        pass
    with turns.turn():
        assert len(turns._came) == 1
    assert not turns._came
