"""What is found out of a checkpoint of whatever family, before a network is built for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from maskrcnn_core.models.foreign.renaming import Renames
from maskrcnn_core.networks.families import Architecture

__all__ = ["FamilyFacts"]


@dataclass(frozen=True, eq=False)
class FamilyFacts:
    """A checkpoint in torchvision's terms.

    Args:
        architecture: what the network is built from.
        num_classes: with the background, which comes first.
        tensors: by the network's own names, as the file stores them (half precision is widened later); every
            one of the file is among them, or was named in a note.
        names: of the categories in the order of the labels, where the file says them.
        score_threshold: detections above it are shown, unless a person says.
        nms_threshold: IoU above which the weaker of two boxes of one label goes, likewise.
        max_detections: kept in an image, likewise.
        own_names: from the network's names to the file's own, to name what is missing.
        notes: sentences for people on what was decided, and from what.
        boxes_only: it is a Faster R-CNN, whose masks are its boxes.
    """

    architecture: Architecture
    num_classes: int
    tensors: Mapping[str, Tensor]
    names: tuple[str, ...] | None = None
    score_threshold: float = 0.5
    nms_threshold: float = 0.5
    max_detections: int = 100
    own_names: Renames = ()
    notes: tuple[str, ...] = ()
    boxes_only: bool = False
