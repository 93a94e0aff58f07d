"""Says what is wrong with a COCO file, annotation by annotation: the rows of a table with counts and places.

What a reader has to refuse or to repair is told by :class:`~maskrcnn_core.formats.coco_reader.CocoReader`,
which lets nothing unchecked reach ``pycocotools``. Looked for besides is what is read well and still is not
what its writer meant: filled holes, boxes as corners, every mask a crowd.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from maskrcnn_core.common.bounds import is_storable
from maskrcnn_core.common.json_rows import Json, JsonRows, read_json_rows
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.common.refusals import Refusal
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.formats.checked_masks import (
    is_odd_form,
    look_at_area,
    look_at_box,
    look_at_mask,
    reaches_out,
)
from maskrcnn_core.formats.checks import CHECKS, NOT_FINITE, Check, key_of
from maskrcnn_core.formats.coco_reader import CocoReader, CocoRow, GivenBox
from maskrcnn_core.formats.coco_rows import SizeOf
from maskrcnn_core.formats.found_sizes import FoundSizes
from maskrcnn_core.geometry.rle import Rle

__all__ = ["CheckReport", "Checked", "Finding", "Walk", "check_coco"]

_PLACES = 5
_NUMBERS = ("image_id", "category_id", "iscrowd")
_NEEDED = ("area", "bbox", "iscrowd")
_MOST_CROWDS = 0.5
"""More crowds than this share of all masks are none: COCO's own files have one in a hundred."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Args:
        check: what.
        count: how often.
        places: the first of them, as ``annotations[17]``, with what was found where there is more to say.
    """

    check: Check
    count: int
    places: tuple[str, ...]

    def as_value(self) -> dict[str, Json]:
        """Return it for programs."""
        row = self.check
        return {
            "key": row.key,
            "title": row.title,
            "severity": row.severity,
            "count": self.count,
            "places": list(self.places),
            "readers": row.readers,
            "fix": row.fix,
        }


@dataclass(frozen=True)
class CheckReport:
    """All that was found in a file.

    Args:
        findings: in the order of :data:`~maskrcnn_core.formats.checks.CHECKS`.
        images, categories: how many can be used.
        annotations: how many the file lists, good or bad.
        lost_images: how many cannot be used.
    """

    findings: tuple[Finding, ...]
    images: int
    categories: int
    annotations: int
    lost_images: int = 0

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """What should be repaired: all but mere information."""
        return tuple(one for one in self.findings if one.check.severity != "info")

    def has(self, key: str) -> bool:
        """Return whether something was found, by the key of its check."""
        return any(one.check.key == key for one in self.findings)


@dataclass(frozen=True)
class Checked:
    """An annotation that can be used.

    Args:
        row: as it was read.
        keys: the checks that it fails, of those that are seen in the annotation alone.
        mask: what it stands for; ``None`` for a mere box.
        polygons: its parts where some of the file's are left out; else ``None``.
        is_redrawn: whether a repaired file has the mask drawn anew.
        is_left_out: whether a repaired file has no such row.
    """

    row: CocoRow[Instance] | CocoRow[GivenBox]
    keys: tuple[str, ...]
    mask: Rle | None = None
    polygons: list[list[float]] | None = None
    is_redrawn: bool = False
    is_left_out: bool = False


def check_coco(data: bytes, *, size_of: SizeOf = lambda _name: None) -> CheckReport:
    """Return what is wrong with a COCO file. Masks are looked at one after the other and not kept.

    Args:
        data: the file.
        size_of: asked for height and width of an image of which the file does not tell them.

    Raises:
        DatasetError: if the file as a whole is not COCO JSON.
    """
    walk = Walk(data, size_of)
    for _ in walk.annotations():
        pass
    return walk.report()


class Walk:
    """One way through a file, on which all that is wrong is counted.

    Args:
        data: the file.
        size_of: as for :func:`check_coco`.

    Raises:
        DatasetError: if the file as a whole is not COCO JSON.
    """

    def __init__(self, data: bytes, size_of: SizeOf) -> None:
        self._tally = _Tally()
        self._has_not_finite = self._count_not_finite(data)
        self._size_of = size_of
        self.reader = CocoReader(data, size_of=FoundSizes(data, size_of))
        self._images: set[int] = set()
        self._categories: set[int] = set()
        self._seen: set[bytes] = set()
        self._masks = 0
        self._crowds: list[int] = []
        self._crowd_count = 0

    def annotations(self) -> Iterator[Checked]:
        """Yield the annotations that can be used; to be gone through once, before :meth:`report`."""
        sizes = {row.id: row.value.size for row in self.reader.images}
        for row in self.reader.annotations():
            place = f"annotations[{row.index}]"
            checked = self._checked(row, sizes[row.value.image_id])
            for key in checked.keys:
                self._tally.add(key, place)
            yield checked

    def report(self) -> CheckReport:
        """Return what was found."""
        for said, count in self.reader.kinds():
            key = key_of(said)
            if not (self._has_not_finite and said.reason.startswith(NOT_FINITE)):
                self._tally.add(key, _shown(key, said), count)
        self._look_at_images()
        self._look_at_categories()
        if self._masks and self._crowd_count > _MOST_CROWDS * self._masks:
            places = [f"annotations[{index}]" for index in self._crowds]
            self._tally.add("crowd", places[0], self._crowd_count, places[1:])
        return CheckReport(
            self._tally.findings(),
            len(self.reader.images),
            len(self.reader.categories),
            self.reader.annotation_count,
            self.reader.refused_image_count,
        )

    def _checked(self, row: CocoRow[Instance] | CocoRow[GivenBox], size: tuple[int, int]) -> Checked:
        self._images.add(row.value.image_id)
        self._categories.add(row.value.category_id)
        keys = []
        if any(isinstance(row.raw.get(name), str) for name in _NUMBERS):
            keys.append("text-number")
        if not all(name in row.raw for name in _NEEDED):
            keys.append("missing-field")
        instance = row.value
        if isinstance(instance, GivenBox):
            if row.raw.get("segmentation") not in (None, []):
                keys.append("odd-form")
            if reaches_out(instance.box, size):
                keys.append("outside")
            return Checked(row, (*keys, "box-only"))
        if is_odd_form(row.raw["segmentation"], instance.mask):
            keys.append("odd-form")
        mask, parts, found = look_at_mask(row.polygons, instance.mask, size)
        keys += found
        if not mask.area:
            return Checked(row, (*keys, "empty-mask"), mask, is_left_out=True)
        self._masks += 1
        if instance.is_crowd:
            self._crowd_count += 1
            if len(self._crowds) < _PLACES:
                self._crowds.append(row.index)
        elif row.polygons is None:
            keys.append("run-lengths")
        keys += look_at_box(instance, row.raw, mask, row.polygons)
        keys += look_at_area(instance, mask, row.polygons)
        digest = _digest(instance, mask)
        if digest in self._seen:
            return Checked(row, (*keys, "duplicate-annotation"), mask, is_left_out=True)
        self._seen.add(digest)
        return Checked(
            row,
            tuple(keys),
            mask,
            parts,
            is_redrawn=bool({"hole", "outside"} & set(found)),
        )

    def _look_at_images(self) -> None:
        for index, row in enumerate(self.reader.images):
            if row.id == 0 and not row.text_id:
                self._tally.add("image-id-0", row.value.file_name)
            if row.id not in self._images:
                self._tally.add("image-without-annotations", row.value.file_name)
            if any(isinstance(row.raw.get(side), str) for side in ("width", "height")):
                self._tally.add("text-number", f"images[{index}]")
            measured = self._size_of(row.value.file_name)
            if measured is not None and measured != row.value.size:
                (height, width), record = measured, row.value
                sizes = f"{record.width} x {record.height}, its file has {width} x {height}"
                self._tally.add("size-off", f"{record.file_name}: {sizes}")
            if not is_storable(row.value.file_name):
                self._tally.add("odd-text", f"images[{index}].file_name")

    def _look_at_categories(self) -> None:
        names: set[str] = set()
        ids = [row.id for row in self.reader.categories]
        for index, row in enumerate(self.reader.categories):
            name = row.value.name
            if row.id == 0 and not row.text_id:
                self._tally.add("category-id-0", name)
            if row.id not in self._categories:
                self._tally.add("category-unused", name)
            if name in names:
                self._tally.add("category-name-twice", f"{name} (id {row.id})")
            names.add(name)
            if not is_storable(name) or not is_storable(str(row.raw.get("supercategory", ""))):
                self._tally.add("odd-text", f"categories[{index}]")
        if place := next((n for n in range(1, len(ids)) if ids[n] < ids[n - 1]), 0):
            self._tally.add("category-order", f"categories[{place}]")

    def _count_not_finite(self, data: bytes) -> bool:
        """Count rows with values that JSON does not have, and return whether there are any."""
        if b"NaN" not in data and b"Infinity" not in data:
            return False
        document = read_json_rows(data)
        places: list[str] = []
        for name, value in document.items() if isinstance(document, dict) else ():
            if isinstance(value, JsonRows):
                places += (f"{name}[{index}]" for index, row in enumerate(value) if _has_not_finite(row))
            elif _has_not_finite(value):
                places.append(name)
        for place in places:
            self._tally.add("not-json", place)
        return bool(places)


class _Tally:
    """Counts by check, with the first places."""

    def __init__(self) -> None:
        self._found: dict[str, _Count] = {}

    def add(self, key: str, place: str, count: int = 1, more: Sequence[str] = ()) -> None:
        found = self._found.setdefault(key, _Count())
        found.count += count
        for one in (place, *more):
            if len(found.places) < _PLACES:
                found.places.append(one_line(one))

    def findings(self) -> tuple[Finding, ...]:
        return tuple(
            Finding(check, found.count, tuple(found.places))
            for check in CHECKS
            if (found := self._found.get(check.key))
        )


@dataclass
class _Count:
    count: int = 0
    places: list[str] = field(default_factory=list)


def _digest(instance: Instance, mask: Rle) -> bytes:
    text = f"{instance.image_id} {instance.category_id} {mask.counts}"
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _has_not_finite(value: Json) -> bool:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, float):
            if not math.isfinite(one):
                return True
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return False


def _shown(key: str, said: Refusal) -> str:
    """Return the first place of a kind; what the reader did about it is not said where a repair differs."""
    if key in ("no-size", "duplicate-id", "duplicate-annotation", "annotation-id-0"):
        return said.place
    return str(said)
