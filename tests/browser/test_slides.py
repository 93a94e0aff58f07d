"""A drawn slide on the real Slides page: dropped, run over, looked at, filtered and written."""

import contextlib
import json
import re
from pathlib import Path

import pytest
import shapely
from playwright.sync_api import expect
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from benchmarks.slide_drawing import draw_slide
from tests.browser.desk import Desk
from tests.browser.frames import at_rest, next_frame, still

pytestmark = pytest.mark.browser

SIDE, COUNT = 1000, 60


class SlideDesk(Desk):
    """The page, with a slide open."""

    def __init__(self, page, address):
        self.page = page
        page.goto(f"{address}/slides")
        page.get_by_text("Slides of any size").wait_for()
        at_rest(page)

    def hand_in(self, *files):
        self.page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(list(files))

    def open(self, path):
        self.hand_in(path)
        self.page.get_by_text(re.compile(rf"^{path.name}: .* pixels")).wait_for()
        self.root.locator("xpath=self::*[@data-ready='true']").wait_for()
        self.settle()

    def button(self, name):
        return self.page.get_by_role("button", name=name, exact=True)

    def to_microscopy(self):
        self.button("Switch to Microscopy").click()
        self.button("Switch to Microscopy").wait_for(state="detached")
        self.settle()

    def find(self):
        self.button("Find objects").click()
        self.page.locator(".viewer[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=180_000)
        self.settle()

    def zoom(self):
        return float(self.root.get_attribute("data-zoom"))

    def on_screen(self, x, y):
        """Where a point of the slide is in the window."""
        box = self.root.locator("[data-part=canvas]").bounding_box()
        left, top = map(float, self.root.get_attribute("data-pan").split(","))
        return box["x"] + left + x * self.zoom(), box["y"] + top + y * self.zoom()

    def open_downloads(self):
        formats = self.page.get_by_role("combobox", name="Format")
        if not formats.is_visible():
            self.page.locator(".st-key-download-of-slide button").first.click()
            formats.wait_for()


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    path = tmp_path_factory.mktemp("slides") / "drawn.svs"
    draw_slide(path, SIDE, COUNT)
    return path


@pytest.fixture
def desk(page, address):
    return SlideDesk(page, address)


def test_a_slide_is_run_over_looked_at_filtered_and_written(desk, slide, tmp_path):
    desk.open(slide)
    desk.page.get_by_text("Press Find objects").wait_for()
    desk.to_microscopy()
    desk.find()
    all_of_them = desk.shown
    assert all_of_them >= COUNT / 2
    # The score's slider goes below the threshold of the run, and back, without another one.
    desk.set_score(0.95)
    few = desk.shown
    desk.set_score(0.06)
    assert few < all_of_them < desk.shown
    # So do the other sliders: masks grow under a lower threshold.
    areas = desk.root.locator("[data-part=list-rows]").first.inner_text()
    desk.page.get_by_role("slider", name="Mask threshold").press("ArrowLeft")
    desk.wait_until(
        lambda: desk.root.locator("[data-part=list-rows]").first.inner_text() != areas, lambda: "other areas"
    )
    desk.settle()
    desk.set_score(0.5)
    desk.settle()
    # What is written is what is shown, as the readers of those files have it.
    shown = desk.shown
    _, data = desk.download("COCO JSON")
    (tmp_path / "coco.json").write_bytes(data)
    with contextlib.redirect_stdout(None):
        coco = COCO(tmp_path / "coco.json")
    (image,) = coco.imgs.values()
    assert (image["file_name"], image["width"], image["height"]) == ("drawn.svs", SIDE, SIDE)
    found = list(coco.anns.values())
    assert len(found) == shown and all(one["score"] > 0.5 for one in found)
    masks = [coco.annToRLE(one) for one in found]
    assert {tuple(mask["size"]) for mask in masks} == {(SIDE, SIDE)}
    _, data = desk.download("GeoJSON (QuPath)")
    shapes = [shapely.geometry.shape(one["geometry"]) for one in json.loads(data)["features"]]
    assert len(shapes) == shown and all(shape.is_valid for shape in shapes)
    areas = sorted(int(coco_mask.area(mask)) for mask in masks)
    assert sorted(round(shape.area) for shape in shapes) == areas
    desk.page.keyboard.press("Escape")
    # Near, and an object chosen by a click.
    x, y, width, height = max(found, key=lambda one: one["score"])["bbox"]
    desk.page.mouse.move(*desk.on_screen(x + width / 2, y + height / 2))
    far = desk.zoom()
    for _ in range(3):
        desk.page.mouse.wheel(0, -240)
        next_frame(desk.page)
    desk.wait_until(lambda: desk.zoom() > 2 * far, lambda: f"nearer than {far}, got {desk.zoom()}")
    still(desk.page, lambda: desk.root.get_attribute("data-pan"))
    desk.page.locator(".viewer[data-ready=true]").wait_for()
    desk.page.mouse.click(*desk.on_screen(x + width / 2, y + height / 2))
    desk.wait_until(lambda: len(desk.selected) == 1, lambda: f"one, got {desk.selected}")


def test_a_run_is_told_of_and_cancelled_and_the_slide_can_be_closed(desk, tmp_path):
    large = tmp_path / "large.svs"
    draw_slide(large, 4000, 500)  # 256 tiles
    desk.open(large)
    desk.to_microscopy()
    top = desk.root.bounding_box()
    desk.button("Find objects").click()
    desk.page.get_by_text(re.compile(r"Tile \d+ of \d+|Beginning")).wait_for()
    assert desk.root.bounding_box() == top
    desk.button("Cancel").click()
    desk.page.get_by_text("Cancelled before its end").wait_for()
    desk.button("Close").click()
    desk.page.get_by_text("Slides of any size").wait_for()


def test_what_is_no_slide_is_said_and_two_slides_are_open_beside_each_other(desk, slide, tmp_path):
    data = slide.read_bytes()
    damaged, nothing, other = (tmp_path / name for name in ("damaged.svs", "nothing.tif", "other.svs"))
    damaged.write_bytes(data[:8] + b"\xff" * 64 + data[72:])
    nothing.write_bytes(b"II*\0 but no more")
    draw_slide(other, 500, 10)
    desk.hand_in(damaged, nothing)
    for name in (damaged.name, nothing.name):
        desk.page.get_by_text(re.compile(f"^{name}: expected")).wait_for()
    desk.button("Got it").click()
    desk.open(slide)
    desk.page.locator("[data-testid=stPopoverButton]", has_text="Open").click()
    desk.open(other)
    expect(desk.page.get_by_role("combobox", name="Format")).to_have_count(0)
    desk.page.get_by_test_id("stSidebar").get_by_role("combobox", name="Slide").click()
    desk.page.get_by_role("option", name=slide.name).click()
    desk.page.get_by_text(re.compile(rf"^{slide.name}: 1,000 x 1,000 pixels")).wait_for()
    desk.page.locator(".viewer[data-ready=true]").wait_for()


def test_a_slide_that_is_too_large_for_annotate_is_opened_here(page, serve_app, slide, tmp_path):
    root = Path(__file__).parents[2]
    environment = {"MASKDESK_DATA": str(tmp_path), "MASKDESK_DATABASE": "", "MASKDESK_MAX_MEGAPIXELS": "0.5"}
    address = serve_app(root / "app.py", environment, cwd=root)
    Desk(page, address)
    page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files([slide])
    page.get_by_text("it is open under Slides").first.wait_for()
    page.get_by_test_id("stPageLink-NavLink").click()  # beside what is said
    page.get_by_text(re.compile(r"^drawn\.svs: 1,000 x 1,000 pixels")).wait_for()
    page.locator(".viewer[data-ready=true]").wait_for()
