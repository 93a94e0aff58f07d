"""What is refused: too many pixels, broken files, and those that would take long or much memory."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from maskrcnn_core.errors import InputError
from maskrcnn_core.images import guards as image_guards
from maskrcnn_core.images.reading import (
    DEFAULT_MAX_PIXELS,
    decode_image,
    encode_jpeg,
    encode_png,
    pixel_limit,
)
from tests.builders.image_files import (
    FORMATS,
    assert_decoded_or_refused,
    make_bmp,
    make_pixels,
    make_png,
    make_tiff,
    png_chunk,
    refusal,
    save,
    tiff_of,
)


def test_too_many_pixels_are_refused_from_the_header_with_their_number():
    bomb = make_png(20000, 20000, 8, 2, b"")
    message = refusal(bomb, "bomb.png")
    assert "at most 50 megapixels" in message and "20000 x 20000 pixels = 400.0" in message


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_held_to_the_limit_and_reads_at_it(format):
    data = save(Image.new("RGB", (30, 20)), format)
    assert decode_image(data, "a", max_pixels=600).size == (20, 30)
    assert "30 x 20" in refusal(data, "a", max_pixels=599)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
def test_a_higher_limit_reaches_above_pillows_own(format, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    data = save(Image.new("L", (30, 20), 9), format)
    assert decode_image(data, "a", max_pixels=600).pixels.mean() == 9


def test_the_limit_is_a_setting(monkeypatch):
    monkeypatch.delenv("MASKDESK_MAX_MEGAPIXELS", raising=False)
    assert pixel_limit() == DEFAULT_MAX_PIXELS == 50_000_000
    monkeypatch.setenv("MASKDESK_MAX_MEGAPIXELS", "0.0001")
    assert "at most 0.0001 megapixels" in refusal(encode_png(make_pixels(20, 20)))
    for wrong in ("many", "-1", "0", "nan", "inf"):
        monkeypatch.setenv("MASKDESK_MAX_MEGAPIXELS", wrong)
        with pytest.raises(InputError, match="MASKDESK_MAX_MEGAPIXELS: expected a number above 0"):
            pixel_limit()


def test_a_truncated_jpeg_is_refused_and_not_half_grey():
    data = encode_jpeg(make_pixels(64, 64))
    assert "JPEG" in refusal(data[: len(data) // 2], "cut.jpg")


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_cut_short_anywhere_is_decoded_or_refused_in_one_line(format):
    data = save(Image.fromarray(make_pixels(24, 24)), format, lossless=False)
    for length in range(0, len(data), max(1, len(data) // 60)):
        assert_decoded_or_refused(data[:length])


def test_a_file_with_flipped_bytes_is_decoded_or_refused_in_one_line():
    rng = np.random.default_rng(5)
    for format in FORMATS:
        data = save(Image.fromarray(make_pixels(24, 24)), format, lossless=False)
        for _ in range(80):
            broken = bytearray(data)
            for at in rng.integers(0, min(len(data), 400), 3):
                broken[at] = rng.integers(256)
            assert_decoded_or_refused(bytes(broken), max_pixels=10**6)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "an empty file"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "a PostScript file"),
        (b"PK\x03\x04\x14\0", "a zip archive"),
        (b"hello", "none of these"),
    ],
)
def test_other_content_is_named_whatever_the_file_is_called(data, found):
    message = refusal(data, "photo.png")
    assert f"got {found}" in message and "save it as PNG or JPEG" in message


def test_only_the_six_decoders_can_be_reached(monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("Image.open tries every decoder")

    monkeypatch.setattr(Image, "open", never)
    assert decode_image(encode_png(make_pixels()), "a.png").format == "PNG"


def test_a_small_tiff_with_huge_tiles_is_refused_before_they_are_decoded():
    tags = [
        (256, 4, 64),
        (257, 4, 64),
        (258, 3, 8),
        (259, 3, 8),
        (262, 3, 1),
        (277, 3, 1),
        (322, 4, 60000),
        (323, 4, 60000),
        (324, 4, 8),
        (325, 4, 4),
    ]
    data = tiff_of(tags)
    assert "tiles of 60000 x 60000" in refusal(data, "tiles.tif")


def make_striped_tiff(strips):
    """One column of that many one-row strips. Their offsets are of type BYTE: a byte of file each."""
    column = np.full((strips, 1), 8, np.uint8)  # its bytes are the pixels, and the offsets too
    return make_tiff(column, bits=8, extra=[(273, 1, 8, strips), (278, 4, 1)])


def test_a_tiff_of_many_strips_is_read_up_to_what_pillow_can_list():
    assert (decode_image(make_striped_tiff(3000), "s.tif").pixels == 8).all()
    assert "at most 100,000 strips or tiles in a TIFF, got 100,001" in refusal(make_striped_tiff(100_001))


def test_values_of_a_tiff_tag_are_bounded_where_they_become_numbers():
    pixels = np.zeros((1000, 1000), np.uint8)
    for kind, read in [(3, False), (7, True)]:  # SHORT, and UNDEFINED as colour profiles are
        data = make_tiff(pixels, bits=8, extra=[(34675, kind, 8, 300_000)])
        if read:
            assert decode_image(data, "a.tif").size == (1000, 1000)
        else:
            assert "262,144 values in a TIFF tag, got 300,000 in tag 34675" in refusal(data)
    claimed = make_tiff(pixels, bits=8, extra=[(34675, 3, 8, 2**30)])  # more than the file holds
    assert decode_image(claimed, "a.tif").size == (1000, 1000)


def test_a_big_tiff_of_endless_tags_is_refused():
    big = b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 2**40)
    assert "at most 65,536 TIFF tags" in refusal(big + bytes(100))
    assert "got a big-endian BigTIFF" in refusal(b"MM\0+" + bytes(100))


def test_endless_empty_segments_and_chunks_are_refused():
    jpeg, png = encode_jpeg(make_pixels()), encode_png(make_pixels())
    comments = b"\xff\xfe\0\2" * 10_000
    assert "at most 10,000 segments" in refusal(jpeg[:2] + comments + jpeg[2:])
    chunk = png_chunk(b"teSt", b"")
    assert decode_image(png[:33] + chunk * 1000 + png[33:], "a.png").size == (6, 9)
    assert "at most 250,000 chunks" in refusal(png[:33] + chunk * 250_000 + png[33:])


def test_exif_of_endless_segments_is_refused_and_of_a_huge_chunk_not_read():
    pixels = make_pixels()
    segment = b"\xff\xe1\xff\xffExif\0\0" + bytes(65535 - 8)
    jpeg = encode_jpeg(pixels)
    assert decode_image(jpeg[:2] + segment * 3 + jpeg[2:], "a.jpg").size == (6, 9)
    assert "at most 4 MiB of EXIF" in refusal(jpeg[:2] + segment * 65 + jpeg[2:])
    many = tiff_of([(0x0112, 3, 8, 2**21)], struct.pack("<H", 6) * 2**21)  # 2 million orientations
    png = encode_png(pixels)
    assert decode_image(png[:33] + png_chunk(b"eXIf", many) + png[33:], "a.png").size == (6, 9)


def test_run_length_bitmaps_are_read_up_to_a_size_as_their_decoder_is_slow(monkeypatch):
    body = b"\4\1\0\0" * 3 + b"\0\1"
    head = struct.pack("<LllHHLLllLL", 40, 4, 3, 1, 8, 1, len(body), 0, 0, 2, 0) + bytes(
        [0, 0, 0, 0, 30, 20, 10, 0]
    )
    data = make_bmp(head, body)
    assert (decode_image(data, "a.bmp").pixels == (10, 20, 30)).all()
    monkeypatch.setattr(image_guards, "_MAX_RLE_BYTES", 20)
    assert "run-length coded BMP" in refusal(data, "a.bmp")


def test_a_progressive_jpeg_of_endless_scans_is_refused():
    data = save(Image.fromarray(make_pixels(32, 32)), "JPEG", progressive=True)
    assert decode_image(data, "good.jpg").size == (32, 32)
    last = data.rindex(b"\xff\xda")
    assert "at most 200 scans" in refusal(data[:last] + data[last:-2] * 1000 + data[-2:], "stall.jpg")


def test_what_follows_a_jpegs_end_does_not_count_as_scans():
    data = save(Image.fromarray(make_pixels(32, 32)), "JPEG", progressive=True)
    assert decode_image(data + b"\xff\xda\0\2" * 1000, "with_video.jpg").size == (32, 32)
