"""The app as it is, but sessions that were left are let go of soon, and the network is slow if asked.

``MASKDESK_BENCHMARK_HOLD`` is how many seconds the network takes for an image without using the processor.
Without it the default model of this computer runs. How many sessions' workspaces are in memory is written to
the file ``MASKDESK_BENCHMARK_ALIVE``.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from pathlib import Path

import streamlit as st
from streamlit.runtime import get_instance

from benchmarks.crowd import CrowdPredictor
from maskrcnn_core.inference.predictor import Failure, Run
from maskrcnn_core.workspace import Workspace
from pages.shared import housekeeping
from pages.shared.session import get_state
from pages.shell.navigation import run_app

ALIVE = Path(os.environ["MASKDESK_BENCHMARK_ALIVE"])
HOLD = float(os.environ.get("MASKDESK_BENCHMARK_HOLD", "0"))


class SlowPredictor(CrowdPredictor):
    """Takes its time."""

    def run(self, images, thresholds=None) -> list[Run | Failure]:
        time.sleep(HOLD)
        return super().run(images, thresholds)


@st.cache_resource(show_spinner=False)
def shared() -> tuple[SlowPredictor, weakref.WeakSet[Workspace]]:
    """What all sessions share, made once: this script runs anew for each of them."""
    housekeeping._EVERY = 3.0
    get_instance()._session_mgr._session_storage._cache._ttl = 2.0
    workspaces: weakref.WeakSet[Workspace] = weakref.WeakSet()

    def count() -> None:
        while True:
            ALIVE.write_text(str(len(workspaces)), "utf-8")
            time.sleep(0.5)

    threading.Thread(target=count, daemon=True).start()
    return SlowPredictor(20), workspaces


def join() -> None:
    """Counts this session's workspace, and gives it the slow network."""
    predictor, workspaces = shared()
    state = get_state()
    workspaces.add(state.workspace)
    if HOLD and not state.custom:
        state.custom[predictor.model.key] = predictor
        state.model_key = predictor.model.key


# In a function: the thread that counts holds the names of the script that it was made in, for good.
join()
run_app()
