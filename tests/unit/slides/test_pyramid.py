"""The tiles that a viewer asks for: each shows its part of the picture, whatever levels the file has."""

from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image

from maskrcnn_core.slides import overview, pyramid
from maskrcnn_core.slides.opening import open_slide
from maskrcnn_core.slides.pyramid import TILE, NotReady, TilePyramid
from tests.builders.machines import wait_for
from tests.builders.slides import drawn, write_pyramid

HEIGHT, WIDTH = 1700, 2300


@pytest.fixture(scope="module")
def picture():
    return drawn(HEIGHT, WIDTH)


def reduced(pixels, scale):
    size = -(-pixels.shape[1] // scale), -(-pixels.shape[0] // scale)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def tiles_of(path):
    return TilePyramid(open_slide(path))


def waiting(made):
    wait_for(lambda: made.share >= 1, "the smaller levels", 60)
    return made


@pytest.fixture(params=["no levels", "quarters", "halves"])
def tiles(request, tmp_path, picture, monkeypatch):
    monkeypatch.setattr(pyramid, "_ENOUGH", 700)
    monkeypatch.setattr(overview, "_LARGEST_SIDE", 1200)
    factors = {"no levels": [1], "quarters": [1, 4], "halves": [1, 2, 4]}[request.param]
    levels = [reduced(picture, factor) for factor in factors]
    made = waiting(tiles_of(write_pyramid(tmp_path / "a.tif", levels, compression="deflate")))
    yield made
    made.close()


def test_all_tiles_of_a_level_are_the_picture_at_its_scale(tiles, picture):
    assert tiles.levels == 4 and tiles.grid(0) == (4, 5) and tiles.grid(3) == (1, 1)
    for level in range(tiles.levels):
        rows, columns = tiles.grid(level)
        whole = np.concatenate(
            [
                np.concatenate([tiles.pixels(level, row, column) for column in range(columns)], axis=1)
                for row in range(rows)
            ]
        )
        expected = reduced(picture, 1 << level)
        assert whole.shape == expected.shape
        if level == 0:
            assert (whole == expected).all()
        # Made smaller in other steps: the same but for rounding and half a pixel of a smooth picture.
        assert np.abs(whole.astype(int) - expected).mean() < 3


def test_tiles_are_jpeg_files_and_kept(tiles, picture):
    data = tiles.jpeg(0, 0, 0)
    found = np.asarray(Image.open(BytesIO(data)))
    assert found.shape == (TILE, TILE, 3)
    assert np.abs(found.astype(int) - picture[:TILE, :TILE]).mean() < 3
    assert tiles.jpeg(0, 0, 0) is data
    assert np.asarray(Image.open(BytesIO(tiles.jpeg(0, 3, 4)))).shape == (
        HEIGHT - 3 * TILE,
        WIDTH - 4 * TILE,
        3,
    )


@pytest.mark.parametrize("place", [(-1, 0, 0), (4, 0, 0), (0, 4, 0), (0, 0, 5), (0, -1, 0)])
def test_there_are_no_others(tiles, place):
    with pytest.raises(LookupError, match="expected"):
        tiles.jpeg(*place)


def test_what_is_not_made_yet_is_said_and_comes(tmp_path, picture, monkeypatch):
    monkeypatch.setattr(pyramid, "_ENOUGH", 700)
    monkeypatch.setattr(overview.Overview, "start", lambda _self: None)
    tifffile.imwrite(tmp_path / "a.tif", picture, tile=(128, 128), photometric="rgb", metadata=None)
    made = tiles_of(tmp_path / "a.tif")
    assert made.share == 0
    with pytest.raises(NotReady):
        made.jpeg(3, 0, 0)
    assert made.jpeg(0, 0, 0)  # which needs no copy
    made._overview._make()
    assert made.share == 1 and made.jpeg(3, 0, 0)


def test_a_picture_of_one_tile(tmp_path):
    pixels = drawn(300, 200)
    tifffile.imwrite(tmp_path / "a.tif", pixels, tile=(128, 128), photometric="rgb", metadata=None)
    made = tiles_of(tmp_path / "a.tif")
    assert made.levels == 1 and (made.pixels(0, 0, 0) == pixels).all()
