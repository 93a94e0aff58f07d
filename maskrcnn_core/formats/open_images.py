"""Open Images' tables (https://storage.googleapis.com/openimages/web/index.html): boxes and masks as CSV.

A mask is a PNG of its own, and may be of another size than the image. Boxes are shares of the image's sides.
Classes have codes, which readers show to people: each is the category's name, as its description is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from maskrcnn_core.formats.base import Export, Format, Member, named_images
from maskrcnn_core.formats.draft import Draft
from maskrcnn_core.formats.image_files import image_member
from maskrcnn_core.formats.placed_png import placed_png
from maskrcnn_core.formats.reader import GivenFile, Reader, Surroundings, head_of, stem_of, text_of
from maskrcnn_core.geometry.rle import BoolMask, Rle

__all__ = ["OPEN_IMAGES"]

_MASK_COLUMNS = (
    "MaskPath", "ImageID", "LabelName", "BoxID", "BoxXMin", "BoxXMax", "BoxYMin", "BoxYMax", "PredictedIoU",
    "Clicks",
)  # fmt: skip
_BOX_COLUMNS = (
    "ImageID", "Source", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax", "IsOccluded",
    "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside",
)  # fmt: skip
_MOST_ROWS = 5_000_000


def _members(export: Export) -> Iterator[Member]:
    names = export.names
    masks: dict[str, _Table] = {}
    boxes: dict[str, _Table] = {}
    for stem, _, image in named_images(export):
        part = export.part(image.record.id)
        width, height = image.record.width, image.record.height
        of_masks = masks.setdefault(part, _Table(_MASK_COLUMNS))
        of_boxes = boxes.setdefault(part, _Table(_BOX_COLUMNS))
        for number, instance in enumerate(image.instances, start=1):
            x, y, box_width, box_height = instance.box_xywh
            name = f"{stem}_{number:04d}.png"
            sides = [x / width, (x + box_width) / width, y / height, (y + box_height) / height]
            x1, x2, y1, y2 = (f"{side:.6f}" for side in sides)
            of_masks.add(
                {
                    "MaskPath": name,
                    "ImageID": stem,
                    "LabelName": names[instance.category_id],
                    "BoxID": f"{number:08x}",
                    "BoxXMin": x1,
                    "BoxXMax": x2,
                    "BoxYMin": y1,
                    "BoxYMax": y2,
                    "PredictedIoU": "",
                    "Clicks": "",
                }
            )
            box: dict[str, object] = dict.fromkeys(_BOX_COLUMNS, 0)
            box |= {
                "ImageID": stem,
                "Source": "xclick" if instance.score is None else "activemil",
                "LabelName": names[instance.category_id],
                "Confidence": 1 if instance.score is None else repr(instance.score),
                "XMin": x1,
                "XMax": x2,
                "YMin": y1,
                "YMax": y2,
                "IsGroupOf": int(instance.is_crowd),
            }
            of_boxes.add(box)
            mask = instance.mask.crop()
            yield Member(f"masks/{part}/{name}", placed_png(mask, (y, x), image.record.size))
        if export.has_images:
            yield image_member(image, f"images/{part}/{stem}")
    for part in masks or ("train",):
        name = f"annotations/{part}-annotations"
        yield Member(f"{name}-object-segmentation.csv", masks.get(part, _Table(_MASK_COLUMNS)).data)
        yield Member(f"{name}-bbox.csv", boxes.get(part, _Table(_BOX_COLUMNS)).data)
    out = io.StringIO(newline="")
    csv.writer(out).writerows([category.name, category.name] for category in export.categories)
    yield Member("annotations/class-descriptions.csv", out.getvalue().encode("utf-8", "replace"))


class _Table:
    """A table as the text that it becomes: its rows as Python has them take ten times as much memory."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._out = io.StringIO(newline="")
        self._writer = csv.DictWriter(self._out, columns)
        self._writer.writeheader()

    def add(self, row: Mapping[str, object]) -> None:
        self._writer.writerow(row)

    @property
    def data(self) -> bytes:
        return self._out.getvalue().encode("utf-8", "replace")


def _count(export: Export) -> int:
    parts = {export.part(record.id) for record in export.records}
    instances = sum(len(image.instances) for image in export.images)
    return instances + (len(export.images) if export.has_images else 0) + 2 * max(len(parts), 1) + 1


def _recognise(file: GivenFile) -> bool:
    head = head_of(file)
    return (
        head.startswith("MaskPath,")
        or (head.startswith("ImageID,") and "LabelName" in head)
        or ("class-descriptions" in file.path.casefold())
    )


def _rows(file: GivenFile, draft: Draft) -> list[dict[str, str]]:
    try:
        text = text_of(file)
        rows = [
            row
            for row, _ in zip(csv.DictReader(io.StringIO(text, newline="")), range(_MOST_ROWS), strict=False)
        ]
    except csv.Error as error:
        draft.refuse(file.path, f"this is not CSV ({error})")
        return []
    return rows


def _claims(files: Sequence[GivenFile], images: Sequence[str]) -> Collection[str]:
    named = {
        row.get("MaskPath") or ""
        for file in files
        if head_of(file).startswith("MaskPath,")
        for row in _rows(file, Draft(""))
    }
    return [path for path in images if path.rpartition("/")[2] in named]


def _read(files: Sequence[GivenFile], surroundings: Surroundings, draft: Draft) -> None:
    names: dict[str, str] = {}
    for file in files:
        if "class-descriptions" in file.path.casefold():
            text = io.StringIO(text_of(file), newline="")
            try:
                names |= {
                    row[0]: row[1] for row in csv.reader(text) if len(row) >= 2 and row[0] != "LabelName"
                }
            except csv.Error as error:
                draft.refuse(file.path, f"this is not CSV ({error})")
    for name in names.values():
        draft.category(name)
    by_stem = {stem_of(path): path for path in surroundings.images if "mask" not in path.rpartition("/")[0]}
    pictures = {path.rpartition("/")[2]: path for path in surroundings.images}
    masked = [file for file in files if "MaskPath" in head_of(file)]
    boxed = [file for file in files if file not in masked]
    scores = _scores(boxed, draft)
    seen: set[tuple[str, ...]] = set()
    for file in masked or files:
        for order, row in enumerate(_rows(file, draft), start=2):
            place = f"{file.path}: line {order}"
            stem, code = row.get("ImageID") or "", row.get("LabelName") or ""
            if not stem or (file not in masked and not row.get("XMin")):
                continue
            path = by_stem.get(stem, f"{stem}.jpg")
            size = surroundings.size(path)
            image = draft.image(path, size)
            category = draft.category(names.get(code, code))
            if file not in masked:
                _read_box(place, row, size, image, category, draft)
                continue
            picture = pictures.get(row.get("MaskPath") or "")
            values = surroundings.values(picture) if picture else None
            if values is None:
                seen.add(tuple(row.get(name) or "" for name in _KEY_OF_MASK))
                draft.refuse(place, "its mask did not come along")
                continue
            mask = values.reshape(*values.shape[:2], -1)[..., 0] > 0
            if size is not None and mask.shape != size:
                draft.note(place, "a mask of another size than its image; scaled to it")
                mask = _scaled(mask, size)
            key = tuple(row.get(name) or "" for name in _KEY_OF_MASK)
            seen.add(key)
            score, is_group = scores.get(key, (None, False))
            draft.mask(place, image, category, Rle.from_mask(mask), score=score, iscrowd=is_group)

    if masked:
        _read_boxes_alone(boxed, seen, names, by_stem, surroundings, draft)


def _read_boxes_alone(
    files: Sequence[GivenFile],
    seen: Collection[tuple[str, ...]],
    names: Mapping[str, str],
    by_stem: Mapping[str, str],
    surroundings: Surroundings,
    draft: Draft,
) -> None:
    """Take the boxes that no mask belongs to."""
    for file in files:
        for order, row in enumerate(_rows(file, draft), start=2):
            stem, code = row.get("ImageID") or "", row.get("LabelName") or ""
            if not stem or not row.get("XMin") or tuple(row.get(n) or "" for n in _KEY_OF_BOX) in seen:
                continue
            path = by_stem.get(stem, f"{stem}.jpg")
            size = surroundings.size(path)
            image = draft.image(path, size)
            category = draft.category(names.get(code, code))
            _read_box(f"{file.path}: line {order}", row, size, image, category, draft)


_KEY_OF_MASK = ("ImageID", "LabelName", "BoxXMin", "BoxXMax", "BoxYMin", "BoxYMax")
_KEY_OF_BOX = ("ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax")


def _scores(files: Sequence[GivenFile], draft: Draft) -> dict[tuple[str, ...], tuple[float | None, bool]]:
    """Return of each box its confidence, where a model gave it, and whether it is of a group."""
    found: dict[tuple[str, ...], tuple[float | None, bool]] = {}
    for file in files:
        if b"XMin" not in file.data[:4096]:
            continue
        for row in _rows(file, draft):
            score = _number(row.get("Confidence"))
            is_model = row.get("Source") == "activemil"
            key = tuple(row.get(name) or "" for name in _KEY_OF_BOX)
            found[key] = (score if is_model else None, row.get("IsGroupOf") == "1")
    return found


def _read_box(
    place: str,
    row: Mapping[str, str],
    size: tuple[int, int] | None,
    image: int,
    category: int,
    draft: Draft,
) -> None:
    sides = [_number(row.get(key)) for key in ("XMin", "YMin", "XMax", "YMax")]
    if size is None or None in sides:
        draft.refuse(place, "expected XMin, YMin, XMax and YMax of an image that came along")
        return
    x1, y1, x2, y2 = (side or 0.0 for side in sides)
    box = (x1 * size[1], y1 * size[0], x2 * size[1], y2 * size[0])
    draft.box(place, image, category, box, iscrowd=row.get("IsGroupOf") == "1")


def _scaled(mask: BoolMask, size: tuple[int, int]) -> BoolMask:
    """Return a mask at another size: each pixel is that of the mask in which its centre lies."""
    rows = ((np.arange(size[0]) + 0.5) * mask.shape[0] / size[0]).astype(np.int64)
    columns = ((np.arange(size[1]) + 0.5) * mask.shape[1] / size[1]).astype(np.int64)
    return np.ascontiguousarray(mask[rows][:, columns])


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) < 1e9 else None


OPEN_IMAGES = Format(
    key="open-images",
    title="Open Images",
    suffix=".zip",
    mime="application/zip",
    holds="Tables of boxes, masks and classes, and for each instance a mask as PNG.",
    loses="Categories' and images' ids, images without instances.",
    members=_members,
    count=_count,
    kept=frozenset({"mask", "overlap", "crowd", "score", "category name", "order"}),
    reader=Reader(
        suffixes=frozenset({".csv"}),
        recognise=_recognise,
        read=_read,
        recognised_as="CSV that begins with 'MaskPath' or 'ImageID'",
        claims=_claims,
    ),
    used_by="datumaro, FiftyOne",
    brings_images=True,
    judge="datumaro",
    is_dense=True,
)
