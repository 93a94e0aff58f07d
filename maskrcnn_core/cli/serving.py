"""Start the app, which is next to the core in a checkout and in a folder of its own once installed."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import typer

from maskrcnn_core.common.extras import missing_extra
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.common.terminal import errors_told
from maskrcnn_core.errors import InputError

__all__ = ["PASSES_ON", "app_folder", "serve_app"]

PASSES_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Settings of a command whose options are Streamlit's."""

_SERVER = "pages.shell.serve"
_BESIDE = Path(__file__).parents[2]


def serve_app(context: typer.Context) -> None:
    """Start the app and print its address. All options are Streamlit's: --server.port 8502, for example."""
    with errors_told():
        if missing := missing_extra("app", "the app"):
            raise InputError(missing)
        folder = app_folder()
    # As Streamlit does for the folder of a main script; first, as the person's folder may have `pages`, too.
    sys.path.insert(0, str(folder))
    import_module(_SERVER).main(context.args)  # by name, as the core knows nothing of the screen


def app_folder(beside: Path = _BESIDE) -> Path:
    """Return the folder of ``app.py`` and ``pages``.

    Args:
        beside: the folder that contains ``maskrcnn_core``.

    Raises:
        InputError: if the app was not installed with the core.
    """
    for folder in (beside / "maskdesk_app", beside):
        if (folder / "app.py").is_file() and (folder / "pages" / "shell").is_dir():
            return folder
    raise InputError(
        f"the app: expected app.py and pages in {one_line(str(beside / 'maskdesk_app'))}, got no such files; "
        "reinstall MaskDesk"
    )
