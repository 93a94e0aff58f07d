"""Compiles small array loops with Numba, in one way for the whole core.

Runs of a mask are a sequential story (where does the value change next?) that vectorised NumPy can
only tell by looking at every pixel; a compiled loop skips whole cells and columns.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

if sys.platform != "win32":
    import resource

__all__ = ["compiled"]

_F = TypeVar("_F", bound=Callable[..., object])
_ROOM = 128 << 20
"""Bytes of address space without which nothing is compiled."""


def compiled(function: _F) -> _F:
    """Compile ``function`` at its first call; the machine code is cached on disk between processes.

    The global interpreter lock is released while it runs, so that other sessions stay quick. Floats
    are never re-associated or contracted (no ``fastmath``): results are reproducible.
    """
    dispatcher = numba.njit(cache=True, nogil=True)(function)
    compile_ = dispatcher.compile

    def compile_with_room(signature: Any) -> Any:
        if _room() < _ROOM:
            raise MemoryError(f"{function.__name__}: not enough memory to compile it")
        return compile_(signature)

    dispatcher.compile = compile_with_room  # type: ignore[assignment]
    return cast(_F, dispatcher)


def _room() -> float:
    """Return bytes of address space that are left: without them LLVM, which Numba compiles with, never ends.

    Only Linux both limits them and tells how many are taken.
    """
    if sys.platform != "win32":
        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        taken = Path("/proc/self/statm")
        if limit >= 0 and taken.exists():
            return float(limit - int(taken.read_text("ascii").split()[0]) * resource.getpagesize())
    return float("inf")
