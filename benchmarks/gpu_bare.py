"""What a bare machine lacks, and what stands in for it: with these, torch, torchvision and NumPy suffice.

Only what the timed way needs has a stand-in. It is slower or smaller than the package, never another result.
"""

from __future__ import annotations

import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["lacking", "stand_in"]

_FOR_AP = ("PIL", "hotcoco", "msgspec", "numba", "orjson", "pycocotools", "safetensors", "shapely", "yaml")


def lacking(*, absent: tuple[str, ...] = ()) -> list[str]:
    """Return the packages that AP needs and this machine lacks.

    Args:
        absent: taken for lacking in any case.
    """
    return [name for name in _FOR_AP if name in absent or find_spec(name) is None]


def stand_in(*, absent: tuple[str, ...] = ()) -> list[str]:
    """Put stand-ins where packages are missing; return which.

    Args:
        absent: taken for missing in any case.
    """
    made = []
    for name, fill in (
        ("cachetools", _fill_cachetools),
        ("filelock", _fill_filelock),
        ("numba", _fill_numba),
        ("platformdirs", _fill_platformdirs),
    ):
        if name in absent or (name not in sys.modules and find_spec(name) is None):
            module = ModuleType(name)
            fill(module)
            sys.modules[name] = module
            made.append(name)
    if "numba" in made:
        _ask_torchvision()
    return made


class LRUCache(OrderedDict[Any, Any]):
    """The part of ``cachetools.LRUCache`` that is used here."""

    def __init__(self, maxsize: float, getsizeof: Callable[[Any], float] = lambda _: 1) -> None:
        super().__init__()
        self.maxsize, self._size_of = maxsize, getsizeof

    def __setitem__(self, key: object, value: object) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > 1 and sum(map(self._size_of, self.values())) > self.maxsize:
            del self[next(iter(self))]

    def get(self, key: object, default: object = None) -> Any:
        if key in self:
            self.move_to_end(key)
        return super().get(key, default)


def _fill_cachetools(module: ModuleType) -> None:
    vars(module)["LRUCache"] = LRUCache


class _NoLock:
    def __init__(self, *_: object) -> None:
        raise OSError("this machine has no filelock: nothing is kept")


def _fill_filelock(module: ModuleType) -> None:
    vars(module).update(FileLock=_NoLock, Timeout=TimeoutError)


def _fill_platformdirs(module: ModuleType) -> None:
    vars(module)["user_data_path"] = lambda *_, **__: Path(tempfile.gettempdir())


class _Uncompiled:
    """A loop as it is written: right, and slow."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function, self.compile = function, None
        self.__name__ = function.__name__

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)


def _fill_numba(module: ModuleType) -> None:
    vars(module)["njit"] = lambda **_: _Uncompiled


def _ask_torchvision() -> None:
    """Let torchvision suppress: the loop that does it faster is one of those that are not compiled here."""
    from maskrcnn_core.detection import candidates, suppression

    candidates.suppress = suppression._suppress_with_torchvision
