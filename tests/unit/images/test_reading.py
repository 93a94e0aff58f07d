"""An image file is read as what it is: its content, its first frame, its pixels."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import warnings

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from maskrcnn_core.errors import ImageError
from maskrcnn_core.images import bands as image_bands
from maskrcnn_core.images import reading as images
from maskrcnn_core.images.reading import (
    SourceImage,
    decode_image,
    encode_jpeg,
    encode_png,
    image_format,
    one_line,
    read_image,
)
from tests.builders.image_files import (
    FORMATS,
    make_pixels,
    make_tiff,
    save,
)

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
    with pytest.raises(ImageError, match=r"big\.png: expected a file of at most"):
        read_image(tmp_path / "big.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
@pytest.mark.timeout(20)
def test_read_image_does_not_wait_for_the_writer_of_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match=r"pipe\.png: expected an image file, got something that is not a"):
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
        with pytest.raises(ValueError, match="expected uint8"):
            encode(pixels)


def test_one_line_keeps_names_readable_and_harmless():
    assert one_line("Ünïcode 日本 👩‍🔬 =1+1 ![x](y)") == "Ünïcode 日本 👩‍🔬 =1+1 ![x](y)"
    assert one_line("a\nb\u202egnp.\udcff") == "a\\nb\\u202egnp.\\udcff"


def test_an_evil_name_stays_on_one_line():
    with pytest.raises(ImageError) as caught:
        decode_image(b"", "a\nTraceback: \u202e.png")
    assert str(caught.value).startswith("a\\nTraceback: \\u202e.png: expected")
