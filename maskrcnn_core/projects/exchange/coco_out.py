"""A project as a COCO file, with all that was imported with it and what only MaskDesk knows of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from maskrcnn_core.common.json_rows import parse_json
from maskrcnn_core.common.refusals import Groups
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.formats.coco import annotation_row
from maskrcnn_core.formats.coco_fields import OURS, is_turned, ours_of, read_area, read_box
from maskrcnn_core.formats.json_writing import Written, dump_json, dump_rows, join_members
from maskrcnn_core.projects.attributes import ATTRIBUTES, declared_by, schema_json
from maskrcnn_core.projects.exchange.own_rows import mark_of, project_mark
from maskrcnn_core.projects.image_tags import TAGS, tags_of
from maskrcnn_core.projects.records import CategoryRow, ImageRow, InstanceRow, Status
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.team.comments import COMMENTS, comments_of

__all__ = ["export_coco", "sizes_not_taken"]


def export_coco(
    store: Store,
    project_id: int,
    *,
    statuses: Collection[Status] = ("accepted", "proposed"),
    image_ids: Collection[int] | None = None,
    keep: Callable[[InstanceRow], bool] = lambda _row: True,
    mends: Groups | None = None,
) -> bytes:
    """Return a project as COCO JSON, with all that was imported with it.

    Args:
        store: where.
        project_id: which project.
        statuses: of the instances that are written. Images are written all, also those without any.
        image_ids: the store's ids of the only images to write; all where ``None``.
        keep: whether an instance is written, after all else.
        mends: counts what older projects hold and evaluators fail on, so that it is written otherwise.

    Returns:
        The file; the same project gives the same bytes.
    """
    project = store.project(project_id)
    images = [image for image in store.images(project_id) if image_ids is None or image.id in image_ids]
    categories = store.categories(project_id)
    told = Groups() if mends is None else mends
    coco_ids = {row.id: row.coco_id for row in images}
    category_ids = {row.id: row.coco_id for row in categories}
    rows = (
        _annotation_json(row, coco_ids[row.image_id], category_ids[row.category_id], told)
        for row in store.each_instance(project_id)
        if row.status in statuses
        and row.image_id in coco_ids
        and row.category_id in category_ids
        and keep(row)
    )
    document = {key: value for key, value in project.extra.items() if key != OURS}
    document.setdefault("info", {"description": project.name, "version": "1.0"})
    engines = {engine for image_id, engine in store.engines_of(project_id) if image_id in coco_ids}
    document["info"] = _with_engines(document["info"], sorted(engines))
    document.setdefault("licenses", [])
    members: dict[str, Iterable[bytes]] = {name: [dump_json(value)] for name, value in document.items()}
    members["images"] = dump_rows(_image_json(row) for row in images)
    members["annotations"] = dump_rows(rows)
    members["categories"] = dump_rows(_category_json(row) for row in categories)
    members[OURS] = [dump_json({"project": project_mark(project)})]
    return join_members(members)


def _with_engines(info: object, engines: Sequence[str]) -> object:
    """Add to a file's description what ran networks over its images, unless it stands there already."""
    if not isinstance(info, Mapping) or not isinstance(said := info.get("description", ""), str):
        return info  # an imported file's own form of it
    parts = [said, *(engine for engine in engines if engine not in said)]
    return info if len(parts) == 1 else {**info, "description": "; ".join(filter(None, parts))}


def _image_json(row: ImageRow) -> dict[str, Any]:
    ours: dict[str, Any] = {} if row.status == "new" else {"status": row.status}
    if tags := tags_of(row):
        ours[TAGS] = list(tags)
    if comments_of(row):
        ours[COMMENTS] = ours_of(row.extra)[COMMENTS]
    return (
        {"id": row.coco_id, "width": row.width, "height": row.height, "file_name": row.file_name}
        | ({"sha256": row.digest} if row.digest else {})
        | _extra_json(row.extra, ours)
    )


def _category_json(row: CategoryRow) -> dict[str, Any]:
    ours: dict[str, Any] = {"colour": row.color} if row.color else {}
    if schema := declared_by(row):
        ours[ATTRIBUTES] = schema_json(schema)
    written = {"id": row.coco_id, "name": row.name, "supercategory": row.supercategory}
    return written | _extra_json(row.extra, ours)


def _annotation_json(row: InstanceRow, image_id: int, category_id: int, mends: Groups) -> dict[str, Any]:
    if row.polygons_json is None:
        instance = Instance(image_id, category_id, row.mask, row.score, is_crowd=row.is_crowd)
        written = annotation_row(row.coco_id, instance)
        if ours_of(row.extra).get("counts") == "list":
            written["segmentation"] = {"size": list(row.size), "counts": row.mask.runs.tolist()}
    else:
        written = {
            "id": row.coco_id,
            "image_id": image_id,
            "category_id": category_id,
            "segmentation": _as_written(row.polygons_json),
            "area": row.area,
            "bbox": [float(side) for side in row.box_xywh],
            "iscrowd": int(row.is_crowd),
        } | ({} if row.score is None else {"score": row.score})
    extra = row.extra
    if extra and (wrong := sizes_not_taken(extra, mends)):
        extra = {key: value for key, value in extra.items() if key not in wrong}
    ours = {"status": row.status, "source": row.source, "mark": mark_of(row, category_id)}
    return written | _extra_json(extra, ours)


def sizes_not_taken(given: Mapping[str, Any], mends: Groups) -> list[str]:
    """Return which of an instance's ``area`` and ``bbox``, kept from a file, are no size; each is counted.

    An older project can hold what is no number, or negative; evaluators fail on such, or ignore it.
    """
    wrong = [key for key in _OF_A_MASK if key in given and not _is_size(key, given[key])]
    for key in wrong:
        mends.count("annotations", None, f".{key}", _NO_SIZE, given[key])
    return wrong


def _as_written(polygons: str) -> Written | Any:
    """Return polygons as they are kept, where that is how they are written.

    Older versions kept them otherwise.
    """
    return parse_json(polygons) if " " in polygons or "e" in polygons else Written(polygons)


def _is_size(key: str, value: Any) -> bool:
    """Return whether an area or box that came with a mask is one that evaluators take."""
    if key == "area":
        return read_area(value) is not None
    box = read_box(value)
    return box is not None and not is_turned(box)


_NO_SIZE = "kept from a file, but evaluators do not accept this size; the mask's own is written"
_OF_A_MASK = ("area", "bbox")


def _extra_json(extra: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was kept beside a row, to be written after what MaskDesk knows of it."""
    text_id = ours_of(extra).get("id")
    if text_id is not None:
        ours = {"id": text_id, **ours}
    written = {key: value for key, value in extra.items() if key != OURS}
    return written | ({OURS: ours} if ours else {})
