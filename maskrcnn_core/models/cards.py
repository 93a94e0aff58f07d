"""The card of a trained model: a JSON file beside its weights that says what it is and how it came about.

``nuclei.safetensors`` has the card ``nuclei.json``. Without it the weights are numbers without names: the
card holds the architecture and the categories, so the two are copied together. Everything else is for
people: data, licence, settings and results (after Mitchell et al. 2019, "Model cards for model reporting",
arXiv:1810.03993).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from maskrcnn_core.common.bounds import (
    DEEPEST,
    MAX_CARD_CATEGORIES,
    MAX_CARD_TEXT,
    MAX_EXTRA_ROW_VALUES,
    MAX_NAME,
    extent,
    is_storable,
)
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.common.typed_json import read_as, shorten
from maskrcnn_core.dataset.categories import Category, LabelMap
from maskrcnn_core.detection.candidates import MOST_DETECTIONS, SCORE_FLOOR
from maskrcnn_core.errors import CoreError, InputError, WeightsError
from maskrcnn_core.models.domains import check_domains, domains_of
from maskrcnn_core.networks.families import Architecture, architecture_as_json, architecture_from_json

__all__ = ["CARD_VERSION", "ModelCard", "card_file", "is_card", "read_card", "write_card_bytes"]

CARD_VERSION = 1
_MOST = 2**53
_VERSION_KEY = "maskdesk_model_card"
_MAX_BYTES = 4 << 20

Json = dict[str, Any]


@dataclass(frozen=True)
class ModelCard:
    """What is known of a trained model.

    Args:
        title: as shown in menus.
        knows: one sentence on what it finds, for people.
        architecture: of the network.
        categories: in the order of the labels, which count from 1.
        sha256: of the weights file.
        size_bytes: of the weights file.
        nms_threshold: IoU above which the weaker of two boxes of one label goes, unless a person says.
        max_detections: kept in an image, likewise.
        score_threshold: detections above it are shown, likewise; from 0.05 to below 1.
        rois_per_image: from which its heads learn in a step of training; None for its architecture's own.
        closer_gain: percent points of mask IoU that a closer look at objects was measured to gain, which is
            then taken unless a person says; None where nobody measured it, as in older cards.
        object_pixels: how large objects were in training: the median of the square roots of their areas, in
            pixels of the network's input; None in older cards.
        licence: of the weights; empty if nobody said.
        data: what it was trained and evaluated on, as JSON values.
        settings: of the training run, likewise.
        results: one for each ground truth that it was evaluated on: its name, ``mask AP``, ``box AP`` ...
        notes: sentences on what was decided on the way, as which heads were replaced.
        run: how it came about, as JSON values: ``date``, ``versions``, ``device``, ``seconds``, ``epochs``,
            ``best_epoch``; empty in older cards.
        domains: keys of the pictures that it is for (:mod:`maskrcnn_core.models.domains`); where nobody said,
            what its categories tell.
    """

    title: str
    knows: str
    architecture: Architecture
    categories: tuple[Category, ...]
    sha256: str
    size_bytes: int
    nms_threshold: float = 0.5
    max_detections: int = 100
    score_threshold: float = 0.5
    rois_per_image: int | None = None
    closer_gain: float | None = None
    object_pixels: float | None = None
    licence: str = ""
    data: Json = field(default_factory=dict)
    settings: Json = field(default_factory=dict)
    results: tuple[Json, ...] = ()
    notes: tuple[str, ...] = ()
    run: Json = field(default_factory=dict)
    domains: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.domains:
            object.__setattr__(self, "domains", domains_of(category.name for category in self.categories))

    @property
    def label_map(self) -> LabelMap:
        """Labels 1..N in the order of the categories."""
        return LabelMap.contiguous(self.categories)

    @property
    def made(self) -> str:
        """When, where and how long it was trained, in a sentence; empty where the card does not say."""
        run = self.run
        epochs, seconds, best = run.get("epochs"), run.get("seconds"), run.get("best_epoch")
        if not isinstance(run.get("date"), str) or type(epochs) is not int or abs(epochs) > _MOST:
            return ""
        took = f" in {seconds:,.0f} s" if isinstance(seconds, int | float) and 0 <= seconds < _MOST else ""
        kept = "the start is the best" if best == 0 else f"the best is epoch {best}"
        return (
            f"Trained until {run['date'][:40]}{took} on {str(run.get('device'))[:80]}: "
            f"{counted(epochs, 'epoch')}, {kept}."
        )


def card_file(weights: Path) -> Path:
    """Return where the card of a weights file lies."""
    return weights.with_suffix(".json")


def is_card(file: Path) -> bool:
    """Return whether a file means to be a model card, by its content."""
    try:
        with file.open("rb") as opened:
            head = opened.read(4096)
    except OSError:
        return False
    return head.lstrip().startswith(b"{") and _VERSION_KEY.encode() in head


def write_card_bytes(card: ModelCard) -> bytes:
    """Return the card as a JSON file, indented for people."""
    document = {
        _VERSION_KEY: CARD_VERSION,
        "title": card.title,
        "knows": card.knows,
        "domains": list(card.domains),
        "licence": card.licence,
        "architecture": architecture_as_json(card.architecture),
        "categories": [
            {"label": label, "id": c.id, "name": c.name, "supercategory": c.supercategory}
            for label, c in enumerate(card.categories, start=1)
        ],
        "nms_threshold": card.nms_threshold,
        "max_detections": card.max_detections,
        "score_threshold": card.score_threshold,
        "rois_per_image": card.rois_per_image,
        "closer_gain": card.closer_gain,
        "object_pixels": card.object_pixels,
        "weights": {"sha256": card.sha256, "bytes": card.size_bytes},
        "results": list(card.results),
        "data": card.data,
        "settings": card.settings,
        "notes": list(card.notes),
        "run": card.run,
    }
    try:
        return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a half of a surrogate pair that stands for no byte
        return (json.dumps(document, indent=1) + "\n").encode()


def read_card(file: Path) -> ModelCard:
    """Read a card, distrusting every field.

    Raises:
        WeightsError: naming the field, what was expected and what was found.
    """
    try:
        stamp = file.stat()
        if stamp.st_size > _MAX_BYTES:
            raise WeightsError(f"{file.name}: expected a model card, got a file of {stamp.st_size:,} bytes")
        return _read(file, stamp.st_mtime_ns, stamp.st_size)
    except OSError as error:
        raise WeightsError(f"{file.name}: cannot be read ({error.strerror or error})") from error


@lru_cache(maxsize=256)  # menus ask at every redraw
def _read(file: Path, _changed: int, _size: int) -> ModelCard:
    try:
        document = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{file.name}: expected a model card, got no JSON ({error})") from error
    if not isinstance(document, dict) or _VERSION_KEY not in document:
        raise WeightsError(f"{file.name}: this JSON file is not a model card: it has no {_VERSION_KEY!r}")
    values, depth = extent(document)
    if values > MAX_EXTRA_ROW_VALUES or depth > DEEPEST:
        raise WeightsError(
            f"{file.name}: expected a model card of at most {MAX_EXTRA_ROW_VALUES:,} values in {DEEPEST} "
            f"levels, got {values:,} in {depth}"
        )
    try:
        return _card(document)
    except CoreError as error:
        raise WeightsError(f"{file.name}: {error}") from error


_Name = Annotated[str, Meta(max_length=MAX_NAME)]
_Sentence = Annotated[str, Meta(max_length=MAX_CARD_TEXT)]
_Whole = Annotated[int, Meta(ge=0, le=_MOST)]


@dataclass(frozen=True)
class _Weights:
    # All of the digest: a card with its first digits only would fit other files, too.
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z", description="64 lower-case hexadecimal digits")]
    bytes: _Whole


@dataclass(frozen=True)
class _Row:
    label: int
    id: Annotated[int, Meta(ge=-_MOST, le=_MOST)]
    name: _Name
    supercategory: _Name


@dataclass(frozen=True)
class _Document:
    """What a card's file has to be."""

    title: _Name
    knows: _Sentence
    licence: _Name
    categories: Annotated[tuple[_Row, ...], Meta(min_length=1, max_length=MAX_CARD_CATEGORIES)]
    weights: _Weights
    results: list[Any]
    data: Json
    settings: Json
    notes: list[Any]
    architecture: Any = None
    nms_threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5
    max_detections: Annotated[int, Meta(ge=1, le=MOST_DETECTIONS)] = 100
    score_threshold: Annotated[float, Meta(ge=SCORE_FLOOR, lt=1)] = 0.5
    rois_per_image: Annotated[int, Meta(ge=4, le=4096)] | None = None
    closer_gain: Annotated[float, Meta(ge=-100, le=100)] | None = None
    object_pixels: Annotated[float, Meta(gt=0, le=1e5)] | None = None
    run: Json = field(default_factory=dict)
    domains: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("title", "knows", "licence"):
            _check_storable(name, getattr(self, name))
        for at, row in enumerate(self.categories):
            if row.label != at + 1:
                raise ValueError(f"categories[{at}]: expected label {at + 1}, got {shorten(row.label)}")
            _check_storable(f"categories[{at}].name", row.name)
            _check_storable(f"categories[{at}].supercategory", row.supercategory)


def _check_storable(name: str, text: str) -> None:
    if not is_storable(text):
        raise ValueError(f"{name}: expected whole characters, got half of one or a NUL")


def _card(document: Json) -> ModelCard:
    if document[_VERSION_KEY] != CARD_VERSION:
        raise WeightsError(
            f"expected a card of version {CARD_VERSION}, got {shorten(document[_VERSION_KEY])}"
        )
    try:
        found = read_as(document, _Document)
    except ValueError as error:
        raise WeightsError(str(error)) from error
    categories = tuple(Category(row.id, row.name, row.supercategory) for row in found.categories)
    try:
        LabelMap.contiguous(categories)
    except InputError as error:
        raise WeightsError(str(error)) from error
    return ModelCard(
        title=found.title,
        knows=found.knows,
        architecture=architecture_from_json(found.architecture),
        categories=categories,
        sha256=found.weights.sha256,
        size_bytes=found.weights.bytes,
        nms_threshold=found.nms_threshold,
        max_detections=found.max_detections,
        score_threshold=found.score_threshold,
        rois_per_image=found.rois_per_image,
        closer_gain=found.closer_gain,
        object_pixels=found.object_pixels,
        licence=found.licence,
        data=found.data,
        settings=found.settings,
        results=tuple(result for result in found.results if isinstance(result, dict)),
        notes=tuple(_note(note) for note in found.notes),
        run=found.run,
        domains=check_domains(str(key) for key in found.domains),
    )


def _note(note: object) -> str:
    text = str(note)
    if len(text) > MAX_CARD_TEXT or not is_storable(text):
        raise WeightsError(
            f"notes: expected at most {MAX_CARD_TEXT:,} whole characters, got {len(text):,}, or half of one"
        )
    return text
