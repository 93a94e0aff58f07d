"""Days of work in short: many images go in and out, many sessions come and go, and nothing of them stays."""

import gc
import threading
import weakref

import numpy as np
import pytest

from benchmarks.crowd import CrowdPredictor
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.inference.device_queue import device_queue_for
from pages.shared.housekeeping import Housekeeper
from pages.shared.session import UiState

ROUNDS, SESSIONS, IMAGES = 4, 5, 10
# Of a round's thousands: caches of the libraries fill up a little.
FEW_OBJECTS = 300


@pytest.fixture
def predictor():
    return CrowdPredictor(3)


class Session:
    """A session as Streamlit leaves it: its objects hold each other."""

    def __init__(self, predictor, seed):
        self.state, self.predictor = UiState(), predictor
        self.callback = lambda: self.state  # as widgets' callbacks do
        workspace = self.state.workspace
        rng = np.random.default_rng(seed)
        for n in range(IMAGES):
            pixels = rng.integers(0, 255, (24, 32, 3)).astype(np.uint8)
            assert workspace.add(f"{n}.png", encode_png(pixels)).added

    def work(self):
        """Runs all images, looks at each, and closes every second one."""
        workspace, thresholds = self.state.workspace, Thresholds()
        workspace.start(self.predictor, thresholds)
        for queued in list(workspace._queued.values()):
            assert queued.wait(30)
        for digest in list(workspace.images):
            assert workspace.shown(digest, self.predictor, thresholds).count == 3
            workspace.picture(digest)
        workspace.remove(list(workspace.images)[::2])

    def parts(self):
        """Weak references to what takes memory, and the folder of its files."""
        workspace = self.state.workspace
        runs = [queued.result for queued in workspace._queued.values()]
        pixels = list(workspace._pixels._values.values())
        return [weakref.ref(part) for part in (self, workspace, *runs, *pixels)], workspace._folder


def test_two_hundred_images_and_twenty_sessions_leave_nothing_behind(predictor):
    open_sessions = []
    keeper = Housekeeper(lambda: len(open_sessions))
    objects = []
    try:
        for turn in range(ROUNDS):
            open_sessions += [Session(predictor, SESSIONS * turn + n) for n in range(SESSIONS)]
            for session in open_sessions:
                session.work()
            keeper.look()
            keeper.freeze_soon()
            assert keeper.look() == "thorough", "they are frozen with the libraries"
            parts, folders = zip(*(session.parts() for session in open_sessions), strict=True)
            assert all(ref() is not None for refs in parts for ref in refs)
            assert all(folder.exists() for folder in folders)
            open_sessions.clear()
            del session
            assert keeper.look() == "thorough", "sessions have ended"
            assert [ref() for refs in parts for ref in refs if ref() is not None] == []
            assert not any(folder.exists() for folder in folders)
            gc.unfreeze()
            objects.append(len(gc.get_objects()))
    finally:
        gc.unfreeze()
    assert len(device_queue_for("cpu")) == 0
    assert objects[-1] - objects[1] < FEW_OBJECTS, "no round leaves more behind than the one before"


def test_images_that_are_closed_go_while_the_session_stays(predictor):
    session = Session(predictor, 1000)
    session.work()
    workspace = session.state.workspace
    refs = [weakref.ref(queued.result) for queued in workspace._queued.values()]
    workspace.remove(list(workspace.images))
    gc.collect()
    assert [ref() for ref in refs if ref() is not None] == []
    assert workspace.images == {} and workspace._queued == {} and workspace._counts == {}
    assert [path for path in workspace._folder.iterdir() if path.is_file()] == []


def test_images_that_wait_keep_nothing_of_somebody_who_has_gone(predictor, monkeypatch):
    gate, asked = threading.Event(), []
    device_queue_for("cpu").submit("somebody else", lambda: gate.wait(30))
    monkeypatch.setattr(predictor, "run", lambda images, thresholds: asked.append(len(images)))
    session = Session(predictor, 2000)
    session.state.workspace.start(predictor, Thresholds())
    waiting = list(session.state.workspace._queued.values())
    gone = weakref.ref(session.state.workspace)
    del session
    gc.collect()
    assert gone() is None
    gate.set()
    assert all(queued.wait(30) for queued in waiting)
    assert asked == [], "the network works for those who are there"
