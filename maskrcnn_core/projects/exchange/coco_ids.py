"""What is said of the ids of a file that its rows could not keep, as the project had given them before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maskrcnn_core.projects.records import Entry

__all__ = ["made_lines", "renumbered_notes"]

_LISTS = {"category": "categories", "image": "images", "instance": "annotations"}


def made_lines(entry: Entry | None, table: str) -> list[Mapping[str, Any]]:
    """Return the lines of rows of a table that a decision made, in the order in which it named them."""
    lines = () if entry is None else entry.changes
    return [line for line in lines if line["table"] == table and "made" in line]


def renumbered_notes(entry: Entry | None) -> list[str]:
    """Return what is to be said of ids of a file that the project had given before, for each of its lists."""
    notes = []
    for table, rows in _LISTS.items():
        changed = [line for line in made_lines(entry, table) if "wanted" in line]
        if not changed:
            continue
        first = f"{changed[0]['wanted']}, now {changed[0]['coco_id']}"
        if len(changed) == 1:
            what = f"1 of the file's ids was already used here; it got the next free one ({first})"
        else:
            what = (
                f"{len(changed)} of the file's ids were already used here; they got the next free ones "
                f"(first {first})"
            )
        notes.append(f"{rows}: {what}")
    return notes
