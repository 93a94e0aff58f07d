"""Which pictures are cut into tiles, and into how large ones."""

from types import SimpleNamespace

import pytest
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from maskrcnn_core.errors import InputError
from maskrcnn_core.tiling.choosing import AUTO, OFF, Tiling, tiles_for, tiling_of
from maskrcnn_core.tiling.planning import Tile


def model(domain, least=640, most=640):
    transform = GeneralizedRCNNTransform(least, most, [0.0] * 3, [1.0] * 3)
    return SimpleNamespace(network=SimpleNamespace(transform=transform), domains=(domain,))


@pytest.mark.parametrize(
    ("text", "wanted"), [(OFF, None), (" Auto ", Tiling()), ("640", Tiling(640)), ("64", Tiling(64))]
)
def test_words_and_pixels(text, wanted):
    assert tiling_of(text) == wanted


@pytest.mark.parametrize("text", ["", "on", "-5", "0", "63", "16385", "3.5", "١٢٨", "9" * 30])
def test_other_words_are_refused(text):
    with pytest.raises(InputError, match=r"tiles: expected auto, off, or 64 to 16,384 pixels"):
        tiling_of(text)


@pytest.mark.parametrize("text", [OFF, AUTO, "640"])
@pytest.mark.parametrize("overlap", [-0.1, 0.51, float("nan")])
def test_an_overlap_out_of_range_is_refused_whatever_the_tiles(text, overlap):
    with pytest.raises(InputError, match=r"tile overlap: expected 0 to 0\.5"):
        tiling_of(text, overlap)


@pytest.mark.parametrize(
    ("size", "count"),
    [((300, 500), 1), ((520, 696), 1), ((1000, 1000), 1), ((1024, 1360), 24), ((2100, 2000), 72)],
)
def test_a_microscope_picture_is_cut_where_it_is_seen_much_smaller_than_others(size, count):
    tiles = tiles_for(Tiling(), model("microscopy"), size)
    assert len(tiles) == count
    assert count == 1 or (tiles[0].height, tiles[0].width) == (320, 320)


@pytest.mark.parametrize(
    ("size", "count"),
    [((480, 640), 1), ((3000, 4000), 1), ((6000, 9000), 1), ((300, 10044), 34), ((10044, 300), 34)],
)
def test_of_photos_only_stripes_are_cut(size, count):
    tiles = tiles_for(Tiling(), model("photos", 800, 1333), size)
    assert len(tiles) == count
    if count > 1:
        assert min(tiles[0].height, tiles[0].width) == 300 and max(tiles[0].height, tiles[0].width) == 400


def test_a_side_that_is_asked_for_is_taken_for_every_picture():
    tiles = tiles_for(Tiling(100, 0.5), model("photos"), (100, 150))
    assert tiles == (Tile(0, 0, 100, 100), Tile(0, 50, 100, 100))
    assert tiles_for(Tiling(100), model("photos"), (80, 90)) == (Tile(0, 0, 80, 90),)
