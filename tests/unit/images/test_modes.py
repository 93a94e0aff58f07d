"""Pixels of every mode keep their mean, or their colours."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from maskrcnn_core.images.reading import (
    decode_image,
)
from tests.builders.image_files import (
    make_bmp,
    make_palette_image,
    make_pixels,
    make_png,
    make_tiff,
    png_chunk,
    ramp,
    refusal,
    save,
)


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
    assert decoded.notes == ("transparency flattened onto white",)


@pytest.mark.parametrize(("mode", "color"), [("RGBA", (10, 200, 30, 51)), ("LA", (100, 51))])
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_laid_on_white_and_said(mode, color, format):
    decoded = decode_image(save(Image.new(mode, (5, 4), color), format), "a")
    bands = color[:3] if mode == "RGBA" else (100, 100, 100)
    expected = [value * 0.2 + 255 * 0.8 for value in bands]
    assert decoded.pixels.reshape(-1, 3).mean(axis=0) == pytest.approx(expected, abs=0.51)
    assert decoded.notes == ("transparency flattened onto white",)


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
    assert image.notes == ("16 bits per channel reduced to 8",)


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
