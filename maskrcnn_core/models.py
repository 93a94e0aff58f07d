"""The models that MaskDesk knows: one row each, where their weights are, and how they are loaded.

``MODELS`` is the table, best first: published models, and last the two that lie in the repository and are
always ready, one for photos and the starter. To add one write a builder (file to network) and one row.
:func:`all_models` is the menu: the table, and what was trained here: each ``.safetensors`` with a model card
(:mod:`maskrcnn_core.model_cards`) in the folder ``models`` of the person's data (``$MASKDESK_DATA``), or in
``trained`` of a weights folder. Torch is imported when a network is loaded: menus and command lines show the
table without waiting for it.

Weights are looked for in ``$MASKDESK_WEIGHTS``, in MaskDesk's own cache folder
(``$XDG_CACHE_HOME/maskdesk/weights``, by default ``~/.cache/...``) and where torch hub keeps what
torchvision downloaded. A download goes to the first of them that can be written. ``$MASKDESK_MIRROR``
replaces the address of every file by ``<mirror>/<file name>``, for places without the internet.

A network is loaded once per process (:func:`get_model`) and shared by all sessions. It stays on the
CPU, in eval mode and unchanged: whoever needs it on another device moves a copy.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from maskrcnn_core.architectures import family_of
from maskrcnn_core.categories import COCO_CATEGORIES, LabelMap
from maskrcnn_core.domains import OWN, domains_of
from maskrcnn_core.downloads import DownloadFailed, download_file, file_sha256, has_sha256
from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.files import data_folder, replace_file
from maskrcnn_core.messages import one_line
from maskrcnn_core.model_cards import ModelCard, card_file, read_card
from maskrcnn_core.network_facts import (
    MOBILE_MASK_SIZE,
    MOBILE_ROIS,
    MOBILE_WEIGHTS_BYTES,
    MOBILE_WEIGHTS_SHA256,
    Version,
)

if TYPE_CHECKING:
    from torchvision.models.detection import MaskRCNN

__all__ = [
    "MODELS",
    "PHOTOS_FILE",
    "PHOTOS_KEY",
    "STARTER_FILE",
    "LoadedModel",
    "Measured",
    "ModelSpec",
    "Progress",
    "add_trained_model",
    "all_models",
    "default_model",
    "fetch_weights",
    "get_model",
    "load_custom_model",
    "load_model",
    "load_trained_model",
    "model_by_key",
    "models_of",
    "own_models_folder",
    "ready_models",
    "weights_file",
    "weights_folders",
]

Progress = Callable[[int, int | None], None]
"""Told ``(bytes_done, bytes_total)`` of a download; the total is None while nobody knows it."""


@dataclass(frozen=True)
class Measured:
    """How good a model is on one set of images; figures of other images cannot be compared with it.

    Args:
        on: the images, in words.
        mask_ap: mask AP in percent over IoU .50 to .95; None where nobody measured it.
        box_ap: box AP, likewise.
    """

    on: str
    mask_ap: float | None
    box_ap: float | None

    @property
    def text(self) -> str:
        """Both figures beside what they were measured on."""
        known = (("mask AP", self.mask_ap), ("box AP", self.box_ap))
        figures = ", ".join(f"{name} {ap:.1f}" for name, ap in known if ap is not None)
        return f"{self.on}: {figures or 'not measured'}"


@dataclass(frozen=True)
class ModelSpec:
    """One row of the model table.

    Args:
        key: short name for command lines, addresses and caches.
        title: as shown in the menu.
        knows: one sentence on what it finds and how well.
        speed: one clause on its speed, relative to the others.
        backbone: what computes the features.
        licence: of the weights.
        source: where they are described.
        measured: how good it is, on one set of images each; empty where nobody measured.
        file: path of the weights inside a weights folder, with ``/``; or absolute, for a model with a card.
        url: of the weights; empty for those that are nowhere to be fetched from.
        sha256: of the weights, in full or its first 8 digits or more.
        size_bytes: of the weights.
        nms_threshold: IoU above which the weaker of two boxes of one label goes, unless a person says.
        mask_size: side M of the square of mask probabilities.
        label_map: labels to COCO's categories.
        build: makes the network from the weights file, which has been checked by then.
        max_detections: kept in an image, unless a person says.
        score_threshold: detections above it are shown, likewise.
        rois_per_image: from which its heads learn in a step of training, likewise.
        is_published: by others, for COCO; else in the box, or trained here.
        is_own: trained here: it is among a person's own, whatever else it is for.
        card_domains: keys of the domains that its card names; empty for those without a card.
    """

    key: str
    title: str
    knows: str
    speed: str
    backbone: str
    licence: str
    source: str
    measured: tuple[Measured, ...]
    file: str
    url: str
    sha256: str
    size_bytes: int
    nms_threshold: float
    mask_size: int
    label_map: LabelMap
    build: Callable[[Path], MaskRCNN]
    max_detections: int = 100
    score_threshold: float = 0.5
    rois_per_image: int = 512
    is_published: bool = True
    is_own: bool = False
    card_domains: tuple[str, ...] = ()

    @property
    def domains(self) -> tuple[str, ...]:
        """Keys of the domains whose pictures it is for (:mod:`maskrcnn_core.domains`)."""
        named = self.card_domains or domains_of(category.name for category in self.label_map)
        return (*named, OWN) if self.is_own and OWN not in named else named

    @property
    def file_name(self) -> str:
        """The weights file's name without folders."""
        return self.file.rpartition("/")[2]


_WELL_KNOWN = {
    "coco_val2017/instances.json": "COCO val2017, 206 images",
    "nuclei/instances_val.json": "nuclei of the Data Science Bowl 2018, held back",
    "val/instances.json": "drawn shapes",
    "val-tissue/instances.json": "drawn stained tissue",
}
"""What the files of the models in the box hold, in words."""


def _torchvision(version: Version) -> Callable[[Path], MaskRCNN]:
    def build(file: Path) -> MaskRCNN:
        from maskrcnn_core.checkpoints import load_published_checkpoint

        return load_published_checkpoint(file, version)

    return build


def _mobile(file: Path) -> MaskRCNN:
    from maskrcnn_core.maskrcnn2go import load_maskrcnn2go

    return load_maskrcnn2go(file)


def _row_of(card: ModelCard, file: Path, key: str, speed: str = "not measured") -> ModelSpec:
    """The row of a weights file that has a card."""
    family = family_of(card.architecture)
    return ModelSpec(
        key=key,
        title=one_line(card.title),
        knows=one_line(card.knows),
        speed=speed,
        backbone=family.backbone,
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
        is_published=False,
        card_domains=card.domains,
    )


def _measured(result: dict[str, object]) -> Measured:
    """A row of a card's results."""

    def percent(kind: str) -> float | None:
        value = result.get(kind)
        return 100 * value if isinstance(value, float) and value >= 0 else None

    on = one_line(str(result.get("name"))[:200])
    return Measured(_WELL_KNOWN.get(on, on), percent("mask AP"), percent("box AP"))


def _network_of(card: ModelCard, weights: Path) -> MaskRCNN:
    import torch

    from maskrcnn_core.checkpoints import load_state_into

    network = family_of(card.architecture).build(card.architecture, len(card.categories) + 1)
    load_state_into(network, weights)
    # Small channel counts: a CPU convolves them half as fast again with the channels innermost.
    return network.to(memory_format=torch.channels_last)


STARTER_FILE = Path(__file__).parent / "starter" / "starter.safetensors"
"""The model in the box for microscopy; ``make starter`` trains it."""

PHOTOS_KEY = "photos"
"""The default where nothing better is ready."""

PHOTOS_FILE = Path(__file__).parent / "photos" / "photos.safetensors"
"""The model in the box for photos; ``make photos`` trains it."""

_COCO_BY_ID = LabelMap.by_id(COCO_CATEGORIES)
_COCO_CONTIGUOUS = LabelMap.contiguous(COCO_CATEGORIES)
_TORCHVISION_LICENCE = "BSD-3-Clause (torchvision); trained on COCO 2017, whose own terms apply"
_TORCHVISION_SOURCE = "https://docs.pytorch.org/vision/stable/models/mask_rcnn.html"

MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        key="coco-v2",
        title="Mask R-CNN ResNet-50-FPN v2 (COCO)",
        knows="Finds COCO's 80 everyday categories; the most accurate of these.",
        speed="slowest, about 1.7 times the work of version 1",
        backbone="ResNet-50 with a feature pyramid (version 2: batch norm in all parts)",
        licence=_TORCHVISION_LICENCE,
        source=f"{_TORCHVISION_SOURCE}; Li et al. 2021, arXiv:2111.11429",
        measured=(Measured("COCO val2017", 41.8, 47.4),),
        file="maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
        url="https://download.pytorch.org/models/maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
        sha256="73cbd0190fcbe3ba339921fbce2c3a0b6bb9126c9a133c85e43a2a8e060a109e",
        size_bytes=185_828_065,
        nms_threshold=0.5,
        mask_size=28,
        label_map=_COCO_BY_ID,
        build=_torchvision("v2"),
    ),
    ModelSpec(
        key="coco-v1",
        title="Mask R-CNN ResNet-50-FPN (COCO)",
        knows="Finds COCO's 80 everyday categories; the network of the paper.",
        speed="about 0.6 times the work of version 2",
        backbone="ResNet-50 with a feature pyramid (frozen batch norm)",
        licence=_TORCHVISION_LICENCE,
        source=f"{_TORCHVISION_SOURCE}; He et al. 2017, arXiv:1703.06870",
        measured=(Measured("COCO val2017", 34.6, 37.9),),
        file="maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        url="https://download.pytorch.org/models/maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        sha256="bf2d0c1efbc936eeee2bc95a48e80ebc86b891f61b0106485937fc29f9315fc0",
        size_bytes=178_090_079,
        nms_threshold=0.5,
        mask_size=28,
        label_map=_COCO_BY_ID,
        build=_torchvision("v1"),
    ),
    ModelSpec(
        key="mobile",
        title="MaskRCNN2Go (COCO, small and fast)",
        knows="Finds COCO's 80 everyday categories; made for phones, misses more and small objects first.",
        speed="fastest, dozens of times faster than version 1 on a CPU",
        backbone="inverted residual blocks as in MobileNetV2, one feature map of stride 16",
        licence="Apache-2.0",
        source="https://github.com/facebookarchive/models/tree/"
        "7e196ddaec6df39792689df71972f9f4c1314886/mask_rcnn_2go",
        measured=(Measured("COCO minival", 21.6, 24.8),),
        file="maskrcnn2go/model_init.pb",
        url="https://raw.githubusercontent.com/facebookarchive/models/"
        "7e196ddaec6df39792689df71972f9f4c1314886/mask_rcnn_2go/model/int8/model_init.pb",
        sha256=MOBILE_WEIGHTS_SHA256,
        size_bytes=MOBILE_WEIGHTS_BYTES,
        # Published with 0.3; on 206 images of COCO val2017 0.5 measured better (mask AP .232 for .230), and
        # one default for all models is easier to reason about.
        nms_threshold=0.5,
        mask_size=MOBILE_MASK_SIZE,
        label_map=_COCO_CONTIGUOUS,
        build=_mobile,
        rois_per_image=MOBILE_ROIS,
    ),
    _row_of(
        read_card(card_file(PHOTOS_FILE)),
        PHOTOS_FILE,
        PHOTOS_KEY,
        "fast: about 0.2 s for a photo on one core",
    ),
    _row_of(
        read_card(card_file(STARTER_FILE)), STARTER_FILE, "starter", "fast: a narrow network, made for CPUs"
    ),
)
"""What comes with MaskDesk, best first: the order of menus, and of what is taken when none is named."""

_TRAINED = "trained"
"""Sub-folder of a weights folder that holds models with cards."""

_LAST = ".last"
"""End of the name, before its suffix, of weights where training is now; they are no choice of their own."""


@dataclass(frozen=True, eq=False)  # networks have no useful equality
class LoadedModel:
    """A network ready to run, and what belongs to it.

    Args:
        key: the spec's, or ``custom-`` and the digest's first 12 digits.
        title: for people.
        network: torchvision's ``MaskRCNN``, eval mode, float32, on the CPU, without gradients. Shared by
            all sessions: never change it.
        label_map: its labels to categories.
        nms_threshold: what to take unless a person says.
        mask_size: side M of the square of mask probabilities.
        digest: SHA-256 of the weights file; a part of every result cache's key.
        backbone: what computes the features, in words.
        licence: of the weights; empty if unknown.
        source: where they come from.
        notes: sentences on what was decided while loading; empty for published models.
        max_detections: kept in an image unless a person says.
        score_threshold: detections above it are shown, likewise.
        rois_per_image: from which its heads learn in a step of training, likewise.
        domains: keys of the domains whose pictures it is for (:mod:`maskrcnn_core.domains`).
    """

    key: str
    title: str
    network: MaskRCNN
    label_map: LabelMap
    nms_threshold: float
    mask_size: int
    digest: str
    backbone: str
    licence: str
    source: str
    notes: tuple[str, ...] = ()
    max_detections: int = 100
    score_threshold: float = 0.5
    rois_per_image: int = 512
    domains: tuple[str, ...] = (OWN,)


# --- where the weights are --------------------------------------------------------------------------


def weights_folders() -> list[Path]:
    """The folders in which weights are looked for, in this order; they need not exist."""
    folders = [Path(os.environ["MASKDESK_WEIGHTS"])] if os.environ.get("MASKDESK_WEIGHTS") else []
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return [*folders, Path(cache) / "maskdesk" / "weights", _hub_folder() / "checkpoints"]


def own_models_folder() -> Path:
    """Where a person's own models lie, and training writes unless another place is named."""
    return data_folder().absolute() / "models"


def _hub_folder() -> Path:
    """What ``torch.hub.get_dir()`` says, without torch."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))).expanduser() / "hub"


def weights_file(spec: ModelSpec) -> Path | None:
    """The first file at a place where a model's weights belong, unchecked; None if there is none."""
    # An absolute path stays itself whatever it is put under.
    return next((file for folder in weights_folders() if (file := folder / spec.file).is_file()), None)


def all_models() -> list[ModelSpec]:
    """The table, and behind it the models that were trained here, by title.

    A card that cannot be read is left out here; :func:`load_trained_model` on its file says why.
    """
    trained: dict[str, ModelSpec] = {}
    taken = {spec.key for spec in MODELS}
    for folder in (own_models_folder(), *(folder / _TRAINED for folder in weights_folders())):
        for file in sorted(folder.glob("*.safetensors")):
            if file.stem not in taken | trained.keys() and not file.stem.endswith(_LAST):
                with suppress(WeightsError):
                    trained[file.stem] = _trained(file)
    return [*MODELS, *sorted(trained.values(), key=lambda spec: spec.title.casefold())]


def _trained(file: Path) -> ModelSpec:
    return replace(_row_of(read_card(card_file(file)), file, file.stem), is_own=True)


def ready_models() -> list[ModelSpec]:
    """The models whose weights are on this computer, best first; files are not opened for this."""
    return [spec for spec in all_models() if weights_file(spec) is not None]


def models_of(domain: str) -> list[ModelSpec]:
    """The models for the pictures of a domain, in the menu's order; those that are ready come first."""
    specs = [spec for spec in all_models() if domain in spec.domains]
    return sorted(specs, key=lambda spec: weights_file(spec) is None)


def default_model(categories: Collection[str] = ()) -> ModelSpec:
    """The best model for photos that is ready: a published one, else the photo model in the box.

    The starter and what was trained here know grounds of their own, and are taken where somebody names them,
    or has categories that they know better.

    Args:
        categories: names that are wanted, in any case; the ready model that knows most of them is taken.

    Raises:
        WeightsError: if none is, naming the best one's file and the folder to put it into.
    """
    ready = ready_models()
    if not ready:
        raise _absent(MODELS[0])
    wanted = {name.casefold() for name in categories}
    known = [len(wanted & {category.name.casefold() for category in spec.label_map}) for spec in ready]
    if any(known):
        return ready[known.index(max(known))]
    return next((spec for spec in ready if spec.is_published or spec.key == PHOTOS_KEY), ready[0])


def model_by_key(key: str) -> ModelSpec:
    """The row with this key.

    Raises:
        InputError: with the keys that look alike, or all of them.
    """
    models = all_models()
    for spec in models:
        if spec.key == key:
            return spec
    keys = [spec.key for spec in models]
    close = get_close_matches(key.casefold(), keys, n=2)
    help_ = f"did you mean {' or '.join(close)}?" if close else f"choose one of {', '.join(keys)}"
    raise InputError(f"model {key!r}: there is no such model; {help_}")


def _download_target(spec: ModelSpec) -> Path:
    return _download_folder() / spec.file


def _download_folder() -> Path:
    folders = weights_folders()
    if os.environ.get("MASKDESK_WEIGHTS"):
        return folders[0]  # asked for by name: if it cannot be written, say so
    return next((folder for folder in folders if _can_write(folder)), folders[0])


def _can_write(folder: Path) -> bool:
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return existing.is_dir() and os.access(existing, os.W_OK)


def _address(spec: ModelSpec) -> str:
    mirror = os.environ.get("MASKDESK_MIRROR")
    return f"{mirror.rstrip('/')}/{spec.file_name}" if mirror else spec.url


def _absent(spec: ModelSpec) -> WeightsError:
    if not spec.url:
        return WeightsError(
            f"{spec.key}: its weights {spec.file} are gone; put them back, or train them again"
        )
    target, address = _download_target(spec), _address(spec)
    return WeightsError(
        f"{spec.key}: its weights are not on this computer; download {target.name} "
        f"({spec.size_bytes / 1e6:.0f} MB) from {urlsplit(address).hostname} or put it into {target.parent} "
        f"(models that are ready now: {_ready_keys()})"
    )


def _ready_keys() -> str:
    return ", ".join(spec.key for spec in ready_models()) or "none"


# --- loading ----------------------------------------------------------------------------------------


def load_model(
    model: str | ModelSpec, *, download: bool = False, on_progress: Progress | None = None
) -> LoadedModel:
    """Loads a model of the menu anew; :func:`get_model` shares one instead.

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
    return LoadedModel(
        key=spec.key,
        title=spec.title,
        network=spec.build(file),
        label_map=spec.label_map,
        nms_threshold=spec.nms_threshold,
        mask_size=spec.mask_size,
        digest=digest,
        backbone=spec.backbone,
        licence=spec.licence,
        source=spec.source,
        max_detections=spec.max_detections,
        score_threshold=spec.score_threshold,
        rois_per_image=spec.rois_per_image,
        domains=spec.domains,
    )


_LOADED: dict[str, LoadedModel] = {}
_LOCKS: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def get_model(key: str, *, download: bool = False, on_progress: Progress | None = None) -> LoadedModel:
    """The one instance of a model of the menu in this process, loaded when it is first asked for.

    Threads that ask for the same model at once wait for the first one's; other models do not wait. A
    failure is not remembered: the next call tries again. Arguments and errors as :func:`load_model`.
    """
    spec = model_by_key(key)
    with _LOCKS[key]:
        # A file that was trained again has another SHA-256, and is another model under the same key.
        if key not in _LOADED or not has_sha256(_LOADED[key].digest, spec.sha256):
            _LOADED[key] = load_model(spec, download=download, on_progress=on_progress)
        return _LOADED[key]


def load_custom_model(
    file: Path,
    names: Path | Sequence[str],
    *,
    title: str | None = None,
    norm_eps: float | None = None,
) -> LoadedModel:
    """Loads a person's own torchvision Mask R-CNN and its category names.

    ``title`` is shown to people, by default the file's name. Other arguments and errors as
    :func:`maskrcnn_core.checkpoints.load_custom_checkpoint`.
    """
    from maskrcnn_core.checkpoints import load_custom_checkpoint

    network, label_map, facts = load_custom_checkpoint(file, names, norm_eps=norm_eps)
    twin = next(spec for spec in MODELS if spec.key == f"coco-{facts.version}")
    # The same file with another epsilon gives other results, so caches must tell the two apart.
    digest = facts.sha256 if norm_eps is None else f"{facts.sha256}-eps{norm_eps:g}"
    return LoadedModel(
        key=f"custom-{facts.sha256[:12]}",
        title=title or file.name,
        network=network,
        label_map=label_map,
        nms_threshold=twin.nms_threshold,
        mask_size=twin.mask_size,
        digest=digest,
        backbone=twin.backbone,
        licence="",
        source=title or file.name,
        notes=facts.notes,
    )


def load_trained_model(file: Path, *, card: Path | None = None) -> LoadedModel:
    """Loads weights by their model card, wherever they lie.

    Args:
        file: ``.safetensors`` of the training command.
        card: its card; by default the one beside it.

    Raises:
        WeightsError: if the card or the weights cannot be used, or do not belong together.
    """
    found = read_card(card or card_file(file))
    loaded = load_model(_row_of(found, file, f"custom-{found.sha256[:12]}"))
    made = (one_line(found.made),) if found.made else ()
    # Whoever loads a file knows for what; its card may name what everybody's pictures are.
    return replace(loaded, domains=(OWN,), notes=(found.knows, *found.notes, *made))


def trained_model_of(file: Path) -> ModelSpec | None:
    """The model in the menu that would no longer be there once these weights are: it has their name.

    Raises:
        InputError: if it is one of MaskDesk's own, whose key nobody else can have.
    """
    if file.stem in {spec.key for spec in MODELS}:
        raise InputError(f"{file.name}: {file.stem!r} is the key of a model of MaskDesk's; rename the file")
    return next(
        (spec for spec in all_models() if spec.key == file.stem and spec.file != str(file.absolute())), None
    )


def _trained_file(file: Path) -> Path:
    if file.absolute().parent == own_models_folder():
        return file  # it is where menus look already
    if os.environ.get("MASKDESK_WEIGHTS"):
        return _download_folder() / _TRAINED / file.name
    return own_models_folder() / file.name


def add_trained_model(file: Path) -> ModelSpec:
    """Copies weights and card to where every menu finds them; what lies there already stays as it is.

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
            raise WeightsError(f"{file.name}: its card is of other weights; copy the two files together")
        if target.absolute() != file.absolute():
            replace_file(target, weights)
            replace_file(card_file(target), card_file(file).read_bytes())
    except OSError as error:
        raise WeightsError(
            f"{target}: cannot be written ({error.strerror or error}); "
            "MASKDESK_WEIGHTS can name another folder"
        ) from error
    return _trained(target)


def _checked_weights(spec: ModelSpec, *, download: bool, on_progress: Progress | None) -> tuple[Path, str]:
    """A file on this computer whose SHA-256 is the model's, and that SHA-256 in full."""
    file = weights_file(spec)
    if file is not None and has_sha256(digest := _sha256(file), spec.sha256):
        return file, digest
    if download and spec.url:
        fetched = fetch_weights(spec, on_progress=on_progress)
        return fetched, _sha256(fetched)
    if file is None:
        raise _absent(spec)
    if not spec.url:
        raise WeightsError(
            f"{file}: wanted the weights that its card describes (SHA-256 {spec.sha256[:8]}...), "
            "found others or a damaged file; copy the two together, or train again"
        )
    raise WeightsError(
        f"{file}: wanted the published weights of {spec.key} ({spec.size_bytes:,} bytes, SHA-256 "
        f"{spec.sha256[:8]}...), found {file.stat().st_size:,} bytes of something else or damaged; "
        "delete it, or download it again"
    )


def fetch_weights(
    spec: ModelSpec,
    *,
    on_progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Downloads a model's weights to where they are looked for; see :mod:`maskrcnn_core.downloads`.

    Returns:
        The file, whose SHA-256 is right.

    Raises:
        DownloadCancelled: when ``cancelled()`` said so.
        DownloadFailed: if they cannot be fetched; the message also names the models that are ready.
    """
    try:
        return download_file(
            _address(spec),
            _download_target(spec),
            sha256=spec.sha256,
            # Where only the first digits of the SHA-256 are known, the size is no better known.
            size=spec.size_bytes if len(spec.sha256) == 64 else None,
            on_progress=on_progress,
            cancelled=cancelled,
        )
    except DownloadFailed as error:
        message = f"{error} (models that are ready now: {_ready_keys()})"
        raise DownloadFailed(message, error.trouble) from error


def _sha256(file: Path) -> str:
    try:
        return file_sha256(file)
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read ({error.strerror or error})") from error
