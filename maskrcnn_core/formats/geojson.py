"""GeoJSON (RFC 7946) as QuPath writes and reads it (https://qupath.readthedocs.io/).

One file for each image, which it does not name: the file is called as the image is. Rings are closed, in
pixels with corners at whole numbers and y down; holes are rings of their own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence

from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.common.refusals import kind
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.formats.base import Export, Format, Member, named_images
from maskrcnn_core.formats.coco_fields import number
from maskrcnn_core.formats.draft import Draft
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.formats.reader import GivenFile, Reader, Surroundings, image_of_stem, json_of
from maskrcnn_core.formats.shapes import closed, parts_with_holes, traced

__all__ = ["GEOJSON"]

_OBJECTS = uuid.UUID("6d61736b-6465-736b-6f62-6a6563747300")
"""Namespace of the objects' ids: the same instance gets the same id in each export."""


def _members(export: Export) -> Iterator[Member]:
    for place, (stem, _, image) in enumerate(named_images(export)):
        key = image.record.digest or image.record.file_name
        rows = [_feature(export, f"{key} {n}", instance) for n, instance in enumerate(image.instances)]
        yield Member(
            f"{stem}.geojson", dump_json({"type": "FeatureCollection", "features": rows}), image=place
        )


def _feature(export: Export, key: str, instance: Instance) -> Json:
    parts = [
        [closed(ring) for ring in (part, *holes)]
        for part, holes in parts_with_holes(traced(instance, export.tolerance))
    ]
    geometry: Json = (
        {"type": "Polygon", "coordinates": parts[0]}
        if len(parts) == 1
        else {"type": "MultiPolygon", "coordinates": parts}
    )
    hex_color = export.color(instance.category_id)
    properties: dict[str, Json] = {
        "objectType": "annotation",
        "classification": {
            "name": export.names[instance.category_id],
            "color": [int(hex_color[at : at + 2], 16) for at in (1, 3, 5)],
        },
        "isLocked": False,
    }
    if instance.score is not None:
        properties["measurements"] = {"score": instance.score}
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(_OBJECTS, key)),
        "geometry": geometry,
        "properties": properties,
    }


def _recognise(file: GivenFile) -> bool:
    return b'"FeatureCollection"' in file.data or (b'"geometry"' in file.data and b'"Feature"' in file.data)


def _read(files: Sequence[GivenFile], surroundings: Surroundings, draft: Draft) -> None:
    for file in files:
        document = json_of(file, draft)
        rows = document.get("features") if isinstance(document, dict) else document
        if isinstance(document, dict) and document.get("type") == "Feature":
            rows = [document]
        if not isinstance(rows, list):
            if document is not None:
                draft.refuse(file.path, "expected a FeatureCollection or a list of features", kind(document))
            continue
        path = image_of_stem(file, surroundings.images, draft)
        if path is None:
            continue
        image = draft.image(path, surroundings.size(path))
        for order, row in enumerate(rows):
            _read_feature(f"{file.path}: features[{order}]", row, image, draft)


def _read_feature(place: str, row: Json, image: int, draft: Draft) -> None:
    geometry = row.get("geometry") if isinstance(row, dict) else None
    if not isinstance(geometry, dict):
        draft.refuse(place, "expected an object with a geometry")
        return
    shape, rings = geometry.get("type"), geometry.get("coordinates")
    if shape not in ("Polygon", "MultiPolygon"):
        draft.refuse(place, "expected a Polygon or a MultiPolygon, got {}", str(shape)[:40])
        return
    given = row.get("properties")
    properties: Mapping[str, Json] = given if isinstance(given, dict) else {}
    parts = [rings] if shape == "Polygon" else rings
    if not isinstance(parts, list) or not all(isinstance(part, list) and part for part in parts):
        draft.refuse(place, f"expected the rings of a {shape}")
        return
    name, color = _class(properties)
    if "nucleusGeometry" in row:
        draft.note(place, "a nucleus within the cell; it is left out")
    draft.rings(
        place,
        image,
        draft.category(name, color=color),
        [part[0] for part in parts],
        holes=[hole for part in parts for hole in part[1:]],
        score=_score(properties),
    )


def _class(properties: Mapping[str, Json]) -> tuple[str, str]:
    """Return the name and the color of a feature's classification, in any of QuPath's versions."""
    found = properties.get("classification")
    if isinstance(found, str):
        return found, ""
    if not isinstance(found, dict):
        name = properties.get("name")
        return (name, "") if isinstance(name, str) else ("", "")
    name, names = found.get("name"), found.get("names")
    if isinstance(names, list) and not isinstance(name, str):
        name = ": ".join(map(str, names))
    return (name if isinstance(name, str) else ""), _color(found)


def _color(found: Mapping[str, Json]) -> str:
    color = found.get("color")
    if isinstance(color, list) and len(color) == 3 and all(_is_byte(value) for value in color):
        return "#{:02x}{:02x}{:02x}".format(*color)
    packed = found.get("colorRGB")
    return f"#{packed & 0xFFFFFF:06x}" if isinstance(packed, int) else ""


def _is_byte(value: Json) -> bool:
    return isinstance(value, int) and 0 <= value <= 255


def _score(properties: Mapping[str, Json]) -> float | None:
    """Return the measurement called score; older versions have a list of measurements."""
    found = properties.get("measurements")
    if isinstance(found, list):
        found = {row.get("name"): row.get("value") for row in found if isinstance(row, dict)}
    return number(found.get("score")) if isinstance(found, dict) else None


GEOJSON = Format(
    key="geojson",
    title="GeoJSON (QuPath)",
    suffix=".geojson",
    mime="application/geo+json",
    holds="A file for each image: polygons with their holes, classes with colours, scores as measurements.",
    loses="Categories' and images' ids, crowds' mark.",
    members=_members,
    count=lambda export: len(export.images),
    kept=frozenset({"mask", "overlap", "score", "category name", "order"}),
    reader=Reader(
        suffixes=frozenset({".geojson", ".json"}),
        recognise=_recognise,
        read=_read,
        recognised_as="JSON with 'Feature' and 'geometry'",
    ),
    used_by="QuPath, GeoPandas, shapely",
    per_image=True,
    judge="geopandas, shapely",
)
