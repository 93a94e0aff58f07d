"""Reads JSON objects whose lists hold very many rows, a batch of rows at a time.

The whole of a file of a million rows, as ``json`` reads it, takes several gigabytes. Here one pass over the
bytes finds where the rows of its lists begin and end; they are parsed when they are wanted, every time.
Every byte is parsed by a JSON library before it counts: what is not JSON is told as ``json`` tells it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import orjson

from maskrcnn_core.common.bounds import (
    MAX_EXTRA_VALUES,
    MAX_JSON_BYTES,
    MAX_LISTED,
    MAX_MEMBERS,
    MAX_ROW_VALUES,
    MAX_ROWS,
    MAX_STRANGE_ROWS,
)
from maskrcnn_core.common.compiled import compiled
from maskrcnn_core.errors import DatasetError

__all__ = ["JsonRows", "count_values", "parse_json", "read_json", "read_json_rows"]

Json = Any
"""A value as ``json`` reads it."""

Offsets = npt.NDArray[np.int64]

_BATCH_BYTES = 1 << 20
_DIGITS = bytes(ord("0") if chr(byte).isdecimal() and byte < 128 else ord(" ") for byte in range(256))
_TOO_LONG = b"0" * 19
"""``orjson`` reads whole numbers of more than 64 bits as floats: from this many digits on they may be."""


class _WithId(msgspec.Struct, gc=False):
    """All that is read of a row at first."""

    id: Json = None


_IDS = msgspec.json.Decoder(list[_WithId])


class JsonRows:
    """A list of a file, parsed a batch at a time, and again each time that one goes through it.

    Args:
        data: UTF-8 text that holds the list.
        starts, ends: int64 ``[N]``, where each row begins and ends in ``data``.
        has_long_number: whether a number of the list has more than 18 digits.
    """

    def __init__(self, data: memoryview, starts: Offsets, ends: Offsets, has_long_number: bool) -> None:
        self._data, self._starts, self._ends = data, starts, ends
        # Looked for once, and outside of texts: run lengths hold many digits in a row.
        self._has_long_number = has_long_number
        self._parse = json.loads if has_long_number else _parse_short

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> Json:
        return self._parse(bytes(self._data[self._starts[index] : self._ends[index]]))

    def __iter__(self) -> Iterator[Json]:
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[Json]]:
        """Yield the rows in order, some hundreds to thousands at a time."""
        for text, _ in self._texts():
            yield self._parse(text)

    def ids(self, most_strange: int | None = None) -> Iterator[list[Json]]:
        """Yield the ``id`` of each row, ``None`` if it has none or is no object, in :meth:`batches`' parts.

        Args:
            most_strange: rows that may be no objects; ``None`` for any number.

        Raises:
            ValueError: if a row is not JSON.
            DatasetError: if more rows are no objects: they would be parsed in vain, and take much memory.
        """
        strange = 0
        for text, count in self._texts():
            rows = self._with_ids(text)
            if len(rows) != count:
                raise ValueError("nothing between two commas")
            found = [row.id for row in rows if row is not None]
            strange += len(rows) - len(found)
            if most_strange is not None and strange > most_strange:
                raise DatasetError(
                    f"expected objects, got more than {most_strange} other values: this is not a data set"
                )
            yield found

    def _texts(self) -> Iterator[tuple[bytes, int]]:
        """Yield the rows as JSON lists of some hundreds to thousands, each with its length."""
        first = 0
        while first < len(self):
            until = int(self._starts[first]) + _BATCH_BYTES
            last = max(int(np.searchsorted(self._ends, until, side="right")), first + 1)
            rows = self._data[self._starts[first] : self._ends[last - 1]]
            yield b"".join((b"[", rows, b"]")), last - first
            first = last

    def _with_ids(self, text: bytes) -> Sequence[_WithId | None]:
        """Return rows that have been checked to be JSON, which costs a tenth of parsing.

        ``None`` for no object.
        """
        if not self._has_long_number:
            try:
                str(text, "utf-8")  # texts that are passed over are not looked into
                return _IDS.decode(text)
            except (ValueError, RecursionError):
                pass  # NaN, half of a surrogate pair, a row that is no object, or an error
        return [_WithId(row.get("id")) if isinstance(row, dict) else None for row in self._parse(text)]


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
        if looks := _looks_like(data):
            raise DatasetError(f"this is not JSON: {looks}") from error
        raise DatasetError(f"this is not JSON, or only part of a file ({error})") from error


def _looks_like(data: bytes) -> str:
    """Return what a file seems to be that is not JSON and not a part of it; empty where that is not known."""
    head = data[:4096].removeprefix(b"\xef\xbb\xbf").strip()
    if not head:
        return "the file is empty" if not data.strip() else ""
    return "it begins as HTML or XML does" if head.startswith(b"<") else ""


def read_json_rows(
    data: bytes,
    on_ids: Callable[[str, list[Json]], object] = lambda *_: None,
    on_left_out: Callable[[str, str], object] = lambda *_: None,
) -> Json:
    """Parse a text but for the rows of its lists, which are only checked.

    Args:
        data: the text, in any encoding that JSON may have.
        on_ids: called with a list's name (empty for a list that is the whole text) and the ``id`` of each
            object among some of its rows; ``None`` of one without.
        on_left_out: called with the name of a member that is not among what is returned, and why.

    Returns:
        For an object its members, lists among them as :class:`JsonRows`; for a list :class:`JsonRows`;
        else the value. Each row has been checked to be JSON, so that going through it cannot fail.

    Raises:
        DatasetError: if it is not JSON, or so much of it that it cannot be a data set.
    """
    if len(data) > MAX_JSON_BYTES:
        raise DatasetError(
            f"expected at most {MAX_JSON_BYTES / 2**30:g} GiB of JSON, got {len(data) / 2**30:.1f}; "
            "split the file"
        )
    text = _as_utf8(data)
    try:
        return _document(text, on_ids, on_left_out)
    except (ValueError, RecursionError):
        _say_where(text)
        raise DatasetError("this is not JSON, or only part of a file") from None


def count_values(data: bytes | memoryview) -> int:
    """Return how many values a text has; an empty list counts twice. It need not be JSON."""
    return int(_weigh(np.frombuffer(data, np.uint8), _KINDS))


def _say_where(text: bytes) -> None:
    """Say where a text is no JSON, unless that would take gigabytes: then all of it has to be parsed."""
    if count_values(text) <= 10 * MAX_EXTRA_VALUES:
        read_json(text)


def _document(
    text: bytes,
    on_ids: Callable[[str, list[Json]], object],
    on_left_out: Callable[[str, str], object],
) -> Json:
    span = _trimmed(memoryview(text))
    if not span or span[0] not in b"{[":
        return json.loads(text)
    if span[0] == ord("["):
        return _list_rows(span, "", partial(on_ids, ""))
    starts, colons, ends, _ = _parts(span, "", MAX_MEMBERS, None)
    if (colons < 0).any():
        raise ValueError("a member without a colon")
    members: dict[str, Json] = {}
    left = MAX_EXTRA_VALUES
    for start, colon, end in zip(starts.tolist(), colons.tolist(), ends.tolist(), strict=True):
        name = json.loads(bytes(span[start:colon]))
        if not isinstance(name, str):
            raise ValueError(name)
        if members.pop(name, None) is not None:
            on_left_out(name, "a name that is there twice; only the last one counts")
        value = _trimmed(span[colon + 1 : end])
        if name not in _LISTED:
            weight = count_values(value)
            if weight > left:
                members.pop(name, None)
                on_left_out(name, f"more than {MAX_EXTRA_VALUES} values outside the rows; left out")
                continue
            left -= weight
        is_list = bool(value) and value[0] == ord("[")
        members[name] = (
            _list_rows(value, name, partial(on_ids, name)) if is_list else json.loads(bytes(value))
        )
    return members


_LISTED = {"images": MAX_LISTED, "categories": MAX_LISTED, "annotations": None}
"""The lists of a data set, and how many values are taken of them all together, where they are all kept."""

_SPACE = b" \t\n\r"
_TAIL = 1 << 16


_NO_SPACE = re.compile(rb"[^ \t\n\r]")


def _trimmed(text: memoryview) -> memoryview:
    """Return a text without the space around it; not a copy, as lists make up nearly all of a large file."""
    first = _NO_SPACE.search(text)
    if first is None:
        return text[:0]
    end = len(text)
    while not (tail := bytes(text[max(end - _TAIL, 0) : end]).rstrip(_SPACE)):
        end -= _TAIL
    return text[first.start() : max(end - _TAIL, 0) + len(tail)]


def _as_utf8(data: bytes) -> bytes:
    """Return the same text in UTF-8 without a byte order mark (RFC 8259, section 8.1)."""
    encoding = json.detect_encoding(data)
    if encoding == "utf-8":
        return data
    try:
        return data.decode(encoding).encode()
    except UnicodeError as error:
        raise DatasetError(f"this is not JSON, or only part of a file ({error})") from error


def _list_rows(text: memoryview, name: str, on_ids: Callable[[list[Json]], object]) -> JsonRows:
    starts, _, ends, has_long_number = _parts(text, name, MAX_ROWS, MAX_ROW_VALUES, _LISTED.get(name))
    rows = JsonRows(text, starts, ends, has_long_number)
    try:
        for ids in rows.ids(MAX_STRANGE_ROWS if name in _LISTED or not name else None):
            on_ids(ids)
    except DatasetError as error:
        raise DatasetError(f"{name or 'JSON'}: {error}") from None
    return rows


def parse_json(text: str | bytes) -> Json:
    """Parse a text as ``json`` does, only quicker where that is the same.

    Raises:
        ValueError: if it is not JSON.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return json.loads(text) if _TOO_LONG in data.translate(_DIGITS) else _parse_short(data)


def _parse_short(text: bytes) -> Json:
    """Parse a text whose numbers have at most 18 digits in a row."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # NaN, half of a surrogate pair, or an error
        return json.loads(text)


def _parts(
    text: memoryview, name: str, most: int, most_values: int | None, most_together: int | None = None
) -> tuple[Offsets, Offsets, Offsets, bool]:
    """Return what stands within the outermost brackets of a text, cut at its commas.

    Args:
        text: a list or an object.
        name: of it, for people.
        most: parts that it may have.
        most_values: values that a part may have, or ``None`` for any number.
        most_together: values that all parts may have together, likewise.

    Returns:
        Where each part begins, has its first colon (-1 where there is none), and ends; and whether more than
        18 digits follow each other outside of texts.

    Raises:
        ValueError: if brackets and quotes do not match up to the last byte.
        DatasetError: if there is more of it.
    """
    content = np.frombuffer(text, np.uint8)
    count, longest, heaviest, values = _cut(content, _KINDS, *np.empty((3, 0), np.int64))
    is_long = bool(longest > len(_TOO_LONG) - 1)
    if count < 0:
        raise ValueError("brackets or quotes that do not match")
    for found, limit, what in (
        (count, most, f"{'rows' if name else 'members'}, got {count:,}"),
        (heaviest, most_values, "values in one row, got more"),
        (values, most_together, "values, got more"),
    ):
        if limit is not None and found > limit:
            raise DatasetError(f"{name or 'JSON'}: expected at most {limit:,} {what}")
    starts, colons, ends = np.empty((3, count), np.int64)
    _cut(content, _KINDS, starts, colons, ends)
    if count == 1 and not bytes(text[1:-1]).strip(_SPACE):
        return starts[:0], colons[:0], ends[:0], is_long
    return starts, colons, ends, is_long


_QUOTE, _BACKSLASH, _OPENS, _CLOSES, _COMMA, _COLON, _DIGIT = range(1, 8)
_KINDS = np.zeros(256, np.uint8)
for _kind, _bytes in enumerate((b'"', b"\\", b"{[", b"}]", b",", b":", b"0123456789"), start=1):
    _KINDS[list(_bytes)] = _kind


@compiled
def _cut(
    text: npt.NDArray[np.uint8],
    kinds: npt.NDArray[np.uint8],
    starts: Offsets,
    colons: Offsets,
    ends: Offsets,
) -> tuple[int, int, int, int]:
    """Fill in the parts as far as there is room for them.

    Returns:
        Their number, or -1 if brackets do not match; how many digits follow each other at most; and how many
        values one of them has at most, and all together, where an empty list counts twice.
    """
    count, depth, begin, colon = 0, 0, 1, -1
    values, heaviest, before = 1, 0, 0
    digits, longest = 0, 0
    in_string, escaped = False, False
    last = text.size - 1
    for i in range(text.size):
        kind = kinds[text[i]]
        if in_string:
            if escaped:
                escaped = False
            elif kind == _QUOTE:
                in_string = False
            elif kind == _BACKSLASH:
                escaped = True
            continue
        if kind == _DIGIT:
            digits += 1
            continue
        if digits > longest:
            longest = digits
        digits = 0
        if kind == 0:
            continue
        if kind == _QUOTE:
            in_string = True
        elif kind == _OPENS:
            depth += 1
            values += 1
        elif kind == _CLOSES:
            depth -= 1
            if depth == 0 and (i < last or text[i] != text[0] + 2):
                return -1, 0, 0, 0
        elif kind == _COLON and depth == 1 and colon < 0:
            colon = i
        if kind == _COMMA:
            values += 1
        if depth == 0 or (kind == _COMMA and depth == 1):
            if count < starts.size:
                starts[count], colons[count], ends[count] = begin, colon, i
            count += 1
            heaviest, before = max(heaviest, values - before), values
            begin, colon = i + 1, -1
    return -1 if depth or in_string else count, longest, heaviest, values


@compiled
def _weigh(text: npt.NDArray[np.uint8], kinds: npt.NDArray[np.uint8]) -> int:
    """Return how many values a text has, where an empty list counts twice; it need not be JSON."""
    values, in_string, escaped = 1, False, False
    for byte in text:
        kind = kinds[byte]
        if escaped:
            escaped = False
        elif kind == _QUOTE:
            in_string = not in_string
        elif in_string:
            escaped = kind == _BACKSLASH
        elif kind == _OPENS or kind == _COMMA:  # noqa: SIM109  # compiled: two comparisons, no tuple
            values += 1
    return values
