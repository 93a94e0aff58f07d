from __future__ import annotations

import numpy as np
import pytest

from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.reading import decode_image
from maskrcnn_core.models.domains import DOMAINS
from maskrcnn_core.synthetic import samples
from maskrcnn_core.synthetic.samples import SAMPLES, PackagedPhoto, draw_sample, ready_samples, sample_png

DRAWN = [sample.key for sample in SAMPLES if not isinstance(sample.source, PackagedPhoto)]
PHOTOS = [sample.key for sample in SAMPLES if isinstance(sample.source, PackagedPhoto)]


@pytest.fixture(scope="module")
def drawn():
    return {key: draw_sample(key) for key in DRAWN}


def test_keys_and_titles_are_unique_and_all_is_described():
    assert len({s.key for s in SAMPLES}) == len({s.title for s in SAMPLES}) == len(SAMPLES) >= 5
    for sample in SAMPLES:
        assert sample.description.endswith(".") and sample.try_this.endswith(".") and sample.licence
        assert sample.domain in {domain.key for domain in DOMAINS}


def test_three_real_photos_one_micrograph_and_one_drawing_come_first():
    first = [sample for sample in SAMPLES if sample.is_first]
    assert [sample.domain for sample in first] == ["photos"] * 3 + ["microscopy", "drawings"]
    assert [sample.key for sample in first[:3]] == PHOTOS[:3]


@pytest.mark.parametrize("key", PHOTOS)
def test_a_photo_is_read_from_the_installed_package(key):
    pixels = draw_sample(key)
    assert pixels.ndim == 3 and min(pixels.shape[:2]) >= 300 and pixels.std() > 20
    assert np.array_equal(decode_image(sample_png(key), key).pixels, pixels)


def test_a_package_without_its_photos_costs_those_samples_alone(monkeypatch):
    monkeypatch.setattr(samples, "_folder_of", lambda name: None)
    assert [sample.key for sample in ready_samples()] == DRAWN
    with pytest.raises(ImageError, match=r"expected data/chelsea\.png in the package skimage"):
        sample_png("cat")


@pytest.mark.parametrize("key", DRAWN)
def test_a_sample_is_an_rgb_image_with_something_on_it(drawn, key):
    pixels = drawn[key]
    assert pixels.dtype == np.uint8 and pixels.shape == (480, 640, 3) and pixels.flags.c_contiguous
    assert pixels.std() > 20


def test_the_png_of_a_sample_decodes_to_its_pixels(drawn):
    image = decode_image(sample_png("fluorescence"), "fluorescence.png")
    assert np.array_equal(image.pixels, drawn["fluorescence"])
    assert image.notes == ()


def test_a_png_is_drawn_once_and_again_only_where_it_is_spoilt(drawn, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data = sample_png("street")
    (kept,) = (tmp_path / "maskdesk" / "samples").iterdir()
    assert kept.read_bytes() == data
    with monkeypatch.context() as patch:
        patch.setattr(samples, "encode_png", lambda _pixels: pytest.fail("drawn again"))
        assert sample_png("street") == data
    kept.write_bytes(data[:1000])
    assert sample_png("street") == data == kept.read_bytes()


def test_where_nothing_can_be_kept_it_is_drawn_all_the_same(drawn, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    image = decode_image(sample_png("street"), "street.png")
    assert np.array_equal(image.pixels, drawn["street"])


def test_a_new_array_comes_each_time_so_that_nobody_can_spoil_it(drawn):
    draw_sample("fluorescence")[:] = 0
    assert np.array_equal(draw_sample("fluorescence"), drawn["fluorescence"])


def test_an_unknown_key_names_the_known_ones():
    with pytest.raises(KeyError, match="'cats': expected one of astronaut, cat"):
        draw_sample("cats")
