"""Loads models: those of the table, a person's own, and what was trained here.

A network is loaded once per process (:func:`get_model`) and shared by all sessions. It stays on the CPU, in
eval mode and unchanged: whoever needs it on another device moves a copy.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models.cards import card_file, read_card
from maskrcnn_core.models.catalog import absence_of, model_by_key, ready_keys, row_of_card
from maskrcnn_core.models.domains import OWN
from maskrcnn_core.models.downloads import DownloadFailed, download_file, file_sha256
from maskrcnn_core.models.foreign.sidecar import Sidecar
from maskrcnn_core.models.pins import is_current, is_right_file, pin_file, pinned_sha256, why_wrong
from maskrcnn_core.models.spec import LoadedModel, ModelSpec, Progress
from maskrcnn_core.models.weights_files import download_target, weights_address, weights_file
from maskrcnn_core.networks.families import backbone_of, family_of

__all__ = ["fetch_weights", "get_model", "load_custom_model", "load_model", "load_trained_model"]


def load_model(
    model: str | ModelSpec, *, download: bool = False, on_progress: Progress | None = None
) -> LoadedModel:
    """Load a fresh model of the menu; :func:`get_model` shares one instead.

    Args:
        model: a key of the table, or a row.
        download: fetch the weights if they are not on this computer, or are damaged.
        on_progress: called with ``(bytes_done, bytes_total)`` during a download.

    Raises:
        InputError: for an unknown key.
        WeightsError: if the weights are absent, are not those of the row, or cannot be fetched.
    """
    spec = model_by_key(model) if isinstance(model, str) else model
    file, digest = _checked_weights(spec, download=download, on_progress=on_progress)
    return LoadedModel.of(spec, spec.build(file), digest)


_LOADED: dict[str, LoadedModel] = {}
_LOCKS: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def get_model(key: str, *, download: bool = False, on_progress: Progress | None = None) -> LoadedModel:
    """Return the one instance of a model of the menu in this process, loaded when it is first asked for.

    Threads that ask for the same model at once wait for the first one's; other models do not wait. A
    failure is not remembered: the next call tries again. Arguments and errors as :func:`load_model`.
    """
    spec = model_by_key(key)
    with _LOCKS[key]:
        # A file that was trained again has another SHA-256, and is another model under the same key.
        if key not in _LOADED or not is_current(spec, _LOADED[key].digest):
            _LOADED[key] = load_model(spec, download=download, on_progress=on_progress)
        return _LOADED[key]


def load_custom_model(
    file: Path,
    names: Path | Sequence[str] | None = None,
    *,
    title: str | None = None,
    sidecar: Sidecar | None = None,
) -> LoadedModel:
    """Load a person's own Mask R-CNN, of whatever family.

    ``title`` is shown to people, by default the file's name. Other arguments and errors as
    :func:`maskrcnn_core.models.checkpoints.load_custom_checkpoint`.
    """
    from maskrcnn_core.models.checkpoints import load_custom_checkpoint
    from maskrcnn_core.networks.boxes_only import BOXES_ONLY, draws_boxes_only

    network, label_map, facts = load_custom_checkpoint(file, names, sidecar or Sidecar())
    family = family_of(facts.architecture)
    shown = title or file.name
    return LoadedModel(
        key=f"custom-{facts.sha256[:12]}",
        title=f"{shown} ({BOXES_ONLY})" if draws_boxes_only(network) else shown,
        network=network,
        label_map=label_map,
        nms_threshold=facts.nms_threshold,
        score_threshold=facts.score_threshold,
        max_detections=facts.max_detections,
        mask_size=family.mask_size,
        digest=facts.digest,
        backbone=backbone_of(facts.architecture),
        licence="",
        source=title or file.name,
        notes=facts.notes,
        origin="checkpoint",
    )


def load_trained_model(file: Path, *, card: Path | None = None) -> LoadedModel:
    """Load weights by their model card, wherever they lie.

    Args:
        file: ``.safetensors`` of the training command.
        card: its card; by default the one beside it.

    Raises:
        WeightsError: if the card or the weights cannot be used, or do not belong together.
    """
    found = read_card(card or card_file(file))
    loaded = load_model(row_of_card(found, file, f"custom-{found.sha256[:12]}"))
    made = (one_line(found.made),) if found.made else ()
    # Whoever loads a file knows for what; its card may name what everybody's images are.
    return replace(loaded, domains=(OWN,), notes=(found.knows, *found.notes, *made), origin="card")


def _checked_weights(spec: ModelSpec, *, download: bool, on_progress: Progress | None) -> tuple[Path, str]:
    """Return a file on this computer whose SHA-256 is the model's, and that SHA-256 in full."""
    file = weights_file(spec)
    if file is not None and is_right_file(spec, file, digest := _sha256(file)):
        return file, digest
    if download and spec.url:
        fetched = fetch_weights(spec, on_progress=on_progress)
        return fetched, _sha256(fetched)
    if file is None:
        raise absence_of(spec)
    if not spec.url:
        raise WeightsError(
            f"{file}: expected the weights its card describes (SHA-256 {spec.sha256[:8]}...), "
            "got others or a damaged file; copy both files together, or train again"
        )
    raise WeightsError(f"{file}: {why_wrong(spec, file)}")


def fetch_weights(
    spec: ModelSpec,
    *,
    on_progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Download a model's weights to where they are looked for; see :mod:`maskrcnn_core.models.downloads`.

    Returns:
        The file, whose SHA-256 is right, or is pinned now if nobody published it.

    Raises:
        DownloadCancelled: when ``cancelled()`` said so.
        DownloadFailed: if they cannot be fetched; the message also names the models that are ready.
    """
    target = download_target(spec)
    try:
        file = download_file(
            weights_address(spec),
            target,
            sha256=spec.sha256 or pinned_sha256(target),
            md5=spec.md5,
            # Where only the first digits of the SHA-256 are known, the size is no better known.
            size=spec.size_bytes if len(spec.sha256) == 64 else None,
            on_progress=on_progress,
            cancelled=cancelled,
        )
    except DownloadFailed as error:
        pin = pin_file(target)
        is_another = error.trouble == "wrong file" and not spec.sha256 and pin.exists()
        held = (
            f"; {pin.name} holds it to what first came, delete that to take the new file"
            if is_another
            else ""
        )
        message = f"{error}{held} (models that are ready now: {ready_keys()})"
        raise DownloadFailed(message, error.trouble) from error
    if not spec.sha256:
        is_right_file(spec, file, _sha256(file))
    return file


def _sha256(file: Path) -> str:
    try:
        return file_sha256(file)
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read ({error.strerror or error})") from error
