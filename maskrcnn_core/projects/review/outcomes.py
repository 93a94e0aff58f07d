"""What people are told of operations whose result is not what they saw while they drew."""

from __future__ import annotations

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.projects.drawn_shapes import DRAW_OUTLINE, DRAW_RECTANGLE
from maskrcnn_core.projects.mask_edits import made_by
from maskrcnn_core.projects.records import Entry
from maskrcnn_core.projects.review.operations import CutOut, DrawBox, Propagate, ReviewOperation

__all__ = ["tell_outcome"]


def tell_outcome(operation: ReviewOperation, entry: Entry | None) -> str:
    """Return a sentence on what an operation became; empty where it is what was drawn.

    Args:
        operation: that was carried out.
        entry: its line in the journal.
    """
    if entry is None:
        return ""
    match operation:
        case DrawBox() if entry.kind == DRAW_RECTANGLE:
            return "kept as a rectangle, as no network made a mask of it: mend it with Corners or Brush"
        case CutOut() if entry.kind == DRAW_OUTLINE:
            return "no edge stands out inside the lasso: kept as it was drawn"
        case Propagate(instances=instances):
            taken, asked = len(made_by(entry)), len(instances)
            others = "" if taken == asked else f", {asked - taken} not found or there already"
            return f"{counted(taken, 'instance')} of {asked} propagated to this image{others}"
        case _:
            return ""
