"""Reading ahead: in order, only so far, and errors where they belong."""

import threading

import pytest

from maskrcnn_core.shards.ahead import ahead


def test_what_is_made_comes_in_the_order_given():
    assert [(one, take()) for one, take in ahead(range(50), lambda n: n * n)] == [
        (n, n * n) for n in range(50)
    ]


def test_no_more_than_the_depth_is_taken_in():
    taken = []

    def given():
        for n in range(20):
            taken.append(n)
            yield n

    made = ahead(given(), lambda n: n, depth=3)
    next(made)
    assert taken == [0, 1, 2]
    next(made)
    assert taken == [0, 1, 2, 3]
    made.close()


def test_the_next_is_made_while_one_is_in_use():
    begun = threading.Event()

    def make(n):
        if n == 1:
            begun.set()
        return n

    made = ahead(range(3), make)
    next(made)
    assert begun.wait(10)
    made.close()


def test_an_error_is_that_of_its_own_turn():
    def make(n):
        if n == 2:
            raise ValueError("two")
        return n

    good, bad = [], []
    for n, take in ahead(range(5), make):
        try:
            good.append(take())
        except ValueError:
            bad.append(n)
    assert (good, bad) == ([0, 1, 3, 4], [2])


def test_an_end_before_the_end_leaves_no_thread():
    before = threading.active_count()
    made = ahead(range(100), lambda n: n)
    next(made)
    made.close()
    assert threading.active_count() == before
    with pytest.raises(StopIteration):
        next(made)
