"""What is distrusted of a message from or to a browser: types, ranges, lengths. Errors name the field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from reprlib import Repr
from typing import Any

__all__ = [
    "COLOR",
    "MAX_INT",
    "check_choice",
    "check_int",
    "check_list",
    "check_mapping",
    "check_unit",
    "shorten",
    "take",
]

COLOR = re.compile(r"#[0-9a-f]{6}")
_SHORT = Repr()  # of a browser's value, which may be nested a thousand levels or megabytes long
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother, _SHORT.maxlong = 6, 80, 80, 80
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = _SHORT.maxfrozenset = 20

MAX_INT = 2**53 - 1
"""JavaScript's greatest whole number that has no double (``Number.MAX_SAFE_INTEGER``)."""


def take(fields: Mapping[str, Any], name: str, prefix: str = "") -> Any:
    """A field that has to be there."""
    if name not in fields:
        raise ValueError(f"{prefix}{name}: missing")
    return fields[name]


def check_mapping(name: str, value: object) -> Mapping[str, Any]:
    """Named fields."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{name}: wanted named fields, got {shorten(value)}")
    return value


def check_list(name: str, value: object, most: int) -> list[Any]:
    """A list of at most so many."""
    if not isinstance(value, list):
        raise ValueError(f"{name}: wanted a list, got {shorten(value)}")
    if len(value) > most:
        raise ValueError(f"{name}: wanted at most {most}, got {len(value)}")
    return value


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """One of some words."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}: wanted one of {', '.join(choices)}, got {shorten(value)}")


def check_unit(name: str, value: object) -> None:
    """A number in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{name}: wanted a number from 0 to 1, got {shorten(value)}")


def check_int(name: str, value: object, *, least: int = 0) -> None:
    """A whole number that JavaScript holds exactly."""
    if type(value) is not int or not least <= value <= MAX_INT:
        raise ValueError(f"{name}: wanted a whole number from {least}, got {shorten(value)}")


def shorten(value: object) -> str:
    """A value as text for an error, not too long."""
    text = _SHORT.repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
