"""What differs between two moments of a project: images, categories, and instances per image and category."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.projects.attributes import values_of
from maskrcnn_core.projects.image_tags import tags_of
from maskrcnn_core.projects.records import CategoryRow, ImageRow, InstanceRow
from maskrcnn_core.projects.snapshots.packing import Contents, columns_of

__all__ = ["CHANGES", "Comparison", "InstanceChange", "compare_contents"]

InstanceChange = Literal["added", "removed", "mask", "category", "status", "attributes", "other"]
CHANGES: tuple[InstanceChange, ...] = (
    "added",
    "removed",
    "mask",
    "category",
    "status",
    "attributes",
    "other",
)
"""What can have become of an instance; one may have changed in several ways."""


@dataclass(frozen=True)
class Comparison:
    """What changed from a first moment to a second one.

    Args:
        images_added, images_removed, categories_added, categories_removed: names.
        images_changed: names of images whose status, tags, name or file is another.
        categories_changed: names, as they are at the second moment, of those otherwise named or described.
        per_image: by the image's name, how many instances changed in each way.
        per_category: the same by category; a relabelled instance counts for the category that it has got.
    """

    images_added: tuple[str, ...]
    images_removed: tuple[str, ...]
    images_changed: tuple[str, ...]
    categories_added: tuple[str, ...]
    categories_removed: tuple[str, ...]
    categories_changed: tuple[str, ...]
    per_image: Mapping[str, Counter[InstanceChange]] = field(repr=False)
    per_category: Mapping[str, Counter[InstanceChange]] = field(repr=False)

    @property
    def totals(self) -> Counter[InstanceChange]:
        """How many instances changed in each way, in all images."""
        return sum(self.per_image.values(), Counter[InstanceChange]())

    @property
    def is_empty(self) -> bool:
        """Whether both moments are the same."""
        names = (
            self.images_added,
            self.images_removed,
            self.images_changed,
            self.categories_added,
            self.categories_removed,
            self.categories_changed,
        )
        return not any(names) and not self.per_image

    @property
    def told(self) -> str:
        """The numbers in words."""
        if self.is_empty:
            return "nothing differs"
        parts = [
            f"{what}: {counted(len(names), one, many)}"
            for what, names, one, many in (
                ("added", self.images_added, "image", ""),
                ("removed", self.images_removed, "image", ""),
                ("changed", self.images_changed, "image", ""),
                ("added", self.categories_added, "category", "categories"),
                ("removed", self.categories_removed, "category", "categories"),
                ("changed", self.categories_changed, "category", "categories"),
            )
            if names
        ]
        totals = self.totals
        instances = ", ".join(f"{totals[change]:,} {_TOLD[change]}" for change in CHANGES if totals[change])
        return "; ".join([*parts, *([f"instances: {instances}"] if instances else [])])


_TOLD: Mapping[InstanceChange, str] = {
    "added": "added",
    "removed": "removed",
    "mask": "with another mask",
    "category": "of another category",
    "status": "with another status",
    "attributes": "with other attributes",
    "other": "changed otherwise",
}


def compare_contents(first: Contents, second: Contents) -> Comparison:
    """Return what changed from one moment of a project to another one."""
    per_image: dict[str, Counter[InstanceChange]] = defaultdict(Counter)
    per_category: dict[str, Counter[InstanceChange]] = defaultdict(Counter)

    def count(row: InstanceRow, where: Contents, change: InstanceChange) -> None:
        per_image[where.images[row.image_id].file_name][change] += 1
        per_category[where.categories[row.category_id].name][change] += 1

    for id_, row in first.instances.items():
        if id_ not in second.instances:
            count(row, first, "removed")
    for id_, row in second.instances.items():
        before = first.instances.get(id_)
        for change in _ways(before, row):
            count(row, second, change)
    return Comparison(
        tuple(row.file_name for id_, row in second.images.items() if id_ not in first.images),
        tuple(row.file_name for id_, row in first.images.items() if id_ not in second.images),
        tuple(
            row.file_name
            for id_, row in second.images.items()
            if id_ in first.images and _image_differs(first.images[id_], row)
        ),
        tuple(row.name for id_, row in second.categories.items() if id_ not in first.categories),
        tuple(row.name for id_, row in first.categories.items() if id_ not in second.categories),
        tuple(
            row.name
            for id_, row in second.categories.items()
            if id_ in first.categories and _category_differs(first.categories[id_], row)
        ),
        dict(per_image),
        dict(per_category),
    )


def _image_differs(before: ImageRow, after: ImageRow) -> bool:
    # That somebody has looked at an image is no change that anybody made.
    stood = [row.status == "reviewed" for row in (before, after)]
    return (
        stood[0] != stood[1]
        or tags_of(before) != tags_of(after)
        or (before.file_name, before.digest) != (after.file_name, after.digest)
    )


def _category_differs(before: CategoryRow, after: CategoryRow) -> bool:
    return columns_of(before) != columns_of(after)


def _ways(before: InstanceRow | None, after: InstanceRow) -> list[InstanceChange]:
    if before is None:
        return ["added"]
    if before.version == after.version:
        return []
    ways: list[InstanceChange] = []
    if before.counts != after.counts:
        ways.append("mask")
    if before.category_id != after.category_id:
        ways.append("category")
    if before.status != after.status:
        ways.append("status")
    if dict(values_of(before)) != dict(values_of(after)) or before.is_crowd != after.is_crowd:
        ways.append("attributes")
    if not ways and columns_of(before) != columns_of(after):
        ways.append("other")
    return ways
