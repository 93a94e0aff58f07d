"""What is kept for engines, and how much of it: the least lately used goes when it becomes too much."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from maskrcnn_core.inference.engines.kept import alone_with, root

__all__ = ["MOST_BYTES", "Kept", "all_kept", "tidy"]

MOST_BYTES = 2_000_000_000
"""What may be kept: the converted parts of ten models with a ResNet-50, or of a hundred small ones."""


@dataclass(frozen=True)
class Kept:
    """One engine that was made for one model.

    Args:
        place: its folder.
        size: of all its files, in bytes.
        used_at: when it was last made or used, in seconds since 1970.
    """

    place: Path
    size: int
    used_at: float


def all_kept() -> list[Kept]:
    """Return what is kept, the least lately used first."""
    found = []
    for place in root().glob("*/*"):
        with suppress(OSError):  # others tidy, too
            if place.is_dir():
                size = sum(file.stat().st_size for file in place.iterdir())
                found.append(Kept(place, size, place.stat().st_mtime))
    return sorted(found, key=lambda one: (one.used_at, one.place))


def tidy(most: int = MOST_BYTES, *, keep: Collection[Path] = ()) -> list[Kept]:
    """Remove what was least lately used, until the rest is within a bound; return what was removed.

    What another process reads or makes at this moment stays, and so does what cannot be removed.

    Args:
        most: bytes that may stay.
        keep: folders that stay in any case.
    """
    kept = all_kept()
    total = sum(one.size for one in kept)
    removed = []
    for one in kept:
        if total <= most:
            break
        if one.place not in keep and _remove(one.place):
            total -= one.size
            removed.append(one)
    return removed


def _remove(place: Path) -> bool:
    with alone_with(place, timeout=0) as can:
        if can:
            shutil.rmtree(place, ignore_errors=True)
    return not place.exists()
