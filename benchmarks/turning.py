"""What it costs to turn to the next image on Annotate, and from page to page."""

from __future__ import annotations

import json
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.browser import ROOT, chromium, remember_name, serve
from benchmarks.processes import measure_apart
from benchmarks.report import Claim, Report, seconds
from benchmarks.review import PICTURE, open_page
from benchmarks.scenes import mobile, shared_file, weights_variable
from maskrcnn_core.models.fetching import FETCH_VARIABLE
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE, StorePlace
from maskrcnn_core.projects.exchange.intake import import_files
from maskrcnn_core.projects.store import Store
from pages.shared.page_table import PAGES

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["run_turning"]

_PHOTOS = ("data", "coco_val2017", "images")
_COUNT = 12
_ROUNDS = 5
_WINDOW = {"width": 1440, "height": 900}
_NEXT, _CHANGE = 0.3, 0.5  # what is wanted: seconds of the server, and of the clock
_SETTLE = 1.5  # seconds until all that a turn has begun is done
_MISSING = (
    "**Nothing was measured: this needs a Chromium (`make browser`), the model `mobile`, and the photos that "
    "`MASKDESK_SHARED` names.**"
)

# Resolves once the script has run to its end with what was pressed.
_TURN = """
(act) => new Promise((resolve) => {
  const state = () => document.querySelector('[data-testid=stApp]')?.getAttribute('data-test-script-state');
  const began = performance.now();
  let hasBegun = false;
  const observer = new MutationObserver(() => {
    const isAtRest = state() === 'notRunning';
    if (hasBegun && isAtRest) {
      observer.disconnect();
      resolve((performance.now() - began) / 1000);
    }
    hasBegun ||= !isAtRest;
  });
  observer.observe(document, { subtree: true, childList: true, attributes: true });
  if (act.link) [...document.querySelectorAll('[data-testid=stHeader] a')]
    .find((one) => one.innerText.includes(act.link)).click();
  else document.body.dispatchEvent(new KeyboardEvent('keydown', { ...act.key, bubbles: true, composed: true,
    cancelable: true }));
})
"""


def run_turning(quick: bool) -> Report:
    """Measures where all that it needs is there; ``quick`` turns once."""
    columns = ("to", "by the clock", "worst", "of the server", "worst", "wanted")
    folder_of_photos = shared_file(*_PHOTOS)
    if folder_of_photos is None or mobile() is None:
        return Report(columns, (), (), (_MISSING,))
    with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
        found = measure_apart(
            "benchmarks.turning",
            weights_variable(),
            folder=folder,
            photos=str(folder_of_photos),
            rounds=1 if quick else _ROUNDS,
            settle=0.2 if quick else _SETTLE,
        )
    if found is None:
        return Report(columns, (), (), (_MISSING,))
    rows = tuple(_row(what, **turns) for what, turns in found["turns"].items())
    pages = {what: turns["clock"] for what, turns in found["turns"].items() if what != "the next image"}
    claims = []
    if not quick:
        cpu = statistics.median(found["turns"]["the next image"]["server"])
        text = f"the next image on Annotate takes {seconds(_NEXT)} of the server's processor"
        claims.append(Claim(text, cpu < _NEXT, "cost"))
        slowest = max(statistics.median(taken) for taken in pages.values())
        claims.append(Claim(f"each page is drawn within {seconds(_CHANGE)}", slowest < _CHANGE, "cost"))
    note = (
        f"{_COUNT} photos of 640 x 480 with instances of `mobile` are open on Annotate, and in a project. By "
        "the clock: from the key or the click until the script has run to its end. Of the server: processor "
        "time for all that it does for this, and in the moment after. Each page was drawn before in this "
        f"session. Headless Chromium {found['version']} on the same computer."
    )
    return Report(columns, rows, tuple(claims), (note,))


def _row(what: str, clock: list[float], server: list[float]) -> tuple[str, ...]:
    wanted = f"{seconds(_NEXT)} of the server" if what == "the next image" else seconds(_CHANGE)
    figures = (seconds(one) for taken in (clock, server) for one in (statistics.median(taken), max(taken)))
    return (what, *figures, wanted)


# -- in the browser ---------------------------------------------------------------------------------


def _measure(folder: str, photos: str, rounds: int, settle: float) -> dict[str, Any] | None:
    files = sorted(Path(photos).glob("*.jpg"))[:_COUNT]
    store = Store(StorePlace.in_folder(Path(folder)))
    try:
        project = store.create_project("Turned", "bench").id
        import_files(store, project, "bench", [(file.name, file.read_bytes()) for file in files])
    finally:
        store.close()
    environment = {DATA_VARIABLE: folder, DATABASE_VARIABLE: "", FETCH_VARIABLE: "no"}
    with chromium() as browser:
        if browser is None:
            return None
        with serve(ROOT / "app.py", environment) as address:
            server = next(one for one in psutil.Process().children() if "streamlit" in one.cmdline())
            return {"version": browser.version} | _turn(
                browser, address, project, files, rounds, settle, server
            )


def _turn(
    browser: Browser,
    address: str,
    project: int,
    files: list[Path],
    rounds: int,
    settle: float,
    server: psutil.Process,
) -> dict[str, Any]:
    context = browser.new_context(viewport=_WINDOW)
    remember_name(context)
    page, _ = open_page(context, f"{address}/project?project={project}", "[data-testid=stMetricValue]")
    turns: dict[str, dict[str, list[float]]] = {}

    def turn(what: str, **act: Any) -> None:
        before = server.cpu_times()
        clock = page.evaluate(_TURN, act)
        time.sleep(settle)
        after = server.cpu_times()
        taken = turns.setdefault(what, {"clock": [], "server": []})
        taken["clock"].append(clock)
        taken["server"].append(after.user + after.system - before.user - before.system)

    def go_round() -> None:
        for row in (*PAGES[1:], PAGES[0]):
            turn(row.title, link=row.title)

    turn("Annotate", link="Annotate")
    page.set_input_files("input[type=file]", [str(file) for file in files])
    page.locator(PICTURE).wait_for(timeout=120_000)
    page.locator("[data-testid=stSidebar] [data-testid=stProgress]").wait_for(
        state="detached", timeout=120_000
    )
    go_round()
    turns.clear()  # those were the first visits
    for _ in range(rounds):
        go_round()
    page.get_by_text(_found(files[0])).wait_for(timeout=120_000)
    time.sleep(settle)
    for file in files[1:]:
        turn("the next image", key={"key": "ArrowRight", "altKey": True})
        page.get_by_text(_found(file)).wait_for(timeout=120_000)
    context.close()
    return {"turns": turns}


def _found(file: Path) -> re.Pattern[str]:
    """What the viewer says of a photo that the network has been over."""
    return re.compile(rf"^{re.escape(file.name)}: \d+ found$")


if __name__ == "__main__":
    print(json.dumps(_measure(**json.loads(sys.argv[1]))))
