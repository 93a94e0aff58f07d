"""PNG files of a part on a blank picture: the same pixels as a common encoder's, the file's checks right."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from maskrcnn_core.formats.placed_png import placed_png

PLACES = {
    "inside": ((3, 5), (4, 6), (20, 30)),
    "first pixel": ((0, 0), (1, 1), (9, 11)),
    "last pixel": ((8, 10), (1, 1), (9, 11)),
    "all of it": ((0, 0), (9, 11), (9, 11)),
    "left border": ((2, 0), (3, 4), (9, 11)),
    "right border": ((2, 7), (3, 4), (9, 11)),
    "one column": ((4, 0), (90, 1), (300, 1)),
    "one row": ((0, 40), (1, 90), (1, 300)),
    "many blank rows": ((2500, 2), (3, 3), (3001, 8)),
}


def part_of(shape, seed, is_mask):
    rng = np.random.default_rng(seed)
    return rng.random(shape) < 0.5 if is_mask else rng.integers(0, 256, (*shape, 3), dtype=np.uint8)


def stream_of(data):
    at, found = 8, b""
    while at < len(data):
        (length,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        found += body if kind == b"IDAT" else b""
        at += 12 + length
    return found


@pytest.mark.parametrize("is_mask", [False, True], ids=["photo", "mask"])
@pytest.mark.parametrize(("top_left", "shape", "size"), PLACES.values(), ids=PLACES)
def test_it_decodes_to_the_part_on_a_blank_picture(top_left, shape, size, is_mask):
    part = part_of(shape, 1, is_mask)
    canvas = np.zeros((*size, *part.shape[2:]), part.dtype)
    canvas[top_left[0] : top_left[0] + shape[0], top_left[1] : top_left[1] + shape[1]] = part
    data = placed_png(part, top_left, size)
    picture = Image.open(io.BytesIO(data))
    assert picture.mode == ("1" if is_mask else "RGB")
    assert np.array_equal(np.asarray(picture), canvas)
    rows = zlib.decompress(stream_of(data))  # also checks the Adler-32
    assert len(rows) == size[0] * (1 + (-(-size[1] // 8) if is_mask else 3 * size[1]))


def test_blank_rows_cost_next_to_nothing():
    assert len(placed_png(part_of((2, 2), 0, False), (1500, 2000), (3000, 4000))) < 60_000


@pytest.mark.parametrize(
    ("part", "top_left", "reason"),
    [
        (np.zeros((2, 2, 3), np.uint8), (0, 9), "inside the picture"),
        (np.zeros((2, 2, 3), np.uint8), (-1, 0), "inside the picture"),
        (np.zeros((2, 2), np.uint8), (0, 0), "expected uint8"),
        (np.zeros((2, 2, 3), np.bool_), (0, 0), "expected uint8"),
    ],
)
def test_another_form_is_refused(part, top_left, reason):
    with pytest.raises(ValueError, match=reason):
        placed_png(part, top_left, (10, 10))
