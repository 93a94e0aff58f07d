"""The last used values of what is made again when it is asked for again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from cachetools import LRUCache

__all__ = ["Recent"]

_V = TypeVar("_V")


class Recent(Generic[_V]):
    """The last used values, up to a number of them. Safe to use from several threads."""

    def __init__(self, size: int) -> None:
        self._values: LRUCache[object, _V] = LRUCache(size)
        self._lock = threading.Lock()

    def get(self, key: object, make: Callable[[], _V]) -> _V:
        with self._lock:
            if key in self._values:
                return self._values[key]
        value = make()  # not under the lock: others need not wait for a decoder
        with self._lock:
            self._values[key] = value
        return value
