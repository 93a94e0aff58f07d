"""How instances are drawn: in the viewer, and on pictures that are exported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["ColorBy", "Style"]

ColorBy = Literal["instance", "category"]


@dataclass(frozen=True)
class Style:
    """What is drawn of each instance, and how.

    Args:
        opacity: of the mask's fill, in [0, 1].
        masks, contours, boxes, labels: whether each is drawn; labels only where there is room.
        color_by: ``"instance"`` tells objects apart (instance segmentation), ``"category"`` gives all
            objects of a kind one color (semantic segmentation).
        splash: whether the viewer shows the image in grey but for its instances, without fills. Pictures
            that are exported do not follow it: they have a format of their own for that.

    Raises:
        ValueError: if opacity or color_by is out of range.
    """

    opacity: float = 0.5
    masks: bool = True
    contours: bool = True
    boxes: bool = True
    labels: bool = True
    color_by: ColorBy = "instance"
    splash: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.opacity <= 1:
            raise ValueError(f"opacity: expected a number from 0 to 1, got {self.opacity}")
        if self.color_by not in get_args(ColorBy):
            raise ValueError(
                f"color_by: expected one of {', '.join(get_args(ColorBy))}, got {self.color_by!r}"
            )
