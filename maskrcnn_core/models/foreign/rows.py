"""The last layers of the heads: one row a class, with the background in front, as torchvision has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models.foreign.renaming import background_first, with_empty_first
from maskrcnn_core.models.foreign.shapes import rows_of

__all__ = ["BOXES_NOTE", "background_in_front", "needs_whole_boxes", "spread_over_classes"]

BOXES_NOTE = "It has no mask head: it is a Faster R-CNN, and each mask is its whole box."
"""What is said of a network that was opened for its boxes."""

_CLASSES = "roi_heads.box_predictor.cls_score"
_BOXES = "roi_heads.box_predictor.bbox_pred"
_MASKS = "roi_heads.mask_predictor.mask_fcn_logits"


def spread_over_classes(
    tensors: Mapping[str, Tensor], count: int, where: str, notes: list[str]
) -> dict[str, Tensor]:
    """Repeat what a class-agnostic head has once, for each class: the same numbers come out.

    Args:
        tensors: by torchvision's names, without a row for the background.
        count: classes, without the background.
        where: the file's name, for messages.
        notes: gets a sentence for each head that was.
    """
    spread = dict(tensors)
    for layer, rows, what in ((_BOXES, 4, "box"), (_MASKS, 1, "mask")):
        if count > 1 and rows_of(tensors, f"{layer}.bias", where) == rows:
            for kind in ("weight", "bias"):
                one = spread[f"{layer}.{kind}"]
                spread[f"{layer}.{kind}"] = one.repeat(count, *[1] * (one.ndim - 1))
            notes.append(f"The {what} head is class-agnostic: its one {what} was repeated for each class.")
    return spread


def background_in_front(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Move the background from the classifier's last row to its first, and give it empty boxes and masks."""
    moved = dict(tensors)
    for kind in ("weight", "bias"):
        moved[f"{_CLASSES}.{kind}"] = background_first(tensors[f"{_CLASSES}.{kind}"])
        for layer, rows in ((_BOXES, 4), (_MASKS, 1)):
            moved[f"{layer}.{kind}"] = with_empty_first(tensors[f"{layer}.{kind}"], rows)
    return moved


def needs_whole_boxes(
    names: Iterable[str], prefix: str, where: str, notes: list[str], *, boxes_only: bool
) -> bool:
    """Return whether a checkpoint has no mask head, and is to be opened for its boxes.

    Args:
        names: of its tensors.
        prefix: that those of a mask head begin with.
        where: the file's name, for messages.
        notes: gets a sentence if so.
        boxes_only: somebody asked for it.

    Raises:
        WeightsError: if it has none, and nobody did.
    """
    if any(name.startswith(prefix) for name in names):
        return False
    if not boxes_only:
        raise WeightsError(
            f"{where}: expected a Mask R-CNN, got no mask head ({prefix.rstrip('._')}): this is a Faster "
            "R-CNN; 'convert-model --boxes-only' opens it for its boxes, with each box as its mask"
        )
    notes.append(BOXES_NOTE)
    return True
