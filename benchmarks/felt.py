"""What a hand at the pages feels: keys at a steady pace, a large crowd moved, a very large picture opened."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.browser import ROOT, WATCH, chromium, measure_frames, measure_viewer, remember_name, serve
from benchmarks.felt_projects import CROWD_SIZE, Projects, has_photos, large_jpeg, make_projects
from benchmarks.paced import PERIOD, walk
from benchmarks.processes import measure_apart
from benchmarks.report import NOT_MEASURED, Claim, Report, seconds
from benchmarks.review import PICTURE, follow, open_page
from benchmarks.scenes import weights_variable
from maskrcnn_core.models.fetching import FETCH_VARIABLE
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE, StorePlace
from maskrcnn_core.projects.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

__all__ = ["run_felt"]

_KEYS = {"photos": 120, "camera": 40}  # a minute, and twenty seconds
_CROWD = 10_000
_LARGE = 50  # megapixels
_DATA = "data"  # folder of the projects, beside the pictures to be dropped
_FRAMES = 90
_WINDOW = {"width": 1440, "height": 900}
_VISITS = 3
_LOOK = 3.0  # seconds for which a person looks at the first picture
_NEXT, _RATE, _OPENED = 0.15, 30.0, 2.0  # what is wanted: seconds, frames a second, seconds

_TITLES = {
    "photos": "a key to the next picture, {} of two a second: photos of 640 x 480",
    "camera": "the same, {} camera pictures of 12 MP",
}
_MISSING = (
    "**Nothing was measured: this needs a Chromium (`make browser`), the model `mobile`, and the photos that "
    "`MASKDESK_SHARED` names.**"
)


def run_felt(quick: bool) -> Report:
    """Measures where all that it needs is there; ``quick`` takes few keys, a small crowd and picture."""
    columns = ("what", "typical", "worst", "wanted")
    if not has_photos():
        return Report(columns, (), (), (_MISSING,))
    keys = dict.fromkeys(_KEYS, 3) if quick else _KEYS
    crowd, frames, visits, megapixels = (40, 12, 1, 4.5) if quick else (_CROWD, _FRAMES, _VISITS, _LARGE)
    with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
        for name, size in (("small", 0.3), ("large", megapixels)):
            (Path(folder) / f"{name}.jpg").write_bytes(large_jpeg(size))
        projects = make_projects(
            Path(folder) / _DATA,
            photos=keys["photos"] + 2,
            camera=keys["camera"] + 2,
            crowd=crowd,
            large=visits,
            megapixels=megapixels,
        )
        found = measure_apart(
            "benchmarks.felt",
            weights_variable(),
            folder=folder,
            projects=projects,
            keys=keys,
            frames=frames,
            look=0.2 if quick else _LOOK,
        )
    viewed = measure_viewer((crowd,), CROWD_SIZE, frames=frames, visits=1)
    if found is None or viewed is None:
        return Report(columns, (), (), (_MISSING,))
    rates = {
        **{f"on Annotate, {name}": one.rate for name, one in viewed[1][0].gestures.items() if "pan" in name},
        **{f"on Review, {name}": rate for name, rate in found["rates"].items()},
    }
    claims = [
        Claim("every finished image is stored as reviewed", found["stored"], "equality"),
        Claim("all instances of the crowd are shown", found["shown"] == crowd, "equality"),
    ]
    if not quick:
        claims += _cost_claims(found, rates)
    note = (
        f"One key each {PERIOD:g} s finishes an image on Review; proposals are of `mobile`. The crowd: "
        f"{crowd:,} instances on {CROWD_SIZE[1]} x {CROWD_SIZE[0]}; one event before each frame moves the "
        "view. The large picture is a JPEG; on Annotate from its drop, with `mobile` at work on it, on "
        "Review from the key (after a look at the picture before) and from the link on the Project page. "
        f"Headless Chromium {found['version']} without a GPU, on the same computer as the server."
    )
    return Report(columns, _rows(found, rates, keys, crowd), tuple(claims), (note,))


def _rows(
    found: dict[str, Any], rates: dict[str, float], keys: dict[str, int], crowd: int
) -> tuple[tuple[str, ...], ...]:
    paced = (
        (_TITLES[name].format(keys[name]), *_typical_and_worst(found["paced"][name]), f"< {seconds(_NEXT)}")
        for name in keys
    )
    moved = (
        (f"{crowd:,} instances {where}", f"{rate:.0f} frames/s", NOT_MEASURED, f"{_RATE:.0f} frames/s")
        for where, rate in rates.items()
    )
    opened = (
        (f"a picture of 50 MP, {how}", *_typical_and_worst(taken), f"< {seconds(_OPENED)}")
        for how, taken in found["opened"].items()
    )
    return (*paced, *moved, *opened)


def _typical_and_worst(taken: list[float]) -> tuple[str, str]:
    return seconds(statistics.median(taken)), seconds(max(taken))


def _cost_claims(found: dict[str, Any], rates: dict[str, float]) -> list[Claim]:
    claims = []
    for name, taken in found["paced"].items():
        late = sum(one >= _NEXT for one in taken)
        text = f"{_TITLES[name].format(len(taken))}: each within {seconds(_NEXT)} ({late} were not)"
        claims.append(Claim(text, late == 0, "cost"))
    text = f"{_CROWD:,} instances are moved at {_RATE:.0f} frames a second"
    claims.append(Claim(text, min(rates.values()) >= _RATE, "cost"))
    opened = [statistics.median(taken) for taken in found["opened"].values()]
    claims.append(
        Claim(f"a picture of 50 MP is open within {seconds(_OPENED)}", max(opened) < _OPENED, "cost")
    )
    return claims


# -- in the browser ---------------------------------------------------------------------------------


def _measure(
    folder: str, projects: Projects, keys: dict[str, int], frames: int, look: float
) -> dict[str, Any] | None:
    data, picture = Path(folder) / _DATA, Path(folder) / "large.jpg"
    environment = {DATA_VARIABLE: str(data), DATABASE_VARIABLE: "", FETCH_VARIABLE: "no"}
    with chromium() as browser:
        if browser is None:
            return None
        with serve(ROOT / "app.py", environment) as address:
            context = browser.new_context(viewport=_WINDOW)
            context.add_init_script(WATCH)
            remember_name(context)
            link = f"{address}/review?project={{}}".format
            open_page(context, link(projects["crowd"]), PICTURE)[0].close()  # imports
            _drop(browser, address, Path(folder) / "small.jpg", look)
            opened = {
                "dropped on Annotate": [_drop(browser, address, picture, look) for _ in projects["alone"]],
                "by a key on Review": [_walk(context, link(id_), 1, look)[0] for id_ in projects["second"]],
                "by a link to Review": [_follow(context, address, id_) for id_ in projects["alone"]],
            }
            walked = {"photos": projects["photos"], "camera": projects["camera"]}
            paced = {name: _walk(context, link(id_), keys[name], look) for name, id_ in walked.items()}
            rates, shown = _move(context, link(projects["crowd"]), frames, look)
    return {
        "version": browser.version,
        "paced": paced,
        "opened": opened,
        "rates": rates,
        "shown": shown,
        "stored": all(_reviewed(data, id_) == keys[name] for name, id_ in walked.items()),
    }


def _walk(context: BrowserContext, link: str, count: int, look: float) -> list[float]:
    page, _ = open_page(context, link, PICTURE)
    time.sleep(look)
    taken = walk(page, count)
    page.close()
    return taken


def _reviewed(folder: Path, project: int) -> int:
    store = Store(StorePlace.in_folder(folder))
    try:
        return store.counts(project)[0]["reviewed"]
    finally:
        store.close()


def _move(context: BrowserContext, link: str, frames: int, look: float) -> tuple[dict[str, float], int]:
    """Frames a second of the crowd on Review, by gesture, and how many instances it shows."""
    page, _ = open_page(context, link, PICTURE)
    time.sleep(look)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    rates = {"pan, whole image": measure_frames(page, session, "pan", frames).rate}
    page.locator("[data-part=actual]").click()
    time.sleep(look)
    rates["pan, 1:1"] = measure_frames(page, session, "pan", frames).rate
    shown = int(page.locator("[data-part=root]").get_attribute("data-shown-count") or -1)
    page.close()
    return rates, shown


def _drop(browser: Browser, address: str, picture: Path, look: float) -> float:
    """Seconds from the drop of a file on Annotate until it is seen, in a session of its own."""
    context = browser.new_context(viewport=_WINDOW)
    page = context.new_page()
    page.goto(address)
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=120_000)
    upload = page.locator("input[type=file]").first
    upload.wait_for(state="attached")
    time.sleep(look)
    began = time.perf_counter()
    upload.set_input_files(picture)
    page.locator(PICTURE).wait_for(timeout=120_000)
    taken = time.perf_counter() - began
    context.close()
    return taken


def _follow(context: BrowserContext, address: str, project: int) -> float:
    page, taken = follow(context, address, project, "Review", PICTURE)
    page.close()
    return taken


if __name__ == "__main__":
    print(json.dumps(_measure(**json.loads(sys.argv[1]))))
