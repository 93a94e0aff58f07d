"""One crowded photo, from the drop to a clean annotation, by hand in a real browser: what it takes."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.browser import ROOT, chromium, remember_name, serve
from benchmarks.processes import measure_apart
from benchmarks.report import Claim, Report, seconds
from benchmarks.scenes import mobile, shared_file, weights_variable
from maskrcnn_core.geometry.polygons import mask_to_polygons, simplify_polygons
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE, StorePlace
from maskrcnn_core.projects.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["PHOTO", "Person", "Point", "correct_proposals", "run_by_hand"]

PHOTO = ("data", "photos", "33823288584_1d21cf0a26_k.jpg")
_TOLERANCE = 1.5  # pixels between a mask and the outline that somebody would click around it

Point = tuple[int, int]

# What a person does after the network has proposed 18 objects; places in pixels of the photo.
_MISSED: tuple[tuple[Point, Point], ...] = (
    ((343, 347), (378, 452)),  # the bicycle in the middle
    ((175, 248), (250, 427)),  # the girl behind the boy
    ((295, 282), (317, 318)),  # cyclists further back
    ((575, 250), (612, 302)),
    ((700, 214), (737, 385)),  # spectators
    ((653, 250), (682, 400)),
)
_PART = (214, 262)  # only the girl's head, which is now part of her
_OUTLINES: tuple[tuple[str, tuple[Point, ...]], ...] = (
    (
        "backpack",
        ((121, 238), (146, 240), (158, 268), (168, 315), (160, 342), (110, 344), (98, 318), (104, 262)),
    ),
    ("cell phone", ((187, 218), (200, 219), (199, 234), (194, 239), (186, 238))),
    ("person", ((873, 190), (893, 199), (899, 250), (899, 306), (874, 302), (852, 262))),
)

_MISSING = (
    "**Nothing was measured: this needs a Chromium (`make browser`), the model `mobile`, and the photos that "
    "`MASKDESK_SHARED` names.**"
)


def run_by_hand(quick: bool) -> Report:
    """Walks through where all that it needs is there; ``quick`` leaves the outlines out."""
    columns = ("with", "keys", "clicks", "drags", "waiting for answers")
    photo = shared_file(*PHOTO)
    found = None
    if photo is not None and mobile() is not None:
        with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
            found = measure_apart(
                "benchmarks.by_hand", weights_variable(), folder=folder, photo=str(photo), quick=quick
            )
    if found is None:
        return Report(columns, (), (), (_MISSING,))
    did = found["did"]
    rows = (
        (
            "MaskDesk",
            *(str(did.get(one, 0)) for one in ("keys", "clicks", "drags")),
            seconds(found["waited"]),
        ),
        ("outlines alone", str(found["instances"]), str(found["corners"]), "", ""),
    )
    claims = (Claim("everything drawn and accepted is stored", found["stored"], "equality"),)
    note = (
        f"A photo of a street with cyclists: {found['proposed']} objects proposed, "
        f"{found['instances']} at the end. Duplicates, accept all, boxes for what was missed, outlines where "
        "the network sees nothing, categories from the list. Outlines alone: the corners of outlines that "
        f"stay within {_TOLERANCE} pixels of the same masks, and one key press each to close them. Waiting: "
        f"the sum of all times until the page says saved. Headless Chromium {found['version']}."
    )
    return Report(columns, rows, claims, (note,))


# -- in the browser ---------------------------------------------------------------------------------


class Person:
    """Somebody at the editor, whose keys, clicks and drags are counted."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.root = page.locator(".viewer[data-part=root]")
        self.did: Counter[str] = Counter()
        self.waited = 0.0

    def key(self, *names: str) -> None:
        for name in names:
            self.did["keys"] += 1
            self.page.keyboard.press(name)
            self._wait()

    def click(self, point: Point) -> None:
        self.did["clicks"] += 1
        self.page.mouse.click(*self._at(point))
        self._wait()

    def drag(self, points: Sequence[Point]) -> None:
        self.did["drags"] += 1
        self.page.mouse.move(*self._at(points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self._at(point), steps=4)
        self.page.mouse.up()
        self._wait()

    def category(self, name: str, letters: str = "") -> None:
        """By its name: E unless it is asked for already, three letters unless others are given, Enter."""
        letters = letters or name[:3]
        if not self.page.locator("[data-part=category-picker]").is_visible():
            letters = f"e{letters}"
        self.did["keys"] += len(letters) + 1
        for letter in letters:
            self.page.keyboard.press(letter)
        self.page.keyboard.press("Enter")
        self._wait()

    def _wait(self) -> None:
        self.page.wait_for_timeout(60)  # a hand is no faster
        began = time.perf_counter()
        self.page.locator(".viewer[data-part=root][data-saved=true]").wait_for(timeout=60_000)
        self.waited += time.perf_counter() - began

    def _at(self, point: Point) -> tuple[float, float]:
        box = self.page.locator("[data-part=canvas]").bounding_box() or {"x": 0, "y": 0}
        scale = float(self.root.get_attribute("data-zoom") or 1)
        left, top = map(float, (self.root.get_attribute("data-pan") or "0,0").split(","))
        return box["x"] + left + point[0] * scale, box["y"] + top + point[1] * scale


def _measure(folder: str, photo: str, quick: bool) -> dict[str, Any] | None:
    with chromium() as browser:
        if browser is None:
            return None
        with serve(ROOT / "app.py", {DATA_VARIABLE: folder, DATABASE_VARIABLE: ""}) as address:
            context = browser.new_context(viewport={"width": 1700, "height": 1150})
            remember_name(context)
            page = context.new_page()
            return {"version": browser.version, **correct_proposals(page, address, folder, photo, quick)}


def correct_proposals(page: Page, address: str, folder: str, photo: str, quick: bool) -> dict[str, Any]:
    page.goto(address)
    page.set_input_files("input[type=file]", photo, timeout=60_000)
    page.locator("[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=120_000)
    page.get_by_role("button", name="Correct masks").click()
    page.locator(".viewer[data-part=root][data-ready=true][data-status-counts]").wait_for(timeout=60_000)
    page.wait_for_timeout(1500)  # a person looks at it first
    person = Person(page)
    proposed = int((person.root.get_attribute("data-status-counts") or "0").split(",")[0])
    person.did["clicks"] += 1  # "Correct masks"
    person.key("Shift+k", "d", "Shift+a", "r")
    for box in _MISSED[: 1 if quick else None]:
        person.drag(box)
    person.key("Escape")
    if not quick:
        person.click(_PART)
        person.key("d", "w")
        for name, ring in _OUTLINES:
            person.drag((*ring, ring[0]))
            if person.root.get_attribute("data-category") != name:
                person.category(name)
        person.key("Escape")
    wanted = (person.root.get_attribute("data-status-counts") or "").split(",")
    store = Store(StorePlace.in_folder(Path(folder)))
    try:
        project = max(store.projects(), key=lambda one: one.id)
        accepted = [row.mask for row in store.instances(project.id) if row.status == "accepted"]
    finally:
        store.close()
    outlines = [simplify_polygons(mask_to_polygons(mask), _TOLERANCE, mask)[0] for mask in accepted]
    return {
        "did": dict(person.did),
        "waited": person.waited,
        "proposed": proposed,
        "instances": len(accepted),
        "corners": sum(outline.vertex_count for outline in outlines),
        "stored": str(len(accepted)) == wanted[1],
    }


if __name__ == "__main__":
    print(json.dumps(_measure(**json.loads(sys.argv[1]))))
