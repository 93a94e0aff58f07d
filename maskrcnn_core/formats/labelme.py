"""Labelme JSON, one file beside each image (https://github.com/wkentaro/labelme, format 4 and 5).

Points are float pixels with corners at whole numbers. The parts of an object are polygons that share a
``group_id``; ``mask`` shapes are a PNG in a box whose second corner is the last pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.formats.base import Export, Format, Member, named_images
from maskrcnn_core.formats.draft import Draft
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.formats.packed import picture_of_base64
from maskrcnn_core.formats.reader import (
    GivenFile,
    Reader,
    Surroundings,
    beside,
    corner_pair,
    json_of,
    size_in,
    stem_of,
)
from maskrcnn_core.formats.shapes import ellipse, outlines
from maskrcnn_core.geometry.rle import Rle

__all__ = ["LABELME"]

_AREAS = ("polygon", "rectangle", "rotation", "circle", "mask")


def _members(export: Export) -> Iterator[Member]:
    names = export.names
    for place, (stem, name, image) in enumerate(named_images(export)):
        shapes: list[Json] = []
        for number, instance in enumerate(image.instances, start=1):
            rings = outlines(instance, export.tolerance)
            shape: dict[str, Json] = {
                "label": names[instance.category_id],
                "group_id": number if len(rings) > 1 else None,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
            } | ({} if instance.score is None else {"score": instance.score})
            shapes += [{"points": ring.tolist(), **shape} for ring in rings]
        document: dict[str, Json] = {
            "version": "5.5.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": name,
            "imageData": None,
            "imageHeight": image.record.height,
            "imageWidth": image.record.width,
        }
        yield Member(f"{stem}.json", dump_json(document), image=place)


def _recognise(file: GivenFile) -> bool:
    return b'"shapes"' in file.data and (b'"imagePath"' in file.data or b'"shape_type"' in file.data)


def _read(files: Sequence[GivenFile], surroundings: Surroundings, draft: Draft) -> None:
    by_stem = {stem_of(path): path for path in surroundings.images}
    for file in files:
        document = json_of(file, draft)
        shapes = document.get("shapes") if isinstance(document, dict) else None
        if not isinstance(document, dict) or not isinstance(shapes, list):
            draft.refuse(file.path, "expected an object with a list 'shapes'")
            continue
        name = document.get("imagePath")
        if not isinstance(name, str) or not name:
            name = by_stem.get(stem_of(file.path), "").rpartition("/")[2] or f"{stem_of(file.path)}.jpg"
        size = size_in(document, "imageHeight", "imageWidth")
        image = draft.image(beside(file, name), size)
        if isinstance(flags := document.get("flags"), dict) and any(flags.values()):
            draft.note(file.path, "flags of the image are left out")
        _read_shapes(file, shapes, size, image, draft)


def _read_shapes(
    file: GivenFile, shapes: Sequence[Json], size: tuple[int, int] | None, image: int, draft: Draft
) -> None:
    objects: dict[tuple[Json, ...], list[tuple[str, Mapping[str, Json]]]] = {}
    for number, shape in enumerate(shapes):
        place = f"{file.path}: shapes[{number}]"
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            draft.refuse(place, "expected an object with a label")
            continue
        kind, group = shape.get("shape_type") or "polygon", shape.get("group_id")
        if kind not in _AREAS:
            draft.refuse(
                place, f"expected one of {', '.join(_AREAS)}, got one that encloses nothing: {{}}", kind
            )
            continue
        is_part = kind == "polygon" and isinstance(group, int)
        key = ("group", group, shape["label"]) if is_part else ("shape", number)
        objects.setdefault(key, []).append((place, shape))
    for parts in objects.values():
        place, shape = parts[0]
        facts: dict[str, Json] = {"score": shape.get("score"), "attributes": _attributes(shape)}
        category = draft.category(shape["label"])
        kind = shape.get("shape_type") or "polygon"
        corners_given = shape.get("points")
        is_quad = kind == "rectangle" and isinstance(corners_given, list) and len(corners_given) == 4
        if kind in ("polygon", "rotation") or is_quad:
            draft.rings(place, image, category, [part.get("points", ()) for _, part in parts], **facts)
            continue
        corners = corner_pair(shape.get("points"))
        if corners is None:
            draft.refuse(place, f"expected two points of a {kind}")
            continue
        (x1, y1), (x2, y2) = corners
        if kind == "rectangle":
            box = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
            draft.box(place, image, category, box, **facts)
        elif kind == "circle":
            radius = math.hypot(x2 - x1, y2 - y1)
            draft.rings(place, image, category, [ellipse(x1, y1, radius, radius)], **facts)
        else:
            mask = _mask(shape.get("mask"), (x1, y1), size)
            if mask is None:
                draft.refuse(place, "expected a mask as PNG in base64 that lies within the image")
            else:
                draft.mask(place, image, category, mask, **facts)


def _attributes(shape: Mapping[str, Json]) -> Mapping[str, Json]:
    flags = shape.get("flags")
    found: dict[str, Json] = dict(flags) if isinstance(flags, dict) else {}
    if shape.get("description"):
        found["description"] = shape["description"]
    return found


def _mask(text: Json, top_left: tuple[float, float], size: tuple[int, int] | None) -> Rle | None:
    """Return the mask of a picture in a box, whose place is its first pixel; ``None`` if there is none."""
    pixels = picture_of_base64(text)
    if pixels is None or size is None:
        return None
    x, y = (round(side) for side in top_left)
    height, width = pixels.shape[:2]
    if x < 0 or y < 0 or x + width > size[1] or y + height > size[0]:
        return None
    return Rle.from_crop(pixels.reshape(height, width, -1)[..., 0] != 0, (y, x), size)


LABELME = Format(
    key="labelme",
    title="Labelme",
    suffix=".json",
    mime="application/json",
    holds="A JSON file for each image: polygons with cuts to holes; parts of an object share a group.",
    loses="Ids, crowds' mark, categories without instances.",
    members=_members,
    count=lambda export: len(export.images),
    kept=frozenset({"mask", "overlap", "score", "category name", "order"}),
    reader=Reader(
        suffixes=frozenset({".json"}),
        recognise=_recognise,
        read=_read,
        recognised_as="JSON with 'shapes' and 'imagePath'",
    ),
    used_by="labelme, AnyLabeling, X-AnyLabeling",
    per_image=True,
    judge="labelme, supervision",
)
