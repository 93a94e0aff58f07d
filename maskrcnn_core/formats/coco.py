"""Writes COCO JSON (https://cocodataset.org/#format-data): the data set form and the results form.

The writer's *exact* profile gives back every pixel: corner polygons where they rasterise to the very
mask in COCO's own library, compressed run lengths where they do not, as for masks with holes (readers
fill a hole that is written as a polygon). ``iscrowd`` stays 0 for those: evaluators skip crowds.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import orjson

from maskrcnn_core.common.bounds import MAX_EDGE
from maskrcnn_core.common.json_rows import Json, parse_json
from maskrcnn_core.dataset.annotations import Dataset, Instance
from maskrcnn_core.formats.base import Export, Member
from maskrcnn_core.formats.coco_fields import clean
from maskrcnn_core.formats.read_back import read_back, read_back_note
from maskrcnn_core.geometry.polygons import edge_length, mask_to_polygons, polygons_to_rle, simplify_polygons
from maskrcnn_core.geometry.rle import Rle

__all__ = [
    "MAX_TOLERANCE",
    "Written",
    "annotation_row",
    "coco_document",
    "coco_members",
    "dump_json",
    "dump_rows",
    "join_members",
    "least_iou",
    "result_rows",
    "results_members",
]


MAX_TOLERANCE = 20.0
"""Pixels; with more a polygon has little to do with its mask."""


def coco_members(export: Export) -> Iterator[Member]:
    """Yield the data set as one JSON file, read back with ``pycocotools`` before it is handed over."""
    dataset = Dataset.of_images(export.images, export.categories)
    data = dump_json(coco_document(dataset, export.description, export.tolerance))
    iou = least_iou(data, dataset.instances, exact=export.tolerance == 0)
    yield Member("annotations.json", data, read_back_note(len(dataset.instances), iou))


def results_members(export: Export) -> Iterator[Member]:
    """Yield the bare list that COCO's evaluators read as detections; instances without a score count as 1."""
    rows = [row for image in export.images for row in result_rows(image.instances)]
    yield Member("results.json", dump_json(rows))


def coco_document(dataset: Dataset, description: str = "", tolerance: float = 0.0) -> dict[str, Json]:
    """Return the data set form as JSON values, in the exact profile.

    Annotation ids count from 1 (``COCOeval`` takes id 0 for "no match"), ``area`` and ``bbox`` are the
    mask's own, ``iscrowd`` is always there. Scores of model proposals stay beside their annotation.

    Args:
        dataset: what is written.
        description: for the file's ``info``.
        tolerance: polygons may leave out points that lie so near to the line without them, in pixels;
            ``area`` and ``bbox`` are then those of the polygons. 0 keeps every pixel.
    """
    return {
        "info": {"description": description or "Made with MaskDesk", "version": "1.0"},
        "licenses": [],
        "images": [
            {"id": i.id, "width": i.width, "height": i.height, "file_name": i.file_name}
            | ({"sha256": i.digest} if i.digest else {})
            for i in dataset.images
        ],
        "annotations": [annotation_row(n, i, tolerance) for n, i in enumerate(dataset.instances, start=1)],
        "categories": [
            {"id": c.id, "name": c.name, "supercategory": c.supercategory} for c in dataset.categories
        ],
    }


def result_rows(instances: Iterable[Instance]) -> list[dict[str, Json]]:
    """Return instances in the results form: always run lengths, and the box that the network regressed."""
    rows = []
    for instance in instances:
        x, y, width, height = map(float, instance.box_xywh)
        if instance.given_box:
            x, y, x2, y2 = instance.given_box
            width, height = x2 - x, y2 - y
        rows.append(
            {
                "image_id": instance.image_id,
                "category_id": instance.category_id,
                "segmentation": _rle_json(instance.mask),
                "bbox": [x, y, width, height],
                "score": 1.0 if instance.score is None else instance.score,
            }
        )
    return rows


class Written:
    """A value that is JSON already; no dataclass, as orjson would write its fields.

    Args:
        text: as :func:`dump_json` would write it.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def dump_json(document: Json) -> bytes:
    """Return JSON as bytes: one line, names of every script as they are, never NaN."""
    try:
        return orjson.dumps(document, default=_piece)
    except TypeError:  # whole numbers of more than 64 bits, and names that are not UTF-8
        text = _with_json(document, is_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _with_json(document, is_ascii=True).encode()


def _with_json(document: Json, *, is_ascii: bool) -> str:
    # An older project can hold NaN among the keys that came with a file.
    document = clean(document, lambda _reason, _got: None, depth=-8)  # rows lie some levels below the top
    return json.dumps(document, ensure_ascii=is_ascii, allow_nan=False, separators=(",", ":"), default=_value)


def _piece(value: object) -> orjson.Fragment:
    if not isinstance(value, Written):
        raise TypeError(f"expected a JSON value, got {type(value).__name__}")
    return orjson.Fragment(value.text)


def _value(value: object) -> Json:
    if not isinstance(value, Written):
        raise TypeError(f"expected a JSON value, got {type(value).__name__}")
    return parse_json(value.text)


def dump_rows(rows: Iterable[Json]) -> Iterator[bytes]:
    """Yield a list as JSON, some thousand rows at a time: never all of them at once as Python has them."""
    remaining, between = iter(rows), b"["
    while batch := list(islice(remaining, 2000)):
        yield between + dump_json(batch)[1:-1]
        between = b","
    yield b"[]" if between == b"[" else b"]"


def join_members(members: Mapping[str, Iterable[bytes]]) -> bytes:
    """Return an object as JSON, of its members' values in pieces."""
    out, between = io.BytesIO(), b"{"
    for name, pieces in members.items():
        out.write(between + dump_json(name) + b":")
        out.writelines(pieces)
        between = b","
    out.write(b"}")
    return out.getvalue()


def least_iou(data: bytes, instances: Iterable[Instance], *, exact: bool = True) -> float:
    """Return the least mask IoU of a data set file, read with ``pycocotools``, with what was meant.

    Args:
        data: the file's bytes.
        instances: what was meant, in the file's order.
        exact: whether every pixel must come back; not where polygons were simplified on request.

    Raises:
        ExportError: if the file does not come back whole, naming the annotation.
    """
    meant = ((instance.mask.counts, instance.mask.size) for instance in instances)
    return read_back(data, meant, exact=exact)[1]


def annotation_row(number: int, instance: Instance, tolerance: float = 0.0) -> dict[str, Json]:
    """Return one row of ``annotations``, in the exact profile; ``number`` becomes its id."""
    segmentation, mask = _segmentation(instance, tolerance)
    return {
        "id": number,
        "image_id": instance.image_id,
        "category_id": instance.category_id,
        "segmentation": segmentation,
        "area": mask.area,
        "bbox": [float(v) for v in mask.box_xywh],
        "iscrowd": int(instance.is_crowd),
    } | ({} if instance.score is None else {"score": instance.score})


def _segmentation(instance: Instance, tolerance: float) -> tuple[Json, Rle]:
    """Return the segmentation's JSON, and the mask that readers make of it."""
    mask = instance.mask
    polygons = mask_to_polygons(mask)
    # Crowds are run lengths by definition of the format; a hole would be filled as a polygon; and one with
    # longer edges nobody would read again.
    if polygons.holes or not polygons.parts or instance.is_crowd or edge_length(polygons.parts) > MAX_EDGE:
        return _rle_json(mask), mask
    if tolerance:
        polygons, _ = simplify_polygons(polygons, tolerance, mask)
    read = polygons_to_rle(polygons.parts, mask.size)
    # A part can shrink to nothing between pixel centres; and exactly means exactly.
    if not read.area or (tolerance == 0 and read != mask):
        return _rle_json(mask), mask
    return [ring.reshape(-1).tolist() for ring in polygons.parts], read


def _rle_json(mask: Rle) -> dict[str, Json]:
    return {"size": list(mask.size), "counts": mask.counts}
