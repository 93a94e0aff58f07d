"""Find the model a user means, for commands that run one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from tqdm import tqdm

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.common.terminal import bar_of, tell
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import InputError
from maskrcnn_core.models.cards import card_file
from maskrcnn_core.models.catalog import MODELS, all_models, default_model, model_by_key, ready_models
from maskrcnn_core.models.choice import best_of, check_domain
from maskrcnn_core.models.domains import domain_by_key
from maskrcnn_core.models.loading import load_custom_model, load_model, load_trained_model
from maskrcnn_core.models.published import USUAL_KEY
from maskrcnn_core.models.spec import LoadedModel, ModelSpec, Progress

__all__ = ["check_named", "download_bar", "load_named_model", "load_row", "thresholds_of"]

_CUSTOM_SUFFIXES = (".pth", ".pt", ".pkl", ".h5", ".safetensors")


def load_named_model(
    model: str | None, names: Path | None, *, download: bool, quiet: bool, domain: str | None = None
) -> LoadedModel:
    """Return the model of a key or file, or the best that is ready if none is named.

    If a domain is named, return the best model for it; a named model must suit it.
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
        has_card = names is None and card_file(Path(model)).is_file()
        loaded = load_trained_model(Path(model)) if has_card else _load_custom(Path(model), names)
        for note in loaded.notes:
            tell(f"{one_line(model)}: {note}")
        return loaded
    if names is not None:
        raise InputError(
            "--names: expected a model from a file with it, got none; name that file with --model"
        )
    if model is not None:
        spec = model_by_key(model)
    elif domain is not None and domain not in MODELS[0].domains:
        spec = best_of(domain)
        tell(f"for {domain}: using {spec.key}. {spec.knows}")
    else:
        is_lacking = download and not any(s.is_published for s in ready_models())
        spec = model_by_key(USUAL_KEY) if is_lacking else default_model()
        if not spec.is_published:
            tell(f"no model given, and no published one is ready: using {spec.key}. {spec.knows}")
    return load_row(spec, download=download, quiet=quiet)


def check_named(model: str) -> None:
    """Refuse a name that is neither a model's key nor a file; nothing is loaded.

    Raises:
        InputError: saying what is close to it, or that there is no such file.
    """
    if _is_file(model):
        _check_there(Path(model))
    else:
        model_by_key(model)


def _check_there(file: Path) -> None:
    if not file.is_file():
        raise InputError(
            f"{one_line(str(file))}: expected a file of weights, with its card next to it or --names, got "
            "none: there is no such file"
        )


def _load_custom(file: Path, names: Path | None) -> LoadedModel:
    _check_there(file)
    try:
        return load_custom_model(file, names)
    except InputError as error:
        if names is not None:
            raise
        raise InputError(
            f"{one_line(str(file))}: {error}; or put its card next to it "
            f"({one_line(card_file(file).name)}), or name the file of its categories with --names"
        ) from error


def _is_file(model: str) -> bool:
    known = any(spec.key == model for spec in all_models())
    return not known and (model.casefold().endswith(_CUSTOM_SUFFIXES) or Path(model).is_file())


def load_row(spec: ModelSpec, *, download: bool, quiet: bool) -> LoadedModel:
    """Return a model from the menu, downloaded with a progress bar if asked for."""
    with download_bar(quiet=quiet) as on_progress:
        return load_model(spec, download=download, on_progress=on_progress)


@contextmanager
def download_bar(*, quiet: bool) -> Iterator[Progress]:
    """Give what a download reports its progress to; its bar appears with the first piece."""
    bar: tqdm[Any] | None = None

    def on_progress(done: int, total: int | None) -> None:
        nonlocal bar
        if bar is None:
            bar = bar_of(total=total, unit="B", quiet=quiet, initial=done)
        bar.update(done - bar.n)

    try:
        yield on_progress
    except KeyboardInterrupt:
        if bar is not None:
            bar.close()
            tell("interrupted; the same command continues from there")
        raise typer.Exit(130) from None
    finally:
        if bar is not None:
            bar.close()


def thresholds_of(
    model: LoadedModel | None,
    score: float | None,
    nms: float | None,
    limit: int | None,
    mask: float,
    labels: frozenset[int] | None = None,
) -> Thresholds:
    """Return thresholds as the options give them; the model's own stand in for those left out.

    Args:
        model: or ``None`` to check only that the given ones are in range.

    Raises:
        InputError: if one is out of range.
    """
    own = (
        (0.5, 0.5, 1) if model is None else (model.score_threshold, model.nms_threshold, model.max_detections)
    )
    try:
        return Thresholds(
            own[0] if score is None else score,
            own[1] if nms is None else nms,
            own[2] if limit is None else limit,
            mask,
            labels,
        )
    except ValueError as error:
        raise InputError(str(error)) from error
