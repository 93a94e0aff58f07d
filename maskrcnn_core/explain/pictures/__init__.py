"""The stages of one traced image as pictures: what the report shows, and the notebook.

``PICTURES`` has a row for each stage of :data:`~maskrcnn_core.explain.stages.STAGES`. Every function copes
with a traced image in which nothing was proposed or found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from maskrcnn_core.explain.pictures.base import Picture
from maskrcnn_core.explain.pictures.features import (
    draw_anchors,
    draw_backbone,
    draw_input,
    draw_proposals,
    draw_pyramid,
)
from maskrcnn_core.explain.pictures.heads import draw_box_head, draw_kinds, draw_mask, draw_suppression
from maskrcnn_core.explain.pictures.misses import draw_missed
from maskrcnn_core.explain.pictures.regions import draw_iou, draw_roi_align
from maskrcnn_core.explain.pictures.truth import draw_truth
from maskrcnn_core.explain.pictures.weights import draw_weights
from maskrcnn_core.explain.traced_image import TracedImage

__all__ = ["PICTURES"]


PICTURES: Mapping[str, Callable[[TracedImage], tuple[Picture, ...]]] = MappingProxyType(
    {
        "input": draw_input,
        "backbone": draw_backbone,
        "pyramid": draw_pyramid,
        "anchors": draw_anchors,
        "proposals": draw_proposals,
        "iou": draw_iou,
        "roi-align": draw_roi_align,
        "box-head": draw_box_head,
        "suppression": draw_suppression,
        "mask": draw_mask,
        "kinds": draw_kinds,
        "truth": draw_truth,
        "missed": draw_missed,
        "weights": draw_weights,
    }
)
"""By the key of the stage, in the order of the stages: at least one picture of each."""
