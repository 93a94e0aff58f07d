"""Writes COCO JSON (https://cocodataset.org/#format-data): the data set form and the results form.

There are three profiles. *exact* gives back every pixel: corner polygons with a cut from ring to hole where
they rasterise to the very mask in COCO's own library, compressed run lengths where they do not. *polygons* is
for readers that know nothing else, *run lengths* for those that want no polygons. ``iscrowd`` stays 0 for run
lengths, too: evaluators skip crowds. A hole is never a polygon of its own, as most readers fill it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Literal, get_args

from maskrcnn_core.common.bounds import MAX_EDGE
from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.dataset.annotations import Dataset, Instance
from maskrcnn_core.formats.base import Export, Format, Kept, Member
from maskrcnn_core.formats.coco_reading import COCO_READER
from maskrcnn_core.formats.json_writing import dump_json, dump_rows, join_members
from maskrcnn_core.formats.read_back import read_back, read_back_note
from maskrcnn_core.geometry.cuts import cut_holes
from maskrcnn_core.geometry.polygons import edge_length, mask_to_polygons, polygons_to_rle, simplify_polygons
from maskrcnn_core.geometry.rle import Rle

__all__ = [
    "COCO",
    "COCO_POLYGONS",
    "COCO_RUN_LENGTHS",
    "MAX_TOLERANCE",
    "PROFILES",
    "RESULTS",
    "Profile",
    "annotation_row",
    "coco_document",
    "coco_members",
    "coco_members_as",
    "least_iou",
    "result_rows",
    "results_members",
]


MAX_TOLERANCE = 20.0
"""Pixels; with more a polygon has little to do with its mask."""

Profile = Literal["exact", "polygons", "run lengths"]
"""How masks are written; see the module."""

PROFILES: tuple[Profile, ...] = get_args(Profile)


def coco_members(export: Export, profile: Profile = "exact") -> Iterator[Member]:
    """Yield the data set as one JSON file, read back with ``pycocotools`` before it is handed over."""
    dataset = Dataset.of_images(export.images, export.categories)
    data = _as_json(dataset, export, profile)
    exact = profile == "run lengths" or (profile == "exact" and export.tolerance == 0)
    iou = least_iou(data, dataset.instances, exact=exact)
    yield Member("annotations.json", data, read_back_note(len(dataset.instances), iou))


def _as_json(dataset: Dataset, export: Export, profile: Profile) -> bytes:
    """Return the file, of which only a few rows are there as values at once."""
    document = coco_document(replace(dataset, instances=()), export.description, export.tolerance, profile)
    rows = (
        annotation_row(number, instance, export.tolerance, profile)
        for number, instance in enumerate(dataset.instances, start=1)
    )
    return join_members(
        {name: dump_rows(rows) if name == "annotations" else [dump_json(v)] for name, v in document.items()}
    )


def coco_members_as(profile: Profile) -> Callable[[Export], Iterator[Member]]:
    """Return the writer of a profile."""
    return partial(coco_members, profile=profile)


def results_members(export: Export) -> Iterator[Member]:
    """Yield the bare list that COCO's evaluators read as detections; instances without a score count as 1."""
    rows = [row for image in export.images for row in result_rows(image.instances)]
    yield Member("results.json", dump_json(rows))


def coco_document(
    dataset: Dataset, description: str = "", tolerance: float = 0.0, profile: Profile = "exact"
) -> dict[str, Json]:
    """Return the data set form as JSON values.

    Annotation ids count from 1 (``COCOeval`` takes id 0 for "no match"), ``area`` and ``bbox`` are the
    mask's own, ``iscrowd`` is always there. Scores of model proposals stay beside their annotation.

    Args:
        dataset: what is written.
        description: for the file's ``info``.
        tolerance: polygons may leave out points that lie so near to the line without them, in pixels;
            ``area`` and ``bbox`` are then those of the polygons. 0 keeps every pixel.
        profile: how masks are written.
    """
    return {
        "info": {"description": description or "Made with MaskDesk", "version": "1.0"},
        "licenses": [],
        "images": [
            {"id": i.id, "width": i.width, "height": i.height, "file_name": i.file_name}
            | ({"sha256": i.digest} if i.digest else {})
            | ({"view": i.view} if i.view else {})
            | ({"pixel_um": list(i.pixel_um)} if i.pixel_um else {})
            for i in dataset.images
        ],
        "annotations": [
            annotation_row(n, i, tolerance, profile) for n, i in enumerate(dataset.instances, start=1)
        ],
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


def annotation_row(
    number: int, instance: Instance, tolerance: float = 0.0, profile: Profile = "exact"
) -> dict[str, Json]:
    """Return one row of ``annotations``; ``number`` becomes its id."""
    segmentation, mask = _segmentation(instance, tolerance, profile)
    return {
        "id": number,
        "image_id": instance.image_id,
        "category_id": instance.category_id,
        "segmentation": segmentation,
        "area": mask.area,
        "bbox": [float(v) for v in mask.box_xywh],
        "iscrowd": int(instance.is_crowd),
    } | ({} if instance.score is None else {"score": instance.score})


def _segmentation(instance: Instance, tolerance: float, profile: Profile) -> tuple[Json, Rle]:
    """Return the segmentation's JSON, and the mask that readers make of it."""
    mask = instance.mask
    # Crowds are run lengths by definition of the format.
    if profile == "run lengths" or (instance.is_crowd and profile == "exact"):
        return _rle_json(mask), mask
    polygons = mask_to_polygons(mask)
    # Nobody would read a polygon with longer edges again.
    if not polygons.parts or edge_length([*polygons.parts, *polygons.holes]) > MAX_EDGE:
        return _rle_json(mask), mask
    if tolerance:
        polygons, _ = simplify_polygons(polygons, tolerance, mask)
    rings = cut_holes(polygons)
    if rings is None or (polygons.holes and edge_length(rings) > MAX_EDGE):
        return _rle_json(mask), mask
    read = polygons_to_rle(rings, mask.size)
    # A part can shrink to nothing between pixel centres; and exactly means exactly.
    if not read.area or (tolerance == 0 and profile == "exact" and read != mask):
        return _rle_json(mask), mask
    return [ring.reshape(-1).tolist() for ring in rings], read


def _rle_json(mask: Rle) -> dict[str, Json]:
    return {"size": list(mask.size), "counts": mask.counts}


_ALL: frozenset[Kept] = frozenset(
    {"mask", "overlap", "crowd", "score", "category name", "category id", "image id", "order"}
)

_JUDGES = (
    "pycocotools, faster-coco-eval, torchvision, datumaro, fiftyone, transformers, supervision, kwcoco, "
    "sahi, label-studio-sdk, ultralytics"
)

COCO = Format(
    key="coco",
    title="COCO JSON",
    suffix=".json",
    mime="application/json",
    holds="Images, categories and instances; corner polygons with a cut to each hole, run lengths only where "
    "a polygon would not be exact; read back with pycocotools before you get it.",
    loses="",
    members=coco_members,
    count=lambda _export: 1,
    kept=_ALL,
    reader=COCO_READER,
    used_by="CVAT, FiftyOne, Detectron2, torchvision, transformers, nearly all",
    judge=_JUDGES,
)


COCO_POLYGONS = Format(
    key="coco-polygons",
    title="COCO JSON, polygons only",
    suffix=".json",
    mime="application/json",
    holds="The same with polygons for every mask, crowds among them, for readers that know no run lengths.",
    loses="Pixels where a polygon is not exact: the least mask IoU is told.",
    members=coco_members_as("polygons"),
    count=lambda _export: 1,
    kept=_ALL,
    reader=COCO_READER,
    used_by="Label Studio, sahi, Detectron2, YOLO's converters",
    judge=_JUDGES,
)


COCO_RUN_LENGTHS = Format(
    key="coco-rle",
    title="COCO JSON, run lengths only",
    suffix=".json",
    mime="application/json",
    holds="The same with compressed run lengths for every mask: exact, and small for ragged ones.",
    loses="",
    members=coco_members_as("run lengths"),
    count=lambda _export: 1,
    kept=_ALL,
    reader=COCO_READER,
    used_by="COCOeval, faster-coco-eval, supervision",
    judge=_JUDGES,
)


RESULTS = Format(
    key="results",
    title="COCO results",
    suffix=".json",
    mime="application/json",
    holds="The bare list of detections that COCO evaluators read.",
    loses="Image names and sizes, categories' names.",
    members=results_members,
    count=lambda _export: 1,
    used_by="COCOeval, faster-coco-eval",
    judge="pycocotools, faster-coco-eval",
)
