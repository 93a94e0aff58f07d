"""Compiles small array loops with Numba, in one way for the whole core.

Runs of a mask are a sequential story (where does the value change next?) that vectorised NumPy can
only tell by looking at every pixel; a compiled loop skips whole cells and columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

__all__ = ["compiled"]

_F = TypeVar("_F", bound=Callable[..., object])


def compiled(function: _F) -> _F:
    """Compile ``function`` at its first call; the machine code is cached on disk between processes.

    The global interpreter lock is released while it runs, so that other sessions stay quick. Floats
    are never re-associated or contracted (no ``fastmath``): results are reproducible.
    """
    return cast(_F, numba.njit(cache=True, nogil=True)(function))
