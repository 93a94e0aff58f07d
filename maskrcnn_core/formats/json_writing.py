"""Writes JSON as all formats want it: one line, every script as it is, never NaN."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import orjson

from maskrcnn_core.common.json_rows import Json, parse_json
from maskrcnn_core.formats.coco_fields import clean

__all__ = ["Written", "WrittenRows", "dump_json", "dump_rows", "join_members"]


class Written:
    """A value that is JSON already; no dataclass, as orjson would write its fields.

    Args:
        text: as :func:`dump_json` would write it.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def dump_json(document: Json) -> bytes:
    """Return JSON as bytes: one line, names of every script as they are, never NaN."""
    try:
        return orjson.dumps(document, default=_piece)
    except TypeError:  # whole numbers of more than 64 bits, and names that are not UTF-8
        text = _with_json(document, is_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _with_json(document, is_ascii=True).encode()


def _with_json(document: Json, *, is_ascii: bool) -> str:
    # An older project can hold NaN among the keys that came with a file.
    document = clean(document, lambda _reason, _got: None, depth=-8)  # rows lie some levels below the top
    return json.dumps(document, ensure_ascii=is_ascii, allow_nan=False, separators=(",", ":"), default=_value)


def _piece(value: object) -> orjson.Fragment:
    if not isinstance(value, Written):
        raise TypeError(f"expected a JSON value, got {type(value).__name__}")
    return orjson.Fragment(value.text)


def _value(value: object) -> Json:
    if not isinstance(value, Written):
        raise TypeError(f"expected a JSON value, got {type(value).__name__}")
    return parse_json(value.text)


def dump_rows(rows: Iterable[Json]) -> Iterator[bytes]:
    """Yield a list as JSON, some thousand rows at a time: never all of them at once as Python has them."""
    remaining, between = iter(rows), b"["
    while batch := list(islice(remaining, 2000)):
        yield between + dump_json(batch)[1:-1]
        between = b","
    yield b"[]" if between == b"[" else b"]"


class WrittenRows:
    """A list that grows row by row, kept as JSON: as Python has them, rows take ten times as much memory."""

    def __init__(self) -> None:
        self._text = bytearray(b"[")  # texts of their own would each keep the room that they were written in
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, row: Json) -> None:
        """Add a row."""
        if self._count:
            self._text += b","
        self._text += dump_json(row)
        self._count += 1

    @property
    def pieces(self) -> tuple[bytes | bytearray, ...]:
        """The list as :func:`join_members` takes it."""
        return self._text, b"]"


def join_members(members: Mapping[str, Iterable[bytes | bytearray]]) -> bytes:
    """Return an object as JSON, of its members' values in pieces."""
    out, between = io.BytesIO(), b"{"
    for name, pieces in members.items():
        out.write(between + dump_json(name) + b":")
        out.writelines(pieces)
        between = b","
    out.write(b"}")
    return out.getvalue()
