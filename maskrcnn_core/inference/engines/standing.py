"""How each engine stands for one model: what was measured of it, and why one is not used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from maskrcnn_core.inference.engines.equality import Equality
from maskrcnn_core.inference.engines.kept import kept_equality, kept_refusal, place_of
from maskrcnn_core.inference.engines.spec import EngineSpec
from maskrcnn_core.inference.engines.table import ENGINES

__all__ = ["Standing", "standings"]

Word = Literal[
    "defines the result",
    "finds the same",
    "finds nearly the same",
    "not used",
    "not compared yet",
    "cannot run here",
]


@dataclass(frozen=True)
class Standing:
    """One engine for one model.

    Args:
        spec: its row.
        word: how it stands.
        equality: what was measured; ``None`` where nothing was.
        reason: why it is not used or cannot run, in a clause; empty otherwise.
    """

    spec: EngineSpec
    word: Word
    equality: Equality | None = None
    reason: str = ""


def standings(digest: str, device_type: str) -> list[Standing]:
    """Return how each engine of the table stands for a model, from what is kept; nothing runs for it.

    Args:
        digest: SHA-256 of the model's weights.
        device_type: cpu, cuda or mps.
    """
    return [_standing(spec, digest, device_type) for spec in ENGINES]


def _standing(spec: EngineSpec, digest: str, device_type: str) -> Standing:
    if lack := spec.lack(device_type):
        return Standing(spec, "cannot run here", reason=lack)
    if spec.bound is None:
        return Standing(spec, "defines the result")
    place = place_of(spec.key, digest, spec.version())
    if reason := kept_refusal(place):
        return Standing(spec, "not used", reason=reason)
    equality = kept_equality(place)
    if equality is None:
        return Standing(spec, "not compared yet")
    if short := equality.shortfall(spec.bound):
        return Standing(spec, "not used", equality, short)
    return Standing(spec, "finds the same" if spec.bound.box_pixels else "finds nearly the same", equality)
