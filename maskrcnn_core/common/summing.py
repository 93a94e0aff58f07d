"""Reports that add up, field by field."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

__all__ = ["Summed"]


@dataclass(frozen=True)
class Summed:
    """A dataclass whose fields all know ``+``: two of them make one of the sums of their fields."""

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))
