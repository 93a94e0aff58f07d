"""What a stage's picture is told and what it answers.

`StageMessage` goes to the browser as JSON; the answer comes back and is read by `read_answer`, which
distrusts it like any file. The same samples in ``tests/data/stage_view`` are read by the tests of both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from maskrcnn_core.common.arrays import Box
from maskrcnn_core.common.typed_json import read_as, shorten

__all__ = ["VERSION", "Layer", "Slider", "StageAnswer", "StageMessage", "read_answer"]

VERSION = 1

Kind = Literal["boxes", "arrows", "points", "lines", "picture"]
Asks = Literal["", "point", "box"]
Items = Sequence[Sequence[float]] | npt.NDArray[np.floating[Any]]

_DECIMALS = 2  # of a pixel


@dataclass(frozen=True)
class Layer:
    """One thing drawn over the picture. Coordinates are pixels of the image.

    Args:
        kind: what its items are.
        items: boxes, or lines and arrows from the first to the second point, as x1 y1 x2 y2; points as x y.
        colors: ``#rrggbb``, one for all, or taken in turn.
        title: for the legend; empty for none.
        labels: of each item, or none.
        width: of lines, or radius of points, in pixels of the screen.
        dashed: for lines.
        counted: only as many are shown as the slider says.
        judged: green where the IoU with the second box that one drags is the slider's value or more, else
            red.
        faded: of a picture: its opacity is the slider's value.
        url, box, opacity, smooth: of a picture: its address, where it lies, and whether it is interpolated.
    """

    kind: Kind
    items: Items = ()
    colors: tuple[str, ...] = ("#ffffff",)
    title: str = ""
    labels: tuple[str, ...] = ()
    width: float = 2
    dashed: bool = False
    counted: bool = False
    judged: bool = False
    faded: bool = False
    url: str = ""
    box: Box = (0, 0, 0, 0)
    opacity: float = 1.0
    smooth: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return it as the browser reads it."""
        return {
            "kind": self.kind,
            "items": np.round(np.asarray(self.items, np.float64), _DECIMALS).tolist(),
            "colors": list(self.colors),
            "title": self.title,
            "labels": list(self.labels),
            "width": self.width,
            "dashed": self.dashed,
            "counted": self.counted,
            "judged": self.judged,
            "faded": self.faded,
            "url": self.url,
            "box": list(self.box),
            "opacity": self.opacity,
            "smooth": self.smooth,
        }


@dataclass(frozen=True)
class Slider:
    """A slider that needs no server.

    Args:
        label: in words.
        least, most, step: of its values.
        value: to begin with.
    """

    label: str
    least: float
    most: float
    step: float
    value: float


@dataclass(frozen=True)
class StageMessage:
    """A picture with its layers.

    Args:
        scene: its name; in a picture of another name, what the person did before does not hold.
        url: of the image's file, which may be smaller than the image.
        size: ``(height, width)`` of the image in pixels.
        alt: what is to be seen, for those who cannot.
        layers: from the lowest to the topmost.
        region: what of the image is shown; by default all.
        slider: or none.
        boxes: that can be dragged, at most two.
        box_names: of these.
        asks: what a press on the picture gives.
        point: given before.
        drawn: box given before.
        smooth: whether the image is interpolated where it is enlarged.
        height: of the stage in CSS pixels, at most.
    """

    scene: str
    url: str
    size: tuple[int, int]
    alt: str
    layers: tuple[Layer, ...] = ()
    region: Box | None = None
    slider: Slider | None = None
    boxes: tuple[Box, ...] = ()
    box_names: tuple[str, ...] = ()
    asks: Asks = ""
    point: tuple[float, float] | None = None
    drawn: Box | None = None
    smooth: bool = True
    height: int = 520

    def to_json(self) -> dict[str, Any]:
        """Return it as the browser reads it."""
        height, width = self.size
        slider = self.slider
        return {
            "version": VERSION,
            "scene": self.scene,
            "url": self.url,
            "width": width,
            "height": height,
            "alt": self.alt,
            "layers": [layer.to_json() for layer in self.layers],
            "region": list(self.region or (0, 0, width, height)),
            "slider": None
            if slider is None
            else {
                "label": slider.label,
                "least": slider.least,
                "most": slider.most,
                "step": slider.step,
                "value": slider.value,
            },
            "boxes": [[round(v, _DECIMALS) for v in box] for box in self.boxes],
            "boxNames": list(self.box_names),
            "asks": self.asks,
            "point": None if self.point is None else list(self.point),
            "drawn": None if self.drawn is None else list(self.drawn),
            "smooth": self.smooth,
            "height_px": self.height,
        }


@dataclass(frozen=True)
class StageAnswer:
    """What a person did in a picture.

    Args:
        value: of the slider, or ``None`` where there is none.
        boxes: that were dragged, in order, within the image.
        point: x and y, or ``None``.
        drawn: the last box that was drawn, or ``None``.
    """

    value: float | None = None
    boxes: tuple[Box, ...] = ()
    point: tuple[float, float] | None = None
    drawn: Box | None = field(default=None)


def read_answer(value: object, message: StageMessage) -> StageAnswer | None:
    """Read what the browser says of a picture; ``None`` for an answer to another one.

    Raises:
        ValueError: naming the field that is wrong.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"answer: expected named fields, got {shorten(value)}")
    if read_as(value, _Head).scene != message.scene:
        return None
    answer = read_as(value, _Answer)
    if len(answer.boxes) > len(message.boxes):
        raise ValueError(f"boxes: expected at most {len(message.boxes)}, got {len(answer.boxes)}")
    for n, box in enumerate(answer.boxes):
        _check_box(f"boxes[{n}]", box, message.size)
    if answer.drawn is not None:
        _check_box("drawn", answer.drawn, message.size)
    if answer.point is not None:
        _check_point(answer.point, message.size)
    number = None if message.slider is None else _value(answer.value, message.slider)
    return StageAnswer(number, answer.boxes, answer.point, answer.drawn)


_Number = Annotated[float, Meta(ge=-1e15, le=1e15)]  # no NaN, and nothing that is longer than any float
_Corners = tuple[_Number, _Number, _Number, _Number]


@dataclass(frozen=True)
class _Head:
    version: Literal[1]
    scene: str


@dataclass(frozen=True)
class _Answer:
    value: _Number | None
    boxes: Annotated[tuple[_Corners, ...], Meta(max_length=2)]
    point: tuple[_Number, _Number] | None
    drawn: _Corners | None


def _value(value: float | None, slider: Slider) -> float:
    if value is None or not slider.least <= value <= slider.most:
        raise ValueError(f"value: expected {slider.least} to {slider.most}, got {shorten(value)}")
    return value


def _check_point(point: tuple[float, float], size: tuple[int, int]) -> None:
    (x, y), (height, width) = point, size
    if not (0 <= x <= width and 0 <= y <= height):
        raise ValueError(f"point: expected one within {width} x {height}, got {shorten(point)}")


def _check_box(name: str, box: Box, size: tuple[int, int]) -> None:
    (x1, y1, x2, y2), (height, width) = box, size
    if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):
        raise ValueError(f"{name}: expected a box within {width} x {height}, got {shorten(box)}")
