"""Writes a COCO file right that :mod:`maskrcnn_core.formats.checking` finds something wrong with.

Ids and keys that nobody here knows are kept, and so is every mask that is right, number by number. What is
written is read back with ``pycocotools`` a batch at a time, and checked again before anybody gets it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from maskrcnn_core.common.bounds import is_storable
from maskrcnn_core.common.json_rows import Json, parse_json
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.dataset.annotations import ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import ExportError
from maskrcnn_core.formats.checking import Checked, CheckReport, Finding, Walk, check_coco
from maskrcnn_core.formats.checks import SIZE_OFF
from maskrcnn_core.formats.coco import annotation_row
from maskrcnn_core.formats.coco_fields import OURS, number, ours_of, with_ours
from maskrcnn_core.formats.coco_reader import CocoRow, GivenBox
from maskrcnn_core.formats.coco_rows import SizeOf
from maskrcnn_core.formats.json_writing import dump_json, dump_rows, join_members
from maskrcnn_core.formats.read_back import read_back_batch, read_back_note
from maskrcnn_core.geometry.rle import Rle

__all__ = ["Repaired", "repair_coco"]

_BATCH = 2000
_ROUNDS = 4
"""What is repaired can bring out what it hid: two masks that are the same once their holes are cut."""


@dataclass(frozen=True)
class Repaired:
    """A file that was put right.

    Args:
        data: COCO JSON.
        before: what was wrong.
        after: what a check of the new file finds: nothing but information.
        later: what was hidden by what was wrong before, and repaired as well.
        note: what the read-back found.
    """

    data: bytes
    before: CheckReport
    after: CheckReport
    later: tuple[Finding, ...]
    note: str

    @property
    def changes(self) -> tuple[str, ...]:
        """One sentence with a count for each thing that is different."""
        found = (*self.before.wrong, *self.later)
        return tuple(_sentence(one) for one in found if one.check.key != SIZE_OFF)

    @property
    def kept(self) -> tuple[str, ...]:
        """One sentence with a count for each thing that is wrong and that only a person can put right."""
        return tuple(_sentence(one) for one in self.before.wrong if one.check.key == SIZE_OFF)

    @property
    def lost(self) -> str:
        """How much could not be kept; empty if all was."""
        annotations = self.before.annotations - self.after.annotations
        images = self.before.lost_images
        lost = [counted(images, "image")] * (images > 0) + [counted(annotations, "annotation")] * (
            annotations > 0
        )
        return f"{' and '.join(lost)} could not be kept" if lost else ""


def _sentence(found: Finding) -> str:
    return f"{found.check.title} ({found.count:,}): {found.check.fix}"


def repair_coco(
    data: bytes, *, size_of: SizeOf = lambda _name: None, report: CheckReport | None = None
) -> Repaired:
    """Return a COCO file in which :func:`~maskrcnn_core.formats.checking.check_coco` finds nothing wrong.

    Args:
        data: the file; it is not changed.
        size_of: asked for height and width of an image of which the file does not tell them.
        report: what a check of ``data`` found, where it was made already.

    Raises:
        DatasetError: if the file as a whole is not COCO JSON.
        ExportError: if what was written does not read back as it was meant.
    """
    before = report if report is not None else check_coco(data, size_of=size_of)
    later: list[Finding] = []
    is_crowded = before.has("crowd")
    for _ in range(_ROUNDS):
        data, note = _written(data, size_of, is_crowded=is_crowded)
        after = check_coco(data)
        if not after.wrong:
            return Repaired(data, before, after, tuple(later), note)
        later += after.wrong
        is_crowded = after.has("crowd")
    wrong = ", ".join(one.check.title for one in after.wrong)
    raise ExportError(
        f"the repaired file still has something wrong with it ({wrong}); it was not handed over"
    )


def _written(data: bytes, size_of: SizeOf, *, is_crowded: bool) -> tuple[bytes, str]:
    """Return a file written once, and what its read-back found."""
    walk = Walk(data, size_of)
    reader = walk.reader
    images = list(_images(reader.images))
    categories = list(_categories(reader.categories))
    names = _Written({row["id"]: row for row in images}, categories)
    annotations = list(names.annotations(walk.annotations(), is_crowded=is_crowded))
    members: dict[str, Iterable[bytes]] = {name: [dump_json(value)] for name, value in reader.extra.items()}
    if reader.ours:
        members[OURS] = [dump_json(reader.ours)]
    members |= {
        "images": dump_rows(images),
        "annotations": annotations,
        "categories": dump_rows(categories),
    }
    return join_members(members), read_back_note(names.masks, names.least)


class _Written:
    """A writer of annotations that reads each batch back as it is in the file."""

    def __init__(self, images: Mapping[Json, Json], categories: list[Json]) -> None:
        self._images, self._categories = images, categories
        self.masks, self.least = 0, 1.0

    def annotations(self, found: Iterable[Checked], *, is_crowded: bool) -> Iterator[bytes]:
        """Yield the list of annotations in pieces."""
        kept = (one for one in found if not one.is_left_out)
        between, index = b"[", 0
        while batch := list(islice(kept, _BATCH)):
            text = dump_json([self._annotation(one, is_crowded=is_crowded) for one in batch])
            self._read_back(parse_json(text), batch, index)
            yield between + text[1:-1]
            between, index = b",", index + len(batch)
        yield b"[]" if between == b"[" else b"]"

    def _read_back(self, rows: list[Json], batch: list[Checked], index: int) -> None:
        # Mere boxes have nothing that could be drawn.
        pairs = [(row, one.mask) for row, one in zip(rows, batch, strict=True) if one.mask is not None]
        meant = [(mask.counts, mask.size) for _, mask in pairs]
        _, least = read_back_batch([row for row, _ in pairs], self._images, self._categories, meant, index)
        self.masks, self.least = self.masks + len(pairs), min(self.least, least)

    def _annotation(self, one: Checked, *, is_crowded: bool) -> dict[str, Json]:
        image = self._images[one.row.value.image_id]
        return _annotation(one, (image["height"], image["width"]), is_crowded=is_crowded)


def _annotation(one: Checked, size: tuple[int, int], *, is_crowded: bool) -> dict[str, Json]:
    """Return an annotation's row: the file's, with what is wrong in it replaced."""
    row, value = one.row, one.row.value
    fields: dict[str, Json] = {
        "id": row.id,
        "image_id": value.image_id,
        "category_id": value.category_id,
        "iscrowd": int(value.is_crowd and not is_crowded),
    }
    if value.score is not None:
        fields["score"] = value.score
    if isinstance(value, GivenBox):
        fields |= _of_box(one, value, size)
    else:
        mask = one.mask or value.mask
        fields["segmentation"] = _segmentation(one, row.polygons, value, mask, is_crowded=is_crowded)
        has_box = value.given_box is not None and not {"bbox-off", "bbox-corners"} & set(one.keys)
        has_area = value.given_area is not None and not {"area-off", "area-of-box"} & set(one.keys)
        if one.is_redrawn:
            has_box = has_area = False
        fields["bbox"] = row.raw["bbox"] if has_box else [float(v) for v in mask.box_xywh]
        fields["area"] = row.raw["area"] if has_area else mask.area
    return _as_in_file(row, fields)


def _of_box(one: Checked, value: GivenBox, size: tuple[int, int]) -> dict[str, Json]:
    """Return the fields of a mere box; of one that reaches out of its image those of the part within."""
    raw = one.row.raw
    x1, y1, x2, y2 = value.box
    box = raw["bbox"]
    is_out = "outside" in one.keys
    if is_out:
        height, width = size
        x1, y1, x2, y2 = max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
        box = [x1, y1, x2 - x1, y2 - y1]
    has_area = number(raw.get("area")) is not None and not is_out
    segmentation = [] if "odd-form" in one.keys else raw.get("segmentation", [])
    return {
        "bbox": box,
        "area": raw["area"] if has_area else (x2 - x1) * (y2 - y1),
        "segmentation": segmentation,
    }


def _segmentation(
    one: Checked, polygons: list[list[float]] | None, instance: Instance, mask: Rle, *, is_crowded: bool
) -> Json:
    """Return a segmentation: the file's own numbers wherever they are right."""
    # As no crowds, run lengths would break those who expect polygons of objects.
    if one.is_redrawn or (instance.is_crowd and is_crowded and polygons is None):
        is_crowd = instance.is_crowd and not is_crowded
        drawn = Instance(instance.image_id, instance.category_id, mask, is_crowd=is_crowd)
        return annotation_row(one.row.id, drawn)["segmentation"]
    if polygons is not None:
        return polygons if one.polygons is None else one.polygons
    given = one.row.raw["segmentation"]
    counts = given.get("counts")
    is_right = isinstance(counts, str) or set(map(type, counts)) <= {int}
    if is_right and "size" in given and "odd-form" not in one.keys:
        return given
    return {"size": list(mask.size), "counts": mask.counts}


def _images(rows: Iterable[CocoRow[ImageRecord]]) -> Iterator[dict[str, Json]]:
    taken = _Names(row.value.file_name for row in rows)
    for row in rows:
        record = row.value
        fields: dict[str, Json] = {
            "id": row.id,
            "width": record.width,
            "height": record.height,
            "file_name": taken.right(record.file_name, row.id),
        }
        if record.digest:
            fields["sha256"] = record.digest
        yield _as_in_file(row, fields)


def _categories(rows: Iterable[CocoRow[Category]]) -> Iterator[dict[str, Json]]:
    taken = _Names(row.value.name for row in rows)
    for row in rows:
        fields: dict[str, Json] = {"id": row.id, "name": taken.right(row.value.name, row.id)}
        if "supercategory" in row.raw:
            above = row.raw["supercategory"]
            fields["supercategory"] = _storable(above) if isinstance(above, str) else ""
        yield _as_in_file(row, fields)


class _Names:
    """Names of which each is given once."""

    def __init__(self, names: Iterable[str]) -> None:
        self._known = set(names)
        self._given: set[str] = set()

    def right(self, name: str, id_: int) -> str:
        """Return a name, with its row's id where it was given before."""
        found = _storable(name)
        if found in self._given or (found != name and found in self._known):
            found = f"{found} ({id_})"
            while found in self._given or found in self._known:
                found += "'"
        self._given.add(found)
        return found


def _storable(text: str) -> str:
    """Return a text with the sign for an unknown character where there is half of one."""
    if is_storable(text):
        return text
    return "".join("\ufffd" if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in text)


def _as_in_file(row: CocoRow[Any], fields: Mapping[str, Json]) -> dict[str, Json]:
    """Return fields in the order of the file's row, among the keys that nobody here knows."""
    known: dict[str, Json] = {**row.extra, **fields}
    out = {key: known[key] for key in row.raw if key in known}
    out |= {key: value for key, value in known.items() if key not in out}
    if OURS in row.raw:
        out[OURS] = ours_of(row.raw)
    return with_ours(out, "id", row.text_id or None) if row.text_id or OURS in row.raw else out
