"""Annotations of a COCO file into a project: which are new, which are there, what an own export changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.formats.coco_fields import ours_of
from maskrcnn_core.formats.coco_file import CocoRow, GivenBox
from maskrcnn_core.projects.exchange.import_draft import ImportDraft, extra_of
from maskrcnn_core.projects.exchange.own_fields import checked_ours
from maskrcnn_core.projects.exchange.own_rows import Verdict, changed_values, differing, verdict_on
from maskrcnn_core.projects.journal import Change, New, Ref, WantedId
from maskrcnn_core.projects.new_rows import new_instance
from maskrcnn_core.projects.records import InstanceRow, Status

__all__ = ["plan_instances"]

_TOLD: dict[Verdict, str] = {
    "changed": "of this project were changed in the file; they now match it",
    "changed here": "of this project were changed here since the file was written; they stay as they are",
    "changed twice": "were changed both in the file and here after it was written; both versions are kept",
}
"""What is said of a number of rows of a project's own export."""

_OUTSIDE = "no pixel of it is inside the image"


def plan_instances(draft: ImportDraft) -> None:
    """Plan all annotations of the file, whose categories and images are planned already."""
    there, filled = _there(draft)
    category_ids = {row.id: row.coco_id for row in draft.store.categories(draft.project_id)}
    verdicts = Counter[Verdict]()
    file = draft.file
    without = draft.without
    listed: set[int] = set()
    for row in file.annotations():
        draft.step(500)
        value = row.value
        if draft.own:
            listed.add(row.id)
        image_id, category_id = (
            draft.image_ids.get(value.image_id),
            draft.category_ids.get(value.category_id),
        )
        if image_id is None or category_id is None:
            without["image" if image_id is None else "category"] += 1
            continue
        if isinstance(value, GivenBox):
            _plan_box(draft, cast(CocoRow[GivenBox], row), (image_id, category_id, value.box) in filled)
            continue
        if not value.mask.area:
            what = "its run lengths contain no pixel" if row.polygons is None else _OUTSIDE
            draft.pixelless.count("annotations", row.index, ".segmentation", what)
            continue
        found = cast(CocoRow[Instance], row)
        mine = draft.own.get(row.id)
        if mine is not None and mine.image_id == image_id:
            verdict = _compare(draft, found, mine, category_id, category_ids)
            verdicts[verdict] += 1
            if verdict in ("same", "changed", "changed here"):
                draft.there += 1
                continue
        if (image_id, category_id, value.mask.counts) in there:
            draft.there += 1
            continue
        draft.add(_new_instance(draft, found, image_id, category_id))
    _tell_own(draft, verdicts, listed)


def _there(draft: ImportDraft) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
    """Return what the project has: image, category and run lengths of masks, and the filled boxes."""
    masks: set[tuple[Any, ...]] = set()
    filled: set[tuple[Any, ...]] = set()
    for row in draft.store.each_instance(draft.project_id):
        masks.add((row.image_id, row.category_id, row.counts))
        if box := ours_of(row.extra).get("box") or row.given_box:
            filled.add((row.image_id, row.category_id, tuple(box)))
    return masks, filled


def _compare(
    draft: ImportDraft,
    row: CocoRow[Instance],
    mine: InstanceRow,
    category_id: int | Ref,
    category_ids: Mapping[int, int],
) -> Verdict:
    """Compare a row of an own export with the instance of its id.

    Change that if only the file changed.
    """
    category = None if isinstance(category_id, Ref) else category_ids[category_id]
    verdict = verdict_on(row, mine, category, category_ids.get(mine.category_id, -1))
    if verdict != "changed":
        return verdict
    if isinstance(category_id, Ref):
        return "changed twice"  # a row that is changed cannot take a category that is yet to be made
    values = changed_values(row, mine, category_id)
    if values:
        draft.changes.append(Change("instance", mine.id, mine.version, values))
        draft.changed += 1
    return verdict if values else "same"


def _tell_own(draft: ImportDraft, verdicts: Counter[Verdict], listed: set[int]) -> None:
    """Report what became of a project's own instances, and that those which the file lacks stay."""
    for verdict, text in _TOLD.items():
        if count := verdicts[verdict]:
            draft.notes.append(f"annotations: {count} {text}")
    if "project" in draft.ours and draft.is_own:
        images = set(draft.image_ids.values())
        lacking = sum(row.coco_id not in listed and row.image_id in images for row in draft.instances)
        if lacking:
            draft.notes.append(
                "1 annotation of these images is not in the file; it stays as it is"
                if lacking == 1
                else f"{lacking} annotations of these images are not in the file; they stay as they are"
            )


def _plan_box(draft: ImportDraft, row: CocoRow[GivenBox], is_filled: bool) -> None:
    """Keep a box until somebody has it filled, unless it has been filled already."""
    if is_filled:
        draft.there += 1
        return
    draft.unnumbered.append(row)


def _new_instance(
    draft: ImportDraft, row: CocoRow[Instance], image_id: int | Ref, category_id: int | Ref
) -> New:
    instance, ours = row.value, checked_ours("annotations", row.index, row.raw, draft.mends)
    extra = row.extra
    if row.text_id or row.is_listed:
        extra = extra_of(row, row.text_id, **({"counts": "list"} if row.is_listed else {}))
    return new_instance(
        image_id,
        category_id,
        WantedId(row.id),
        instance.mask,
        source=ours.get("source", "file"),
        status=ours["status"] if "status" in ours else _status_of(row),
        score=instance.score,
        polygons=row.polygons,
        is_crowd=instance.is_crowd,
        given_box=instance.given_box,
        given_area=instance.given_area,
        extra={**extra, **differing(row)},
    )


def _status_of(row: CocoRow[Instance]) -> Status:
    """Return a status: with a readable score, a model's proposal; without one, accepted."""
    return "accepted" if row.value.score is None else "proposed"
