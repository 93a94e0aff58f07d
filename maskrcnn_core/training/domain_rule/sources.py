"""What the rule is made from: photos, micrographs and drawings, as they are, grey, and varied at random.

The sources are the rows of :func:`learned_sources`. What shall tell how good the rule is lies elsewhere:
:func:`held_out_sources`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.errors import InputError
from maskrcnn_core.images.reading import IMAGE_SUFFIXES, read_image
from maskrcnn_core.synthetic.scenes import draw_scene
from maskrcnn_core.training.domain_rule.figures import draw_figures
from maskrcnn_core.training.domain_rule.stains import draw_elsewhere

__all__ = ["Source", "held_out_sources", "in_grey", "is_colored", "learned_sources", "varied"]


LEARNED_SIZES = ((256, 256), (256, 320))
"""Heights and widths of the micrographs that are learned from; other sizes are of other microscopes."""

_STAINED = LEARNED_SIZES[1]
_LIGHT_FIELD = 110  # mean value of a pixel: glass is lighter, a dark field darker
_PHOTOS = 1600
_LIGHT = np.array([0.299, 0.587, 0.114])
_LAMPS = ((0, 1, 0), (0, 0, 1), (1, 0, 0), (0.2, 0.4, 1), (0.3, 1, 0.3), (1, 0, 1), (0, 1, 1))
"""Colours in which microscopes show a channel."""


@dataclass(frozen=True)
class Source:
    """Pictures of one origin.

    Args:
        domain: key of what they are.
        name: of the origin.
        pictures: each makes one, uint8 ``[H, W, 3]``.
        varied: how often each is varied.
    """

    domain: str
    name: str
    pictures: tuple[Callable[[], Pixels], ...]
    varied: int = 0


def learned_sources(photos: Path, nuclei: Path) -> list[Source]:
    """Return what the rule is made from.

    Args:
        photos: a folder of photos.
        nuclei: the Data Science Bowl's images as ``train/`` and ``instances_train.json``.

    Raises:
        InputError: if a folder holds none.
    """
    files = sorted(file for file in photos.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise InputError(f"{photos}: expected photos, got none")
    some = np.random.default_rng(0).choice(len(files), min(_PHOTOS, len(files)), replace=False)
    sources = [Source("photos", "photos to learn from", tuple(partial(_pixels, files[i]) for i in some), 2)]
    sized = _by_size(nuclei, ("train",))
    for size, often in zip(LEARNED_SIZES, (4, 10), strict=True):
        name = f"Data Science Bowl, {size[0]} x {size[1]}"
        sources.append(
            Source("microscopy", name, tuple(partial(_pixels, f) for f in sized.get(size, ())), often)
        )
    stained = [pixels for file in sized.get(_STAINED, ()) if (pixels := _pixels(file)).mean() > _LIGHT_FIELD]
    elsewhere = tuple(partial(draw_elsewhere, seed, stained) for seed in range(300 if stained else 0))
    sources.append(Source("microscopy", "stained tissue elsewhere", elsewhere, 2))
    for kind in ("tissue", "fluorescence"):
        drawn = tuple(partial(_scene, seed, kind) for seed in range(150))
        sources.append(Source("microscopy", f"drawn {kind}", drawn, 3))
    shapes = tuple(partial(_scene, seed, "shapes") for seed in range(700))
    figures = tuple(partial(draw_figures, seed) for seed in range(900))
    return [
        *sources,
        Source("drawings", "drawn scenes", shapes, 1),
        Source("drawings", "drawn figures", figures, 1),
    ]


def held_out_sources(nuclei: Path | None, folders: list[Path]) -> Iterator[Source]:
    """Yield what the rule is measured on: the Data Science Bowl's other sizes, and what lies in folders.

    Args:
        nuclei: as for :func:`learned_sources`; None leaves it out.
        folders: each holds ``<domain>/<source>/<pictures>``.
    """
    if nuclei is not None:
        for size, files in sorted(_by_size(nuclei, ("train", "val")).items()):
            if size not in LEARNED_SIZES:
                name = f"Data Science Bowl, {size[0]} x {size[1]}"
                yield Source("microscopy", name, tuple(partial(_pixels, file) for file in files))
    for folder in folders:
        for place in sorted(path for path in folder.glob("*/*") if path.is_dir()):
            files = [file for file in sorted(place.iterdir()) if file.suffix.lower() in IMAGE_SUFFIXES]
            yield Source(place.parent.name, place.name, tuple(partial(_pixels, file) for file in files))


def _by_size(nuclei: Path, parts: tuple[str, ...]) -> dict[tuple[int, int], list[Path]]:
    found: dict[tuple[int, int], list[Path]] = {}
    for part in parts:
        listed = json.loads((nuclei / f"instances_{part}.json").read_bytes())["images"]
        for row in listed:
            size = (int(row["height"]), int(row["width"]))
            found.setdefault(size, []).append(nuclei / part / str(row["file_name"]))
    return found


def _pixels(file: Path) -> Pixels:
    return read_image(file).pixels


def _scene(seed: int, kind: str) -> Pixels:
    return draw_scene(seed, kind).pixels


def is_colored(pixels: Pixels) -> bool:
    """Return whether a picture has colours worth the name."""
    return bool(np.ptp(pixels.astype(np.int16), axis=2).mean() > 3)


def in_grey(pixels: Pixels) -> Pixels:
    """Return a picture without its colours, uint8 ``[H, W, 3]``."""
    return np.repeat((pixels @ _LIGHT).astype(np.uint8)[..., None], 3, 2)


def varied(pixels: Pixels, rng: np.random.Generator, *, is_micrograph: bool) -> Pixels:
    """Return a part of a picture in other light, now and then grey or noisy.

    Micrographs in other stains, too.
    """
    height, width = pixels.shape[:2]
    share = rng.uniform(0.45, 1)
    down, along = min(height, max(48, int(height * share))), min(width, max(48, int(width * share)))
    top, left = rng.integers(0, height - down + 1), rng.integers(0, width - along + 1)
    part = np.power(pixels[top : top + down, left : left + along] / 255.0, rng.uniform(0.6, 1.6))
    if rng.random() < 0.35:
        part = np.repeat((part @ _LIGHT)[..., None], 3, 2)
    if not is_micrograph:
        part = np.clip(part * rng.uniform(0.85, 1.1, 3), 0, 1)
    elif np.ptp(part, axis=2).mean() < 0.01 and rng.random() < 0.35:
        part = part * rng.choice(_LAMPS)
    elif rng.random() < 0.4:
        part = np.clip(part * rng.uniform(0.8, 1.15, 3), 0, 1)
    if rng.random() < 0.2:
        part = np.clip(part + rng.normal(0, rng.uniform(0.005, 0.03), (*part.shape[:2], 1)), 0, 1)
    return (part * 255).astype(np.uint8)
