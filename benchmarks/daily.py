"""A crowded photo, twice: from nothing with categories of one's own, and from a model's proposals."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.browser import ROOT, chromium, remember_name, serve
from benchmarks.by_hand import PHOTO, Person, Point, correct_proposals
from benchmarks.processes import measure_apart
from benchmarks.report import Claim, Report, seconds
from benchmarks.scenes import mobile, shared_file, weights_variable
from maskrcnn_core.models.fetching import FETCH_VARIABLE
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE, StorePlace
from maskrcnn_core.projects.exchange.intake import import_files
from maskrcnn_core.projects.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

__all__ = ["run_daily"]

_OUTLINE, _SCISSORS = "w", "Shift+w"
# What a person draws where no model helps: places in pixels of the photo, category first.
_DRAWN: tuple[tuple[str, str, tuple[Point, ...]], ...] = (
    ("rider", _SCISSORS, ((178, 246), (212, 244), (250, 300), (248, 424), (204, 430), (174, 360))),
    ("rider", _SCISSORS, ((296, 284), (308, 280), (318, 300), (314, 318), (298, 316))),
    ("rider", _SCISSORS, ((576, 252), (600, 250), (612, 276), (606, 302), (580, 300))),
    ("bicycle", _SCISSORS, ((344, 350), (366, 346), (378, 396), (372, 450), (350, 452), (342, 400))),
    ("spectator", _SCISSORS, ((702, 216), (724, 214), (737, 280), (732, 384), (706, 385), (700, 290))),
    ("spectator", _SCISSORS, ((654, 252), (672, 250), (682, 300), (678, 398), (658, 400), (653, 320))),
    (
        "backpack",
        _OUTLINE,
        ((121, 238), (146, 240), (158, 268), (168, 315), (160, 342), (110, 344), (98, 318), (104, 262)),
    ),
    ("phone", _OUTLINE, ((187, 218), (200, 219), (199, 234), (194, 239), (186, 238))),
    ("spectator", _OUTLINE, ((873, 190), (893, 199), (899, 250), (899, 306), (874, 302), (852, 262))),
)

_MISSING = (
    "**Nothing was measured: this needs a Chromium (`make browser`), the model `mobile`, and the photos that "
    "`MASKDESK_SHARED` names.**"
)


def run_daily(quick: bool) -> Report:
    """Walks the photo where all that it needs is there; ``quick`` draws a few objects only."""
    columns = ("with", "instances", "keys", "clicks", "drags", "seconds", "of them waiting for answers")
    photo = shared_file(*PHOTO)
    found = None
    if photo is not None and mobile() is not None:
        with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
            found = measure_apart(
                "benchmarks.daily", weights_variable(), folder=folder, photo=str(photo), quick=quick
            )
    if found is None:
        return Report(columns, (), (), (_MISSING,))
    rows = tuple(
        (
            what,
            str(walk["instances"]),
            *(str(walk["did"].get(one, 0)) for one in ("keys", "clicks", "drags")),
            seconds(walk["seconds"]),
            seconds(walk["waited"]),
        )
        for what, walk in (("own categories, no model", found["own"]), ("`mobile`", found["model"]))
    )
    claims = (
        Claim("what was drawn is stored, each under its own category", found["own"]["stored"], "equality"),
        Claim("everything drawn and accepted is stored", found["model"]["stored"], "equality"),
    )
    note = (
        "A photo of a street with cyclists. Without a model: an empty project; a category is made when it is "
        "first needed, by its name, and has a digit from then on; objects are cut out along their edges with "
        "the scissors or outlined, one drag each. With `mobile`: as in the benchmark `by_hand`. Seconds are "
        "those of a hand that never hesitates, from the first key to the last answer; a person needs several "
        f"times as long. Headless Chromium {found['version']}."
    )
    return Report(columns, rows, claims, (note,))


# -- in the browser ---------------------------------------------------------------------------------


def _measure(folder: str, photo: str, quick: bool) -> dict[str, Any] | None:
    with chromium() as browser:
        if browser is None:
            return None
        environment = {DATA_VARIABLE: folder, DATABASE_VARIABLE: "", FETCH_VARIABLE: "no"}
        with serve(ROOT / "app.py", environment) as address:
            context = browser.new_context(viewport={"width": 1700, "height": 1150})
            remember_name(context)
            own = _draw_all(context, address, folder, photo, 3 if quick else len(_DRAWN))
            began = time.perf_counter()
            model = correct_proposals(context.new_page(), address, folder, photo, quick)
            model["seconds"] = time.perf_counter() - began
            return {"version": browser.version, "own": own, "model": model}


def _draw_all(context: BrowserContext, address: str, folder: str, photo: str, count: int) -> dict[str, Any]:
    store = Store(StorePlace.in_folder(Path(folder)))
    try:
        project = store.create_project("From nothing", "ann")
        import_files(store, project.id, "ann", [("street.jpg", Path(photo).read_bytes())])
    finally:
        store.close()
    page = context.new_page()
    page.goto(f"{address}/review?project={project.id}")
    page.locator(".viewer[data-part=root][data-ready=true]").wait_for(timeout=120_000)
    person, tool, active = Person(page), "", ""
    known: list[str] = []
    began = time.perf_counter()
    for category, wanted, ring in _DRAWN[:count]:
        if category not in known:
            known.append(category)
            person.category(category, category)
        elif category != active:
            person.key(str(known.index(category) + 1))
        active = category
        if tool != wanted:
            person.key(wanted)
            tool = wanted
        person.drag((*ring, ring[0]))
    person.key("Escape")
    taken = time.perf_counter() - began
    page.close()
    store = Store(StorePlace.in_folder(Path(folder)))
    try:
        names = {row.id: row.name for row in store.categories(project.id)}
        stored = Counter(
            names[row.category_id] for row in store.instances(project.id) if row.status == "accepted"
        )
    finally:
        store.close()
    return {
        "did": dict(person.did),
        "seconds": taken,
        "waited": person.waited,
        "instances": stored.total(),
        "stored": stored == Counter(category for category, _, _ in _DRAWN[:count]),
    }


if __name__ == "__main__":
    print(json.dumps(_measure(**json.loads(sys.argv[1]))))
