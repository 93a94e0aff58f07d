"""Fields of COCO JSON, read as leniently as they can be without guessing.

A field that a mask does without never costs the mask: it is then nothing here, and whoever reads it says so.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from operator import is_

from maskrcnn_core.common.arrays import Box
from maskrcnn_core.common.bounds import DEEPEST, MAX_NAME, is_name, is_storable
from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.common.refusals import kind
from maskrcnn_core.errors import DatasetError

__all__ = [
    "DEEPEST",
    "FAR",
    "NUMBERS",
    "OURS",
    "FieldError",
    "Ids",
    "clean",
    "id_key",
    "is_storable",
    "is_turned",
    "number",
    "numbers_of_texts",
    "ours_of",
    "read_area",
    "read_box",
    "read_crowd",
    "required_name",
    "whole",
    "with_ours",
]


OURS = "maskdesk"
"""The key under which a COCO file says what only MaskDesk knows."""

_MOST = 2**53
"""Whole numbers up to here are the same in every program that reads JSON."""

_WHOLE_TEXT = re.compile(r"-?(0|[1-9]\d{0,15})", re.ASCII)
_NUMBER_TEXT = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?\s*", re.ASCII)
FAR = 1e15
"""Numbers of a file are smaller; whoever looks at many at once bounds them alike."""

NUMBERS = frozenset({int, float})
"""What JSON's numbers become; ``bool`` is none of them."""

_CROWD = {0: False, 1: True, "0": False, "1": True}


class FieldError(DatasetError):
    """A field that its row cannot do without.

    Args:
        field: its name.
        reason: see :class:`~maskrcnn_core.common.refusals.Refusal`.
        got: what was found, for people; empty where the reason says it.
    """

    def __init__(self, field: str, reason: str, got: str = "") -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason, self.got = field, reason, got


def id_key(value: Json) -> int | str | None:
    """Return an id as rows refer to each other by it: a number, or a text; ``None`` for what is neither.

    Some writers have 3.0 or "3" where 3 is meant. Numbers that other programs round are texts.
    """
    if type(value) is int:
        return value if -_MOST <= value <= _MOST else str(value)
    if isinstance(value, str):
        if _WHOLE_TEXT.fullmatch(value) and value != "-0":
            number = int(value)
            return number if -_MOST <= number <= _MOST else value
        return value if value and is_name(value) else None
    if isinstance(value, float) and value.is_integer() and abs(value) <= _MOST:
        return int(value)
    return None


class Ids:
    """Numbers for the rows of one list: those of the file, and the following ones for all others."""

    def __init__(self) -> None:
        self.largest = 0
        self._given = 0
        self._of_text: dict[str, int] = {}
        self._seen: set[int | str] = set()
        self._repeated: set[int | str] = set()
        self._taken: set[int] = set()
        self._rows: set[bytes] = set()

    def see(self, ids: Iterable[Json]) -> None:
        """Note the ids of rows, as JSON has them, before any number is given."""
        keys = [id_key(id_) for id_ in ids]
        self.largest = max(self.largest, max((key for key in keys if isinstance(key, int)), default=0))
        for key in keys:
            if key in self._seen:
                self._repeated.add(key)
            elif key is not None:
                self._seen.add(key)

    def following(self) -> int:
        """Return the number after the largest of all."""
        self._given += 1
        return self.largest + self._given

    def of(self, key: int | str) -> int:
        """Return the number of a key; a text always has the same one."""
        if isinstance(key, int):
            return key
        if key not in self._of_text:
            self._of_text[key] = self.following()
        return self._of_text[key]

    def take(self, number: int) -> bool:
        """Take a number and return whether it was still free."""
        if number not in self._repeated:
            return True
        before = len(self._taken)
        self._taken.add(number)
        return len(self._taken) > before

    def is_again(self, row: Mapping[str, Json]) -> bool:
        """Return whether the very same row came before, id included; it has from then on.

        Only rows whose id comes more than once leave a digest, so that a file without such costs nothing.
        """
        if id_key(row.get("id")) not in self._repeated:
            return False
        try:
            content = json.dumps(row, sort_keys=True).encode()
        except RecursionError:  # nested as deep as can just be read
            return False
        before = len(self._rows)
        self._rows.add(hashlib.blake2b(content, digest_size=16).digest())
        return len(self._rows) == before


def whole(value: Json, least: int, most: int) -> int | None:
    """Return a whole number within bounds, also as 640.0 or "640"; ``None`` for all else."""
    found = id_key(value)
    return found if isinstance(found, int) and least <= found <= most else None


def number(value: Json) -> float | None:
    """Return a finite number; ``None`` for all else."""
    # Not isfinite: JSON's whole numbers can be longer than any float.
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < FAR:
        return float(value)
    return None


def numbers_of_texts(value: Json, depth: int = 2) -> Json:
    """Return a value with each text that is a finite number as that number, also within lists.

    Returns:
        The very same value if there is no such text.
    """
    if isinstance(value, str):
        try:
            found = float(value) if _NUMBER_TEXT.fullmatch(value) else math.inf
        except ValueError:
            return value
        return value if abs(found) >= FAR else found
    if depth and isinstance(value, list):
        parts = [numbers_of_texts(part, depth - 1) for part in value]
        return value if all(map(is_, parts, value)) else parts
    return value


def read_box(value: Json) -> Box | None:
    """Return COCO's x y width height as x1 y1 x2 y2; ``None`` for what is no box."""
    if not isinstance(value, list) or len(value) != 4:
        return None
    x, y, width, height = map(number, value)
    if x is None or y is None or width is None or height is None:
        return None
    return (x, y, x + width, y + height)


def read_area(value: Json) -> float | None:
    """Return the area of a mask with pixels, which is above 0; ``None`` for what is none."""
    area = number(value)
    return area if area is not None and area > 0 else None


def is_turned(box: Box) -> bool:
    """Return whether a box has a negative width or height."""
    return box[2] < box[0] or box[3] < box[1]


def read_crowd(value: Json) -> bool | None:
    """Return COCO's mark of crowds, as a number, a text or a truth value; ``None`` for all else."""
    return _CROWD.get(value) if isinstance(value, int | float | str) else None


def required_name(row: Mapping[str, Json], field: str) -> str:
    """Return a text that is not empty, and not longer than a name.

    Raises:
        FieldError: if there is none.
    """
    value = row.get(field)
    if not isinstance(value, str) or not value:
        raise FieldError(field, "expected a text", kind(value))
    if not is_name(value):
        raise FieldError(field, f"expected at most {MAX_NAME} characters", f"{len(value):,}")
    return value


def ours_of(row: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return what a row says for MaskDesk alone; empty if that is nothing or no object."""
    value = row.get(OURS)
    return value if isinstance(value, dict) else {}


def with_ours(row: Mapping[str, Json], key: str, value: Json) -> dict[str, Json]:
    """Return a row that says something else for MaskDesk alone under a key; nothing for ``None``."""
    ours = {name: said for name, said in ours_of(row).items() if name != key}
    if value is not None:
        ours[key] = value
    kept = {name: said for name, said in row.items() if name != OURS}
    return kept | ({OURS: ours} if ours else {})


def clean(
    value: Json, mended: Callable[[str, Json], object], depth: int = 0, *, most: int | None = None
) -> Json:
    """Return a value without what JSON does not have (NaN and the infinities) or few programs can read again.

    Args:
        value: as ``json`` reads it, which takes more than JSON.
        mended: told why, and what, each time that a value becomes null.
        depth: levels above it.
        most: values that are kept, of any kind; ``None`` for all.
    """
    left = math.inf if most is None else most

    def cleaned(value: Json, depth: int) -> Json:
        nonlocal left
        if isinstance(value, float) and not math.isfinite(value):
            mended("JSON has no NaN and no Infinity; it is null here", value)
            return None
        if not isinstance(value, list | dict):
            return value
        if depth == DEEPEST:
            mended(f"nested deeper than {DEEPEST} levels; it is null here", value)
            return None
        left -= len(value)
        if left < 0:
            mended(f"more than {most} values; what comes after is null here", value)
            return None
        if isinstance(value, list):
            return [cleaned(part, depth + 1) for part in value]
        return {key: cleaned(part, depth + 1) for key, part in value.items()}

    return cleaned(value, depth)
