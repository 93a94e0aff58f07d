"""What a COCO file holds that is no ground truth: crowds, open proposals, what people rejected, refused rows.

Nothing of it is learned, and nothing of it may be learned as background either: its region goes to
:mod:`maskrcnn_core.training.ignoring`. What a person rejected is different: there, nothing is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from maskrcnn_core.dataset.annotations import ImageRecord, Instance
from maskrcnn_core.formats.coco_fields import ours_of
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import Stretch

__all__ = ["CROWDS", "Crowds", "Reading", "Reason", "Unlearned", "region_of_refused", "sort_out"]

Crowds = Literal["ignore", "objects"]
CROWDS: tuple[Crowds, ...] = ("ignore", "objects")

Reason = Literal["crowd", "proposal", "empty", "refused", "box"]

_FULL = 0.5


@dataclass(frozen=True)
class Reading:
    """What counts as ground truth, and how its images are seen.

    Args:
        crowds: ``ignore`` regions of many objects, as COCO means ``iscrowd: 1``, or take them as ``objects``:
            CVAT writes every mask that is no polygon so.
        with_proposals: also learn what a model proposed and nobody has decided on yet.
        stretch: as in :func:`~maskrcnn_core.images.reading.decode_image`.
    """

    crowds: Crowds = "ignore"
    with_proposals: bool = False
    stretch: Stretch = "auto"


@dataclass(frozen=True, eq=False)
class Unlearned:
    """A region of which nobody knows what is there.

    Args:
        image_id: of its image.
        region: its pixels.
        reason: why it is not learned.
    """

    image_id: int
    region: Rle
    reason: Reason


@dataclass(frozen=True, eq=False)
class Sorted:
    """A file's instances, sorted.

    Args:
        instances: ground truth; what is to be ignored is in it as a crowd, for evaluators.
        unlearned: the regions of those.
        rejected: how many instances people had rejected; they are gone.
        undecided: how many have a score and no word of a person; they are learned.
    """

    instances: tuple[Instance, ...]
    unlearned: tuple[Unlearned, ...]
    rejected: int
    undecided: int


def sort_out(rows: Iterable[tuple[Instance, Mapping[str, Any]]], reading: Reading) -> Sorted:
    """Separate ground truth from what is none.

    Args:
        rows: instances with their rows as they are in the file, where a project's export says
            ``maskdesk.status``.
        reading: what counts as ground truth.
    """
    instances: list[Instance] = []
    unlearned: list[Unlearned] = []
    counts: Counter[str] = Counter()
    for instance, raw in rows:
        status = ours_of(raw).get("status")
        if status == "rejected":
            counts["rejected"] += 1
            continue
        if instance.is_crowd and reading.crowds == "objects":
            instance = replace(instance, is_crowd=False)
        counts["undecided"] += status is None and instance.score is not None
        reason = _reason(instance, status, reading)
        if reason is not None:
            region = _region(instance, reason)
            if region is not None:
                unlearned.append(Unlearned(instance.image_id, region, reason))
            # An empty mask stays what it is: evaluators count it as an object that nobody finds.
            instance = replace(instance, is_crowd=reason != "empty")
        instances.append(instance)
    return Sorted(tuple(instances), tuple(unlearned), counts["rejected"], counts["undecided"])


def _reason(instance: Instance, status: object, reading: Reading) -> Reason | None:
    if instance.is_crowd:
        return "crowd"
    if status == "proposed" and not reading.with_proposals:
        return "proposal"
    return None if instance.area else "empty"


def _region(instance: Instance, reason: Reason) -> Rle | None:
    """Return one object's box, or a crowd's mask unless it fills most of its box."""
    if not instance.area:
        return None if instance.given_box is None else _box_region(instance.given_box, instance.mask.size)
    x, y, width, height = instance.box_xywh
    if reason == "crowd" and instance.area < _FULL * width * height:
        return instance.mask
    return _box_region((x, y, x + width, y + height), instance.mask.size)


def _box_region(box: tuple[float, float, float, float], size: tuple[int, int]) -> Rle | None:
    """Return the pixels that a box touches, x1 y1 x2 y2; None if it lies outside."""
    height, width = size
    left, top = max(math.floor(box[0]), 0), max(math.floor(box[1]), 0)
    right, bottom = min(math.ceil(box[2]), width), min(math.ceil(box[3]), height)
    if left >= right or top >= bottom:
        return None
    return Rle.from_crop(np.ones((bottom - top, right - left), np.bool_), (top, left), size)


def region_of_refused(raw: Mapping[str, Any], image: ImageRecord) -> Rle | None:
    """Return where the object of an unreadable row lies: its box, else its outline's, else anywhere.

    None for a box without any pixel in the image.
    """
    given = _numbers(raw.get("bbox"))
    if len(given) == 4 and given[2] > 0 and given[3] > 0:
        x, y, width, height = given
        return _box_region((x, y, x + width, y + height), image.size)
    outline = _numbers(raw.get("segmentation"))
    xs, ys = outline[0::2], outline[1::2]
    if len(ys) >= 2:
        return _box_region((min(xs), min(ys), max(xs), max(ys)), image.size)
    return _box_region((0, 0, image.width, image.height), image.size)


def _numbers(value: object, depth: int = 0) -> list[float]:
    """Return all finite numbers of a list of numbers, or of lists of them, as far as outlines are nested."""
    if isinstance(value, list):
        return [number for part in value for number in _numbers(part, depth + 1)] if depth < 4 else []
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
    return [float(value)] if is_number else []  # type: ignore[arg-type]
