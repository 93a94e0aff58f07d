"""The "imagefolder" of Hugging Face's datasets (https://huggingface.co/docs/datasets): metadata.jsonl.

Each line is an image with its objects as parallel lists, boxes as x y width height. The categories' names
stand in each line, as the form has no other place for them. Outlines are polygons throughout, or where one of
them cannot be exact run lengths throughout: the library reads no column of both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from maskrcnn_core.common.json_rows import Json, parse_json
from maskrcnn_core.dataset.annotations import AnnotatedImage
from maskrcnn_core.errors import DatasetError
from maskrcnn_core.formats.base import Export, Format, Member, named_images
from maskrcnn_core.formats.coco import Profile, annotation_row
from maskrcnn_core.formats.coco_fields import number, whole
from maskrcnn_core.formats.draft import Draft
from maskrcnn_core.formats.image_files import image_member, image_name
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.formats.reader import GivenFile, Reader, Surroundings, beside, size_in
from maskrcnn_core.geometry.rle import Rle

__all__ = ["HUGGING_FACE"]

_LISTS = ("id", "category_id", "category", "segmentation", "bbox", "area", "iscrowd", "score")


def _members(export: Export) -> Iterator[Member]:
    lines: dict[str, list[bytes]] = {}
    kinds: set[type[Json]] = set()
    numbered = 1
    for stem, name, image in named_images(export):
        objects = _objects(image, numbered, export)
        kinds |= set(map(type, objects["segmentation"]))
        numbered += len(image.instances)
        lines.setdefault(_folder(export, image), []).append(_line(export, stem, name, image, objects))
        if export.has_images:
            yield image_member(image, f"{_folder(export, image)}{stem}")
    if len(kinds) > 1:
        lines, numbered = {}, 1
        for stem, name, image in named_images(export):
            objects = _objects(image, numbered, export, "run lengths")
            numbered += len(image.instances)
            lines.setdefault(_folder(export, image), []).append(_line(export, stem, name, image, objects))
    for folder, texts in (lines or {"": []}).items():
        yield Member(f"{folder}metadata.jsonl", b"".join(text + b"\n" for text in texts))


def _folder(export: Export, image: AnnotatedImage) -> str:
    return f"{export.part(image.record.id)}/" if export.parts else ""


def _objects(
    image: AnnotatedImage, first: int, export: Export, profile: Profile = "exact"
) -> dict[str, list[Json]]:
    """Return an image's objects as parallel lists; ``first`` becomes the id of the first one."""
    names = export.names
    objects: dict[str, list[Json]] = {key: [] for key in _LISTS}
    for number_, instance in enumerate(image.instances, start=first):
        # Crowds are polygons as all others are: a column of Arrow holds lists or objects, not both.
        row = annotation_row(number_, replace(instance, is_crowd=False), export.tolerance, profile) | {
            "category": names[instance.category_id],
            "iscrowd": int(instance.is_crowd),
            "score": instance.score,
        }
        for key in _LISTS:
            objects[key].append(row[key])
    return objects


def _line(
    export: Export, stem: str, name: str, image: AnnotatedImage, objects: Mapping[str, list[Json]]
) -> bytes:
    record = image.record
    return dump_json(
        {
            "file_name": image_name(image, stem, name, has_images=export.has_images),
            "image_id": record.id,
            "width": record.width,
            "height": record.height,
            "objects": objects,
        }
    )


def _count(export: Export) -> int:
    parts = {export.part(record.id) for record in export.records}
    return max(len(parts), 1) + (len(export.images) if export.has_images else 0)


def _recognise(file: GivenFile) -> bool:
    return b'"file_name"' in file.data and (
        PurePosixPath(file.path).name.casefold() == "metadata.jsonl" or b'"objects"' in file.data[:65536]
    )


def _read(files: Sequence[GivenFile], _surroundings: Surroundings, draft: Draft) -> None:
    for file in files:
        for order, text in enumerate(file.data.splitlines(), start=1):
            place = f"{file.path}: line {order}"
            if not text.strip():
                continue
            try:
                row = parse_json(text)
            except (DatasetError, ValueError) as error:
                draft.refuse(place, f"this is not JSON ({error})")
                continue
            name = row.get("file_name") if isinstance(row, dict) else None
            if not isinstance(name, str) or not name:
                draft.refuse(place, "expected an object with a file_name")
                continue
            size = size_in(row, "height", "width")
            image = draft.image(beside(file, name), size, id=whole(row.get("image_id"), 0, 2**53))
            objects = row.get("objects")
            if isinstance(objects, dict):
                _read_objects(place, objects, size, image, draft)


def _read_objects(
    place: str, objects: Mapping[str, Json], size: tuple[int, int] | None, image: int, draft: Draft
) -> None:
    columns = {key: value for key, value in objects.items() if isinstance(value, list)}
    count = max(map(len, columns.values()), default=0)
    for order in range(count):
        row = {key: value[order] for key, value in columns.items() if order < len(value)}
        where = f"{place}: objects[{order}]"
        label = row.get("category")
        category_id = whole(row.get("category_id", label if isinstance(label, int) else None), 0, 2**53)
        named = label if isinstance(label, str) else "" if category_id is None else f"category {category_id}"
        category = draft.category(named, id=category_id)
        facts: dict[str, Json] = {
            "id": row.get("id"),
            "score": number(row.get("score")),
            "iscrowd": row.get("iscrowd") in (1, True),
        }
        outline, box = row.get("segmentation"), row.get("bbox")
        if isinstance(outline, list) and outline:
            parts = outline if isinstance(outline[0], list) else [outline]
            draft.rings(where, image, category, parts, **facts)
        elif isinstance(outline, dict) and size is not None:
            try:
                mask = Rle.from_counts(outline.get("counts", ""), size)
            except (DatasetError, TypeError, ValueError) as error:
                draft.refuse(where, f"run lengths: {error}")
            else:
                draft.mask(where, image, category, mask, **facts)
        elif isinstance(box, list) and len(box) == 4 and None not in (sides := list(map(number, box))):
            x, y, width, height = (side or 0.0 for side in sides)
            draft.box(where, image, category, (x, y, x + width, y + height), **facts)
        else:
            draft.refuse(where, "expected a segmentation or a bbox of 4 numbers")


HUGGING_FACE = Format(
    key="hugging-face",
    title="Hugging Face imagefolder",
    suffix=".zip",
    mime="application/zip",
    holds="metadata.jsonl, one for each part: images with lists of boxes, categories, outlines and scores.",
    loses="Categories without instances.",
    members=_members,
    count=_count,
    kept=frozenset(
        {"mask", "overlap", "crowd", "score", "category name", "category id", "image id", "order"}
    ),
    reader=Reader(
        suffixes=frozenset({".jsonl"}),
        recognise=_recognise,
        read=_read,
        recognised_as="metadata.jsonl with 'file_name' and 'objects'",
    ),
    used_by="datasets, transformers",
    brings_images=True,
    judge="datasets",
)
