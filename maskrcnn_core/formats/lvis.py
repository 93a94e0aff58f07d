"""LVIS, version 1 (https://www.lvisdataset.org/dataset): COCO's form with frequencies of categories.

Images are named by ``coco_url`` in it: readers cut off its front, and look for the rest in a folder of
images. For each image it says of which categories somebody has made sure that there are none: of none here,
as an export cannot know.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.dataset.annotations import Dataset
from maskrcnn_core.formats.base import Export, Format, Member
from maskrcnn_core.formats.coco import coco_document, least_iou
from maskrcnn_core.formats.coco_reading import COCO_READER
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.formats.read_back import read_back_note

__all__ = ["LVIS"]

_FRONT = "http://images.cocodataset.org/"
"""Of each address: Ultralytics and MMDetection cut off this, Detectron2 all but the last two steps."""

_FREQUENCIES = ((10, "r"), (100, "c"))
"""Images with a category up to which it is rare, or common (Gupta et al., "LVIS", CVPR 2019, section 5)."""


def _members(export: Export) -> Iterator[Member]:
    dataset = Dataset.of_images(export.images, export.categories)
    document = coco_document(dataset, export.description, export.tolerance)
    images = {(row["image_id"], row["category_id"]) for row in document["annotations"]}
    image_counts = Counter(category for _, category in images)
    counts = Counter(row["category_id"] for row in document["annotations"])
    for row in document["images"]:
        row |= {
            "coco_url": f"{_FRONT}{export.part(row['id'])}/{row['file_name']}",
            "neg_category_ids": [],
            "not_exhaustive_category_ids": [],
        }
    for row in document["categories"]:
        row |= _facts(row, image_counts[row["id"]], counts[row["id"]])
    data = dump_json(document)
    iou = least_iou(data, dataset.instances, exact=export.tolerance == 0)
    yield Member("lvis.json", data, read_back_note(len(dataset.instances), iou))


def _facts(row: dict[str, Json], images: int, instances: int) -> dict[str, Json]:
    plain = re.sub(r"\W+", "_", str(row["name"])).strip("_").casefold() or "object"
    return {
        "synset": f"{plain}.n.01",
        "synonyms": [row["name"]],
        "def": "",
        "frequency": next((letter for most, letter in _FREQUENCIES if images <= most), "f"),
        "image_count": images,
        "instance_count": instances,
    }


LVIS = Format(
    key="lvis",
    title="LVIS",
    suffix=".json",
    mime="application/json",
    holds="COCO JSON with what LVIS's tools ask for: frequencies, synonyms, addresses to cut names from.",
    loses="",
    members=_members,
    count=lambda _export: 1,
    kept=frozenset(
        {"mask", "overlap", "crowd", "score", "category name", "category id", "image id", "order"}
    ),
    reader=COCO_READER,
    used_by="lvis, Detectron2, MMDetection",
    judge="lvis, Detectron2's rules, ultralytics",
)
