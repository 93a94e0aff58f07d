"""What cannot be used of a file, and what had to be repaired in it: each reason once, with its count.

A fault in a data set file is seldom alone: whoever wrote one empty field wrote thousands. A list of all of
them hides the one reason that matters, so people are told each reason with its count and its first place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass

from maskrcnn_core.common.bounds import MAX_KINDS, MAX_PLACE, MAX_REFUSALS
from maskrcnn_core.common.one_line import one_line, shortened

__all__ = ["Groups", "Refusal", "Refusals", "grouped", "kind"]

_INDEX = re.compile(r"\[\d+\]")
_DIGITS = re.compile(r"\d+")
_LONGEST = 120
_OTHERS = ("more", "of other kinds")
"""How what goes beyond :data:`~maskrcnn_core.common.bounds.MAX_KINDS` is counted."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something in a file that cannot be used; the rest of the file is.

    Args:
        place: as ``annotations[17].segmentation``.
        reason: what was expected, alike for all that fail alike; ``{}`` stands for what was found.
        got: what was found; empty where the reason says it all.
    """

    place: str
    reason: str
    got: str = ""

    def __str__(self) -> str:
        if "{}" in self.reason:
            return f"{self.place}: {self.reason.replace('{}', self.got)}"
        return f"{self.place}: {self.reason}" + (f", got {self.got}" if self.got else "")


class Groups:
    """Counts of things that go wrong alike; only the first of each kind is kept, so millions cost nothing."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], Refusal] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def add(self, refusal: Refusal) -> None:
        """Count one refusal."""
        # Reasons that tell their numbers are alike nevertheless.
        key = (_INDEX.sub("[...]", refusal.place), _DIGITS.sub("#", refusal.reason))
        self._add(key, refusal)

    def _add(self, key: tuple[str, str], refusal: Refusal) -> None:
        if key not in self._first and len(self._first) >= MAX_KINDS:
            key, refusal = _OTHERS, Refusal(refusal.place, _OTHERS[1])
        self._first.setdefault(key, refusal)
        self._counts[key] = self._counts.get(key, 0) + 1

    def count(self, rows: str, index: int | None, field: str, reason: str, got: object = None) -> None:
        """Count one of many rows without making anything of it but the first time.

        Args:
            rows: name of the list, as ``annotations``.
            index: of the row; ``None`` where it is the whole file.
            field: with the text between the row and it, as ``.area``; or empty.
            reason: see :class:`Refusal`.
            got: the JSON value that was found.
        """
        field = shortened(field, MAX_PLACE)
        key = (f"{rows}{'' if index is None else '[...]'}{field}", reason)
        if key in self._first:
            self._counts[key] += 1
            return
        place = f"{rows}{'' if index is None else f'[{index}]'}{field}"
        self._add(key, Refusal(place, reason, "" if got is None else kind(got)))

    def take_in(self, other: Groups, moved: Callable[[Refusal], Refusal]) -> None:
        """Count all that another has counted.

        Args:
            other: of a part of the same file.
            moved: gives a refusal of that part its place in the file.
        """
        for key, first in other._first.items():
            self._first.setdefault(key, moved(first))
            self._counts[key] = self._counts.get(key, 0) + other._counts[key]

    def __len__(self) -> int:
        return sum(self._counts.values())

    def items(self) -> Iterator[tuple[Refusal, int]]:
        """Yield the first of each kind and how many there are, in the order in which they came up."""
        return ((first, self._counts[key]) for key, first in self._first.items())

    def sentences(self) -> tuple[str, ...]:
        """Return one sentence for each reason, in the order in which they came up."""
        return tuple(self._sentence(key) for key in self._first)

    def _sentence(self, key: tuple[str, str]) -> str:
        first, count = self._first[key], self._counts[key]
        if count == 1:
            return one_line(str(first))
        place, reason = key[0], first.reason
        got = f", got {first.got}" if first.got else ""
        return one_line(f"{place}: {reason.replace('{}', '...')} ({count} times; first {first.place}{got})")


class Refusals:
    """Refusals of one file: the first are kept one by one, all are counted, so millions cost little."""

    def __init__(self) -> None:
        self.first: list[Refusal] = []
        self._all = Groups()

    def add(self, refusal: Refusal) -> None:
        """Take one more."""
        self._all.add(refusal)
        if len(self.first) < MAX_REFUSALS:
            self.first.append(refusal)

    def __len__(self) -> int:
        return len(self._all)

    def items(self) -> Iterator[tuple[Refusal, int]]:
        """Yield the first of each kind and how many there are, in the order in which they came up."""
        return self._all.items()

    def sentences(self) -> tuple[str, ...]:
        """Return one sentence for each reason, with its count and its first place."""
        return self._all.sentences()


def grouped(refusals: Iterable[Refusal]) -> tuple[str, ...]:
    """Return one sentence for each reason, with its count and its first place."""
    groups = Groups()
    for refusal in refusals:
        groups.add(refusal)
    return groups.sentences()


def kind(value: object) -> str:
    """Return what a JSON value is, for people: short, whatever it holds."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "an object"
    # Also a list whose rows are parsed when they are wanted.
    if isinstance(value, Sized) and not isinstance(value, str | bytes):
        return f"a list of {len(value)}" if len(value) else "an empty list"
    return repr(value)[:_LONGEST]
