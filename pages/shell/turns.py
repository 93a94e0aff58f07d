"""Pages are drawn a few at a time, so that twenty at once do not keep the server from answering.

Threads of Python pass one lock around, five milliseconds each. With twenty pages being drawn the thread that
serves all browsers has it a twentieth of the time, and so has the network's: a health check took 0.6 s. Drawn
two at a time, pages take as long in all, and the first ones are there much sooner.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["PAGE_TURNS", "Turns"]

_AT_ONCE = 2
_COUNTED = 0.25
_PATIENCE = 0.5


class Turns:
    """A gate that lets a few in at a time, and makes nobody wait for long.

    Args:
        at_once: how many may be in.
        counted: seconds after which one that is still in no longer counts: it reads uploads or makes a file.
        patience: seconds after which one goes in whoever is there.
    """

    def __init__(
        self, at_once: int = _AT_ONCE, *, counted: float = _COUNTED, patience: float = _PATIENCE
    ) -> None:
        self._at_once, self._counted, self._patience = at_once, counted, patience
        self._changed = threading.Condition()
        self._came: dict[object, float] = {}

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn; it lasts as long as the block does."""
        me = object()
        with self._changed:
            end = time.monotonic() + self._patience
            while (wait := min(self._until_free(), end - time.monotonic())) > 0:
                self._changed.wait(wait)
            self._came[me] = time.monotonic()
        try:
            yield
        finally:
            with self._changed:
                del self._came[me]
                self._changed.notify()

    def _until_free(self) -> float:
        """Return the seconds until there is room if nobody leaves; 0 or less for now."""
        came = sorted(self._came.values())
        if len(came) < self._at_once:
            return 0.0
        return came[-self._at_once] + self._counted - time.monotonic()


PAGE_TURNS = Turns()
"""Those of the pages of this process."""
