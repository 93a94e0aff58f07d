"""What browsers get of an image: its very pixels, and of a file no more than its picture."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from maskrcnn_core.images.browser_pictures import BrowserPicture, browser_picture, very_large_picture
from maskrcnn_core.images.headers import jpeg_places
from maskrcnn_core.images.reading import decode_image, encode_jpeg, encode_png

SIDE = 2100  # more than 4 MP
SECRET = b"where it was taken"


@pytest.fixture(scope="module")
def pixels():
    """A large picture that is light in bytes, with a quarter of it in another colour."""
    ramp = np.arange(SIDE) * 200 // SIDE
    found = np.stack([np.add.outer(ramp // 2, ramp // 2)] * 3, axis=-1).astype(np.uint8)
    found[: SIDE // 2, : SIDE // 2] = (200, 40, 90)
    return found


def jpeg(pixels, mode="RGB", orientation=1, **options):
    image = Image.fromarray(pixels).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = SECRET.decode()
    out = BytesIO()
    image.save(out, "JPEG", quality=90, exif=exif, **options)
    return out.getvalue()


def never():
    raise AssertionError("the file's own picture needs no pixels")


def decoded(data):
    return decode_image(data, "picture").pixels


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
OWN = {
    "plain": {},
    "progressive": {"progressive": True},
    "grey": {"mode": "L"},
    "RGB as it is": {"keep_rgb": True},
    "with a profile and a comment": {"icc_profile": PROFILE, "comment": SECRET},
}


@pytest.mark.parametrize("options", OWN.values(), ids=OWN)
def test_a_large_upright_jpeg_is_taken_over_without_what_lies_around_its_picture(pixels, options):
    data = jpeg(pixels, **options) + SECRET  # as behind a picture with a video
    picture = browser_picture(data, never).whole
    assert np.array_equal(decoded(picture), decoded(data))
    assert SECRET not in picture
    assert b"ICC_PROFILE" not in picture
    assert not {0xE1, 0xE2, 0xFE} & {marker for marker, _, _ in jpeg_places(picture)}


def best(pixels):
    noise = np.random.default_rng(0).integers(0, 255, pixels.shape, dtype=np.uint8)
    out = BytesIO()
    Image.fromarray(noise).save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue()


OTHERS = {
    "small": lambda pixels: jpeg(np.ascontiguousarray(pixels[:900, :900])),
    "turned": lambda pixels: jpeg(pixels[:, :2000], orientation=6),
    "in inks": lambda pixels: jpeg(pixels, mode="CMYK"),
    "another format": lambda pixels: encode_png(pixels, compress_level=1),
    "of the best quality": best,
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_of_every_other_file_the_pixels_are_written_anew(pixels, make):
    data = make(pixels)
    whole = decoded(data)
    assert browser_picture(data, lambda: whole) == BrowserPicture(encode_jpeg(whole, quality=90))


def test_a_jpeg_that_does_not_say_where_it_ends_is_written_anew(pixels):
    data = jpeg(pixels)
    whole = decoded(data)
    cut = data[: data.rindex(b"\xff\xd9")]
    assert browser_picture(cut, lambda: whole) == BrowserPicture(encode_jpeg(whole, quality=90))


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((4000, 3999), None),
        ((5120, 3200), (1280, 800)),
        ((5000, 3999), (2500, 2000)),
        ((3200, 9001), (800, 2251)),
    ],
)
def test_a_very_large_picture_has_a_small_copy(pixels, size, small):
    whole = np.asarray(Image.fromarray(pixels).resize(size))
    for data in (jpeg(whole), encode_png(whole, compress_level=1)):
        picture = browser_picture(data, lambda: whole)
        if small is None:
            assert picture.small == b"" and picture.size == len(picture.whole)
            continue
        seen = decoded(picture.small)
        assert seen.shape[1::-1] == small and picture.size == len(picture.whole) + len(picture.small)
        right = np.asarray(Image.fromarray(whole).resize(small, Image.Resampling.BOX)).astype(int)
        assert np.abs(seen - right).mean() < 2


def test_the_picture_of_a_very_large_jpeg_needs_no_pixels(pixels):
    large = np.asarray(Image.fromarray(pixels).resize((5120, 3200)))
    assert very_large_picture(jpeg(large)) == browser_picture(jpeg(large), never)
    for other in (jpeg(pixels), jpeg(large, orientation=3), encode_png(large, compress_level=1)):
        assert very_large_picture(other) is None
