"""The rule that tells photos, micrographs and drawings apart, and says so only where it is sure.

A multinomial logistic regression on how the stages of a photo model's body respond to a picture
(:mod:`maskrcnn_core.models.domains.eyes`). All its weights lie beside it in ``rule.safetensors``, and
``python -m maskrcnn_core.training.domain_rule`` makes them. How often it is right on sources that it was not
made from: ``docs/adr/0024-a-model-says-what-it-is-for.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from maskrcnn_core.common.arrays import Floats
from maskrcnn_core.models.domains.eyes import see_with

__all__ = ["DOMAINS_TOLD", "RULE_FILE", "SURE", "Guess", "Rule", "guess_domain", "the_rule"]

RULE_FILE = Path(__file__).parent / "rule.safetensors"
"""The weights of the rule in force."""

DOMAINS_TOLD = ("photos", "microscopy", "drawings")
"""Keys of the domains that it tells apart, in the order of its weights."""

SURE = 0.8
"""Least probability at which a guess is said."""

_FARTHEST = 4.0
"""Deviations: what is farther off than this is no more telling."""


@dataclass(frozen=True)
class Guess:
    """What an image seems to be.

    Args:
        domain: key of the likeliest domain.
        probability: of it, in [0, 1].
        is_sure: whether it is likely enough to be said.
    """

    domain: str
    probability: float
    is_sure: bool


@dataclass(frozen=True, eq=False)
class Rule:
    """The weights of a rule, for responses of F numbers.

    Args:
        body: tensors of the stages that look at a picture, float32, by name.
        mean: float32 ``[F]``, of the responses that it was made from.
        scale: float32 ``[F]``, their deviation.
        weights: float32 ``[3, F]``, in the order of :data:`DOMAINS_TOLD`.
        bias: float32 ``[3]``.

    Raises:
        ValueError: if the shapes do not go together.
    """

    body: Mapping[str, Floats]
    mean: Floats
    scale: Floats
    weights: Floats
    bias: Floats

    def __post_init__(self) -> None:
        count, size = len(DOMAINS_TOLD), len(self.mean)
        shapes = (self.scale.shape, self.weights.shape, self.bias.shape)
        expected = ((size,), (count, size), (count,))
        if shapes != expected:
            raise ValueError(f"Rule: expected shapes {expected}, got {shapes}; make the rule again")

    def probabilities(self, responses: Floats) -> Floats:
        """Return the probability of each domain, float32 ``[N, 3]``, for responses ``[N, F]``."""
        scaled = np.clip((responses - self.mean) / self.scale, -_FARTHEST, _FARTHEST)
        odds = scaled @ self.weights.T + self.bias
        powers = np.exp(odds - odds.max(1, keepdims=True))
        shares: Floats = (powers / powers.sum(1, keepdims=True)).astype(np.float32)
        return shares

    def guess(self, pixels: npt.NDArray[np.uint8]) -> Guess:
        """Return what an image seems to be; ``pixels`` as for :func:`guess_domain`."""
        (shares,) = self.probabilities(see_with(self.body, pixels)[None])
        at = int(shares.argmax())
        return Guess(DOMAINS_TOLD[at], float(shares[at]), bool(shares[at] >= SURE))


@lru_cache(maxsize=1)
def the_rule() -> Rule:
    """Return the rule in force, read once."""
    stored = {name: value.astype(np.float32) for name, value in load_file(RULE_FILE).items()}
    own = {name: stored.pop(f"rule.{name}") for name in ("mean", "scale", "weights", "bias")}
    return Rule(stored, **own)


def guess_domain(pixels: npt.NDArray[np.uint8]) -> Guess:
    """Return what an image seems to be: a photo, a micrograph or a drawing; some 20 ms of one core.

    Args:
        pixels: uint8 ``[H, W, 3]`` RGB of any size.
    """
    return the_rule().guess(pixels)
