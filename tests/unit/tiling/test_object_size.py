"""Tiles as large as makes the network see objects as it learned them."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import InputError
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.synthetic.scenes import draw_scene
from maskrcnn_core.tiling.choosing import Tiling, cut_as, tiles_for, tiling_of
from maskrcnn_core.tiling.running import run_tiles

THRESHOLDS = Thresholds(0.5, 0.5, 500)


@pytest.fixture(scope="module")
def nuclei():
    return get_model("nuclei")


def test_tiles_show_objects_as_large_as_they_were_in_training(nuclei):
    assert nuclei.object_pixels == 29.6, "the median of the images that it was trained on"
    (tile, *others) = tiles_for(tiling_of("off", object_size=59.2), nuclei, (3000, 3000))
    assert (tile.height, tile.width) == (1280, 1280) and others
    assert tiles_for(tiling_of("auto", object_size=59.2), nuclei, (1000, 1200)) == (
        tiles_for(None, nuclei, (1000, 1200))
    )
    smallest = tiles_for(Tiling(object_size=1), nuclei, (300, 300))
    assert smallest[0].height == 64


@pytest.mark.parametrize(
    ("tiles", "size", "says"),
    [
        ("640", 30, r"object size: expected it or the side of tiles, got both \(30 and 640\)"),
        ("off", 0.5, "object size: expected 1 to 16,384 pixels, got 0.5"),
        ("auto", float("nan"), "object size: expected 1 to 16,384 pixels, got nan"),
        ("auto", 1e9, r"object size: expected 1 to 16,384 pixels, got 1e\+09"),
    ],
)
def test_a_size_that_cannot_be_is_told(tiles, size, says):
    with pytest.raises(InputError, match=says):
        tiling_of(tiles, object_size=size)


def test_a_model_that_does_not_say_what_it_learned_asks_for_the_side(nuclei):
    with pytest.raises(InputError, match=r"the card of nuclei does not say how large .* \(--tiles N\)"):
        tiles_for(Tiling(object_size=30), replace(nuclei, object_pixels=None), (3000, 3000))


def test_answers_for_other_sizes_are_other_answers():
    keys = {
        cut_as("a", one)
        for one in (None, Tiling(), Tiling(640), Tiling(object_size=30), Tiling(object_size=31))
    }
    assert len(keys) == 5
    assert Tiling(object_size=30).told == "for objects of 30 px, overlap 0.25"


def test_large_nuclei_are_found_whole_where_their_size_is_told(nuclei):
    """Nuclei four times as large as usual: small tiles show the network only parts of them."""
    scene = draw_scene(330_000, "fluorescence")
    height, width = (4 * side for side in scene.pixels.shape[:2])
    pixels = np.array(Image.fromarray(scene.pixels).resize((width, height), Image.Resampling.LANCZOS))
    size = 4 * float(np.median([mask.area**0.5 for mask in scene.masks]))
    predictor = Predictor(nuclei, "cpu")
    errors = []
    for tiling in (Tiling(), Tiling(object_size=size)):
        tiles = tiles_for(tiling, nuclei, (height, width))
        found = run_tiles(predictor, pixels, tiles, THRESHOLDS).instances(predictor, THRESHOLDS, pixels, 1)
        errors.append(abs(len(found) - len(scene.masks)) / len(scene.masks))
    assert errors[1] < errors[0] and errors[1] < 0.15, errors
