"""Sees to it that there is a Chromium for the browser tests, in the first way that works.

An installed one is used; else Playwright's own is downloaded; else, for root on Debian or Ubuntu, the
system's package is installed. Where none works the browser tests skip and say so: everything else runs.
"""

import os
import shutil
import subprocess
import sys

from playwright.sync_api import sync_playwright

from tests.browser.chromium import find_chromium


def main() -> None:
    ways = [[sys.executable, "-m", "playwright", "install", "--with-deps", "chromium"]]
    if os.geteuid() != 0:
        ways = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    elif shutil.which("apt-get"):
        ways.insert(0, ["sh", "-c", "apt-get update -qq && apt-get install -y -qq chromium"])
    for way in ways:
        if found():
            return
        print("no Chromium yet:", " ".join(way))
        subprocess.run(way, check=False)
    if not found():
        print(
            "No Chromium could be installed: the browser tests will be skipped. MASKDESK_CHROMIUM names one."
        )


def found() -> bool:
    with sync_playwright() as playwright:
        return find_chromium(playwright) is not None


if __name__ == "__main__":
    main()
