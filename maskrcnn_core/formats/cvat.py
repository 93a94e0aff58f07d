"""CVAT's XML "for images 1.1" (https://docs.cvat.ai/docs/manual/advanced/xml_format/), alone or in a zip.

A mask is run lengths along the rows of its box, background first. Polygons of one label in one group are the
parts of an object. Tracks are of videos: CVAT writes them image by image in this format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from io import BytesIO
from xml.etree.ElementTree import Element

import numpy as np

from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.formats.base import Export, Format, Member, named_images
from maskrcnn_core.formats.draft import Draft
from maskrcnn_core.formats.image_files import image_member, image_name
from maskrcnn_core.formats.packed import mask_of_row_runs, row_runs
from maskrcnn_core.formats.reader import GivenFile, Reader, Surroundings, xml_of
from maskrcnn_core.formats.shapes import ellipse
from maskrcnn_core.formats.xml_writing import XML_HEAD, element, xml_bytes
from maskrcnn_core.geometry.rle import Rle

__all__ = ["CVAT"]

_AREAS = ("polygon", "mask", "box", "ellipse")
_NO_AREAS = ("polyline", "points", "cuboid", "skeleton", "tag")


def _members(export: Export) -> Iterator[Member]:
    names = export.names
    labels = [
        element(
            "label",
            children=[
                element("name", category.name),
                element("color", export.color(category.id)),
                element("type", "any"),
                element("attributes"),
            ],
        )
        for category in export.categories
    ]
    task = [
        element("name", export.description or "MaskDesk"),
        element("size", len(export.images)),
        element("mode", "annotation"),
        element("labels", children=labels),
    ]
    out = BytesIO()
    out.write(XML_HEAD + b"<annotations>" + xml_bytes(element("version", "1.1")))
    out.write(xml_bytes(element("meta", children=[element("task", children=task)])))
    for stem, name, image in named_images(export):
        masks = []
        for order, instance in enumerate(image.instances):
            x, y, width, height = instance.box_xywh
            masks.append(
                element(
                    "mask",
                    label=names[instance.category_id],
                    source="manual" if instance.score is None else "auto",
                    occluded=0,
                    rle=", ".join(map(str, row_runs(instance.mask.crop()))),
                    left=x,
                    top=y,
                    width=width,
                    height=height,
                    z_order=order,
                )
            )
        record = image.record
        name = image_name(image, stem, name, has_images=export.has_images)
        row = element(
            "image", children=masks, id=record.id, name=name, width=record.width, height=record.height
        )
        out.write(b"\n" + xml_bytes(row))
        if export.has_images:
            yield image_member(image, f"images/{stem}")
    out.write(b"\n</annotations>\n")
    yield Member("annotations.xml", out.getvalue())


def _recognise(file: GivenFile) -> bool:
    return re.search(rb"<annotations[\s>]", file.data[:4096]) is not None and (
        b"<image" in file.data or b"<track" in file.data or b"<version>1.1" in file.data
    )


def _read(files: Sequence[GivenFile], _surroundings: Surroundings, draft: Draft) -> None:
    for file in files:
        root = xml_of(file, draft)
        if root is None:
            continue
        for label in root.iter("label"):
            name = (label.findtext("name") or "").strip()
            if name and not label.findtext("parent"):  # points of a skeleton are no objects of their own
                draft.category(name, color=(label.findtext("color") or "").strip())
        if tracks := len(root.findall("track")):
            reason = "a track of a video; export it as 'CVAT for images 1.1', which has them image by image"
            for _ in range(tracks):
                draft.refuse(f"{file.path}: track", reason)
        for number, row in enumerate(root.findall("image")):
            place = f"{file.path}: image[{number}]"
            name = row.get("name") or ""
            size = _whole(row.get("height")), _whole(row.get("width"))
            if not name:
                draft.refuse(place, "expected a name")
                continue
            known = (size[0], size[1]) if size[0] and size[1] else None
            image = draft.image(name, known, id=_whole(row.get("id")))
            _read_image(place, row, known, image, draft)


def _read_image(place: str, row: Element, size: tuple[int, int] | None, image: int, draft: Draft) -> None:
    # The parts of an object, where its first one stands.
    objects: list[tuple[str, Element, list[list[list[float]]]]] = []
    of_group: dict[tuple[str, str], list[list[list[float]]]] = {}
    for number, shape in enumerate(row):
        where = f"{place}.{shape.tag}[{number}]"
        if shape.tag in _NO_AREAS:
            draft.refuse(where, "a shape that encloses nothing")
        if shape.tag not in _AREAS:
            continue
        label = shape.get("label", "")
        if shape.tag != "polygon":
            objects.append((where, shape, []))
            continue
        group = shape.get("group_id") or "0"
        points = _points(shape.get("points", ""))
        if group != "0" and (group, label) in of_group:
            of_group[group, label].append(points)
            continue
        objects.append((where, shape, [points]))
        of_group[group, label] = objects[-1][2]
    for where, shape, parts in objects:
        _read_shape(where, shape, parts, size, image, draft)


def _read_shape(
    where: str,
    shape: Element,
    parts: list[list[list[float]]],
    size: tuple[int, int] | None,
    image: int,
    draft: Draft,
) -> None:
    category = draft.category(shape.get("label", ""))
    facts: dict[str, Json] = {"attributes": _attributes(shape)}
    if shape.tag == "polygon":
        draft.rings(where, image, category, parts, **facts)
    elif shape.tag == "mask":
        mask = _mask(shape, size)
        if mask is None:
            draft.refuse(where, "expected run lengths that fill the mask's box, within the image")
        else:
            draft.mask(where, image, category, mask, **facts)
    elif shape.tag == "box":
        sides = [_number(shape.get(key)) for key in ("xtl", "ytl", "xbr", "ybr")]
        if None in sides:
            draft.refuse(where, "expected xtl, ytl, xbr and ybr of a box")
            return
        x1, y1, x2, y2 = (side or 0.0 for side in sides)
        if turned := _number(shape.get("rotation")):
            draft.note(where, "a turned box; the box around it is taken", f"{turned:g} degrees")
            x1, y1, x2, y2 = _around((x1, y1, x2, y2), turned)
        draft.box(where, image, category, (x1, y1, x2, y2), **facts)
    else:
        sides = [_number(shape.get(key)) for key in ("cx", "cy", "rx", "ry")]
        if None in sides:
            draft.refuse(where, "expected cx, cy, rx and ry of an ellipse")
            return
        x, y, rx, ry = (side or 0.0 for side in sides)
        ring = ellipse(x, y, rx, ry, _number(shape.get("rotation")) or 0.0)
        draft.rings(where, image, category, [ring], **facts)


def _attributes(shape: Element) -> dict[str, Json]:
    found: dict[str, Json] = {
        one.get("name", ""): one.text or "" for one in shape.findall("attribute") if one.get("name")
    }
    return found | ({"occluded": True} if shape.get("occluded") == "1" else {})


def _mask(shape: Element, size: tuple[int, int] | None) -> Rle | None:
    left, top, width, height = (_whole(shape.get(key)) for key in ("left", "top", "width", "height"))
    if left is None or top is None or not width or not height or size is None:
        return None
    if left + width > size[1] or top + height > size[0]:
        return None
    runs = [_whole(run) for run in (shape.get("rle") or "").split(",")]
    known = [run for run in runs if run is not None]
    crop = mask_of_row_runs(known, height, width) if len(known) == len(runs) else None
    return None if crop is None else Rle.from_crop(crop, (top, left), size)


def _around(box: tuple[float, float, float, float], degrees: float) -> tuple[float, float, float, float]:
    """Return the box around a box that is turned about its centre."""
    x1, y1, x2, y2 = box
    angle = np.radians(degrees)
    across, down = abs(np.cos(angle)), abs(np.sin(angle))
    half_x = ((x2 - x1) * across + (y2 - y1) * down) / 2
    half_y = ((x2 - x1) * down + (y2 - y1) * across) / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return float(x - half_x), float(y - half_y), float(x + half_x), float(y + half_y)


def _points(text: str) -> list[list[float]]:
    """Return the points of ``x,y;x,y``; none if one of them is no point."""
    points = [[_number(side) for side in point.split(",")] for point in text.split(";") if point.strip()]
    if any(len(point) != 2 or None in point for point in points):
        return []
    return [[side or 0.0 for side in point] for point in points]


def _whole(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) < 1e9 else None


CVAT = Format(
    key="cvat",
    title="CVAT for images 1.1",
    suffix=".zip",
    mime="application/zip",
    holds="annotations.xml with a mask of run lengths for each instance, and labels with their colours.",
    loses="Scores, crowds' mark, categories' ids.",
    members=_members,
    count=lambda export: 1 + (len(export.images) if export.has_images else 0),
    kept=frozenset({"mask", "overlap", "category name", "image id", "order"}),
    reader=Reader(
        suffixes=frozenset({".xml"}),
        recognise=_recognise,
        read=_read,
        recognised_as="XML that begins with 'annotations' and holds images",
        is_one_file=True,
    ),
    used_by="CVAT, datumaro",
    brings_images=True,
    judge="datumaro",
)
