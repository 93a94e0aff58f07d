"""Models that were trained here, and how they get into the menus."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.models.cards import card_file, read_card
from maskrcnn_core.models.catalog import MODELS, TRAINED_FOLDER, all_models, trained_row
from maskrcnn_core.models.spec import ModelSpec
from maskrcnn_core.models.weights_files import download_folder, own_models_folder

__all__ = ["add_trained_model", "trained_model_of"]


def trained_model_of(file: Path) -> ModelSpec | None:
    """Return the model in the menu that would no longer be there once these weights are: it has their name.

    Raises:
        InputError: if it is one of MaskDesk's own, whose key nobody else can have.
    """
    if file.stem in {spec.key for spec in MODELS}:
        raise InputError(
            f"{file.name}: {file.stem!r} is the key of one of MaskDesk's own models; rename the file"
        )
    return next(
        (spec for spec in all_models() if spec.key == file.stem and spec.file != str(file.absolute())), None
    )


def _trained_file(file: Path) -> Path:
    if file.absolute().parent == own_models_folder():
        return file  # it is where menus look already
    if os.environ.get("MASKDESK_WEIGHTS"):
        return download_folder() / TRAINED_FOLDER / file.name
    return own_models_folder() / file.name


def add_trained_model(file: Path) -> ModelSpec:
    """Copy weights and card to where every menu finds them; what lies there already stays as it is.

    A model of the same name that was added before is replaced.

    Returns:
        The row in the menu.

    Raises:
        InputError: if the name is that of one of MaskDesk's own models.
        WeightsError: if the card or the weights cannot be used, or the folder cannot be written.
    """
    card = read_card(card_file(file))
    trained_model_of(file)
    target = _trained_file(file)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        weights = file.read_bytes()
        if hashlib.sha256(weights).hexdigest() != card.sha256:
            raise WeightsError(f"{file.name}: its card belongs to other weights; copy both files together")
        if target.absolute() != file.absolute():
            replace_file(target, weights)
            replace_file(card_file(target), card_file(file).read_bytes())
    except OSError as error:
        raise WeightsError(
            f"{target}: cannot be written ({error.strerror or error}); "
            "MASKDESK_WEIGHTS can name another folder"
        ) from error
    return trained_row(target)
