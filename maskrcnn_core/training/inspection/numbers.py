"""An inspection in numbers: rows for people, and values for programs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from maskrcnn_core.training.inspection.counting import SampleCount
from maskrcnn_core.training.inspection.findings import findings_of, roi_share
from maskrcnn_core.training.inspection.inspecting import Inspection

__all__ = ["as_values", "facts_of", "rows_of_levels", "rows_of_losses", "rows_of_recall"]

Row = tuple[str, ...]


def facts_of(inspection: Inspection) -> tuple[tuple[str, str], ...]:
    """Return what was counted, as names and values for people."""
    counts, rules = inspection.counts, inspection.rules
    objects = [one for count in counts for one in count.objects]
    anchors = _sum(counts, "drawn_objects"), _sum(counts, "drawn_background")
    rois = _sum(counts, "roi_objects"), _sum(counts, "roi_background")
    sides = sorted((one.size[0] * one.size[1]) ** 0.5 for one in objects)
    middle = f", the middle one {statistics.median(sides):.0f}" if sides else ""
    spread = f"{sides[0]:.0f} to {sides[-1]:.0f} pixels a side{middle}" if sides else "none"
    return (
        ("Samples looked at", f"{len(counts):,} of {inspection.epoch:,} in an epoch"),
        ("Objects in them", f"{len(objects):,}; at most {max(len(c.objects) for c in counts):,} in a sample"),
        *(
            [("Instances left out, hardly a pixel", f"{sum(c.too_small or 0 for c in counts):,}")]
            if any(count.too_small is not None for count in counts)
            else []
        ),
        ("Their boxes, as the network sees them", spread),
        ("Without an anchor", _of(sum(not one.anchors for one in objects), len(objects))),
        (
            f"Overlapping no anchor by {rules.anchor_background:g}",
            _of(sum(one.anchor_iou < rules.anchor_background for one in objects), len(objects)),
        ),
        (
            f"Overlapping an anchor by {rules.anchor_object:g}",
            _of(sum(one.anchor_iou >= rules.anchor_object for one in objects), len(objects)),
        ),
        ("Anchors learned", f"{anchors[0]:,} of objects, {anchors[1]:,} of background"),
        (
            "Regions learned",
            f"{rois[0]:,} of objects ({_sum(counts, 'own_boxes'):,} of them true boxes), {rois[1]:,} of "
            f"background: {roi_share(inspection):.1%} are objects, at most {rules.object_share:.0%} may be",
        ),
        ("Without a region of their step", _of(sum(not one.rois for one in objects), len(objects))),
        (
            f"With a proposal that overlaps by {rules.roi_object:g}",
            _of(sum(one.proposal_iou >= rules.roi_object for one in objects), len(objects)),
        ),
        ("With an empty mask target", _of(sum(not one.has_mask for one in objects), len(objects))),
    )


def rows_of_levels(inspection: Inspection) -> tuple[Row, ...]:
    """Return the anchors of each level: all of objects, of background, left out, and those of a sample."""
    rows = []
    count = len(inspection.counts)
    for level in range(len(inspection.counts[0].levels)):
        of_level = [one.levels[level] for one in inspection.counts]
        held, bare, neither = (
            sum(getattr(one, name) for one in of_level) for name in ("objects", "background", "left_out")
        )
        rows.append((f"{level + 1}", f"{held:,}", f"{bare:,}", f"{neither:,}", f"{held / count:.1f}"))
    return tuple(rows)


def rows_of_recall(inspection: Inspection) -> tuple[Row, ...]:
    """Return how many objects of each size some proposal reaches; nothing without a trained network."""
    if inspection.recall is None:
        return ()
    rows = [
        (row.size, f"{row.objects:,}", f"{row.reached:,}", _share(row.reached, row.objects))
        for row in inspection.recall.sizes
    ]
    recall = inspection.recall
    every = ("all", f"{recall.objects:,}", f"{recall.reached:,}", _share(recall.reached, recall.objects))
    return (*rows, every)


def rows_of_losses(inspection: Inspection) -> tuple[Row, ...]:
    """Return each loss of the first step, and the mean over all steps that were looked at."""
    first = inspection.losses[0]
    return tuple(
        (
            name.removeprefix("loss_").replace("_", " "),
            f"{value:.3f}",
            f"{statistics.fmean(losses[name] for losses in inspection.losses):.3f}",
        )
        for name, value in first.items()
    )


def as_values(inspection: Inspection) -> dict[str, Any]:
    """Return all numbers, and the findings, as JSON values."""
    counts, recall = inspection.counts, inspection.recall
    rules = inspection.rules
    return {
        "model": inspection.title,
        "images": inspection.data.images,
        "instances": inspection.data.instances,
        "samples in an epoch": inspection.epoch,
        "samples": [_sample_values(count, inspection) for count in counts],
        "losses": list(inspection.losses),
        "rules": {
            "anchor object IoU": rules.anchor_object,
            "anchor background IoU": rules.anchor_background,
            "region object IoU": rules.roi_object,
            "anchors per image": rules.anchors_per_image,
            "regions per image": rules.rois_per_image,
            "object share": rules.object_share,
            "anchor sizes": [list(size) for size in rules.anchor_sizes],
        },
        "object share of regions": roi_share(inspection),
        "recall": None
        if recall is None
        else {
            "images": recall.images,
            "proposals per image": recall.proposals,
            **{row.size: {"objects": row.objects, "reached": row.reached} for row in recall.sizes},
        },
        "findings": list(findings_of(inspection)),
    }


def _sample_values(count: SampleCount, inspection: Inspection) -> dict[str, Any]:
    return {
        "image": count.image,
        "size": list(count.size),
        "ignored": count.ignored,
        "too small": count.too_small,
        "anchors": [
            {"objects": one.objects, "background": one.background, "left out": one.left_out}
            for one in count.levels
        ],
        "anchors learned": {"objects": count.drawn_objects, "background": count.drawn_background},
        "regions": {
            "objects": count.roi_objects,
            "background": count.roi_background,
            "true boxes": count.own_boxes,
        },
        "objects": [
            {
                "category": inspection.label_map.category(one.label).name,
                "size": list(one.size),
                "anchor IoU": one.anchor_iou,
                "anchors": one.anchors,
                "proposal IoU": one.proposal_iou,
                "regions": one.rois,
                "has mask": one.has_mask,
            }
            for one in count.objects
        ],
    }


def _sum(counts: Sequence[SampleCount], name: str) -> int:
    return sum(getattr(count, name) for count in counts)


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({_share(part, whole)})" if whole else "none"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"
