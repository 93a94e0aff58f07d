"""A model that workers on other machines do not have: a person's own goes with the job, by its digest.

Published models come from their publisher, and those in the box with MaskDesk. What somebody trained lies on
one machine only; so where a team shares a database, its weights and its card are put beside the images when a
job is made, and a worker that has not got them fetches them from there. What the job names is what runs,
also where another file has that name by now.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import FilesAwayError, StoreError, WeightsError
from maskrcnn_core.models.cards import card_file, read_card
from maskrcnn_core.models.catalog import all_models, model_by_key, row_of_card
from maskrcnn_core.models.downloads import file_sha256
from maskrcnn_core.models.spec import ModelSpec
from maskrcnn_core.models.weights_files import fetched_models_folder
from maskrcnn_core.projects.proposals.job_rows import JobRow
from maskrcnn_core.projects.store import Store

__all__ = ["SharedModel", "model_of_job", "share_model"]


@dataclass(frozen=True)
class SharedModel:
    """The digests of a model's weights and card, where both lie with the store's files; else empty."""

    weights: str = ""
    card: str = ""


def share_model(store: Store, key: str) -> SharedModel:
    """Put a person's own model where the workers of other machines find it, if there may be any.

    A store with an SQLite database has workers on its own computer only: they have the file.

    Raises:
        WeightsError: if the model's files cannot be read, or do not belong together.
        StoreError: if they cannot be written.
    """
    spec = next((spec for spec in all_models() if spec.key == key), None)
    if spec is None or not spec.is_own or store.place.sqlite_file is not None:
        return SharedModel()
    file = Path(spec.file)
    try:
        weights, card = file.read_bytes(), card_file(file).read_bytes()
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read ({error.strerror or error})") from error
    if hashlib.sha256(weights).hexdigest() != spec.sha256:
        raise WeightsError(
            f"{file}: expected the weights its card describes (SHA-256 {spec.sha256[:8]}...), got others or "
            "a damaged file; copy both files together, or train again"
        )
    return SharedModel(store.blobs.put(weights), store.blobs.put(card))


def model_of_job(store: Store, job: JobRow) -> ModelSpec:
    """Return the row of a job's model on this machine, fetched from the store's files where it lies there.

    Raises:
        InputError: if there is no such model here, nor there.
        WeightsError: if its files are gone or damaged, or cannot be kept here.
        FilesAwayError: if the place of the store's files cannot be reached.
    """
    if not job.card:
        return model_by_key(job.model_key)
    own = next((spec for spec in all_models() if spec.key == job.model_key), None)
    if own is not None and own.sha256 == job.weights:
        return own
    file = fetched_models_folder() / f"{job.weights}.safetensors"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not (file.is_file() and file_sha256(file) == job.weights):
            replace_file(file, store.blobs.get(job.weights))
        replace_file(card_file(file), store.blobs.get(job.card))
    except FilesAwayError:
        raise
    except StoreError as error:
        raise WeightsError(f"{one_line(job.model_key)}: {error}") from error
    except OSError as error:
        raise WeightsError(
            f"{one_line(job.model_key)}: its weights cannot be kept in {file.parent} "
            f"({error.strerror or error})"
        ) from error
    return replace(row_of_card(read_card(card_file(file)), file, job.model_key), is_own=True)
