"""AVIF and HEIC are read like all others; what is no image is named for what it is, with what helps."""

import io
import struct
import sys

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.kinds import OTHER_KINDS, other_kind
from maskrcnn_core.images.reading import HEAD_BYTES, IMAGE_SUFFIXES, decode_image, image_format, image_size


def encode(image, format, **options):
    out = io.BytesIO()
    if format == "HEIC":
        pillow_heif.from_pillow(image).save(out, quality=95, **options)
    else:
        image.save(out, format, quality=95, **options)
    return out.getvalue()


def slope(height=60, width=90):
    """Smooth, as both codecs are made for, and other on each side."""
    yy, xx = np.mgrid[:height, :width]
    return np.stack([yy * 250 / height, xx * 250 / width, (yy + xx) * 250 / (height + width)], -1).astype(
        np.uint8
    )


def refusal(data, name="photo.png", **options):
    with pytest.raises(ImageError) as caught:
        decode_image(data, name, **options)
    message = str(caught.value)
    assert message.startswith(f"{name}: ") and "\n" not in message
    return message


@pytest.mark.parametrize("format", ["AVIF", "HEIC"])
class TestModernPhotos:
    def test_are_read_with_size_and_format_from_the_header(self, format):
        data = encode(Image.fromarray(slope()), format)
        image = decode_image(data, "phone")
        assert (image.format, image.size, image.notes) == (format, (60, 90), ())
        assert np.abs(image.pixels.astype(int) - slope()).mean() < 2
        assert image_format(data[:64], "phone") == format
        assert image_size(data, "phone") == (60, 90)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_come_upright_exactly_once(self, format, orientation):
        stored = Image.fromarray(slope())
        way = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}.get(orientation)
        stored = stored if way is None else stored.transpose(Image.Transpose(way))
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = encode(stored, format, exif=exif.tobytes())
        image = decode_image(data, "turned")
        assert image.size == image_size(data, "turned") == (60, 90)
        assert np.abs(image.pixels.astype(int) - slope()).mean() < 3

    def test_are_laid_on_white_where_transparent(self, format):
        rgba = np.dstack([slope(), np.full((60, 90), 51, np.uint8)])
        image = decode_image(encode(Image.fromarray(rgba), format), "a")
        assert np.abs(image.pixels - (slope() * 0.2 + 255 * 0.8)).mean() < 3
        assert image.notes == ("transparency flattened onto white",)

    def test_meet_the_pixel_limit_before_they_are_decoded(self, format):
        data = encode(Image.fromarray(slope()), format)
        assert "got 90 x 60 pixels" in refusal(data[: len(data) - 40], "a", max_pixels=5000)

    def test_are_decoded_or_refused_when_broken(self, format):
        data = encode(Image.fromarray(slope()), format)
        rng = np.random.default_rng(0)
        broken = [data[:length] for length in range(16, len(data), len(data) // 30)]
        for _ in range(60):
            flipped = bytearray(data)
            for at in rng.integers(0, min(len(data), 600), 3):
                flipped[at] = rng.integers(256)
            broken.append(bytes(flipped))
        for file in broken:
            try:
                decode_image(file, "broken", max_pixels=10**6)
            except ImageError as error:
                assert str(error).startswith("broken: ") and "\n" not in str(error)

    def test_of_several_pictures_say_that_one_is_shown(self, format):
        pictures = [Image.fromarray(slope()), Image.fromarray(slope()[::-1].copy())]
        out = io.BytesIO()
        if format == "HEIC":
            file = pillow_heif.from_pillow(pictures[0])
            file.add_from_pillow(pictures[1])
            file.save(out)
        else:
            pictures[0].save(out, format, save_all=True, append_images=pictures[1:])
        image = decode_image(out.getvalue(), "burst")
        assert image.notes == ("first of 2 frames",)
        assert np.abs(image.pixels.astype(int) - slope()).mean() < 12


def test_heic_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    message = refusal(encode(Image.fromarray(slope()), "HEIC"), "phone.heic")
    assert "a HEIC photo, which needs the package pillow-heif" in message and "or save the photo" in message


def test_folders_are_searched_for_the_suffixes_of_all_formats():
    assert {".avif", ".heic", ".heif", ".hif", ".png", ".tif"} <= IMAGE_SUFFIXES


def box(brand):
    return struct.pack(">L", 24) + b"ftyp" + brand + b"\0\0\2\0" + b"isomiso2"


NAMED = {
    "a Photoshop document": b"8BPS\0\1",
    "a JPEG XL image": b"\xff\x0a\xfa\x1f\x01",
    "a JPEG 2000 image": b"\0\0\0\x0cjP  \r\n\x87\n",
    "a camera raw file (Canon CR3)": box(b"crx "),
    "a camera raw file (Canon CR2)": b"II*\0\x10\0\0\0CR\2\0",
    "a camera raw file (Fujifilm RAF)": b"FUJIFILMCCD-RAW 0201",
    "a camera raw file (Olympus ORF)": b"IIRO\x08\0",
    "a camera raw file (Panasonic RW2)": b"IIU\0\x18\0",
    "a video (MP4 or MOV)": box(b"isom"),
    "a video (AVI)": b"RIFF\x24\0\0\0AVI LIST",
    "a video (Matroska or WebM)": b"\x1a\x45\xdf\xa3\x9f\x42",
    "a DICOM file": bytes(128) + b"DICM\2\0\0\0",
    "a NIfTI volume": struct.pack("<L", 348) + bytes(340) + b"n+1\0",
    "an HDF5 file (as Imaris and ilastik write)": b"\x89HDF\r\n\x1a\n",
    "what looks like gzip (as NIfTI volumes, .nii.gz, are packed)": b"\x1f\x8b\x08\0",
    "a NumPy array": b"\x93NUMPY\1\0",
    "an SVG drawing": b"<?xml version='1.0'?>\n<!-- by hand -->\n<svg xmlns='http://www.w3.org/2000/svg'/>",
    "an HTML page or XML text": b"<!DOCTYPE html><html>",
    "what looks like JSON": b'{"images": []}',
    "a PDF": b"%PDF-1.7\n",
    "none of these": b"hello",
}


@pytest.mark.parametrize(("found", "data"), NAMED.items(), ids=list(NAMED))
def test_what_is_no_image_is_named_for_what_it_is_whatever_it_is_called(found, data):
    message = refusal(data + bytes(600) if len(data) > 100 else data, "photo.png")
    assert f"got {found} (the content decides, not the name); " in message


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
@pytest.mark.parametrize("rle", [None, "tga_rle"])
def test_tga_which_has_no_mark_is_known_by_its_header(mode, rle):
    out = io.BytesIO()
    Image.fromarray(slope()).convert(mode).save(out, "TGA", compression=rle)
    assert "got what looks like a TGA image" in refusal(out.getvalue(), "texture.tga")


@pytest.mark.parametrize(
    ("format", "found"),
    [
        ("JPEG2000", "a JPEG 2000 image"),
        ("PPM", "a PNM image"),
        ("ICO", "a Windows icon"),
        ("PCX", "a PCX image"),
    ],
)
def test_files_that_pillow_writes_are_named(format, found):
    out = io.BytesIO()
    Image.fromarray(slope()).save(out, format)
    assert f"got {found}" in refusal(out.getvalue())


def test_a_video_says_how_its_frames_come_out():
    assert "take its frames out as images" in refusal(box(b"qt  "), "clip.heic")


def test_every_kind_says_what_helps_and_none_takes_an_image_that_is_read():
    for kind in OTHER_KINDS:
        assert kind.name and kind.helps and not kind.helps.endswith(".")
    for format in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIC"):
        data = encode(Image.fromarray(slope()), format) if format in ("AVIF", "HEIC") else b""
        if not data:
            out = io.BytesIO()
            Image.fromarray(slope()).save(out, format)
            data = out.getvalue()
        assert image_format(data[:HEAD_BYTES], "a")


def test_long_texts_do_not_make_the_naming_slow():
    for data in (b"<?" * 5000, b"<!--" + b" " * 5000, b" " * 5000, b"P" * 5000):
        assert other_kind(data) is None or other_kind(data).name
