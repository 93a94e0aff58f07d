"""What a model is: a row of the table, and a network that was loaded by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.models.domains import OWN, domains_of

if TYPE_CHECKING:
    from torchvision.models.detection import MaskRCNN

__all__ = ["AskedCloser", "LoadedModel", "Measured", "ModelFacts", "ModelSpec", "Origin", "Progress"]

Origin = Literal["row", "card", "checkpoint"]
"""How a model was loaded: by its row of the table, by its card, or as another project's checkpoint."""

AskedCloser = Literal["auto", "on", "off"]
"""Whether a person wants a closer look at objects; ``auto`` leaves it to what was measured of the model."""

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


@dataclass(frozen=True, eq=False, kw_only=True)
class ModelFacts:
    """What holds of a model, whether it is a row of the table or a network in memory.

    Args:
        key: short name for command lines, addresses and caches.
        title: as shown in the menu.
        backbone: what computes the features, in words.
        licence: of the weights; empty if unknown.
        source: where they are described, or come from.
        label_map: its labels to categories.
        nms_threshold: IoU above which the weaker of two boxes of one label goes, unless a person says.
        mask_size: side M of the square of mask probabilities.
        max_detections: kept in an image, unless a person says.
        score_threshold: detections above it are shown, likewise.
        rois_per_image: from which its heads learn in a step of training, likewise.
        closer_gain: percent points of mask IoU that a closer look (:mod:`maskrcnn_core.inference.closer`)
            was measured to gain; None where nobody measured it.
        object_pixels: how large objects were in training: the median of the square roots of their areas, in
            pixels of the network's input; None where nobody knows.
    """

    key: str
    title: str
    backbone: str
    licence: str
    source: str
    label_map: LabelMap
    nms_threshold: float
    mask_size: int
    max_detections: int = 100
    score_threshold: float = 0.5
    rois_per_image: int = 512
    closer_gain: float | None = None
    object_pixels: float | None = None

    def looks_closer(self, asked: AskedCloser) -> bool:
        """Return whether it looks closer at objects: where that is asked for, or was measured to help."""
        return asked == "on" or (asked == "auto" and (self.closer_gain or 0.0) > 0)


@dataclass(frozen=True, kw_only=True)
class ModelSpec(ModelFacts):
    """One row of the model table.

    Args:
        knows: one sentence on what it finds and how well.
        speed: one clause on its speed, relative to the others.
        measured: how good it is, on one set of images each; empty where nobody measured.
        file: path of the weights inside a weights folder, with ``/``; or absolute, for a model with a card.
        url: of the weights; empty for those that are nowhere to be fetched from.
        sha256: of the weights, in full or its first 8 digits or more; empty where nobody published it: see
            :mod:`maskrcnn_core.models.pins`.
        size_bytes: of the weights; where there is no SHA-256, as many as its tensors take.
        build: makes the network from the weights file, which has been checked by then.
        is_published: by others, for COCO; else in the box, or trained here.
        is_own: trained here: it is among a person's own, whatever else it is for.
        card_domains: keys of the domains that its card names; empty for those without a card.
        md5: the first digits of the weights' MD5, where its publisher names those and no SHA-256.
    """

    knows: str
    speed: str
    measured: tuple[Measured, ...]
    file: str
    url: str
    sha256: str
    size_bytes: int
    build: Callable[[Path], MaskRCNN]
    is_published: bool = True
    is_own: bool = False
    card_domains: tuple[str, ...] = ()
    md5: str = ""

    @property
    def pinning(self) -> str:
        """How its file is checked where no SHA-256 was published, in a sentence; else empty."""
        if self.sha256:
            return ""
        first = f", which must have an MD5 that begins with {self.md5}," if self.md5 else ""
        return (
            f"No SHA-256 of its file was published: the first download{first} is taken as it is, and any "
            "other file is refused from then on."
        )

    @property
    def domains(self) -> tuple[str, ...]:
        """Keys of the domains whose images it is for (:mod:`maskrcnn_core.models.domains`)."""
        named = self.card_domains or domains_of(category.name for category in self.label_map)
        return (*named, OWN) if self.is_own and OWN not in named else named

    @property
    def file_name(self) -> str:
        """The weights file's name without folders."""
        return self.file.rpartition("/")[2]


@dataclass(frozen=True, eq=False, kw_only=True)  # networks have no useful equality
class LoadedModel(ModelFacts):
    """A network ready to run, and what belongs to it.

    Its key is the row's, or ``custom-`` and the digest's first 12 digits.

    Args:
        network: torchvision's ``MaskRCNN``, eval mode, float32, on the CPU, without gradients. Shared by
            all sessions: never change it.
        digest: SHA-256 of the weights file; a part of every result cache's key.
        notes: sentences on what was decided while loading; empty for published models.
        domains: keys of the domains whose pictures it is for (:mod:`maskrcnn_core.models.domains`).
        origin: how it was loaded.
    """

    network: MaskRCNN
    digest: str
    notes: tuple[str, ...] = ()
    domains: tuple[str, ...] = (OWN,)
    origin: Origin = "row"

    @classmethod
    def of(cls, spec: ModelSpec, network: MaskRCNN, digest: str) -> LoadedModel:
        """Return the network of a row of the table."""
        facts = {f.name: getattr(spec, f.name) for f in fields(ModelFacts)}
        return cls(**facts, network=network, digest=digest, domains=spec.domains)
