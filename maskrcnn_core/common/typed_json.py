"""JSON that comes from outside, read as declared types; errors name the field, what was expected, what came.

A type says all that is expected of a value: fields, ranges, lengths, choices (`msgspec.Meta`). What needs two
fields at once is checked by the type's ``__post_init__``, whose errors begin with the field's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from reprlib import Repr
from typing import Any, TypeVar

import msgspec

__all__ = ["read_as", "shorten"]

_T = TypeVar("_T")

_SHORT = Repr()  # of a value that may be nested a thousand levels or megabytes long
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother, _SHORT.maxlong = 6, 80, 80, 80
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = _SHORT.maxfrozenset = 20

_PLACE = re.compile(r"(?P<text>.*?)(?: - at `\$(?P<path>[^`]*)`)?", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_RANGE = re.compile(r"Expected `(\w+)` (>=|<=|>|<) (\S+)")
_LENGTH = re.compile(r"Expected `(array|str|object)` of length (>=|<=)? ?(\d+)(?:, got \d+)?")
_KIND = re.compile(r"Expected `([^`]+)`, got `\w+`")
_PATTERN = re.compile(r"Expected `str` matching regex (.*)", re.DOTALL)
_FIELD = re.compile(r"\w+(\[\d+\])*: ")

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "object": "named fields",
    "array": "a list",
    "null": "nothing",
}
_COMPARED = {">=": "from", "<=": "up to", ">": "above", "<": "below"}


def read_as(value: object, kind: type[_T], where: str = "") -> _T:
    """Return a value of JSON as a type.

    Args:
        value: as ``json.loads`` gives it.
        kind: a dataclass, whose fields may be annotated with `msgspec.Meta`; fields that it does not have are
            passed over.
        where: the value's own place, as errors are to call it.

    Raises:
        ValueError: naming the field, what was expected and what was found, in a few words.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        told = _told(str(error), value, kind, where)
    raise ValueError(told)


def shorten(value: object) -> str:
    """Return a value as text for an error, not too long."""
    text = _SHORT.repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _told(message: str, value: object, kind: Any, where: str) -> str:
    """Return what msgspec says, with the value that it found, in this project's words."""
    place = _PLACE.fullmatch(message)
    text, path = (place["text"], place["path"] or "") if place else (message, "")
    declared: Any = _declared(kind)
    for name, index in _STEP.findall(path):
        value, declared = _step(value, declared, name, int(index) if index else 0)
    name = f"{where}{path}".removeprefix(".")
    if found := _MISSING.fullmatch(text):
        return f"{name}.{found[1]}: missing".removeprefix(".")
    expected = _expected(text, value, declared)
    if expected:
        return f"{name or 'value'}: {expected}"
    # Of a type's own check.
    if not name:
        return text
    return f"{name}.{text}" if _FIELD.match(text) else f"{name}: {text}"


def _expected(text: str, value: object, declared: Any) -> str:
    """Return what was expected and what was found; empty for what a type's own check says."""
    if choices := _choices(declared):
        one_of = "" if len(choices) == 1 else "one of "
        return f"expected {one_of}{', '.join(map(str, choices))}, got {shorten(value)}"
    if found := _RANGE.fullmatch(text):
        bound = found[3].removesuffix(".0")
        return f"expected {_KINDS[found[1]]} {_COMPARED[found[2]]} {bound}, got {shorten(value)}"
    if found := _LENGTH.fullmatch(text):
        most = {">=": "at least ", "<=": "at most "}.get(found[2], "")
        what = " characters" if found[1] == "str" else ""
        length = len(value) if isinstance(value, list | str | Mapping) else 0
        some = f"{most}{int(found[3]):,}{what}" if most else f"a list of {found[3]}"
        return f"expected {some}, got {length:,}"
    if found := _KIND.fullmatch(text):
        kinds = " or ".join(_KINDS.get(kind, kind) for kind in found[1].split(" | "))
        return f"expected {kinds}, got {shorten(value)}"
    if text == "Number out of range":
        return f"expected a number of fewer digits, got {shorten(value)}"
    if _PATTERN.fullmatch(text):
        return f"expected {_described(declared)}, got {shorten(value)}"
    return ""


@cache
def _declared(kind: Any) -> Any:
    return msgspec.inspect.type_info(kind)


def _step(value: Any, declared: Any, name: str, index: int) -> tuple[Any, Any]:
    """Return a part of a value and its type; ``None`` for the type of what is not told."""
    value = value[name] if name else value[index]
    for one in getattr(declared, "types", (declared,)):
        if name and (fields := getattr(one, "fields", None)):
            return value, next((field.type for field in fields if field.encode_name == name), None)
        if not name and (items := getattr(one, "item_types", None)):
            return value, items[index]
        if not name and (item := getattr(one, "item_type", None)):
            return value, item
    return value, None


def _described(declared: Any) -> str:
    """Return what a text of a pattern is called: its type's ``description``."""
    for one in getattr(declared, "types", (declared,)):
        if described := (getattr(one, "extra_json_schema", None) or {}).get("description"):
            return str(described)
    return "a text of another form"


def _choices(declared: Any) -> tuple[Any, ...]:
    """Return what may be chosen, where it is one of some words or numbers."""
    kinds = getattr(declared, "types", (declared,))
    return tuple(choice for kind in kinds for choice in getattr(kind, "values", ()))
