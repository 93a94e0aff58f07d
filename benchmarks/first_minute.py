"""The first minute: from starting the server to masks on a photo dropped at once, in a real browser."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.browser import ROOT, chromium
from benchmarks.report import Claim, Report, seconds
from benchmarks.scenes import shared_file
from maskrcnn_core.cli.preparing import prepare
from maskrcnn_core.images.reading import encode_jpeg
from maskrcnn_core.models.fetching import FETCH_VARIABLE
from maskrcnn_core.synthetic.samples import draw_sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

__all__ = ["run_first_minute"]

_PHOTO = ("data", "large", "sfscooters_12MP.jpg")
_STEPS = ("address", "page", "picture", "masks")
_PICTURE = ".viewer[data-part=root][data-ready=true]"
_NO_BROWSER = (
    "**There is no Chromium on this machine, so nothing was measured.** `make browser` installs one; "
    "`MASKDESK_CHROMIUM` names one."
)


def run_first_minute(quick: bool) -> Report:
    """Starts the server anew each time: on a fresh machine nothing is warm but what setting up has made."""
    columns = ("until", "median", "slowest")
    photo = shared_file(*_PHOTO)
    with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
        file = Path(folder) / "photo.jpg"
        enlarged = draw_sample("table").repeat(6, axis=0).repeat(6, axis=1)
        file.write_bytes(photo.read_bytes() if photo else encode_jpeg(enlarged, quality=90))
        job = json.dumps({"photo": str(file), "folder": folder, "visits": 1 if quick else 5})
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.first_minute", job],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    found = json.loads(done.stdout.splitlines()[-1])
    if found is None:
        return Report(columns, (), (), (_NO_BROWSER,))
    times = {step: [visit[step] for visit in found] for step in (*_STEPS, "all")}
    words = {
        "address": "the command prints its address",
        "page": "the browser opens it and shows the first page",
        "picture": "a dropped 12 MP photo is on the screen",
        "masks": "then its masks",
        "all": "in all, from the address to the masks",
    }
    rows = tuple(
        (words[step], seconds(statistics.median(taken)), seconds(max(taken))) for step, taken in times.items()
    )
    claims = [Claim("every visit shows instances", all(visit["shown"] > 0 for visit in found), "equality")]
    if not quick:
        median = {step: statistics.median(taken) for step, taken in times.items()}
        claims += [
            Claim("a second start prints its address within 4 s", median["address"] <= 4, "cost"),
            Claim("the first page is there within 3 s", median["page"] <= 3, "cost"),
            Claim("from the address to the masks takes at most 8 s", median["all"] <= 8, "cost"),
        ]
    note = (
        f"{len(found)} starts of `python -m pages.shell.serve` after the one-time preparation by `make run`; "
        f"no downloaded weights, no network, the built-in model; {'a photo' if photo else 'a drawn image'} "
        "is dropped once the page is there. Headless Chromium without a GPU."
    )
    return Report(columns, rows, tuple(claims), (note,))


# -- in the browser ---------------------------------------------------------------------------------


def _measure(photo: str, folder: str, visits: int) -> list[dict[str, Any]] | None:
    nowhere = dict.fromkeys(("XDG_CACHE_HOME", "MASKDESK_WEIGHTS", "TORCH_HOME"), folder)
    os.environ.update(nowhere | {"MASKDESK_DATA": f"{folder}/data", FETCH_VARIABLE: "no"})
    with chromium() as browser:
        if browser is None:
            return None
        prepare()
        return [_visit(browser, photo) for _ in range(visits)]


def _visit(browser: Browser, photo: str) -> dict[str, Any]:
    page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
    page.set_default_timeout(120_000)
    clock = [time.perf_counter()]
    with _server() as address:
        clock.append(time.perf_counter())
        page.goto(address)
        page.get_by_text("Drop in an image").wait_for()
        clock.append(time.perf_counter())
        page.set_input_files("input[type=file]", photo)
        page.locator(_PICTURE).wait_for()
        clock.append(time.perf_counter())
        page.locator(f"{_PICTURE}:not([data-shown-count='0'])").wait_for()
        clock.append(time.perf_counter())
        shown = int(page.locator(_PICTURE).get_attribute("data-shown-count") or 0)
        page.context.close()
    taken = {step: after - before for step, before, after in zip(_STEPS, clock[:-1], clock[1:], strict=True)}
    return {**taken, "all": clock[-1] - clock[1], "shown": shown}


@contextmanager
def _server() -> Iterator[str]:
    """The address of a server, as soon as it has printed it."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pages.shell.serve", "--server.port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        for line in server.stdout or ():
            if f"http://127.0.0.1:{port}" in line:
                yield f"http://127.0.0.1:{port}"
                break
        else:
            raise RuntimeError("the server did not start")
    finally:
        server.terminate()
        server.wait(20)
        if server.stdout is not None:
            server.stdout.close()


if __name__ == "__main__":
    print(json.dumps(_measure(**json.loads(sys.argv[1]))))
