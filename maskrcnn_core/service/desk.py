"""What answers: models on their device, and the one queue before it that the app uses, too."""

from __future__ import annotations

import asyncio
import math
import threading
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from maskrcnn_core.errors import CoreError, WeightsError
from maskrcnn_core.inference.device_queue import DeviceQueue, QueuedRun, device_queue_for
from maskrcnn_core.models.catalog import ready_models
from maskrcnn_core.service.refusals import Refused
from maskrcnn_core.service.settings import Limits

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["Desk", "MakePredictor"]

_T = TypeVar("_T")

MakePredictor = Callable[[str | None], "Predictor"]
"""Gives the predictor of a model's key, or of the service's own model."""

_LONGEST_WAIT = 60  # seconds that somebody is told to stay away


class Desk:
    """The service's models and its place in the queue.

    Args:
        make: loads a model; called once for each key, not on the event loop.
        limits: how much is taken on.
    """

    def __init__(self, make: MakePredictor, limits: Limits) -> None:
        self._make, self._limits = make, limits
        self._lock = threading.Lock()
        self._others: dict[str, Predictor] = {}
        self._took = 1.0  # seconds, of the last run
        self.own: Predictor | None = None

    def load(self) -> None:
        """Load the service's own model.

        Raises:
            CoreError: if that fails.
        """
        self.own = self._make(None)

    @property
    def loaded(self) -> list[str]:
        """Keys of the models in memory, the service's own first."""
        return ([self.own.model.key] if self.own else []) + list(self._others)

    @property
    def queue(self) -> DeviceQueue | None:
        """The queue of the device, once that is known."""
        return device_queue_for(str(self.own.device)) if self.own else None

    def predictor(self, key: str | None) -> Predictor:
        """Return a model on its device, loaded when it is first asked for; not on the event loop.

        Raises:
            Refused: while the service's own model is loading, or if there is no such model ready.
        """
        if self.own is None:
            raise Refused(503, "the model is being loaded; try again in a moment", retry_after=2)
        if key is None or key == self.own.model.key:
            return self.own
        ready = [spec.key for spec in ready_models()]
        with self._lock:
            if key not in ready:
                known = ", ".join(dict.fromkeys([self.own.model.key, *ready]))
                raise Refused(422, f"model {key!r}: expected one of {known}")
            if key not in self._others:
                try:
                    self._others[key] = self._make(key)
                except WeightsError as error:  # its message has paths
                    raise CoreError(str(error)) from error
            return self._others[key]

    async def run(self, predictor: Predictor, works: Sequence[Callable[[], _T]]) -> list[_T | None]:
        """Run works on the device, each in its turn; a request that goes takes its waiting ones along.

        Requests take turns, so that one with many images keeps nobody waiting for longer than one of them.

        Returns:
            What each work returned; ``None`` for one that raised, which is in the log.

        Raises:
            Refused: if too many are waiting.
        """
        queue = device_queue_for(str(predictor.device))
        if len(queue) + len(works) > self._limits.waiting:
            wait = math.ceil(len(queue) * self._took / 2)
            raise Refused(
                503,
                f"{len(queue)} images wait already, of at most {self._limits.waiting}; try again later",
                retry_after=min(max(wait, 1), _LONGEST_WAIT),
            )
        loop, client = asyncio.get_running_loop(), uuid.uuid4().hex
        runs: list[QueuedRun[_T]] = []
        try:
            ends = []
            for work in works:
                end = asyncio.Event()

                def tell(end: asyncio.Event = end) -> None:
                    with suppress(RuntimeError):  # the server has ended meanwhile
                        loop.call_soon_threadsafe(end.set)

                runs.append(queue.submit(client, work, kind=predictor.model.digest, on_end=tell))
                ends.append(end)
            for end in ends:
                await end.wait()
        finally:
            for run in runs:
                run.cancel()
        self._took = next((run.took for run in runs if run.took is not None), self._took)
        return [run.result for run in runs]
