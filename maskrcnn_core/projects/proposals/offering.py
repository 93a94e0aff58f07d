"""What offering a model's detections changes in an image, where what people have decided stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.geometry.rle import Rle, mask_iou
from maskrcnn_core.projects.db.tables import INSTANCE, JOURNAL
from maskrcnn_core.projects.journal import Change, New
from maskrcnn_core.projects.new_rows import new_instance
from maskrcnn_core.projects.records import PERSONAL_SOURCES, Doubts, Fact, ImageRow, InstanceRow
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.undo.piles import PROPOSE

__all__ = ["DUPLICATE", "SAME_OBJECT", "Offer", "OfferCounts", "changes_of", "is_untouched"]

SAME_OBJECT = 0.5
"""Mask IoU from which on a detection is the object that somebody has decided on already."""

DUPLICATE = 0.75
"""Mask IoU from which on proposals of one category by two models are one: what two networks draw of an object
differs by a rim, and different objects of one kind hardly ever overlap that much."""


@dataclass
class OfferCounts:
    """What offering did."""

    new: int = 0
    replaced: int = 0
    decided: int = 0
    there: Counter[str] = field(default_factory=Counter)

    def add(self, other: OfferCounts) -> None:
        """Count another image's, too."""
        self.new += other.new
        self.replaced += other.replaced
        self.decided += other.decided
        self.there += other.there


@dataclass(frozen=True)
class Offer:
    """A detection on its way into a project."""

    instance: Instance
    category_id: int
    doubts: Doubts


def changes_of(
    store: Store,
    project_id: int,
    image: ImageRow,
    source: str,
    wanted: Sequence[Offer],
    categories: Collection[int],
) -> tuple[list[Change | New], OfferCounts]:
    """Return what an offer changes: of this model's untouched proposals of these categories, and new ones."""
    rows = store.instances(project_id, image_id=image.id)
    decided = [row.mask for row in rows if not is_untouched(row)]
    decided += _removed_masks(store, image)
    own = [r for r in rows if is_untouched(r) and r.source == source and r.category_id in categories]
    others = [row for row in rows if is_untouched(row) and row.source != source]
    same = {(row.category_id, row.counts, row.score): row for row in own}
    counts = OfferCounts()
    changes: list[Change | New] = []
    kept: set[int] = set()
    for offer in wanted:
        instance = offer.instance
        if any(mask_iou(instance.mask, mask) >= SAME_OBJECT for mask in decided):
            counts.decided += 1
            continue
        there = same.get((offer.category_id, instance.mask.counts, instance.score)) or _duplicate(
            offer, others
        )
        if there is not None:
            counts.there[there.source] += 1
            kept.add(there.id)
            continue
        changes.append(
            new_instance(
                image.id,
                offer.category_id,
                None,
                instance.mask,
                source=source,
                score=instance.score,
                given_box=instance.given_box,
                candidate=instance.row,
                doubts=offer.doubts,
            )
        )
        counts.new += 1
    gone = [row for row in own if row.id not in kept]
    counts.replaced = len(gone)
    return [*(Change("instance", row.id, row.version, {"gone": True}) for row in gone), *changes], counts


def _duplicate(offer: Offer, rows: Sequence[InstanceRow]) -> InstanceRow | None:
    """Return a row of the same object and category as an offer, if there is one."""
    mask = offer.instance.mask
    alike = (r for r in rows if r.category_id == offer.category_id and mask_iou(mask, r.mask) >= DUPLICATE)
    return next(alike, None)


def is_untouched(row: InstanceRow | Fact) -> bool:
    """Return whether a model offers it, and nobody has decided or changed anything about it."""
    return row.status == "proposed" and row.source not in PERSONAL_SOURCES and row.version == 1


def _removed_masks(store: Store, image: ImageRow) -> list[Rle]:
    """Return the masks that people removed from an image: that is a decision about the object, too."""
    with store.reading() as connection:
        query = select(INSTANCE.c.id, INSTANCE.c.counts).where(
            INSTANCE.c.image_id == image.id, INSTANCE.c.gone
        )
        gone = {row.id: row.counts for row in connection.execute(query)}
        if not gone:
            return []
        entries = select(JOURNAL.c.kind, JOURNAL.c.changes).where(
            JOURNAL.c.image_id == image.id, ~JOURNAL.c.is_refused
        )
        by: dict[int, str] = {}
        for entry in connection.execute(entries.order_by(JOURNAL.c.id)):
            for line in entry.changes:
                if line["table"] == "instance" and line.get("after", {}).get("gone") is True:
                    by[line["id"]] = entry.kind
    size = image.height, image.width
    return [
        Rle.from_counts(counts, size)
        for id_, counts in gone.items()
        if by.get(id_) not in (None, PROPOSE, "undo")
    ]
