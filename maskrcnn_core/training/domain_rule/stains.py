"""Stained tissue as other laboratories have it: other stains, lower magnification, blank glass around it.

Stains are told apart in optical density, where they add up, with the vectors of Ruifrok and Johnston 2001
("Quantification of histochemical staining by color deconvolution"), and laid on again as others; stain
augmentation after Tellez et al. 2018, arXiv:1808.05896.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from maskrcnn_core.common.arrays import Doubles, Pixels

__all__ = ["draw_elsewhere"]


_FROM = np.array([(0.65, 0.70, 0.29), (0.07, 0.99, 0.11)])
"""Haematoxylin and eosin: density of red, green and blue light."""
_OF_NUCLEI = ((0.65, 0.70, 0.29), (0.75, 0.58, 0.30), (0.85, 0.45, 0.20), (0.55, 0.62, 0.50))
_OF_THE_REST = (
    (0.07, 0.99, 0.11),  # eosin
    (0.27, 0.57, 0.78),  # diaminobenzidine, brown
    (0.20, 0.80, 0.65),  # red
    (0.18, 0.90, 0.40),  # periodic acid and Schiff's reagent, magenta
    (0.80, 0.35, 0.55),  # fast green
    (0.70, 0.55, 0.30),  # aniline blue
)
_MOST_TILES = 4


def draw_elsewhere(seed: int, tissue: Sequence[Pixels]) -> Pixels:
    """Return tissue of a seed, made of micrographs of one size, uint8 ``[H, W, 3]``."""
    rng = np.random.default_rng((seed, 78))
    tiles = int(rng.integers(1, _MOST_TILES + 1))
    rows = [np.concatenate([_turned(rng, tissue) for _ in range(tiles)], 1) for _ in range(tiles)]
    pixels = np.concatenate(rows, 0)
    longest = int(rng.integers(256, 641))
    image = Image.fromarray(pixels)
    image.thumbnail((longest, longest), Image.Resampling.BOX)
    density = -np.log((np.asarray(image, np.float64) + 1) / 256)
    amounts = np.maximum(density @ np.linalg.pinv(_FROM), 0)
    own = [rng.choice(_OF_NUCLEI), rng.choice(_OF_THE_REST)]
    stains = np.array(own) * rng.uniform(0.8, 1.2, (2, 3))
    gains = rng.uniform(0.4, 1.8, 2)
    size = amounts.shape[:2]
    uneven = np.exp(rng.uniform(0, 1.2) * _smooth(rng, size))  # some parts take more of a stain
    laid = amounts * gains
    laid[..., 1] *= uneven
    light = np.exp(-laid @ stains)
    if rng.random() < 0.5:  # glass
        glass = np.clip(8 * (_smooth(rng, size) - rng.uniform(-0.1, 0.5)), 0, 1)[..., None]
        light = light * (1 - glass) + glass * rng.uniform(0.88, 1, 3)
    stained: Pixels = np.clip(255 * light, 0, 255).astype(np.uint8)
    return stained


def _turned(rng: np.random.Generator, tissue: Sequence[Pixels]) -> Pixels:
    picked = tissue[int(rng.integers(len(tissue)))]
    down, along = (1 if rng.random() < 0.5 else -1 for _ in range(2))
    turned: Pixels = picked[::down, ::along]
    return turned


def _smooth(rng: np.random.Generator, size: tuple[int, int]) -> Doubles:
    """Return smooth noise, roughly in [-1, 1]."""
    coarse = rng.uniform(-1, 1, (int(rng.integers(2, 6)), int(rng.integers(2, 6)))).astype(np.float32)
    image = Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)
    return np.asarray(image, np.float64)
