"""The ``segmentation`` of a COCO annotation, in every form in which it is found, as one exact mask.

Polygons come as a list of parts, as one flat list of numbers (VIA), or as pairs of numbers. A part that is no
polygon beside good ones is left out; run lengths are compressed text or a list of whole numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from maskrcnn_core.common.bounds import MAX_EDGE
from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.common.refusals import kind
from maskrcnn_core.errors import DatasetError
from maskrcnn_core.formats.coco_fields import FAR, NUMBERS, FieldError, whole
from maskrcnn_core.geometry.polygons import LONG_EDGES, EdgeBudget, edge_length, polygons_to_rle
from maskrcnn_core.geometry.rle import Rle

__all__ = ["LEAST_NUMBERS", "Segmentation", "holds_nothing", "read_segmentation"]


_RUNS = {int}
LEAST_NUMBERS = 6
"""Of a ring: three points."""


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What was understood of a segmentation.

    Args:
        mask: its pixels.
        polygons: its parts as flat x y, as the file has them; ``None`` for run lengths.
        is_listed: its run lengths are a list, not compressed text.
        mends: what was done about it: field below the segmentation, reason, and what was found.
    """

    mask: Rle
    polygons: list[list[float]] | None = None
    is_listed: bool = False
    mends: tuple[tuple[str, str, Json], ...] = ()


def holds_nothing(value: Json) -> bool:
    """Return whether an annotation was meant to have no mask, as writers of boxes leave it out or empty."""
    return not value or (isinstance(value, list) and all(part == [] for part in value))


def read_segmentation(value: Json, size: tuple[int, int], budget: EdgeBudget | None = None) -> Segmentation:
    """Read a segmentation, distrusting every number: nothing unchecked reaches ``pycocotools``.

    Args:
        value: as JSON has it.
        size: height and width of its image.
        budget: for the edges of all polygons of the import.

    Raises:
        FieldError: with the place below the annotation, if there is no mask in it.
    """
    if isinstance(value, list) and value:
        return _read_polygons(value, size, budget or EdgeBudget())
    if isinstance(value, dict) and value:
        return _read_runs(value, size)
    raise FieldError("segmentation", "expected polygons or run lengths", kind(value))


def _read_polygons(value: list[Json], size: tuple[int, int], budget: EdgeBudget) -> Segmentation:
    mends: list[tuple[str, str, Json]] = []
    if not any(isinstance(part, list) for part in value):
        mends.append(("", "a flat list of numbers; read as one polygon", value))
        value = [value]
    elif len(value) >= 3 and all(map(_is_pair, value)):
        mends.append(("", "a list of pairs of numbers; read as one polygon", value))
        value = [value]
    try:
        parts = [_read_part(part) for part in value]
        _spend(budget, edge_length(parts))
        if len(parts) == 1 or all(map(_has_area, parts)):
            return Segmentation(polygons_to_rle(parts, size), parts, mends=tuple(mends))
    except DatasetError:
        pass  # which part it is, and whether others are good, is found one by one
    parts, first, drawn = [], None, 0.0
    for index, part in enumerate(value):
        try:
            read = _read_part(part)
            length = edge_length([read])
            _spend(budget, length)
            polygons_to_rle([read], size)
            if not _has_area(read):
                raise DatasetError("all points of the polygon are on one line")
        except DatasetError as error:
            reason = str(error).removeprefix("[0]: ")
            first = first or FieldError(f"segmentation[{index}]", reason)
            mends.append((f"[{index}]", f"left out next to good parts: {reason}", None))
        else:
            parts.append(read)
            drawn += length
            if drawn > MAX_EDGE:  # good by themselves and too much together
                raise FieldError("segmentation", LONG_EDGES)
    if first is not None and not parts:
        raise first
    return Segmentation(polygons_to_rle(parts, size), parts, mends=tuple(mends))


def _spend(budget: EdgeBudget, length: float) -> None:
    """Take the edges of a polygon that will be drawn; raise :class:`DatasetError` if too few are left."""
    if length <= MAX_EDGE and not budget.spend(length):  # longer ones are refused before they cost anything
        raise DatasetError("polygon edges are, in total, longer than the file's size allows")


def _read_part(part: Json) -> list[float]:
    """Return one ring as flat numbers.

    Raises:
        DatasetError: if it is none.
    """
    if not isinstance(part, list):
        raise DatasetError(f"expected a list of numbers, got {kind(part)}")
    if part and all(map(_is_pair, part)):
        part = [number for pair in part for number in pair]
    if len(part) < LEAST_NUMBERS or len(part) % 2:
        raise DatasetError(f"polygon needs at least 3 points, got {len(part)} numbers")
    if not set(map(type, part)) <= NUMBERS:
        wrong = next(number for number in part if type(number) not in NUMBERS)
        raise DatasetError(f"expected finite numbers, got {kind(wrong)}")
    # Whole numbers of JSON can be longer than any float. NaN may hide from comparing, but not from adding up.
    if not -FAR < min(part) <= max(part) < FAR or math.isnan(sum(part)):
        wrong = next(number for number in part if not -FAR < number < FAR)
        raise DatasetError(f"expected finite numbers, got {kind(wrong)[:40]}")
    ring: list[float] = part
    return ring


def _shown_size(given: Json) -> str:
    """Return a size for people: what is none may be nested or long without end."""
    is_short = (
        isinstance(given, list)
        and len(given) <= 4
        and not any(isinstance(side, list | dict) for side in given)
    )
    return repr(given) if is_short else kind(given)


def _is_pair(value: Json) -> bool:
    return isinstance(value, list) and len(value) == 2 and set(map(type, value)) <= NUMBERS


def _has_area(ring: Sequence[float]) -> bool:
    """Return whether the points of a ring do not all lie on one line."""
    points = list(zip(ring[0::2], ring[1::2], strict=True))
    x, y = points[0]
    across = next(((px - x, py - y) for px, py in points if (px, py) != (x, y)), (0.0, 0.0))
    return any(across[0] * (py - y) != across[1] * (px - x) for px, py in points)


def _read_runs(value: dict[str, Json], size: tuple[int, int]) -> Segmentation:
    mends: list[tuple[str, str, Json]] = []
    given = value.get("size")
    if given is None:
        mends.append((".size", "run lengths without a size; read with the image's", None))
        given = list(size)
    found = tuple(whole(side, 0, 2**32) for side in given) if isinstance(given, list) else None
    if found != size:
        raise FieldError(
            "segmentation",
            "expected the size [height, width] of its image",
            f"{_shown_size(given)} for {list(size)}"[:80],
        )
    counts = value.get("counts")
    if isinstance(counts, list) and not set(map(type, counts)) <= _RUNS:
        read = [whole(run, 0, 2**32) if isinstance(run, int | float) else None for run in counts]
        if any(run is None or isinstance(raw, bool) for run, raw in zip(read, counts, strict=True)):
            raise FieldError(
                "segmentation", "counts: expected text or a list of whole numbers", "other values"
            )
        mends.append((".counts", "run lengths with a decimal point; read as whole numbers", None))
        counts = read
    if not isinstance(counts, str | list):
        raise FieldError("segmentation", "counts: expected text or a list of whole numbers", kind(counts))
    if isinstance(counts, list) and counts and not -(2**32) < min(counts) <= max(counts) < 2**32:
        raise FieldError("segmentation", "counts: expected run lengths below 2**32")
    try:
        mask = Rle.from_counts(counts, size)
    except DatasetError as error:
        raise FieldError("segmentation", str(error)) from error
    return Segmentation(mask, is_listed=isinstance(counts, list), mends=tuple(mends))
