"""Responses to weights: a logistic regression. Each domain counts alike, and each source of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.numpy import save

from maskrcnn_core.common.arrays import Floats
from maskrcnn_core.models.domains.eyes import see_with
from maskrcnn_core.models.domains.rule import DOMAINS_TOLD, SURE, Rule
from maskrcnn_core.training.domain_rule.sources import Source, in_grey, is_colored, varied

__all__ = ["Seen", "confusion", "fit", "rule_bytes", "see_held_out", "see_learned"]

_PENALTY = 0.1
"""Of the squares: the best of 0.01, 0.03, 0.1 and 0.3 where each source in turn was left out."""

_SMALLEST_SCALE = 1e-3
_FARTHEST = 4.0


@dataclass(frozen=True, eq=False)
class Seen:
    """How a body responds to the pictures of one source.

    Args:
        domain: key of what they are.
        name: of the source.
        responses: float32 ``[N, F]``.
    """

    domain: str
    name: str
    responses: Floats


def see_learned(source: Source, body: Mapping[str, Floats]) -> Seen:
    """Return a source to learn from: each picture as it is, grey, and varied."""
    rows = []
    for at, make in enumerate(source.pictures):
        pixels, rng = make(), np.random.default_rng((at, 5))
        rows += [see_with(body, pixels), see_with(body, in_grey(pixels))]
        for _ in range(source.varied):
            rows.append(see_with(body, varied(pixels, rng, is_micrograph=source.domain == "microscopy")))
    return Seen(source.domain, source.name, np.stack(rows))


def see_held_out(source: Source, body: Mapping[str, Floats]) -> list[Seen]:
    """Return a source to measure on: its pictures as they are, and those with colours once more in grey."""
    as_is, grey = [], []
    for make in source.pictures:
        pixels = make()
        as_is.append(see_with(body, pixels))
        if is_colored(pixels):
            grey.append(see_with(body, in_grey(pixels)))
    both = ((source.name, as_is), (f"{source.name}, made grey", grey))
    return [Seen(source.domain, name, np.stack(rows)) for name, rows in both if rows]


def fit(seen: Sequence[Seen], body: Mapping[str, Floats]) -> Rule:
    """Return the rule that what was seen makes; the same input gives the same weights."""
    responses = np.concatenate([s.responses for s in seen])
    mean, scale = responses.mean(0), responses.std(0) + np.float32(_SMALLEST_SCALE)
    inputs = torch.from_numpy(np.clip((responses - mean) / scale, -_FARTHEST, _FARTHEST))
    wanted = torch.tensor([DOMAINS_TOLD.index(s.domain) for s in seen for _ in s.responses])
    sources = {domain: sum(s.domain == domain for s in seen) for domain in DOMAINS_TOLD}
    shares = torch.tensor([1 / (3 * sources[s.domain] * len(s.responses)) for s in seen for _ in s.responses])
    weights = torch.zeros(len(DOMAINS_TOLD), responses.shape[1], requires_grad=True)
    bias = torch.zeros(len(DOMAINS_TOLD), requires_grad=True)
    optimiser = torch.optim.LBFGS([weights, bias], max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        losses = torch.nn.functional.cross_entropy(inputs @ weights.T + bias, wanted, reduction="none")
        total = (losses * shares).sum() + _PENALTY * (weights**2).sum()
        torch.autograd.backward(total)
        return total

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    return Rule(body, mean, scale, weights.detach().numpy(), bias.detach().numpy())


def rule_bytes(rule: Rule) -> bytes:
    """Return the rule as it is stored; the body with half the bytes, as its own file has it."""
    own = {"mean": rule.mean, "scale": rule.scale, "weights": rule.weights, "bias": rule.bias}
    stored = {f"rule.{name}": np.ascontiguousarray(value, np.float32) for name, value in own.items()}
    data: bytes = save(stored | {name: value.astype(np.float16) for name, value in rule.body.items()})
    return data


def confusion(rule: Rule, seen: Sequence[Seen]) -> list[str]:
    """Return a table in Markdown: for each source what was said of its pictures, and of how many nothing."""
    lines = [
        "| source | pictures | photo | microscopy | drawing | unsure | likeliest is right |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for domain in DOMAINS_TOLD:
        of = [s for s in seen if s.domain == domain]
        lines += [_row(rule, s.name, s.responses, domain) for s in of]
        if of:
            lines.append(_row(rule, f"**{domain}**", np.concatenate([s.responses for s in of]), domain))
    return lines


def _row(rule: Rule, name: str, responses: Floats, domain: str) -> str:
    shares = rule.probabilities(responses)
    likeliest, is_sure = shares.argmax(1), shares.max(1) >= SURE
    said = [int(((likeliest == at) & is_sure).sum()) for at in range(len(DOMAINS_TOLD))]
    right = float((likeliest == DOMAINS_TOLD.index(domain)).mean())
    counts = " | ".join(str(count) for count in (*said, int((~is_sure).sum())))
    return f"| {name} | {len(responses)} | {counts} | {100 * right:.1f} % |"
