"""Whose decisions they are: the browser says so, whatever the server knows, and asks where it cannot."""

import re

import pytest
from playwright.sync_api import expect

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.samples import SAMPLES
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.browser.conftest import ROOT
from tests.browser.desk import Desk
from tests.browser.review_page import ReviewPage, link_of, make_project

pytestmark = pytest.mark.browser

NAME = "Your name, for the journal"
NOTE_RUNS = """() => {
  const app = document.querySelector("[data-testid=stApp]");
  const note = () => { globalThis.hasRun ||= app.dataset.testScriptState === "running"; };
  new MutationObserver(note).observe(app, { attributes: true });
}"""


@pytest.fixture
def project(store, request):
    return make_project(store, request.node.name, [("scene.png", encode_png(draw_scene(210_000).pixels))])


def is_called(page, name):
    """Waits until the sidebar has a name."""
    field = page.get_by_test_id("stSidebar").get_by_role("textbox", name=NAME, include_hidden=True)
    expect(field).to_have_value(name, timeout=60_000)  # it may be drawn anew while one waits


def deciders(store, project):
    return [(e.who, e.kind) for e in store.journal(project.id) if e.kind in ("accept", "reject", "undo")]


def test_ann_stays_ann_when_the_server_was_away(page, serve_app, folder, store, project):
    how = {"env": {"MASKDESK_DATA": str(folder), "MASKDESK_DATABASE": ""}, "cwd": ROOT}
    mortal = serve_app(ROOT / "app.py", **how)
    review = ReviewPage(page, link_of(mortal, project))
    review.call_oneself("Ann")
    review.press("a")
    review.saved()
    serve_app.kill(mortal)
    review.press("a", "d")
    review.wait(saved="false", status_counts="1,2,1")
    serve_app(ROOT / "app.py", **how, address=mortal)
    review.wait(saved="true", status_counts="1,2,1")
    review.press("u")
    review.wait(saved="true", status_counts="2,2,0")
    is_called(page, "Ann")
    assert deciders(store, project) == [("Ann", kind) for kind in ("undo", "reject", "accept", "accept")]


def test_a_name_that_only_a_decision_brings_is_shown(page, serve_app, folder, store, project):
    """As where the decision arrives before what the browser says by itself."""
    how = {"env": {"MASKDESK_DATA": str(folder), "MASKDESK_DATABASE": ""}, "cwd": ROOT}
    mortal = serve_app(ROOT / "app.py", **how)
    review = ReviewPage(page, link_of(mortal, project))
    review.call_oneself("Ann")
    serve_app.kill(mortal)
    review.press("a")
    review.wait(saved="false", status_counts="3,1,0")
    page.evaluate("""() => {
      for (const storage of [sessionStorage, localStorage]) storage.removeItem("maskdesk-who");
      delete globalThis[Symbol.for("maskdesk.who")];
    }""")
    serve_app(ROOT / "app.py", **how, address=mortal)
    review.wait(saved="true", status_counts="3,1,0")
    is_called(page, "Ann")
    assert deciders(store, project) == [("Ann", "accept")]


def test_the_last_name_of_a_tab_holds_also_after_another(page, serve_app, folder, store, project):
    how = {"env": {"MASKDESK_DATA": str(folder), "MASKDESK_DATABASE": ""}, "cwd": ROOT}
    mortal = serve_app(ROOT / "app.py", **how)
    page.goto(f"{mortal}/models")
    page.evaluate("localStorage.setItem('maskdesk-who', 'Ann')")
    review = ReviewPage(page, link_of(mortal, project))
    is_called(page, "Ann")
    review.call_oneself("Bob")
    serve_app.kill(mortal)
    review.press("a")
    serve_app(ROOT / "app.py", **how, address=mortal)
    review.wait(saved="true", status_counts="3,1,0")
    is_called(page, "Bob")
    assert deciders(store, project) == [("Bob", "accept")]


def test_a_browser_without_a_name_keeps_its_decisions_until_it_was_asked(page, address, store, project):
    review = ReviewPage(page, link_of(address, project))
    review.press("a", "d")
    page.get_by_text("2 decisions not saved yet").wait_for()
    expect(page.locator("[data-part=kept]")).to_have_text(re.compile("^not saved yet: enter your name"))
    review.wait(saved="false", status_counts="2,1,1")
    page.reload()
    review.wait(saved="false", status_counts="2,1,1")
    page.get_by_test_id("stMain").get_by_role("textbox", name=NAME).fill("Ann")
    page.get_by_role("button", name="Save them under this name").click()
    review.saved()
    assert deciders(store, project) == [("Ann", "reject"), ("Ann", "accept")]
    is_called(page, "Ann")
    page.get_by_text("2 decisions not saved yet").wait_for(state="detached")


def test_who_mends_the_first_time_is_asked_for_their_name(page, address, store):
    known = {row.id for row in store.projects()}
    desk = Desk(page, address)
    page.get_by_role("button", name=SAMPLES[0].title, exact=True).click()
    page.locator("[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=120_000)
    desk.settle()
    page.get_by_role("button", name="Correct masks").click()
    question = page.get_by_role("dialog").get_by_role("textbox", name=NAME)
    question.wait_for()
    page.evaluate(NOTE_RUNS)
    desk.set_score(0.55)  # the page is drawn again, as it is when the last of several images is done
    page.wait_for_function("() => globalThis.hasRun")
    desk.settle()
    question.fill("Ann")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/review?*", timeout=60_000)
    page.locator(".viewer[data-part=root][data-ready=true]").wait_for(timeout=60_000)
    (made,) = {row.id for row in store.projects()} - known
    assert {entry.who for entry in store.journal(made)} == {"Ann"}
