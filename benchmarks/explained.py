"""The page that explains the network: from a control to the picture, in a real browser."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.browser import ROOT, chromium, serve
from benchmarks.report import Claim, Report, seconds, times
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.explain.stages import STAGES
from maskrcnn_core.explain.tracing import trace_network
from maskrcnn_core.images.reading import decode_image
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE
from maskrcnn_core.synthetic.samples import sample_png

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

__all__ = ["run_explained"]

_SAMPLE = "shapes"
_MODEL = "shapes"
_SETTLE = 1.5  # seconds until the rest of a stage's page is drawn, which would be measured otherwise
_PAUSE = 0.5  # seconds from one act to the next: what the last one caused is over then
_BAR = 0.3  # seconds from a control to the picture
_NO_BROWSER = "**Nothing was measured: this needs a Chromium (`make browser`).**"

# Notes when the person acted and when the picture that came of it was drawn whole.
_WATCH = """
root => {
  window.acted = window.drawn = null;
  window.watching?.disconnect();
  const told = root.dataset.told;
  const act = () => { window.acted ??= performance.now(); };
  for (const kind of ['keydown', 'pointerdown', 'input']) document.addEventListener(kind, act, true);
  const look = () => {
    const changed = root.dataset.told !== told || root.dataset.value !== value;
    if (window.acted !== null && changed && root.dataset.ready === 'true') window.drawn ??= performance.now();
  };
  const value = root.dataset.value;
  window.watching = new MutationObserver(look);
  window.watching.observe(root, { attributes: true });
}
"""


def run_explained(quick: bool) -> Report:
    """Times the controls where there is a browser, and the trace against a plain run."""
    columns = ("control", "answered by", "to the picture", "slowest")
    with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
        job = json.dumps({"folder": folder, "repeats": 1 if quick else 9})
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.explained", job],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    found = json.loads(done.stdout.splitlines()[-1])
    traced, plain, is_same = _compare(1 if quick else 5)
    claims = [Claim("the traced image's detections equal the predictor's, bit by bit", is_same, "equality")]
    notes = [
        f"With every step kept, the network takes {seconds(traced)} for this image, "
        f"{times(traced, plain)} the time of a plain run."
    ]
    if found is None:
        return Report(columns, (), tuple(claims), (_NO_BROWSER, *notes))
    rows = tuple(
        (name, where, seconds(statistics.median(taken)), seconds(max(taken)))
        for name, where, taken in found["controls"]
    )
    slowest = max(statistics.median(taken) for _, _, taken in found["controls"])
    if not quick:
        claims.append(Claim(f"every control responds within {_BAR:.1f} s (median)", slowest < _BAR, "cost"))
    notes.insert(
        0,
        f"The sample “Overlapping shapes” with `{_MODEL}`; from the key or mouse press to the finished "
        f"picture on the canvas. Headless Chromium {found['version']} without a GPU.",
    )
    return Report(columns, rows, tuple(claims), tuple(notes))


def _compare(repeats: int) -> tuple[float, float, bool]:
    """Seconds of a trace and of a plain run, medians taken in turn, and whether both say the same."""
    predictor = Predictor(get_model(_MODEL))
    pixels = decode_image(sample_png(_SAMPLE), _SAMPLE).pixels
    thresholds = Thresholds(nms_threshold=predictor.model.nms_threshold)
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats + 1):  # the first of each also compiles
        begin = time.perf_counter()
        trace = trace_network(predictor, pixels, thresholds)
        middle = time.perf_counter()
        (plain,) = predictor.run([pixels], thresholds)
        taken[0].append(middle - begin)
        taken[1].append(time.perf_counter() - middle)
    mine = predictor.detections(trace.run, thresholds, pixels)
    own = predictor.predict([pixels], thresholds)[0]
    is_same = bool(plain) and all(
        np.array_equal(getattr(mine, name), getattr(own, name))
        for name in ("boxes", "labels", "scores", "mask_probs")
    )
    return statistics.median(taken[0][1:]), statistics.median(taken[1][1:]), is_same


# -- in the browser ---------------------------------------------------------------------------------


def _measure(folder: str, repeats: int) -> dict[str, Any] | None:
    with chromium() as browser:
        if browser is None:
            return None
        environment = {DATA_VARIABLE: folder, DATABASE_VARIABLE: ""}
        with serve(ROOT / "app.py", environment) as address:
            page = browser.new_context(viewport={"width": 1360, "height": 1000}).new_page()
            page.set_default_timeout(120_000)
            page.goto(f"{address}/how_it_works")
            page.get_by_role("heading", name="How Mask R-CNN works").wait_for()
            page.get_by_test_id("stSidebar").get_by_role("button", name="Drawings", exact=True).click()
            page.get_by_text("Knows nuclei and drawn shapes").wait_for()
            picture = Path(folder) / f"{_SAMPLE}.png"
            picture.write_bytes(sample_png(_SAMPLE))
            page.set_input_files("input[type=file]", picture)
            page.get_by_role("heading", name=STAGES[0].title).wait_for()
            return {"version": browser.version, "controls": _controls(page, repeats)}


def _controls(page: Page, repeats: int) -> list[tuple[str, str, list[float]]]:
    def by_key(slider: str, key: str) -> Callable[[int], None]:
        def press(turn: int) -> None:
            page.get_by_test_id("stMain").get_by_role("slider", name=slider).press(
                key if turn % 2 else _BACK[key]
            )

        return press

    def click(turn: int) -> None:
        view = page.locator('[data-part="stage-view"][data-scene^="anchors-"] canvas')
        box = view.bounding_box() or {"x": 0, "y": 0, "width": 1, "height": 1}
        page.mouse.click(box["x"] + box["width"] * (0.4 + 0.02 * turn), box["y"] + box["height"] * 0.5)

    python, browser = "Python", "the browser"
    wanted: list[tuple[str, str, str, str, Callable[[int], None]]] = [
        (
            "proposals",
            "proposals-after",
            "number of proposals",
            browser,
            by_key("Proposals, best first", "ArrowRight"),
        ),
        ("iou", "iou-", "IoU to pass, of all regions", browser, by_key("IoU to pass", "ArrowRight")),
        ("anchors", "anchors-", "a point: its anchors", python, click),
        # from end to end, as a step may change nothing that is to be seen
        ("suppression", "fates-", "NMS threshold", python, by_key("NMS threshold (IoU)", "End")),
        ("mask", "mask-hard-", "mask threshold", python, by_key("Mask threshold", "ArrowRight")),
    ]
    found = []
    for key, scene, name, where, act in wanted:
        number = next(n for n, stage in enumerate(STAGES, 1) if stage.key == key)
        # The radio button itself is out of sight: a person presses its label.
        page.get_by_role("radio", name=re.compile(rf"^{number}\. ")).locator("xpath=ancestor::label").click()
        view = page.locator(f'[data-part="stage-view"][data-scene^="{scene}"][data-ready="true"]')
        view.wait_for()
        time.sleep(_SETTLE)
        found.append((name, where, [_time(page, view, act, turn) for turn in range(repeats)]))
    return found


_BACK = {"ArrowRight": "ArrowLeft", "End": "Home"}


def _time(page: Page, view: Locator, act: Callable[[int], None], turn: int) -> float:
    view.evaluate(_WATCH)
    act(turn)
    page.wait_for_function("() => window.drawn !== null")
    taken: float = page.evaluate("window.drawn - window.acted")
    time.sleep(_PAUSE)
    return taken / 1000


if __name__ == "__main__":
    print(json.dumps(_measure(**json.loads(sys.argv[1]))))
