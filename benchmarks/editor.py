"""The editor in a real browser: frames with many outlines on a large image, and how long an edit takes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.browser import ROOT, WATCH, chromium, measure_frames, remember_name, serve
from benchmarks.crowd import crowd_jpeg
from benchmarks.report import Claim, Report, seconds
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.geometry.polygons import polygons_to_rle
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE, StorePlace
from maskrcnn_core.projects.new_rows import new_image, new_instance
from maskrcnn_core.projects.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["run_editor"]

_SIZE = (3000, 4000)
_CORNERS = 200
_PAUSE = 0.3  # seconds from one thing that a hand does to the next: what the last one caused is over then

_NO_BROWSER = (
    "**There is no Chromium on this machine, so nothing was measured.** `make browser` installs one; "
    "`MASKDESK_CHROMIUM` names one."
)

# One corner is dragged by events made in the page: until a frame with it is on the screen (a task that comes
# after the frame), and, when it is let go, until the reviewer says that it is saved.
_EDIT = """
async ([x, y]) => {
  const root = window.viewerRoot();
  const canvas = root.querySelector('[data-part=canvas]');
  const stage = root.querySelector('[data-part=stage]');
  const box = canvas.getBoundingClientRect();
  const scale = Number(root.dataset.zoom);
  const [left, top] = root.dataset.pan.split(',').map(Number);
  const at = (dx) => ({ bubbles: true, composed: true, cancelable: true, pointerId: 1, pointerType: 'mouse',
    button: 0, buttons: 1, clientX: box.x + left + x * scale + dx, clientY: box.y + top + y * scale });
  const shown = () => new Promise((done) => window.askFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done(performance.now());
    channel.port2.postMessage(null);
  }));
  stage.setPointerCapture = () => {};
  stage.dispatchEvent(new PointerEvent('pointerdown', at(0)));
  const frames = [];
  for (let i = 1; i <= 12; i += 1) {
    await shown();
    const began = performance.now();
    stage.dispatchEvent(new PointerEvent('pointermove', at(2 * i)));
    frames.push(await shown() - began);
  }
  const began = performance.now();
  const clock = Date.now();
  stage.dispatchEvent(new PointerEvent('pointerup', { ...at(24), buttons: 0 }));
  const mask = await shown() - began;
  while (root.dataset.saved !== 'true') await new Promise((done) => setTimeout(done, 4));
  return [frames, mask, performance.now() - began, clock];
}
"""


def run_editor(quick: bool) -> Report:
    """Times frames and edits where there is a browser."""
    counts, frames, edits = ([6], 12, 1) if quick else ([100, 1000], 180, 12)
    with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
        projects = [_make_project(Path(folder), count) for count in counts]
        job = {"folder": folder, "projects": projects, "frames": frames, "edits": edits}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.editor", json.dumps(job)],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    found = json.loads(done.stdout.splitlines()[-1])
    columns = ("instances", "what", "frames a second", "script a frame", "on screen", "stored", "reported")
    if found is None:
        return Report(columns, (), (), (_NO_BROWSER,))
    rows: list[tuple[str, ...]] = []
    claims = []
    for count, one in zip(counts, found["visits"], strict=True):
        for kind, frame in one["gestures"].items():
            rows.append((f"{count:,}", kind, f"{frame['rate']:.0f}", seconds(frame["script"]), "", "", ""))
        names = ("shown", "mask", "written", "saved")
        shown, mask, written, saved = (statistics.median(one[name]) for name in names)
        rows.append((f"{count:,}", "drag a corner", "", "", seconds(shown), "", ""))
        rows.append((f"{count:,}", "let it go", "", "", seconds(mask), seconds(written), seconds(saved)))
        claims.append(Claim(f"every edit of {count:,} is in the store", one["stored"], "equality"))
    note = (
        f"One image of {_SIZE[1]} x {_SIZE[0]} with outlines of {_CORNERS} corners each, in a project on the "
        "Review page. One event before each frame moves the view. The corner tool drags a corner; it is on "
        "screen when a task after the frame comes, stored when its journal line is written, and reported as "
        "saved when the page has heard of it. "
        f"Headless Chromium {found['version']} without a GPU."
    )
    return Report(columns, tuple(rows), tuple(claims), (note,))


def _make_project(folder: Path, count: int) -> dict[str, Any]:
    height, width = _SIZE
    across = int(np.ceil(np.sqrt(count * width / height)))
    step = width / across
    turn = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    radius = step * (0.36 + 0.05 * np.sin(25 * turn))
    store = Store(StorePlace.in_folder(folder))
    try:
        project = store.create_project(f"{count} outlines", "bench", categories=[Category(1, "cell")]).id
        blob = store.blobs.put(crowd_jpeg(60, _SIZE))
        store.decide(project, "bench", "add images", [new_image(1, "large.jpg", _SIZE, blob)])
        (image,), (category,) = store.images(project), store.categories(project)
        news, corners = [], []
        for n in range(count):
            row, column = divmod(n, across)
            x = np.clip((column + 0.5) * step + radius * np.cos(turn), 0, width)
            y = np.clip((row + 0.5) * step + radius * np.sin(turn), 0, height)
            ring = np.stack([x, y], axis=1).round(2).reshape(-1).tolist()
            corners.append(ring[:2])
            mask = polygons_to_rle([ring], _SIZE)
            news.append(
                new_instance(image.id, category.id, n + 1, mask, source="person", polygons=[ring], score=0.9)
            )
        store.decide(project, "bench", "draw", news)
    finally:
        store.close()
    return {"id": project, "count": count, "corners": corners[: max(1, min(count, 60))]}


# -- in the browser ---------------------------------------------------------------------------------


def _measure(folder: str, projects: list[dict[str, Any]], frames: int, edits: int) -> dict[str, Any] | None:
    with chromium() as browser:
        if browser is None:
            return None
        with serve(ROOT / "app.py", {DATA_VARIABLE: folder, DATABASE_VARIABLE: ""}) as address:
            visits = [_visit(browser, address, folder, one, frames, edits) for one in projects]
        return {"version": browser.version, "visits": visits}


def _visit(
    browser: Browser, address: str, folder: str, project: dict[str, Any], frames: int, edits: int
) -> dict[str, Any]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    remember_name(context)
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(f"{address}/review?project={project['id']}")
    shown = f".viewer[data-part=root][data-ready=true][data-shown-count='{project['count']}']"
    page.locator(shown).wait_for(timeout=180_000)
    time.sleep(2.5)  # until the rest of the page is drawn, and the frames around are read
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    gestures = {kind: asdict(measure_frames(page, session, kind, frames)) for kind in ("pan", "zoom")}
    page.keyboard.press("f")
    times = [_edit(page, corner) for corner in project["corners"][:edits]]
    written = _written(folder, project["id"])
    page.context.close()
    return {
        "gestures": gestures,
        "shown": [shown for one in times for shown in one[0]],
        "mask": [one[1] for one in times],
        "saved": [one[2] for one in times],
        # The server and the browser have one clock here.
        "written": [at - one[3] for at, one in zip(written, times, strict=False)],
        "stored": len(written) == len(times),
    }


def _edit(page: Page, corner: list[float]) -> tuple[list[float], float, float, float]:
    """Choose the instance inside of its corner, and drag that; in seconds."""
    root = page.locator(".viewer[data-part=root]")
    box = page.locator("[data-part=canvas]").bounding_box() or {"x": 0, "y": 0}
    scale = float(root.get_attribute("data-zoom") or 1)
    left, top = map(float, (root.get_attribute("data-pan") or "0,0").split(","))
    page.mouse.click(box["x"] + left + (corner[0] - 24) * scale, box["y"] + top + corner[1] * scale)
    page.locator(".viewer[data-part=root][data-selected]:not([data-selected=''])").wait_for()
    page.keyboard.press("v")
    time.sleep(_PAUSE)
    frames, mask, saved, clock = page.evaluate(_EDIT, corner)
    page.keyboard.press("v")
    time.sleep(_PAUSE)
    return [one / 1000 for one in frames], mask / 1000, saved / 1000, clock / 1000


def _written(folder: str, project: int) -> list[float]:
    """When each edit was written into the journal, in seconds since 1970."""
    store = Store(StorePlace.in_folder(Path(folder)))
    try:
        return sorted(entry.at.timestamp() for entry in store.journal(project) if entry.kind == "outline")
    finally:
        store.close()


if __name__ == "__main__":
    print(json.dumps(_measure(**json.loads(sys.argv[1]))))
