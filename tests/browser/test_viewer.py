"""The viewer in a real browser, driven as a person would."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from playwright.sync_api import expect

from maskrcnn_core.drawing.splash import color_splash
from maskrcnn_core.geometry.rle import Rle
from tests.browser.drawings import flowers
from tests.browser.frames import next_frame, still, wait_until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(serve_app):
    return serve_app(Path(__file__).with_name("viewer_app.py"))


class ViewerPage:
    """What a person sees of the viewer, and the state Python has."""

    def __init__(self, page, address, **query):
        self.page = page
        page.goto(f"{address}/?{'&'.join(f'{name}={value}' for name, value in query.items())}")
        self.root = page.locator('[data-part="root"]')
        self.ready()

    def ready(self):
        self.page.wait_for_selector('[data-part="root"][data-ready="true"]', timeout=60_000)

    def part(self, name):
        return self.root.locator(f'[data-part="{name}"]')

    def fact(self, name):
        return self.root.get_attribute(f"data-{name}")

    def wait_fact(self, name, value):
        self.page.wait_for_selector(f'[data-part="root"][data-{name}="{value}"]')

    def state(self):
        return json.loads(self.page.get_by_text("state=").inner_text().removeprefix("state="))

    def wait_state(self, **wanted):
        is_there = lambda: wanted.items() <= self.state().items()  # noqa: E731
        wait_until(self.page, is_there, lambda: f"{wanted}, Python has {self.state()}")
        return self.state()

    def runs(self):
        return int(self.page.get_by_text("runs=").inner_text().removeprefix("runs="))

    def on_screen(self, x, y):
        """Where an image point is in the window."""
        box = self.part("canvas").bounding_box()
        scale = float(self.fact("zoom"))
        left, top = map(float, self.fact("pan").split(","))
        return box["x"] + left + x * scale, box["y"] + top + y * scale

    def in_image(self, x, y):
        """The image point at a place in the window."""
        left, top = self.on_screen(0, 0)
        scale = float(self.fact("zoom"))
        return (x - left) / scale, (y - top) / scale

    def pixel(self, x, y):
        """The window's colour at an image point."""
        shot = Image.open(io.BytesIO(self.page.screenshot()))
        return shot.convert("RGB").getpixel(tuple(round(value) for value in self.on_screen(x, y)))

    def canvas(self):
        """The viewer's own picture once it rests, whole numbers [H, W, 4]."""
        read = """canvas => {
            const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            let text = '';
            for (let i = 0; i < data.length; i += 8192) {
                text += String.fromCharCode(...data.subarray(i, i + 8192));
            }
            return [canvas.height, canvas.width, btoa(text)];
        }"""
        height, width, data = still(self.page, lambda: self.part("canvas").evaluate(read))
        return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4).astype(int)

    def click(self, x, y):
        self.page.mouse.click(*self.on_screen(x, y))

    def wait_text(self, part, start):
        says = self.part(part)
        is_there = lambda: says.text_content().startswith(start)  # noqa: E731
        wait_until(self.page, is_there, lambda: f"{start!r}, {part} says {says.text_content()!r}")


# The first instance: a flower around this point of the image.
CENTRE = (300, 400)


@pytest.fixture
def viewer(page, address):
    return ViewerPage(page, address)


def test_score_slider_filters_while_it_is_dragged_and_reports_on_release(viewer):
    before, runs = int(viewer.fact("shown-count")), viewer.runs()
    box = viewer.part("score").bounding_box()
    middle = box["y"] + box["height"] / 2
    mouse = viewer.page.mouse
    mouse.move(box["x"] + box["width"] * 0.47, middle)
    mouse.down()
    counts = []
    for share in (0.6, 0.7, 0.8, 0.9):
        mouse.move(box["x"] + box["width"] * share, middle)
        next_frame(viewer.page)
        counts.append(int(viewer.fact("shown-count")))
    assert [before, *counts] == sorted([before, *counts], reverse=True)
    assert counts[-1] < before
    assert viewer.part("count").inner_text() == f"{counts[-1]} of 41 shown"
    assert viewer.state()["seq"] == 0 and viewer.runs() == runs
    mouse.up()
    shown = float(viewer.part("score-value").inner_text())
    assert 0.85 < shown < 0.95
    viewer.wait_state(score=shown, seq=1)


def test_score_slider_works_by_keyboard_and_reports_once(viewer):
    viewer.part("score").focus()
    for _ in range(5):
        viewer.page.keyboard.press("ArrowRight")
    viewer.wait_state(score=0.55, seq=1)
    expect(viewer.part("score-value")).to_have_text("0.55")
    assert "0.55, " in viewer.part("score").get_attribute("aria-valuetext")


def test_click_selects_by_mask_and_python_learns_of_it(viewer):
    viewer.click(*CENTRE)
    viewer.wait_state(selected=[100])
    viewer.wait_fact("selected", "100")
    viewer.wait_text("live", "Selected: person 0.99, ")
    viewer.page.keyboard.press("Escape")
    viewer.wait_state(selected=[])


def test_shift_click_adds_and_removes_and_n_goes_on(viewer):
    viewer.click(*CENTRE)
    viewer.wait_state(selected=[100])
    viewer.page.keyboard.press("n")
    state = viewer.wait_state(seq=2)
    assert state["selected"] != [100] and len(state["selected"]) == 1
    viewer.page.keyboard.press("p")
    viewer.wait_state(selected=[100], seq=3)
    viewer.page.keyboard.down("Shift")
    viewer.click(*CENTRE)
    viewer.page.keyboard.up("Shift")
    viewer.wait_state(selected=[])


def test_hover_names_the_instance_without_markup(viewer):
    viewer.page.mouse.move(*viewer.on_screen(*CENTRE))
    viewer.part("tip").wait_for(state="visible")
    expect(viewer.part("tip-name")).to_have_text("person")
    expect(viewer.part("tip-facts")).to_have_text(re.compile("^0.990 · "))
    assert viewer.page.evaluate("window.hacked") is None
    assert viewer.root.locator("img").count() == 0


def test_wheel_zooms_about_the_cursor(viewer):
    zoom = float(viewer.fact("zoom"))
    x, y = (round(value) for value in viewer.on_screen(*CENTRE))  # Chromium gives wheel events whole pixels
    under = viewer.in_image(x, y)
    viewer.page.mouse.move(x, y)
    for _ in range(4):
        viewer.page.mouse.wheel(0, -200)
    wait_until(viewer.page, lambda: float(viewer.fact("zoom")) > 2 * zoom, "a larger picture")
    still(viewer.page, lambda: viewer.fact("zoom"))
    assert viewer.on_screen(*under) == pytest.approx((x, y), abs=0.01)
    viewer.part("stage").press("f")
    viewer.wait_fact("zoom", str(zoom).removesuffix(".0"))


def test_drag_moves_the_image_and_selects_nothing(viewer):
    x, y = viewer.on_screen(*CENTRE)
    mouse = viewer.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + 60, y + 30, steps=6)
    mouse.up()
    next_frame(viewer.page)
    assert viewer.on_screen(*CENTRE) == pytest.approx((x + 60, y + 30), abs=0.6)
    boxes = viewer.root.locator('[data-toggle="boxes"]')
    boxes.click()
    next_frame(viewer.page)
    pressed = boxes.get_attribute("aria-pressed")
    viewer.wait_state(seq=1)
    x, y = viewer.on_screen(*CENTRE)
    mouse.move(x, y)
    viewer.page.keyboard.down("Space")  # the hand's, and not the button's that was clicked
    mouse.down()
    mouse.move(x - 20, y - 10, steps=6)
    mouse.up()
    mouse.click(x - 20, y - 10)
    viewer.page.keyboard.up("Space")
    next_frame(viewer.page)
    assert viewer.on_screen(*CENTRE) == pytest.approx((x - 20, y - 10), abs=0.6)
    assert boxes.get_attribute("aria-pressed") == pressed
    assert viewer.fact("selected") == ""
    assert viewer.state()["seq"] == 1


def test_a_repaired_drawing_equals_a_fresh_one(viewer):
    x, y = viewer.on_screen(*CENTRE)
    mouse = viewer.page.mouse
    viewer.part("stage").press("=")
    mouse.move(x, y)
    mouse.down()
    for step in range(12):
        mouse.move(x - 15 * step, y + 9 * (step % 5), steps=2)
    mouse.up()
    viewer.part("score").focus()
    for key in ["ArrowRight"] * 12 + ["ArrowLeft"] * 7:
        viewer.page.keyboard.press(key)
    mouse.move(5, 5)
    viewer.wait_state(score=0.55)
    repaired = viewer.canvas()
    for _ in range(2):  # off and on again: everything is drawn anew
        viewer.root.locator('[data-toggle="masks"]').click()
        next_frame(viewer.page)
    mouse.move(5, 5)
    fresh = viewer.canvas()
    assert fresh.shape == repaired.shape and fresh.any()
    assert (abs(repaired - fresh) > 8).sum() < 1e-4 * fresh.size


def shown_masks(threshold):
    """Which pixels of the image are on instances above a score; and those too near an edge to tell."""
    rles = [instance.rle for instance in flowers(1200, 800, 41) if instance.score > threshold]
    inside = np.any([Rle.from_counts(rle.counts, rle.size).to_mask() for rle in rles], axis=0)
    picture = Image.fromarray(inside.astype(np.uint8))
    grown, shrunk = (picture.filter(kind(7)) for kind in (ImageFilter.MaxFilter, ImageFilter.MinFilter))
    return inside, np.asarray(grown) != np.asarray(shrunk)


def test_a_colour_splash_is_the_exports_and_follows_the_slider_without_python(viewer):
    viewer.part("stage").press("=")
    for key in "cxl":
        viewer.page.keyboard.press(key)
    viewer.page.keyboard.press("Shift+B")
    viewer.wait_state(splash=True, seq=4)
    viewer.page.mouse.move(5, 5)
    viewer.page.keyboard.down("b")
    bare = viewer.canvas()
    viewer.page.keyboard.up("b")
    left, top = (round(float(value)) for value in viewer.fact("pan").split(","))
    there = slice(max(0, top), top + 800), slice(max(0, left), left + 1200)
    window = slice(max(0, -top), bare.shape[0] - top), slice(max(0, -left), bare.shape[1] - left)
    pixels = bare[there][:, :, :3].astype(np.uint8)
    assert (pixels[:, :, 0] != pixels[:, :, 2]).mean() > 0.5, "a coloured picture"
    runs = viewer.runs()
    for threshold in (0.5, 0.8, 0.98):
        viewer.part("score").evaluate(
            "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }",
            str(threshold),
        )
        inside, near = (mask[window] for mask in shown_masks(threshold))
        wanted = color_splash(pixels, [Rle.from_mask(inside)]).astype(int)
        differing = abs(viewer.canvas()[there][:, :, :3] - wanted).max(axis=2)
        assert inside.any() and near.mean() < 0.2
        assert differing[~near].max() <= 2
    assert viewer.runs() == runs and viewer.state()["seq"] == 4
    viewer.page.get_by_role("button", name="Rerun", exact=True).click()
    # What the slider did is told before the press, in the same run or in one of its own.
    wait_until(viewer.page, lambda: viewer.runs() > runs and viewer.state()["seq"] == 5, "a run")
    assert viewer.root.locator('[data-toggle="splash"]').get_attribute("aria-pressed") == "true"
    assert viewer.root.locator('[data-toggle="masks"]').get_attribute("aria-pressed") == "false", "no fills"


def test_holding_b_shows_the_bare_image(viewer):
    viewer.page.mouse.move(5, 5)
    drawn = viewer.pixel(*CENTRE)
    viewer.part("stage").focus()
    viewer.page.keyboard.down("b")
    next_frame(viewer.page)
    bare = viewer.pixel(*CENTRE)
    viewer.page.keyboard.up("b")
    next_frame(viewer.page)
    assert viewer.pixel(*CENTRE) == drawn
    assert max(abs(a - b) for a, b in zip(drawn, bare, strict=True)) > 20


def test_streamlits_hot_keys_do_not_reach_it(viewer):
    runs = viewer.runs()
    viewer.part("stage").focus()
    viewer.page.keyboard.press("r")
    viewer.page.keyboard.press("Shift+?")
    viewer.part("sheet").wait_for(state="visible")
    viewer.page.keyboard.press("Escape")
    viewer.part("sheet").wait_for(state="hidden")
    viewer.page.keyboard.press("m")  # the stage has the focus again
    viewer.wait_state(seq=1)
    viewer.page.get_by_text(f"runs={runs + 1}").wait_for()
    assert viewer.runs() == runs + 1, "this one, and none before"


def test_chips_and_h_hide_categories(viewer):
    before = int(viewer.fact("shown-count"))
    viewer.root.locator(".chip", has_text="bicycle").click()
    viewer.wait_state(hidden=[2])
    fewer = int(viewer.fact("shown-count"))
    assert fewer < before
    viewer.click(*CENTRE)
    viewer.page.keyboard.press("h")
    viewer.wait_state(hidden=[1, 2], selected=[])
    viewer.page.keyboard.press("Shift+H")
    viewer.wait_state(hidden=[])
    viewer.wait_fact("shown-count", before)


def test_display_choices_reach_python(viewer):
    viewer.root.locator('[data-color-by="category"]').click()
    viewer.wait_state(color_by="category")
    viewer.part("opacity").focus()
    viewer.page.keyboard.press("ArrowLeft")
    viewer.wait_state(opacity=0.45)


def test_zoom_and_choices_survive_reruns_and_another_image_starts_afresh(viewer):
    viewer.page.mouse.move(*viewer.on_screen(*CENTRE))
    viewer.page.mouse.wheel(0, -300)
    viewer.click(*CENTRE)
    viewer.wait_state(selected=[100])
    zoom, pan = viewer.fact("zoom"), viewer.fact("pan")
    runs = viewer.runs()
    viewer.page.get_by_role("button", name="Rerun", exact=True).click()
    viewer.page.get_by_text(f"runs={runs + 1}").wait_for()
    assert (viewer.fact("zoom"), viewer.fact("pan"), viewer.fact("selected")) == (zoom, pan, "100")
    viewer.page.get_by_text("Other image").click()
    viewer.wait_fact("image", "b")
    viewer.ready()
    assert float(viewer.fact("zoom")) < float(zoom)


def test_python_selects_and_the_view_goes_there(viewer):
    viewer.page.mouse.move(*viewer.on_screen(5, 5))
    for _ in range(4):
        viewer.page.mouse.wheel(0, -300)
    pan = still(viewer.page, lambda: viewer.fact("pan"))
    viewer.page.get_by_role("button", name="Select the last").click()
    viewer.wait_fact("selected", "140")
    wait_until(viewer.page, lambda: viewer.fact("pan") != pan, "another place")


def test_quick_choices_all_arrive(viewer):
    viewer.part("stage").focus()
    before = viewer.state()
    for key in "mcxlmcxlmcxl":
        viewer.page.keyboard.press(key)
    # In as many reports as the page has time for: while it is drawn, choices join.
    viewer.wait_state(**{name: not before[name] for name in ("masks", "contours", "boxes", "labels")})
    assert viewer.root.locator('[data-toggle="masks"]').get_attribute("aria-pressed") == "false"
    assert viewer.root.locator('[data-toggle="labels"]').get_attribute("aria-pressed") == "false"


def test_no_instances_says_so(page, address):
    viewer = ViewerPage(page, address, count=0)
    expect(viewer.part("empty")).to_have_text("No objects found")
    assert viewer.part("notice").is_hidden(), "nothing lies over the picture"
    expect(viewer.part("count")).to_have_text("0 of 0 shown")


def test_a_missing_image_is_named_in_plain_text(page, address):
    viewer = ViewerPage(page, address, broken=1, count=3)
    assert '“<img src=x onerror="window.hacked=1">**x**' in viewer.part("notice").inner_text()
    assert page.evaluate("window.hacked") is None


def test_dark_theme_has_a_dark_ground(browser, address):
    context = browser.new_context(viewport={"width": 1360, "height": 900}, color_scheme="dark")
    viewer = ViewerPage(context.new_page(), address)
    color = viewer.part("stage").evaluate("(element) => getComputedStyle(element).backgroundColor")
    assert max(int(value) for value in color.strip("rgb()").split(",")) < 80
    context.close()


def test_pinch_zooms(browser, address):
    context = browser.new_context(viewport={"width": 800, "height": 1000}, has_touch=True)
    viewer = ViewerPage(context.new_page(), address)
    session = context.new_cdp_session(viewer.page)
    x, y = viewer.on_screen(*CENTRE)
    zoom = float(viewer.fact("zoom"))

    def touch(kind, *points):
        spots = [{"x": px, "y": py, "id": i} for i, (px, py) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": spots})

    touch("touchStart", (x, y), (x + 50, y))
    for distance in range(60, 160, 20):
        touch("touchMove", (x, y), (x + distance, y))
    touch("touchEnd")
    wait_until(viewer.page, lambda: float(viewer.fact("zoom")) > 2 * zoom, "a larger picture")
    assert float(still(viewer.page, lambda: viewer.fact("zoom"))) < 4 * zoom
    assert viewer.on_screen(*CENTRE) == pytest.approx((x, y), abs=3)
    context.close()
