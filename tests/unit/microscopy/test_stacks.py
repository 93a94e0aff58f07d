"""Each plane of a stack is the one that was written, in whatever way a file holds it."""

import hashlib
import struct

import numpy as np
import pytest
import tifffile

from maskrcnn_core.errors import ImageError, InputError
from maskrcnn_core.images.reading import decode_image
from maskrcnn_core.microscopy.compositing import render
from maskrcnn_core.microscopy.facts import PixelSize
from maskrcnn_core.microscopy.seen_files import make_seen_file, seen_of, values_of_seen
from maskrcnn_core.microscopy.stacks import open_stack
from maskrcnn_core.microscopy.views import view_of
from tests.builders.stacks import fiji, numbered, ome, tiff

VALUES = numbered()

WRITTEN = {
    "fiji": lambda: fiji(VALUES),
    "fiji, one directory": lambda: fiji(VALUES, truncate=True),
    "ome": lambda: ome(VALUES),
    "ome, big-endian": lambda: ome(VALUES, byteorder=">"),
    "ome, BigTIFF": lambda: ome(VALUES, bigtiff=True),
    "ome, LZW": lambda: ome(VALUES, compression="lzw"),
    "ome, LZW, big-endian": lambda: ome(VALUES, compression="lzw", byteorder=">"),
    "ome, deflate with differences": lambda: ome(VALUES, compression="zlib", predictor=True),
    "ome, tiles": lambda: ome(VALUES, tile=(16, 16)),
    "ome, many strips": lambda: ome(VALUES, rowsperstrip=5),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_every_plane_is_the_one_written(kind):
    stack = open_stack(WRITTEN[kind](), "a.tif")
    assert (stack.pages, stack.slices, len(stack.channels)) == (3, 4, 2)
    assert stack.size == (24, 32) and stack.bits == 16 and not stack.is_float and stack.is_choosable
    for page in range(3):
        for z in range(4):
            for channel in range(2):
                plane = stack.plane(page + 1, z + 1, channel + 1)
                assert plane.dtype == np.uint16 and np.array_equal(plane, VALUES[page, z, channel])
    assert np.array_equal(stack.plane(2, "max", 1), VALUES[1, :, 0].max(axis=0))
    assert np.array_equal(stack.plane("max", 3, 2), VALUES[:, 2, 1].max(axis=0))
    assert np.array_equal(stack.plane("max", "max", 2), VALUES[:, :, 1].max(axis=(0, 1)))


@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i4", "f4"])
def test_pages_of_every_type(dtype, compression):
    values = (VALUES[0, :, 0].astype("f8") - (2000 if dtype[0] in "if" else 0)).astype(dtype)
    stack = open_stack(tiff(values, photometric="minisblack", compression=compression), "a.tif")
    assert (stack.pages, stack.slices, len(stack.channels)) == (4, 1, 1)
    for page in range(4):
        plane = stack.plane(page + 1, 1, 1)
        assert plane.dtype == np.dtype(dtype) and np.array_equal(plane, values[page])


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_channels_within_a_page(planar):
    values = VALUES[0, 0, 0] + np.arange(5, dtype=np.uint16)[:, None, None] * 600
    given = values if planar == "separate" else np.ascontiguousarray(values.transpose(1, 2, 0))
    stack = open_stack(tiff(given, photometric="minisblack", planarconfig=planar, metadata=None), "a.tif")
    assert [one.name for one in stack.channels] == [f"channel {n}" for n in range(1, 6)]
    assert [one.color for one in stack.channels][:3] == ["#ff0000", "#00ff00", "#0000ff"]
    for channel in range(5):
        assert np.array_equal(stack.plane(1, 1, channel + 1), values[channel])


def test_a_turned_stack_is_upright_and_its_pixel_too():
    values = VALUES[0, :, 0]
    data = tiff(
        values,
        photometric="minisblack",
        resolution=(20_000, 10_000),
        resolutionunit="CENTIMETER",
        extratags=[(274, "H", 1, 6, True)],
    )
    stack = open_stack(data, "a.tif")
    assert stack.size == (32, 24)
    assert np.array_equal(stack.plane(2, 1, 1), np.rot90(values[1], -1))
    assert stack.pixel == PixelSize(1.0, 0.5, "the TIFF's resolution")


# -- what metadata say ------------------------------------------------------------------------------


def test_facts_of_ome():
    blue, green = struct.unpack(">ii", struct.pack(">II", 0x0000FFFF, 0x00FF00FF))
    stack = open_stack(ome(VALUES, names=("DAPI", "GFP"), colors=(blue, green), pixel=0.325), "a.tif")
    assert [(one.name, one.color) for one in stack.channels] == [("DAPI", "#0000ff"), ("GFP", "#00ff00")]
    assert stack.pixel == PixelSize(0.325, 0.325, "OME metadata") and stack.slice_step == 0.65
    assert stack.text == "3 pages of 4 slices of 2 channels, 16 bit"


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("micron", 1), ("um", 1), ("\\u00B5m", 1), ("nm", 1e-3), ("mm", 1e3), ("inch", 25_400)],
)
def test_pixel_size_of_fiji(unit, factor):
    pixel = open_stack(fiji(VALUES, pixel=0.25, unit=unit), "a.tif").pixel
    assert (
        pixel is not None
        and pixel.x == pytest.approx(0.25 * factor, rel=1e-4)
        and pixel.source == "ImageJ metadata"
    )


def test_a_pixel_size_is_not_made_up():
    assert open_stack(fiji(VALUES), "a.tif").pixel is None
    assert open_stack(fiji(VALUES, pixel=0.25, unit="pixel"), "a.tif").pixel is None
    plain = VALUES[0, :, 0]
    # 300 dots an inch are a printer's
    printed = tiff(plain, photometric="minisblack", resolution=(300, 300), resolutionunit="INCH")
    assert open_stack(printed, "a.tif").pixel is None
    assert (
        open_stack(
            tiff(plain, photometric="minisblack", resolution=(9e4, 9e4), resolutionunit="NONE"), "a.tif"
        ).pixel
        is None
    )


def test_colours_of_fiji():
    luts = [np.zeros((3, 256), np.uint8) for _ in range(2)]
    luts[0][0] = luts[0][2] = luts[1][1] = np.arange(256)
    data = tiff(VALUES, imagej=True, metadata={"axes": "TZCYX", "mode": "composite", "LUTs": luts})
    assert [one.color for one in open_stack(data, "a.tif").channels] == ["#ff00ff", "#00ff00"]


def test_planes_that_are_missing_are_black_and_said():
    whole = ome(VALUES)
    part = whole.replace(b'<TiffData IFD="0" PlaneCount="24"/>', b'<TiffData IFD="0" PlaneCount="20"/>')
    assert part != whole
    stack = open_stack(part, "a.tif")
    assert stack.notes == ("4 planes are not in the file and shown black",)
    assert stack.plane(3, 4, 2).max() == 0 and np.array_equal(stack.plane(3, 2, 2), VALUES[2, 1, 1])


# -- what is seen -----------------------------------------------------------------------------------


def test_channels_are_added_in_their_colours_between_black_and_white():
    values = np.zeros((1, 1, 2, 2, 2), np.uint16)
    values[0, 0, 0] = [[0, 100], [300, 1100]]
    values[0, 0, 1] = [[0, 0], [50, 1000]]
    stack = open_stack(ome(values), "a.tif")
    shown = render(stack, view_of(channels="1:magenta,2:red", contrast="1:100..1100,2:0..100"))
    assert shown.tolist() == [[[0, 0, 0], [0, 0, 0]], [[178, 0, 51], [255, 0, 255]]]
    grey = render(stack, view_of(channels="2", contrast="1000..0"))
    assert grey.tolist() == [[[255] * 3, [255] * 3], [[242] * 3, [0] * 3]]


def test_nothing_is_left_open_in_what_is_kept():
    stack = open_stack(ome(VALUES, names=("DAPI", "GFP")), "a.tif")
    view = stack.resolve(view_of("2", "max", "gfp", "auto"))
    assert view.text == "page=2;z=max;channels=2:#ffffff;contrast=2:0.1%..99.9%"
    assert stack.resolve(view) == view
    full = stack.resolve(view_of(contrast="full"))
    assert full.text == "page=1;z=1;channels=1:#ff0000,2:#00ff00;contrast=1:0..65535,2:0..65535"
    shallow = open_stack(tiff(VALUES[0, :, 0].astype(np.uint8), photometric="minisblack"), "b.tif")
    assert shallow.resolve(view_of()).text == "page=1;z=1;channels=1:#ffffff;contrast=1:0..255"


def test_eight_bits_are_seen_as_they_are():
    values = np.random.default_rng(1).integers(0, 256, (3, 20, 30, 3), np.uint8)
    stack = open_stack(tiff(values, photometric="rgb"), "a.tif")
    assert np.array_equal(render(stack, view_of("2")), values[1])


def test_white_is_zero_is_turned_round():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    data = tiff(values, photometric="miniswhite")
    assert np.array_equal(render(open_stack(data, "a.tif"), view_of()), decode_image(data, "a.tif").pixels)


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (view_of("4"), r"a\.tif: expected page 1 to 3, got 4"),
        (view_of(z="5"), r"a\.tif: expected z 1 to 4, got 5"),
        (view_of(channels="3"), r"a\.tif: expected a channel of 1 \(DAPI\), 2 \(GFP\), got '3'"),
        (view_of(channels="Cy5"), r"a\.tif: expected a channel of 1 \(DAPI\), 2 \(GFP\), got 'Cy5'"),
        (view_of(channels="1,DAPI"), "channels: expected each channel once"),
    ],
)
def test_what_a_stack_does_not_have_is_said(view, message):
    stack = open_stack(ome(VALUES, names=("DAPI", "GFP")), "a.tif")
    with pytest.raises(InputError, match=message):
        stack.resolve(view)


def test_slices_that_are_pages_are_pointed_at():
    stack = open_stack(tiff(VALUES[0, :, 0], photometric="minisblack"), "a.tif")
    with pytest.raises(InputError, match="expected z 1, got 2; it has 4 pages"):
        stack.resolve(view_of(z="2"))


# -- a view as a file -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fiji", "ome, LZW, big-endian"])
def test_a_view_is_a_picture_that_every_program_reads(kind, tmp_path):
    data = WRITTEN[kind]()
    digest = hashlib.sha256(data).hexdigest()
    stack = open_stack(data, "a.tif")
    view = stack.resolve(view_of("2", "max", "2:green"))
    file = make_seen_file(stack, view, digest)
    assert file == make_seen_file(open_stack(data, "a.tif"), view_of("2", "max", "2:green"), digest)
    image = decode_image(file, "b.tif")
    assert np.array_equal(image.pixels, render(stack, view))
    assert image.notes == (f"view of a.tif ({view.text})",)
    (path := tmp_path / "b.tif").write_bytes(file)
    assert np.array_equal(tifffile.imread(path, key=0), image.pixels)
    seen = seen_of(file, "b.tif")
    assert seen is not None
    assert (seen.view, seen.source_name, seen.source_digest) == (view, "a.tif", digest)
    assert (seen.pages, seen.slices, seen.channels) == (3, 4, stack.channels)
    measured = values_of_seen(file, "b.tif")
    assert [plane.tolist() for plane in measured] == VALUES[1].max(axis=0).tolist()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_values_of_a_view_come_back_whatever_their_number(channels):
    values = numbered(channels=channels)
    data = ome(values, pixel=0.5)
    stack = open_stack(data, "a.tif")
    file = make_seen_file(stack, view_of(z="3"), "0" * 64)
    assert [plane.tolist() for plane in values_of_seen(file, "b.tif")] == values[0, 2].tolist()
    assert seen_of(file, "b.tif").pixel == PixelSize(0.5, 0.5, "OME metadata")


def test_other_files_are_no_views():
    assert seen_of(ome(VALUES), "a.tif") is None
    assert seen_of(b"", "a.tif") is None
    with pytest.raises(ImageError, match="expected a view of a stack, got another image"):
        values_of_seen(ome(VALUES), "a.tif")


# -- what comes from outside ------------------------------------------------------------------------


def test_a_damaged_description_is_refused():
    stack = open_stack(ome(VALUES), "a.tif")
    file = make_seen_file(stack, view_of(), "0" * 64)
    assert decode_image(file.replace(b'{"view"', b'{"veiw"'), "b.tif").notes == ("first of 3 frames",)
    with pytest.raises(ImageError, match=r"b\.tif: expected a view of a stack that MaskDesk wrote"):
        seen_of(file.replace(b'{"view"', b'{"veiw"'), "b.tif")


def test_files_that_are_cut_short_are_refused():
    for kind in ("fiji", "ome, LZW"):
        data = WRITTEN[kind]()
        for length in range(0, len(data), 977):
            try:
                stack = open_stack(data[:length], "a.tif")
                for page in range(stack.pages):
                    stack.plane(page + 1, stack.slices, len(stack.channels))
            except ImageError as error:
                assert str(error).startswith("a.tif: ")


def test_entities_are_not_expanded():
    data = tiff(
        VALUES[0, :, 0],
        photometric="minisblack",
        metadata=None,
        description='<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaa">]><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image>&a;</Image></OME>',
    )
    assert open_stack(data, "a.tif").pages == 4


def test_planes_too_large_are_refused_before_they_are_read(monkeypatch):
    monkeypatch.setenv("MASKDESK_MAX_MEGAPIXELS", "0.0005")
    with pytest.raises(
        ImageError, match=r"a\.tif: expected planes of at most 0\.0005 megapixels, got 32 x 24"
    ):
        open_stack(ome(VALUES), "a.tif")


def test_values_that_are_not_finite_are_refused():
    values = np.ones((2, 8, 8), np.float32)
    values[1, 3, 3] = np.nan
    stack = open_stack(tiff(values, photometric="minisblack"), "a.tif")
    assert render(stack, view_of("1")).max() == 0
    for page in ("2", "max"):
        with pytest.raises(ImageError, match=r"a\.tif: expected finite values, got NaN or infinity"):
            render(stack, view_of(page))


def test_other_images_have_no_stack():
    from maskrcnn_core.images.reading import encode_png

    with pytest.raises(
        ImageError, match=r"a\.png: expected a TIFF to choose pages, slices and channels of, got a PNG"
    ):
        open_stack(encode_png(np.zeros((4, 4), np.uint8)), "a.png")
