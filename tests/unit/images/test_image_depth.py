"""Pictures of more than 8 bits: what uses little of its range is stretched, and no layout becomes noise."""

import io
import logging

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.reading import decode_image, encode_png
from maskrcnn_core.images.stretch import used_range
from tests.builders.image_files import make_png, png_chunk, ramp


@pytest.fixture(autouse=True)
def quiet_tifffile():
    """It logs what it finds unusual in what it writes itself."""
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def tiff(array, **options):
    out = io.BytesIO()
    tifffile.imwrite(out, array, **{"photometric": "minisblack"} | options)
    return out.getvalue()


def cells(top, height=64, width=80, seed=0):
    """Dim discs on noise, float, 0 to about ``top``: what a microscope sees."""
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[:height, :width]
    field = rng.uniform(0, 0.05, (height, width))
    for y, x in rng.uniform(8, 56, (6, 2)):
        field += 0.8 * (np.hypot(yy - y, xx - x) < 6)
    return np.clip(field, 0, 1) * top


def by_percentiles(values):
    """The same as the specification has it: 0.1 to 99.9 %, said in NumPy."""
    low, high = np.percentile(values, (0.1, 99.9))
    return np.clip(np.rint((values - low) * 255 / (high - low)), 0, 255)


# -- which are stretched ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (cells(235).astype(np.uint16), "16-bit grey"),
        (cells(4095).astype(np.uint16), "16-bit grey"),
        (cells(16383).astype(np.uint16), "16-bit grey"),
        (cells(4095).astype(np.int16), "15-bit grey"),
        ((cells(3000) - 1000).astype(np.int16), "signed 16-bit grey"),
        (cells(300).astype(np.uint32), "16-bit grey"),
        (cells(0.06).astype(np.float32), "floating-point grey"),
        (cells(50).astype(np.float32), "floating-point grey"),
        (cells(0.06), "floating-point grey"),
        (cells(0.06).astype(np.float16), "floating-point grey"),
    ],
    ids=lambda v: f"{v.dtype} to {v.max():.3g}" if isinstance(v, np.ndarray) else "",
)
def test_values_that_use_little_of_their_range_are_stretched_and_it_is_said(values, note):
    image = decode_image(tiff(values), "dim.tif")
    assert np.array_equal(image.pixels[:, :, 0], by_percentiles(values.astype(np.float64)))
    assert image.notes[0].startswith(f"{note} of ") and "stretched to 8 bit" in image.notes[0]
    off = decode_image(tiff(values), "dim.tif", stretch="off")
    assert np.ptp(off.pixels.astype(int)) <= 66 and "though its values use" in off.notes[0]


@pytest.mark.parametrize(
    "values",
    [
        ramp(np.uint16, 65535),
        ramp(np.uint16, 20000),
        np.full((8, 8), 7, np.uint16),
        np.zeros((8, 8), np.float32),
        ramp(np.float64, 2).astype(np.float32) / 3,
        ramp(np.uint8, 40),
    ],
    ids=["whole", "a third", "one value", "black", "floats to 0.67", "8 bits"],
)
def test_what_uses_its_range_and_what_has_a_single_value_stays_comparable(values):
    on, off = (decode_image(tiff(values), "a.tif", stretch=stretch) for stretch in ("auto", "off"))
    assert np.array_equal(on.pixels, off.pixels) and on.notes == off.notes


def test_a_hot_pixel_does_not_keep_a_dim_picture_dark():
    values = cells(235).astype(np.uint16)
    values[3, 3] = 65535
    values = np.tile(values, (2, 2))
    assert decode_image(tiff(values), "hot.tif").pixels.mean() > 20


def test_few_bright_points_on_even_ground_are_seen():
    values = np.full((100, 100), 90, np.uint16)
    values[50, 50] = 3000
    pixels = decode_image(tiff(values), "bead.tif").pixels
    assert pixels[50, 50, 0] == 255 and pixels[0, 0, 0] == 0


def test_floats_beyond_both_customary_ranges_do_not_lose_all_to_an_outlier():
    values = cells(300).astype(np.float32) - 20
    values = np.tile(values, (4, 4))
    values[0, 0] = 1e6
    image = decode_image(tiff(values), "f.tif")
    assert np.ptp(image.pixels) == 255 and image.pixels.mean() > 20


def test_white_is_zero_is_turned_round_when_stretched_too():
    values = cells(235).astype(np.uint16)
    turned = decode_image(tiff(values, photometric="miniswhite"), "a.tif").pixels
    assert np.array_equal(255 - turned, decode_image(tiff(values), "a.tif").pixels)


def test_the_stretch_of_a_dim_16_bit_png_leaves_its_transparent_value_out():
    values = cells(235).astype(">u2") + 1
    values[:20] = 65535
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    image = decode_image(make_png(80, 64, 16, 0, rows, png_chunk(b"tRNS", b"\xff\xff")), "a.png")
    assert (image.pixels[:20] == 255).all()
    assert image.pixels[20:].std() > 30


def test_percentiles_of_many_values_are_those_of_a_part_of_them(monkeypatch):
    monkeypatch.setattr("maskrcnn_core.images.stretch._SAMPLED", 1000)
    values = np.random.default_rng(0).permutation(50_000)
    used = used_range(np.array_split(values, 7), values.size)
    assert (used.lowest, used.highest) == (0, 49_999)
    assert used.low == pytest.approx(50, abs=300) and used.high == pytest.approx(49_950, abs=300)


@given(st.integers(1, 65535), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_no_16_bit_picture_that_varies_stays_in_a_quarter_of_the_grey_levels(top, seed):
    values = cells(top, seed=seed).astype(np.uint16)
    pixels = decode_image(tiff(values), "a.tif").pixels
    assert np.ptp(values) == 0 or np.ptp(pixels.astype(int)) >= 63


# -- colour -------------------------------------------------------------------------------------------


def dim_color(top=4095):
    return np.stack([cells(top, seed=1), cells(top, seed=2) / 2, cells(top, seed=3)], -1).astype(np.uint16)


def color_png(values):
    """A 16-bit PNG of RGB, RGBA or grey with alpha, written by hand."""
    color_type = {2: 4, 3: 2, 4: 6}[values.shape[2]]
    rows = b"".join(b"\0" + row.tobytes() for row in values.astype(">u2"))
    return make_png(values.shape[1], values.shape[0], 16, color_type, rows)


@pytest.mark.parametrize(
    "encode",
    [
        color_png,
        lambda v: tiff(v, photometric="rgb"),
        lambda v: tiff(v, photometric="rgb", byteorder=">"),
        lambda v: tiff(v, photometric="rgb", compression="zlib"),
        lambda v: tiff(v, photometric="rgb", compression="zlib", byteorder=">", tile=(16, 16)),
        lambda v: tiff(v.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"),
        lambda v: tiff(v.transpose(2, 0, 1), photometric="rgb", planarconfig="separate", byteorder=">"),
    ],
    ids=["PNG", "TIFF", "big-endian", "deflate", "tiles", "planar", "planar big-endian"],
)
def test_dim_colour_of_16_bits_is_stretched_from_all_of_them_with_its_hues(encode):
    values = dim_color()
    image = decode_image(encode(values), "dim")
    assert np.array_equal(image.pixels, by_percentiles(values.astype(np.float64)))
    assert len(image.notes) == 1 and "stretched to 8" in image.notes[0]
    off = decode_image(encode(values), "dim", stretch="off")
    assert np.array_equal(off.pixels, values >> 8)
    assert off.notes[0].startswith("16 bits per channel reduced to 8, though its values use")


def test_the_same_picture_in_8_and_16_bits_gives_the_same_when_its_range_is_used():
    values = dim_color(65535)
    image = decode_image(color_png(values), "a.png")
    assert np.array_equal(image.pixels, values >> 8)
    assert image.notes == ("16 bits per channel reduced to 8",)


def test_dim_16_bit_colour_with_transparency_is_stretched_and_laid_on_white():
    values = dim_color()
    alpha = np.full(values.shape[:2], 65535, np.uint16)
    alpha[:10] = 0
    expected = by_percentiles(values.astype(np.float64))
    expected[:10] = 255
    image = decode_image(color_png(np.dstack([values, alpha])), "a.png")
    assert np.array_equal(image.pixels, expected)
    assert image.notes[1:] == ("transparency flattened onto white",)
    grey = decode_image(color_png(np.dstack([values[:, :, 0], alpha])), "grey.png")
    expected = by_percentiles(values[:, :, 0].astype(np.float64))
    expected[:10] = 255
    assert np.array_equal(grey.pixels[:, :, 0], expected)


def test_compressed_planes_that_cannot_be_stretched_say_so():
    data = tiff(
        dim_color().transpose(2, 0, 1), photometric="rgb", planarconfig="separate", compression="zlib"
    )
    (note,) = decode_image(data, "a.tif").notes
    assert note.endswith("use 5.9% of the range; save it with its bands side by side to have it stretched")


# -- every layout is right or refused in words ----------------------------------------------------------

DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8")


def full_range(dtype, shape):
    rng = np.random.default_rng(1)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return rng.random(shape).astype(kind)
    info = np.iinfo(kind)
    return rng.integers(info.min, info.max, shape, endpoint=True).astype(kind)


def expected_of(array):
    """``[H, W, bands]`` in 0..255, alpha laid on white."""
    kind = array.dtype
    low, high = (0, 1) if kind.kind == "f" else (np.iinfo(kind).min, np.iinfo(kind).max)
    scaled = (array.astype(np.float64) - low) * 255 / (float(high) - low)
    if scaled.shape[2] == 4:
        alpha = scaled[:, :, 3:] / 255
        return scaled[:, :, :3] * alpha + 255 * (1 - alpha)
    return np.broadcast_to(scaled[:, :, :3], (*scaled.shape[:2], 3))


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_every_layout_of_a_tiff_is_read_as_tifffile_wrote_it_or_refused_by_its_bands(
    planar, tile, compression, byteorder
):
    """Pillow alone gives noise for several of these, without a word."""
    read = set()
    for dtype in DTYPES:
        for bands, photometric in ((1, "minisblack"), (3, "rgb"), (4, "rgb"), (5, "rgb"), (4, "minisblack")):
            array = full_range(dtype, (21, 35, bands))
            stored = array[:, :, 0] if bands == 1 else array
            stored = stored.transpose(2, 0, 1) if bands > 1 and planar == "separate" else stored
            options = {"planarconfig": planar} if bands > 1 else {}
            data = tiff(
                stored,
                photometric=photometric,
                tile=tile,
                compression=compression,
                byteorder=byteorder,
                **options,
            )
            try:
                pixels = decode_image(data, "a.tif").pixels
            except ImageError as error:
                assert f"got {bands} bands of {8 * array.itemsize}-bit" in str(error)
                assert "damaged" not in str(error)
                continue
            assert np.abs(pixels - expected_of(array)).max() < 2.5, (dtype, bands)
            read.add((dtype, bands))
    assert read >= {(dtype, 1) for dtype in DTYPES} | {("u1", 3), ("u1", 4), ("u2", 3), ("u2", 4)}


def test_near_infrared_is_four_bands_and_no_damage():
    with pytest.raises(ImageError) as caught:
        decode_image(tiff(np.zeros((9, 9, 4), np.uint8), planarconfig="contig"), "rgbnir.tif")
    message = str(caught.value)
    assert message.startswith("rgbnir.tif: expected one band of grey, or three")
    assert "got 4 bands of 8-bit unsigned values; save the bands you want to see" in message


def test_a_band_beyond_colour_that_means_nothing_known_is_left_out_and_it_is_said():
    array = full_range("u1", (9, 9, 4))
    data = tiff(array, photometric="rgb", planarconfig="contig", extrasamples=["unspecified"])
    image = decode_image(data, "a.tif")
    assert np.array_equal(image.pixels, array[:, :, :3])
    assert image.notes == ("first 3 of 4 bands",)


def test_a_camera_raw_is_not_taken_for_its_preview():
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(np.zeros((12, 16, 3), np.uint8), photometric="rgb", subfiletype=1, subifds=1)
        writer.write(full_range("u2", (120, 160)), photometric="minisblack")
    with pytest.raises(ImageError, match=r"a\.nef: expected an image, got a camera raw file .* develop it"):
        decode_image(out.getvalue(), "a.nef")


def test_a_pyramid_is_read_at_its_full_size():
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(np.full((120, 160, 3), 9, np.uint8), photometric="rgb", subifds=1)
        writer.write(np.full((60, 80, 3), 9, np.uint8), photometric="rgb", subfiletype=1)
    assert decode_image(out.getvalue(), "a.ome.tif").size == (120, 160)


def test_bands_do_not_change_a_stretch(monkeypatch):
    for data in (tiff(cells(235).astype(np.uint16)), color_png(dim_color())):
        whole = decode_image(data, "a").pixels
        with monkeypatch.context() as patch:
            patch.setattr("maskrcnn_core.images.bands.BAND_PIXELS", 100)
            assert np.array_equal(decode_image(data, "a").pixels, whole)


def test_eight_bit_pictures_are_never_stretched():
    dark = np.random.default_rng(0).integers(0, 9, (20, 20, 3), dtype=np.uint8)
    assert np.array_equal(decode_image(encode_png(dark), "night.png").pixels, dark)
    assert Image.open(io.BytesIO(encode_png(dark))).mode == "RGB"
