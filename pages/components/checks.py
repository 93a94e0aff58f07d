"""What is checked of a message to a browser before it is sent: ranges and choices. Errors name the field."""

from __future__ import annotations

import re

from maskrcnn_core.common.bounds import MAX_INT
from maskrcnn_core.common.typed_json import shorten

__all__ = ["COLOR", "MAX_INT", "check_choice", "check_int", "check_unit", "shorten"]

COLOR = re.compile(r"#[0-9a-f]{6}")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Check that a value is one of some words."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {shorten(value)}")


def check_unit(name: str, value: object) -> None:
    """Check a number in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{name}: expected a number from 0 to 1, got {shorten(value)}")


def check_int(name: str, value: object, *, least: int = 0) -> None:
    """Check a whole number that JavaScript holds exactly."""
    if type(value) is not int or not least <= value <= MAX_INT:
        raise ValueError(f"{name}: expected a whole number from {least}, got {shorten(value)}")
