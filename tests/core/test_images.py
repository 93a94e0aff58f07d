from __future__ import annotations

import hashlib
import io
import json
import os
import re
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from maskrcnn_core import image_bands, image_guards, images
from maskrcnn_core.errors import ImageError, InputError
from maskrcnn_core.images import (
    DEFAULT_MAX_PIXELS,
    SourceImage,
    decode_image,
    encode_jpeg,
    encode_png,
    image_format,
    image_size,
    one_line,
    pixel_limit,
    read_image,
)
from tests.shared_data import shared_path


def make_pixels(height=6, width=9, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")


def save(image, format, **options):
    """A file as Pillow writes it; WebP keeps every pixel unless told otherwise."""
    exactly = {"lossless": True, "exact": True} if format == "WEBP" else {}
    out = io.BytesIO()
    image.save(out, format, **{**exactly, **options})
    return out.getvalue()


def make_palette_image():
    """4 x 4 pixels of the palette's second colour, 10 200 30."""
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    return image


def ramp(dtype, top):
    """A 256 x 256 ramp from 0 to ``top``, each step once: its mean is half of the top."""
    return np.linspace(0, top, 65536).round().astype(dtype).reshape(256, 256)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def make_png(width, height, depth, colour_type, rows, *extra):
    """A PNG written by hand, for what Pillow does not write."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", head),
            *extra,
            png_chunk(b"IDAT", zlib.compress(rows)),
            png_chunk(b"IEND", b""),
        ]
    )


def tiff_of(tags, body=b""):
    """A little-endian TIFF: the body at 8, then one directory of ``(tag, type, value[, count])``."""
    entries = b"".join(
        struct.pack("<HHLL", tag, kind, count[0] if count else 1, value) for tag, kind, value, *count in tags
    )
    ifd = struct.pack("<H", len(tags)) + entries + struct.pack("<L", 0)
    return b"II*\0" + struct.pack("<L", 8 + len(body)) + body + ifd


def make_tiff(array, *, bits, sample_format=1, photometric=1, extra=()):
    """An uncompressed, one-strip grey TIFF; ``extra`` tags replace those of the same number."""
    tags = [
        (256, 4, array.shape[1]),
        (257, 4, array.shape[0]),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, array.shape[0]),
        (279, 4, array.nbytes),
        (339, 3, sample_format),
    ]
    by_number = {tag[0]: tag for tag in (*tags, *extra)}
    return tiff_of(sorted(by_number.values()), array.tobytes())


def make_bmp(head, body):
    """A bitmap of a header (from its own length on) and all that follows it."""
    return b"BM" + struct.pack("<LHHL", 14 + len(head) + len(body), 0, 0, 14 + len(head)) + head + body


def refusal(data, name="photo.png", **options):
    with pytest.raises(ImageError) as caught:
        decode_image(data, name, **options)
    message = str(caught.value)
    assert message.startswith(f"{name}: ") and "\n" not in message
    return message


def assert_decoded_or_refused(data, **options):
    try:
        decode_image(data, "broken", **options)
    except ImageError as error:
        assert str(error).startswith("broken: ") and "\n" not in str(error)


# ------------------------------------------------------------------------------------------- the type


def test_a_png_decodes_to_its_pixels_with_name_digest_size_and_format():
    pixels = make_pixels(5, 8)
    data = encode_png(pixels)
    image = decode_image(data, "été\n=1+1.png")
    assert np.array_equal(image.pixels, pixels)
    assert image.name == "été\n=1+1.png"
    assert image.digest == hashlib.sha256(data).hexdigest()
    assert image.size == (5, 8) and image.format == "PNG" and image.notes == ()
    assert image.pixels.flags.c_contiguous


@pytest.mark.parametrize(
    ("pixels", "digest"),
    [
        (np.zeros((2, 2), np.uint8), "0" * 64),
        (np.zeros((2, 2, 3), np.float32), "0" * 64),
        (np.zeros((0, 2, 3), np.uint8), "0" * 64),
        (np.zeros((4, 2, 3), np.uint8)[:, ::-1], "0" * 64),
        (np.zeros((2, 2, 3), np.uint8), "xyz"),
    ],
)
def test_a_source_image_is_checked_at_birth(pixels, digest):
    with pytest.raises(ValueError, match="SourceImage"):
        SourceImage("a.png", digest, pixels, "PNG")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 3000), (7, 3)])
def test_thin_and_tiny_images_decode_in_every_format(format, size):
    grey = np.full((*size, 3), 77, np.uint8)
    image = decode_image(save(Image.fromarray(grey), format), "thin")
    assert image.size == size
    assert abs(image.pixels.astype(int) - 77).max() <= 1


def test_the_content_decides_the_format_and_not_the_name():
    assert decode_image(encode_jpeg(make_pixels()), "really.png").format == "JPEG"
    assert image_format(encode_png(make_pixels())[:64], "x.jpg") == "PNG"


def test_a_large_image_converts_the_same_in_bands(monkeypatch):
    rgba = np.random.default_rng(3).integers(0, 256, (40, 30, 4), dtype=np.uint8)
    data = save(Image.fromarray(rgba), "PNG")
    whole = decode_image(data, "a.png").pixels
    monkeypatch.setattr(image_bands, "BAND_PIXELS", 100)
    assert np.array_equal(decode_image(data, "a.png").pixels, whole)


# ---------------------------------------------------------------------------------- modes, by their mean


def test_sixteen_bit_grey_keeps_its_mean_and_does_not_turn_white():
    image = decode_image(save(Image.fromarray(ramp(np.uint16, 65535)), "PNG"), "ramp.png")
    assert image.pixels.mean() == pytest.approx(127.5, abs=0.01)
    assert image.notes == ("16-bit grey scaled to 8 bit",)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_sixteen_bit_tiff_of_either_byte_order_keeps_its_mean(dtype, compression):
    array = ramp(np.uint16, 65535)
    mode = "I;16" if dtype == "<u2" else "I;16B"
    image = Image.frombytes(mode, (256, 256), array.astype(dtype).tobytes())
    pixels = decode_image(save(image, "TIFF", compression=compression), "ramp.tif").pixels
    assert pixels.mean() == pytest.approx(127.5, abs=0.01)
    assert pixels[0, 0, 0] == 0 and pixels[-1, -1, 0] == 255


def test_twelve_bit_values_are_scaled_by_a_declared_largest_value():
    data = make_tiff(ramp("<u2", 4095), bits=16, extra=[(281, 3, 4095)])
    assert decode_image(data, "a.tif").pixels.mean() == pytest.approx(127.5, abs=0.05)


def test_a_declared_largest_value_that_pixels_exceed_is_not_believed():
    data = make_tiff(ramp("<u2", 65535), bits=16, extra=[(281, 3, 255)])
    assert decode_image(data, "a.tif").pixels.mean() == pytest.approx(127.5, abs=0.05)


def test_white_is_zero_is_turned_round_in_sixteen_bit_too():
    array = np.full((4, 4), 13107, "<u2")  # a fifth
    assert decode_image(make_tiff(array, bits=16, photometric=0), "a.tif").pixels.mean() == 204
    assert decode_image(make_tiff(array, bits=16, photometric=1), "a.tif").pixels.mean() == 51


@pytest.mark.parametrize(
    ("dtype", "bits", "sample_format", "top"),
    [
        ("<u4", 32, 1, 255),
        ("<u4", 32, 1, 65535),
        ("<u4", 32, 1, 2**32 - 1),
        ("<i4", 32, 2, 2**31 - 1),
        ("<i2", 16, 2, 32767),
    ],
)
def test_wide_integers_are_scaled_by_the_depth_their_values_need(dtype, bits, sample_format, top):
    array = np.linspace(0, top, 65536).round().astype(dtype).reshape(256, 256)
    pixels = decode_image(make_tiff(array, bits=bits, sample_format=sample_format), "a.tif").pixels
    assert pixels.mean() == pytest.approx(127.5, abs=0.5)


def test_signed_values_have_their_zero_in_the_middle():
    array = np.linspace(-32768, 32767, 65536).astype("<i2").reshape(256, 256)
    image = decode_image(make_tiff(array, bits=16, sample_format=2), "ct.tif")
    assert image.pixels.mean() == pytest.approx(127.5, abs=0.01)
    assert image.notes == ("signed 16-bit grey scaled to 8 bit",)


@pytest.mark.parametrize(
    ("low", "high", "mean", "note"),
    [
        (0, 1, 127.5, "0 to 1"),
        (0, 255, 127.5, "0 to 255"),
        (-3, 5000, 127.5, "-3 to 5000"),
        (0, 0.5, 63.75, "0 to 1"),
        (700, 700, 127.5, "single value"),
    ],
)
def test_floats_are_read_in_the_customary_range_that_holds_them(low, high, mean, note):
    array = np.linspace(low, high, 65536, dtype=np.float32).reshape(256, 256)
    image = decode_image(save(Image.fromarray(array), "TIFF"), "f.tif")
    assert image.pixels.mean() == pytest.approx(mean, abs=0.6)
    assert note in image.notes[0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_floats_that_are_not_finite_are_refused(bad):
    array = np.zeros((9, 9), np.float32)
    array[4, 4] = bad
    assert "NaN or infinity" in refusal(save(Image.fromarray(array), "TIFF"), "f.tif")


def test_cmyk_jpeg_and_tiff_have_the_means_of_their_inks():
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[..., 0], inks[..., 3] = 255, 51  # full cyan and a fifth of black
    for format in ("JPEG", "TIFF"):
        image = decode_image(save(Image.fromarray(inks, "CMYK"), format), "print")
        assert image.pixels.mean(axis=(0, 1)) == pytest.approx([0, 204, 204], abs=2)
        assert image.notes == ("CMYK converted without its colour profile",)


def test_lab_tiff_becomes_srgb():
    grey = Image.fromarray(np.full((8, 8, 3), (180, 90, 40), np.uint8))
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    image = decode_image(save(ImageCms.applyTransform(grey, to_lab), "TIFF"), "lab.tif")
    assert image.pixels.mean(axis=(0, 1)) == pytest.approx([180, 90, 40], abs=3)
    assert image.notes == ("Lab colours converted to sRGB",)


def test_ycbcr_jpeg_and_tiff_keep_their_colours():
    image = Image.fromarray(np.full((16, 16, 3), (200, 100, 50), np.uint8))
    for data in (save(image, "JPEG", quality=95), save(image.convert("YCbCr"), "TIFF", compression="jpeg")):
        assert decode_image(data, "y").pixels.mean(axis=(0, 1)) == pytest.approx([200, 100, 50], abs=3)


def test_one_bit_images_are_black_and_white():
    bits = np.indices((16, 16)).sum(axis=0) % 2 == 0
    for format in ("PNG", "TIFF", "BMP", "GIF"):
        assert decode_image(save(Image.fromarray(bits), format), "bw").pixels.mean() == 127.5


def test_palette_images_take_the_palette_colours():
    for format in ("PNG", "GIF", "BMP", "TIFF"):
        assert (decode_image(save(make_palette_image(), format), "p").pixels == (10, 200, 30)).all()


@pytest.mark.parametrize("transparency", [1, bytes([255, 0]), bytes([255, 128])])
def test_palette_transparency_is_laid_on_white(transparency):
    decoded = decode_image(save(make_palette_image(), "PNG", transparency=transparency), "p.png")
    alpha = 128 / 255 if transparency == bytes([255, 128]) else 0.0
    expected = np.array([10, 200, 30]) * alpha + 255 * (1 - alpha)
    assert decoded.pixels.reshape(-1, 3).mean(axis=0) == pytest.approx(expected, abs=0.51)
    assert decoded.notes == ("transparency laid on white",)


@pytest.mark.parametrize(("mode", "colour"), [("RGBA", (10, 200, 30, 51)), ("LA", (100, 51))])
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_laid_on_white_and_said(mode, colour, format):
    decoded = decode_image(save(Image.new(mode, (5, 4), colour), format), "a")
    bands = colour[:3] if mode == "RGBA" else (100, 100, 100)
    expected = [value * 0.2 + 255 * 0.8 for value in bands]
    assert decoded.pixels.reshape(-1, 3).mean(axis=0) == pytest.approx(expected, abs=0.51)
    assert decoded.notes == ("transparency laid on white",)


def test_an_opaque_alpha_channel_changes_nothing_and_is_not_noted():
    pixels = make_pixels()
    rgba = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    decoded = decode_image(save(Image.fromarray(rgba), "PNG"), "a.png")
    assert np.array_equal(decoded.pixels, pixels) and decoded.notes == ()


def test_a_bitmap_whose_alpha_is_zero_all_over_is_shown_as_opaque():
    head = struct.pack("<LllHHLLllLL", 124, 2, 2, 1, 32, 3, 16, 0, 0, 0, 0)
    head += struct.pack("<LLLL", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + bytes(124 - 56)
    data = make_bmp(head, bytes([30, 200, 10, 0]) * 4)  # blue, green, red, unused
    assert (decode_image(data, "a.bmp").pixels == (10, 200, 30)).all()


def test_sixteen_bit_colour_keeps_its_mean():
    row = np.repeat(np.arange(0, 65536, 64, dtype=">u2")[:, None], 3, axis=1).tobytes()
    image = decode_image(make_png(1024, 1, 16, 2, b"\0" + row), "deep.png")
    assert image.pixels.mean() == pytest.approx(127.5, abs=0.5)
    assert image.notes == ("16 bits a channel reduced to 8",)


def test_a_transparent_grey_is_found_in_every_depth():
    for depth, row in (
        (2, b"\0\x1b"),
        (4, b"\0\x01\x23"),
        (8, b"\0\0\1\2\3"),
        (16, b"\0" + bytes(7) + b"\1"),
    ):
        levels = {2: 3, 4: 3, 8: 3, 16: 1}[depth]  # the last pixel's value
        data = make_png(4, 1, depth, 0, row, png_chunk(b"tRNS", struct.pack(">H", levels)))
        pixels = decode_image(data, "t.png").pixels[0, :, 0]
        assert pixels[-1] == 255 and (pixels[:-1] < 255).all(), depth


# ------------------------------------------------------------------------------------------ orientation


def as_stored(pixels, orientation):
    """How a camera stores upright pixels under an orientation: the inverse of what EXIF asks for."""
    image = Image.fromarray(pixels)
    way = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}.get(orientation)
    return image if way is None else image.transpose(Image.Transpose(way))


def exif_of(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "TIFF-LZW"])
def test_orientation_is_applied_exactly_once(format, orientation):
    pixels = make_pixels(5, 9)
    if format.startswith("TIFF"):
        options = {"tiffinfo": {0x0112: orientation}}
    else:
        options = {"exif": exif_of(orientation)}
    if format == "TIFF-LZW":
        options["compression"] = "tiff_lzw"
    data = save(as_stored(pixels, orientation), format.split("-")[0], **options)
    image = decode_image(data, "turned")
    assert np.array_equal(image.pixels, pixels)
    assert image_size(data, "turned") == (5, 9)
    assert (orientation == 1) == (image.notes == ())
    assert image.pixels.flags.c_contiguous


@pytest.mark.parametrize("format", ["JPEG", "MPO"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_jpeg_and_mpo_is_applied_exactly_once(format, orientation):
    pixels = np.kron(make_pixels(3, 5), np.ones((16, 16, 1), np.uint8))
    stored = as_stored(pixels, orientation)
    options = {"save_all": True, "append_images": [stored]} if format == "MPO" else {}
    data = save(stored, format, exif=exif_of(orientation), quality=95, subsampling=0, **options)
    image = decode_image(data, "camera.jpg")
    assert image.pixels.shape == pixels.shape
    assert abs(image.pixels.astype(int) - pixels).mean() < 3
    assert image_size(data, "camera.jpg") == (48, 80)


def test_exif_behind_the_pixels_of_a_png_counts_and_its_size_is_told_without_decoding():
    pixels = make_pixels(5, 9)
    early = save(as_stored(pixels, 6), "PNG", exif=exif_of(6))
    begin = early.index(b"eXIf") - 4
    end = begin + 12 + int.from_bytes(early[begin : begin + 4], "big")
    late = early[:begin] + early[end:-12] + early[begin:end] + early[-12:]
    assert np.array_equal(decode_image(late, "a.png").pixels, pixels)
    assert image_size(late, "a.png") == (5, 9)
    assert image_size(make_png(20000, 10000, 8, 2, b"no pixels"), "a.png") == (10000, 20000)


def test_deep_grey_is_turned_too():
    grey = np.arange(24, dtype=np.uint16).reshape(4, 6) * 2570
    stored = Image.fromarray(np.rot90(grey).copy())
    image = decode_image(save(stored, "PNG", exif=exif_of(6)), "g.png")
    assert np.array_equal(image.pixels[..., 0], grey // 257)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_ignored(value):
    pixels = make_pixels()
    data = save(Image.fromarray(pixels), "PNG", exif=exif_of(value))
    assert np.array_equal(decode_image(data, "a.png").pixels, pixels)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\1" * 9]
)
def test_broken_exif_does_not_refuse_a_good_image(exif):
    pixels = make_pixels()
    for format in ("JPEG", "PNG", "WEBP"):
        assert decode_image(save(Image.fromarray(pixels), format, exif=exif), "a").size == (6, 9)


def test_photos_of_real_cameras_stand_upright():
    folder = shared_path("data", "large")
    turned = decode_image((folder / "leicaT_16MP.jpg").read_bytes(), "leica")
    assert turned.size == (4928, 3264) and len(turned.notes) == 1
    mpo = read_image(folder / "dji_9MP_mpo.jpg")
    assert mpo.size == (2250, 4000) and mpo.format == "JPEG"


# ------------------------------------------------------------------------------------------------ frames


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_taken_and_the_rest_counted(format):
    frames = [Image.new("RGB", (8, 6), (value, 0, 0)) for value in (250, 100, 0)]
    data = save(frames[0], format, save_all=True, append_images=frames[1:])
    image = decode_image(data, "film")
    assert (image.pixels == (250, 0, 0)).all()
    assert image.notes == ("first of 3 frames",)


def test_a_circle_of_tiff_pages_is_counted_once():
    data = bytearray(make_tiff(np.zeros((4, 4), "<u2"), bits=16))
    data[-4:] = data[4:8]  # the directory names itself as the next
    assert decode_image(bytes(data), "loop.tif").size == (4, 4)


# ---------------------------------------------------------------------------------------------- refusals


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
        with pytest.raises(InputError, match="MASKDESK_MAX_MEGAPIXELS: wanted a number above 0"):
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
    assert f"found {found}" in message and "save it as PNG or JPEG" in message


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
    assert "at most 100,000 strips or tiles in a TIFF, found 100,001" in refusal(make_striped_tiff(100_001))


def test_values_of_a_tiff_tag_are_bounded_where_they_become_numbers():
    pixels = np.zeros((1000, 1000), np.uint8)
    for kind, read in [(3, False), (7, True)]:  # SHORT, and UNDEFINED as colour profiles are
        data = make_tiff(pixels, bits=8, extra=[(34675, kind, 8, 300_000)])
        if read:
            assert decode_image(data, "a.tif").size == (1000, 1000)
        else:
            assert "262,144 values in a TIFF tag, found 300,000 in tag 34675" in refusal(data)
    claimed = make_tiff(pixels, bits=8, extra=[(34675, 3, 8, 2**30)])  # more than the file holds
    assert decode_image(claimed, "a.tif").size == (1000, 1000)


def test_a_big_tiff_of_endless_tags_is_refused():
    big = b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 2**40)
    assert "at most 65,536 TIFF tags" in refusal(big + bytes(100))
    assert "found a big-endian BigTIFF" in refusal(b"MM\0+" + bytes(100))


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


def test_odd_metadata_is_no_reason_to_refuse_and_its_warning_is_pillows():
    broken = make_tiff(np.zeros((4, 4), "<u2"), bits=16, extra=[(277, 3, 1 + (1 << 16), 2)])
    assert decode_image(broken, "a.tif").size == (4, 4)  # pytest's own filters let it pass
    with pytest.warns(UserWarning, match="too many entries") as caught:
        decode_image(broken, "a.tif")
    assert {w.filename for w in caught} == {TiffImagePlugin.__file__}  # what the filter goes by


def test_many_threads_decode_at_once_without_disturbing_each_other():
    files = [(encode_png(make_pixels(50, 40, seed)), make_pixels(50, 40, seed)) for seed in range(8)]
    files.append((b"broken", None))
    wrong = []

    def work(offset):
        for k in range(len(files)):
            data, pixels = files[(k + offset) % len(files)]
            try:
                if not np.array_equal(decode_image(data, "a").pixels, pixels):
                    wrong.append(offset)
            except ImageError:
                if pixels is not None:
                    wrong.append(offset)

    before = list(warnings.filters)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and warnings.filters == before


# ------------------------------------------------------------------------------------- files, helpers


def test_read_image_names_the_file_and_gives_its_pixels(tmp_path):
    path = tmp_path / "日本 😀 (1).png"
    path.write_bytes(encode_png(make_pixels()))
    assert read_image(path).name == "日本 😀 (1).png"
    assert np.array_equal(read_image(str(path), name="a/b.png").pixels, make_pixels())


def test_read_image_refuses_what_it_cannot_read(tmp_path, monkeypatch):
    for path, words in [
        (tmp_path / "none.png", "No such file"),
        (tmp_path, "a folder"),
        (tmp_path / "nul\0.png", "embedded null"),
    ]:
        with pytest.raises(ImageError, match=words) as caught:
            read_image(path)
        assert str(caught.value).startswith(f"{one_line(path.name)}: ")
    monkeypatch.setattr(images, "MAX_FILE_BYTES", 10)
    (tmp_path / "big.png").write_bytes(bytes(11))
    with pytest.raises(ImageError, match=r"big\.png: wanted a file of at most"):
        read_image(tmp_path / "big.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
@pytest.mark.timeout(20)
def test_read_image_does_not_wait_for_the_writer_of_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match=r"pipe\.png: wanted an image file, found something that is no"):
        read_image(tmp_path / "pipe.png")


@pytest.mark.parametrize("suffix_shape", [(5, 7), (5, 7, 3), (5, 7, 4)])
def test_png_keeps_grey_rgb_and_rgba_exactly(suffix_shape):
    pixels = np.random.default_rng(1).integers(0, 256, suffix_shape, dtype=np.uint8)
    for level in (0, 1, 9):
        with Image.open(io.BytesIO(encode_png(pixels, compress_level=level))) as image:
            assert np.array_equal(np.asarray(image), pixels)


def test_jpeg_is_close_and_smaller_at_lower_quality():
    pixels = np.kron(make_pixels(4, 4), np.ones((16, 16, 1), np.uint8))
    assert len(encode_jpeg(pixels, quality=30)) < len(encode_jpeg(pixels))
    assert abs(decode_image(encode_jpeg(pixels), "a").pixels.astype(int) - pixels).mean() < 12


def test_encoders_refuse_other_arrays():
    for encode, pixels in [
        (encode_jpeg, np.zeros((2, 2, 4), np.uint8)),
        (encode_png, np.zeros((2, 2, 3), np.float32)),
        (encode_png, np.zeros((0, 2, 3), np.uint8)),
        (encode_png, np.zeros(4, np.uint8)),
    ]:
        with pytest.raises(ValueError, match="wanted uint8"):
            encode(pixels)


def test_one_line_keeps_names_readable_and_harmless():
    assert one_line("Ünïcode 日本 👩‍🔬 =1+1 ![x](y)") == "Ünïcode 日本 👩‍🔬 =1+1 ![x](y)"
    assert one_line("a\nb\u202egnp.\udcff") == "a\\nb\\u202egnp.\\udcff"


def test_an_evil_name_stays_on_one_line():
    with pytest.raises(ImageError) as caught:
        decode_image(b"", "a\nTraceback: \u202e.png")
    assert str(caught.value).startswith("a\\nTraceback: \\u202e.png: wanted")


# ------------------------------------------------------------------------------------ the bad collection

SWEEP = """
import json, resource, sys, time, warnings
from pathlib import Path
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "", UserWarning, "PIL[.](Png|Tiff)ImagePlugin")  # as in pyproject.toml
from maskrcnn_core.errors import ImageError
from maskrcnn_core.images import decode_image, encode_png
import numpy as np

decode_image(encode_png(np.zeros((9, 9, 3), np.uint8)), "warm-up.png")
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
for path in sorted(p for p in Path(sys.argv[1]).glob("*/*") if p.is_file()):
    before, start, answer = peak(), time.perf_counter(), None
    data = path.read_bytes()
    print(json.dumps({"begins": path.name}), flush=True)  # names the culprit of a crash
    try:
        image = decode_image(data, path.name)
        ok, message = True, ""
        assert image.pixels.shape == (*image.size, 3)
    except ImageError as error:
        ok, message = False, str(error)
    seconds = time.perf_counter() - start
    print(json.dumps({"name": path.name, "folder": path.parent.name, "ok": ok, "message": message,
                      "seconds": seconds, "grown": peak() - before}), flush=True)
"""


@pytest.fixture(scope="module")
def sweep():
    folder = shared_path("data", "bad_images")
    run = subprocess.run(
        [sys.executable, "-c", SWEEP, str(folder)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=500,
        check=False,
    )
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, f"{lines[-1:]}: {run.stderr[-2000:]}"
    # libtiff itself writes a line about a broken file now and then; Python must not
    assert not re.search(r"Warning: |Traceback|Exception ignored", run.stderr)
    return [line for line in lines if "name" in line]


def test_each_of_the_bad_images_is_decoded_or_refused_in_one_line(sweep):
    assert len(sweep) == 542
    for file in sweep:
        if not file["ok"]:
            assert re.fullmatch(rf"{re.escape(file['name'])}: [^\n]+", file["message"])
    assert sum(file["ok"] for file in sweep) >= 250


def test_no_bad_image_takes_long_or_much_memory(sweep):
    assert max(file["seconds"] for file in sweep) < 10
    assert max(file["grown"] for file in sweep) < 300 * 2**20


def test_good_images_of_odd_kinds_are_not_refused(sweep):
    refused = [f["name"] for f in sweep if f["folder"] == "10_exif_orientation" and not f["ok"]]
    assert all(name.endswith(".avif") for name in refused)
