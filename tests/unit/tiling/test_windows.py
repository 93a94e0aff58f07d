"""A network over the tiles of a picture that is read by windows: as over those of one in memory."""

import threading

import numpy as np
import pytest
import tifffile

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import ImageError, InferenceError, InputError
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import load_model
from maskrcnn_core.slides.opening import open_slide
from maskrcnn_core.slides.source import Damage, Level
from maskrcnn_core.tiling import windows
from maskrcnn_core.tiling.choosing import Tiling
from maskrcnn_core.tiling.planning import Tile, plan_tiles
from maskrcnn_core.tiling.running import run_tiles
from maskrcnn_core.tiling.windows import Cancelled, WindowedRun, run_windows, tiles_of_source
from tests.builders.core import make_image, make_model

THRESHOLDS = Thresholds(0.06, 0.5, 40)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(make_model())


@pytest.fixture(scope="module")
def picture():
    return make_image(170, 240)


@pytest.fixture
def slide(tmp_path, picture):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture, tile=(64, 64), photometric="rgb", compression="lzw", metadata=None)
    return open_slide(path)


def as_rows(instances):
    return sorted(
        (one.category_id, one.score, one.mask.counts, one.mask.size, one.given_box) for one in instances
    )


@pytest.mark.parametrize("held", [2**28, 0], ids=["in memory", "in a file"])
def test_the_objects_are_those_of_the_same_tiles_in_memory(predictor, picture, slide, held, monkeypatch):
    monkeypatch.setattr(windows, "_HELD_IN_MEMORY", held)
    tiles = plan_tiles((170, 240), 120, 40)
    steps = []
    run = run_windows(predictor, slide, tiles, THRESHOLDS, lambda *step: steps.append(step))
    expected = run_tiles(predictor, picture, tiles, THRESHOLDS)
    found = run.instances(predictor.model, 3)
    assert len(found) > 5 and {one.image_id for one in found} == {3}
    assert as_rows(found) == as_rows(expected.instances(predictor, THRESHOLDS, picture, 3))
    assert run.left_out == expected.left_out(THRESHOLDS) and run.scale == expected.scale
    assert steps == [(n, len(tiles)) for n in range(1, len(tiles) + 1)]
    assert run.told == f"read by windows and seen in {len(tiles)} tiles of 120 x 120 pixels"
    assert len({one.row for one in found}) == len(found)


def test_it_can_be_stopped_between_tiles(predictor, slide):
    stop = threading.Event()
    tiles = plan_tiles((170, 240), 80, 10)
    seen = []

    def on_tile(done, _total):
        seen.append(done)
        if done == 2:
            stop.set()

    with pytest.raises(Cancelled, match=r"a\.tif: stopped after 2 tiles"):
        run_windows(predictor, slide, tiles, THRESHOLDS, on_tile, stop)
    assert seen == [1, 2]


def test_a_tile_that_the_network_fails_on_is_named(predictor, slide, monkeypatch):
    from maskrcnn_core.detection.runs import Failure

    monkeypatch.setattr(Predictor, "run", lambda _self, images, _thresholds: [Failure("NaN") for _ in images])
    with pytest.raises(InferenceError, match=r"the tile of 120 x 120 pixels at 0, 0: NaN"):
        run_windows(predictor, slide, plan_tiles((170, 240), 120, 0), THRESHOLDS)


def test_damage_is_among_the_notes(predictor, slide):
    with tifffile.TiffFile(slide.path) as file:
        offset, length = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    with slide.path.open("r+b") as raw:
        raw.seek(offset)
        raw.write(bytes(length))
    run = run_windows(predictor, open_slide(slide.path), plan_tiles((170, 240), 120, 0), THRESHOLDS)
    assert any("1 damaged part is shown grey" in note for note in run.notes)


class Huge:
    """A picture of which only the size is there."""

    name, digest, notes, damage = "huge.tif", "0" * 64, (), Damage()

    def __init__(self, height, width):
        self.levels = (Level(height, width, 1.0),)

    def read(self, top, left, height, width, level=0):
        return np.zeros((height, width, 3), np.uint8)


def test_what_run_lengths_cannot_count_is_refused(predictor):
    with pytest.raises(ImageError, match=r"huge\.tif: expected at most 2,147 megapixels to annotate"):
        run_windows(predictor, Huge(70_000, 70_000), [Tile(0, 0, 64, 64)], THRESHOLDS)


@pytest.mark.parametrize("size", [(20_000, 20_000), (50_000, 65_000), (65_000, 66_000)])
def test_objects_at_the_far_corner_of_a_huge_picture(predictor, size):
    """Positions above 2^31 are kept as they are, and no array has the picture's size."""
    height, width = size
    tiles = (
        Tile(height - 300, width - 300, 200, 200),
        Tile(height - 200, width - 200, 200, 200),
    )
    disk = np.hypot(*np.mgrid[-30:30, -30:30]) < 28
    piece = np.zeros((200, 200), bool)
    piece[110:170, 110:170] = disk
    other = np.zeros((200, 200), bool)
    other[10:70, 10:70] = disk
    run = WindowedRun(tiles, size)
    for number, mask in enumerate((piece, other)):
        run.found.append((number, 1, 0.9 - 0.1 * number, Rle.from_mask(mask)))
        run.boxes.append((width - 190.0, height - 190.0, width - 130.0, height - 130.0))
    (found,) = run.instances(predictor.model, 1)
    y, x = np.nonzero(disk)
    assert found.mask.size == size and found.area == disk.sum()
    left, top = width - 190 + x.min(), height - 190 + y.min()
    assert found.box_xywh == (left, top, np.ptp(x) + 1, np.ptp(y) + 1)
    assert Rle.from_counts(found.mask.counts, size) == found.mask


def test_which_tiles():
    nuclei_model = load_model("nuclei")
    photos = load_model("photos")
    assert {(tile.height, tile.width) for tile in tiles_of_source(None, nuclei_model, (20_000, 20_000))} == {
        (320, 320)
    }
    assert tiles_of_source(None, photos, (20_000, 20_000))[0].height == 1024
    assert tiles_of_source(Tiling(512), photos, (20_000, 20_000))[0].height == 512
    with pytest.raises(InputError, match="at most 4,096 pixels"):
        tiles_of_source(Tiling(8000), photos, (20_000, 20_000))
