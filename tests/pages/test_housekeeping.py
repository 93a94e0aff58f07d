"""Memory comes back, though nothing is collected after each run and the libraries are frozen."""

import gc
import weakref

import pytest

from pages.ui.housekeeping import Housekeeper


class Circle:
    """A session as the collector sees it: nothing but a collection ends it."""

    def __init__(self):
        self.itself = self


class Process:
    """A process whose clocks and sessions a test turns."""

    def __init__(self):
        self.now = self.cpu = 0.0
        self.sessions = 0
        self.keeper = Housekeeper(lambda: self.sessions, clock=lambda: self.now, worked=lambda: self.cpu)

    def pass_time(self, seconds, cpu=0.0):
        self.now += seconds
        self.cpu += cpu


@pytest.fixture
def process():
    """With the collector's own rounds off: what goes is what the housekeeper has collected."""
    gc.collect()
    gc.disable()
    yield Process()
    gc.enable()
    gc.unfreeze()


def test_an_idle_process_is_left_alone(process):
    circle = weakref.ref(Circle())
    process.pass_time(3600, cpu=0.5)
    assert process.keeper.look() == ""
    assert circle() is not None


def test_what_a_working_process_leaves_behind_is_collected(process):
    process.keeper.collect_thoroughly()
    circle = weakref.ref(Circle())
    process.pass_time(30, cpu=2.0)
    assert process.keeper.look() == "young"
    assert circle() is None
    assert process.keeper.look() == "", "once"


def test_a_session_that_was_open_when_libraries_were_frozen_goes_once_it_ends(process):
    process.sessions = 2
    process.keeper.look()
    kept = Circle()
    session = weakref.ref(kept)
    process.keeper.freeze_soon()
    assert process.keeper.look() == "thorough"
    del kept
    gc.collect()
    assert session() is not None, "a frozen one is out of the collector's sight"
    process.sessions = 1
    assert process.keeper.look() == "thorough"
    assert session() is None


def test_a_session_that_a_thread_held_a_moment_longer_goes_at_the_next_look(process):
    process.sessions = 1
    process.keeper.look()
    held = Circle()
    session = weakref.ref(held)
    process.sessions = 0
    assert process.keeper.look() == "thorough" and session() is not None
    del held
    assert process.keeper.look() == "thorough" and session() is None
    assert process.keeper.look() == "", "and that was all"


def test_frozen_garbage_goes_at_last_though_no_session_ends(process):
    kept = Circle()
    garbage = weakref.ref(kept)
    process.keeper.collect_thoroughly()
    del kept
    process.pass_time(30, cpu=2.0)
    assert process.keeper.look() == "young" and garbage() is not None
    process.pass_time(900, cpu=2.0)
    assert process.keeper.look() == "thorough" and garbage() is None


def test_libraries_that_come_later_are_frozen_without_being_asked(process):
    process.keeper.collect_thoroughly()
    library = [[] for _ in range(100_000)]
    process.pass_time(30, cpu=2.0)
    assert process.keeper.look() == "thorough"
    assert gc.get_freeze_count() > len(library)
    process.pass_time(30, cpu=2.0)
    assert process.keeper.look() == "young"
