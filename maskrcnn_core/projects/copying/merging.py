"""A project into another one, in one decision; the source stays as it is.

The same image, by its content, is one image afterwards, with the instances of both; categories are the same
if they have the same name. An instance with the same mask and category is the same instance. Where the two
say different things, what the target says stays, both masks stay, and the report counts it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.dataset.annotations import UniqueNames
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.coco_fields import OURS, ours_of
from maskrcnn_core.geometry.rle import mask_iou
from maskrcnn_core.projects.attribute_edits import schema_extra
from maskrcnn_core.projects.attributes import declared_by, joined_schemas, values_of
from maskrcnn_core.projects.copying.copied_rows import (
    ProjectRows,
    copied_category,
    copied_image,
    copied_instance,
    copy_runs,
    rows_of,
)
from maskrcnn_core.projects.exchange.coco_ids import made_lines, renumbered_notes
from maskrcnn_core.projects.image_tags import tags_extra, tags_of
from maskrcnn_core.projects.journal import Change, New, Ref
from maskrcnn_core.projects.records import CategoryRow, ImageRow, InstanceRow
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.team.comments import MOST_COMMENTS, Comment, comments_extra, comments_of

__all__ = ["MERGE", "MergePlan", "MergeReport", "carry_out_merge", "plan_merge"]

MERGE = "merge project"
"""The journal's kind of this decision."""

SAME_OBJECT = 0.5
"""IoU from which two masks of a category are likely one object: COCO's lowest threshold."""


@dataclass(frozen=True)
class MergeReport:
    """What comes of a merge.

    Args:
        source, target: names of the projects.
        images, categories, instances: how many are new in the target.
        joined: images that both have.
        same: instances that both have.
        conflicts: where the two differ, in a sentence each, with the count.
        notes: what else is to be known.
    """

    source: str
    target: str
    images: int
    categories: int
    instances: int
    joined: int
    same: int
    conflicts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """The numbers in words."""
        return (
            f"{one_line(self.source)} into {one_line(self.target)}: {counted(self.images, 'new image')}, "
            f"{counted(self.joined, 'image')} of both, "
            f"{counted(self.categories, 'new category', 'new categories')}, "
            f"{counted(self.instances, 'new instance')}, {counted(self.same, 'instance')} of both"
        )


@dataclass(frozen=True)
class MergePlan:
    """A merge that has not been carried out.

    Args:
        target_id: the store's id of the project that takes everything in.
        changes: the decision.
        report: what will come of it.
        new_images: the source's ids of images that the target does not have, in the decision's order.
    """

    target_id: int
    changes: tuple[Change | New, ...] = field(repr=False)
    report: MergeReport
    new_images: tuple[int, ...] = field(repr=False)


def plan_merge(store: Store, source_id: int, target_id: int) -> MergePlan:
    """Find out what a merge would do; nothing is changed.

    Args:
        store: where both are.
        source_id: the project that is copied; it stays as it is.
        target_id: the project that takes everything in.

    Raises:
        InputError: if the two are one.
        StoreError: if there is no such project.
        DamageError: if one of them is damaged.
        ConflictError: if somebody is working in one of them right now.
    """
    if source_id == target_id:
        raise InputError("merge: expected two projects, got the same one twice")
    return _Merge(rows_of(store, source_id), rows_of(store, target_id)).plan()


def carry_out_merge(store: Store, plan: MergePlan, who: str) -> MergeReport:
    """Carry out a merge as it was planned, in one decision that undo takes back as a whole.

    Args:
        store: where.
        plan: of :func:`plan_merge`.
        who: for the target's journal.

    Raises:
        ConflictError: if somebody changed one of the rows since; then nothing is done.
        StoreError: if the target is archived or was deleted.
    """
    entry = store.decide(plan.target_id, who, MERGE, plan.changes) if plan.changes else None
    made = [line["id"] for line in made_lines(entry, "image")]
    copy_runs(store, dict(zip(plan.new_images, made, strict=True)))
    report = plan.report
    return replace(report, notes=(*report.notes, *renumbered_notes(entry)))


class _Merge:
    """The plan of a merge while it is being made."""

    def __init__(self, source: ProjectRows, target: ProjectRows) -> None:
        self.source, self.target = source, target
        self.changes: list[Change | New] = []
        self.made = Counter[str]()
        self.conflicts = Counter[str]()
        self.notes: list[str] = []
        self.joined = self.same = 0
        self.category_ids: dict[int, int | Ref] = {}
        self.image_ids: dict[int, int | Ref] = {}
        self.new_images: list[int] = []
        self.taken_numbers = {row.coco_id for row in target.instances}

    def plan(self) -> MergePlan:
        """Plan all of it."""
        self._plan_categories()
        self._plan_images()
        self._plan_instances()
        report = MergeReport(
            self.source.project.name,
            self.target.project.name,
            self.made["image"],
            self.made["category"],
            self.made["instance"],
            self.joined,
            self.same,
            tuple(tell(n) for what, tell in _CONFLICTS.items() if (n := self.conflicts[what])),
            tuple(self.notes),
        )
        return MergePlan(self.target.project.id, tuple(self.changes), report, tuple(self.new_images))

    def _add(self, new: New) -> None:
        self.changes.append(new)
        self.made[new.table] += 1

    # -- categories -----------------------------------------------------------------------------------

    def _plan_categories(self) -> None:
        there = {row.name: row for row in self.target.categories}
        text_ids = _text_ids(self.target.categories)
        for row in self.source.categories:
            if row.name in there:
                self.category_ids[row.id] = there[row.name].id
                self._join_category(row, there[row.name])
                continue
            key = ("category", row.id)
            self.category_ids[row.id] = Ref(key)
            self._add(copied_category(row, key, extra=self._without_taken_id(row, text_ids)))

    def _join_category(self, row: CategoryRow, there: CategoryRow) -> None:
        schema, clashes = joined_schemas(declared_by(there), declared_by(row))
        self.conflicts["declared"] += len(clashes)
        self.conflicts["grouping"] += row.supercategory != there.supercategory
        extra = {**row.extra, **there.extra}
        self.conflicts["keys"] += _clashes(row.extra, there.extra)
        extra = schema_extra({**extra, OURS: ours_of(there.extra)}, schema)
        if extra != there.extra:
            self.changes.append(Change("category", there.id, there.version, {"extra": extra}))

    # -- images ---------------------------------------------------------------------------------------

    def _plan_images(self) -> None:
        by_digest: dict[str, ImageRow] = {}
        for image in self.target.images:
            if image.digest:
                by_digest.setdefault(image.digest, image)
        by_name = {(image.file_name, image.width, image.height): image for image in self.target.images}
        names = UniqueNames(image.file_name for image in self.target.images)
        text_ids = _text_ids(self.target.images)
        joins: dict[int, list[ImageRow]] = defaultdict(list)
        there_by_id = {image.id: image for image in self.target.images}
        renamed = 0
        for row in self.source.images:
            there = by_digest.get(row.digest) if row.digest else None
            named = by_name.get((row.file_name, row.width, row.height))
            # A record that nobody has brought is known by its name and size alone.
            if there is None and named is not None and not (row.digest and named.digest):
                there = named
            if there is not None:
                self.image_ids[row.id] = there.id
                joins[there.id].append(row)
                continue
            key = ("image", row.id)
            self.image_ids[row.id] = Ref(key)
            name = names.take(row.file_name)
            renamed += name != row.file_name
            extra = self._without_taken_id(row, text_ids)
            if comments := comments_of(row):
                extra = comments_extra(extra, list(map(self._renumbered, comments)))
            self._add(copied_image(row, key, file_name=name, extra=extra))
            self.new_images.append(row.id)
        for id_, rows in joins.items():
            self._join_image(rows, there_by_id[id_])
        if renamed:
            have = "has the name of another image" if renamed == 1 else "have names of other images"
            self.notes.append(f"{counted(renamed, 'new image')} {have}, and got a number after it")

    def _join_image(self, rows: list[ImageRow], there: ImageRow) -> None:
        self.joined += len(rows)
        values: dict[str, Any] = {}
        extra, tags, comments = dict(there.extra), set(tags_of(there)), comments_of(there)
        for row in rows:
            self.conflicts["image status"] += row.status != there.status
            self.conflicts["keys"] += _clashes(row.extra, there.extra)
            extra = {**{key: value for key, value in row.extra.items() if key != OURS}, **extra}
            tags |= set(tags_of(row))
            comments = self._joined_comments(comments, comments_of(row))
            if row.digest and not there.digest:
                values["digest"] = row.digest
        extra = tags_extra(extra, tags)
        if comments != comments_of(there):
            extra = comments_extra(extra, comments)
        if extra != there.extra:
            values["extra"] = extra
        if values:
            self.changes.append(Change("image", there.id, there.version, values))

    def _joined_comments(
        self, there: tuple[Comment, ...], others: tuple[Comment, ...]
    ) -> tuple[Comment, ...]:
        """Return the comments of both; one that the target does not have gets the next number."""
        for one in others:
            if any(replace(one, id=known.id) == known for known in there):
                continue
            one = self._renumbered(one)
            if len(there) >= MOST_COMMENTS:
                self.conflicts["comments"] += 1
                continue
            number = max((known.id for known in there), default=0) + 1
            there = (*there, replace(one, id=number))
        return there

    def _renumbered(self, one: Comment) -> Comment:
        """Return a comment that is about its place alone, where its instance gets another number."""
        return replace(one, instance=None) if one.instance in self.taken_numbers else one

    def _without_taken_id(self, row: CategoryRow | ImageRow, taken: set[str]) -> dict[str, Any]:
        """Return what is kept beside a row, without a text id that another row of the target has."""
        extra, ours = dict(row.extra), dict(ours_of(row.extra))
        text = ours.get("id")
        if not isinstance(text, str):
            return extra
        if text not in taken:
            taken.add(text)
            return extra
        self.conflicts["text id"] += 1
        del ours["id"]
        extra.pop(OURS)
        return extra | ({OURS: ours} if ours else {})

    # -- instances ------------------------------------------------------------------------------------

    def _plan_instances(self) -> None:
        joined = {id_ for id_ in self.image_ids.values() if isinstance(id_, int)}
        of_image: dict[int, list[InstanceRow]] = defaultdict(list)
        for row in self.target.instances:
            if row.image_id in joined:
                of_image[row.image_id].append(row)
        for row in self.source.instances:
            image_id, category_id = self.image_ids[row.image_id], self.category_ids[row.category_id]
            if isinstance(image_id, int):
                twin = self._twin(row, category_id, of_image[image_id])
                if twin is not None:
                    of_image[image_id].remove(twin)  # it stands for one instance of the source, not for two
                    self.same += 1
                    self.conflicts["said"] += _is_said_otherwise(row, twin)
                    continue
                self._note_overlap(row, category_id, of_image[image_id])
            self._add(copied_instance(row, image_id, category_id))

    def _twin(
        self, row: InstanceRow, category_id: int | Ref, there: Iterable[InstanceRow]
    ) -> InstanceRow | None:
        alike = (other for other in there if other.counts == row.counts and other.category_id == category_id)
        return next(alike, None)

    def _note_overlap(self, row: InstanceRow, category_id: int | Ref, there: Iterable[InstanceRow]) -> None:
        near = [other for other in there if _meet(row, other)]
        if any(other.counts == row.counts for other in near):
            self.conflicts["category"] += 1
        elif any(
            other.category_id == category_id and mask_iou(row.mask, other.mask) >= SAME_OBJECT
            for other in near
        ):
            self.conflicts["overlap"] += 1


def _meet(first: InstanceRow, second: InstanceRow) -> bool:
    """Return whether two boxes have pixels in common."""
    ax, ay, aw, ah = first.box_xywh
    bx, by, bw, bh = second.box_xywh
    return first.size == second.size and ax < bx + bw and bx < ax + aw and ay < by + bh and by < ay + ah


def _is_said_otherwise(row: InstanceRow, there: InstanceRow) -> bool:
    return (
        row.status != there.status
        or row.is_crowd != there.is_crowd
        or dict(values_of(row)) != dict(values_of(there))
    )


def _clashes(first: Mapping[str, Any], second: Mapping[str, Any]) -> int:
    """Return how many keys that a file brought have other values in two rows."""
    return sum(key in second and second[key] != value for key, value in first.items() if key != OURS)


def _text_ids(rows: Iterable[CategoryRow | ImageRow]) -> set[str]:
    kept = (ours_of(row.extra).get("id") for row in rows)
    return {text for text in kept if isinstance(text, str)}


_CONFLICTS: Mapping[str, Callable[[int], str]] = {
    "declared": lambda n: (
        f"{counted(n, 'attribute is', 'attributes are')} declared otherwise; the target's declaration stays"
    ),
    "grouping": lambda n: (
        f"{counted(n, 'category has', 'categories have')} another supercategory; the target's stays"
    ),
    "keys": lambda n: f"{counted(n, 'value')} of imported files {_differ(n)}; the target's stays",
    "image status": lambda n: f"{counted(n, 'image')} of both {_differ(n)} in status; the target's stays",
    "comments": lambda n: (
        f"{counted(n, 'comment')} {'is' if n == 1 else 'are'} left out: an image has at most {MOST_COMMENTS}"
    ),
    "text id": lambda n: (
        f"{counted(n, 'text id')} {'is' if n == 1 else 'are'} taken in the target; left out, "
        "the number is used instead"
    ),
    "said": lambda n: (
        f"{counted(n, 'instance')} of both {_differ(n)} in status, crowd or attributes; what "
        "the target says stays"
    ),
    "category": lambda n: (
        f"{counted(n, 'mask has', 'masks have')} another category in the target; both instances are kept"
    ),
    "overlap": lambda n: (
        f"{counted(n, 'instance')} {'overlaps' if n == 1 else 'overlap'} one of the same "
        "category in the target; both are kept"
    ),
}
"""What is said of a number of differences, in this order."""


def _differ(count: int) -> str:
    return "differs" if count == 1 else "differ"
