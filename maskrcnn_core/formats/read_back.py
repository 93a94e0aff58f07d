"""Reads a COCO file that was just written with ``pycocotools``, and holds every mask against what was meant.

The file is gone through a batch at a time, as pycocotools' own reading of a million rows takes gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from maskrcnn_core.common.bounds import MAX_EDGE
from maskrcnn_core.common.json_rows import Json, JsonRows, read_json_rows
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.common.pycoco import COCO, coco_mask
from maskrcnn_core.errors import ExportError
from maskrcnn_core.geometry.polygons import LONG_EDGES, edge_length

__all__ = ["Meant", "read_back", "read_back_batch", "read_back_note"]


Meant = tuple[str, tuple[int, int]]
"""A mask as it was meant: compressed run lengths, and height and width of its image."""


def read_back(data: bytes, meant: Iterable[Meant], *, exact: bool = True) -> tuple[int, float]:
    """Read a data set file with ``pycocotools`` and compare every mask with what was meant.

    Args:
        data: the file's bytes.
        meant: in the file's order; consumed one by one.
        exact: whether every pixel must come back; not where polygons were simplified on request.

    Returns:
        How many instances there are, and the least mask IoU of all; 1 where there are none.

    Raises:
        ExportError: if the file does not come back whole, naming the annotation.
    """
    document = read_json_rows(data)
    images = {image["id"]: image for image in document["images"]}
    categories = list(document["categories"])
    rows: JsonRows = document["annotations"]
    expected = iter(meant)
    ids: set[int] = set()
    least, index = 1.0, 0
    for batch in rows.batches():
        wanted = list(islice(expected, len(batch)))
        if len(wanted) < len(batch):
            raise ExportError(f"annotations: wrote {index + len(wanted)}, pycocotools reads {len(rows)}")
        found, iou = read_back_batch(batch, images, categories, wanted, index, exact=exact)
        ids |= found
        least, index = min(least, iou), index + len(batch)
    left = sum(1 for _ in expected)
    if left or len(ids) < len(rows):
        raise ExportError(f"annotations: wrote {len(rows) + left}, pycocotools reads {len(ids)}")
    return len(rows), least


def read_back_batch(
    batch: list[Json],
    images: Mapping[Json, Json],
    categories: list[Json],
    meant: Sequence[Meant],
    index: int = 0,
    *,
    exact: bool = True,
) -> tuple[set[Json], float]:
    """Read some annotations with ``pycocotools`` and compare each with what was meant.

    Args:
        batch: rows of a file.
        images: rows of at least their images, by id.
        categories: the file's rows.
        meant: as many masks, in their order.
        index: the place of the first in the file.
        exact: as in :func:`read_back`.

    Returns:
        The annotations' ids, and the least mask IoU of all; 1 where there are none.

    Raises:
        ExportError: if a mask does not come back, naming the annotation.
    """
    coco = _as_coco(batch, images, categories)
    least = 1.0
    for place, (annotation, mask) in enumerate(zip(batch, meant, strict=True), start=index):
        outline = annotation["segmentation"]
        if isinstance(outline, list) and edge_length(outline) > MAX_EDGE:  # an older project's
            raise ExportError(f"annotations[{place}].segmentation: {LONG_EDGES}")
        iou = _iou(coco.annToRLE(annotation), *mask)
        if exact and iou < 1.0:
            raise ExportError(
                f"annotations[{place}]: expected a mask IoU of 1 when read back, got "
                f"{iou:.6f}; the file was not handed over"
            )
        least = min(least, iou)
    return set(coco.anns), least


def read_back_note(count: int, iou: float) -> str:
    """Return what the read-back found, for people."""
    if not count:
        return "read back with pycocotools: no instances"
    return f"read back with pycocotools: {counted(count, 'instance')}, lowest mask IoU {iou:.6f}"


def _as_coco(annotations: list[Json], images: Mapping[Json, Json], categories: list[Json]) -> COCO:
    coco = COCO()
    wanted = dict.fromkeys(annotation["image_id"] for annotation in annotations)
    coco.dataset = {
        "images": [images[id_] for id_ in wanted],
        "annotations": annotations,
        "categories": categories,
    }
    coco.createIndex()
    return coco


def _iou(read: Mapping[str, Any], counts: str, size: tuple[int, int]) -> float:
    meant = {"size": list(size), "counts": counts.encode()}
    found = read["counts"]
    if (found.encode() if isinstance(found, str) else found) == meant["counts"]:
        return 1.0 if list(read["size"]) == meant["size"] else 0.0
    return float(coco_mask.iou([read], [meant], [0])[0][0])
