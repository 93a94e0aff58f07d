"""Where the Chromium is that the browser tests drive."""

import os
from pathlib import Path

SYSTEM_CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")


def find_chromium(playwright):
    """``MASKDESK_CHROMIUM``, else Playwright's own, else the system's; None if there is none."""
    wanted = os.environ.get("MASKDESK_CHROMIUM")
    for path in [wanted] if wanted else [playwright.chromium.executable_path, *SYSTEM_CHROMIUM]:
        if Path(path).exists():
            return path
    return None
