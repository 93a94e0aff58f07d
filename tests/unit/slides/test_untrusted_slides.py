"""Slides that are damaged, or made to cost much: said, counted, and the rest goes on."""

import struct
import tracemalloc

import numpy as np
import pytest
import tifffile

from maskrcnn_core.errors import ImageError
from maskrcnn_core.slides import tables
from maskrcnn_core.slides.opening import open_slide
from tests.builders.slides import drawn


@pytest.fixture
def slide_file(tmp_path):
    """Write a tiled slide; a test may then spoil it."""
    path = tmp_path / "a.tif"

    def write(**how):
        tifffile.imwrite(path, drawn(512, 768), tile=(128, 128), photometric="rgb", metadata=None, **how)
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            return path, list(page.dataoffsets), list(page.databytecounts), page.tags

    return write


def spoil(path, offset, data):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.parametrize("compression", ["lzw", "deflate", "jpeg", "zstd", "jpeg2000"])
def test_a_damaged_tile_is_counted_and_grey_and_the_rest_is_there(slide_file, compression):
    how = {"compression": compression}
    path, offsets, lengths, _ = slide_file(**how)
    good = open_slide(path).read(0, 0, 512, 768)
    spoil(path, offsets[8], b"\0" * lengths[8])  # of 4 rows of 6: the third one of the second row
    slide = open_slide(path)
    found = slide.read(0, 0, 512, 768)
    assert (found[128:256, 256:384] == 128).all()
    found[128:256, 256:384] = good[128:256, 256:384]
    assert (found == good).all()
    assert slide.damage.parts == 1 and slide.damage.first == (256, 128)
    (said,) = slide.damage.sentences
    assert said.startswith("1 damaged part is shown grey, the first one at 256, 128 (")
    slide.read(100, 200, 100, 200)
    assert slide.damage.parts == 1  # seen twice, counted once


def test_a_file_that_is_cut_short_keeps_what_it_has(slide_file):
    path, offsets, _, _ = slide_file(compression="jpeg")
    data = path.read_bytes()
    assert offsets[0] < offsets[-1]
    with path.open("r+b") as file:
        file.truncate(offsets[12] + 10)
    slide = open_slide(path)
    slide.read(0, 0, 512, 768)
    assert slide.damage.parts == 12 and slide.damage.reason == "the file ends before it"
    assert (slide.read(0, 0, 128, 128) != 128).any()
    assert len(data) > path.stat().st_size


@pytest.mark.parametrize("place", [2**63 - 1, 2**63, 2**64 - 1])
def test_a_directory_at_a_place_that_no_file_has_is_refused(tmp_path, place):
    path = tmp_path / "a.svs"
    tifffile.imwrite(path, drawn(64, 64), tile=(64, 64), photometric="rgb", metadata=None, bigtiff=True)
    spoil(path, 8, struct.pack("<Q", place))
    with pytest.raises(ImageError, match=r"a\.svs: expected"):
        open_slide(path)


def test_parts_that_were_left_out_are_white_and_said(slide_file):
    path, _, _, tags = slide_file(compression="deflate")
    spoil(path, tags[325].valueoffset + 4 * 3, struct.pack("<I", 0))
    slide = open_slide(path)
    assert (slide.read(0, 384, 128, 128) == 255).all()
    assert slide.damage.sentences == ("1 part is not in the file and shown white",)


def test_a_tile_whose_code_grows_stays_as_large_as_a_tile(slide_file):
    """A deflate bomb in a tile of 128 x 128 pixels takes no more memory than the tile."""
    import zlib

    path, _, _, tags = slide_file(compression="deflate")
    bomb = zlib.compress(bytes(300 * 2**20), 9)
    with path.open("ab") as file:
        at = file.tell()
        file.write(bomb)
    spoil(path, tags[324].valueoffset, struct.pack("<I", at))
    spoil(path, tags[325].valueoffset, struct.pack("<I", len(bomb)))
    slide = open_slide(path)
    tracemalloc.start()
    slide.read(0, 0, 128, 128)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 2**20


@pytest.mark.parametrize(
    ("tag", "value", "said"),
    [
        (256, 2**30, "expected a picture of 1 to 1,048,576 pixels a side"),
        (257, 0, "expected a picture of 1 to 1,048,576 pixels a side"),
        (322, 2**20, "expected tiles of at most 16.8 megapixels"),
        (322, 0, "expected"),
        (256, 2**19, "expected 16,384 tiles or strips"),
        (259, 34892, "got compression 34892"),
        (259, 50002, "got compression 50002"),
    ],
)
def test_tables_that_no_slide_has_are_refused_in_words(slide_file, tag, value, said):
    path, _, _, tags = slide_file()
    kind = "<H" if tags[tag].dtype == 3 else "<I"
    spoil(path, tags[tag].valueoffset, struct.pack(kind, value))
    with pytest.raises(ImageError, match=said) as error:
        open_slide(path)
    assert str(error.value).startswith("a.tif: expected ")


def test_a_directory_that_is_its_own_successor_ends(slide_file):
    path, _, _, _ = slide_file()
    data = path.read_bytes()
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    spoil(path, first + 2 + 12 * count, struct.pack("<I", first))
    assert len(open_slide(path).levels) == 1


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("_MAX_DIRECTORIES", "at most 2 directories"),
        ("_MAX_TAGS", "at most 2 tags"),
        ("MAX_PARTS", "at most 2 tiles or strips"),
        ("_MAX_TEXT", "texts of at most"),
    ],
)
def test_each_bound_of_the_tables(tmp_path, monkeypatch, limit, said):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for _ in range(3):
            file.write(
                drawn(300, 300), tile=(64, 64), photometric="rgb", description="x" * 500, metadata=None
            )
    open_slide(path)
    monkeypatch.setattr(tables, limit, 2)
    with pytest.raises(ImageError, match=said):
        open_slide(path)


def test_a_tag_of_too_many_numbers(slide_file):
    path, _, _, tags = slide_file()
    spoil(path, tags[258].offset + 4, struct.pack("<I", 2**30))
    with pytest.raises(ImageError, match="values in a TIFF tag"):
        open_slide(path)


@pytest.mark.parametrize("length", [0, 1, 8, 15, 40, 200])
def test_what_is_left_of_a_file_is_refused_in_words(slide_file, length):
    path, _, _, _ = slide_file()
    with path.open("r+b") as file:
        file.truncate(length)
    with pytest.raises(ImageError, match=r"^a\.tif: expected"):
        open_slide(path)


def test_random_damage_never_raises_anything_else(slide_file):
    path, *_ = slide_file(compression="jpeg")
    data = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(150):
        spoilt = bytearray(data)
        for place in random.integers(0, 700, 3):
            spoilt[int(place)] = int(random.integers(256))
        for place in random.integers(0, len(data), 30):
            spoilt[int(place)] = int(random.integers(256))
        path.write_bytes(spoilt)
        try:
            slide = open_slide(path)
            height, width = slide.size
            slide.read(0, 0, min(height, 512), min(width, 512))
        except ImageError as error:
            assert str(error).startswith("a.tif: ")


def test_a_large_compressed_strip_says_what_helps(tmp_path):
    path = tmp_path / "a.tif"
    pixels = np.zeros((4100, 4100), np.uint8)
    tifffile.imwrite(path, pixels, rowsperstrip=4100, compression="deflate", photometric="minisblack")
    with pytest.raises(ImageError, match="vips tiffsave"):
        open_slide(path)


@pytest.mark.parametrize("shape", [(200, 300, 5), (5, 200, 300)])
def test_bands_that_are_no_picture_are_refused_in_words(tmp_path, shape):
    path = tmp_path / "a.tif"
    planar = "contig" if shape[2] == 5 else "separate"
    tifffile.imwrite(
        path, np.zeros(shape, np.uint8), tile=(64, 64), photometric="minisblack", planarconfig=planar
    )
    with pytest.raises(ImageError, match="got 5 of 8 bits"):
        open_slide(path)
