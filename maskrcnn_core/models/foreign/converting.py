"""Other projects' checkpoints in our own format: ``.safetensors`` with a card that says all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save

from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.models.cards import ModelCard, card_file, is_card, write_card_bytes
from maskrcnn_core.models.checkpoints import load_custom_checkpoint
from maskrcnn_core.models.foreign.sidecar import Sidecar
from maskrcnn_core.models.foreign.table import CHECKPOINT_FAMILIES
from maskrcnn_core.networks.boxes_only import BOXES_ONLY, draws_boxes_only

__all__ = ["Converted", "convert_checkpoint"]

_COUNTER = ".num_batches_tracked"


@dataclass(frozen=True)
class Converted:
    """What became of a checkpoint.

    Args:
        file: the ``.safetensors``; its card lies beside it.
        card: what it says.
        notes: sentences on what was decided while it was read.
    """

    file: Path
    card: ModelCard
    notes: tuple[str, ...]


def convert_checkpoint(
    file: Path,
    out: Path,
    names: Path | Sequence[str] | None = None,
    sidecar: Sidecar | None = None,
    *,
    title: str = "",
    licence: str = "",
) -> Converted:
    """Read a checkpoint of any family, and write what it says in our own format.

    Args:
        file, names, sidecar: as :func:`~maskrcnn_core.models.checkpoints.load_custom_checkpoint` takes them.
        out: the file to write; its name ends with ``.safetensors``.
        title: as menus show it; by default the file's name.
        licence: of the weights, where somebody knows it.

    Raises:
        InputError: if ``out`` has another ending, or is there already.
        WeightsError: as for loading, or if the files cannot be written.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"{out.name}: expected a name that ends with .safetensors, got another")
    for target in (out, card_file(out)):
        if target.exists():
            raise InputError(f"{target}: this file already exists; choose another name")
    if card_file(file).is_file() and is_card(card_file(file)):
        raise InputError(
            f"{file.name}: this is in MaskDesk's own format already, as its card says; use it as it is"
        )
    network, label_map, facts = load_custom_checkpoint(file, names, sidecar or Sidecar())
    state = {n: t.contiguous() for n, t in network.state_dict().items() if not n.endswith(_COUNTER)}
    weights = save(state)
    family = next(row for row in CHECKPOINT_FAMILIES if row.key == facts.family)
    shown = title or file.stem
    card = ModelCard(
        title=f"{shown} ({BOXES_ONLY})" if draws_boxes_only(network) else shown,
        knows=f"Converted from a checkpoint of {family.title}.",
        architecture=facts.architecture,
        categories=label_map.categories,
        sha256=hashlib.sha256(weights).hexdigest(),
        size_bytes=len(weights),
        nms_threshold=facts.nms_threshold,
        max_detections=facts.max_detections,
        score_threshold=facts.score_threshold,
        licence=licence,
        data={"converted_from": {"family": family.key, "file": file.name, "sha256": facts.sha256}},
        notes=facts.notes,
    )
    try:
        replace_file(out, weights)
        replace_file(card_file(out), write_card_bytes(card))
    except OSError as error:
        raise WeightsError(f"{out}: cannot be written ({error.strerror or error})") from error
    return Converted(out, card, facts.notes)
