"""Reads the lists of a large JSON file row by row: never more than some megabytes of it at once."""

from __future__ import annotations

import codecs
import json
from collections import deque
from collections.abc import Iterator
from typing import Any, BinaryIO

from maskrcnn_core.errors import ExportError

__all__ = ["JsonStream"]

_CHUNK = 2**20


class JsonStream:
    """A file of one object with lists of objects, as :func:`maskrcnn_core.formats.coco.dump_json` writes it.

    It reads what was just written, so that nobody gets a file that does not come back: it takes that form
    and no other.

    Args:
        file: from its beginning.
        chunk: how many bytes are read at once.
    """

    def __init__(self, file: BinaryIO, chunk: int = _CHUNK) -> None:
        self._file, self._text = file, codecs.getincrementaldecoder("utf-8")()
        self._chunk = chunk
        self._decoder = json.JSONDecoder()
        self._held, self._at = "", 0

    def members(self) -> Iterator[tuple[str, Iterator[Any]]]:
        """Yield each member of the outermost object: its name, and the rows of its list or its one value.

        What is not taken of a list is passed over. The file is whole if this comes to its end.

        Raises:
            ExportError: if the file holds something else.
        """
        try:
            self._expect("{")
            while True:
                name = self._value()
                self._expect(":")
                rows = self._list() if self._peek() == "[" else iter([self._value()])
                yield str(name), self._refusing(str(name), rows)
                deque(rows, maxlen=0)
                if self._next() == "}":
                    break
            if self._peek():
                raise ValueError("more after its end")
        except (ValueError, RecursionError) as error:
            raise ExportError(f"expected a whole file of JSON, got something else ({error})") from error

    def _refusing(self, name: str, rows: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from rows
        except (ValueError, RecursionError) as error:
            raise ExportError(f"{name}: expected rows of JSON, got something else ({error})") from error

    def _list(self) -> Iterator[Any]:
        self._expect("[")
        if self._peek() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            if self._next() == "]":
                return

    def _value(self) -> Any:
        """Return a text, an object or a list: what is not whole yet cannot be taken for one."""
        while True:
            try:
                value, self._at = self._decoder.raw_decode(self._held, self._at)
                return value
            except json.JSONDecodeError:
                if not self._more():
                    raise

    def _peek(self) -> str:
        if self._at >= len(self._held) and not self._more():
            return ""
        return self._held[self._at]

    def _next(self) -> str:
        """Return a comma or the end of a list or object."""
        sign = self._peek()
        if sign not in (",", "]", "}"):
            raise ValueError(f"{sign or 'its end'} instead of a comma")
        self._at += 1
        return sign

    def _expect(self, sign: str) -> None:
        if self._peek() != sign:
            raise ValueError(f"{self._peek() or 'its end'} instead of {sign}")
        self._at += 1

    def _more(self) -> bool:
        chunk = self._file.read(self._chunk)
        self._held, self._at = self._held[self._at :] + self._text.decode(chunk, not chunk), 0
        return bool(chunk)
