"""Makes what the first picture needs ready in the background, while the first page is drawn and looked at."""

from __future__ import annotations

import logging
import os
import threading
from functools import cache

from maskrcnn_core.errors import CoreError
from maskrcnn_core.models.catalog import default_model
from maskrcnn_core.models.loading import get_model
from pages.shared.housekeeping import is_server, keep_house

__all__ = ["warm_up"]

_log = logging.getLogger(__name__)

_SPINS = "10000"
"""How often a thread of torch's looks for work before it sleeps; libgomp's own 300,000 take a millisecond.

Threads of pages need that millisecond, and torch waits for its own that they keep from running: of twenty at
once the last waited half as long again. By itself the network loses a twentieth of its speed.
"""


def warm_up() -> None:
    """Begin to load the default model, once in a server's life; a page that needs it waits for that."""
    if is_server():
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)  # read once, when torch comes
        _begin()


@cache
def _begin() -> threading.Thread:
    thread = threading.Thread(target=_load, name="warming", daemon=True)
    thread.start()
    return thread


def _load() -> None:
    try:
        # Most of the time goes into torch's imports: with the first of them all other threads could go on.
        import numpy as np

        from maskrcnn_core.inference.predictor import Predictor

        predictor = Predictor(get_model(default_model().key))
        predictor.run([np.zeros((64, 64, 3), np.uint8)])  # the first run of a process is slower than the next
    except CoreError as error:  # the page that asks for the model says it
        _log.info("could not prepare the model: %s", error)
    keep_house().freeze_soon()  # torch has come
