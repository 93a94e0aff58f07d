"""Supervisely's JSON, one file for each image in ``ann``, and ``meta.json`` (https://docs.supervisely.com/).

A bitmap is a PNG of the object's box, packed with zlib and base64, with the place of its first pixel.
"""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.formats.base import Export, Format, Member, named_images
from maskrcnn_core.formats.coco_fields import whole
from maskrcnn_core.formats.draft import Draft
from maskrcnn_core.formats.image_files import image_member, image_name
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.formats.packed import picture_of_base64
from maskrcnn_core.formats.reader import GivenFile, Reader, Surroundings, corner_pair, json_of, size_in
from maskrcnn_core.geometry.rle import Rle

__all__ = ["SUPERVISELY"]

_AREAS = ("polygon", "bitmap", "rectangle")


def _members(export: Export) -> Iterator[Member]:
    classes = [
        {"title": category.name, "shape": "bitmap", "color": export.color(category.id)}
        for category in export.categories
    ]
    yield Member("meta.json", dump_json({"classes": classes, "tags": []}))
    for place, (stem, name, image) in enumerate(named_images(export)):
        copy = image_name(image, stem, name, has_images=export.has_images)
        document = {
            "description": "",
            "tags": [],
            "size": {"height": image.record.height, "width": image.record.width},
            "objects": [_object(export, order, i) for order, i in enumerate(image.instances, start=1)],
        }
        yield Member(f"ds0/ann/{_safe(copy, stem)}.json", dump_json(document), image=place)
        if export.has_images:
            yield replace(image_member(image, f"ds0/img/{stem}"), image=place)


def _safe(name: str, stem: str) -> str:
    """Return an image's name as that of a file: the suffix is part of how its annotation is called."""
    suffix = PurePosixPath(name).suffix
    return f"{stem}{suffix if suffix[1:].isalnum() else '.png'}"


def _object(export: Export, order: int, instance: Instance) -> Json:
    x, y, _, _ = instance.box_xywh
    buffer = io.BytesIO()
    Image.fromarray(instance.mask.crop()).save(buffer, "PNG")
    packed = base64.b64encode(zlib.compress(buffer.getvalue())).decode("ascii")
    return {
        "id": order,
        "classTitle": export.names[instance.category_id],
        "description": "",
        "geometryType": "bitmap",
        "tags": [],
        "bitmap": {"data": packed, "origin": [x, y]},
    } | ({} if instance.score is None else {"score": instance.score})


def _recognise(file: GivenFile) -> bool:
    if PurePosixPath(file.path).name.casefold() == "meta.json":
        return b'"classes"' in file.data and b'"title"' in file.data
    return (b'"objects"' in file.data and b'"classTitle"' in file.data) or (
        PurePosixPath(file.folder).name == "ann" and b'"objects"' in file.data and b'"size"' in file.data
    )


def _read(files: Sequence[GivenFile], surroundings: Surroundings, draft: Draft) -> None:
    by_name: dict[str, list[str]] = {}
    for path in surroundings.images:
        by_name.setdefault(path.rpartition("/")[2], []).append(path)
    for file in sorted(files, key=lambda file: PurePosixPath(file.path).name.casefold() != "meta.json"):
        document = json_of(file, draft)
        if not isinstance(document, dict):
            continue
        for row in document.get("classes") or () if isinstance(document.get("classes"), list) else ():
            if isinstance(row, dict) and isinstance(row.get("title"), str):
                draft.category(row["title"], color=str(row.get("color") or ""))
        objects = document.get("objects")
        if not isinstance(objects, list):
            continue
        name = PurePosixPath(file.path).name.removesuffix(".json")
        paths = by_name.get(name, [])
        folder = "/".join([*file.folder.split("/")[:-1], "img"])
        own = [path for path in paths if path.rpartition("/")[0] in (folder, file.folder)] or paths
        given = document.get("size")
        size = size_in(given if isinstance(given, dict) else {}, "height", "width")
        image = draft.image(own[0] if own else name, size)
        for order, row in enumerate(objects):
            place = f"{file.path}: objects[{order}]"
            if isinstance(row, dict):
                _read_object(place, row, size, image, draft)
            else:
                draft.refuse(place, "expected an object")


def _read_object(
    place: str, row: Mapping[str, Json], size: tuple[int, int] | None, image: int, draft: Draft
) -> None:
    shape = row.get("geometryType")
    title = row.get("classTitle")
    category = draft.category(title if isinstance(title, str) else "")
    given = row.get("points")
    points: Mapping[str, Json] = given if isinstance(given, dict) else {}
    score = row.get("score")
    if shape == "polygon":
        holes = points.get("interior")
        draft.rings(
            place,
            image,
            category,
            [points.get("exterior") or []],
            holes=holes if isinstance(holes, list) else (),
            score=score,
        )
    elif shape == "bitmap":
        mask = _mask(row.get("bitmap"), size)
        if mask is None:
            draft.refuse(place, "expected a bitmap that lies within the image")
        else:
            draft.mask(place, image, category, mask, score=score)
    elif shape == "rectangle":
        corners = corner_pair(points.get("exterior"))
        if corners is None:
            draft.refuse(place, "expected two points of a rectangle")
        else:
            (x1, y1), (x2, y2) = corners
            # The second corner is the last pixel.
            draft.box(place, image, category, (x1, y1, x2 + 1, y2 + 1), score=score)
    else:
        draft.refuse(place, f"expected one of {', '.join(_AREAS)}, got {{}}", str(shape)[:40])


def _mask(bitmap: Json, size: tuple[int, int] | None) -> Rle | None:
    if not isinstance(bitmap, dict) or size is None:
        return None
    pixels = picture_of_base64(bitmap.get("data"), is_deflated=True)
    origin = bitmap.get("origin")
    if pixels is None or not isinstance(origin, list) or len(origin) != 2:
        return None
    x, y = (whole(side, 0, 2**16) for side in origin)
    # The last band is the transparency, where there are several.
    crop = (pixels if pixels.ndim == 2 else pixels[..., -1]) != 0
    if x is None or y is None or x + crop.shape[1] > size[1] or y + crop.shape[0] > size[0]:
        return None
    return Rle.from_crop(np.ascontiguousarray(crop), (y, x), size)


SUPERVISELY = Format(
    key="supervisely",
    title="Supervisely",
    suffix=".zip",
    mime="application/zip",
    holds="meta.json with classes and colours, and a JSON file of bitmaps for each image.",
    loses="Categories' and images' ids, crowds' mark.",
    members=_members,
    count=lambda export: 1 + len(export.images) * (2 if export.has_images else 1),
    kept=frozenset({"mask", "overlap", "score", "category name", "order"}),
    reader=Reader(
        suffixes=frozenset({".json"}),
        recognise=_recognise,
        read=_read,
        recognised_as="JSON with 'objects' and 'classTitle', and meta.json",
    ),
    used_by="Supervisely",
    brings_images=True,
    judge="Supervisely's rules",
)
