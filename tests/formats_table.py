"""``python -m tests.formats_table``: the README's tables of formats and checks, from the rows themselves."""

from __future__ import annotations

from maskrcnn_core.formats import FORMATS
from maskrcnn_core.formats.checks import CHECKS

__all__ = ["check_rows", "format_rows"]


def format_rows() -> list[str]:
    """Return the lines of the table of formats, without its head."""
    return [f"| {' | '.join(_cells(row))} |" for row in FORMATS]


def check_rows() -> list[str]:
    """Return the lines of the table of what ``check-file`` looks for, without its head."""
    return [f"| {check.title} | {check.severity} | {check.readers} | {check.fix} |" for check in CHECKS]


def _cells(row):
    read = row.reader.recognised_as if row.reader is not None else "–"
    return row.title, f"`{row.key}`", row.holds, row.loses or "nothing", read, row.used_by


if __name__ == "__main__":
    print("| format | key | what is in it | what is not | read, known by | who reads it |")
    print("|---|---|---|---|---|---|")
    print("\n".join(format_rows()))
    print("\n| what is wrong | how bad | what readers make of it | in the repaired file |")
    print("|---|---|---|---|")
    print("\n".join(check_rows()))
