"""VGG Image Annotator's JSON (https://www.robots.ox.ac.uk/~vgg/software/via/), which Matterport's tools take.

Versions 1 and 2: images by file name and size, each with regions.

Regions are a list, or in version 1 an object; a project file has all of that below ``_via_img_metadata``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.common.refusals import kind
from maskrcnn_core.formats.base import Export, Format, Member, named_images
from maskrcnn_core.formats.coco_fields import number
from maskrcnn_core.formats.draft import Draft
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.formats.reader import GivenFile, Reader, Surroundings, json_of
from maskrcnn_core.formats.shapes import ellipse, outlines

__all__ = ["VIA"]

_NAMES = ("name", "class", "label", "category", "type", "object", "class_name", "label_name")
"""Of the attribute that is the category, where there are several."""

_NO_AREAS = ("point", "polyline", "line")

_WITHIN = 0.25
"""Pixels by which points stay off the image's right and lower border: Matterport's tools fill the pixels
whose corner lies within a polygon, and crash at those beyond the image. Pixels' centres remain within."""


def _members(export: Export) -> Iterator[Member]:
    names = export.names
    document: dict[str, Json] = {}
    for _, name, image in named_images(export):
        farthest = np.array([image.record.width, image.record.height]) - _WITHIN
        regions: list[Json] = []
        for order, instance in enumerate(image.instances, start=1):
            rings = [np.minimum(ring, farthest) for ring in outlines(instance, export.tolerance)]
            attributes: dict[str, Json] = {"name": names[instance.category_id]}
            if instance.score is not None:
                attributes["score"] = repr(instance.score)  # VIA's attributes are texts
            if len(rings) > 1:
                attributes["group"] = str(order)
            regions += [
                {
                    "shape_attributes": {
                        "name": "polygon",
                        "all_points_x": ring[:, 0].tolist(),
                        "all_points_y": ring[:, 1].tolist(),
                    },
                    "region_attributes": attributes,
                }
                for ring in rings
            ]
        document[f"{name}-1"] = {
            "filename": name,
            "size": -1,
            "regions": regions,
            "file_attributes": {"width": str(image.record.width), "height": str(image.record.height)},
        }
    yield Member("via_region_data.json", dump_json(document))


def _recognise(file: GivenFile) -> bool:
    return b'"shape_attributes"' in file.data or (
        b'"regions"' in file.data and b'"filename"' in file.data and b'"file_attributes"' in file.data
    )


def _read(files: Sequence[GivenFile], _surroundings: Surroundings, draft: Draft) -> None:
    for file in files:
        document = json_of(file, draft)
        if isinstance(document, dict):
            document = document.get("_via_img_metadata", document)
        if not isinstance(document, dict | list):
            if document is not None:
                draft.refuse(file.path, "expected an object with an image under each key", kind(document))
            continue
        rows = document.items() if isinstance(document, dict) else enumerate(document)
        for key, row in rows:
            place = f"{file.path}: {key}"
            if not isinstance(row, dict) or not isinstance(row.get("filename"), str) or not row["filename"]:
                draft.refuse(place, "expected an object with a filename")
                continue
            facts = row.get("file_attributes")
            image = draft.image(row["filename"], _size(facts if isinstance(facts, dict) else {}))
            _read_regions(place, row.get("regions"), image, draft)


def _size(facts: Mapping[str, Json]) -> tuple[int, int] | None:
    """Return the size that our own files tell; VIA itself knows none."""
    sides = facts.get("height"), facts.get("width")
    if all(isinstance(side, str) and side.isascii() and side.isdigit() and len(side) < 6 for side in sides):
        return int(sides[0] or 0) or 1, int(sides[1] or 0) or 1
    return None


def _read_regions(place: str, regions: Json, image: int, draft: Draft) -> None:
    if isinstance(regions, dict):
        regions = list(regions.values())
    # The parts of an object, where its first one stands: place, category, facts and rings.
    objects: list[tuple[str, int, dict[str, Json], list[list[list[float]]]]] = []
    of_group: dict[tuple[str, str], list[list[list[float]]]] = {}
    for order, region in enumerate(regions if isinstance(regions, list) else ()):
        where = f"{place}: regions[{order}]"
        shape = region.get("shape_attributes") if isinstance(region, dict) else None
        if not isinstance(shape, dict):
            draft.refuse(where, "expected an object with shape_attributes")
            continue
        given = region.get("region_attributes")
        attributes = dict(given) if isinstance(given, dict) else {}
        group = attributes.pop("group", None)
        score = attributes.pop("score", None)
        name, attributes = _category(attributes)
        category = draft.category(name)
        facts: dict[str, Json] = {"attributes": attributes, "score": _as_number(score)}
        if not name:
            draft.note(where, "no attribute names a category; it is 'object'")
        if shape.get("name") == "polygon":
            if isinstance(group, str) and (group, name) in of_group:
                of_group[group, name].append(_points(shape))
                continue
            objects.append((where, category, facts, [_points(shape)]))
            if isinstance(group, str) and group:
                of_group[group, name] = objects[-1][3]
        else:
            _read_other(where, shape, image, category, facts, draft)
    for where, category, facts, parts in objects:
        draft.rings(where, image, category, parts, **facts)


def _points(shape: Mapping[str, Json]) -> list[list[float]]:
    xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
    if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
        return []
    return [[x, y] for x, y in zip(xs, ys, strict=True)]


def _read_other(
    where: str,
    shape: Mapping[str, Json],
    image: int,
    category: int,
    facts: Mapping[str, Json],
    draft: Draft,
) -> None:
    name = shape.get("name")
    if name == "rect":
        x, y, width, height = (number(shape.get(key)) for key in ("x", "y", "width", "height"))
        if x is None or y is None or width is None or height is None:
            draft.refuse(where, "expected x, y, width and height of a rect")
        else:
            draft.box(where, image, category, (x, y, x + width, y + height), **facts)
        return
    if name in ("circle", "ellipse"):
        x, y = number(shape.get("cx")), number(shape.get("cy"))
        rx = number(shape.get("r" if name == "circle" else "rx"))
        ry = number(shape.get("r" if name == "circle" else "ry"))
        if x is None or y is None or rx is None or ry is None:
            draft.refuse(where, f"expected the centre and the radius of a {name}")
            return
        turned = math.degrees(number(shape.get("theta")) or 0.0)
        draft.rings(where, image, category, [ellipse(x, y, rx, ry, turned)], **facts)
        return
    known = str(name) if name in _NO_AREAS else kind(name)
    draft.refuse(
        where, "expected a polygon, rect, circle or ellipse, got one that encloses nothing: {}", known
    )


def _category(attributes: Mapping[str, Json]) -> tuple[str, dict[str, Json]]:
    """Return which attribute is the category, and the others; empty where none is."""
    keys = [key for key in _NAMES if key in attributes] or (list(attributes) if len(attributes) == 1 else [])
    for key in keys:
        value = attributes[key]
        if isinstance(value, dict):  # checkboxes: each option with whether it is ticked
            ticked = [option for option, is_on in value.items() if is_on]
            value = ticked[0] if len(ticked) == 1 else None
        if isinstance(value, str) and value.strip():
            return value.strip(), {name: one for name, one in attributes.items() if name != key}
    return "", dict(attributes)


def _as_number(value: Json) -> float | None:
    try:
        return number(float(value)) if isinstance(value, str | int | float) else None
    except ValueError:
        return None


VIA = Format(
    key="via",
    title="VIA",
    suffix=".json",
    mime="application/json",
    holds="One JSON file of VGG Image Annotator: polygons with cuts to holes; parts share a group.",
    loses="Ids, crowds' mark, categories without instances.",
    members=_members,
    count=lambda _export: 1,
    kept=frozenset({"mask", "overlap", "score", "category name"}),
    reader=Reader(
        suffixes=frozenset({".json"}),
        recognise=_recognise,
        read=_read,
        recognised_as="JSON with 'shape_attributes'",
        is_one_file=True,
    ),
    used_by="VGG Image Annotator, Matterport Mask R-CNN",
    judge="Matterport's rules",
)
