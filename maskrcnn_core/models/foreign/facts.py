"""What is found out of a checkpoint of whatever family, before a network is built for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from maskrcnn_core.detection.candidates import MOST_DETECTIONS
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

    def within_limits(self) -> FamilyFacts:
        """Return facts whose limits are ones that detections can have; what was changed is in a note.

        Configs of other projects say "all", by -1 or by a number that no image reaches.
        """
        limit, nms, notes = self.max_detections, self.nms_threshold, list(self.notes)
        if limit == 0:
            limit = FamilyFacts.max_detections
            notes.append(f"Detections per image: the config says 0, taken as {limit}.")
        elif not 0 < limit <= MOST_DETECTIONS:
            said = "all" if limit < 0 else f"{limit:,}"
            limit = MOST_DETECTIONS
            notes.append(f"Detections per image: the config says {said}, of which {limit:,} are kept.")
        if not 0.0 <= nms <= 1.0:
            nms = FamilyFacts.nms_threshold
            notes.append(
                f"NMS threshold: expected 0 to 1, the config says {self.nms_threshold:g}, taken as {nms:g}."
            )
        return replace(self, max_detections=limit, nms_threshold=nms, notes=tuple(notes))
