"""Moves the viewer in a real headless Chromium and tells what each frame took.

It runs in a process of its own: two Playwrights cannot share one. The view is moved by events made in the
page itself, one before each frame, so that what is measured is the viewer and not the pace of whoever drives
the browser. On a machine with other work frames are late whatever the viewer does: the time that script and
main thread take for each of them is the sounder number.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.browser.chromium import find_chromium, remember_name

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

__all__ = [
    "ROOT",
    "WATCH",
    "Frames",
    "Visit",
    "chromium",
    "measure_frames",
    "measure_viewer",
    "remember_name",
    "serve",
]

ROOT = Path(__file__).resolve().parents[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
FLAGS += ["--disable-sync"]
_SETTLE = 2.5  # seconds until the rest of the page is drawn
_LATE = 0.95  # quantile
_PATIENCE = 300_000  # ms: ten thousand instances take the page a minute

# Runs before the page's own scripts: times what runs before each frame, and the viewer's coming.
WATCH = """
(() => {
  const ask = window.requestAnimationFrame.bind(window);
  window.askFrame = ask;
  window.spent = [];
  window.requestAnimationFrame = (act) => ask((now) => {
    const began = performance.now();
    act(now);
    window.spent.push(performance.now() - began);
  });
  window.viewerRoot = () => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
    .map((one) => one.shadowRoot?.querySelector('.viewer[data-part=root]')).find(Boolean) ?? null;
  const look = () => {
    const root = window.viewerRoot();
    if (root !== null) window.mounted ??= performance.now();
    if (root?.dataset.ready === 'true') window.ready ??= performance.now();
    else ask(look);
  };
  ask(look);
})();
"""

_GESTURE = """
async ([kind, frames]) => {
  const root = window.viewerRoot();
  const stage = root.querySelector('[data-part=stage]');
  const box = stage.getBoundingClientRect();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const at = (extra) => ({ bubbles: true, composed: true, cancelable: true, pointerId: 1, clientX: x,
    clientY: y, pointerType: 'mouse', button: 0, ...extra });
  const next = () => new Promise(window.askFrame);
  if (kind === 'pan') stage.dispatchEvent(new PointerEvent('pointerdown', at({})));
  window.spent.length = 0;
  let moved = 0;
  let before = root.dataset.pan;
  const began = await next();
  let now = began;
  for (let i = 1; i <= frames; i += 1) {
    if (kind === 'pan') {
      const angle = i / 12;
      const place = { clientX: x + 240 * Math.sin(angle), clientY: y + 80 * Math.sin(angle / 2) };
      stage.dispatchEvent(new PointerEvent('pointermove', at(place)));
    } else {
      stage.dispatchEvent(new WheelEvent('wheel', at({ deltaY: i % 60 < 30 ? -40 : 40 })));
    }
    now = await next();
    if (root.dataset.pan !== before) moved += 1;
    before = root.dataset.pan;
  }
  if (kind === 'pan') stage.dispatchEvent(new PointerEvent('pointerup', at({})));
  return { seconds: (now - began) / 1000, moved, spent: window.spent.filter((one) => one > 0.05) };
}
"""


@dataclass(frozen=True)
class Frames:
    """What the frames of one gesture took.

    Args:
        rate: frames a second in which the view had moved.
        script: the median of what the page's scripts took before a frame, in seconds.
        script_late: its 95th percentile.
        thread: all work of the main thread for a frame, raster of canvases included, in seconds.
    """

    rate: float
    script: float
    script_late: float
    thread: float


@dataclass(frozen=True)
class Visit:
    """One count of instances in the browser.

    Args:
        opened: seconds from opening the page until the viewer was ready; the median of several.
        mounted: of it since the viewer was mounted.
        shown: instances that the viewer says it shows.
        heap: bytes of JavaScript's objects after all gestures.
        gestures: by name.
    """

    opened: float
    mounted: float
    shown: int
    heap: float
    gestures: dict[str, Frames]


def measure_viewer(
    counts: Sequence[int], size: tuple[int, int], *, frames: int, visits: int
) -> tuple[str, list[Visit]] | None:
    """The browser's version and what each count took there; ``None`` if there is no Chromium, or no
    Playwright to drive it.

    Args:
        counts: of instances.
        size: ``(height, width)`` of the image in pixels.
        frames: in each gesture.
        visits: of which the times until the viewer is ready are the medians.
    """
    job = json.dumps({"counts": list(counts), "size": list(size), "frames": frames, "visits": visits})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.browser", job],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    if answer is None:
        return None
    version, found = answer
    return version, [
        Visit(**{**one, "gestures": {name: Frames(**f) for name, f in one["gestures"].items()}})
        for one in found
    ]


def _measure(
    counts: list[int], size: list[int], frames: int, visits: int
) -> tuple[str, list[dict[str, Any]]] | None:
    with chromium() as browser:
        if browser is None:
            return None
        with serve(ROOT / "benchmarks" / "crowd_app.py") as address:
            url = f"{address}/?height={size[0]}&width={size[1]}&count="
            _open(browser, f"{url}{counts[0]}", counts[0])[0].context.close()  # imports, first compiles
            found = [_visit(browser, f"{url}{count}", count, frames, visits) for count in counts]
        return browser.version, [asdict(visit) for visit in found]


def _visit(browser: Browser, url: str, count: int, frames: int, visits: int) -> Visit:
    times = []
    for left in reversed(range(visits)):
        page, opened = _open(browser, url, count)
        # The page looks for it in its frames, which a busy machine may put off.
        page.wait_for_function("() => window.mounted && window.ready")
        mounted, ready = page.evaluate("[window.mounted, window.ready]")
        times.append((opened, (ready - mounted) / 1000))
        if left:
            page.context.close()
    time.sleep(_SETTLE)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    box = page.locator("[data-part=stage]").bounding_box() or {"x": 0, "y": 0}
    page.mouse.move(
        box["x"] + 200, box["y"] + 100
    )  # the page's events then speak for a pointer that is there
    gestures = {}
    for place in ("whole image", "1:1"):
        if place == "1:1":
            page.locator("[data-part=actual]").click()
            time.sleep(0.4)
        for kind in ("pan", "zoom"):
            gestures[f"{kind}, {place}"] = measure_frames(page, session, kind, frames)
            time.sleep(0.3)
    shown = int(page.locator("[data-part=root]").get_attribute("data-shown-count") or -1)
    heap = _metrics(session)["JSHeapUsedSize"]
    page.context.close()
    opened, mounted = (statistics.median(column) for column in zip(*times, strict=True))
    return Visit(opened, mounted, shown, heap, gestures)


def _open(browser: Browser, url: str, count: int) -> tuple[Page, float]:
    page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
    page.add_init_script(WATCH)
    began = time.perf_counter()
    page.goto(url)
    shown = f"[data-part=root][data-ready=true][data-shown-count='{count}']"
    page.wait_for_selector(shown, timeout=_PATIENCE)
    return page, time.perf_counter() - began


def measure_frames(page: Page, session: CDPSession, kind: str, frames: int) -> Frames:
    """What the frames of one gesture (``pan`` or ``zoom``) take; the page was opened with :data:`WATCH`."""
    before = _metrics(session)["TaskDuration"]
    done = page.evaluate(_GESTURE, [kind, frames])
    thread = _metrics(session)["TaskDuration"] - before
    spent = sorted(done["spent"])
    return Frames(
        done["moved"] / done["seconds"],
        spent[len(spent) // 2] / 1000,
        spent[int(len(spent) * _LATE)] / 1000,
        thread / frames,
    )


def _metrics(session: CDPSession) -> dict[str, float]:
    return {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}


@contextmanager
def chromium() -> Iterator[Browser | None]:
    """A headless Chromium; ``None`` where there is none, or no Playwright to drive it."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        yield None
        return
    with sync_playwright() as playwright:
        path = find_chromium(playwright)
        if path is None:
            yield None
            return
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def serve(script: Path, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of a Streamlit app on a free port of this computer."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script)]
    command += [f"--server.port={port}", "--server.address=127.0.0.1", "--server.headless=true"]
    with tempfile.TemporaryFile() as log:
        variables = {**os.environ, **(environment or {})}
        server = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=log, stderr=log)
        try:
            _wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:  # a busy machine: nothing of it is kept
                server.kill()
                server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the page's server did not start")


if __name__ == "__main__":
    print(json.dumps(_measure(**json.loads(sys.argv[1]))))
