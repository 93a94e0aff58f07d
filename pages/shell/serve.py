"""Starts the app's server; what the first image needs is prepared as soon as the server responds.

``python -m pages.shell.serve [--server.port 8501 ...]`` takes Streamlit's options.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main"]

_APP = Path(__file__).parents[2] / "app.py"
_LOOK = 0.05  # seconds


def main(options: Sequence[str]) -> None:
    """Serve until stopped."""
    threading.Thread(target=_prepare, name="preparing", daemon=True).start()
    from streamlit.web.cli import main as streamlit

    # The server stops in order first, and then hands the signal on: to stop it is no failure.
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    streamlit(["run", str(_APP), *options], prog_name="streamlit")


def _prepare() -> None:
    """Say what will be fetched and load what takes long, once the server is up; it shall not wait."""
    while not _is_up():
        time.sleep(_LOOK)
    from maskrcnn_core.models.fetching import fetch_notice
    from pages.shell.warming import warm_up

    print(f"  {fetch_notice()}", flush=True)
    warm_up()


def _is_up() -> bool:
    runtime = sys.modules.get("streamlit.runtime")
    return runtime is not None and hasattr(runtime, "exists") and runtime.exists()


if __name__ == "__main__":
    main(sys.argv[1:])
