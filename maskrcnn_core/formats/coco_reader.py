"""Reads COCO JSON, distrusting every field: nothing unchecked reaches ``pycocotools``, which can crash.

What cannot be read is refused by name, as ``annotations[17].segmentation``, and the rest is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from maskrcnn_core.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.categories import Category
from maskrcnn_core.errors import DatasetError
from maskrcnn_core.masks import Rle
from maskrcnn_core.polygons import polygons_to_rle

__all__ = ["CocoFile", "CocoRow", "Refusal", "read_coco", "read_coco_file", "read_results"]

Json = Any
"""A value as ``json`` reads it; nothing past this module has this type."""

_T = TypeVar("_T", ImageRecord, Category, Instance)


@dataclass(frozen=True)
class Refusal:
    """Something in a file that cannot be used; the rest of the file is.

    Args:
        place: as ``annotations[17].segmentation``.
        reason: what was wanted and what was found.
    """

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass(frozen=True)
class CocoRow(Generic[_T]):
    """One row of a file.

    Args:
        value: what was understood of it.
        raw: the row as it is in the file.
    """

    value: _T
    raw: Mapping[str, Json]


@dataclass(frozen=True)
class CocoFile:
    """A whole file, with what MaskDesk does not know of it.

    Args:
        images, categories, annotations: the rows that can be used, in the file's order.
        extra: the file's other keys, as ``info`` and ``licenses``.
        refusals: what cannot be used, by name.
    """

    images: tuple[CocoRow[ImageRecord], ...]
    categories: tuple[CocoRow[Category], ...]
    annotations: tuple[CocoRow[Instance], ...]
    extra: Mapping[str, Json]
    refusals: tuple[Refusal, ...]


def read_coco(data: bytes) -> tuple[Dataset, list[Refusal]]:
    """Reads the data set form, checking everything before any library sees it.

    Returns:
        The data set, and what was refused of it, by name.

    Raises:
        DatasetError: if the file as a whole is not COCO JSON.
    """
    file = read_coco_file(data)
    dataset = Dataset(
        tuple(row.value for row in file.images),
        tuple(row.value for row in file.categories),
        tuple(row.value for row in file.annotations),
    )
    return dataset, list(file.refusals)


def read_coco_file(data: bytes) -> CocoFile:
    """Reads the data set form with all that is in it, checked as :func:`read_coco` does.

    Raises:
        DatasetError: if the file as a whole is not COCO JSON.
    """
    document = _load(data)
    if not isinstance(document, dict):
        raise DatasetError(f"COCO file: wanted an object with 'images', found {_kind(document)}")
    refusals: list[Refusal] = []
    images = _read_rows(document, "images", _read_image, refusals)
    categories = _read_rows(document, "categories", _read_category, refusals)
    images = _first_of_each(images, "images", "id", lambda i: i.id, refusals)
    images = _first_of_each(images, "images", "file_name", lambda i: i.file_name, refusals)
    categories = _first_of_each(categories, "categories", "id", lambda c: c.id, refusals)
    by_id = {image.id: image for _, image in images}
    category_ids = {category.id for _, category in categories}

    def read(row: dict[str, Json]) -> Instance:
        return _read_annotation(row, by_id, category_ids)

    annotations = _read_rows(document, "annotations", read, refusals)
    return CocoFile(
        tuple(CocoRow(value, document["images"][index]) for index, value in images),
        tuple(CocoRow(value, document["categories"][index]) for index, value in categories),
        tuple(CocoRow(value, document["annotations"][index]) for index, value in annotations),
        {key: value for key, value in document.items() if key not in _LISTS},
        tuple(refusals),
    )


_LISTS = ("images", "categories", "annotations")


def read_results(data: bytes, dataset: Dataset) -> tuple[list[Instance], list[Refusal]]:
    """Reads detections for a data set: the results form, or a data set file whose names match.

    Images of a data set file are matched by ``file_name``, categories by name, as the two files may
    number them differently.

    Raises:
        DatasetError: if the file is neither.
    """
    document = _load(data)
    by_id = {image.id: image for image in dataset.images}
    category_ids = {category.id for category in dataset.categories}
    refusals: list[Refusal] = []
    if isinstance(document, list):

        def read(row: dict[str, Json]) -> Instance:
            return _read_annotation(row, by_id, category_ids, score_wanted=True)

        rows = _read_rows({"results": document}, "results", read, refusals)
        return [instance for _, instance in rows], refusals
    other, refusals = read_coco(data)
    return _translate(other, dataset, refusals), refusals


def _translate(other: Dataset, dataset: Dataset, refusals: list[Refusal]) -> list[Instance]:
    ids = {image.file_name: image for image in dataset.images}
    category_ids = {category.name: category.id for category in dataset.categories}
    images = {image.id: ids.get(image.file_name) for image in other.images}
    names = {category.id: category.name for category in other.categories}
    found = []
    for index, instance in enumerate(other.instances):
        image = images[instance.image_id]
        category_id = category_ids.get(names[instance.category_id])
        if image is None or category_id is None:
            what = "image" if image is None else "category"
            refusals.append(Refusal(f"annotations[{index}]", f"its {what} is not in the ground truth"))
        elif image.size != instance.mask.size:
            refusals.append(
                Refusal(f"annotations[{index}]", f"mask of {instance.mask.size}, not {image.size}")
            )
        else:
            found.append(Instance(image.id, category_id, instance.mask, instance.score))
    return found


def _load(data: bytes) -> Json:
    try:
        return json.loads(data)
    except RecursionError as error:
        raise DatasetError("JSON: nested too deep to be a COCO file") from error
    except ValueError as error:  # also what is not UTF-8
        raise DatasetError(f"this is no JSON, or only a part of a file ({error})") from error


def _read_rows(
    document: dict[str, Json], name: str, read: Any, refusals: list[Refusal]
) -> list[tuple[int, Any]]:
    """Rows of one list with their index; what cannot be read goes to ``refusals``."""
    rows = document.get(name)
    if not isinstance(rows, list):
        raise DatasetError(f"COCO file: wanted a list {name!r}, found {_kind(rows)}")
    found = []
    for index, row in enumerate(rows):
        try:
            if not isinstance(row, dict):
                raise DatasetError(f"wanted an object, found {_kind(row)}")
            found.append((index, read(row)))
        except _FieldError as error:
            refusals.append(Refusal(f"{name}[{index}].{error.field}", error.reason))
        except DatasetError as error:
            refusals.append(Refusal(f"{name}[{index}]", str(error)))
    return found


def _first_of_each(
    rows: list[tuple[int, Any]], name: str, field: str, key: Any, refusals: list[Refusal]
) -> list[tuple[int, Any]]:
    seen: set[object] = set()
    kept = []
    for index, row in rows:
        if key(row) in seen:
            refusals.append(Refusal(f"{name}[{index}].{field}", f"{key(row)!r} came before"))
            continue
        seen.add(key(row))
        kept.append((index, row))
    return kept


class _FieldError(DatasetError):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


def _read_image(row: dict[str, Json]) -> ImageRecord:
    digest = row.get("sha256", "")
    return ImageRecord(
        _integer(row, "id"),
        _text(row, "file_name"),
        _integer(row, "width", 1, 2**16),
        _integer(row, "height", 1, 2**16),
        digest if isinstance(digest, str) else "",
    )


def _read_category(row: dict[str, Json]) -> Category:
    above = row.get("supercategory", "")
    return Category(_integer(row, "id"), _text(row, "name"), above if isinstance(above, str) else "")


def _read_annotation(
    row: dict[str, Json],
    images: dict[int, ImageRecord],
    category_ids: set[int],
    *,
    score_wanted: bool = False,
) -> Instance:
    image = images.get(_integer(row, "image_id"))
    if image is None:
        raise _FieldError("image_id", f"there is no image with id {row['image_id']}")
    category_id = _integer(row, "category_id")
    if category_id not in category_ids:
        raise _FieldError("category_id", f"there is no category with id {category_id}")
    score = None
    if score_wanted or row.get("score") is not None:
        score = _number(row, "score")
    crowd = row.get("iscrowd", 0)
    if crowd not in (0, 1):
        raise _FieldError("iscrowd", f"wanted 0 or 1, found {crowd!r}")
    box = None
    if row.get("bbox") is not None:
        x, y, width, height = _numbers(row["bbox"], "bbox", 4)
        box = (x, y, x + width, y + height)
    area = None if row.get("area") is None else _number(row, "area")
    mask = _read_segmentation(row.get("segmentation"), image.size)
    return Instance(image.id, category_id, mask, score, box, area, bool(crowd))


def _read_segmentation(value: Json, size: tuple[int, int]) -> Rle:
    try:
        if isinstance(value, dict):
            if value.get("size") != list(size):
                raise DatasetError(f"size: wanted {list(size)} as its image, found {value.get('size')!r}")
            counts = value.get("counts")
            if isinstance(counts, str):
                return Rle.from_counts(counts, size)
            if isinstance(counts, list) and all(type(c) is int and 0 <= c < 2**32 for c in counts):
                return Rle.from_counts(counts, size)
            raise DatasetError(f"counts: wanted text or a list of whole numbers, found {_kind(counts)}")
        if isinstance(value, list) and value:
            parts = [_numbers(part, f"[{n}]", None) for n, part in enumerate(value)]
            return polygons_to_rle(parts, size)
        raise DatasetError(f"wanted polygons or run lengths, found {_kind(value)}")
    except _FieldError as error:
        raise _FieldError("segmentation" + error.field, error.reason) from error
    except DatasetError as error:
        raise _FieldError("segmentation", str(error)) from error


def _integer(row: dict[str, Json], field: str, least: int = -(2**53), most: int = 2**53) -> int:
    value = row.get(field)
    # Some writers have 3.0 where 3 is meant.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _FieldError(field, f"wanted a whole number, found {_kind(value)}")
    if not least <= value <= most:
        raise _FieldError(field, f"wanted {least} to {most}, found {value}")
    return value


def _number(row: dict[str, Json], field: str) -> float:
    return _numbers([row.get(field)], field, 1)[0]


def _numbers(value: Json, field: str, count: int | None) -> list[float]:
    if not isinstance(value, list) or (count is not None and len(value) != count):
        wanted = "a list of numbers" if count is None else f"{count} numbers"
        raise _FieldError(field, f"wanted {wanted}, found {_kind(value)}")
    for number in value:
        # Not isfinite: JSON's whole numbers can be longer than any float.
        if not isinstance(number, int | float) or isinstance(number, bool) or not abs(number) < 1e15:
            raise _FieldError(field, f"wanted finite numbers, found {number!r}"[:200])
    return [float(number) for number in value]


def _text(row: dict[str, Json], field: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value:
        raise _FieldError(field, f"wanted a text, found {_kind(value)}")
    return value


def _kind(value: Json) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return {dict: "an object", str: "a text", bool: "true or false"}.get(type(value), f"{value!r}"[:60])
