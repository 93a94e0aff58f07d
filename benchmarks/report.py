"""What a benchmark hands back: a table, what was claimed of it, and whether that held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["NOT_MEASURED", "Claim", "Report", "megabytes", "seconds", "times"]

NOT_MEASURED = "–"


@dataclass(frozen=True)
class Claim:
    """One sentence that the numbers were to show.

    Args:
        kind: ``equality`` must hold on every machine; ``cost`` depends on the machine and its load.
    """

    text: str
    held: bool
    kind: Literal["equality", "cost"]


@dataclass(frozen=True)
class Report:
    """A benchmark's outcome.

    Args:
        columns: headings; the first column holds words, the others numbers.
        rows: cells as text, one for each column.
        claims: checked in this run.
        notes: sentences on what was run and what was left out.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    claims: tuple[Claim, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"row {row}: expected {len(self.columns)} cells, got {len(row)}")

    def markdown(self) -> str:
        """The table, then the claims and notes as lists."""
        lines = [_line(self.columns), _line(("---", *["---:"] * (len(self.columns) - 1)))]
        lines += [_line(row) for row in self.rows]
        listed = [f"- {'Held' if claim.held else '**Not held**'}: {claim.text}" for claim in self.claims]
        listed += [f"- {note}" for note in self.notes]
        return "\n".join([*lines, *([""] if listed else []), *listed])


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def seconds(value: float) -> str:
    """A duration in the unit that suits it."""
    if value < 0.9995e-3:
        return f"{value * 1e3:.2f} ms"
    if value < 0.9995:
        return f"{_three_digits(value * 1e3)} ms"
    return f"{_three_digits(value)} s"


def megabytes(value: float) -> str:
    """A number of bytes as MB, or GB from 1000 of them on."""
    return f"{value / 1e9:.1f} GB" if value >= 999.5e6 else f"{value / 1e6:.0f} MB"


def times(slower: float, faster: float) -> str:
    """How many times as long the slower one takes."""
    return f"{_three_digits(slower / faster)} ×"


def _three_digits(value: float) -> str:
    return f"{value:.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f}"
