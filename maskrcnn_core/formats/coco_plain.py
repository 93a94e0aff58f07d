"""Reads the annotations that are as nearly all are, many at once; the others are left to be read one by one.

What is plain is taken exactly as :meth:`maskrcnn_core.formats.coco_rows.Rows.annotation` takes it: such a
row needs no repair, and nothing has to be said of it. Masks are checked and measured as texts, without
unpacking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.bounds import MAX_EDGE, MAX_EDGE_AT_ONCE
from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.common.pycoco import frPoly
from maskrcnn_core.dataset.annotations import ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.formats.coco_fields import FAR, NUMBERS
from maskrcnn_core.formats.coco_segmentation import LEAST_NUMBERS
from maskrcnn_core.geometry.polygons import FAR_OUTSIDE, EdgeBudget, edge_lengths
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.geometry.rle_codes import measure

__all__ = ["Annotation", "read_plain"]


_MASK_ALONE = frozenset({"size", "counts"})

_Flags = npt.NDArray[np.bool_]


class Annotation(NamedTuple):
    """What a row with a mask says.

    Args:
        instance: the annotation.
        polygons: its parts as flat x y; ``None`` for run lengths.
        is_listed: its run lengths are a list, not compressed text.
    """

    instance: Instance
    polygons: list[list[float]] | None
    is_listed: bool = False


class _Fields(NamedTuple):
    """The fields of a row beside its mask, checked; ``place`` is its index."""

    place: int
    image: ImageRecord
    category: Category
    segmentation: Json
    score: float | None
    box: tuple[float, float, float, float] | None
    area: float | None
    is_crowd: bool


def read_plain(
    batch: Sequence[Json],
    images: Mapping[int | str, ImageRecord],
    categories: Mapping[int | str, Category],
    budget: EdgeBudget,
) -> dict[int, Annotation]:
    """Return the plain rows of some, by their index.

    Args:
        batch: rows as ``json`` reads them.
        images, categories: what rows refer to.
        budget: for the edges of their polygons; a row that it does not suffice for is not plain.
    """
    polygons: list[_Fields] = []
    runs: list[_Fields] = []
    for index, row in enumerate(batch):
        fields = _fields(index, row, images, categories)
        if fields is not None:
            (polygons if isinstance(fields.segmentation, list) else runs).append(fields)
    polygons, lengths = _with_drawable(polygons, budget)
    found = _of_texts(polygons, _rasterised(polygons, lengths))
    found |= _of_texts(runs, [fields.segmentation["counts"] for fields in runs])
    return found


def _fields(
    index: int,
    row: Json,
    images: Mapping[int | str, ImageRecord],
    categories: Mapping[int | str, Category],
) -> _Fields | None:
    """Return the fields of a row if all are plain but perhaps the numbers of its polygon."""
    try:
        image_id, category_id, segmentation = row["image_id"], row["category_id"], row["segmentation"]
        if type(image_id) is not int or type(category_id) is not int:
            return None
        image, category = images[image_id], categories[category_id]
        get = row.get
        score, box, area, crowd = get("score"), get("bbox"), get("area"), get("iscrowd", 0)
    except (TypeError, KeyError, AttributeError):
        return None
    if type(segmentation) is list:
        if len(segmentation) != 1 or type(part := segmentation[0]) is not list:
            return None
        if len(part) < LEAST_NUMBERS or len(part) % 2:
            return None
    elif not _is_plain_mask(segmentation, image):
        return None
    if score is not None and not (type(score) in NUMBERS and -FAR < score < FAR):
        return None
    if area is None:
        if "area" in row:
            return None
    elif not (type(area) in NUMBERS and 0 < area < FAR):
        return None
    if type(crowd) is not int or not 0 <= crowd <= 1:
        return None
    corners = None
    if box is not None:
        corners = _corners(box)
    if corners is None and "bbox" in row:
        return None
    return _Fields(
        index,
        image,
        category,
        segmentation,
        None if score is None else float(score),
        corners,
        None if area is None else float(area),
        crowd == 1,
    )


def _is_plain_mask(segmentation: Json, image: ImageRecord) -> bool:
    return (
        type(segmentation) is dict
        and segmentation.keys() == _MASK_ALONE
        and segmentation["size"] == [image.height, image.width]
        and set(map(type, segmentation["size"])) == {int}
        and type(segmentation["counts"]) is str
        and image.height * image.width < 2**32
    )


def _corners(box: Json) -> tuple[float, float, float, float] | None:
    if type(box) is not list or len(box) != 4 or not NUMBERS.issuperset(map(type, box)):
        return None
    x, y, width, height = box
    if not (-FAR < x < FAR and -FAR < y < FAR and 0 <= width < FAR and 0 <= height < FAR):
        return None
    x, y = float(x), float(y)
    return (x, y, x + float(width), y + float(height))


def _with_drawable(rows: list[_Fields], budget: EdgeBudget) -> tuple[list[_Fields], list[float]]:
    """Return the rows whose polygon has only finite numbers, none far outside its image, and no long edges.

    Returns:
        The rows, and how long the edges of each are.
    """
    parts = [fields.segmentation[0] for fields in rows]
    if not NUMBERS.issuperset(map(type, chain.from_iterable(parts))):
        rows = [fields for fields in rows if NUMBERS.issuperset(map(type, fields.segmentation[0]))]
        parts = [fields.segmentation[0] for fields in rows]
    if not rows:
        return [], []
    try:
        numbers = np.array(list(chain.from_iterable(parts)), np.float64)
    except OverflowError:  # whole numbers of JSON have no bounds
        return [], []
    starts = np.cumsum([0, *map(len, parts[:-1])], dtype=np.int64)
    limits = np.array([FAR_OUTSIDE * max(*fields.image.size, 1) for fields in rows])
    drawable: _Flags = np.maximum.reduceat(np.abs(numbers), starts) <= limits  # not where one is NaN
    lengths = edge_lengths(numbers, starts)
    drawable &= lengths <= MAX_EDGE
    kept = [
        (fields, length)
        for fields, is_drawable, length in zip(rows, drawable.tolist(), lengths.tolist(), strict=True)
        if is_drawable and budget.spend(length)
    ]
    return [fields for fields, _ in kept], [length for _, length in kept]


def _rasterised(rows: Sequence[_Fields], lengths: Sequence[float]) -> list[str]:
    """Return the compressed run lengths of each row's polygon.

    Rows of one image size in as few calls as may be.
    """
    by_size: dict[tuple[int, int], list[list[int]]] = defaultdict(list)
    drawn: dict[tuple[int, int], float] = defaultdict(float)
    for place, (fields, length) in enumerate(zip(rows, lengths, strict=True)):
        size = fields.image.size
        drawn[size] += length
        if not by_size[size] or drawn[size] > MAX_EDGE_AT_ONCE:
            by_size[size].append([])
            drawn[size] = length
        by_size[size][-1].append(place)
    texts = [""] * len(rows)
    for size, calls in by_size.items():
        for places in calls:
            coded = frPoly([rows[place].segmentation[0] for place in places], *size)
            for place, code in zip(places, coded, strict=True):
                texts[place] = code["counts"].decode("ascii")
    return texts


def _of_texts(rows: Sequence[_Fields], texts: Sequence[str]) -> dict[int, Annotation]:
    """Return the rows whose run lengths are right as they are."""
    sizes = np.array([fields.image.size for fields in rows], np.int64).reshape(-1, 2)
    good, areas, boxes = measure(texts, sizes[:, 0].copy(), sizes[:, 1].copy())
    measured = zip(
        rows,
        texts,
        good.tolist(),
        areas.astype(np.int64).tolist(),
        boxes.astype(np.int64).tolist(),
        strict=True,
    )
    found = {}
    for fields, text, is_good, area, box in measured:
        if is_good:
            image, segmentation = fields.image, fields.segmentation
            mask = Rle.of_measured(text, image.size, area, tuple(box))
            found[fields.place] = Annotation(
                Instance(
                    image.id,
                    fields.category.id,
                    mask,
                    fields.score,
                    fields.box,
                    fields.area,
                    fields.is_crowd,
                ),
                segmentation if isinstance(segmentation, list) else None,
            )
    return found
