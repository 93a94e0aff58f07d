"""Where the Chromium is that the browser tests drive."""

import os
from pathlib import Path

# Chromium without the windows of a desktop: the same pages, where drawing those windows for nobody takes as
# much of a processor again.
HEADLESS_SHELL = "/usr/bin/chromium-headless-shell"
SYSTEM_CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")


def find_chromium(playwright):
    """``MASKDESK_CHROMIUM``, else a headless shell of Playwright's or the system's, else a whole browser.

    None if there is none.
    """
    wanted = os.environ.get("MASKDESK_CHROMIUM")
    whole = playwright.chromium.executable_path
    paths = [wanted] if wanted else [*_shells_of(whole), HEADLESS_SHELL, whole, *SYSTEM_CHROMIUM]
    return next((path for path in paths if Path(path).exists()), None)


def is_shell(path):
    """Whether a Chromium is one without windows, by its name."""
    name = Path(path).name.replace("_", "-")
    return "headless-shell" in name


def _shells_of(whole):
    """Playwright puts its headless shell beside the whole browser, in a folder of the same number."""
    folder = next((p for p in Path(whole).parents if p.name.startswith("chromium-")), None)
    if folder is None:
        return []
    shell = folder.with_name(folder.name.replace("chromium-", "chromium_headless_shell-"))
    return sorted(map(str, shell.glob("*/*headless*shell*")))


_REMEMBER = """
try {
  if (localStorage.getItem("maskdesk-who") === null) localStorage.setItem("maskdesk-who", "ann");
} catch {
  // a page without storage, as the first empty one
}
"""


def remember_name(opened):
    """Makes a page, or all of a context, one in which somebody has called themselves ann before."""
    opened.add_init_script(_REMEMBER)
