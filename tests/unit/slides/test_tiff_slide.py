"""Windows of TIFFs: each kind of file gives the pixels that were written, or those that tifffile reads."""

import numpy as np
import pytest
import tifffile

from maskrcnn_core.images.reading import read_image
from maskrcnn_core.slides.opening import is_for_windows, open_slide
from maskrcnn_core.slides.source import level_for
from tests.builders.slides import SVS, drawn, halved, write_pyramid

HEIGHT, WIDTH = 391, 602
WINDOWS = [
    (0, 0, HEIGHT, WIDTH),
    (0, 0, 1, 1),
    (HEIGHT - 1, WIDTH - 1, 1, 1),
    (100, 120, 60, 300),
    (127, 127, 2, 2),
]

WAYS = {
    "tiled": {"tile": (128, 128)},
    "tiles of two shapes": {"tile": (64, 256)},
    "striped": {"rowsperstrip": 17},
    "one uncompressed strip": {"rowsperstrip": HEIGHT},
    "uncompressed strips of many rows": {"rowsperstrip": 130},
    "BigTIFF": {"tile": (128, 128), "bigtiff": True},
    "big-endian": {"tile": (128, 128), "byteorder": ">"},
    "big-endian BigTIFF": {"tile": (128, 128), "byteorder": ">", "bigtiff": True},
    "planar": {"tile": (128, 128), "planarconfig": "separate"},
    "planar strips": {"rowsperstrip": HEIGHT, "planarconfig": "separate"},
    "LZW": {"tile": (128, 128), "compression": "lzw"},
    "LZW with differences": {"tile": (128, 128), "compression": "lzw", "predictor": True},
    "deflate, strips": {"rowsperstrip": 33, "compression": "deflate", "predictor": True},
    "planar LZW": {"tile": (128, 128), "compression": "lzw", "planarconfig": "separate"},
    "PackBits": {"tile": (128, 128), "compression": "packbits"},
    "LZMA": {"tile": (128, 128), "compression": "lzma"},
    "Zstandard": {"tile": (128, 128), "compression": "zstd"},
    "JPEG 2000": {"tile": (128, 128), "compression": "jpeg2000"},
    "Aperio's JPEG 2000": {"tile": (128, 128), "compression": "aperio_jp2000_rgb"},
}


def written(path, pixels, *, bigtiff=False, byteorder=None, photometric="rgb", **how):
    planes = np.moveaxis(pixels, 2, 0) if how.get("planarconfig") == "separate" else pixels
    tifffile.imwrite(
        path, planes, photometric=photometric, metadata=None, bigtiff=bigtiff, byteorder=byteorder, **how
    )
    return path


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_windows_are_the_pixels_that_were_written(tmp_path, way, depth):
    pixels = drawn(HEIGHT, WIDTH)
    stored = pixels.astype(depth) * (257 if depth == np.uint16 else 1)
    slide = open_slide(written(tmp_path / "a.tif", stored, **WAYS[way]))
    assert slide.size == (HEIGHT, WIDTH)
    for top, left, height, width in WINDOWS:
        found = slide.read(top, left, height, width)
        assert found.flags.c_contiguous and found.dtype == np.uint8
        # JPEG 2000 of 16 bits rounds in its last bit, also in the program that wrote it.
        slack = 1 if "JPEG" in way and depth == np.uint16 else 0
        expected = pixels[top : top + height, left : left + width]
        assert np.abs(found.astype(int) - expected).max() <= slack
    assert slide.damage.sentences == ()
    assert ("16 bits per channel reduced to 8" in slide.notes) == (depth == np.uint16)


@pytest.mark.parametrize("way", [name for name in WAYS if "planar" not in name])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_grey(tmp_path, way, photometric):
    grey = drawn(HEIGHT, WIDTH)[:, :, 0]
    slide = open_slide(written(tmp_path / "a.tif", grey, **WAYS[way] | {"photometric": photometric}))
    found = slide.read(30, 40, 200, 300)
    expected = grey if photometric == "minisblack" else 255 - grey
    assert (found == expected[30:230, 40:340, None]).all()


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_deep_grey_of_all_its_range_is_scaled_by_its_depth(tmp_path, byteorder):
    deep = np.linspace(0, 65535, HEIGHT * WIDTH).astype(np.uint16).reshape(HEIGHT, WIDTH)
    path = written(tmp_path / "a.tif", deep, tile=(128, 128), photometric="minisblack", byteorder=byteorder)
    slide = open_slide(path)
    assert (slide.read(0, 0, HEIGHT, WIDTH) == np.rint(deep / 257)[:, :, None]).all()
    assert slide.notes == ("16-bit grey scaled to 8 bit",)


def test_dim_grey_is_stretched_alike_in_all_tiles_and_that_is_said(tmp_path):
    deep = (drawn(HEIGHT, WIDTH)[:, :, 0].astype(np.uint16) * 4) + 300
    path = written(tmp_path / "a.tif", deep, tile=(128, 128), photometric="minisblack")
    slide, image = open_slide(path), read_image(path)
    assert slide.is_dim and "stretched to 8 bit" in slide.notes[0]
    whole = slide.read(0, 0, HEIGHT, WIDTH)
    assert np.abs(whole.astype(int) - image.pixels).max() <= 1
    for top, left, height, width in WINDOWS:
        window = slide.read(top, left, height, width)
        assert (window == whole[top : top + height, left : left + width]).all()
    assert open_slide(path, stretch="off").read(0, 0, HEIGHT, WIDTH).max() < 10


@pytest.mark.parametrize("photometric", ["ycbcr", "rgb", "minisblack"])
def test_jpeg_tiles_are_what_libjpeg_reads(tmp_path, photometric):
    pixels = drawn(HEIGHT, WIDTH)
    stored = pixels[:, :, 0] if photometric == "minisblack" else pixels
    path = written(tmp_path / "a.tif", stored, tile=(128, 128), compression="jpeg", photometric=photometric)
    expected = tifffile.imread(path)
    found = open_slide(path).read(0, 0, HEIGHT, WIDTH)
    assert np.abs(found.astype(int) - expected.reshape(HEIGHT, WIDTH, -1)).max() <= 1


def test_transparency_is_laid_on_white_and_said(tmp_path):
    pixels = np.dstack([drawn(HEIGHT, WIDTH), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    pixels[50:90, 60:100, 3] = 0
    slide = open_slide(written(tmp_path / "a.tif", pixels, tile=(128, 128), extrasamples=["unassalpha"]))
    found = slide.read(0, 0, HEIGHT, WIDTH)
    assert (found[50:90, 60:100] == 255).all()
    assert (found[:50] == pixels[:50, :, :3]).all()
    assert slide.notes == ("transparency laid on white",)


@pytest.mark.parametrize("within", [False, True], ids=["pages of falling size", "SubIFDs"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_levels(tmp_path, within, bigtiff):
    pixels = drawn(1024, 1537)
    levels = [pixels, halved(pixels, 2), halved(pixels, 4)]
    path = write_pyramid(tmp_path / "a.tif", levels, within=within, bigtiff=bigtiff, compression="deflate")
    slide = open_slide(path)
    assert [level.size for level in slide.levels] == [level.shape[:2] for level in levels]
    assert [round(level.scale) for level in slide.levels] == [1, 4, 16]
    for place, expected in enumerate(levels):
        height, width = expected.shape[:2]
        assert (
            slide.read(5, 7, height - 6, width - 9, place) == expected[5 : height - 1, 7 : width - 2]
        ).all()
    assert slide.notes == ()
    assert [level_for(slide.levels, scale) for scale in (0.5, 1, 3.9, 4, 15, 16, 99)] == [0, 0, 0, 1, 1, 2, 2]


def test_ome_tiff(tmp_path):
    pixels = drawn(640, 512)
    levels = [pixels, halved(pixels)]
    metadata = {"axes": "YXS", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm"}
    path = write_pyramid(tmp_path / "a.ome.tif", levels, within=True, ome=True, metadata=metadata)
    slide = open_slide(path)
    assert [level.size for level in slide.levels] == [(640, 512), (320, 256)]
    assert (slide.read(0, 0, 320, 256, 1) == levels[1]).all()


def test_svs_has_its_levels_and_leaves_label_thumbnail_and_overview_out(tmp_path):
    pixels = drawn(800, 1200)
    how = {"photometric": "ycbcr", "compression": "jpeg", "metadata": None}
    path = tmp_path / "a.svs"
    with tifffile.TiffWriter(path) as file:
        file.write(pixels, tile=(256, 256), description=SVS, **how)
        file.write(halved(pixels, 3), rowsperstrip=16, **how)  # the thumbnail, of the same shape
        file.write(halved(pixels, 2), tile=(256, 256), description=SVS, **how)
        file.write(drawn(300, 280), rowsperstrip=16, **how, subfiletype=1)  # the label
        file.write(drawn(200, 500), rowsperstrip=16, **how, subfiletype=9)  # the overview
    slide = open_slide(path)
    assert [level.size for level in slide.levels] == [(800, 1200), (200, 300)]
    assert slide.notes == ("first of 4 pages; the others are other pictures",)


def test_channels_in_pages_of_their_own_are_said(tmp_path):
    channels = np.stack([drawn(300, 400, seed)[:, :, 0] for seed in range(3)])
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, channels, tile=(128, 128), photometric="minisblack", metadata={"axes": "CYX"})
    slide = open_slide(path)
    assert (slide.read(0, 0, 300, 400) == channels[0][:, :, None]).all()
    assert slide.notes == ("first of 3 pages; the others are other pictures",)


def test_windows_outside_are_refused(tmp_path):
    slide = open_slide(written(tmp_path / "a.tif", drawn(100, 200), tile=(64, 64)))
    for window in [(-1, 0, 5, 5), (0, 0, 101, 5), (0, 199, 1, 2), (0, 0, 0, 5)]:
        with pytest.raises(ValueError, match="expected it inside"):
            slide.read(*window)


def test_which_files_are_for_windows(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKDESK_MAX_MEGAPIXELS", "0.2")
    large = written(tmp_path / "large.tif", drawn(HEIGHT, WIDTH), tile=(128, 128))
    small = written(tmp_path / "small.tif", drawn(100, 100), tile=(64, 64))
    other = tmp_path / "other.tif"
    other.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert [is_for_windows(path) for path in (large, small, other, tmp_path / "none.tif")] == [
        True,
        False,
        False,
        False,
    ]


def test_the_digest_is_that_of_the_file(tmp_path):
    path = written(tmp_path / "a.tif", drawn(100, 100), tile=(64, 64))
    assert open_slide(path).digest == read_image(path).digest
