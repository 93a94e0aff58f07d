"""Lists of addresses: a text with one a line, or a column of a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import PurePosixPath

from maskrcnn_core.common.extras import missing_extra
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import InputError
from maskrcnn_core.shards.stores import last_part, open_input

__all__ = ["TABLE_SUFFIXES", "addresses_in"]

TABLE_SUFFIXES = (".csv", ".parquet")
_MOST_LINE = 2**16
_AT_ONCE = 4096


def addresses_in(named: str, column: str | None) -> Iterator[tuple[int, str]]:
    """Yield the addresses that a list has, each with its line or row from 1 on; empty cells, too.

    Args:
        named: path or address of a ``.txt``, ``.csv`` or ``.parquet``.
        column: of a table; not needed where it has only one.

    Raises:
        InputError: if it cannot be read, or has no such column.
    """
    suffix = PurePosixPath(last_part(named)).suffix.casefold()
    shown = one_line(named)
    with open_input(named) as file:
        if suffix == ".parquet":
            yield from _of_parquet(file, shown, column)
            return
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        try:
            yield from _of_csv(text, shown, column) if suffix == ".csv" else _of_lines(text, shown)
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(
                f"{shown}: expected a list in UTF-8, got something else ({one_line(str(error))})"
            ) from error


def _of_lines(text: io.TextIOWrapper, shown: str) -> Iterator[tuple[int, str]]:
    number = 0
    while line := text.readline(_MOST_LINE):
        number += 1
        if len(line) == _MOST_LINE:
            raise InputError(f"{shown}: line {number}: expected an address, got {_MOST_LINE:,} characters")
        if address := line.strip():
            yield number, address


def _of_csv(text: io.TextIOWrapper, shown: str, column: str | None) -> Iterator[tuple[int, str]]:
    rows = csv.reader(text)
    head = next(rows, [])
    place = head.index(_column_of(head, shown, column))
    for number, row in enumerate(rows, start=1):
        if row:
            yield number, row[place].strip() if place < len(row) else ""


def _of_parquet(file: object, shown: str, column: str | None) -> Iterator[tuple[int, str]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(missing_extra("stores", f"{shown}: this list")) from error
    try:
        table = parquet.ParquetFile(file)
        name = _column_of(table.schema_arrow.names, shown, column)
        number = 0
        for batch in table.iter_batches(_AT_ONCE, columns=[name]):
            for value in batch.column(0).to_pylist():
                number += 1
                yield number, value.strip() if isinstance(value, str) else ""
    except pyarrow.ArrowException as error:
        raise InputError(
            f"{shown}: expected a Parquet file, got something else ({one_line(str(error))})"
        ) from error


def _column_of(head: list[str], shown: str, column: str | None) -> str:
    if column is None and len(head) == 1:
        return head[0]
    if column in head and column is not None:
        return column
    there = ", ".join(one_line(name) for name in head[:10]) or "none"
    wanted = "the name of a column" if column is None else f"a column {one_line(column)}"
    raise InputError(f"{shown}: --column: expected {wanted}, got a table with {there}")
