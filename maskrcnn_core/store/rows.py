"""The store's rows as the values that it hands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select, Text, cast, select

from maskrcnn_core.store.records import CategoryRow, Doubts, ImageRow, InstanceRow, ProjectRow
from maskrcnn_core.store.tables import IMAGE, INSTANCE

__all__ = ["category_row", "doubts_of", "image_row", "instance_row", "instances_query", "project_row"]


def instances_query(project_id: int) -> Select[Any]:
    """A project's instances in the order in which they came, for :func:`instance_row`."""
    c = INSTANCE.c
    columns = (
        c.id,
        c.image_id,
        c.category_id,
        c.coco_id,
        IMAGE.c.height,
        IMAGE.c.width,
        c.counts,
        cast(c.polygons, Text),  # most of a row, and parsed when somebody wants it
        c.area,
        c.box,
        c.score,
        c.status,
        c.source,
        c.is_crowd,
        c.given_box,
        c.given_area,
        c.candidate,
        c.version,
        c.extra,
        c.doubt,
    )
    return (
        select(*columns)
        .join(IMAGE, IMAGE.c.id == c.image_id)
        .where(c.project_id == project_id, ~c.gone, ~IMAGE.c.gone)
        .order_by(c.id)
    )


def project_row(row: Row[Any]) -> ProjectRow:
    """A row of the table of projects."""
    return ProjectRow(row.id, row.name, row.description, row.made_at, row.made_by, row.version, row.extra)


def category_row(row: Row[Any]) -> CategoryRow:
    """A row of the table of categories."""
    return CategoryRow(row.id, row.coco_id, row.name, row.supercategory, row.colour, row.version, row.extra)


def image_row(row: Row[Any]) -> ImageRow:
    """A row of the table of images."""
    return ImageRow(
        row.id,
        row.coco_id,
        row.file_name,
        row.width,
        row.height,
        row.digest,
        row.status,
        row.version,
        row.extra,
    )


def doubts_of(found: Mapping[str, Any] | None) -> Doubts | None:
    """What speaks against an instance, as its column has it."""
    return None if found is None else Doubts(**found)


def instance_row(row: Sequence[Any]) -> InstanceRow:
    """A row of :func:`instances_query`, by place: asking by name costs three times as much."""
    id_, image_id, category_id, coco_id, height, width, counts, polygons, area, box, *others = row
    score, status, source, is_crowd, given_box, given_area, candidate, version, extra, doubt = others
    x, y, box_width, box_height = box
    return InstanceRow(
        id=id_,
        image_id=image_id,
        category_id=category_id,
        coco_id=coco_id,
        size=(height, width),
        counts=counts,
        polygons_json=polygons,
        area=area,
        box_xywh=(x, y, box_width, box_height),
        score=score,
        status=status,
        source=source,
        is_crowd=is_crowd,
        given_box=None if given_box is None else tuple(given_box),
        given_area=given_area,
        candidate=candidate,
        version=version,
        extra=extra,
        doubts=doubts_of(doubt),
    )
