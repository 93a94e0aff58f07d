"""A large project in a real browser: how long pages and keys take, and what a decision costs the server."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import psutil

from benchmarks.browser import ROOT, chromium, remember_name, serve
from benchmarks.report import Claim, Report, seconds
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import encode_jpeg
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE, StorePlace
from maskrcnn_core.projects.new_rows import new_image, new_instance
from maskrcnn_core.projects.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

__all__ = ["PICTURE", "follow", "make_large_project", "make_project", "open_page", "run_review"]

_SIZE = (480, 640)
_CROWD_SIZE = (3000, 4000)
_EACH = 10  # instances of an ordinary image
_STEPS = 20
_DECIDED = 24  # instances of the image whose instances are accepted one by one

# The gallery is drawn, and not only its place; the picture with all of its masks.
_GALLERY = "[data-testid=stDataFrame] canvas"
PICTURE = ".viewer[data-part=root][data-ready=true]"

_NO_BROWSER = (
    "**There is no Chromium on this machine, so nothing was measured.** `make browser` installs one; "
    "`MASKDESK_CHROMIUM` names one."
)

# Keys as a person presses them, each timed inside the page: until the next place is drawn, and until the
# reviewer says that everything is saved.
_STEP = """
(key) => new Promise((done) => {
  const root = [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
    .map((one) => one.shadowRoot?.querySelector('.viewer[data-part=root]')).find(Boolean);
  const before = root.dataset.at;
  const began = performance.now();
  let seen = 0;
  const look = () => {
    const { at, ready, saved } = root.dataset;
    if (seen === 0 && at !== before && ready === 'true') seen = performance.now();
    if (seen > 0 && saved === 'true') done([seen - began, performance.now() - began]);
    else requestAnimationFrame(look);
  };
  document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, composed: true,
    cancelable: true }));
  look();
})
"""


# The instance that is chosen is accepted, which chooses the next one; until it is saved.
_ACCEPT = """
() => new Promise((done) => {
  const root = [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
    .map((one) => one.shadowRoot?.querySelector('.viewer[data-part=root]')).find(Boolean);
  const before = root.dataset.statusCounts;
  document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'a', bubbles: true, composed: true,
    cancelable: true }));
  const look = () => {
    if (root.dataset.statusCounts !== before && root.dataset.saved === 'true') done();
    else requestAnimationFrame(look);
  };
  look();
})
"""
_SETTLE = 0.7  # seconds after a decision in which the server does what follows from it


def run_review(quick: bool) -> Report:
    """Times the pages of a project where there is a browser."""
    images, crowd = (12, 40) if quick else (2000, 2000)
    with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
        made = make_large_project(Path(folder), images, crowd)
        job = json.dumps(
            {"folder": folder, "steps": 3 if quick else _STEPS, "visits": 1 if quick else 3, **made}
        )
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.review", job],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
    columns = ("what", "median", "slowest")
    if found is None:
        return Report(columns, (), (), (_NO_BROWSER,))
    rows = tuple((what, seconds(statistics.median(t)), seconds(max(t))) for what, t in found["times"])
    times = dict(found["times"])
    claims = [
        Claim("the Project page counts every image", found["counted"] == images, "equality"),
        Claim("all instances of the crowd are shown", found["shown"] == crowd, "equality"),
        Claim("every finished image is stored as reviewed", found["stored"], "equality"),
        Claim("every accepted instance is stored as accepted", found["accepted"], "equality"),
    ]
    if not quick:
        opened = [statistics.median(t) for what, t in found["times"] if what.endswith("by its link")]
        claims += [
            Claim("in the open app every page appears in less than 3 s", max(opened) < 3, "cost"),
            Claim(
                "a key shows the next image in less than 150 ms",
                statistics.median(times["Enter until the next image"]) < 0.15,
                "cost",
            ),
        ]
    note = (
        f"A project with {images:,} images of {_SIZE[1]} x {_SIZE[0]} with {_EACH} instances each, and one "
        f"with an image of {_CROWD_SIZE[1]} x {_CROWD_SIZE[0]} with {crowd:,} (the crowd), in SQLite. A page "
        "is there when its gallery, or its image with all masks, is drawn. By its link: clicked on another "
        "page of the app. By its address: in a new session, so including the start of Streamlit's own "
        "script, as the Models page shows; the browser has the app's files. CPU is the server's, for an "
        f"image with {_DECIDED} instances. "
        f"Headless Chromium {found['version']} without a GPU."
    )
    return Report(columns, rows, tuple(claims), (note,))


def make_large_project(folder: Path, images: int, crowd: int) -> dict[str, int]:
    """Fills a place with two projects, and gives their ids: of many images, and of one with a crowd."""
    store = Store(StorePlace.in_folder(folder))
    try:
        return {
            "project": make_project(store, "Large", images, _SIZE, _EACH),
            "crowd": make_project(store, "Crowd", 1, _CROWD_SIZE, crowd),
            "decided": make_project(store, "Decided", 1, _SIZE, _DECIDED),
        }
    finally:
        store.close()


def make_project(store: Store, name: str, images: int, size: tuple[int, int], each: int) -> int:
    """Makes a project of drawn images with discs in rows, and gives its id; ``size`` is (height, width)."""
    categories = [Category(1, "cell"), Category(2, "nucleus")]
    project = store.create_project(name, "bench", categories=categories).id
    news = [
        new_image(n, f"image {n:04}.jpg", size, store.blobs.put(encode_jpeg(_picture(n, size))))
        for n in range(1, images + 1)
    ]
    store.decide(project, "bench", "add images", news)
    ids = [row.id for row in store.categories(project)]
    masks = [_disc(size, k, each) for k in range(each)]
    proposals = [
        new_instance(
            row.id,
            ids[k % 2],
            number * each + k + 1,
            mask,
            source="bench",
            score=0.5 + 0.49 * ((number * each + k) * 37 % 100) / 100,
        )
        for number, row in enumerate(store.images(project))
        for k, mask in enumerate(masks)
    ]
    store.decide(project, "bench", "propose", proposals)
    return project


def _picture(number: int, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    height, width = size
    ramp = np.add.outer(np.arange(height) * 90 // height, np.arange(width) * 90 // width)
    pixels = np.stack([ramp, (ramp + number) % 256, (ramp + number // 7) % 256], axis=-1)
    return pixels.astype(np.uint8)


def _disc(size: tuple[int, int], number: int, count: int) -> Rle:
    """One of ``count`` discs in rows that fill the image."""
    height, width = size
    across = int(np.ceil(np.sqrt(count * width / height)))
    step = width / across
    radius = max(int(step * 0.42), 2)
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    row, column = divmod(number, across)
    top = min(int((row + 0.5) * step) - radius, height - 2 * radius - 1)
    left = min(int((column + 0.5) * step) - radius, width - 2 * radius - 1)
    return Rle.from_crop(x * x + y * y <= radius * radius, (max(top, 0), max(left, 0)), size)


# -- in the browser ---------------------------------------------------------------------------------


def _measure(
    folder: str, steps: int, visits: int, project: int, crowd: int, decided: int
) -> dict[str, Any] | None:
    with chromium() as browser:
        if browser is None:
            return None
        with serve(ROOT / "app.py", {DATA_VARIABLE: folder, DATABASE_VARIABLE: ""}) as address:
            # One for all visits: the browser has the app's own files, as that of a person who works here.
            context = browser.new_context(viewport={"width": 1440, "height": 1000})
            remember_name(context)
            found = _visit(context, browser.version, address, folder, steps, visits, project, crowd)
            cpu, is_accepted = _accept(context, f"{address}/review?project={decided}", folder, decided, steps)
            found["times"].append(("CPU of the server for an accepted instance", cpu))
            return found | {"accepted": is_accepted}


def _visit(
    context: BrowserContext,
    version: str,
    address: str,
    folder: str,
    steps: int,
    visits: int,
    project: int,
    crowd: int,
) -> dict[str, Any]:
    review = f"{address}/review?project={{}}".format
    page = open_page(context, f"{address}/project?project={project}", _GALLERY)[0]  # imports
    page.close()
    times: list[tuple[str, list[float]]] = []

    def measure(what: str, once: Callable[[], tuple[Page, float]]) -> Page:
        """Several visits; the last one's page stays open."""
        taken = []
        for left in reversed(range(visits)):
            page, seconds_taken = once()
            taken.append(seconds_taken)
            if left:
                page.close()
        times.append((what, taken))
        return page

    page = measure(
        "the Project page, by its link", lambda: follow(context, address, project, "Project", _GALLERY)
    )
    # The first metric is the number of images.
    counted = int(page.get_by_test_id("stMetricValue").first.inner_text().replace(",", ""))
    page.close()
    measure(
        "the Review page, by its link", lambda: follow(context, address, project, "Review", PICTURE)
    ).close()
    page = measure(
        "the image of the crowd, by its link", lambda: follow(context, address, crowd, "Review", PICTURE)
    )
    shown = int(page.locator(".viewer[data-part=root]").get_attribute("data-shown-count") or -1)
    page.close()
    for what, link, wanted in (
        ("the Models page (for comparison)", f"{address}/models", _GALLERY),
        ("the Project page", f"{address}/project?project={project}", _GALLERY),
        ("the Review page", review(project), PICTURE),
        ("the image of the crowd", review(crowd), PICTURE),
    ):
        measure(f"{what}, by its address", partial(open_page, context, link, wanted)).close()
    page, _ = open_page(context, review(project), PICTURE)
    time.sleep(1.5)  # the frames around the first one are being read ahead, as while a person looks
    steps_taken = []
    for _ in range(steps):
        steps_taken.append([one / 1000 for one in page.evaluate(_STEP, "Enter")])
        time.sleep(0.5)  # a second Enter at once would be taken for a slip
    pictures, saved = (list(column) for column in zip(*steps_taken, strict=True))
    times += [("Enter until the next image", pictures), ("Enter until it is saved", saved)]
    page.close()
    store = Store(StorePlace.in_folder(Path(folder)))
    try:
        stored = store.counts(project)[0]["reviewed"] == steps
    finally:
        store.close()
    return {
        "version": version,
        "times": times,
        "counted": counted,
        "shown": shown,
        "stored": stored,
    }


def _accept(
    context: BrowserContext, link: str, folder: str, project: int, count: int
) -> tuple[list[float], bool]:
    """CPU seconds of the server for each of some accepted instances, and whether that many are stored."""
    page, _ = open_page(context, link, PICTURE)
    time.sleep(1.5)  # frames are read ahead
    server = next(one for one in psutil.Process().children() if "streamlit" in one.cmdline())
    taken = []
    for _ in range(count):
        before = server.cpu_times()
        page.evaluate(_ACCEPT)
        time.sleep(_SETTLE)
        after = server.cpu_times()
        taken.append(after.user + after.system - before.user - before.system)
    page.close()
    store = Store(StorePlace.in_folder(Path(folder)))
    try:
        return taken, sum(fact.status == "accepted" for fact in store.facts(project)) == count
    finally:
        store.close()


def _at_rest(page: Page) -> None:
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=120_000)


def open_page(context: BrowserContext, link: str, wanted: str) -> tuple[Page, float]:
    """A new session, from the address until what is wanted is there; in seconds."""
    page = context.new_page()
    began = time.perf_counter()
    page.goto(link)
    page.locator(wanted).first.wait_for(timeout=120_000)
    taken = time.perf_counter() - began
    _at_rest(page)
    return page, taken


def follow(context: BrowserContext, address: str, project: int, name: str, wanted: str) -> tuple[Page, float]:
    """In a session that has the project open in another page, the link to the page of this name."""
    start, there = ("project", _GALLERY) if name == "Review" else ("review", PICTURE)
    page, _ = open_page(context, f"{address}/{start}?project={project}", there)
    time.sleep(1.5)  # a person looks at it first; what the page still does is not the link's
    began = time.perf_counter()
    page.get_by_test_id("stHeader").get_by_role("link", name=name).click()
    page.wait_for_url(f"**/{name.lower()}?*", timeout=120_000)
    page.locator(wanted).first.wait_for(timeout=120_000)
    taken = time.perf_counter() - began
    _at_rest(page)
    return page, taken


if __name__ == "__main__":
    print(json.dumps(_measure(**json.loads(sys.argv[1]))))
