"""Drawing from scratch in a real Chromium, over a store on disk: without a model, and from image to image."""

import numpy as np
import pytest

from maskrcnn_core.geometry.rle import mask_iou
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.browser.chromium import remember_name
from tests.browser.frames import wait_until
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
    remember_name(page.context)
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
    review.click(80, 60)
    review.press("Shift+w")
    review.wait(tool="scissors")
    around = np.linspace(0, 2 * np.pi, 24)
    review.drag(*[(60 + 37 * np.cos(angle), 200 + 37 * np.sin(angle)) for angle in around])
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
