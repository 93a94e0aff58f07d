"""What goes by itself, when the app starts and once a day: deleted projects whose time is over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from maskrcnn_core.errors import CoreError
from maskrcnn_core.projects.removal import purge
from maskrcnn_core.projects.store import Store

__all__ = ["every_day", "keep_purging"]

_EVERY = 86_400.0  # seconds
_LOG = logging.getLogger(__name__)


def every_day(work: Callable[[], object], pause: Callable[[float], object] = time.sleep) -> None:
    """Do something now and once a day, without end; for a thread of its own.

    Args:
        work: what is done.
        pause: waits so many seconds.
    """
    while True:
        work()
        pause(_EVERY)


def keep_purging(store: Store, pause: Callable[[float], object] = time.sleep) -> None:
    """Let projects go whose time is over, without end; for a thread of its own.

    Args:
        store: whose projects.
        pause: waits so many seconds.
    """
    every_day(partial(_purge, store), pause)


def _purge(store: Store) -> None:
    try:
        for done in purge(store):
            _LOG.warning("deleted project: %s", done.told)
    except CoreError as error:  # a database that is away now is there tomorrow
        _LOG.warning("deleted projects were not looked at: %s", error)
