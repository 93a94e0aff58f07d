"""The models that MaskDesk knows: one row each, and what is taken when none is named.

``MODELS`` is the table, best first: published models (:mod:`maskrcnn_core.models.published`), and last the
three that lie in the repository and are always ready: for photos, for nuclei, and for drawn shapes.
:func:`all_models` is the menu: the table, and what was trained here: each ``.safetensors`` with a model card
(:mod:`maskrcnn_core.models.cards`) in the folder ``models`` of the person's data (``$MASKDESK_DATA``), or in
``trained`` of a weights folder. Torch is imported when a network is loaded: menus and command lines show the
table without waiting for it.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.models.cards import ModelCard, card_file, read_card
from maskrcnn_core.models.published import PUBLISHED, USUAL_KEY
from maskrcnn_core.models.spec import Measured, ModelSpec
from maskrcnn_core.models.weights_files import (
    download_target,
    own_models_folder,
    weights_address,
    weights_file,
    weights_folders,
)
from maskrcnn_core.networks.families import backbone_of, family_of

if TYPE_CHECKING:
    from torchvision.models.detection import MaskRCNN

__all__ = [
    "MODELS",
    "NUCLEI_FILE",
    "NUCLEI_KEY",
    "PHOTOS_FILE",
    "PHOTOS_KEY",
    "SHAPES_FILE",
    "SHAPES_KEY",
    "TRAINED_FOLDER",
    "absence_of",
    "all_models",
    "default_model",
    "model_by_key",
    "models_of",
    "ready_keys",
    "ready_models",
    "row_of_card",
    "trained_row",
]


_WELL_KNOWN = {
    "coco_val2017/instances.json": "COCO val2017, 206 images",
    "nuclei/instances_val.json": "nuclei of the Data Science Bowl 2018, held out",
    "val/instances.json": "drawn shapes",
    "val-tissue/instances.json": "drawn stained tissue",
}
"""What the files of the models in the box hold, in words."""


def row_of_card(card: ModelCard, file: Path, key: str, speed: str = "not measured") -> ModelSpec:
    """Return the row of a weights file that has a card."""
    family = family_of(card.architecture)
    return ModelSpec(
        key=key,
        title=one_line(card.title),
        knows=one_line(card.knows),
        speed=speed,
        backbone=backbone_of(card.architecture),
        licence=one_line(card.licence),
        source=file.name,
        measured=tuple(_measured(row) for row in card.results),
        file=str(file.absolute()),
        url="",
        sha256=card.sha256,
        size_bytes=card.size_bytes,
        nms_threshold=card.nms_threshold,
        mask_size=family.mask_size,
        label_map=card.label_map,
        build=partial(_network_of, card),
        max_detections=card.max_detections,
        score_threshold=card.score_threshold,
        rois_per_image=card.rois_per_image or family.rois_per_image,
        closer_gain=card.closer_gain,
        object_pixels=card.object_pixels,
        is_published=False,
        card_domains=card.domains,
    )


def _measured(result: dict[str, object]) -> Measured:
    """Return a row of a card's results."""

    def percent(kind: str) -> float | None:
        value = result.get(kind)
        return 100 * value if isinstance(value, float) and value >= 0 else None

    on = one_line(str(result.get("name"))[:200])
    return Measured(_WELL_KNOWN.get(on, on), percent("mask AP"), percent("box AP"))


def _network_of(card: ModelCard, weights: Path) -> MaskRCNN:
    import torch

    from maskrcnn_core.models.checkpoints import load_state_into

    network = family_of(card.architecture).build(card.architecture, len(card.categories) + 1)
    load_state_into(network, weights)
    # Small channel counts: a CPU convolves them half as fast again with the channels innermost.
    return network.to(memory_format=torch.channels_last)


NUCLEI_KEY = "nuclei"

NUCLEI_FILE = Path(__file__).parent / "nuclei" / "nuclei.safetensors"
"""The model in the box for microscopy; ``make nuclei`` trains it."""

SHAPES_KEY = "shapes"

SHAPES_FILE = Path(__file__).parent / "shapes" / "shapes.safetensors"
"""The model in the box for drawings, to try MaskDesk out; ``make shapes`` trains it."""

PHOTOS_KEY = "photos"
"""The default where nothing better is ready."""

PHOTOS_FILE = Path(__file__).parent / "photos" / "photos.safetensors"
"""The model in the box for photos; ``make photos`` trains it."""

MODELS: tuple[ModelSpec, ...] = (
    *PUBLISHED,
    row_of_card(
        read_card(card_file(PHOTOS_FILE)),
        PHOTOS_FILE,
        PHOTOS_KEY,
        "fast: about 0.2 s for a photo on one core",
    ),
    *(
        row_of_card(read_card(card_file(file)), file, key, "fast: a narrow network, made for CPUs")
        for key, file in ((NUCLEI_KEY, NUCLEI_FILE), (SHAPES_KEY, SHAPES_FILE))
    ),
)
"""What comes with MaskDesk, best first: the order of menus, and of what is taken when none is named."""

_REPLACED = {"starter": (NUCLEI_KEY, SHAPES_KEY)}
"""Keys of models that came with MaskDesk once, and those that do now what they did. They are not taken in
silence: they find other objects."""

TRAINED_FOLDER = "trained"
"""Sub-folder of a weights folder that holds models with cards."""

_LAST = ".last"
"""End of the name, before its suffix, of weights where training is now; they are no choice of their own."""


def all_models() -> list[ModelSpec]:
    """Return the table, followed by the models that were trained here, by title.

    A card that cannot be read is left out here; :func:`load_trained_model` on its file says why.
    """
    trained: dict[str, ModelSpec] = {}
    taken = {spec.key for spec in MODELS}
    for folder in (own_models_folder(), *(folder / TRAINED_FOLDER for folder in weights_folders())):
        for file in sorted(folder.glob("*.safetensors")):
            if file.stem not in taken | trained.keys() and not file.stem.endswith(_LAST):
                with suppress(WeightsError):
                    trained[file.stem] = trained_row(file)
    return [*MODELS, *sorted(trained.values(), key=lambda spec: spec.title.casefold())]


def trained_row(file: Path) -> ModelSpec:
    return replace(row_of_card(read_card(card_file(file)), file, file.stem), is_own=True)


def ready_models() -> list[ModelSpec]:
    """Return the models whose weights are on this computer, best first; files are not opened for this."""
    return [spec for spec in all_models() if weights_file(spec) is not None]


def models_of(domain: str) -> list[ModelSpec]:
    """Return the models for the images of a domain, in the menu's order.

    Those that are ready come first.
    """
    specs = [spec for spec in all_models() if domain in spec.domains]
    return sorted(specs, key=lambda spec: weights_file(spec) is None)


def default_model(categories: Collection[str] = ()) -> ModelSpec:
    """Return the best model for photos that is ready: a published one, else the photo model in the box.

    Those for nuclei and drawn shapes and what was trained here know grounds of their own, and are taken where
    somebody names them, or has categories that they know better.

    Args:
        categories: names that are wanted, in any case; the ready model that knows most of them is taken.

    Raises:
        WeightsError: if none is, naming the best one's file and the folder to put it into.
    """
    ready = ready_models()
    if not ready:
        raise absence_of(model_by_key(USUAL_KEY))
    wanted = {name.casefold() for name in categories}
    known = [len(wanted & {category.name.casefold() for category in spec.label_map}) for spec in ready]
    if any(known):
        return ready[known.index(max(known))]
    return next((spec for spec in ready if spec.is_published or spec.key == PHOTOS_KEY), ready[0])


def model_by_key(key: str) -> ModelSpec:
    """Return the row with this key.

    Raises:
        InputError: with the keys that look alike, or all of them.
    """
    models = all_models()
    for spec in models:
        if spec.key == key:
            return spec
    if key in _REPLACED:
        now = " and ".join(_REPLACED[key])
        raise InputError(
            f"model {key!r}: it has been replaced by {now}, which know less each; name one of them"
        )
    keys = [spec.key for spec in models]
    close = get_close_matches(key.casefold(), keys, n=2)
    help_ = f"did you mean {' or '.join(close)}?" if close else f"choose one of {', '.join(keys)}"
    raise InputError(f"model {key!r}: there is no such model; {help_}")


def absence_of(spec: ModelSpec) -> WeightsError:
    if not spec.url:
        return WeightsError(f"{spec.key}: its weights {spec.file} are gone; restore them, or train again")
    target, address = download_target(spec), weights_address(spec)
    return WeightsError(
        f"{spec.key}: its weights are not on this computer; download {target.name} "
        f"({spec.size_bytes / 1e6:.0f} MB) from {urlsplit(address).hostname} or put it into {target.parent} "
        f"(models that are ready now: {ready_keys()})"
    )


def ready_keys() -> str:
    return ", ".join(spec.key for spec in ready_models()) or "none"
