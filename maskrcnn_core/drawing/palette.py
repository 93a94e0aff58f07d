"""Colors of instances and categories: far apart, the same in every picture, table and viewer."""

from __future__ import annotations

import colorsys

__all__ = ["category_color", "hex_color", "instance_color"]

Color = tuple[int, int, int]

# Chosen by search, for people with protanopia and deuteranopia, too (Machado 2009, Vienot 1999),
# and at a contrast of 2.5 or more to black and to white. Any two of the first nine are 10 apart by CIEDE2000
# (24 for normal vision), any two of all 8.8 (14); tests/unit/drawing/test_palette.py measures it. Nine and
# thirteen, not eight and twelve: category ids begin at 0 in some files and at 1 in others.
_FIRST: tuple[Color, ...] = (
    (255, 105, 165),
    (240, 105, 75),
    (15, 180, 195),
    (90, 180, 120),
    (180, 0, 105),
    (165, 135, 255),
    (75, 90, 0),
    (0, 105, 120),
    (75, 30, 255),
    (180, 90, 105),
    (30, 105, 255),
    (165, 105, 0),
    (150, 45, 180),
)

_GOLDEN = 0.6180339887498949  # steps of the golden ratio around the hue circle never crowd together
_LEVELS = ((0.70, 1.0), (0.85, 0.80), (0.50, 1.0), (1.0, 0.95))  # saturation and value, taken in turn


def instance_color(index: int) -> Color:
    """Return the RGB color of the ``index``-th instance, 0 to 255 each."""
    return _color(index)


def category_color(category_id: int) -> Color:
    """Return the RGB color of a category; it depends on the id alone, so that files and sessions agree."""
    return _color(category_id)


def hex_color(color: Color) -> str:
    """Return a color as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def _color(index: int) -> Color:
    if 0 <= index < len(_FIRST):
        return _FIRST[index]
    hue = (index * _GOLDEN) % 1.0
    saturation, value = _LEVELS[(index // 5) % len(_LEVELS)]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return (round(red * 255), round(green * 255), round(blue * 255))
