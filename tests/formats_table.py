"""``python -m tests.formats_table``: the README's table of formats, from the rows that the program has."""

from __future__ import annotations

from maskrcnn_core.formats import FORMATS

__all__ = ["table_rows"]


def table_rows() -> list[str]:
    """Return the lines of the table, without its head."""
    return [f"| {' | '.join(_cells(row))} |" for row in FORMATS]


def _cells(row):
    read = row.reader.recognised_as if row.reader is not None else "–"
    return row.title, f"`{row.key}`", row.holds, row.loses or "nothing", read, row.used_by


if __name__ == "__main__":
    print("| format | key | what is in it | what is not | read, known by | who reads it |")
    print("|---|---|---|---|---|---|")
    print("\n".join(table_rows()))
