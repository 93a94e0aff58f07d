"""Sees to it that there is a Chromium for the browser tests, in the first way that works.

A headless shell is best, as it takes half the time of a whole browser: an installed one is used; else, for
root on Debian, the system's package is installed. Else any installed Chromium is used; else Ubuntu's package,
or Playwright's own is downloaded. Where none works the browser tests skip and
say so, and in CI fail: everything else runs.
"""

import os
import shutil
import subprocess
import sys

from playwright.sync_api import sync_playwright

from tests.browser.chromium import find_chromium, is_shell

# A machine that reaches no packages says so soon, and goes on with what it has.
APT = "apt-get -o Acquire::Retries=0 -o Acquire::http::Timeout=20"


def main() -> None:
    own = [sys.executable, "-m", "playwright", "install"]
    ways = [[*own, "--with-deps", "chromium"] if os.geteuid() == 0 else [*own, "chromium"]]
    path = found()
    if os.geteuid() == 0 and shutil.which("apt-get"):
        install = f"{APT} update -qq && {APT} install -y -qq"
        if not os.environ.get("MASKDESK_CHROMIUM") and (path is None or not is_shell(path)):
            print("no headless shell yet: installing the system's package")
            subprocess.run(["sh", "-c", f"{install} chromium-headless-shell"], check=False)
        ways.insert(0, ["sh", "-c", f"{install} chromium"])
    for way in ways:
        if found():
            return
        print("no Chromium yet:", " ".join(way))
        subprocess.run(way, check=False)
    if not found():
        print(
            "No Chromium could be installed: the browser tests will be skipped. MASKDESK_CHROMIUM names one."
        )


def found() -> str | None:
    with sync_playwright() as playwright:
        return find_chromium(playwright)


if __name__ == "__main__":
    main()
