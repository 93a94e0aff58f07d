"""What of a stack is seen: which page and slice, which channels in which colours, between which values.

A view has one form as text, which is what options take and what exports keep::

    page=1;z=max;channels=1:#0000ff,2:#00ff00;contrast=1:0.1%..99.9%,2:120..4000

Reading a view's text gives the same view again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NoReturn

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import InputError

__all__ = ["AUTO", "COLORS", "MAX", "ChannelView", "Contrast", "Kind", "View", "color_of", "view_of"]

MAX = "max"
"""Instead of a number: of each pixel the largest value of all (maximum projection)."""

COLORS = {
    "red": "#ff0000",
    "green": "#00ff00",
    "blue": "#0000ff",
    "grey": "#ffffff",
    "cyan": "#00ffff",
    "magenta": "#ff00ff",
    "yellow": "#ffff00",
}
"""Names for colours, in the order in which Fiji gives them to channels."""

Kind = Literal["auto", "full", "percent", "values"]
"""How black and white are chosen: 8 bits as they are and deeper ones by percentiles, all that the type holds,
percentiles of what is seen, or values."""

_LONGEST = 2000
_MOST_CHANNELS = 64
_HEX = re.compile("#[0-9a-f]{6}")


@dataclass(frozen=True)
class Contrast:
    """Which values of a channel are black and white.

    Args:
        kind: see :data:`Kind`.
        low, high: percentiles in 0..100 or values, as ``kind`` says; the higher one first turns them round.

    Raises:
        InputError: if they are equal, not finite, or no percentiles.
    """

    kind: Kind = "auto"
    low: float = 0.0
    high: float = 0.0

    def __post_init__(self) -> None:
        if self.kind in ("auto", "full"):
            return
        if not (math.isfinite(self.low) and math.isfinite(self.high)) or self.low == self.high:
            raise InputError(f"contrast: expected two different numbers, got {self.low:g} and {self.high:g}")
        if self.kind == "percent" and not (0 <= self.low <= 100 and 0 <= self.high <= 100):
            raise InputError(f"contrast: expected percentiles of 0% to 100%, got {self.text}")

    @property
    def text(self) -> str:
        """Its form in a view's text, such as ``0.1%..99.9%``."""
        if self.kind in ("auto", "full"):
            return self.kind
        sign = "%" if self.kind == "percent" else ""
        return f"{_number(self.low)}{sign}..{_number(self.high)}{sign}"

    @classmethod
    def of_text(cls, text: str) -> Contrast:
        """Return what :attr:`text` says.

        Raises:
            InputError: if it says nothing of the kind.
        """
        text = text.strip()
        if text == "auto":
            return AUTO
        if text == "full":
            return cls("full")
        low, dots, high = text.partition("..")
        percent = low.endswith("%") and high.endswith("%")
        try:
            ends = float(low.removesuffix("%")), float(high.removesuffix("%"))
        except ValueError:
            ends = None
        if not dots or ends is None or (not percent and "%" in text):
            raise InputError(
                f"contrast: expected auto, full, percentiles such as 0.1%..99.9%, or values such as "
                f"100..4000, got {one_line(text)[:80]!r}"
            )
        return cls("percent" if percent else "values", *ends)


AUTO = Contrast()


@dataclass(frozen=True)
class ChannelView:
    """How one channel is seen.

    Args:
        channel: its number from 1, or its name while nobody has looked it up.
        color: ``#rrggbb``, or empty for the file's own.
        contrast: ``None`` for that of the whole view.
    """

    channel: int | str
    color: str = ""
    contrast: Contrast | None = None

    def __post_init__(self) -> None:
        if self.color and not _HEX.fullmatch(self.color):
            raise InputError(f"channels: expected a colour such as #00ff00, got {one_line(self.color)!r}")


@dataclass(frozen=True)
class View:
    """What of a stack is seen.

    Args:
        page: from 1, or :data:`MAX`; a page is a time point where the file has such.
        z: the slice, from 1, or :data:`MAX`.
        channels: those that are seen; empty for all in the file's own colours.
        contrast: of channels without one of their own.

    Raises:
        InputError: for a page or slice below 1, a channel twice, or too many.
    """

    page: int | Literal["max"] = 1
    z: int | Literal["max"] = 1
    channels: tuple[ChannelView, ...] = ()
    contrast: Contrast = AUTO

    def __post_init__(self) -> None:
        for name, value in (("page", self.page), ("z", self.z)):
            if value != MAX and not 1 <= value < 2**31:  # type: ignore[operator]
                raise InputError(f"{name}: expected a number from 1 on, or {MAX}, got {value}")
        numbers = [one.channel for one in self.channels]
        if len(set(numbers)) < len(numbers):
            raise InputError(f"channels: expected each channel once, got {self.channels_text}")
        if len(numbers) > _MOST_CHANNELS:
            raise InputError(f"channels: expected at most {_MOST_CHANNELS}, got {len(numbers)}")

    @property
    def channels_text(self) -> str:
        """The channels with their colours, as options take them."""
        return ",".join(
            f"{one.channel}:{one.color}" if one.color else f"{one.channel}" for one in self.channels
        )

    @property
    def contrast_text(self) -> str:
        """The contrasts, as options take them: that of each channel, or one for all."""
        own = [one for one in self.channels if one.contrast is not None]
        if not own:
            return self.contrast.text
        each = [f"{one.channel}:{(one.contrast or self.contrast).text}" for one in self.channels]
        return ",".join(each)

    @property
    def text(self) -> str:
        """The form that exports keep, from which :meth:`of_text` makes the same view again."""
        parts = [f"page={self.page}", f"z={self.z}"]
        if self.channels:
            parts.append(f"channels={self.channels_text}")
        parts.append(f"contrast={self.contrast_text}")
        return ";".join(parts)

    @classmethod
    def of_text(cls, text: str) -> View:
        """Return the view that :attr:`text` says.

        Raises:
            InputError: naming what was expected and found.
        """
        if len(text) > _LONGEST:
            raise InputError(f"view: expected at most {_LONGEST:,} characters, got {len(text):,}")
        found: dict[str, str] = {}
        for part in filter(None, (part.strip() for part in text.split(";"))):
            name, equals, value = part.partition("=")
            if not equals or name not in ("page", "z", "channels", "contrast") or name in found:
                _refuse(text)
            found[name] = value
        return view_of(
            found.get("page", "1"),
            found.get("z", "1"),
            found.get("channels", ""),
            found.get("contrast", "auto"),
        )

    def with_contrasts(self, contrast_for: Callable[[ChannelView], Contrast]) -> View:
        """Return the same view, each of its channels with a contrast of its own."""
        return replace(
            self,
            channels=tuple(replace(one, contrast=contrast_for(one)) for one in self.channels),
            contrast=AUTO,
        )


def view_of(page: str = "1", z: str = "1", channels: str = "", contrast: str = "auto") -> View:
    """Return the view of four texts, as options and forms give them.

    Args:
        page, z: a number from 1 on, or ``max``.
        channels: numbers or names, each with a colour or without: ``1:blue,GFP:#00ff00``; empty for all.
        contrast: one for all channels, or one for each: ``1:0.1%..99.9%,2:120..4000``.

    Raises:
        InputError: naming what was expected and found.
    """
    asked = tuple(_channel(part) for part in channels.split(",") if part.strip())
    common, own = _contrasts(contrast)
    seen = tuple(replace(one, contrast=own.pop(str(one.channel), None)) for one in asked)
    if own:
        known = ", ".join(str(one.channel) for one in asked) or "none that --channels names"
        raise InputError(
            f"contrast: expected channels that are seen ({known}), got {one_line(next(iter(own)))!r}"
        )
    return View(_place("page", page), _place("z", z), seen, common)


def color_of(text: str) -> str:
    """Return ``#rrggbb`` of a colour's name or of such a number.

    Raises:
        InputError: if it is neither.
    """
    text = text.strip().casefold()
    color = COLORS.get({"gray": "grey", "white": "grey"}.get(text, text), text)
    if not _HEX.fullmatch(color):
        raise InputError(
            f"channels: expected a colour ({', '.join(COLORS)}, or #rrggbb), got {one_line(text)[:40]!r}"
        )
    return color


def _channel(text: str) -> ChannelView:
    name, colon, color = text.strip().rpartition(":")
    if not colon:
        name, color = color, ""
    name = name.strip()
    if not name:
        raise InputError(f"channels: expected a channel's number or name, got {one_line(text)[:80]!r}")
    return ChannelView(_number_or_name(name), color_of(color) if color else "")


def _contrasts(text: str) -> tuple[Contrast, dict[str, Contrast]]:
    """Return the contrast of all, and those of channels by number or name."""
    parts = [part for part in text.split(",") if part.strip()]
    if len(parts) == 1 and ":" not in parts[0]:
        return Contrast.of_text(parts[0]), {}
    own = {}
    for part in parts:
        name, colon, contrast = part.strip().rpartition(":")
        if not colon:
            raise InputError(
                "contrast: expected a channel before each of several, such as 1:0.1%..99.9%,2:120..4000, "
                f"got {one_line(text)[:80]!r}"
            )
        own[name.strip()] = Contrast.of_text(contrast)
    return AUTO, own


def _number_or_name(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def _place(name: str, text: str) -> int | Literal["max"]:
    text = text.strip().casefold()
    if text == MAX:
        return "max"
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InputError(f"{name}: expected a number from 1 on, or {MAX}, got {one_line(text)[:40]!r}")
    return int(text)


def _number(value: float) -> str:
    return repr(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


def _refuse(text: str) -> NoReturn:
    raise InputError(
        f"view: expected page=N;z=N;channels=...;contrast=..., got {one_line(text)[:120]!r}; copy it whole "
        "from an export"
    )
