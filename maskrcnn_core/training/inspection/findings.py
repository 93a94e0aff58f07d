"""What looks wrong in what training sees, in words: a sentence or two each, with counts and what helps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.training.inspection.counting import SeenObject, share
from maskrcnn_core.training.inspection.inspecting import Inspection, Rules
from maskrcnn_core.training.inspection.recall import ENOUGH

__all__ = ["findings_of", "roi_share"]

_FEW_ROIS = 0.1
"""Share of the regions that are objects, below which it is told."""

_MANY = 0.1
"""Share of objects without a region, or of samples without an object, above which it is told."""

_MOSTLY = 0.5
_LITTLE_RECALL = 0.5
_FEW = 10  # instances of a category
_NAMED = 5  # objects or categories


def roi_share(inspection: Inspection) -> float:
    """Return the share of the heads' regions that are objects, over all samples, in [0, 1]."""
    return share(
        inspection.counts, lambda one: one.roi_objects, lambda one: one.roi_objects + one.roi_background
    )


def findings_of(inspection: Inspection) -> tuple[str, ...]:
    """Return sentences on all that looks wrong; none where nothing does."""
    objects = [one for count in inspection.counts for one in count.objects]
    found = (
        *_of_anchors(objects, inspection.rules),
        *_of_regions(objects, inspection),
        *_of_masks(objects),
        *_of_recall(inspection),
        *_of_samples(inspection),
        *_of_categories(inspection),
    )
    return (*found, *inspection.passed_over)


def _of_anchors(objects: Sequence[SeenObject], rules: Rules) -> Iterator[str]:
    far = [one for one in objects if one.anchor_iou < rules.anchor_background]
    if far:
        least, most = _extremes(rules)
        small = sum(_side(one.size) < least for one in far)
        large = sum(_side(one.size) > most for one in far)
        why = (
            (small, f"smaller than the smallest anchor ({least:.0f} pixels a side)"),
            (large, f"larger than the largest ({most:.0f})"),
            (len(far) - small - large, "of another shape or place"),
        )
        kinds = "; ".join(f"{count:,} {words}" for count, words in why if count)
        helps = ""
        if small > len(far) / 2:
            helps = " A greater --smallest and --largest enlarge pictures, with --crop if memory is short."
        elif large > len(far) / 2:
            helps = " A smaller --smallest and --largest make pictures smaller."
        yield (
            f"{_of_all(far, objects)} overlap no anchor by {rules.anchor_background:g}, so that an anchor "
            f"stands for them only as the best there is: {kinds}. {_worst(far)}{helps}"
        )
    without = [one for one in objects if not one.anchors]
    if without:
        yield (
            f"{_of_all(without, objects)} have no anchor at all: those that fit them best stand for another "
            f"object. {_worst(without)}"
        )


def _of_regions(objects: Sequence[SeenObject], inspection: Inspection) -> Iterator[str]:
    rules = inspection.rules
    at_most = int(rules.rois_per_image * rules.object_share)
    without = [one for one in objects if not one.rois]
    most = max(len(count.objects) for count in inspection.counts)
    is_crowded = len(without) > _MANY * len(objects) and most > at_most / 2
    if is_crowded:
        yield (
            f"{_of_all(without, objects)} have none of the regions that the heads learn from in a step: of "
            f"{rules.rois_per_image} at most {at_most} are of objects, drawn at random, and a sample has up "
            f"to {most:,}. --rois {_more_rois(most, rules)} leaves fewer out, and each step takes longer."
        )
    part = roi_share(inspection)
    if objects and part < _FEW_ROIS:
        helps = "" if is_crowded else " Fewer --rois raise the share."
        own = share(inspection.counts, lambda one: one.own_boxes, lambda one: one.roi_objects)
        start = ""
        if own > _MOSTLY:
            start = (
                f" {own:.0%} of them are the true boxes, which training adds: the share rises once the RPN "
                "proposes objects."
            )
        yield (
            f"{part:.1%} of the regions that the heads learn from are objects, where up to "
            f"{rules.object_share:.0%} may be: the heads see little but background.{helps}{start}"
        )


def _of_masks(objects: Sequence[SeenObject]) -> Iterator[str]:
    empty = [one for one in objects if not one.has_mask]
    if empty:
        yield (
            f"{_of_all(empty, objects)} have a mask target without a single pixel: the mask head learns that "
            f"nothing is there. {_worst(empty)} Larger pictures help."
        )


def _of_recall(inspection: Inspection) -> Iterator[str]:
    recall = inspection.recall
    if recall is None or not recall.objects or recall.reached >= _LITTLE_RECALL * recall.objects:
        return
    by_size = ", ".join(f"{row.size} {row.reached / row.objects:.0%}" for row in recall.sizes if row.objects)
    yield (
        f"The proposals of {inspection.title or 'the network'} reach {recall.reached / recall.objects:.0%} "
        f"of the objects at an IoU of {ENOUGH:g} ({by_size}): its RPN has to learn these objects first."
    )


def _of_samples(inspection: Inspection) -> Iterator[str]:
    counts = inspection.counts
    small = [count for count in counts if count.too_small]
    if small:
        lost = sum(count.too_small or 0 for count in small)
        every = lost + sum(len(count.objects) for count in counts)
        yield (
            f"{lost:,} of {counted(every, 'instance')} are left out of their samples, as hardly a pixel of "
            f"them is left at the samples' scale; the first in {small[0].image}. A greater --smallest helps."
        )
    bare = [count for count in counts if not count.objects]
    if len(bare) > _MANY * len(counts):
        yield (
            f"{len(bare):,} of {counted(len(counts), 'sample')} without an object; the first is of "
            f"{bare[0].image}."
        )
    unknown = [count for count in counts if count.ignored >= 0.5]
    if unknown:
        yield (
            f"{len(unknown):,} of {counted(len(counts), 'sample')} in which half or more teaches nothing (a "
            f"crowd, an open proposal, a refused row); the first is of {unknown[0].image}."
        )
    bad = [n for n, losses in enumerate(inspection.losses, 1) if not all(map(math.isfinite, losses.values()))]
    if bad:
        yield f"A loss of step {bad[0]} is not finite: training would stop there."


def _of_categories(inspection: Inspection) -> Iterator[str]:
    counts = inspection.data.instances
    none = [name for name, count in counts.items() if not count]
    few = [f"{name} {count}" for name, count in counts.items() if 0 < count < _FEW]
    if none:
        yield f"{counted(len(none), 'category', 'categories')} without an instance: {_listed(none)}."
    if few:
        yield f"Fewer than {_FEW} instances: {_listed(few)}."
    if twice := inspection.data.twice:
        verb = "has" if twice == 1 else "have"
        yield f"{counted(twice, 'instance')} {verb} the very mask of another in the image: annotated twice?"


# -- words ----------------------------------------------------------------------------------------------


def _of_all(some: Sequence[SeenObject], objects: Sequence[SeenObject]) -> str:
    return f"{len(some):,} of {counted(len(objects), 'object')}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _worst(objects: Sequence[SeenObject]) -> str:
    """Name those that fit worst, one of an image."""
    by_image: dict[str, SeenObject] = {}
    for one in sorted(objects, key=lambda one: one.anchor_iou):
        by_image.setdefault(one.image, one)
    told = [
        f"{one.size[1]:.0f} × {one.size[0]:.0f} pixels in {one.image} (IoU {one.anchor_iou:.2f})"
        for one in list(by_image.values())[:_NAMED]
    ]
    return f"For example {'; '.join(told)}."


def _extremes(rules: Rules) -> tuple[float, float]:
    sides = [_side(size) for size in rules.anchor_sizes]
    return min(sides), max(sides)


def _side(size: tuple[float, float]) -> float:
    return math.sqrt(max(size[0], 0) * max(size[1], 0))


def _more_rois(objects: int, rules: Rules) -> int:
    """Return a power of two of regions: more than now, and room for all objects of a sample."""
    wanted = max(objects / rules.object_share, 2 * rules.rois_per_image)
    return min(1 << math.ceil(math.log2(wanted)), 4096)
