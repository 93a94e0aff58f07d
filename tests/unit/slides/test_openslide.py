"""Slides by OpenSlide, where it is installed: held against what tifffile reads of the same file."""

import numpy as np
import pytest
import tifffile

from maskrcnn_core.errors import ImageError
from maskrcnn_core.slides import opening
from maskrcnn_core.slides.opening import open_slide
from maskrcnn_core.slides.openslide_source import OpenSlideSource, openslide_reads
from tests.builders.slides import SVS, drawn, halved

pytest.importorskip("openslide", reason="openslide-python is not installed")


@pytest.fixture
def svs(tmp_path):
    pixels = drawn(512, 768)
    path = tmp_path / "a.svs"
    with tifffile.TiffWriter(path) as file:
        for level in (pixels, halved(pixels, 2)):
            file.write(
                level,
                tile=(128, 128),
                photometric="ycbcr",
                compression="jpeg",
                description=SVS,
                metadata=None,
            )
    return path


def test_levels_and_windows(svs):
    slide = OpenSlideSource(svs)
    assert openslide_reads(svs)
    assert [level.size for level in slide.levels] == [(512, 768), (128, 192)]
    for place in (0, 1):
        expected = tifffile.imread(svs, key=place)[10:110, 20:180]
        # libjpeg-turbo of two builds: rounding alone
        assert np.abs(slide.read(10, 20, 100, 160, place).astype(int) - expected).max() <= 2
    assert slide.damage.sentences == ()
    assert slide.digest == open_slide(svs).digest
    with pytest.raises(ValueError, match="expected it inside"):
        slide.read(0, 0, 513, 1)


def test_what_it_cannot_read_is_said(tmp_path):
    path = tmp_path / "a.mrxs"
    path.write_bytes(b"no slide at all, but named as one")
    with pytest.raises(ImageError, match=r"a\.mrxs: this kind of slide is read by OpenSlide"):
        open_slide(path)
    with pytest.raises(ImageError, match=r"a\.mrxs: OpenSlide cannot read it"):
        OpenSlideSource(path)


def test_without_it_its_slides_are_refused_with_what_helps(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "openslide_reads", lambda _path: False)
    path = tmp_path / "a.ndpi"
    path.write_bytes(b"\0" * 100)
    with pytest.raises(ImageError, match=r'pip install "maskdesk\[slides\]"'):
        open_slide(path)
