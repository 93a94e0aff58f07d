"""Reads ahead: while one image is in the network the next ones are fetched and decoded, and only so many."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ahead"]

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


def ahead(
    given: Iterable[_Given], make: Callable[[_Given], _Made], *, threads: int = 2, depth: int = 4
) -> Iterator[tuple[_Given, Callable[[], _Made]]]:
    """Yield each thing with a way to get what is made of it, in order; made in threads a few places ahead.

    What making raises is raised by that way. Nothing beyond ``depth`` is begun before the first is taken.

    Args:
        given: any number of things.
        make: what is done with each; in another thread.
        threads: how many things are made at once.
        depth: how many are made or being made and not yet taken, so that memory is bounded.
    """
    waiting: deque[tuple[_Given, Future[_Made]]] = deque()
    with ThreadPoolExecutor(threads, "ahead") as pool:
        try:
            for one in given:
                waiting.append((one, pool.submit(make, one)))
                if len(waiting) >= depth:
                    first, future = waiting.popleft()
                    yield first, future.result
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result
        finally:
            for _, future in waiting:
                future.cancel()
