"""What was said of a picture in tiles, as bytes and back."""

import msgspec
import pytest

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.detection.packed_runs import pack_run
from maskrcnn_core.errors import StoreError
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.tiling.packing import pack_answer, unpack_answer
from maskrcnn_core.tiling.planning import plan_tiles
from maskrcnn_core.tiling.running import TiledRun, run_tiles
from tests.builders.core import make_image, make_model

THRESHOLDS = Thresholds(0.06, 0.5, 40)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(make_model())


@pytest.fixture(scope="module")
def tiled(predictor):
    return run_tiles(predictor, make_image(90, 240), plan_tiles((90, 240), 120, 20), THRESHOLDS)


def test_tiles_come_back_as_they_were(predictor, tiled):
    image = make_image(90, 240)
    again = unpack_answer(pack_answer(tiled))
    assert isinstance(again, TiledRun)
    assert (again.tiles, again.image_size) == (tiled.tiles, tiled.image_size)
    assert again.instances(predictor, THRESHOLDS, image, 1) == tiled.instances(
        predictor, THRESHOLDS, image, 1
    )


def test_a_run_of_the_whole_picture_is_packed_as_ever(tiled):
    run = tiled.runs[0]
    assert pack_answer(run) == pack_run(run)
    assert unpack_answer(pack_run(run)).image_size == run.image_size


def edited(tiled, **values):
    return msgspec.msgpack.encode(msgspec.msgpack.decode(pack_answer(tiled)) | values)


def test_what_is_none_says_so(tiled):
    for data, said in (
        (b"", "not what MaskDesk wrote"),
        (b"\x93 nothing", "not what MaskDesk wrote"),
        (pack_answer(tiled)[:-5], "not what MaskDesk wrote"),
        (edited(tiled, version=2), "expected version 1, got 2"),
        (edited(tiled, runs=[]), "expected a run for each tile, got 0 for 3"),
    ):
        with pytest.raises(StoreError, match=said):
            unpack_answer(data)
