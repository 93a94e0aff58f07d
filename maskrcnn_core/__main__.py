"""``python -m maskrcnn_core``: MaskDesk without a browser."""

import sys

from maskrcnn_core.cli import app

if __name__ == "__main__":
    # A name that the terminal's encoding lacks is shown with escapes; it is no reason to stop.
    for _stream in (sys.stdout, sys.stderr):
        if hasattr(_stream, "reconfigure"):
            _stream.reconfigure(errors="backslashreplace")
    app(prog_name="python -m maskrcnn_core")
