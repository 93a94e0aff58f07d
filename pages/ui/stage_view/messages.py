"""What a stage's picture is told and what it answers.

`StageMessage` goes to the browser as JSON; the answer comes back and is read by `read_answer`, which
distrusts it like any file. The same samples in ``tests/data/stage_view`` are read by the tests of both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pages.ui.checks import check_list, check_mapping, shorten, take

__all__ = ["VERSION", "Layer", "Slider", "StageAnswer", "StageMessage", "read_answer"]

VERSION = 1

Box = tuple[float, float, float, float]
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
        counted: only the first so many are shown, as the slider says.
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
        """As the browser reads it."""
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
        """As the browser reads it."""
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
    """Reads what the browser says of a picture; ``None`` for an answer to another one.

    Raises:
        ValueError: naming the field that is wrong.
    """
    fields = check_mapping("answer", value)
    if take(fields, "version") != VERSION:
        raise ValueError(f"version: wanted {VERSION}, got {shorten(fields['version'])}")
    if take(fields, "scene") != message.scene:
        return None
    given = take(fields, "value")
    boxes = check_list("boxes", take(fields, "boxes"), len(message.boxes))
    point, drawn = take(fields, "point"), take(fields, "drawn")
    return StageAnswer(
        value=None if message.slider is None else _value(given, message.slider),
        boxes=tuple(_box(f"boxes[{n}]", box, message.size) for n, box in enumerate(boxes)),
        point=None if point is None else _point(point, message.size),
        drawn=None if drawn is None else _box("drawn", drawn, message.size),
    )


def _value(value: object, slider: Slider) -> float:
    if not _is_number(value) or not slider.least <= float(value) <= slider.most:  # type: ignore[arg-type]
        raise ValueError(f"value: wanted {slider.least} to {slider.most}, got {shorten(value)}")
    return float(value)  # type: ignore[arg-type]


def _point(value: object, size: tuple[int, int]) -> tuple[float, float]:
    x, y = _numbers("point", value, 2)
    height, width = size
    if not (0 <= x <= width and 0 <= y <= height):
        raise ValueError(f"point: wanted one within {width} x {height}, got {shorten(value)}")
    return x, y


def _box(name: str, value: object, size: tuple[int, int]) -> Box:
    x1, y1, x2, y2 = _numbers(name, value, 4)
    height, width = size
    if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):
        raise ValueError(f"{name}: wanted a box within {width} x {height}, got {shorten(value)}")
    return x1, y1, x2, y2


def _numbers(name: str, value: object, count: int) -> list[float]:
    numbers = check_list(name, value, count)
    if len(numbers) != count or not all(_is_number(n) for n in numbers):
        raise ValueError(f"{name}: wanted {count} finite numbers, got {shorten(value)}")
    return [float(n) for n in numbers]


def _is_number(value: object) -> bool:
    # Not isfinite: JSON's whole numbers can be longer than any float.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
