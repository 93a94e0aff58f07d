"""A plot of each table: its leading numbers side by side, so that what is compared can be seen.

Bars begin at zero; where numbers differ by more than those can show, dots stand on a logarithmic axis.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Report

__all__ = ["Bars", "bars_of", "write_plot"]

_CELL = re.compile(r"([\d,]*\.?\d+) ?(ms|s|min|MB|GB|×|%)?( \(.*\))?")
_UNITS = {
    None: ("", 1.0),
    "ms": ("seconds", 1e-3),
    "s": ("seconds", 1.0),
    "min": ("seconds", 60.0),
    "MB": ("MB", 1.0),
    "GB": ("MB", 1e3),
    "×": ("times", 1.0),
    "%": ("%", 1.0),
}
_MOST_COLUMNS = 3
_WIDE = 30
"""Times the least number that the largest may be for bars."""
_LONGEST = 75
_COLOURS = ("#0b6e8f", "#c8553d", "#8a8f98")  # told apart also by those who see no red or green


@dataclass(frozen=True)
class Bars:
    """What is drawn of a table.

    Args:
        unit: of all numbers; empty where they count something.
        columns: their headings.
        rows: the words that lead a row, and its number in each column; ``None`` where there is none.
    """

    unit: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]


def bars_of(report: Report) -> Bars | None:
    """Return the numbers of the first column that has some, and of those with the same unit beside it.

    ``None`` if no column has a number.
    """
    read = [[_number(cell) for cell in column] for column in zip(*report.rows, strict=True)]
    units = [_unit(column) for column in read]
    # The first column holds words, whatever they look like.
    leading = next((i for i, unit in enumerate(units) if i and unit is not None), None)
    if leading is None:
        return None
    chosen = [i for i, unit in enumerate(units) if i >= leading and unit == units[leading]][:_MOST_COLUMNS]
    rows = tuple(
        (
            _shortened(", ".join(cell for cell in row[:leading] if cell)),
            tuple(_value(read[i][n]) for i in chosen),
        )
        for n, row in enumerate(report.rows)
    )
    return Bars(units[leading] or "", tuple(report.columns[i] for i in chosen), rows)


def write_plot(bars: Bars, title: str, file: Path) -> None:
    """Draw bars as SVG; the same bars give the same bytes."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.size": 9}):
        thick, is_wide = 0.8 / len(bars.columns), _is_wide(bars)
        figure = Figure((10, 1.2 + 0.26 * len(bars.rows) * len(bars.columns)), layout="constrained")
        axes = figure.add_subplot()
        for n, heading in enumerate(bars.columns):
            at = [row + (n - (len(bars.columns) - 1) / 2) * thick for row in range(len(bars.rows))]
            values = [row[n] for _, row in bars.rows]
            known = [(place, value) for place, value in zip(at, values, strict=True) if value is not None]
            if is_wide:
                axes.plot([v for _, v in known], [p for p, _ in known], "o", color=_COLOURS[n], label=heading)
            else:
                axes.barh(at, [value or 0.0 for value in values], thick, color=_COLOURS[n], label=heading)
            for place, value in known:
                axes.annotate(f"{value:.3g}", (value, place), (5, 0), textcoords="offset points", va="center")
        axes.set_yticks(range(len(bars.rows)), [words for words, _ in bars.rows])
        axes.invert_yaxis()
        if is_wide:
            axes.set_xscale("log")
        axes.margins(x=0.12)
        axes.set_xlabel(bars.unit)
        axes.set_title(title, loc="left")
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="lower right", frameon=False, bbox_to_anchor=(1, 1), ncols=len(bars.columns))
        figure.savefig(file, format="svg", metadata={"Date": None})


def _number(cell: str) -> tuple[str, float] | None:
    """Return a cell's unit and number, or nothing where it holds words or none."""
    if (found := _CELL.fullmatch(cell)) is None:
        return None
    unit, factor = _UNITS[found[2]]
    return unit, float(found[1].replace(",", "")) * factor


def _unit(column: Sequence[tuple[str, float] | None]) -> str | None:
    units = {number[0] for number in column if number is not None}
    return units.pop() if len(units) == 1 else None


def _value(number: tuple[str, float] | None) -> float | None:
    return None if number is None or not math.isfinite(number[1]) else number[1]


def _is_wide(bars: Bars) -> bool:
    values = [value for _, row in bars.rows for value in row if value]
    return bool(values) and max(values) > _WIDE * min(values)


def _shortened(words: str) -> str:
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 2]} …"
