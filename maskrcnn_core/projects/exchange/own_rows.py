"""A project's own export that comes back changed: which of its rows are which instances.

An export says which project it is of, and each annotation carries a mark of what its instance was then. So an
instance that nobody has changed since is changed as the file says; where both were changed, both are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.formats.coco_fields import OURS, ours_of
from maskrcnn_core.formats.coco_file import CocoRow
from maskrcnn_core.geometry.rle import mask_iou
from maskrcnn_core.projects.attributes import values_of
from maskrcnn_core.projects.new_rows import mask_values
from maskrcnn_core.projects.records import STATUSES, InstanceRow, ProjectRow, Status

__all__ = [
    "Verdict",
    "changed_values",
    "differing",
    "instance_mark",
    "is_own",
    "mark_of",
    "project_mark",
    "verdict_on",
]

Verdict = Literal["same", "changed", "changed here", "changed twice", "another"]
"""Of a row and the instance that has its id: neither was changed; only the row was, or may have been; only
the instance was; both were, differently; the row is of another instance."""

_OF_A_MASK = ("area", "bbox")
_LEAST_IOU = 0.5
"""Of a mask with its instance, in exports of older versions, which carry no marks."""


def project_mark(project: ProjectRow) -> str:
    """Return what a project's exports are known by; a project that began with an export has that one's."""
    kept = ours_of(project.extra).get("project")
    if isinstance(kept, str):
        return kept
    made = f"{project.id} {project.made_at.isoformat()} {project.made_by}"
    return hashlib.sha256(made.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def is_own(ours: Mapping[str, Any], project: ProjectRow) -> bool:
    """Return whether a file was a project's own export, or may be one of an older version, without a mark.

    Args:
        ours: what the file says for MaskDesk alone.
        project: which project.
    """
    own = project_mark(project)
    return bool(ours.get("project", own) == own)


def instance_mark(
    category: int,
    is_crowd: bool,
    score: float | None,
    status: str,
    counts: str,
    attributes: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """Return a short digest of what an instance is: other marks mean that somebody changed it.

    Args:
        category: its id in files.
        is_crowd, score, status, counts: as in :class:`~maskrcnn_core.projects.records.InstanceRow`.
        attributes: what is said of it; without any the mark is that of older versions.
    """
    content = f"{category} {int(is_crowd)} {score!r} {status} {counts}"
    if attributes:
        content += f" {json.dumps(attributes, sort_keys=True)}"
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


def mark_of(row: InstanceRow, category: int) -> str:
    """Return the mark of a project's instance; ``category`` is the id in files."""
    return instance_mark(category, row.is_crowd, row.score, row.status, row.counts, values_of(row))


def verdict_on(
    row: CocoRow[Instance], there: InstanceRow, category: int | None, category_there: int
) -> Verdict:
    """Compare a row of an own export with the instance of its image that has its id.

    Args:
        row: of the file.
        there: of the project.
        category: the id in this project's files of the row's category; ``None`` for one that is new.
        category_there: that of the instance's category.
    """
    instance, ours = row.value, ours_of(row.raw)
    if not ours:
        return "another"
    status = ours.get("status") if ours.get("status") in STATUSES else there.status
    now = mark_of(there, category_there)
    found = category is not None and instance_mark(
        category, instance.is_crowd, instance.score, str(status), instance.mask.counts, values_of(row.extra)
    )
    then = ours.get("mark")
    if found == now and then is None:
        return "same"
    if then is None:
        alike = category == category_there and mask_iou(instance.mask, there.mask) >= _LEAST_IOU
        return "changed" if alike else "another"
    if then == now:
        return "changed"
    if found == now:
        return "same"
    if found == then:  # ids of copies of a project may have gone different ways since
        return "changed here" if mask_iou(instance.mask, there.mask) > 0 else "another"
    return "changed twice"


def changed_values(row: CocoRow[Instance], there: InstanceRow, category_id: int) -> dict[str, Any]:
    """Return the columns of an instance that a changed row wants otherwise; for other rows none.

    Keys that the file does not have any more stay: other programs drop what they do not know.
    """
    instance = row.value
    wanted: dict[str, Any] = {"category_id": category_id, "is_crowd": instance.is_crowd}
    if instance.score is not None:
        wanted["score"] = instance.score
    if (status := ours_of(row.raw).get("status")) in STATUSES:
        wanted["status"] = _status(status)
    kept = {key: value for key, value in there.extra.items() if key not in _OF_A_MASK}
    ours = dict(ours_of(there.extra))
    of_mask = {key: value for key, value in there.extra.items() if key in _OF_A_MASK}
    if instance.mask.counts != there.counts:
        wanted |= mask_values(instance.mask, row.polygons)
        of_mask = _fresh(row, there)
        wanted["given_area"] = instance.given_area if "area" in of_mask else None
        wanted["given_box"] = list(instance.given_box) if "bbox" in of_mask and instance.given_box else None
        ours.pop("counts", None)
        ours |= {"counts": "list"} if row.is_listed else {}
    elif there.polygons is not None and row.polygons is not None:
        wanted["polygons"] = row.polygons
    kept.pop(OURS, None)
    wanted["extra"] = {**kept, **row.extra, **of_mask} | ({OURS: ours} if ours else {})
    return {name: value for name, value in wanted.items() if _column(there, name) != value}


def differing(row: CocoRow[Instance]) -> dict[str, Any]:
    """Return a file's own area and box, as it writes them, where ours would be others."""
    instance, found = row.value, {}
    if instance.given_area is not None:
        area = row.raw["area"]
        if area != instance.area or type(area) is not int:
            found["area"] = area
    if instance.given_box is not None:
        box = row.raw["bbox"]
        if box != list(instance.box_xywh) or not all(type(side) is float for side in box):
            found["bbox"] = box
    return found


def _fresh(row: CocoRow[Instance], there: InstanceRow) -> dict[str, Any]:
    """Return a changed row's area and box, but for those that are left over from the mask before."""
    before: Mapping[str, Any] = {"area": there.area, "bbox": list(there.box_xywh)} | dict(there.extra)
    return {key: value for key, value in differing(row).items() if value != before[key]}


def _status(value: Any) -> Status:
    return next(status for status in STATUSES if status == value)


def _column(there: InstanceRow, name: str) -> Any:
    if name == "box":
        return list(there.box_xywh)
    value = getattr(there, name)
    return list(value) if isinstance(value, tuple) else value
