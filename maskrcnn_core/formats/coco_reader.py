"""Reads COCO JSON, distrusting every field: nothing unchecked reaches ``pycocotools``, which can crash.

What cannot be read is refused by name, as ``annotations[17].segmentation``, and the rest is kept. A field
that a mask does without never costs the mask: what was mended is counted and said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from maskrcnn_core.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.errors import DatasetError
from maskrcnn_core.formats.coco_fields import OURS, FieldError, Ids, id_key, ours_of
from maskrcnn_core.formats.coco_file import CocoFile, CocoRow, GivenBox, boxes_refused
from maskrcnn_core.formats.coco_rows import Rows, SizeOf
from maskrcnn_core.json_rows import read_json
from maskrcnn_core.refusals import Refusal, kind

__all__ = [
    "CocoFile",
    "CocoRow",
    "GivenBox",
    "Refusal",
    "read_coco",
    "read_coco_file",
    "read_result_rows",
    "read_results",
]

Json = Any
"""A value as ``json`` reads it; nothing past this package's readers has this type."""

_T = TypeVar("_T")

_READ_OF_FILE = frozenset({"images", "categories", "annotations", OURS})
_READ_OF_IMAGE = frozenset({"id", "width", "height", "file_name", "sha256", OURS})
_READ_OF_CATEGORY = frozenset({"id", "name", "supercategory", OURS})
_READ_OF_ANNOTATION = frozenset(
    {"id", "image_id", "category_id", "segmentation", "iscrowd", "score", "area", "bbox", OURS}
)


def read_coco(data: bytes) -> tuple[Dataset, list[Refusal]]:
    """Reads the data set form, checking everything before any library sees it.

    Returns:
        The data set, and what was refused of it, by name.

    Raises:
        DatasetError: if the file as a whole is not COCO JSON.
    """
    file = read_coco_file(data)
    return file.dataset(), file.refused()


def read_coco_file(data: bytes, *, size_of: SizeOf = lambda name: None) -> CocoFile:
    """Reads the data set form with all that is in it, checked as :func:`read_coco` does.

    Args:
        data: the file.
        size_of: asked for the size of an image of which the file does not tell it.

    Raises:
        DatasetError: if the file as a whole is not COCO JSON.
    """
    document = read_json(data)
    if not isinstance(document, dict):
        raise DatasetError(f"COCO file: expected an object with 'images', got {kind(document)}")
    return _Reader(document, size_of).read()


def read_results(data: bytes, dataset: Dataset) -> tuple[list[Instance], list[Refusal]]:
    """Reads detections for a data set: the results form, or a data set file whose names match.

    Images of a data set file are matched by ``file_name``, categories by name, as the two files may
    number them differently.

    Raises:
        DatasetError: if the file is neither.
    """
    document = read_json(data)
    if isinstance(document, list):
        rows, refusals, boxes = read_result_rows(document, dataset)
        return [instance for _, instance in rows], refusals + boxes_refused("results", boxes)
    other, refusals = read_coco(data)
    return _translate(other, dataset, refusals), refusals


def read_result_rows(
    rows: list[Json], dataset: Dataset
) -> tuple[list[tuple[int, Instance]], list[Refusal], int]:
    """Reads rows of the results form.

    Returns:
        Those that can be used with their index, what was refused, and how many are boxes without a mask.
    """
    reader = _Reader({"results": rows}, lambda name: None)
    reader.rows.refer_to(dataset.images, dataset.categories)
    found, boxes = reader.instances("results", score_wanted=True)
    return [(row.id - 1, row.value) for row in found], reader.refusals, len(boxes)


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


class _Reader:
    """Reads one document's lists: images and categories before what refers to them."""

    def __init__(self, document: Mapping[str, Json], size_of: SizeOf) -> None:
        self.document = document
        self.rows = Rows(size_of)
        self.refusals: list[Refusal] = []
        self.refused_rows: list[Mapping[str, Json]] = []

    def read(self) -> CocoFile:
        images = self._one_of_each_name(self._referred_to("images", _READ_OF_IMAGE, self.rows.image))
        categories = [
            row for _, row in self._referred_to("categories", _READ_OF_CATEGORY, self.rows.category)
        ]
        self.rows.refer_to((row.value for row in images), (row.value for row in categories))
        annotations, boxes = self.instances("annotations")
        return CocoFile(
            tuple(images),
            tuple(categories),
            tuple(annotations),
            tuple(boxes),
            self.rows.extra("COCO file", None, self.document, _READ_OF_FILE),
            ours_of(self.document),
            tuple(self.refusals),
            self.rows.mends.sentences(),
            tuple(self.refused_rows),
        )

    def instances(
        self, name: str, *, score_wanted: bool = False
    ) -> tuple[list[CocoRow[Instance]], list[CocoRow[GivenBox]]]:
        """The rows of a list that refers to images and categories: those with masks, and mere boxes.

        With ``score_wanted``, rows without a score are refused, and ids mean nothing, as in the results form.
        """
        found: list[CocoRow[Instance]] = []
        boxes: list[CocoRow[GivenBox]] = []
        ids = Ids(() if score_wanted else self._list(name))
        rows = self.rows
        for index, row in self._objects(name):
            try:
                read = rows.annotation(name, index, row, score_wanted)
            except FieldError as error:
                self._refuse(name, index, error)
                self.refused_rows.append(row)
                continue
            id_, text = (index + 1, "") if score_wanted else rows.annotation_id(name, index, row, ids)
            extra = rows.extra(name, index, row, _READ_OF_ANNOTATION)
            if isinstance(read, GivenBox):
                boxes.append(CocoRow(read, row, id_, text, extra))
            else:
                found.append(CocoRow(read[0], row, id_, text, extra, read[1], read[2]))
        return found, boxes

    def _list(self, name: str) -> list[Json]:
        rows = self.document.get(name)
        if not isinstance(rows, list):
            raise DatasetError(f"COCO file: expected a list {name!r}, got {kind(rows)}")
        return rows

    def _objects(self, name: str) -> Iterator[tuple[int, dict[str, Json]]]:
        for index, row in enumerate(self._list(name)):
            if isinstance(row, dict):
                yield index, row
            else:
                self.refusals.append(Refusal(f"{name}[{index}]", "expected an object", kind(row)))

    def _refuse(self, name: str, index: int, error: FieldError) -> None:
        self.refusals.append(Refusal(f"{name}[{index}].{error.field}", error.reason, error.got))

    def _referred_to(
        self,
        name: str,
        known: frozenset[str],
        read: Callable[[int, dict[str, Json], int, str], _T],
    ) -> Iterator[tuple[int, CocoRow[_T]]]:
        """Rows that others refer to, with their index; those with an id that came before are left out."""
        ids = Ids(self._list(name))
        seen: dict[int, dict[str, Json]] = {}
        for index, row in self._objects(name):
            key = id_key(row.get("id"))
            try:
                if key is None:
                    raise FieldError("id", "expected a whole number or a text", kind(row.get("id")))
                id_ = ids.of(key)
                if id_ in seen:
                    if seen[id_] != row:
                        raise FieldError("id", "{} came before, of another row", kind(row["id"]))
                    self.rows.mends.count(name, index, "", "the very same row came before; they are one")
                    continue
                text = self.rows.text_id(name, index, row, key)
                value = read(index, row, id_, text)
            except FieldError as error:
                self._refuse(name, index, error)
                continue
            seen[id_] = row
            yield index, CocoRow(value, row, id_, text, self.rows.extra(name, index, row, known))

    def _one_of_each_name(
        self, rows: Iterable[tuple[int, CocoRow[ImageRecord]]]
    ) -> list[CocoRow[ImageRecord]]:
        first: dict[str, CocoRow[ImageRecord]] = {}
        for index, row in rows:
            name = row.value.file_name
            if first.setdefault(name, row) is not row:
                self.refusals.append(Refusal(f"images[{index}].file_name", "{} came before", repr(name)))
        return list(first.values())
