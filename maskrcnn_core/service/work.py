"""Time and threads of requests: nobody waits longer than promised, and who has gone is worked for no more."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fastapi import Request

from maskrcnn_core.service.refusals import Refused

__all__ = ["Threads", "within"]

_T = TypeVar("_T")

_FETCHERS = 16


class Threads:
    """Threads for what would hold up the event loop: as many, however many requests are given up."""

    def __init__(self) -> None:
        self._workers = ThreadPoolExecutor(max(2, os.cpu_count() or 1), "service")
        self._fetchers = ThreadPoolExecutor(_FETCHERS, "fetching")

    async def work(self, job: Callable[[], _T]) -> _T:
        """Return what a job of the processor returns, such as decoding."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, job)

    async def fetch(self, job: Callable[[], _T]) -> _T:
        """Return what a job of the network returns, which mostly waits."""
        return await asyncio.get_running_loop().run_in_executor(self._fetchers, job)

    def close(self) -> None:
        """Begin nothing any more."""
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._fetchers.shutdown(wait=False, cancel_futures=True)


async def within(request: Request, seconds: float, answer: Coroutine[Any, Any, _T]) -> _T:
    """Return an answer, unless time is up or nobody waits for it any more: then it is cancelled.

    Args:
        request: whose body was read.
        seconds: that it may take.
        answer: what makes it.

    Raises:
        Refused: if it is cancelled.
    """
    task, gone = asyncio.ensure_future(answer), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if gone.done():
            raise Refused(499, "nobody waits for the answer any more")
        raise Refused(504, f"this took longer than {seconds:g} s; send fewer images, or try again later", 10)
    finally:
        for one in (task, gone):
            one.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
