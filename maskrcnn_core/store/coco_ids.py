"""The ids that rows have in files: kept as they come, where the project never gave them to another row."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["FreeIds"]


class FreeIds:
    """Ids of a file where the project never gave them, else the next ones; counts the others.

    Args:
        taken: by the project, also by rows that are gone and may come back.
        wanted: by all rows of the file: a row that has to take another id takes none of theirs.
    """

    def __init__(self, taken: set[int], wanted: Collection[int]) -> None:
        self._taken = taken
        self._following = max(0, max(taken, default=0), max(wanted, default=0)) + 1
        self._changed: tuple[int, int] | None = None
        self._count = 0

    def take(self, wanted: int) -> int:
        """The id that a row gets."""
        given = wanted
        if wanted in self._taken:
            given, self._following = self._following, self._following + 1
            self._count += 1
            self._changed = self._changed or (wanted, given)
        self._taken.add(given)
        return given

    def notes(self, rows: str) -> list[str]:
        """What is to be said of the ids of ``images``, ``categories`` or ``annotations``."""
        if self._changed is None:
            return []
        wanted, given = self._changed
        if self._count == 1:
            return [
                f"{rows}: 1 of the file's ids was given here before; the next free one stands for it "
                f"({wanted}, now {given})"
            ]
        return [
            f"{rows}: {self._count} of the file's ids were given here before; the next free ones stand for "
            f"them (first {wanted}, now {given})"
        ]
