"""The card of a trained model: a JSON file beside its weights that says what it is and how it came about.

``nuclei.safetensors`` has the card ``nuclei.json``. Without it the weights are numbers without names: the
card holds the architecture and the categories, so the two are copied together. Everything else is for
people: data, licence, settings and results (after Mitchell et al. 2019, "Model cards for model reporting",
arXiv:1810.03993).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from maskrcnn_core.architectures import Architecture, architecture_as_json, architecture_from_json
from maskrcnn_core.bounds import (
    DEEPEST,
    MAX_CARD_CATEGORIES,
    MAX_CARD_TEXT,
    MAX_EXTRA_ROW_VALUES,
    MAX_NAME,
    extent,
    is_storable,
)
from maskrcnn_core.categories import Category, LabelMap
from maskrcnn_core.detections import SCORE_FLOOR
from maskrcnn_core.domains import check_domains, domains_of
from maskrcnn_core.errors import CoreError, InputError, WeightsError
from maskrcnn_core.messages import counted

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
        licence: of the weights; empty if nobody said.
        data: what it was trained and evaluated on, as JSON values.
        settings: of the training run, likewise.
        results: one for each ground truth that it was evaluated on: its name, ``mask AP``, ``box AP`` ...
        notes: sentences on what was decided on the way, as which heads were replaced.
        run: how it came about, as JSON values: ``date``, ``versions``, ``device``, ``seconds``, ``epochs``,
            ``best_epoch``; empty in older cards.
        domains: keys of the pictures that it is for (:mod:`maskrcnn_core.domains`); where nobody said, what
            its categories tell.
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

    def mean_ap(self, kind: str) -> float | None:
        """Mean of ``mask AP`` or ``box AP`` over the ground truths, in percent; None without one."""
        values = [r[kind] for r in self.results if isinstance(r.get(kind), float) and r[kind] >= 0]
        return 100 * sum(values) / len(values) if values else None


def card_file(weights: Path) -> Path:
    """Where the card of a weights file lies."""
    return weights.with_suffix(".json")


def is_card(file: Path) -> bool:
    """Whether a file means to be a model card, by its content."""
    try:
        with file.open("rb") as opened:
            head = opened.read(4096)
    except OSError:
        return False
    return head.lstrip().startswith(b"{") and _VERSION_KEY.encode() in head


def write_card_bytes(card: ModelCard) -> bytes:
    """The card as a JSON file, indented for people."""
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
    """Reads a card, distrusting every field.

    Raises:
        WeightsError: naming the field, what was wanted and what was found.
    """
    try:
        stamp = file.stat()
        if stamp.st_size > _MAX_BYTES:
            raise WeightsError(f"{file.name}: wanted a model card, found a file of {stamp.st_size:,} bytes")
        return _read(file, stamp.st_mtime_ns, stamp.st_size)
    except OSError as error:
        raise WeightsError(f"{file.name}: cannot be read ({error.strerror or error})") from error


@lru_cache(maxsize=256)  # menus ask at every redraw
def _read(file: Path, _changed: int, _size: int) -> ModelCard:
    try:
        document = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{file.name}: wanted a model card, found no JSON ({error})") from error
    if not isinstance(document, dict) or _VERSION_KEY not in document:
        raise WeightsError(f"{file.name}: this JSON file is no model card: it has no {_VERSION_KEY!r}")
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


def _card(document: Json) -> ModelCard:
    if document[_VERSION_KEY] != CARD_VERSION:
        raise WeightsError(f"wanted a card of version {CARD_VERSION}, found {document[_VERSION_KEY]!r}")
    weights = _value(document, "weights", dict)
    categories = tuple(_category(row, at) for at, row in enumerate(_value(document, "categories", list)))
    if not 1 <= len(categories) <= MAX_CARD_CATEGORIES:
        raise WeightsError(f"categories: wanted 1 to {MAX_CARD_CATEGORIES}, found {len(categories)}")
    try:
        LabelMap.contiguous(categories)
    except InputError as error:
        raise WeightsError(str(error)) from error
    nms = document.get("nms_threshold", 0.5)
    limit = document.get("max_detections", 100)
    if not isinstance(nms, int | float) or not 0 <= nms <= 1:
        raise WeightsError(f"nms_threshold: wanted 0 to 1, found {nms!r}")
    if type(limit) is not int or not 1 <= limit <= 10_000:
        raise WeightsError(f"max_detections: wanted 1 to 10,000, found {limit!r}")
    score = document.get("score_threshold", 0.5)
    if not isinstance(score, int | float) or not SCORE_FLOOR <= score < 1:
        raise WeightsError(f"score_threshold: expected {SCORE_FLOOR:g} to below 1, got {score!r}")
    rois = document.get("rois_per_image")
    if rois is not None and (type(rois) is not int or not 4 <= rois <= 4096):
        raise WeightsError(f"rois_per_image: expected 4 to 4,096 or nothing, got {rois!r}")
    results = _value(document, "results", list)
    domains = _value(document, "domains", list) if "domains" in document else []
    return ModelCard(
        title=_text(document, "title"),
        knows=_text(document, "knows", MAX_CARD_TEXT),
        architecture=architecture_from_json(document.get("architecture")),
        categories=categories,
        sha256=_sha256(weights),
        size_bytes=_whole(weights, "bytes", 0),
        nms_threshold=float(nms),
        max_detections=limit,
        score_threshold=float(score),
        rois_per_image=rois,
        licence=_text(document, "licence"),
        data=_value(document, "data", dict),
        settings=_value(document, "settings", dict),
        results=tuple(r for r in results if isinstance(r, dict)),
        notes=tuple(_checked(str(note), "notes", MAX_CARD_TEXT) for note in _value(document, "notes", list)),
        run=_value(document, "run", dict) if "run" in document else {},
        domains=check_domains(str(key) for key in domains),
    )


def _value(row: Mapping[str, Any], name: str, wanted: type) -> Any:
    value = row.get(name)
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise WeightsError(f"{name}: wanted {_KINDS[wanted]}, found {value!r}"[:200])
    return value


def _whole(row: Mapping[str, Any], name: str, least: int) -> int:
    value: int = _value(row, name, int)
    if not least <= value <= _MOST:
        raise WeightsError(f"{name}: expected a whole number from {least} to {_MOST}, got another one")
    return value


def _text(row: Mapping[str, Any], name: str, most: int = MAX_NAME) -> str:
    return _checked(_value(row, name, str), name, most)


def _checked(text: str, name: str, most: int) -> str:
    if len(text) > most or not is_storable(text):
        raise WeightsError(
            f"{name}: expected at most {most:,} whole characters, got {len(text):,}, or half of one"
        )
    return text


def _sha256(weights: Json) -> str:
    digest: str = _value(weights, "sha256", str)
    # All of it: a card with its first digits only would fit other files, too.
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise WeightsError(f"sha256: wanted 64 lower-case hexadecimal digits, found {digest!r}"[:200])
    return digest


_KINDS = {dict: "an object", list: "a list", str: "a text", int: "a whole number"}


def _category(row: object, at: int) -> Category:
    if not isinstance(row, dict) or row.get("label") != at + 1:
        raise WeightsError(f"categories[{at}]: wanted an object with label {at + 1}, found {row!r}"[:200])
    try:
        return Category(_whole(row, "id", -_MOST), _text(row, "name"), _text(row, "supercategory"))
    except WeightsError as error:
        raise WeightsError(f"categories[{at}].{error}") from error
