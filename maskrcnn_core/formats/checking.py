"""Says what is wrong with a COCO file, annotation by annotation: the rows of a table with counts and places.

What a reader has to refuse or to repair is told by :class:`~maskrcnn_core.formats.coco_reader.CocoReader`,
which lets nothing unchecked reach ``pycocotools``. Looked for besides is what is read well and still is not
what its writer meant: filled holes, boxes as corners, every mask a crowd.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from maskrcnn_core.common.bounds import is_storable
from maskrcnn_core.common.json_rows import Json, JsonRows, read_json_rows
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.common.refusals import Refusal
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.formats.checks import CHECKS, NOT_FINITE, Check, key_of
from maskrcnn_core.formats.coco_fields import id_key, number, whole
from maskrcnn_core.formats.coco_reader import CocoReader, CocoRow, GivenBox
from maskrcnn_core.formats.coco_rows import SizeOf
from maskrcnn_core.formats.json_writing import dump_json, dump_rows, join_members
from maskrcnn_core.geometry.polygons import polygons_to_rle
from maskrcnn_core.geometry.rle import Rle, mask_containment

__all__ = ["CheckReport", "Checked", "Finding", "Walk", "check_coco"]

_PLACES = 5
_TINY = 4
"""Pixels: smaller parts are told."""
_MOST_PARTS = 1000
"""Parts of one annotation among which holes are looked for: each may lie in each."""
_NUMBERS = ("image_id", "category_id", "iscrowd")
_NEEDED = ("area", "bbox", "iscrowd")
_MOST_CROWDS = 0.5
"""More crowds than this share of all masks are none: COCO's own files have one in a hundred."""
_PIXEL = 1.0 + 1e-6

_BoxXyxy = tuple[float, float, float, float]


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
    """

    findings: tuple[Finding, ...]
    images: int
    categories: int
    annotations: int

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
        sizes = _Sizes(data, size_of)
        self.reader = CocoReader(data, size_of=sizes)
        self._joined = 0
        if any(key_of(said) == "file-name-twice" for said, _ in self.reader.kinds()):
            # Without this all annotations of the second image would be lost.
            joined, places = _with_images_joined(data)
            self._joined = len(places)
            for place in places:
                self._tally.add("file-name-twice", place)
            self.reader = CocoReader(joined, size_of=sizes)
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
            if said.place.startswith("images") and said.reason.startswith("an exact duplicate"):
                count -= self._joined  # told as what they are
            if count and not (self._has_not_finite and said.reason.startswith(NOT_FINITE)):
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
            return Checked(row, (*keys, "box-only"))
        if _is_odd(row.raw["segmentation"], instance.mask):
            keys.append("odd-form")
        mask, parts, found = _look_at_mask(row.polygons, instance.mask, size)
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
        keys += _look_at_box(instance, row.raw, mask, row.polygons)
        keys += _look_at_area(instance, mask, row.polygons)
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


class _Sizes:
    """Sizes of images: from their files, else from the run lengths of their annotations."""

    def __init__(self, data: bytes, size_of: SizeOf) -> None:
        self._data, self._size_of = data, size_of
        self._told: Mapping[str, tuple[int, int]] | None = None

    def __call__(self, name: str) -> tuple[int, int] | None:
        if (measured := self._size_of(name)) is not None:
            return measured
        if self._told is None:
            self._told = self._in_run_lengths()
        return self._told.get(name)

    def _in_run_lengths(self) -> Mapping[str, tuple[int, int]]:
        document = read_json_rows(self._data)
        sizes: dict[int | str | None, set[tuple[int, int]]] = {}
        for row in _objects(document, "annotations"):
            segmentation = row.get("segmentation")
            given = segmentation.get("size") if isinstance(segmentation, dict) else None
            if isinstance(given, list) and len(given) == 2:
                height, width = (whole(side, 1, 2**16) for side in given)
                if height is not None and width is not None:
                    sizes.setdefault(id_key(row.get("image_id")), set()).add((height, width))
        told = {}
        for row in _objects(document, "images"):
            name, found = row.get("file_name"), sizes.get(id_key(row.get("id")), set())
            if isinstance(name, str) and len(found) == 1:
                (told[name],) = found
        return told


def _objects(document: Mapping[str, Json], name: str) -> Iterator[dict[str, Json]]:
    rows = document.get(name)
    return (row for row in rows if isinstance(row, dict)) if isinstance(rows, JsonRows) else iter(())


def _with_images_joined(data: bytes) -> tuple[bytes, list[str]]:
    """Return a file whose annotations of a second image of one name and size are those of the first.

    The second image's row becomes a copy of the first one's, so that all others keep their places.

    Returns:
        The file, and where the second rows are.
    """
    document = read_json_rows(data)
    first: dict[str, dict[str, Json]] = {}
    other: dict[int | str, Json] = {}
    images: list[Json] = []
    places = []
    for index, row in enumerate(document["images"]):
        name, key = (row.get("file_name"), id_key(row.get("id"))) if isinstance(row, dict) else (None, None)
        kept = first.setdefault(name, row) if isinstance(name, str) else row
        is_same = kept is not row and all(kept.get(side) == row.get(side) for side in ("width", "height"))
        if is_same and key is not None and id_key(kept.get("id")) not in (None, key) and key not in other:
            other[key] = kept["id"]
            places.append(f"images[{index}].file_name")
            row = kept
        images.append(row)

    def moved(rows: JsonRows) -> Iterator[Json]:
        for row in rows:
            key = id_key(row.get("image_id")) if isinstance(row, dict) else None
            yield {**row, "image_id": other[key]} if key in other else row

    members = {
        name: dump_rows(images)
        if name == "images"
        else dump_rows(moved(value))
        if name == "annotations" and isinstance(value, JsonRows)
        else dump_rows(value)
        if isinstance(value, JsonRows)
        else [dump_json(value)]
        for name, value in document.items()
    }
    return join_members(members), places


def _is_odd(segmentation: Json, mask: Rle) -> bool:
    """Return whether a segmentation is read well here and nowhere else, without a word of the reader."""
    if isinstance(segmentation, dict):
        size = segmentation.get("size")
        return size is not None and not (size == list(mask.size) and set(map(type, size)) == {int})
    return any(isinstance(part, list) and part and isinstance(part[0], list) for part in segmentation)


def _look_at_mask(
    polygons: list[list[float]] | None, mask: Rle, size: tuple[int, int]
) -> tuple[Rle, list[list[float]] | None, list[str]]:
    """Look at a segmentation.

    Returns:
        The mask that was meant; its polygons without empty parts, or ``None`` where there are no such; and
        the checks that it fails.
    """
    if polygons is None:
        return mask, None, []
    keys = ["outside"] if _reaches_out(polygons, size) else []
    if len(polygons) == 1:
        return mask, None, keys
    masks = [polygons_to_rle([part], size) for part in polygons]
    kept = [part for part, one in zip(polygons, masks, strict=True) if one.area]
    if any(0 < one.area < _TINY for one in masks):
        keys.append("tiny-part")
    if 0 < len(kept) < len(polygons):
        keys.append("empty-part")
    carved = _carved([one for one in masks if one.area], size)
    if carved is not None and carved != mask:
        return carved, None, [*keys, "hole"]
    return mask, kept if 0 < len(kept) < len(polygons) else None, keys


def _reaches_out(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> bool:
    """Return whether a point lies more than a pixel out of the image."""
    height, width = size
    x1, y1, x2, y2 = _bounds(polygons)
    return x1 < -1 or y1 < -1 or x2 > width + 1 or y2 > height + 1


def _bounds(polygons: Sequence[Sequence[float]]) -> _BoxXyxy:
    return (
        float(min(min(part[0::2]) for part in polygons)),
        float(min(min(part[1::2]) for part in polygons)),
        float(max(max(part[0::2]) for part in polygons)),
        float(max(max(part[1::2]) for part in polygons)),
    )


def _carved(masks: Sequence[Rle], size: tuple[int, int]) -> Rle | None:
    """Return parts with those that lie wholly within another as holes, and what lies in holes as parts.

    A part within another adds nothing to it, so nobody would write it for its own sake.

    Returns:
        ``None`` where no part lies in another, or there are too many to tell.
    """
    if not 1 < len(masks) <= _MOST_PARTS:
        return None
    boxes = np.array([one.box_xywh for one in masks], np.int64)
    first, last = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    areas = np.array([one.area for one in masks])
    within = (first[:, None] >= first[None]).all(axis=2) & (last[:, None] <= last[None]).all(axis=2)
    pairs = np.argwhere(within & (areas[:, None] < areas[None])).tolist()
    depths = [0] * len(masks)
    for inner, outer in pairs:
        if mask_containment(masks[inner], masks[outer]) == 1.0:
            depths[inner] += 1
    if not any(depths):
        return None
    left, top = first.min(axis=0).tolist()
    right, bottom = last.max(axis=0).tolist()
    pixels = np.zeros((bottom - top, right - left), np.bool_)
    for place in sorted(range(len(masks)), key=depths.__getitem__):
        x, y, width, height = masks[place].box_xywh
        spot = pixels[y - top : y - top + height, x - left : x - left + width]
        crop = masks[place].crop()
        spot[crop] = depths[place] % 2 == 0
    return Rle.from_crop(pixels, (top, left), size) if pixels.any() else None


def _look_at_box(
    instance: Instance, raw: Mapping[str, Json], mask: Rle, polygons: list[list[float]] | None
) -> list[str]:
    if instance.given_box is None:
        return []  # missing, or none: told already
    x, y, width, height = mask.box_xywh
    meant: list[_BoxXyxy] = [(x, y, x + width, y + height)]
    if polygons is not None:
        x1, y1, x2, y2 = _bounds(polygons)
        rows, columns = mask.size
        meant += [(x1, y1, x2, y2), (max(x1, 0), max(y1, 0), min(x2, columns), min(y2, rows))]
    if _fits(instance.given_box, meant):
        return []
    corners = [number(value) or 0.0 for value in raw["bbox"]]
    return ["bbox-corners" if _fits(corners, meant) else "bbox-off"]


def _fits(box: Sequence[float], meant: Sequence[_BoxXyxy]) -> bool:
    """Return whether no side of a box is more than a pixel away from that of one of those meant."""
    return any(all(abs(a - b) <= _PIXEL for a, b in zip(box, one, strict=True)) for one in meant)


def _look_at_area(instance: Instance, mask: Rle, polygons: list[list[float]] | None) -> list[str]:
    given = instance.given_area
    if given is None:
        return []  # missing, or none: told already
    _, _, width, height = mask.box_xywh
    # Between corners and pixels up to half of the outline may lie.
    if abs(given - mask.area) <= 0.05 * mask.area + 2:
        return []
    if polygons is not None and abs(given - _enclosed(polygons)) <= 0.01 * given + 1:
        return []
    box = instance.given_box
    boxes = [width * height, (box[2] - box[0]) * (box[3] - box[1]) if box else 0.0]
    if any(abs(given - one) <= 0.005 * one + 0.5 for one in boxes):
        return ["area-of-box"]
    return ["area-off"] if abs(given - mask.area) > 0.1 * mask.area + width + height else []


def _enclosed(polygons: Sequence[Sequence[float]]) -> float:
    """Return what rings enclose, as writers of polygons compute an area; each ring by itself."""
    total = 0.0
    for part in polygons:
        ring = np.asarray(part, np.float64).reshape(-1, 2)
        x, y = ring[:, 0], ring[:, 1]
        total += abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    return total


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
