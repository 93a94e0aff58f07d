"""The store's rows as the values that it hands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Select

from maskrcnn_core.common.json_rows import parse_json
from maskrcnn_core.projects.db.seals import past_index, sealed_query
from maskrcnn_core.projects.db.tables import IMAGE, INSTANCE
from maskrcnn_core.projects.records import (
    STATUSES,
    CategoryRow,
    Doubts,
    Fact,
    ImageRow,
    InstanceRow,
    ProjectRow,
)

__all__ = [
    "category_row",
    "doubts_of",
    "fact_of",
    "image_row",
    "instance_row",
    "instances_query",
    "project_row",
]


def instances_query(project_id: int) -> Select[Any]:
    """Return a project's instances in the order in which they came, for :func:`instance_row`."""
    c = INSTANCE.c
    return (
        sealed_query(INSTANCE)
        .add_columns(IMAGE.c.height, IMAGE.c.width)
        .join(IMAGE, IMAGE.c.id == past_index(c.image_id))
        .where(past_index(c.project_id) == project_id, ~c.gone, ~IMAGE.c.gone)
        .order_by(c.id)
    )


def project_row(row: Sequence[Any]) -> ProjectRow:
    """Return a sealed row of the table of projects."""
    id_, name, description, made_at, made_by, archived, version, _gone, extra, _seal = row
    at = datetime.fromisoformat(made_at) if isinstance(made_at, str) else made_at
    made_at = at.replace(tzinfo=UTC)
    return ProjectRow(
        id_, name, description, made_at, made_by, version, parse_json(extra), is_archived=bool(archived)
    )


def category_row(row: Sequence[Any]) -> CategoryRow:
    """Return a sealed row of the table of categories."""
    id_, _project, coco_id, name, supercategory, color, version, _gone, extra, _seal = row
    return CategoryRow(id_, coco_id, name, supercategory, color, version, parse_json(extra))


def image_row(row: Sequence[Any]) -> ImageRow:
    """Return a sealed row of the table of images."""
    id_, _project, coco_id, file_name, width, height, digest, status, version, _gone, extra, _seal = row
    return ImageRow(id_, coco_id, file_name, width, height, digest, status, version, parse_json(extra))


def doubts_of(found: Mapping[str, Any] | None) -> Doubts | None:
    """Return what speaks against an instance, as its column has it."""
    return None if found is None else Doubts(**found)


def fact_of(row: Sequence[Any]) -> Fact | None:
    """Return what a fact's columns say, doubts as text; ``None`` for values that nobody has written."""
    id_, image_id, category_id, area, score, status, source, version, doubt = row
    if status not in STATUSES or not isinstance(area, int) or not isinstance(score, float | None):
        return None
    try:
        doubts = None if doubt is None else doubts_of(orjson.loads(doubt))
    except (TypeError, ValueError):
        return None
    return Fact(id_, image_id, category_id, area, score, status, source, version, doubts)


def instance_row(row: Sequence[Any]) -> InstanceRow:
    """Return a row of :func:`instances_query`, by place: asking by name costs three times as much."""
    id_, _project, image_id, category_id, coco_id, counts, polygons, area, box, score, status, *others = row
    source, is_crowd, given_box, given_area, candidate, doubt, version, _gone, extra, _seal, *size = others
    x, y, box_width, box_height = orjson.loads(box)  # ours, so of small numbers
    return InstanceRow(
        id=id_,
        image_id=image_id,
        category_id=category_id,
        coco_id=coco_id,
        size=(size[0], size[1]),
        counts=counts,
        polygons_json=polygons,  # most of a row, and parsed when somebody wants it
        area=area,
        box_xywh=(x, y, box_width, box_height),
        score=score,
        status=status,
        source=source,
        is_crowd=bool(is_crowd),
        given_box=None if given_box is None else tuple(orjson.loads(given_box)),
        given_area=given_area,
        candidate=candidate,
        version=version,
        extra={} if extra == "{}" else parse_json(extra),
        doubts=None if doubt is None else doubts_of(orjson.loads(doubt)),
    )
