"""What all commands share: how they speak, and which model a person means."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from maskrcnn_core.domains import DOMAINS, domain_by_key
from maskrcnn_core.errors import CoreError, InputError
from maskrcnn_core.images import Stretch
from maskrcnn_core.messages import one_line
from maskrcnn_core.model_cards import card_file
from maskrcnn_core.model_choice import best_of, check_domain
from maskrcnn_core.models import (
    MODELS,
    LoadedModel,
    ModelSpec,
    all_models,
    default_model,
    load_custom_model,
    load_model,
    load_trained_model,
    model_by_key,
    ready_models,
)
from maskrcnn_core.refusals import Refusal, grouped

__all__ = [
    "DomainOption",
    "StretchOption",
    "bar_of",
    "errors_told",
    "load_named_model",
    "load_row",
    "table",
    "tell",
    "tell_refusals",
]

StretchOption = Annotated[
    Stretch,
    typer.Option(
        help="16-bit and floating-point images that use a small part of their range are stretched (auto), or "
        "left as dark as they are (off)."
    ),
]
"""The one option ``--stretch`` of all commands that decode images."""

DomainOption = Annotated[
    str | None,
    typer.Option(
        help=f"What the pictures are: {', '.join(domain.key for domain in DOMAINS)}. Takes the best model "
        "for them that is ready, and only the categories that are theirs."
    ),
]
"""The one option ``--domain`` of all commands that run a model over pictures."""

_REFUSALS_SHOWN = 20
_CUSTOM_SUFFIXES = (".pth", ".pt", ".safetensors")


def load_named_model(
    model: str | None, names: Path | None, *, download: bool, quiet: bool, domain: str | None = None
) -> LoadedModel:
    """The model of a key or file; the best that is ready if none is named.

    Where a domain is named, it is the best for that, and one that is named must be for it.
    """
    if domain is None:
        return _load_named(model, names, None, download=download, quiet=quiet)
    domain_by_key(domain)
    loaded = _load_named(model, names, domain, download=download, quiet=quiet)
    check_domain(loaded, domain)
    return loaded


def _load_named(
    model: str | None, names: Path | None, domain: str | None, *, download: bool, quiet: bool
) -> LoadedModel:
    if model is not None and _is_file(model):
        if names is None and not card_file(Path(model)).is_file():
            raise InputError(
                f"{one_line(model)}: a model from a file needs its card beside it "
                f"({one_line(card_file(Path(model)).name)}), or --names, a text file with one category a line"
            )
        loaded = load_trained_model(Path(model)) if names is None else load_custom_model(Path(model), names)
        for note in loaded.notes:
            tell(f"{one_line(model)}: {note}")
        return loaded
    if names is not None:
        raise InputError("--names: it belongs to a model from a file; name that file with --model")
    if model is not None:
        spec = model_by_key(model)
    elif domain is not None and domain not in MODELS[0].domains:
        spec = best_of(domain)
        tell(f"for {domain}: taking {spec.key}. {spec.knows}")
    else:
        spec = MODELS[0] if download and not any(s.is_published for s in ready_models()) else default_model()
        if not spec.is_published:
            tell(f"no model was named, and no published one is here: taking {spec.key}. {spec.knows}")
    return load_row(spec, download=download, quiet=quiet)


def _is_file(model: str) -> bool:
    known = any(spec.key == model for spec in all_models())
    return not known and (model.casefold().endswith(_CUSTOM_SUFFIXES) or Path(model).is_file())


def load_row(spec: ModelSpec, *, download: bool, quiet: bool) -> LoadedModel:
    """A model of the menu, fetched with a progress bar if asked for."""
    bar: tqdm[Any] | None = None

    def on_progress(done: int, total: int | None) -> None:
        nonlocal bar
        if bar is None:
            bar = bar_of(total=total, unit="B", quiet=quiet, initial=done)
        bar.update(done - bar.n)

    try:
        return load_model(spec, download=download, on_progress=on_progress)
    except KeyboardInterrupt:
        if bar is not None:
            bar.close()
            tell("interrupted; the same command goes on from there")
        raise typer.Exit(130) from None
    finally:
        if bar is not None:
            bar.close()


@contextmanager
def errors_told() -> Iterator[None]:
    """One line for what the core raises on purpose; anything else is a bug and shows as one."""
    try:
        yield
    except CoreError as error:
        tell(str(error))
        raise typer.Exit(2 if isinstance(error, InputError) else 1) from None


def tell(message: str) -> None:
    """A line on the standard error, above a progress bar if there is one."""
    tqdm.write(one_line(message), file=sys.stderr)


def tell_refusals(file: Path, refusals: Sequence[Refusal], notes: Sequence[str] = ()) -> None:
    """What cannot be used of a data set file, and what was mended: each reason with its count."""
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
    """With rate and remaining time; in a file or a pipe it speaks seldom, and of what is done alone."""
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
    """What moves a bar when it is told how many are done, and of how many."""

    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return show


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
    """Rows as lines with aligned columns; those in ``right`` are aligned to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
