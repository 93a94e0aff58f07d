"""A slide of 400 megapixels with 20,000 instances: opened, moved in a browser, run over, and exported."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.browser import ROOT, Frames, chromium, measure_frames, serve
from benchmarks.browser import WATCH as WATCHED
from benchmarks.crowd import CrowdPredictor
from benchmarks.memory import peak_extra_bytes
from benchmarks.report import Claim, Report, megabytes, seconds
from benchmarks.slide_drawing import NUCLEUS, annotated, draw_slide
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.formats import Export, format_by_key
from maskrcnn_core.slides.opening import open_slide
from maskrcnn_core.tiling.planning import plan_tiles
from maskrcnn_core.tiling.windows import run_windows

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["run_slides"]

_SIDES, _TINY_SIDES = (5000, 10_000, 20_000), (1000, 1500)
_PER_PIXEL = 20_000 / 20_000**2
_TILE, _OVERLAP, _IN_A_TILE = 320, 80, 3
_OPENS, _RATE, _MEMORY = 3.0, 30, 2e9
_STEPS = {"whole slide": 0, "2 times nearer": 2, "5 times nearer": 2, "22 times nearer": 4}
"""Of a wheel, each from the one before."""
_AT_REST = """
async () => {
  const root = window.viewerRoot();
  const seen = () => `${root.dataset.pan} ${root.dataset.zoom} ${root.dataset.ready}`;
  const before = seen();
  for (let frame = 0; frame < 10; frame += 1) await new Promise(window.askFrame);
  return root.dataset.ready === "true" && seen() === before;
}
"""
_WHAT = (
    "A drawn slide of stained tissue, a pyramid of JPEG tiles, on the real Slides page in headless Chromium "
    "without a GPU. Opened: from asking for the page until all that is in view is drawn sharp, instances "
    "included; the slide had been drawn before. Run: all tiles of 320 pixels through a stand-in that finds "
    "three in each at once, joined at the seams; memory is what it takes at its peak above the process "
    "before it, its result included."
)


def run_slides(quick: bool) -> Report:
    """Times the page where there is a browser; runs and exports everywhere."""
    sides = _TINY_SIDES if quick else _SIDES
    frames = 10 if quick else 100
    with tempfile.TemporaryDirectory() as folder:
        page = [_in_browser(folder, side, round(_PER_PIXEL * side**2), frames) for side in sides]
        rest = [_core(Path(folder), side) for side in sides]
    rows: list[tuple[str, ...]] = []

    def row(what: str, cells: list[str]) -> None:
        rows.append((what, *cells))

    row("instances", [f"{one['instances']:,}" for one in rest])
    row("file", [megabytes(one["file"]) for one in rest])
    row("opened by the library", [seconds(one["open"]) for one in rest])
    found = [one for one in page if one is not None]
    if found:
        row("page opened until all is drawn", [seconds(one["opened"]) for one in found])
        for scale in found[-1]["gestures"]:
            for kind in ("pan", "zoom"):
                gestures = [Frames(**one["gestures"][scale][kind]) for one in found]
                row(f"{kind}, {scale}: frames a second", [f"{one.rate:.1f}" for one in gestures])
                row(f"{kind}, {scale}: main thread", [seconds(one.thread) for one in gestures])
        row("JavaScript's objects", [megabytes(one["heap"]) for one in found])
        row("tiles fetched", [f"{one['tiles']:,}" for one in found])
    row("run over all tiles, stand-in", [seconds(one["run"]) for one in rest])
    row("tiles of the run", [f"{one['tiles']:,}" for one in rest])
    row("memory of the run", [megabytes(one["memory"]) for one in rest])
    for key in ("coco", "geojson"):
        row(f"export as {key}", [seconds(one[key]) for one in rest])
    claims = [
        Claim(
            f"a run over {sides[-1]:,} x {sides[-1]:,} pixels takes less than 2 GB",
            rest[-1]["memory"] < _MEMORY,
            "cost",
        )
    ]
    if found and not quick:
        rates = [one["pan"]["rate"] for one in found[-1]["gestures"].values()]
        claims += [
            Claim(f"{sides[-1]:,} pixels a side open in 3 s", found[-1]["opened"] < _OPENS, "cost"),
            Claim("panning reaches 30 frames a second at each scale", min(rates) >= _RATE, "cost"),
        ]
    notes = [_WHAT] if found else [_WHAT, "**There is no Chromium here: nothing was measured in a browser.**"]
    return Report(
        ("what", *(f"{side:,} pixels a side" for side in sides)), tuple(rows), tuple(claims), tuple(notes)
    )


# --- without a browser --------------------------------------------------------------------------------


def prepare(path: str) -> Callable[[], object]:
    """One run over a slide, ready to be measured; see :func:`benchmarks.memory.peak_extra_bytes`."""
    slide, predictor = open_slide(path), CrowdPredictor(_IN_A_TILE)
    size = slide.size
    tiles = plan_tiles(size, _TILE, _OVERLAP)
    thresholds = Thresholds(max_detections=_IN_A_TILE)
    run_windows(predictor, slide, tiles[:2], thresholds).instances(predictor.model, 1)
    return lambda: run_windows(predictor, slide, tiles, thresholds).instances(predictor.model, 1)


def _core(folder: Path, side: int) -> dict[str, Any]:
    path = folder / f"core-{side}.svs"
    drawn = draw_slide(path, side, round(_PER_PIXEL * side**2))
    began = time.perf_counter()
    open_slide(path)
    opened = time.perf_counter() - began
    image = annotated(drawn)
    export = Export((image,), (NUCLEUS,))
    found = {"instances": len(image.instances), "file": path.stat().st_size, "open": opened}
    for key in ("coco", "geojson"):
        began = time.perf_counter()
        for _ in format_by_key(key).members(export):
            pass
        found[key] = time.perf_counter() - began
    began = time.perf_counter()
    prepare(str(path))()
    found["run"] = time.perf_counter() - began
    found["tiles"] = len(plan_tiles((side, side), _TILE, _OVERLAP))
    found["memory"] = peak_extra_bytes(prepare, str(path))
    return found


# --- in the browser -----------------------------------------------------------------------------------


def _in_browser(folder: str, side: int, count: int, frames: int) -> dict[str, Any] | None:
    """What a slide takes in a browser, in a process of its own; ``None`` where there is none."""
    job = json.dumps([folder, side, count, frames])
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.slides", job],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    answer: dict[str, Any] | None = json.loads(done.stdout.splitlines()[-1])
    return answer


def _measure(
    folder: str, side: int, count: int, frames: int, pictures: str | None = None
) -> dict[str, Any] | None:
    with chromium() as browser:
        if browser is None:
            return None
        environment = {"SLIDE_FOLDER": folder, "MASKDESK_FETCH": "no"}
        with serve(ROOT / "benchmarks" / "slide_app.py", environment) as address:
            url, ready = f"{address}/?side={side}&count={count}", "[data-part=root][data-ready=true]"
            for turn in range(2):  # the first one draws the slide, and imports
                page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
                page.add_init_script(WATCHED)
                asked: list[str] = []
                page.on("request", lambda request: asked.append(request.url))  # noqa: B023
                began = time.perf_counter()
                page.goto(url)
                page.wait_for_selector(f"{ready}[data-shown-count]", timeout=300_000)
                page.wait_for_function(
                    "() => Number(window.viewerRoot()?.dataset.shownCount) > 0", timeout=300_000
                )
                page.wait_for_selector(ready)
                opened = time.perf_counter() - began
                if turn == 0:
                    page.context.close()
            page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable")
            gestures: dict[str, dict[str, Any]] = {}
            for scale, steps in _STEPS.items():
                box = page.locator("[data-part=stage]").bounding_box() or {
                    "x": 0,
                    "y": 0,
                    "width": 2,
                    "height": 2,
                }
                page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
                for _ in range(steps):
                    page.mouse.wheel(0, -240)
                _wait_for_rest(page)
                gestures[scale] = {}
                for kind in ("pan", "zoom"):
                    gestures[scale][kind] = asdict(measure_frames(page, session, kind, frames))
                    _wait_for_rest(page)
                if pictures is not None:
                    page.screenshot(path=Path(pictures) / f"{scale.replace(' ', '-')}.png")
            metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
            page.context.close()
            tiles = sum("/maskdesk-slides/" in one and one.endswith(".jpg") for one in asked)
            return {"opened": opened, "gestures": gestures, "heap": metrics["JSHeapUsedSize"], "tiles": tiles}


def _wait_for_rest(page: Page) -> None:
    """Wait until the view stays where it is and all of it is drawn sharp."""
    page.wait_for_function(_AT_REST, timeout=60_000)


if __name__ == "__main__":
    print(json.dumps(_measure(*json.loads(sys.argv[1]))))
