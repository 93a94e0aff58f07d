"""Drawn microscopy: nuclei as a fluorescence microscope shows them, and in stained tissue.

The two looks of the sample images have fixed values; others are drawn by chance around them, so that a
network that learned from such images has not just learned two colours. The ground truth is what can be seen
of each nucleus.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Reals
from maskrcnn_core.geometry.rle import BoolMask
from maskrcnn_core.synthetic.canvas import OVER, Canvas, Color, scatter, to_bytes

__all__ = [
    "FLUORESCENCE",
    "TISSUE",
    "Fluorescence",
    "Micrograph",
    "Tissue",
    "draw_fluorescence",
    "draw_tissue",
    "some_fluorescence",
    "some_tissue",
]

_SAMPLE_AREA = 480 * 640
_LEAST_PIXELS = 20


@dataclass(frozen=True, eq=False)
class Micrograph:
    """A drawn microscope image.

    Args:
        pixels: uint8 ``[H, W, 3]`` RGB.
        owner: which nucleus can be seen, on the canvas: ``[H * OVER, W * OVER]``, -1 for none.
    """

    pixels: npt.NDArray[np.uint8]
    owner: npt.NDArray[np.int_]

    def masks(self) -> tuple[BoolMask, ...]:
        """Yield bool ``[H, W]`` for each nucleus: the pixels of which it owns half or more; of two halves the
        first counts. Nuclei of which hardly anything can be seen are left out.
        """
        height, width = self.pixels.shape[:2]
        blocks = self.owner.reshape(height, OVER, width, OVER).transpose(0, 2, 1, 3)
        ranked = np.sort(blocks.reshape(height, width, OVER * OVER), axis=-1)
        half = OVER * OVER // 2
        owner = np.full((height, width), -1)
        for first in reversed(range(half + 1)):  # the lowest number comes last, and so wins
            lowest = ranked[..., first]
            is_half = (lowest == ranked[..., first + half - 1]) & (lowest >= 0)
            owner[is_half] = lowest[is_half]
        counts = np.bincount(owner[owner >= 0])
        return tuple(owner == number for number in np.flatnonzero(counts >= _LEAST_PIXELS))


@dataclass(frozen=True)
class Fluorescence:
    """How a fluorescence image looks.

    Args:
        count: nuclei on 480 x 640 pixels, without twins.
        twins: how many of them have another that touches it.
        radii: smallest and largest, in pixels.
        brightness: of the dimmest and the brightest, in [0, 1].
        ground: of the dark field, in [0, 1].
        noise: of the camera, as a factor.
        blur: standard deviation in pixels.
        texture: how much brightness differs within a nucleus.
    """

    count: int = 46
    twins: int = 12
    radii: tuple[float, float] = (11, 25)
    brightness: tuple[float, float] = (0.30, 0.92)
    ground: float = 0.035
    noise: float = 1.0
    blur: float = 0.7
    texture: float = 0.22


@dataclass(frozen=True)
class Tissue:
    """How stained tissue looks.

    Args:
        count: nuclei on 480 x 640 pixels.
        gaps: in the tissue, on the same area.
        radii: smallest and largest radius of a nucleus, in pixels.
        eosin: colour of the tissue, RGB in [0, 1].
        haematoxylin: colour of the darkest nuclei.
        depth: strength of the palest and of the strongest nuclei, in [0, 1].
        texture: how much a nucleus differs in itself.
        noise: standard deviation, in [0, 1].
        blur: standard deviation in pixels.
    """

    count: int = 105
    gaps: int = 7
    radii: tuple[float, float] = (8, 15)
    eosin: Color = (0.915, 0.70, 0.80)
    haematoxylin: Color = (0.44, 0.28, 0.60)
    depth: tuple[float, float] = (0.7, 1.0)
    texture: float = 0.24
    noise: float = 0.012
    blur: float = 0.6


FLUORESCENCE = Fluorescence()
"""Of the sample image."""
TISSUE = Tissue()
"""Of the sample image."""


def some_fluorescence(rng: np.random.Generator) -> Fluorescence:
    """Return a random look."""
    smallest = float(rng.uniform(6, 16))
    dim = float(rng.uniform(0.12, 0.45))
    radii = (smallest, smallest * float(rng.uniform(1.3, 2.4)))
    full = _SAMPLE_AREA / (math.pi * radii[1] ** 2)
    return Fluorescence(
        count=max(4, int(rng.uniform(0.05, 0.35) * full)),
        twins=int(rng.integers(0, 20)),
        radii=radii,
        brightness=(dim, min(1.0, dim * float(rng.uniform(1.5, 4)))),
        ground=float(rng.uniform(0.015, 0.09)),
        noise=float(rng.uniform(0.3, 2)),
        blur=float(rng.uniform(0.4, 1.4)),
        texture=float(rng.uniform(0.05, 0.4)),
    )


def some_tissue(rng: np.random.Generator) -> Tissue:
    """Return a random look: stains differ between laboratories more than between tissues."""
    smallest = float(rng.uniform(6, 13))
    radii = (smallest, smallest * float(rng.uniform(1.3, 2.2)))
    full = _SAMPLE_AREA / (math.pi * radii[1] ** 2)
    pale, strong = sorted(rng.uniform(0.45, 1.0, 2).tolist())
    eosin, haematoxylin = (
        np.clip(np.asarray(color) + rng.normal(0, 0.05, 3), 0.12, 0.97).tolist()
        for color in (TISSUE.eosin, TISSUE.haematoxylin)
    )
    return Tissue(
        count=max(6, int(rng.uniform(0.08, 0.45) * full)),
        gaps=int(rng.integers(0, 12)),
        radii=radii,
        eosin=(eosin[0], eosin[1], eosin[2]),
        haematoxylin=(haematoxylin[0], haematoxylin[1], haematoxylin[2]),
        depth=(pale, strong),
        texture=float(rng.uniform(0.1, 0.4)),
        noise=float(rng.uniform(0.003, 0.03)),
        blur=float(rng.uniform(0.4, 1.3)),
    )


def draw_fluorescence(c: Canvas, look: Fluorescence) -> Micrograph:
    """Draw bright nuclei on a dark field, some of them touching."""
    texture = 0.6 * c.noise(9) + 0.4 * c.noise(4)
    wobble = 0.07 * c.noise(16)
    light = np.zeros(c.shape, np.float32)
    owner = np.full(c.shape, -1)
    nuclei = scatter(c, _on(c, look.count), look.radii, 1.12)
    for x, y, r in nuclei[: _on(c, look.twins)]:  # some get a twin that touches them
        angle = float(c.rng.uniform(0, 2 * math.pi))
        twin = r * float(c.rng.uniform(0.75, 1.0))
        reach = 0.93 * (r + twin)
        nuclei.append((x + reach * math.cos(angle), y + reach * math.sin(angle), twin))
    for number, (x, y, r) in enumerate(nuclei):
        stretch = float(c.rng.uniform(0.74, 1.0))
        angle = float(c.rng.uniform(0, math.pi))
        bright = float(c.rng.uniform(*look.brightness))
        here = c.near(x, y, 5 * r)
        distance = c.ellipse(x, y, r, r * stretch, angle, at=here) + wobble[here]
        body = 1 / (1 + np.exp(np.minimum((distance - 1) * r / 1.1, 50)))
        dome = 0.72 + 0.28 * np.sqrt(np.clip(1 - np.minimum(distance, 1) ** 2, 0, 1))
        own = bright * body * dome * (1 + look.texture * texture[here])
        owner[here][(distance < 1) & (own >= light[here])] = number
        light[here] = np.maximum(light[here], own)
        light[here] += 0.05 * bright * np.exp(-((distance / 2.1) ** 2))  # out-of-focus glow
    height, width = c.size
    vignette = 1 - 0.25 * c.ellipse(width / 2, height / 2, width / 1.6, height / 1.6) ** 2
    grey = (look.ground + 0.012 * c.noise(120) + light) * vignette
    c.rgb[:] = grey[..., None] * np.array([0.97, 1.0, 1.03], np.float32)
    pixels = c.finish(blur=look.blur).astype(np.float32) / 255
    # one camera, one channel: shot noise grows with the root of the signal, and is equal in R, G, B
    deviation = look.noise * (0.008 + 0.035 * np.sqrt(pixels))
    noise = c.rng.normal(0, 1, pixels.shape[:2])[..., None] * deviation
    return Micrograph(to_bytes(pixels + noise), owner)


def draw_tissue(c: Canvas, look: Tissue) -> Micrograph:
    """Draw purple nuclei on pink tissue: a section stained with haematoxylin and eosin."""
    # eosin: pink ground with fibres, drawn by stretching noise along a bent direction
    flow = np.sin((c.y + 40 * c.noise(160)) / 7 + 3 * c.noise(60)) * 0.5 + 0.5
    patch = c.noise(45)
    red, green, blue = look.eosin
    ground = np.stack(
        [
            red - 0.03 * flow + 0.03 * patch,
            green - 0.09 * flow + 0.075 * patch,
            blue - 0.05 * flow + 0.045 * patch,
        ],
        axis=-1,
    )
    c.rgb[:] = ground + 0.025 * c.noise(3)[..., None]
    for x, y, r in scatter(c, _on(c, look.gaps), (16, 34), 1.6):
        gap = np.clip((1 - c.ellipse(x, y, r, r * 0.7, r) - 0.12 * patch) * 9, 0, 1)
        c.paint(0.9 * gap, (0.965, 0.945, 0.955))
    chromatin = 0.55 * c.noise(5) + 0.45 * c.noise(2.5)
    wobble = 0.08 * c.noise(14)
    owner = np.full(c.shape, -1)
    nuclei = scatter(c, _on(c, look.count), look.radii, 1.0)
    for number, (x, y, r) in enumerate(nuclei):
        angle = float(c.rng.uniform(0, math.pi))
        stretch = float(c.rng.uniform(0.55, 0.98))
        depth = float(c.rng.uniform(*look.depth))
        here = c.near(x, y, 3 * r)
        distance = c.ellipse(x, y, r, r * stretch, angle, at=here) + wobble[here]
        halo = np.exp(-(((distance - 1.25) / 0.35) ** 2)) * 0.18
        c.paint(halo, (0.80, 0.56, 0.74), at=here)
        body = np.clip((1 - distance) * r * 0.8 + 0.5, 0, 1)
        rim = np.exp(-(((distance - 0.93) / 0.14) ** 2))
        tone: Reals = np.array(look.haematoxylin, np.float32) + np.float32(0.16 * (1 - depth))
        color = tone * (1 + look.texture * chromatin[here] - 0.30 * rim)[..., None]
        c.paint(body * (0.72 + 0.28 * depth), color, at=here)
        owner[here][distance < 1] = number
    return Micrograph(c.finish(blur=look.blur, grain=look.noise), owner)


def _on(c: Canvas, count: int) -> int:
    """Scale a number for 480 x 640 pixels to this canvas's area."""
    return round(count * c.size[0] * c.size[1] / _SAMPLE_AREA)
