"""A large project in a real browser: how long its pages take to open, and a key to the next picture."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.browser import FLAGS, ROOT, serve
from benchmarks.report import Claim, Report, seconds
from maskrcnn_core.categories import Category
from maskrcnn_core.images import encode_jpeg
from maskrcnn_core.masks import Rle
from maskrcnn_core.store.places import DATA_VARIABLE, DATABASE_VARIABLE, StorePlace
from maskrcnn_core.store.store import Store, new_image, new_instance
from tests.browser.chromium import find_chromium

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

__all__ = ["make_large_project", "run_review"]

_SIZE = (480, 640)
_CROWD_SIZE = (3000, 4000)
_EACH = 10  # instances of an ordinary image
_STEPS = 20

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


def run_review(quick: bool) -> Report:
    """Times the pages of a project where there is a browser."""
    images, crowd = (12, 40) if quick else (2000, 2000)
    with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
        made = make_large_project(Path(folder), images, crowd)
        job = json.dumps({"folder": folder, "steps": 3 if quick else _STEPS, **made})
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
        Claim("the Project page counts every image", found["counted"] == images + 1, "equality"),
        Claim("the crowd's instances are all shown", found["shown"] == crowd, "equality"),
        Claim("every image that was finished is stored as reviewed", found["stored"], "equality"),
    ]
    if not quick:
        opened = [min(t) for what, t in found["times"] if what.startswith("open")]
        claims += [
            Claim("every page opens in less than 3 s", max(opened) < 3, "cost"),
            Claim(
                "a key shows the next picture in less than 150 ms",
                statistics.median(times["Enter until the next picture"]) < 0.15,
                "cost",
            ),
        ]
    note = (
        f"{images:,} images of {_SIZE[1]} x {_SIZE[0]} with {_EACH} instances each, and one of "
        f"{_CROWD_SIZE[1]} x {_CROWD_SIZE[0]} with {crowd:,}, in SQLite. Opened: from the address, by a new "
        "session, to the page with its gallery or picture, in a browser that has the app's own files. "
        f"Headless Chromium {found['version']} without a GPU."
    )
    return Report(columns, rows, tuple(claims), (note,))


def make_large_project(folder: Path, images: int, crowd: int) -> dict[str, int]:
    """Fills a place with one project; gives its id and that of the image with the crowd."""
    store = Store(StorePlace.in_folder(folder))
    try:
        categories = [Category(1, "cell"), Category(2, "nucleus")]
        project = store.create_project("Large", "bench", categories=categories).id
        news = [
            new_image(n, f"image {n:04}.jpg", _SIZE, store.blobs.put(_picture(n, _SIZE)))
            for n in range(1, images + 1)
        ]
        news.append(
            new_image(images + 1, "crowd.jpg", _CROWD_SIZE, store.blobs.put(_picture(0, _CROWD_SIZE)))
        )
        store.decide(project, "bench", "add images", news)
        ids = [row.id for row in store.categories(project)]
        rows = store.images(project)
        proposals = []
        for row in rows:
            count = crowd if row.file_name == "crowd.jpg" else _EACH
            for k in range(count):
                mask = _disc((row.height, row.width), k, count)
                number = len(proposals) + 1
                proposals.append(
                    new_instance(
                        row.id,
                        ids[k % 2],
                        number,
                        mask,
                        source="bench",
                        score=0.5 + 0.49 * (number * 37 % 100) / 100,
                    )
                )
        store.decide(project, "bench", "propose", proposals)
        return {"project": project, "crowd": rows[-1].id}
    finally:
        store.close()


def _picture(number: int, size: tuple[int, int]) -> bytes:
    height, width = size
    ramp = np.add.outer(np.arange(height) * 90 // height, np.arange(width) * 90 // width)
    pixels = np.stack([ramp, (ramp + number) % 256, (ramp + number // 7) % 256], axis=-1)
    return encode_jpeg(pixels.astype(np.uint8))


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


def _measure(folder: str, steps: int, project: int, crowd: int) -> dict[str, Any] | None:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        path = find_chromium(playwright)
        if path is None:
            return None
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            with serve(ROOT / "app.py", {DATA_VARIABLE: folder, DATABASE_VARIABLE: ""}) as address:
                # One for all visits: the browser has the app's own files, as that of a person who works here.
                context = browser.new_context(viewport={"width": 1440, "height": 1000})
                return _visit(context, browser.version, address, folder, steps, project, crowd)
        finally:
            browser.close()


def _visit(
    context: BrowserContext, version: str, address: str, folder: str, steps: int, project: int, crowd: int
) -> dict[str, Any]:
    _open_project(context, address, project)[0].close()  # imports
    times: list[tuple[str, list[float]]] = []
    opened = []
    for _ in range(3):
        page, taken = _open_project(context, address, project)
        opened.append(taken)
        # The first metric is the number of images.
        counted = int(page.get_by_test_id("stMetricValue").first.inner_text().replace(",", ""))
        page.close()
    times.append(("open the Project page", opened))
    opened = []
    for _ in range(3):
        page = _page(context)
        began = time.perf_counter()
        page.goto(f"{address}/models")
        page.get_by_test_id("stDataFrame").first.wait_for(timeout=120_000)
        opened.append(time.perf_counter() - began)
        page.close()
    times.append(("for comparison: the Models page", opened))
    for what, link in (
        ("open the Review page", f"review?project={project}"),
        ("open the image with the crowd", f"review?project={project}&image={crowd}"),
    ):
        opened = []
        for _ in range(3):
            page, taken = _open_review(context, f"{address}/{link}")
            opened.append(taken)
            root = page.locator(".viewer[data-part=root]")
            shown = int(root.get_attribute("data-shown-count") or -1)
            page.close()
        times.append((what, opened))
    page, _ = _open_review(context, f"{address}/review?project={project}")
    time.sleep(1.5)
    steps_taken = []
    for _ in range(steps):
        steps_taken.append([one / 1000 for one in page.evaluate(_STEP, "Enter")])
        time.sleep(0.3)  # nobody finishes three images a second
    pictures, saved = (list(column) for column in zip(*steps_taken, strict=True))
    times += [("Enter until the next picture", pictures), ("Enter until it is saved", saved)]
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


def _page(context: BrowserContext) -> Page:
    return context.new_page()


def _at_rest(page: Page) -> None:
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=120_000)


def _open_project(context: BrowserContext, address: str, project: int) -> tuple[Page, float]:
    page = _page(context)
    began = time.perf_counter()
    page.goto(f"{address}/project?project={project}")
    page.get_by_test_id("stDataFrame").wait_for(timeout=120_000)
    taken = time.perf_counter() - began
    _at_rest(page)
    return page, taken


def _open_review(context: BrowserContext, link: str) -> tuple[Page, float]:
    page = _page(context)
    began = time.perf_counter()
    page.goto(link)
    page.locator(".viewer[data-part=root][data-ready=true]").wait_for(timeout=120_000)
    taken = time.perf_counter() - began
    _at_rest(page)
    return page, taken


if __name__ == "__main__":
    print(json.dumps(_measure(**json.loads(sys.argv[1]))))
