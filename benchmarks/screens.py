"""Every page in six sizes and both themes, with photos: the picture's share of the window."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.browser import ROOT, chromium, remember_name, serve
from benchmarks.processes import measure_apart
from benchmarks.report import NOT_MEASURED, Claim, Report
from benchmarks.scenes import mobile, shared_file, weights_variable
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE
from tests.browser.sizes import SIZES, Size, look_at_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["run_screens"]

FOLDER_VARIABLE = "MASKDESK_SCREENSHOTS"
_PHOTOS = ("33823288584_1d21cf0a26_k.jpg", "17790319373_bd19b24cfc_k.jpg", "34501842524_3c858b3080_k.jpg")
_THEMES = ("light", "dark")
_LEAST = {"review": 0.65, "annotate": 0.55}  # the picture's share in windows of 1440 x 900 and above
_MISSING = (
    "**Nothing was measured: this needs a Chromium (`make browser`), the model `mobile`, and the photos that "
    "`MASKDESK_SHARED` names.**"
)


@dataclass(frozen=True)
class _Screen:
    """A page, and what must be there before it is looked at."""

    name: str
    path: str
    ready: str


_READY = ".viewer[data-part=root][data-ready=true]"
_START = _Screen("start", "", "text=What each page is for")
_SCREENS = (
    _Screen("annotate", "", f"{_READY}:not([data-shown-count='0'])"),
    _Screen("review", "review", f"{_READY}[data-status-counts]"),
    _Screen("project", "project", "[data-testid=stPlotlyChart] .main-svg"),
    _Screen("how it works", "how_it_works", ".st-key-explain-desk [data-part=stage-view][data-ready=true]"),
    _Screen("models", "models", "text=Inside a model"),
)


def run_screens(quick: bool) -> Report:
    """Opens every page in every size; ``quick`` takes one theme and the smallest and largest size.

    Pictures are written to the folder that ``MASKDESK_SCREENSHOTS`` names, if it does.
    """
    found = None
    photos = [shared_file("data", "photos", name) for name in _PHOTOS]
    if None not in photos and mobile() is not None:
        with tempfile.TemporaryDirectory(prefix="maskdesk-") as folder:
            found = measure_apart(
                "benchmarks.screens",
                weights_variable(),
                folder=folder,
                photos=[str(photo) for photo in photos],
                quick=quick,
            )
    sizes = _sizes(quick)
    columns = ("page", *(f"{size.name}, {size.width} x {size.height}" for size in sizes))
    if found is None:
        return Report(columns, (), (), (_MISSING,))
    seen: dict[tuple[str, str], dict[str, Any]] = {(row["page"], row["size"]): row for row in found["seen"]}
    names = list(dict.fromkeys(row["page"] for row in found["seen"]))
    rows = tuple((name, *(_share(seen[name, size.name]) for size in sizes)) for name in names)
    large = [(page, size) for page in _LEAST for size in sizes if size.height >= 900 and not size.is_touch]
    claims = (
        Claim(
            "the picture has 65 % of a window of 1440 x 900 and above on Review, 55 % on Annotate",
            all(seen[page, size.name]["share"] >= _LEAST[page] for page, size in large),
            "equality",
        ),
        Claim(
            "none of a picture of Annotate and Review is below its window",
            not any(r["under_fold"] for r in found["seen"] if r["page"] in _LEAST),
            "equality",
        ),
        Claim("no page scrolls sideways", not any(r["overflow"] for r in found["seen"]), "equality"),
    )
    small = {one for row in found["seen"] if row["is_touch"] for one in row["small"]}
    below = [f"{r['page']} in {r['size']}" for r in found["seen"] if r["under_fold"]]
    notes = (
        "The picture's share of the window's area, as pages open: with three photos on Annotate, and their "
        f"project on Review. Headless Chromium {found['version']}, light theme.",
        f"Pictures that go on below their window: {', '.join(below) or 'none'}.",
        f"Targets under 40 pixels on tablet and phone: {', '.join(sorted(small)) or 'none'}.",
    )
    return Report(columns, rows, claims, notes)


def _sizes(quick: bool) -> tuple[Size, ...]:
    return (SIZES[0], SIZES[-1]) if quick else SIZES


def _share(row: dict[str, Any]) -> str:
    return f"{row['share']:.0%}" if row["share"] else NOT_MEASURED


# -- in the browser ---------------------------------------------------------------------------------


def _measure(folder: str, photos: list[str], quick: bool) -> dict[str, Any] | None:
    with chromium() as browser:
        if browser is None:
            return None
        with serve(ROOT / "app.py", {DATA_VARIABLE: folder, DATABASE_VARIABLE: ""}) as address:
            themes = _THEMES[:1] if quick else _THEMES
            seen = [
                row
                for theme in themes
                for size in _sizes(quick)
                for row in _look(browser, address, photos, size, theme)
            ]
        return {"version": browser.version, "seen": [row for row in seen if row["theme"] == "light"]}


def _look(
    browser: Browser, address: str, photos: list[str], size: Size, theme: str
) -> Iterator[dict[str, Any]]:
    """Yield what is seen of every page: the start page, then all with images and a project."""
    context = browser.new_context(**size.context, color_scheme=theme)
    context.set_default_timeout(120_000)
    remember_name(context)
    page = context.new_page()
    page.goto(address)
    yield _seen(page, _START, size, theme)
    page.set_input_files("input[type=file]", photos)
    first = _SCREENS[0]
    page.locator(first.ready).wait_for()
    yield _seen(page, first, size, theme)
    if theme == _THEMES[0] and size is SIZES[0]:
        page.get_by_role("button", name="Correct masks").click()  # all pages have this project from now on
        page.locator(_SCREENS[1].ready).wait_for()
    for screen in _SCREENS[1:]:
        page.goto(f"{address}/{screen.path}")
        yield _seen(page, screen, size, theme)
    context.close()


def _seen(page: Page, screen: _Screen, size: Size, theme: str) -> dict[str, Any]:
    page.locator(screen.ready).first.wait_for()
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.wait_for_timeout(1000)  # pictures that come after the page's text
    if folder := os.environ.get(FOLDER_VARIABLE):
        name = f"{screen.name} {size.width}x{size.height} {theme}.png".replace(" ", "-")
        page.screenshot(path=Path(folder) / name)
    return {
        "page": screen.name,
        "size": size.name,
        "theme": theme,
        "is_touch": size.is_touch,
        **look_at_page(page),
    }


if __name__ == "__main__":
    print(json.dumps(_measure(**json.loads(sys.argv[1]))))
