"""Prints docs/interop.md from a run: `.venv/bin/python -m tests.interop.table > docs/interop.md`."""

from __future__ import annotations

import datetime

from tests.interop.judges import JUDGES, NOT_ASKED
from tests.interop.judging import Judge
from tests.interop.running import Verdict, verdict_of

__all__ = ["main", "rows_of_table"]

_INTRO = """# What other programs read of an export

`make test-interop` writes one small scene in each export format, lets the readers of other programs read
it, each in a process of its own, and compares what they see with what was meant, pixel by pixel. Such a run
printed this table, and a run fails where it finds anything else.

The scene has a disc, a ring with a hole, an object of two parts, one of a single pixel, one at the border,
and two that lie partly over or under others. There is an image without objects, ids of categories have
gaps, and names are in several scripts. An IoU is that of the object that comes back worst, and is never
rounded up; beside it is that of the worst object of {large} pixels or more, as readers that fill pixels
beyond an outline do worst with the single pixel. A dash means that a reader ends with an error. Where a
format has one object to a pixel, what is visible of each is compared. Names of categories come back
wherever the format has them.

Measured on {date}. `tests/interop/judges.py` lists the readers, and `python -m tests.interop.table` prints
this page.

"""
_HEAD = """| format | reader | least IoU | of large objects | what that reader loses or gets wrong |
|---|---|---:|---:|---|
"""


def rows_of_table() -> list[str]:
    """Return the table's rows, running every judge that has not run."""
    return [_row(judge, verdict_of(judge)) for judge in JUDGES]


def _row(judge: Judge, verdict: Verdict) -> str:
    shown = [f"{iou:.3f}".rstrip("0").rstrip(".") for iou in (verdict.least, verdict.least_large)]
    least, large = ("–", "–") if verdict.error else shown
    return f"| {judge.format} | {judge.reader} {verdict.release} | {least} | {large} | {judge.loses} |"


def main() -> None:
    """Print the page."""
    from tests.interop.scene import LARGE

    print(_INTRO.format(large=LARGE, date=datetime.date.today().isoformat()) + _HEAD, end="")
    print("\n".join(rows_of_table()))
    print("\n## Not asked\n\n| reader | why |\n|---|---|")
    print("\n".join(f"| {reader} | {why} |" for reader, why in NOT_ASKED))


if __name__ == "__main__":
    main()
