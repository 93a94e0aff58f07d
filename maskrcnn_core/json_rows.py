"""Reads JSON objects whose lists hold very many rows, a batch of rows at a time.

The whole of a file of a million rows, as ``json`` reads it, takes several gigabytes. Here one pass over the
bytes finds where the rows of its lists begin and end; they are parsed when they are wanted, each time anew.
Every byte is parsed by a JSON library before it counts: what is not JSON is told as ``json`` tells it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from maskrcnn_core.compiled import compiled
from maskrcnn_core.errors import DatasetError

__all__ = ["JsonRows", "parse_json", "read_json", "read_json_rows"]

Json = Any
"""A value as ``json`` reads it."""

Offsets = npt.NDArray[np.int64]

_BATCH_BYTES = 1 << 20
_LONG_NUMBER, _LONG_NUMBER_TEXT = re.compile(rb"\d{19}"), re.compile(r"\d{19}", re.ASCII)
"""``orjson`` reads whole numbers of more than 64 bits as floats."""


class JsonRows:
    """A list of a file, parsed a batch at a time, and anew each time that one goes through it.

    Args:
        data: UTF-8 text that holds the list.
        starts, ends: int64 ``[N]``, where each row begins and ends in ``data``.
    """

    def __init__(self, data: bytes, starts: Offsets, ends: Offsets) -> None:
        self._data, self._starts, self._ends = data, starts, ends
        # Looked for once, and outside of texts: run lengths hold many digits in a row.
        is_long = _has_long_number(np.frombuffer(data, np.uint8))
        self._parse = parse_json if is_long else _parse_short

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> Json:
        return self._parse(self._data[self._starts[index] : self._ends[index]])

    def __iter__(self) -> Iterator[Json]:
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[Json]]:
        """The rows in order, some hundreds to thousands at a time."""
        first = 0
        while first < len(self):
            until = int(self._starts[first]) + _BATCH_BYTES
            last = max(int(np.searchsorted(self._ends, until, side="right")), first + 1)
            rows = self._parse(b"[" + self._data[self._starts[first] : self._ends[last - 1]] + b"]")
            if len(rows) != last - first:
                raise ValueError("nothing between two commas")
            yield rows
            first = last


def read_json(data: bytes) -> Json:
    """Parse a whole text, telling in a person's words what is wrong with it.

    Raises:
        DatasetError: if it is not JSON.
    """
    try:
        return json.loads(data)
    except RecursionError as error:
        raise DatasetError("JSON: nested too deep to be a COCO file") from error
    except ValueError as error:  # also what is not UTF-8
        raise DatasetError(f"this is no JSON, or only a part of a file ({error})") from error


def read_json_rows(data: bytes) -> Json:
    """Parse a text but for the rows of its lists.

    Returns:
        For an object its members, lists among them as :class:`JsonRows`; for a list :class:`JsonRows`;
        else the value. Each row has been parsed once, so that going through it cannot fail.

    Raises:
        DatasetError: if it is not JSON.
    """
    text = _as_utf8(data)
    try:
        return _document(text)
    except (ValueError, RecursionError):
        read_json(text)  # says where it is wrong
        raise DatasetError("this is no JSON, or only a part of a file") from None


def _document(text: bytes) -> Json:
    span = text.strip(_SPACE)
    if not span or span[:1] not in b"{[":
        return json.loads(text)
    if span[:1] == b"[":
        return _list_rows(span)
    starts, colons, ends = _members(span)
    members: dict[str, Json] = {}
    for start, colon, end in zip(starts.tolist(), colons.tolist(), ends.tolist(), strict=True):
        name = json.loads(span[start:colon])
        if not isinstance(name, str):
            raise ValueError(name)
        value = span[colon + 1 : end].strip(_SPACE)
        members[name] = _list_rows(value) if value[:1] == b"[" else json.loads(value)
    return members


_SPACE = b" \t\n\r"


def _as_utf8(data: bytes) -> bytes:
    """The same text in UTF-8 without a byte order mark (RFC 8259, section 8.1)."""
    encoding = json.detect_encoding(data)
    if encoding == "utf-8":
        return data
    try:
        return data.decode(encoding).encode()
    except UnicodeError as error:
        raise DatasetError(f"this is no JSON, or only a part of a file ({error})") from error


def _members(text: bytes) -> tuple[Offsets, Offsets, Offsets]:
    """Where the members of an object begin, have their colon, and end."""
    is_whole, starts, colons, ends = _cut(np.frombuffer(text, np.uint8))
    if not is_whole or (colons < 0).any():
        raise ValueError("brackets that do not match, or a member without a colon")
    return starts, colons, ends


def _list_rows(text: bytes) -> JsonRows:
    is_whole, starts, _, ends = _cut(np.frombuffer(text, np.uint8))
    if not is_whole:
        raise ValueError("brackets that do not match")
    rows = JsonRows(text, starts, ends)
    for _ in rows.batches():
        pass
    return rows


def parse_json(text: str | bytes) -> Json:
    """Parse a text as ``json`` does, only quicker where that is the same.

    Raises:
        ValueError: if it is not JSON.
    """
    is_long = _LONG_NUMBER.search(text) if isinstance(text, bytes) else _LONG_NUMBER_TEXT.search(text)
    return json.loads(text) if is_long else _parse_short(text)


def _parse_short(text: str | bytes) -> Json:
    """Parse a text whose numbers have at most 18 digits in a row."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # NaN, half of a surrogate pair, or an error
        return json.loads(text)


@compiled
def _has_long_number(text: npt.NDArray[np.uint8]) -> bool:
    """Whether 19 digits or more follow each other outside of strings."""
    in_string, digits, i = False, 0, 0
    while i < text.size:
        byte = text[i]
        if in_string:
            if byte == 92:
                i += 1
            elif byte == 34:
                in_string = False
        elif 48 <= byte <= 57:
            digits += 1
            if digits == 19:
                return True
        else:
            digits = 0
            in_string = byte == 34
        i += 1
    return False


@compiled
def _cut(text: npt.NDArray[np.uint8]) -> tuple[bool, Offsets, Offsets, Offsets]:
    """Cuts what stands within the outermost brackets at its commas.

    Returns:
        Whether brackets and quotes match up to the last byte; and for each part where it begins, where its
        first colon is (-1 where there is none), and where it ends, outside of strings and inner brackets.
    """
    starts = np.empty(64, np.int64)
    colons = np.empty(64, np.int64)
    ends = np.empty(64, np.int64)
    count, depth, begin, colon, is_blank = 0, 0, 1, -1, True
    in_string = False
    i, last = 0, text.size - 1
    while i <= last:
        byte = text[i]
        if in_string:
            if byte == 92:  # a backslash: what follows it ends no string
                i += 1
            elif byte == 34:
                in_string = False
            i += 1
            continue
        ends_part = False
        if byte == 34:
            in_string = True
            is_blank = False
        elif byte == 123 or byte == 91:  # { [
            depth += 1
            is_blank = is_blank and depth == 1
        elif byte == 125 or byte == 93:  # } ]
            depth -= 1
            if depth == 0:
                if i < last or byte != text[0] + 2:
                    break
                # Nothing at all between the brackets is no part; nothing behind a comma is one.
                ends_part = count > 0 or not is_blank
        elif depth == 1 and byte == 44:  # a comma
            ends_part = True
        elif depth == 1 and byte == 58 and colon < 0:  # a colon
            colon = i
        elif byte > 32:
            is_blank = False
        if ends_part:
            if count == starts.size:
                starts = np.concatenate((starts, np.empty(count, np.int64)))
                colons = np.concatenate((colons, np.empty(count, np.int64)))
                ends = np.concatenate((ends, np.empty(count, np.int64)))
            starts[count], colons[count], ends[count] = begin, colon, i
            count += 1
            begin, colon, is_blank = i + 1, -1, True
        i += 1
    is_whole = depth == 0 and not in_string and i > last
    return is_whole, starts[:count].copy(), colons[:count].copy(), ends[:count].copy()
