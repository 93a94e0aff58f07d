"""Drawn scenes with exact ground truth: shapes on cluttered backgrounds, and drawn microscopy.

A seed is a scene: the same versions of NumPy and Pillow give the same pixels and masks on any machine and
in any order. So a data set of any size needs no file from elsewhere, and scenes never seen in training are
a matter of other seeds. The kinds of scenes are the rows of :data:`SCENE_KINDS`.

Shapes overlap, and the mask of one is what can be seen of it. Each is drawn at four times its size and
averaged down; a pixel belongs to the topmost shape that covers half of it or more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from maskrcnn_core.common.arrays import Reals
from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.dataset.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.formats.coco import coco_document
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.geometry.rle import BoolMask, Rle
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.canvas import Canvas
from maskrcnn_core.synthetic.microscopy import (
    Micrograph,
    draw_fluorescence,
    draw_tissue,
    some_fluorescence,
    some_tissue,
)

__all__ = ["SCENE_CATEGORIES", "SCENE_KINDS", "Scene", "SceneKind", "draw_scene", "write_scenes"]

SCENE_CATEGORIES = (
    Category(1, "circle", "shape"),
    Category(2, "square", "shape"),
    Category(3, "triangle", "shape"),
)

_OVER = 4  # supersampling of shapes
_CORNERS = {1: 0, 2: 4, 3: 3}
_ROUND = 0.85
"""A circle's radius as a share of the others', whose corners are farther out than their bulk."""
_FULL_AREA = {1: math.pi * _ROUND**2, 2: 2.0, 3: 0.75 * math.sqrt(3)}
"""In squares of the radius."""
_LEAST_VISIBLE = 0.4
"""Of its full area. A shape that would hide more of another goes elsewhere: nobody could name the rest."""
_LEAST_PIXELS = 50
_TRIES = 12


@dataclass(frozen=True, eq=False)
class Scene:
    """One drawn scene.

    Args:
        pixels: uint8 ``[H, W, 3]`` RGB, both sides from 256 to 512 pixels.
        category_ids: of its kind's categories, one for each instance; shapes from the lowest to the topmost.
        masks: what can be seen of each.
    """

    pixels: npt.NDArray[np.uint8]
    category_ids: tuple[int, ...]
    masks: tuple[Rle, ...]


@dataclass(frozen=True)
class SceneKind:
    """A row of the table of kinds.

    Args:
        key: what commands call it.
        title: what is on such scenes, a few words.
        categories: of the instances.
        draw: the scene of a seed.
    """

    key: str
    title: str
    categories: tuple[Category, ...]
    draw: Callable[[int], Scene]


def draw_scene(seed: int, kind: str = "shapes") -> Scene:
    """Return the scene of a seed (0 or more); equal seeds give equal scenes.

    Raises:
        KeyError: for a kind that is not in :data:`SCENE_KINDS`.
    """
    return _kind(kind).draw(seed)


def _kind(key: str) -> SceneKind:
    for kind in SCENE_KINDS:
        if kind.key == key:
            return kind
    raise KeyError(f"kind {key!r}: expected one of {', '.join(k.key for k in SCENE_KINDS)}")


_SEED = 20170320
"""Keeps scenes apart from all other uses of small seeds."""


def _some_size(rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.integers(256, 513)), int(rng.integers(256, 513))


def _draw_shapes(seed: int) -> Scene:
    rng = np.random.default_rng([_SEED, seed])
    size = _some_size(rng)
    canvas = _background(rng, size)
    _clutter(rng, canvas)
    shapes = _place(rng, size)
    seen: list[BoolMask] = [np.zeros(size, np.bool_) for _ in shapes]
    owner = np.full(size, -1)
    for number, shape in enumerate(shapes):
        _paint(rng, canvas, shape)
        window = shape.window
        owner[window][shape.alpha >= 0.5] = number
    for number in range(len(shapes)):
        seen[number] = owner == number
    return Scene(
        _photograph(rng, canvas),
        tuple(shape.category_id for shape in shapes),
        tuple(Rle.from_mask(mask) for mask in seen),
    )


def _draw_micrograph(seed: int, of: str, draw: Callable[[Canvas], Micrograph]) -> Scene:
    parts = [_SEED, seed, *of.encode()]
    image = draw(Canvas(parts, _some_size(np.random.default_rng(parts))))
    masks = tuple(Rle.from_mask(mask) for mask in image.masks())
    return Scene(image.pixels, (_NUCLEUS.id,) * len(masks), masks)


_NUCLEUS = Category(1, "nucleus", "cell")

SCENE_KINDS = (
    SceneKind("shapes", "circles, squares and triangles", SCENE_CATEGORIES, _draw_shapes),
    SceneKind(
        "fluorescence",
        "bright nuclei on a dark field",
        (_NUCLEUS,),
        lambda seed: _draw_micrograph(
            seed, "fluorescence", lambda c: draw_fluorescence(c, some_fluorescence(c.rng))
        ),
    ),
    SceneKind(
        "tissue",
        "purple nuclei in pink tissue",
        (_NUCLEUS,),
        lambda seed: _draw_micrograph(seed, "tissue", lambda c: draw_tissue(c, some_tissue(c.rng))),
    ),
)
"""The kinds of scenes, the first of which is meant where none is named."""


def write_scenes(
    folder: Path,
    seeds: Sequence[int],
    on_progress: Callable[[int, int], object] | None = None,
    *,
    kind: str = "shapes",
) -> Dataset:
    """Write scenes as PNG files into ``folder/images``, and their ground truth as ``instances.json``.

    Args:
        folder: made if it is not there; files of the same names are replaced.
        seeds: one scene each; image ids count from 1 in this order.
        on_progress: called with ``(done, total)`` after each.
        kind: a key of :data:`SCENE_KINDS`.

    Raises:
        KeyError: for another kind.
        OSError: if a file cannot be written.
    """
    row = _kind(kind)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    records, instances = [], []
    for number, seed in enumerate(seeds, start=1):
        scene = row.draw(seed)
        name = f"scene_{seed:06}.png"
        replace_file(folder / "images" / name, encode_png(scene.pixels, compress_level=1))
        height, width = scene.pixels.shape[:2]
        records.append(ImageRecord(number, name, width, height))
        instances += [
            Instance(number, category_id, mask)
            for category_id, mask in zip(scene.category_ids, scene.masks, strict=True)
        ]
        if on_progress:
            on_progress(number, len(seeds))
    dataset = Dataset(tuple(records), row.categories, tuple(instances))
    document = coco_document(dataset, "Scenes drawn by MaskDesk (CC0)")
    replace_file(folder / "instances.json", dump_json(document))
    return dataset


# -- shapes ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Shape:
    """A shape at its place: its coverage ``alpha`` in [0, 1] on a window of the canvas."""

    category_id: int
    window: tuple[slice, slice]
    alpha: Reals
    radius: float
    turn: float


def _place(rng: np.random.Generator, size: tuple[int, int]) -> list[_Shape]:
    """Place shapes that overlap, but never so far that nobody could tell what they are."""
    wanted = int(rng.integers(3, 19))
    largest = rng.uniform(24, 88)
    shapes: list[_Shape] = []
    owner = np.full(size, -1)
    areas: list[float] = []
    for _ in range(wanted):
        for _ in range(_TRIES):
            shape = _shape(rng, size, math.exp(rng.uniform(math.log(10), math.log(largest))))
            covered = shape.alpha >= 0.5
            area = _FULL_AREA[shape.category_id] * shape.radius**2
            after = owner.copy()
            after[shape.window][covered] = len(shapes)
            left = np.bincount(after[after >= 0], minlength=len(shapes) + 1)
            whole = [*areas, area]
            if all(
                visible >= max(_LEAST_VISIBLE * full, _LEAST_PIXELS)
                for visible, full in zip(left.tolist(), whole, strict=True)
            ):
                shapes.append(shape)
                owner, areas = after, whole
                break
    return shapes


def _shape(rng: np.random.Generator, size: tuple[int, int], radius: float) -> _Shape:
    category_id = int(rng.integers(1, 4))
    x, y = rng.uniform(0, size[1]), rng.uniform(0, size[0])
    turn = float(rng.uniform(0, 2 * math.pi))
    reach = radius + 2
    top, left = max(int(y - reach), 0), max(int(x - reach), 0)
    bottom, right = min(int(y + reach) + 1, size[0]), min(int(x + reach) + 1, size[1])
    image = Image.new("L", ((right - left) * _OVER, (bottom - top) * _OVER))
    draw = ImageDraw.Draw(image)
    cx, cy, r = (x - left) * _OVER, (y - top) * _OVER, radius * _OVER
    if corners := _CORNERS[category_id]:
        angles = [turn + k * 2 * math.pi / corners for k in range(corners)]
        draw.polygon([(cx + r * math.cos(a), cy + r * math.sin(a)) for a in angles], fill=255)
    else:
        r *= _ROUND
        draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=255)
    alpha = np.asarray(image, np.float32).reshape(bottom - top, _OVER, right - left, _OVER).mean((1, 3)) / 255
    return _Shape(category_id, (slice(top, bottom), slice(left, right)), alpha, radius, turn)


def _paint(rng: np.random.Generator, canvas: Reals, shape: _Shape) -> None:
    """Lay a shape on the canvas: a shadow, a colour that differs from what is below, some texture."""
    rows, columns = shape.window
    under = canvas[shape.window]
    alpha = shape.alpha
    if rng.random() < 0.5:
        dx, dy = rng.integers(1, 5, 2)
        moved = np.pad(alpha, ((dy, 0), (dx, 0)))[: alpha.shape[0], : alpha.shape[1]]
        soft = Image.fromarray((moved * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(3))
        dark = np.asarray(soft, np.float32) / 255
        under *= 1 - float(rng.uniform(0.2, 0.5)) * dark[..., None]
    below = under.reshape(-1, 3).mean(0)
    color = rng.uniform(0.03, 0.97, 3)
    for _ in range(8):  # a colour that can be told from the ground
        if np.abs(color - below).max() > 0.18:
            break
        color = rng.uniform(0.03, 0.97, 3)
    height, width = alpha.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    along = (x - width / 2) * math.cos(shape.turn) + (y - height / 2) * math.sin(shape.turn)
    fill = np.broadcast_to(color.astype(np.float32), (height, width, 3)).copy()
    fill *= 1 + float(rng.uniform(0, 0.35)) * (along / shape.radius)[..., None]
    if rng.random() < 0.3:
        period = float(rng.uniform(4, 14))
        stripes = (np.sin(along * 2 * math.pi / period) > 0)[..., None]
        fill += stripes * (float(rng.uniform(-0.2, 0.2)))
    fill += float(rng.uniform(0, 0.08)) * _noise(rng, (height, width), 6)[..., None]
    if rng.random() < 0.35:  # an outline
        grown = Image.fromarray((alpha * 255).astype(np.uint8))
        inner = grown.filter(ImageFilter.MinFilter(3 if shape.radius < 25 else 5))
        edge = (alpha - np.asarray(inner, np.float32) / 255).clip(0, 1)[..., None]
        fill = fill * (1 - edge) + rng.uniform(0, 1, 3).astype(np.float32) * edge
    opacity = alpha[..., None] * float(rng.uniform(0.88, 1))
    canvas[rows, columns] = under * (1 - opacity) + fill.clip(0, 1) * opacity


# -- ground ---------------------------------------------------------------------------------------


def _noise(rng: np.random.Generator, size: tuple[int, int], grain: float) -> Reals:
    """Return smooth noise in about [-1, 1] whose blobs are ``grain`` pixels wide."""
    small = (max(2, round(size[0] / grain)), max(2, round(size[1] / grain)))
    coarse = Image.fromarray(rng.uniform(-1, 1, small).astype(np.float32))
    return np.asarray(coarse.resize(size[::-1], Image.Resampling.BICUBIC), np.float32)


def _background(rng: np.random.Generator, size: tuple[int, int]) -> Reals:
    base = rng.uniform(0.08, 0.92, 3)
    canvas = np.empty((*size, 3), np.float32)
    strength = float(rng.uniform(0.02, 0.22))
    shared = _noise(rng, size, rng.uniform(60, 200)) + 0.6 * _noise(rng, size, rng.uniform(15, 50))
    shared = shared + 0.4 * _noise(rng, size, rng.uniform(3, 8))
    for channel in range(3):
        own = _noise(rng, size, rng.uniform(40, 160)) + 0.5 * _noise(rng, size, rng.uniform(8, 30))
        canvas[..., channel] = base[channel] + strength * (shared + 0.6 * own)
    if rng.random() < 0.3:  # weave
        y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
        a, period = rng.uniform(0, math.pi), rng.uniform(5, 24)
        canvas += 0.06 * np.sin((x * math.cos(a) + y * math.sin(a)) * 2 * math.pi / period)[..., None]
    return canvas.clip(0, 1)


def _clutter(rng: np.random.Generator, canvas: Reals) -> None:
    """Draw strokes, arcs, crosses and specks, which belong to nothing."""
    height, width = canvas.shape[:2]
    image = Image.fromarray((canvas * 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 60))):
        x, y = float(rng.uniform(0, width)), float(rng.uniform(0, height))
        tone = (int(rng.integers(20, 236)), int(rng.integers(20, 236)), int(rng.integers(20, 236)))
        wide = int(rng.integers(1, 5))
        long, a = float(rng.uniform(8, 110)), float(rng.uniform(0, math.pi))
        dx, dy = long * math.cos(a), long * math.sin(a)
        kind = rng.integers(0, 4)
        if kind == 0:
            draw.line((x, y, x + dx, y + dy), tone, wide)
        elif kind == 1:
            start = float(rng.uniform(0, 360))
            box = (x, y, x + long, y + float(rng.uniform(0.3, 1)) * long)
            draw.arc(box, start, start + float(rng.uniform(40, 200)), tone, wide)
        elif kind == 2:
            s = long / 5
            draw.line((x - s, y - s, x + s, y + s), tone, wide)
            draw.line((x - s, y + s, x + s, y - s), tone, wide)
        else:
            draw.ellipse((x, y, x + wide, y + wide), tone)
    canvas[:] = np.asarray(image, np.float32) / 255


def _photograph(rng: np.random.Generator, canvas: Reals) -> npt.NDArray[np.uint8]:
    """Add what a camera adds: blur, uneven light, noise."""
    height, width = canvas.shape[:2]
    image = Image.fromarray((canvas.clip(0, 1) * 255).astype(np.uint8))
    if rng.random() < 0.6:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.1))))
    pixels = np.asarray(image, np.float32) / 255
    pixels = pixels * (1 + float(rng.uniform(0, 0.15)) * _noise(rng, (height, width), 220))[..., None]
    grain = float(rng.uniform(0, 0.05))
    pixels = pixels + rng.normal(0, 1, pixels.shape).astype(np.float32) * grain
    rounded: npt.NDArray[np.uint8] = np.rint(pixels.clip(0, 1) * 255).astype(np.uint8)
    return rounded
