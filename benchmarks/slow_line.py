"""The Review page on a slow line: what comes before its first picture, and how long that takes."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.browser import ROOT, chromium, remember_name, serve
from benchmarks.processes import measure_apart
from benchmarks.report import Claim, Report, seconds
from benchmarks.scenes import shared_file
from maskrcnn_core.images.reading import encode_jpeg
from maskrcnn_core.models.fetching import FETCH_VARIABLE
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE, StorePlace
from maskrcnn_core.projects.store import Store
from maskrcnn_core.synthetic.samples import draw_sample
from tests.browser.line import Line
from tests.browser.review_page import link_of, make_project

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

__all__ = ["run_slow_line"]

_BITS = 1.5e6  # a second, both ways
_LATENCY = 40  # ms
_PHOTOS = ("data", "coco_val2017", "images")
_COUNT = 12
_PICTURE = ".viewer[data-part=root][data-ready=true]"
_NO_BROWSER = (
    "**There is no Chromium on this machine, so nothing was measured.** `make browser` installs one; "
    "`MASKDESK_CHROMIUM` names one."
)


def run_slow_line(quick: bool) -> Report:
    """Visits the page as a browser that has never been there, and again."""
    columns = ("visit", "requests", "over the line", "at least, by its bytes", "until the picture")
    with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
        found = measure_apart("benchmarks.slow_line", folder=folder, visits=1 if quick else 3)
    if found is None:
        return Report(columns, (), (), (_NO_BROWSER,))
    rows = tuple(
        (
            what,
            str(visit["requests"]),
            f"{visit['bytes'] / 1e6:.2f} MB",
            seconds(visit["bytes"] * 8 / _BITS),
            seconds(visit["seconds"]),
        )
        for what, visit in (("first", found["first"]), ("second", found["second"]))
    )
    claims = [Claim("on a second visit no script is fetched", found["second"]["scripts"] == 0, "equality")]
    if not quick:
        in_time = found["first"]["seconds"] < 8
        claims.append(Claim("a first visit shows its picture within 8 s", in_time, "cost"))
    note = (
        f"{_BITS / 1e6:g} Mbit/s and {_LATENCY} ms, as Chromium's network emulation has them; a project of "
        f"{_COUNT} photos of 640 x 480 with four proposals each; the server has shown the page before. "
        f"The fastest of {found['visits']} pairs of visits. Headless Chromium {found['version']}."
    )
    return Report(columns, rows, tuple(claims), (note,))


# -- in the browser ---------------------------------------------------------------------------------


def _measure(folder: str, visits: int) -> dict[str, Any] | None:
    store = Store(StorePlace.in_folder(Path(folder)))
    project = make_project(store, "Far away", _pictures())
    store.close()
    with chromium() as browser:
        if browser is None:
            return None
        environment = {DATA_VARIABLE: folder, DATABASE_VARIABLE: "", FETCH_VARIABLE: "no"}
        with serve(ROOT / "app.py", environment) as address:
            link = link_of(address, project)
            _pair(browser, link)
            pairs = [_pair(browser, link) for _ in range(visits)]
    first, second = (min(column, key=lambda one: one["seconds"]) for column in zip(*pairs, strict=True))
    return {"version": browser.version, "visits": visits, "first": first, "second": second}


def _pictures() -> list[tuple[str, bytes]]:
    folder = shared_file(*_PHOTOS)
    if folder is not None:
        return [(file.name, file.read_bytes()) for file in sorted(folder.glob("*.jpg"))[:_COUNT]]
    drawn = draw_sample("table")
    return [(f"{n}.jpg", encode_jpeg(drawn, quality=80 + n)) for n in range(_COUNT)]


def _pair(browser: Browser, link: str) -> tuple[dict[str, Any], dict[str, Any]]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    remember_name(context)
    try:
        return _visit(context, link), _visit(context, link)
    finally:
        context.close()


def _visit(context: BrowserContext, link: str) -> dict[str, Any]:
    page = context.new_page()
    line = Line(page)
    context.new_cdp_session(page).send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": _LATENCY,
            "downloadThroughput": _BITS / 8,
            "uploadThroughput": _BITS / 8,
        },
    )
    began = time.perf_counter()
    page.goto(link, wait_until="commit")
    page.locator(_PICTURE).wait_for(timeout=120_000)
    found = {
        "seconds": time.perf_counter() - began,
        "bytes": line.bytes,
        "requests": len(line.urls),
        "scripts": len(line.fetched(".js")),
    }
    page.close()
    return found


if __name__ == "__main__":
    print(json.dumps(_measure(**json.loads(sys.argv[1]))))
