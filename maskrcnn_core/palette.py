"""Colors of instances and categories: far apart, the same in every picture, table and viewer."""

from __future__ import annotations

import colorsys

__all__ = ["category_color", "hex_color", "instance_color"]

Color = tuple[int, int, int]

_GOLDEN = 0.6180339887498949  # steps of the golden ratio around the hue circle never crowd together
_LEVELS = ((0.70, 1.0), (0.85, 0.80), (0.50, 1.0), (1.0, 0.95))  # saturation and value, taken in turn


def instance_color(index: int) -> Color:
    """The RGB color of the ``index``-th instance, 0 to 255 each."""
    return _spread(index)


def category_color(category_id: int) -> Color:
    """The RGB color of a category; it depends on the id alone, so that files and sessions agree."""
    return _spread(category_id + 2)  # neighbours by id are often together in a picture


def hex_color(color: Color) -> str:
    """``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def _spread(index: int) -> Color:
    hue = (index * _GOLDEN) % 1.0
    saturation, value = _LEVELS[(index // 5) % len(_LEVELS)]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return (round(red * 255), round(green * 255), round(blue * 255))
