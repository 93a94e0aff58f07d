from __future__ import annotations

import subprocess
import sys
from hashlib import sha256

import numpy as np
import pytest

from maskrcnn_core import samples
from maskrcnn_core.images import decode_image
from maskrcnn_core.samples import SAMPLES, draw_sample, sample_png

KEYS = [sample.key for sample in SAMPLES]


@pytest.fixture(scope="module")
def drawn():
    return {key: draw_sample(key) for key in KEYS}


def test_keys_and_titles_are_unique_and_all_is_described():
    assert len({s.key for s in SAMPLES}) == len({s.title for s in SAMPLES}) == len(SAMPLES) >= 5
    assert all(s.description.endswith(".") for s in SAMPLES)


@pytest.mark.parametrize("key", KEYS)
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


def test_another_process_draws_the_same_pixels_in_another_order(drawn):
    script = (
        "from hashlib import sha256\nfrom maskrcnn_core.samples import SAMPLES, draw_sample\n"
        "for s in reversed(SAMPLES): print(s.key, sha256(draw_sample(s.key).tobytes()).hexdigest())"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert dict(line.split() for line in run.stdout.splitlines()) == {
        key: sha256(pixels.tobytes()).hexdigest() for key, pixels in drawn.items()
    }


def test_a_new_array_comes_each_time_so_that_nobody_can_spoil_it(drawn):
    draw_sample("fluorescence")[:] = 0
    assert np.array_equal(draw_sample("fluorescence"), drawn["fluorescence"])


def test_an_unknown_key_names_the_known_ones():
    with pytest.raises(KeyError, match="'cats': wanted one of table, street"):
        draw_sample("cats")
