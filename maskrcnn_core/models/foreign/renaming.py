"""Names of tensors: from a family's own to torchvision's, by tables of patterns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

__all__ = ["Renames", "background_first", "first_few", "inverse", "rename", "with_empty_first"]

Renames = Sequence[tuple[str, str]]
"""Patterns for whole names, and what they become (``re.Match.expand``).

A pattern is made of escaped text and of groups without others in them, so that it can be turned round.
"""

_TOLD = 200
"""Characters of a name in a message: a file may have names of any length."""

_GROUP = re.compile(r"\([^()]*\)")


def rename(names: Iterable[str], table: Renames) -> tuple[dict[str, str], list[str]]:
    """Return the new name of each old one, and the old ones for which there is none."""
    patterns = [(re.compile(old), new) for old, new in table]
    found: dict[str, str] = {}
    others: list[str] = []
    for name in names:
        match = next((m.expand(new) for p, new in patterns if (m := p.fullmatch(name))), None)
        if match is None:
            others.append(name)
        else:
            found[name] = match
    return found, others


def inverse(table: Renames) -> Renames:
    """Return the table that leads from the new names to the old ones, to name what is missing."""
    turned = []
    for old, new in table:
        groups = _GROUP.findall(old)
        literals = [re.sub(r"\\(.)", r"\1", part) for part in _GROUP.split(old)]
        numbers = [int(number) for number in re.findall(r"\\(\d)", new)]
        between = [re.escape(part) for part in re.split(r"\\\d", new)]
        pattern = between[0] + "".join(
            groups[n - 1] + text for n, text in zip(numbers, between[1:], strict=True)
        )
        places = {number: place for place, number in enumerate(numbers, start=1)}
        template = literals[0] + "".join(
            f"\\{places[n]}{text}" for n, text in enumerate(literals[1:], start=1)
        )
        turned.append((pattern, template))
    return tuple(turned)


def background_first(rows: Tensor) -> Tensor:
    """Return rows of a classifier whose background is the last one with it in front."""
    return torch.cat([rows[-1:], rows[:-1]])


def with_empty_first(rows: Tensor, count: int) -> Tensor:
    """Return rows with ``count`` rows of zeros in front, for a background that has none."""
    return torch.cat([rows.new_zeros(count, *rows.shape[1:]), rows])


def first_few(names: Iterable[str], count: int = 3) -> str:
    """Return some names for a message, and how many more there are."""
    listed = [name[:_TOLD] for name in names]
    shown = ", ".join(listed[:count])
    return f"{shown} and {len(listed) - count} more" if len(listed) > count else shown
