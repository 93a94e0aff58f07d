"""Memory comes back, though nothing is collected after each run and the libraries are frozen."""

import asyncio
import ctypes
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.script_data import ScriptData
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.runtime.state.common import WidgetMetadata
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager

from pages.shared.housekeeping import Housekeeper, give_back_memory, let_go_of_sessions
from pages.shared.session import UiState


class Circle:
    """A session as the collector sees it: nothing but a collection ends it."""

    def __init__(self):
        self.itself = self


class Process:
    """A process whose clocks and sessions a test turns."""

    def __init__(self):
        self.now = self.cpu = 0.0
        self.sessions = 0
        self.given_back = 0
        self.keeper = Housekeeper(
            lambda: self.sessions,
            clock=lambda: self.now,
            worked=lambda: self.cpu,
            give_back=self.give_back,
        )

    def give_back(self):
        self.given_back += 1

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
    assert process.given_back == 0, "nobody has gone"
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
    assert process.given_back == 2
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


def connect(manager):
    """A new browser's session with a state, and widgets and fragments that know the state."""
    id_ = manager.connect_session(Mock(), ScriptData(str(Path(__file__))), {})
    session = manager.get_active_session_info(id_).session
    state = UiState()
    metadata = WidgetMetadata("w", Mock(), Mock(), "bool_value", callback=lambda: state)
    session.session_state._set_widget_metadata(metadata)
    session.session_state["maskdesk"] = state
    session._fragment_storage.register("f", lambda: state)
    return session, weakref.ref(state)


@pytest.fixture
def manager():
    """Streamlit's own, which keeps a session for no time at all after its browser has gone."""
    return WebsocketSessionManager(
        MemorySessionStorage(ttl_seconds=0), MemoryUploadedFileManager("/upload"), ScriptCache(), None
    )


def stop(*sessions):
    """What Streamlit does once a session's script has stopped."""
    for session in sessions:
        session.shutdown()
        session._script_event_loop.close()


def in_a_loop(act):
    """Run a coroutine in a thread: Playwright's loop runs in the main one once it has driven a browser."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(act())).result()


def test_the_last_one_to_leave_leaves_nothing_though_the_servers_loop_holds_the_session(manager):
    async def come_and_go():
        seen = weakref.WeakSet()
        gone, state_of_gone = connect(manager)
        here, state_of_here = connect(manager)
        let_go_of_sessions(manager, seen)
        assert set(seen) == {gone, here}
        manager.disconnect_session(gone.id)
        let_go_of_sessions(manager, seen)
        gc.collect()
        assert gone is not None and state_of_gone() is None, "held, and empty"
        assert state_of_here() is not None and set(seen) == {here}
        stop(gone, here)

    in_a_loop(come_and_go)


def test_a_session_that_may_come_back_keeps_what_it_has(manager):
    async def come_back():
        manager._session_storage = MemorySessionStorage(ttl_seconds=60)
        seen = weakref.WeakSet()
        session, state = connect(manager)
        let_go_of_sessions(manager, seen)
        manager.disconnect_session(session.id)
        let_go_of_sessions(manager, seen)
        gc.collect()
        assert session.session_state["maskdesk"] is state() is not None
        manager.connect_session(Mock(), ScriptData(str(Path(__file__))), {}, existing_session_id=session.id)
        assert manager.is_active_session(session.id)
        stop(session)

    in_a_loop(come_back)


def test_a_session_that_still_works_is_emptied_once_it_has_stopped(manager):
    async def work_on():
        seen = weakref.WeakSet()
        session, state = connect(manager)
        let_go_of_sessions(manager, seen)
        session._scriptrunner = runner = Mock()
        manager.disconnect_session(session.id)
        let_go_of_sessions(manager, seen)
        gc.collect()
        assert runner.request_stop.called and state() is not None
        session._scriptrunner = None
        let_go_of_sessions(manager, seen)
        gc.collect()
        assert state() is None and not seen
        stop(session)

    in_a_loop(work_on)


@pytest.mark.parametrize(
    "library",
    [Mock(side_effect=TypeError), Mock(side_effect=OSError), lambda name: object()],
    ids=["Windows", "no library", "macOS"],
)
def test_where_memory_cannot_be_given_back_it_stays(monkeypatch, library):
    monkeypatch.setattr(ctypes, "CDLL", library)
    give_back_memory()
