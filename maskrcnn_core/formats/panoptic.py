"""COCO's panoptic form: a picture of segments for each image, and a JSON file that names them.

A segment's id is its colour, R + 256 G + 256 squared B, and unique in its image
(https://cocodataset.org/#format-data, section 4). There is one segment to a pixel.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.formats.base import Export, Format, Member, named_images
from maskrcnn_core.formats.coco_fields import whole
from maskrcnn_core.formats.draft import Draft
from maskrcnn_core.formats.json_writing import WrittenRows, dump_json, join_members
from maskrcnn_core.formats.label_maps import hidden_note, label_map
from maskrcnn_core.formats.reader import GivenFile, Reader, Surroundings, beside, json_of, size_in
from maskrcnn_core.geometry.rle import Rle

__all__ = ["PANOPTIC"]

_FOLDER = "panoptic"


def _members(export: Export) -> Iterator[Member]:
    images, annotations = WrittenRows(), WrittenRows()
    for stem, name, image in named_images(export):
        record = image.record
        images.add({"id": record.id, "width": record.width, "height": record.height, "file_name": name})
        order = list(range(1, len(image.instances) + 1))
        labels = label_map(image, order)
        note = hidden_note(labels, order)
        areas = np.bincount(labels.ravel(), minlength=len(order) + 1)
        segments = []
        for number, instance in enumerate(image.instances, start=1):
            if not areas[number]:
                continue
            x, y, width, height = instance.box_xywh
            seen = Rle.from_crop(labels[y : y + height, x : x + width] == number, (y, x), record.size)
            segments.append(
                {
                    "id": number,
                    "category_id": instance.category_id,
                    "area": seen.area,
                    "bbox": list(seen.box_xywh),
                    "iscrowd": int(instance.is_crowd),
                }
                | ({} if instance.score is None else {"score": instance.score})
            )
        picture = f"{stem}.png"
        annotations.add({"image_id": record.id, "file_name": picture, "segments_info": segments})
        yield Member(f"{_FOLDER}/{picture}", _png(labels), f"{picture}: {note}" if note else "")
    categories = [
        {
            "id": category.id,
            "name": category.name,
            "supercategory": category.supercategory,
            "isthing": 1,
            "color": [int(export.color(category.id)[at : at + 2], 16) for at in (1, 3, 5)],
        }
        for category in export.categories
    ]
    info = {"description": export.description or "Made with MaskDesk", "version": "1.0"}
    document = join_members(
        {
            "info": [dump_json(info)],
            "licenses": [b"[]"],
            "images": images.pieces,
            "annotations": annotations.pieces,
            "categories": [dump_json(categories)],
        }
    )
    yield Member(f"{_FOLDER}.json", document)


def _png(labels: npt.NDArray[np.int32]) -> bytes:
    bands = np.stack([(labels >> shift) & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(bands).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _recognise(file: GivenFile) -> bool:
    return b'"segments_info"' in file.data


def _listed(files: Sequence[GivenFile], images: Sequence[str], draft: Draft) -> dict[tuple[str, str], str]:
    """Return for each file and name in it the picture of that name, those in folders for it first."""
    by_name: dict[str, list[str]] = {}
    for path in images:
        by_name.setdefault(path.rpartition("/")[2], []).append(path)
    found: dict[tuple[str, str], str] = {}
    for file in files:
        folder = file.path.rpartition(".")[0]
        document = json_of(file, draft)
        rows = document.get("annotations") if isinstance(document, dict) else None
        for row in rows if isinstance(rows, list) else ():
            name = row.get("file_name") if isinstance(row, dict) else None
            if not isinstance(name, str) or not name:
                continue
            paths = by_name.get(name.rpartition("/")[2], [])
            own = [path for path in paths if path.rpartition("/")[0] in (folder, beside(file, _FOLDER))]
            far = [path for path in paths if _FOLDER in path.rpartition("/")[0].casefold()]
            for known in (own, far, paths):
                if len(known) == 1:
                    found[file.path, name] = known[0]
                    break
    return found


def _claims(files: Sequence[GivenFile], images: Sequence[str]) -> Collection[str]:
    return _listed(files, images, Draft("")).values()


def _read(files: Sequence[GivenFile], surroundings: Surroundings, draft: Draft) -> None:
    listed = _listed(files, surroundings.images, draft)
    for file in files:
        document = json_of(file, Draft(""))
        if not isinstance(document, dict):
            continue
        names: dict[Json, int] = {}
        for row in _rows(document, "categories"):
            id_ = whole(row.get("id"), 0, 2**31)
            name = row.get("name")
            if id_ is not None and isinstance(name, str):
                names[id_] = draft.category(name, id=id_, supercategory=str(row.get("supercategory") or ""))
        of_id = {
            row.get("id"): row for row in _rows(document, "images") if isinstance(row.get("id"), int | str)
        }
        for row in of_id.values():
            if isinstance(row.get("file_name"), str) and row["file_name"]:
                id_ = whole(row.get("id"), 0, 2**53)
                draft.image(row["file_name"], size_in(row, "height", "width"), id=id_)
        for order, row in enumerate(_rows(document, "annotations")):
            place = f"{file.path}: annotations[{order}]"
            image_row = of_id.get(row.get("image_id")) if isinstance(row.get("image_id"), int | str) else None
            if image_row is None or not isinstance(image_row.get("file_name"), str):
                draft.refuse(place, "there is no image with its image_id")
                continue
            path = listed.get((file.path, str(row.get("file_name"))))
            values = surroundings.values(path) if path else None
            if values is None:
                draft.refuse(place, "its picture of segments did not come along")
                continue
            image = draft.image(image_row["file_name"])
            _read_segments(place, row, values, image, names, draft)


def _rows(document: dict[str, Json], key: str) -> list[dict[str, Json]]:
    found = document.get(key)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _read_segments(
    place: str,
    row: dict[str, Json],
    values: npt.NDArray[np.int64],
    image: int,
    names: dict[Json, int],
    draft: Draft,
) -> None:
    if values.ndim == 3:
        values = values[..., 0] + 256 * values[..., 1] + 65536 * values[..., 2]
    for number, segment in enumerate(_rows(row, "segments_info")):
        where = f"{place}.segments_info[{number}]"
        category = names.get(whole(segment.get("category_id"), 0, 2**31))
        id_ = whole(segment.get("id"), 0, 2**24)
        if category is None or id_ is None:
            draft.refuse(where, "expected an id and a category_id that is listed")
            continue
        mask = Rle.from_mask(values == id_)
        draft.mask(
            where, image, category, mask, iscrowd=segment.get("iscrowd") == 1, score=segment.get("score")
        )


PANOPTIC = Format(
    key="panoptic",
    title="COCO panoptic",
    suffix=".zip",
    mime="application/zip",
    holds="panoptic.json, and for each image a PNG whose colours are its segments' ids.",
    loses="What is below another instance; annotations' ids.",
    members=_members,
    count=lambda export: len(export.images) + 1,
    kept=frozenset({"mask", "crowd", "score", "category name", "category id", "image id", "order"}),
    reader=Reader(
        suffixes=frozenset({".json"}),
        recognise=_recognise,
        read=_read,
        recognised_as="JSON with 'segments_info'",
        claims=_claims,
        is_one_file=True,
    ),
    used_by="panopticapi, transformers, Detectron2",
    judge="transformers, datumaro",
    is_dense=True,
)
