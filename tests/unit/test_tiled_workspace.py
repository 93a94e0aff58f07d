"""Large pictures among a person's open images: seen in tiles, with every threshold live."""

import pytest

from maskrcnn_core.batch.finding import TiledFinder
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.images.reading import decode_image, encode_png
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.tiling.choosing import Tiling
from maskrcnn_core.tiling.running import TiledRun
from maskrcnn_core.workspace import Workspace
from tests.builders.core import make_image, make_model
from tests.builders.workspaces import finish

WIDE = encode_png(make_image(90, 360, 5))
TILING = Tiling(128, 0.2)
LOW = Thresholds(0.06, 0.5, 40)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(make_model(), "cpu")


@pytest.fixture
def opened(predictor):
    workspace = Workspace()
    workspace.tiling = TILING
    (digest,) = workspace.add("wide.png", WIDE).added
    workspace.start(predictor, LOW)
    finish(workspace)
    return workspace, digest


@pytest.mark.parametrize("score", [0.06, 0.2, 0.6])
def test_it_shows_what_a_run_over_files_finds(opened, predictor, score):
    workspace, digest = opened
    thresholds = Thresholds(score, 0.5, 40)
    source = decode_image(WIDE, "wide.png")
    finder = TiledFinder(predictor, thresholds, TILING)
    (looked,) = finder.look([source])
    shown = workspace.shown(digest, predictor, thresholds)
    assert shown.kept == finder.finish(source, looked, 1).instances
    state = workspace.state_of(digest, predictor, thresholds)
    assert state.text == (f"{shown.count} found" if shown.count else "none found")
    below = shown.instances[shown.count :]
    assert all(one.score <= score for one in below)
    assert len({one.row for one in shown.instances}) == len(shown.instances)


def test_sliders_need_no_other_run(opened, predictor, monkeypatch):
    workspace, digest = opened
    monkeypatch.setattr(Predictor, "run", lambda *_more: pytest.fail("the network ran again"))
    counts = [
        workspace.shown(digest, predictor, Thresholds(score, nms, 40, mask)).count
        for score, nms, mask in ((0.06, 0.5, 0.5), (0.06, 0.5, 0.4), (0.06, 0.2, 0.5), (0.9, 0.5, 0.5))
    ]
    assert counts[0] > counts[3] and counts[0] > counts[2], "fewer above a higher score, or of fewer boxes"
    assert counts[1] != counts[0], "wider masks meet at seams where narrower ones do not"


def test_another_way_of_cutting_is_another_answer(opened, predictor):
    workspace, digest = opened
    tiled = workspace.run_of(digest, predictor)
    assert isinstance(tiled, TiledRun) and len(tiled.tiles) == 4
    workspace.tiling = None
    assert workspace.run_of(digest, predictor) is None
    assert workspace.start(predictor, LOW) == 1
    finish(workspace)
    assert not isinstance(workspace.run_of(digest, predictor), TiledRun)
    workspace.tiling = TILING
    assert workspace.run_of(digest, predictor) is tiled, "kept, so going back costs nothing"
    assert workspace.start(predictor, LOW) == 0


def test_images_that_need_no_tiles_have_one_answer(predictor):
    workspace = Workspace()
    (digest,) = workspace.add("small.png", encode_png(make_image(60, 80))).added
    workspace.start(predictor, LOW)
    finish(workspace)
    workspace.tiling = Tiling(640)
    assert workspace.start(predictor, LOW) == 0
    assert workspace.run_of(digest, predictor) is not None


def test_it_is_there_after_a_restart(predictor, tmp_path, monkeypatch):
    first = Workspace()
    first.tiling = TILING
    first.keep_in(tmp_path / "kept")
    (digest,) = first.add("wide.png", WIDE).added
    first.start(predictor, LOW)
    finish(first)
    shown = first.shown(digest, predictor, LOW)
    second = Workspace()
    second.tiling = TILING
    second.keep_in(tmp_path / "kept")
    monkeypatch.setattr(Predictor, "run", lambda *_more: pytest.fail("the network ran again"))
    assert second.start(predictor, LOW) == 0
    assert second.shown(digest, predictor, LOW) == shown


def test_progress_within_a_picture_and_its_end(predictor, monkeypatch):
    workspace = Workspace()
    workspace.tiling = TILING
    (digest,) = workspace.add("wide.png", WIDE).added
    run, said = Predictor.run, []

    def running(self, images, thresholds):
        said.append(workspace.state_of(digest, predictor, LOW).text)
        if len(said) == 3:
            workspace.cancel()
        return run(self, images, thresholds)

    monkeypatch.setattr(Predictor, "run", running)
    workspace.start(predictor, LOW)
    finish(workspace)
    assert said == [f"running, {done} of 4 tiles" for done in range(3)]
    state = workspace.state_of(digest, predictor, LOW)
    assert state.text == "failed: stopped after 3 of 4 tiles" and state.can_run_again
    workspace.retry(predictor.model.digest)
    said.extend("none of them stops it")
    assert workspace.start(predictor, LOW) == 1
    finish(workspace)
    assert workspace.state_of(digest, predictor, LOW).kind == "found"
