"""MaskDesk without a browser: ``maskdesk``, or ``python -m maskrcnn_core``."""

import signal
import sys
from types import FrameType

from maskrcnn_core.cli.app import app
from maskrcnn_core.common.one_line import NO_MEMORY, is_out_of_memory


def _stop(_number: int, _frame: FrameType | None) -> None:
    """End as Ctrl+C does: what is done is kept, nothing is half written, and a message says how to go on."""
    raise KeyboardInterrupt


def main(name: str = "maskdesk") -> None:
    """Run the command line; it ends the process.

    Args:
        name: what help calls the program.
    """
    # A name that the terminal's encoding lacks is shown with escapes; it is no reason to stop.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _stop)
    try:
        app(prog_name=name)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        print(NO_MEMORY, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main("python -m maskrcnn_core")
