"""Images stand upright: EXIF's orientation is applied once."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from maskrcnn_core.images.reading import (
    decode_image,
    image_size,
    read_image,
)
from tests.builders.image_files import (
    make_pixels,
    make_png,
    save,
)
from tests.shared_data import shared_path


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
