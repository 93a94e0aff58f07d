"""``python -m maskrcnn_core``: MaskDesk without a browser."""

import signal
import sys
from types import FrameType

from maskrcnn_core.cli import app
from maskrcnn_core.messages import NO_MEMORY, is_out_of_memory


def _stop(_number: int, _frame: FrameType | None) -> None:
    """Ends as Ctrl+C does: with what is done kept, nothing half written, and a word on how to go on."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    # A name that the terminal's encoding lacks is shown with escapes; it is no reason to stop.
    for _stream in (sys.stdout, sys.stderr):
        if hasattr(_stream, "reconfigure"):
            _stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _stop)
    try:
        app(prog_name="python -m maskrcnn_core")
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        print(NO_MEMORY, file=sys.stderr)
        sys.exit(1)
