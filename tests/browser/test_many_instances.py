"""Four hundred instances on the real Annotate page: shown, moved, chosen, filtered and exported."""

import io
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from benchmarks.crowd import CROWD_NAMES, crowd_image
from tests.browser.desk import Desk
from tests.browser.frames import next_frame, still

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
COUNT, SIZE = 400, (1500, 2000)


class CrowdDesk(Desk):
    """The page of ``benchmarks/crowd_app.py``: its image is open and the stand-in model has answered."""

    def __init__(self, page, address):
        self.page = page
        page.goto(f"{address}/?count={COUNT}&height={SIZE[0]}&width={SIZE[1]}")
        page.locator(f"[data-ready=true][data-shown-count='{COUNT}']").wait_for(
            timeout=300_000
        )  # the first one waits for imports, too
        self.settle()
        still(page, self.canvas.bounding_box)  # the page's style may come after its first picture

    @property
    def pan(self):
        return tuple(map(float, self.root.get_attribute("data-pan").split(",")))

    @property
    def canvas(self):
        return self.root.locator("[data-part=canvas]")

    def on_screen(self, x, y):
        """Where an image point is in the window."""
        box, scale = self.canvas.bounding_box(), float(self.root.get_attribute("data-zoom"))
        return box["x"] + self.pan[0] + x * scale, box["y"] + self.pan[1] + y * scale

    def wait_text(self, text):
        self.page.get_by_text(text, exact=True).wait_for()

    def picture(self):
        self.page.mouse.move(5, 5)
        shot = still(self.page, self.canvas.screenshot)
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


@cache
def instances():
    """What the stand-in finds, best scored first."""
    return crowd_image(COUNT, SIZE).instances


def inner_point(instance):
    """An image point in the middle of the mask's widest row."""
    x, y, _, _ = instance.box_xywh
    mask = instance.mask.crop()
    row = int(mask.sum(axis=1).argmax())
    columns = np.flatnonzero(mask[row])
    return x + float(columns[len(columns) // 2]) + 0.5, y + row + 0.5


@pytest.fixture(scope="module")
def address(serve_app):
    return serve_app(ROOT / "benchmarks" / "crowd_app.py", cwd=ROOT)


@pytest.fixture
def desk(page, address):
    return CrowdDesk(page, address)


def test_all_are_counted_everywhere(desk):
    assert len(instances()) == COUNT
    desk.wait_text(f"crowd.jpg: {COUNT} found")
    desk.wait_text(f"{COUNT} of {COUNT} shown")
    desk.wait_text(f"{COUNT} rows, none selected")
    ids = [instance.category_id for instance in instances()]
    for number, name in enumerate(CROWD_NAMES, start=1):
        chip = desk.root.locator(f".chip[data-category='{number}']")
        expect(chip.locator(".chip-name")).to_have_text(name)
        expect(chip.locator(".chip-count")).to_have_text(str(ids.count(number)))
    desk.root.locator(".chip", has_text="dividing").click()
    desk.wait_text(f"{COUNT - ids.count(2)} rows, none selected")


def test_dragging_moves_the_view_as_far_as_the_pointer_and_changes_nothing_else(desk):
    desk.root.locator("[data-part=actual]").click()
    still(desk.page, lambda: desk.pan)
    before, box = desk.pan, desk.canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    # Far enough that more has to be drawn than there was beyond the stage's border, and back.
    desk.page.mouse.move(x, y)
    desk.page.mouse.down()
    desk.page.mouse.move(x - 250, y - 200, steps=20)
    moved = pytest.approx((before[0] - 250, before[1] - 200), abs=1)
    desk.wait_until(lambda: desk.pan == moved, lambda: f"{moved}, got {desk.pan}")
    desk.page.mouse.up()
    assert (desk.shown, desk.selected) == (COUNT, [])
    dragged = desk.picture()
    desk.root.get_by_role("application").focus()
    for _ in range(2):  # off and on again: everything is drawn anew
        desk.page.keyboard.press("x")
        next_frame(desk.page)
    assert (np.abs(desk.picture() - dragged).max(axis=2) > 8).mean() < 1e-3


def test_the_picture_is_not_moved_by_the_row_that_is_drawn_after_it(page, address):
    page.set_viewport_size({"width": 1152, "height": 720})  # too narrow for the row to stand in the header
    page.add_init_script("""
        window.tops = new Set();
        const look = () => {
            const place = document.querySelector(".st-key-under-actions");
            if (place) window.tops.add(Math.round(place.getBoundingClientRect().top));
            requestAnimationFrame(look);
        };
        look();
    """)
    desk = CrowdDesk(page, address)
    row = page.locator(".st-key-page-actions").bounding_box()
    place = page.locator(".st-key-under-actions").bounding_box()
    assert row["y"] + row["height"] < place["y"]
    assert page.evaluate("[...window.tops]") == [round(place["y"])]
    assert desk.canvas.bounding_box()["y"] > place["y"]


def test_labels_leave_the_picture_in_sight_and_the_chosen_one_has_its_own(desk):
    with_labels = desk.picture()
    desk.root.get_by_role("application").focus()
    desk.page.keyboard.press("l")
    without = desk.picture()
    covered = (with_labels != without).any(axis=2).mean()
    assert 0 < covered < 0.1
    desk.page.mouse.click(*desk.on_screen(*inner_point(instances()[200])))
    desk.wait_until(lambda: desk.selected == [200], "the instance under the pointer")
    x, y, _, _ = instances()[200].box_xywh
    left, top = (
        a - b for a, b in zip(desk.on_screen(x, y), desk.canvas.bounding_box().values(), strict=False)
    )
    label = desk.picture()[round(top) - 14 : round(top) - 4, round(left) + 2 : round(left) + 40]
    plain = without[round(top) - 14 : round(top) - 4, round(left) + 2 : round(left) + 40]
    assert (label != plain).any(axis=2).mean() > 0.9


def test_a_click_in_the_crowd_chooses_its_row_and_a_row_its_instance(desk):
    chosen = 237
    desk.page.mouse.click(*desk.on_screen(*inner_point(instances()[chosen])))
    desk.wait_until(lambda: desk.selected == [chosen], "the instance under the pointer")
    desk.wait_text(f"{COUNT} rows, selected: no. {chosen + 1}")
    table = desk.page.locator("[data-testid=stDataFrame]").last
    table.scroll_into_view_if_needed()
    desk.settle()
    next_frame(desk.page)  # the table takes in what the viewer chose
    box = table.bounding_box()
    desk.page.mouse.click(box["x"] + 18, box["y"] + 40 + 22)  # the mark beside the first row
    desk.wait_until(lambda: desk.selected == [0, chosen], "the first row's instance beside it")
    desk.wait_text(f"{COUNT} rows, selected: no. 1, {chosen + 1}")


def test_the_slider_filters_and_the_file_holds_exactly_what_is_shown(desk):
    _, data = desk.download("COCO JSON")
    assert len(json.loads(data)["annotations"]) == COUNT
    desk.set_score(0.75)
    scores = [instance.score for instance in instances() if instance.score > np.float32(0.75)]
    assert 0 < len(scores) < COUNT
    assert desk.shown == len(scores), "at once, in the browser"
    desk.wait_text(f"{len(scores)} rows, none selected")
    _, data = desk.download("COCO JSON")
    assert [a["score"] for a in json.loads(data)["annotations"]] == pytest.approx(scores)


def test_while_a_file_is_made_the_one_before_is_not_offered(desk):
    desk.download("Segments")
    expect(desk.offered).to_have_count(1)
    desk.open_downloads()
    # What is shown while the file is made lasts for a second or two: a busy machine looks too late.
    desk.page.evaluate("""() => {
        window.offeredWhileMaking = []
        new MutationObserver(() => {
            if (document.querySelector(".st-key-cancel-prepare button")) {
                const offered = document.querySelectorAll("[data-testid=stDownloadButton]").length
                window.offeredWhileMaking.push(offered)
            }
        }).observe(document.body, { childList: true, subtree: true })
    }""")
    desk.page.get_by_role("button", name="Prepare").click()
    desk.page.wait_for_function("() => window.offeredWhileMaking.includes(0)", timeout=60_000)
    desk.settle()
    expect(desk.offered).to_have_count(1)
