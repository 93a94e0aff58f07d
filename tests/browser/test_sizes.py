"""Every page in small windows, with fingers and in both themes: nothing small, faint or without a name."""

import itertools

import pytest

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.browser.accessibility import findings_of_axe, nameless_controls
from tests.browser.chromium import remember_name
from tests.browser.desk import Desk
from tests.browser.frames import wait_until
from tests.browser.review_page import ReviewPage, link_of, make_project, settle
from tests.browser.sizes import SIZES, Size, look_at_page

pytestmark = pytest.mark.browser

SCENE = encode_png(draw_scene(210_000).pixels)
SIZE = {size.name: size for size in SIZES}
READY = {
    "project?section=overview": ".st-key-project-section",
    "project?section=people": ".st-key-project-section",
    "project?section=settings": ".st-key-project-section",
    "how_it_works": ".st-key-explain-desk [data-part=stage-view][data-ready=true]",
    "models": "text=Inside a model",
}


@pytest.fixture(scope="module")
def project(store):
    """One picture with four proposals."""
    return make_project(store, "Sizes", [("scene.png", SCENE)])


@pytest.fixture
def open_page(browser):
    """``open_page(size, theme)``: a page that somebody who has given their name has open."""
    contexts = []

    def make(size, theme):
        context = browser.new_context(**size.context, color_scheme=theme)
        contexts.append(context)
        context.set_default_timeout(60_000)
        remember_name(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


def walk(page, address, project):
    """Open every page, one after the other; each time yield its name once it is drawn."""
    desk = Desk(page, address)
    page.get_by_text("What each page is for").wait_for()
    settle(page)
    yield "start"
    desk.drop({"name": "scene.png", "mimeType": "image/png", "buffer": SCENE})
    settle(page)
    yield "annotate"
    ReviewPage(page, link_of(address, project))
    yield "review"
    for path, ready in READY.items():
        page.goto(f"{address}/{path}{'&' if '?' in path else '?'}project={project.id}")
        page.locator(ready).first.wait_for()
        settle(page)
        yield path


def wait_for_nothing(page, name, look):
    """Until a look at a page finds nothing: while it is drawn parts of it are faded, and in other places."""
    wait_until(page, lambda: not look(), lambda: f"nothing to be found on {name}, got {look()}")


@pytest.mark.parametrize(("size", "theme"), [("tablet", "light"), ("phone", "dark")])
def test_every_page_suits_fingers(open_page, address, project, size, theme):
    page = open_page(SIZE[size], theme)
    for name in walk(page, address, project):
        wait_for_nothing(page, name, lambda: look_at_page(page)["small"])
        wait_for_nothing(page, name, lambda: look_at_page(page)["overflow"])
        if name in ("annotate", "review"):
            wait_for_nothing(page, name, lambda: look_at_page(page)["under_fold"])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_can_be_read_and_heard(open_page, address, project, theme):
    page = open_page(SIZE["low"], theme)
    for name in walk(page, address, project):
        wait_for_nothing(page, name, lambda: findings_of_axe(page))
        wait_for_nothing(page, name, lambda: nameless_controls(page))
        wait_for_nothing(page, name, lambda: look_at_page(page)["overflow"])
        wait_for_nothing(page, name, lambda: look_at_page(page)["under_fold"])


@pytest.mark.parametrize(("size", "theme"), [("tablet", "light"), ("phone", "dark")])
def test_what_opens_over_a_page_suits_fingers_and_can_be_read(open_page, address, size, theme):
    page = open_page(SIZE[size], theme)
    desk = Desk(page, address)
    desk.drop({"name": "scene.png", "mimeType": "image/png", "buffer": SCENE})
    settle(page)
    desk.open_downloads()
    settle(page)
    wait_for_nothing(page, "the formats", lambda: look_at_page(page)["small"])
    wait_for_nothing(page, "the formats", lambda: findings_of_axe(page))


def test_a_phone_has_three_rows_above_the_picture_and_the_rest_in_its_menu(open_page, address, project):
    page = open_page(SIZE["phone"], "light")
    review = ReviewPage(page, link_of(address, project))
    settle(page)
    assert look_at_page(page)["share"] > 0.6
    stage = page.locator("[data-part=stage]").bounding_box()
    boxes = [one.bounding_box() for one in page.locator(".head button:visible, .head input:visible").all()]
    seen = [one for one in boxes if one["y"] + one["height"] <= stage["y"]]  # others are cut off
    rows = sorted(one["y"] + one["height"] / 2 for one in seen)
    assert max(one["x"] + one["width"] for one in seen) <= 390
    assert sum(after - row > 20 for row, after in itertools.pairwise(rows)) == 2, rows
    page.locator("[data-part=more]").tap()
    page.get_by_role("menuitem", name="Accept all shown").tap()
    review.wait(saved="true", status_counts="0,4,0")
    page.locator("[data-act=done]").get_by_text("Done & next").wait_for()
    assert page.locator("[data-part=stage]").bounding_box() == stage, "what was said moved the picture"
    page.locator("[data-act=undo]").tap()
    review.wait(saved="true", status_counts="4,0,0")


def test_nothing_overlaps_on_a_narrow_phone(open_page, address, project):
    page = open_page(Size("narrow phone", 360, 740, is_touch=True), "light")
    ReviewPage(page, link_of(address, project))
    settle(page)
    compare, zoom = (page.locator(f".float.{side}").bounding_box() for side in ("left", "right"))
    assert compare["x"] + compare["width"] <= zoom["x"]
    line = page.locator(".status-line").evaluate("one => one.scrollWidth - one.clientWidth")
    assert line <= 0, "the status line is cut"
    page.locator("[data-part=more-chips]").tap()
    cut = page.locator(".chip-name").evaluate_all(
        "all => all.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.innerText)"
    )
    assert cut == []


def test_a_phone_closes_the_keys_without_scrolling(open_page, address, project):
    page = open_page(SIZE["phone"], "light")
    ReviewPage(page, link_of(address, project))
    page.locator("[data-part=help]").tap()
    sheet, close = page.locator("[data-part=sheet]"), page.locator("[data-part=close-help]")
    frame, button = sheet.bounding_box(), close.bounding_box()
    assert button["y"] + button["height"] <= frame["y"] + frame["height"]
    close.tap()
    sheet.wait_for(state="hidden")


@pytest.mark.parametrize("size", ["full hd", "low", "tablet"])
def test_the_heads_of_the_list_stand_in_one_line(open_page, address, project, size):
    page = open_page(SIZE[size], "light")
    ReviewPage(page, link_of(address, project))
    if SIZE[size].is_touch:
        page.locator("[data-part=panel-toggle]").tap()
    heads = page.locator("[data-part=list-columns] button")
    heads.last.wait_for()
    assert len({one.bounding_box()["y"] for one in heads.all()}) == 1


@pytest.mark.parametrize("size", SIZE)
def test_what_one_can_drop_is_told_within_the_place_for_it(open_page, address, size):
    page = open_page(SIZE[size], "light")
    page.goto(address)
    text = page.locator(".st-key-start-drop-text p").last
    text.wait_for()
    place = page.get_by_test_id("stFileUploaderDropzone").first
    below = lambda: bottom_of(place) - bottom_of(text)  # noqa: E731
    wait_until(page, lambda: 8 < below() < 60, lambda: f"room below the text, got {below()} pixels")


def bottom_of(locator):
    box = locator.bounding_box()
    return box["y"] + box["height"]


def test_a_phone_says_where_the_pages_are(open_page, address):
    page = open_page(SIZE["phone"], "light")
    page.goto(address)
    button = page.get_by_test_id("stExpandSidebarButton")
    button.wait_for()
    # The style sheet may come after the button.
    said = "one => getComputedStyle(one, '::after').content"
    wait_until(page, lambda: button.evaluate(said) == '"Pages"', "the button to say what it opens")
    button.tap()
    page.get_by_role("link", name="Review").wait_for()


def test_tab_leads_to_the_picture_first(open_page, address, project):
    page = open_page(SIZE["low"], "light")
    ReviewPage(page, link_of(address, project))
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="To the picture")
    assert link.evaluate("one => one === document.activeElement")
    page.keyboard.press("Enter")
    wait_until(page, lambda: focused_part(page) == "stage", "the picture to have the focus")


def test_tab_stops_only_at_what_is_seen_and_shows_where(open_page, address, project):
    page = open_page(SIZE["low"], "light")
    ReviewPage(page, link_of(address, project))
    settle(page)
    page.evaluate("() => document.activeElement.blur()")
    stops = []
    while not stops or stops[-1]["part"] != "panel-edge":
        page.keyboard.press("Tab")
        stops.append(page.evaluate(STOP))
        assert len(stops) < 60, stops
    assert {"stage", "active-category", "full-screen"} <= {stop["part"] for stop in stops}
    assert [stop for stop in stops if not stop["isSeen"]] == []
    assert [stop for stop in stops if not stop["isShown"]] == []


# What has the focus: whether it is in the window, and anything shows that. The whole page shows nothing.
STOP = """() => {
    let one = document.activeElement;
    while (one.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
    const box = one.getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const style = getComputedStyle(one);
    return {
        part: one.dataset.part ?? "",
        name: one.getAttribute("aria-label") ?? one.innerText.slice(0, 40),
        isSeen: x > 0 && y > 0 && x < innerWidth && y < innerHeight,
        isShown: style.outlineStyle !== "none" || style.boxShadow !== "none" || one.tagName === "MAIN",
    };
}"""


def focused_part(page):
    return page.evaluate("() => document.activeElement?.shadowRoot?.activeElement?.dataset.part")
