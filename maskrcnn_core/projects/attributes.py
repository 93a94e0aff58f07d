"""What is said of an instance beside its mask and category: attributes, their kinds and their values.

A category declares which attributes its instances have; the built-in ones belong to every category. The
values of an instance stand under ``attributes`` in what is kept beside its row, where COCO files have
them: so values that a file brings are kept whether or not anybody has declared them, and are written as they
came. The built-in ``crowd`` is COCO's ``iscrowd``, which has a column of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, get_args

from msgspec import Meta

from maskrcnn_core.common.bounds import (
    MAX_ATTRIBUTE_OPTIONS,
    MAX_ATTRIBUTES,
    MAX_NAME,
    is_storable,
    name_problem,
)
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.common.typed_json import read_as, shorten
from maskrcnn_core.formats.coco_fields import ours_of
from maskrcnn_core.projects.records import CategoryRow, Extra, InstanceRow

__all__ = [
    "ATTRIBUTES",
    "ATTRIBUTE_KINDS",
    "BUILT_IN",
    "CROWD",
    "SET_ATTRIBUTES",
    "Attribute",
    "AttributeKind",
    "AttributeValue",
    "declared_by",
    "fitting_schema",
    "joined_schemas",
    "read_schema",
    "schema_json",
    "values_of",
]

ATTRIBUTES = "attributes"
"""The key of an instance's values in a COCO file, and of a category's declarations under ``maskdesk``."""

SET_ATTRIBUTES = "set attributes"
"""The journal's kind of a decision on values."""

AttributeKind = Literal["yes-no", "choice", "number", "text"]
ATTRIBUTE_KINDS: tuple[AttributeKind, ...] = get_args(AttributeKind)

_Text: TypeAlias = Annotated[str, Meta(max_length=MAX_NAME)]
AttributeValue: TypeAlias = bool | int | float | _Text

_FAR = 1e15  # as for the other numbers of a file


@dataclass(frozen=True)
class Attribute:
    """One thing that can be said of an instance.

    Args:
        name: unique within its category.
        kind: what its values are.
        options: of a choice, in the order in which they are offered; empty for the other kinds.

    Raises:
        ValueError: for a name that is none, or options that do not fit the kind.
    """

    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
    kind: AttributeKind
    options: Annotated[tuple[_Text, ...], Meta(max_length=MAX_ATTRIBUTE_OPTIONS)] = ()

    def __post_init__(self) -> None:
        for text in (self.name, *self.options):
            if not text.strip() or text != text.strip() or name_problem(text):
                reason = (
                    name_problem(text) or f"expected a text without blanks around it, got {shorten(text)}"
                )
                raise ValueError(f"attribute: {reason}")
        if (self.kind == "choice") != bool(self.options):
            wanted = "one option or more" if self.kind == "choice" else "no options"
            raise ValueError(f"options: expected {wanted} for a {self.kind}, got {len(self.options)}")
        if len(set(self.options)) != len(self.options):
            raise ValueError("options: expected each one once")

    @property
    def told(self) -> str:
        """Kind and options in words."""
        return f"one of {', '.join(map(one_line, self.options))}" if self.options else _KINDS_TOLD[self.kind]

    def problem(self, value: object) -> str:
        """Return why a value is not one of this attribute, as ``expected ..., got ...``; empty if it is."""
        if self._takes(value):
            return ""
        return f"attribute {one_line(self.name)}: expected {self.told}, got {shorten(value)}"

    def _takes(self, value: object) -> bool:
        match self.kind:
            case "yes-no":
                return isinstance(value, bool)
            case "choice":
                return isinstance(value, str) and value in self.options
            case "number":
                is_number = isinstance(value, int | float) and not isinstance(value, bool)
                return is_number and math.isfinite(value) and abs(value) < _FAR  # type: ignore[arg-type]
            case "text":
                return isinstance(value, str) and len(value) <= MAX_NAME and is_storable(value)

    def parsed(self, text: str) -> AttributeValue:
        """Return the value that a person wrote.

        Raises:
            ValueError: if it is none of this attribute.
        """
        value: AttributeValue = text
        if self.kind == "yes-no":
            value = _YES_NO.get(text.strip().lower(), text)
        elif self.kind == "number":
            value = _number(text)
        if problem := self.problem(value):
            raise ValueError(problem)
        return value


_KINDS_TOLD: Mapping[AttributeKind, str] = {
    "yes-no": "yes or no",
    "choice": "one of its options",
    "number": "a number",
    "text": f"a text of up to {MAX_NAME} characters",
}
_YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}

CROWD = "crowd"
BUILT_IN: tuple[Attribute, ...] = (
    Attribute("occluded", "yes-no"),
    Attribute("truncated", "yes-no"),
    Attribute(CROWD, "yes-no"),
)
"""What every category's instances have: hidden in part, cut off by the image's edge, many objects in one."""


def _number(text: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def read_schema(value: object) -> tuple[Attribute, ...]:
    """Return declarations as JSON has them.

    Raises:
        ValueError: naming what is wrong with them.
    """
    return read_as({ATTRIBUTES: value}, _Schema).attributes


@dataclass(frozen=True)
class _Schema:
    attributes: Annotated[tuple[Attribute, ...], Meta(max_length=MAX_ATTRIBUTES)]

    def __post_init__(self) -> None:
        names = [one.name for one in self.attributes]
        if len(set(names)) != len(names):
            raise ValueError("attributes: expected each name once")
        if taken := {one.name for one in BUILT_IN}.intersection(names):
            raise ValueError(f"attributes: expected other names than the built-in {', '.join(sorted(taken))}")


def schema_json(schema: Iterable[Attribute]) -> list[dict[str, Any]]:
    """Return declarations for JSON."""
    return [
        {"name": one.name, "kind": one.kind} | ({"options": list(one.options)} if one.options else {})
        for one in schema
    ]


def declared_by(row: CategoryRow) -> tuple[Attribute, ...]:
    """Return the attributes that a category declares, without the built-in ones."""
    value = ours_of(row.extra).get(ATTRIBUTES)
    return () if value is None else read_schema(value)


def fitting_schema(row: CategoryRow) -> dict[str, Attribute]:
    """Return all attributes of a category's instances by name, the built-in ones first."""
    return {one.name: one for one in (*BUILT_IN, *declared_by(row))}


def values_of(row: InstanceRow | Extra) -> Mapping[str, Any]:
    """Return what is said of an instance, declared or not; ``crowd`` is not among it.

    Args:
        row: the instance, or what is kept beside its row.
    """
    extra = row.extra if isinstance(row, InstanceRow) else row
    found = extra.get(ATTRIBUTES)
    return found if isinstance(found, dict) else {}


def joined_schemas(
    first: Sequence[Attribute], second: Sequence[Attribute]
) -> tuple[tuple[Attribute, ...], list[str]]:
    """Return the declarations of both, and the names that the two declare otherwise: the first one's stay."""
    by_name = {one.name: one for one in first}
    clashes = [one.name for one in second if by_name.get(one.name, one) != one]
    return (*first, *(one for one in second if one.name not in by_name)), clashes
