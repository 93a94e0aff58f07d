"""MaskDesk is upgraded while a page of it is open in a browser."""

import json
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.browser

APP = """
import sys
from pathlib import Path
if (beside := str(Path(__file__).parents[1])) not in sys.path:
    sys.path.insert(0, beside)  # the pages of this installation, not the checkout's
import streamlit as st
from pages.components.stepper import Steps, stepper
from pages.components.viewer import ViewerImage, ViewerInstance, ViewerMessage, viewer

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
kept = st.session_state.setdefault("kept", {"steps": Steps(), "at": 0})

def go(steps):
    kept["at"] += steps

stepper(kept["steps"], kept["at"], 9, go, key="steps", back="Back", forward="On")
st.text(f"at={kept['at']}")
one = ViewerInstance(
    id=1, label="cell", category_id=1, score=0.9, box=(2, 2, 20, 20), rle=None,
    color_instance="#e6194b", color_category="#3cb44b",
)
image = ViewerImage("one", f"data:image/png;base64,{PIXEL}", 40, 30, "one.png")
state = viewer(ViewerMessage(image, (one,), score_threshold=0.5), key="viewer")
st.text(f"selected={list(state.selected)}")
"""
# Modules that no page names: another one imports them.
NESTED = ("lib/leaving.js", "viewer/state.js", "viewer/keys.js")


class Installation:
    """A folder with the app's pages and a small app that uses them."""

    def __init__(self, folder):
        shutil.copytree(ROOT / "pages", folder / "pages", ignore=shutil.ignore_patterns("__pycache__"))
        self.app, self.web = folder / "app" / "app.py", folder / "pages" / "components" / "web"
        self.app.parent.mkdir()  # of its own: beside ``pages``, Streamlit would list the pages
        self.app.write_text(APP)
        self.texts = {name: (self.web / name).read_text("utf-8") for name in NESTED}
        self.upgrade("first")

    def upgrade(self, version):
        """Other texts of the nested modules, which note that they were loaded."""
        for name, text in self.texts.items():
            note = json.dumps(f"{version} {name}")
            (self.web / name).write_text(f"{text}\n(globalThis.loaded ??= []).push({note});\n", "utf-8")


@pytest.fixture
def installed(tmp_path):
    return Installation(tmp_path)


@pytest.fixture
def start(serve_app, installed):
    return lambda address=None: serve_app(installed.app, address=address)


def loaded(page):
    return sorted(set(page.evaluate("globalThis.loaded ?? []")))


def of(version):
    return sorted(f"{version} {name}" for name in NESTED)


def look_at(page):
    """Waits for the page, and tries what all modules together do."""
    page.locator(".viewer[data-ready=true]").wait_for()
    page.get_by_text("1 of 9").wait_for()
    page.keyboard.press("Alt+ArrowRight")
    page.get_by_text("at=1", exact=True).wait_for()
    page.get_by_text("2 of 9").wait_for()
    page.locator("[data-part=stage]").focus()
    page.keyboard.press("n")
    page.get_by_text("selected=[1]").wait_for()
    was = page.locator("[data-toggle=masks]").get_attribute("aria-pressed")
    page.keyboard.press("m")
    page.locator(f"[data-toggle=masks]:not([aria-pressed={was}])").wait_for(
        state="attached"
    )  # a panel may be folded
    assert page.locator(".viewer").count() == 1


def test_an_open_page_gets_all_modules_anew(serve_app, start, installed, page):
    address = start()
    page.goto(address)
    look_at(page)
    assert loaded(page) == of("first")
    page.locator(".viewer").evaluate("(root) => (globalThis.before = root)")
    serve_app.kill(address)
    installed.upgrade("second")
    start(address)
    page.locator("[data-testid=stApp][data-test-connection-state=CONNECTED]").wait_for()
    # Streamlit has the page drawn again with the first thing that is done.
    page.locator("[data-part=stage]").press("x")
    page.wait_for_function("names => names.every((name) => loaded.includes(name))", arg=of("second"))
    look_at(page)
    assert loaded(page) == sorted(of("first") + of("second"))
    assert page.evaluate("globalThis.before.isConnected") is False, "the old modules' elements are gone"
    # A tab that is opened or loaded now has nothing of the old ones, whatever the browser has kept.
    page.reload()
    look_at(page)
    assert loaded(page) == of("second")


def test_modules_of_one_version_are_loaded_once_for_a_component(start, page):
    address = start()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    look_at(page)
    scripts = [url for url in asked if "/_stcore/bidi-components/" in url]
    assert len(scripts) == len(set(scripts)) > len(NESTED)
