"""How all commands speak: lines, tables and progress on a terminal, in a pipe or in a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from tqdm import tqdm

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.common.refusals import Refusal, grouped
from maskrcnn_core.errors import CoreError, InputError

__all__ = ["bar_of", "errors_told", "shown_on", "table", "tell", "tell_refusals"]

_REFUSALS_SHOWN = 20


@contextmanager
def errors_told() -> Iterator[None]:
    """Print what the core raises on purpose as one line; anything else is a bug and shows as one."""
    try:
        yield
    except CoreError as error:
        tell(str(error))
        raise typer.Exit(2 if isinstance(error, InputError) else 1) from None


def tell(message: str) -> None:
    """Print a line on the standard error, above a progress bar if there is one."""
    tqdm.write(one_line(message), file=sys.stderr)


def tell_refusals(file: Path, refusals: Sequence[Refusal], notes: Sequence[str] = ()) -> None:
    """Report what of a data set file cannot be used and what was repaired, each reason with its count."""
    sentences = [*grouped(refusals), *notes]
    for sentence in sentences[:_REFUSALS_SHOWN]:
        tell(f"{one_line(str(file))}: {sentence}")
    if len(sentences) > _REFUSALS_SHOWN:
        tell(f"{one_line(str(file))}: {len(sentences) - _REFUSALS_SHOWN} more reasons")


class _Bar(tqdm):  # type: ignore[type-arg]  # at runtime it takes none
    """A bar of whom all can be asked and told, also while it is not shown: tqdm then sets next to nothing."""

    initial = 0


class _PipedBar(_Bar):
    """A bar that says nothing before something is done: a log keeps every state."""

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        if self.n > self.initial:
            super().display(msg, pos)

    def clear(self, nolock: bool = False) -> None:
        if self.n > self.initial:
            super().clear(nolock)

    def close(self) -> None:
        if not self.disable and self.n <= self.initial:
            self.leave = False  # nor an empty line at the end
        super().close()


def bar_of(*, total: int | None, unit: str, quiet: bool, initial: int = 0) -> tqdm[Any]:
    """Return a progress bar with rate and remaining time.

    In a file or a pipe it prints seldom, and counts only.
    """
    is_terminal = sys.stderr.isatty()
    return (_Bar if is_terminal else _PipedBar)(
        total=total,
        unit=unit,
        unit_scale=unit == "B",
        initial=initial,
        file=sys.stderr,
        disable=quiet,
        mininterval=0.1 if is_terminal else 10.0,
        smoothing=0.0,
        dynamic_ncols=True,
    )


def shown_on(bar: tqdm[Any]) -> Callable[[int, int], None]:
    """Return what moves a bar when it is told how many are done, and of how many."""

    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return show


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
    """Yield rows as lines with aligned columns; those in ``right`` are aligned to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
