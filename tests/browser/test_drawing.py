"""Drawing from scratch in a real Chromium, over a store on disk: without a model, and from image to image."""

import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from maskrcnn_core.geometry.rle import mask_iou
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.browser.chromium import remember_name
from tests.browser.frames import next_frame, wait_until
from tests.browser.review_page import ReviewPage, link_of, make_project
from tests.builders.core import disc

pytestmark = pytest.mark.browser

SCENE = draw_scene(210_000)
HEIGHT, WIDTH = SCENE.pixels.shape[:2]
TARGET = disc(HEIGHT, WIDTH, 200, 60, 28)
"""A bright disc that nobody has proposed."""


def with_target(pixels):
    pixels = pixels.copy()
    pixels[TARGET.to_mask()] = (250, 240, 40)
    return pixels


@pytest.fixture
def page(page):
    remember_name(page)
    return page


@pytest.fixture
def project(store, request):
    """The scene, and its upper left part, each with four proposals: discs along the diagonal."""
    pictures = [
        ("1.png", encode_png(with_target(SCENE.pixels))),
        ("2.png", encode_png(SCENE.pixels[:230, :200])),
    ]
    return make_project(store, request.node.name, pictures)


@pytest.fixture
def review(page, address, project, store):
    first = next(row.id for row in store.images(project.id) if row.file_name == "1.png")
    return ReviewPage(page, link_of(address, project, image=first))


@pytest.fixture
def rows(store, project):
    return lambda: {row.id: row for row in store.instances(project.id)}


def category_of(store, project, name):
    return next(row.id for row in store.categories(project.id) if row.name == name)


def test_a_rectangle_is_drawn_without_a_network_and_its_corners_are_mended(review, rows, store, project):
    before = rows()
    review.click(80, 60)
    review.press("3", "r")
    review.wait(tool="box")
    review.page.keyboard.down("Alt")
    review.drag((20, 150), (61, 190))
    review.page.keyboard.up("Alt")
    review.saved()
    (new,) = rows().keys() - before.keys()
    drawn = rows()[new]
    assert (drawn.source, drawn.status, drawn.score) == ("rectangle", "accepted", None)
    x, y, width, height = drawn.box_xywh
    assert np.abs(np.array([x, y, x + width, y + height]) - (20, 150, 61, 190)).max() <= 2
    assert drawn.area == width * height and len(drawn.polygons[0]) == 8
    assert drawn.category_id == category_of(store, project, "square"), "that of the selected instance"
    review.press("Escape", "v")
    review.drag((x + width, y + height), (x + width + 12, y + height + 9))
    review.saved()
    assert rows()[new].area > drawn.area
    review.press("u", "u")
    review.wait(saved="true")
    assert new not in rows()


def test_a_lasso_becomes_the_object_along_its_edges(review, rows):
    before = rows()
    review.press("Escape", "Shift+w")
    review.wait(tool="scissors")
    around = np.linspace(0, 2 * np.pi, 24)
    review.drag(*[(60 + 37 * np.cos(angle), 200 + 37 * np.sin(angle)) for angle in around])
    review.page.get_by_text("What is it? The shape waits for its category").wait_for()
    review.press("Enter")  # the first one; until then nothing is stored, and nothing lost
    review.saved()
    (new,) = rows().keys() - before.keys()
    assert mask_iou(rows()[new].mask, TARGET) > 0.93
    review.wait(selected=new)
    review.press("u")
    review.wait(saved="true")
    assert new not in rows()


def test_copied_instances_are_pasted_on_the_next_image_clipped_to_it(review, rows):
    before = rows()
    first = review.image_id
    review.click(80, 60)
    review.click(200, 180, "Shift")
    review.click(260, 240, "Shift")
    copied = review.selected
    assert len(copied) == 3
    review.press("Control+c")
    assert review.said == "3 copied"
    review.press(".")
    wait_until(review.page, lambda: review.image_id != first, "the next image")
    review.wait()
    review.press("Control+v")
    assert review.said == "2 pasted; 1 outside the image"
    review.saved()
    fresh = [rows()[id_] for id_ in sorted(rows().keys() - before.keys())]
    assert {row.image_id for row in fresh} == {review.image_id}
    assert [(row.source, row.status) for row in fresh] == [("pasted", "accepted")] * 2
    for row, id_ in zip(fresh, sorted(copied)[:2], strict=True):
        old = before[id_]
        assert row.category_id == old.category_id
        assert np.array_equal(row.mask.to_mask(), old.mask.to_mask()[:230, :200])
    assert sorted(review.selected) == [row.id for row in fresh]
    review.press("u")
    review.wait(saved="true")
    assert rows().keys() == before.keys()


def test_instances_are_propagated_to_the_next_image_and_how_many_is_said(review, rows):
    before = rows()
    first = review.image_id
    within = [
        mask for mask in SCENE.masks if not mask.to_mask()[220:].any() and not mask.to_mask()[:, 190:].any()
    ]
    x, y, width, height = max(within, key=lambda mask: mask.area).box_xywh
    review.press("Escape", "r")
    review.drag((x, y), (x + width, y + height))
    review.wait(saved="true", status_counts="4,1,0")
    (drawn,) = rows().keys() - before.keys()
    review.press("Escape", "Shift+n")
    wait_until(review.page, lambda: review.image_id != first, "the next image")
    review.wait(saved="true")
    said = review.page.locator("[data-part=say]")
    wait_until(review.page, lambda: "looks for" not in said.inner_text(), "the answer")
    assert said.inner_text() == "1 instance of 1 propagated to this image"
    (fresh,) = rows().keys() - before.keys() - {drawn}
    row = rows()[fresh]
    assert (row.source, row.status, row.image_id) == ("propagated", "proposed", review.image_id)
    assert row.category_id == rows()[drawn].category_id
    overlap = row.mask.to_mask() & rows()[drawn].mask.to_mask()[:230, :200]
    assert overlap.sum() > 0.6 * row.area, "the same object at the same place"


def pixel_at(review, x, y):
    """The colour of the canvas at a point of the image that is drawn upright."""
    next_frame(review.page)
    return review.page.locator("[data-part=canvas]").evaluate(
        """(canvas, [x, y]) => {
          const {zoom, pan} = canvas.closest("[data-part=root]").dataset;
          const [left, top] = pan.split(",").map(Number);
          const at = [left + x * zoom, top + y * zoom].map((side) => Math.round(side * devicePixelRatio));
          return [...canvas.getContext("2d").getImageData(...at, 1, 1).data].slice(0, 3);
        }""",
        [x, y],
    )


def test_the_brush_has_a_size_that_wheel_slider_and_reload_keep(review, rows, address, project):
    before = rows()
    review.press("Escape", "3", "q")
    review.wait(tool="brush")
    size = review.page.get_by_role("slider", name="Size of the brush")
    zoom = review.root.get_attribute("data-zoom")
    review.page.mouse.move(*review.at(60, 200))
    review.page.keyboard.down("Shift")
    for _ in range(3):
        review.page.mouse.wheel(0, 120)
    review.page.keyboard.up("Shift")
    wait_until(review.page, lambda: size.get_attribute("aria-valuetext") == "12 px", "a smaller brush")
    assert review.root.get_attribute("data-zoom") == zoom
    review.click(60, 200)
    review.saved()
    (first,) = rows().keys() - before.keys()
    assert abs(rows()[first].area - np.pi * 6**2) < 12
    size.evaluate("input => { input.value = 0.5; input.dispatchEvent(new Event('input')); }")
    expect(size).to_have_attribute("aria-valuetext", "20 px")
    review.press("Escape", "Escape")
    expect(size).to_have_count(0)
    again = ReviewPage(review.page, link_of(address, project, image=review.image_id))
    again.press("q")
    again.wait(tool="brush")
    expect(size).to_have_attribute("aria-valuetext", "20 px")


def test_a_pen_that_is_pressed_lightly_paints_thinner(review, rows):
    before = rows()
    review.press("Escape", "3")
    areas = []
    for x, pressure in ((40, 0.5), (90, 0.25)):
        review.press("Escape", "q")
        review.page.locator("[data-part=stage]").evaluate(
            """(stage, [clientX, clientY, pressure]) => {
              const how = {bubbles: true, composed: true, pointerId: 7, pointerType: "pen", clientX, clientY};
              stage.setPointerCapture = () => {};
              stage.dispatchEvent(new PointerEvent("pointerdown", {...how, buttons: 1, pressure}));
              stage.dispatchEvent(new PointerEvent("pointerup", {...how, buttons: 0, pressure: 0}));
            }""",
            [*review.at(x, 200), pressure],
        )
        review.saved()
        (new,) = rows().keys() - before.keys()
        before = rows()
        areas.append(rows()[new].area)
        review.press("Escape", "Escape")
    assert areas[1] < 0.4 * areas[0]


def test_the_view_is_inverted_and_turned_and_the_file_stays_as_it_is(review, rows, store, project):
    digest = store.images(project.id)[0].digest
    bytes_before = store.blobs.get(digest)
    plain = pixel_at(review, 60, 200)
    assert np.abs(np.array(plain) - (250, 240, 40)).max() < 25
    review.page.locator("[data-part=stage]").focus()
    review.press("Shift+V")
    wait_until(
        review.page, lambda: np.abs(255 - np.array(pixel_at(review, 60, 200)) - plain).max() < 3, "a negative"
    )
    review.press("Shift+Z", "Shift+X", "Shift+R")
    review.wait(turns=1)
    next_frame(review.page)

    # Seen turned by a quarter, a point of the image is elsewhere: every tool finds it.
    stage = review.page.locator("[data-part=stage]").bounding_box()
    zoom = float(review.root.get_attribute("data-zoom"))
    left, top = map(float, review.root.get_attribute("data-pan").split(","))

    def at(x, y):
        return stage["x"] + stage["width"] - (top + y * zoom) - 1, stage["y"] + left + x * zoom + 1

    review.page.mouse.click(*at(80, 60))
    (id_,) = review.selected
    assert rows()[id_].mask.to_mask()[60, 80]
    review.press("Escape", "3")
    before = rows()
    review.press("w")
    for point in ((20, 150), (60, 150), (60, 190)):
        review.page.mouse.click(*at(*point))
    review.press("Enter")
    review.saved()
    (new,) = rows().keys() - before.keys()
    x, y, width, height = rows()[new].box_xywh
    assert np.abs(np.array([x, y, x + width, y + height]) - (20, 150, 60, 190)).max() <= 3
    review.press("Escape", "v", "ArrowDown", "Escape")
    review.saved()
    assert rows()[new].box_xywh[0] == x + 1, "down on the screen is right in the picture"
    review.press("r")
    review.page.mouse.move(*at(100, 200))
    review.page.keyboard.down("Alt")
    review.page.mouse.down()
    review.page.mouse.move(*at(140, 230), steps=4)
    review.page.mouse.up()
    review.page.keyboard.up("Alt")
    review.saved()
    (drawn,) = rows().keys() - before.keys() - {new}
    x, y, width, height = rows()[drawn].box_xywh
    assert np.abs(np.array([x, y, x + width, y + height]) - (100, 200, 140, 230)).max() <= 3

    review.page.get_by_text("Picture", exact=True).click()
    review.page.get_by_role("button", name="As it is").click()
    review.wait(turns=0)
    wait_until(review.page, lambda: pixel_at(review, 60, 200) == plain, "the picture as it is")
    assert store.blobs.get(digest) == bytes_before


def test_a_key_is_changed_in_the_list_and_tips_follow_and_a_file_takes_it_along(review, rows, tmp_path):
    page = review.page
    sheet, said = page.get_by_role("dialog", name="Keys and mouse"), page.locator("[data-part=keys-said]")
    outline = page.locator("[data-act=draw-outline]")
    review.press("?")
    sheet.locator("[data-keys-of=draw-outline]").click()
    expect(said).to_contain_text("new key of “Outline”")
    review.press("3")
    expect(said).to_contain_text("digits stay the categories")
    review.press("q")
    expect(said).to_have_text(re.compile("^Q is “Brush”. Press it again"))
    review.press("q")
    expect(said).to_have_text("Q is “Outline” now; “Brush” has none now.")
    expect(sheet.locator("[data-keys-of=draw-outline]")).to_have_text("Q")
    expect(sheet.locator("[data-keys-of=brush]")).to_have_text("no key")
    assert "(Q;" in outline.get_attribute("title")
    with page.expect_download() as started:
        sheet.get_by_role("button", name="Export keys").click()
    file = tmp_path / "keys.json"
    started.value.save_as(file)
    assert json.loads(file.read_text()) == {"version": 1, "keys": {"brush": [], "draw-outline": ["q"]}}
    sheet.get_by_role("button", name="Close").click()
    review.press("w")
    assert review.root.get_attribute("data-tool") in (None, "")
    review.press("q")
    review.wait(tool="draw-outline")
    page.reload()
    review.wait()
    review.press("q")
    review.wait(tool="draw-outline")
    review.press("Escape", "?")
    sheet.get_by_role("button", name="Reset keys").click()
    expect(sheet.locator("[data-keys-of=draw-outline]")).to_have_text("W")
    page.locator("[data-part=keys-file]").set_input_files(
        {"name": "bad.json", "mimeType": "application/json", "buffer": b'{"version": 1, "keys": {"fly": []}}'}
    )
    wait_until(page, lambda: "expected an action's name" in said.inner_text(), "a refusal")
    page.locator("[data-part=keys-file]").set_input_files(str(file))
    wait_until(page, lambda: "Keys of 2 actions" in said.inner_text(), "the file's keys")
    review.press("Escape", "q")
    review.wait(tool="draw-outline")
