"""The small models on their own ground, on a machine without a hub, weights, or any file from elsewhere."""

import json

import pytest

from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.geometry.rle import mask_iou
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.samples import sample_png
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES, draw_scene
from tests.browser.desk import Desk

UNSEEN = 200_000  # seeds from here on are in no data set that anything was trained on

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(boxed_address):
    return boxed_address


@pytest.fixture
def desk(page, address):
    desk = Desk(page, address)
    desk.choose_domain("Drawings")
    return desk


def test_the_model_for_drawings_says_what_it_knows(desk):
    sidebar = desk.page.get_by_test_id("stSidebar")
    sidebar.get_by_text("for trying MaskDesk out").wait_for()
    sidebar.get_by_text("drawn shapes: circles, squares and triangles").wait_for()


def test_a_drawn_scene_becomes_a_checked_coco_file(desk, tmp_path):
    scene = draw_scene(UNSEEN)
    picture = tmp_path / "scene.png"
    picture.write_bytes(encode_png(scene.pixels))
    desk.drop(picture)
    count = desk.shown
    name, data = desk.download("COCO JSON")
    assert name == "scene_coco.json"
    dataset, refusals = read_coco(data)
    assert refusals == [] and len(dataset.instances) == count
    names = {category.id: category.name for category in dataset.categories}
    assert set(names.values()) == {"circle", "square", "triangle"}
    wanted = {category.id: category.name for category in SCENE_CATEGORIES}
    found = sum(
        any(
            names[i.category_id] == wanted[category_id] and mask_iou(i.mask, mask) > 0.7
            for i in dataset.instances
        )
        for mask, category_id in zip(scene.masks, scene.category_ids, strict=True)
    )
    assert found >= 0.7 * len(scene.masks)


def test_a_photo_among_drawings_is_told_and_one_click_switches(desk, tmp_path):
    page = desk.page
    photo = tmp_path / "photo.png"
    photo.write_bytes(sample_png("astronaut"))
    page.set_input_files("input[type=file]", photo)
    page.get_by_text("This looks like a photo").wait_for(timeout=60_000)
    # The list of images beside the button grows with what is found: where it stands then, it stays.
    page.locator("[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=120_000)
    desk.settle()
    # The pointer rests where "Drawings" was chosen: on another button now, whose tip covers this one.
    page.mouse.move(700, 500)
    page.get_by_role("tooltip").wait_for(state="detached")
    switch = page.get_by_role("button", name="Switch to Photos")
    switch.scroll_into_view_if_needed()
    switch.click()
    page.get_by_text("This looks like a photo").wait_for(state="detached")
    page.locator("[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=120_000)


@pytest.mark.parametrize(
    ("title", "category", "least"),
    [
        ("Nuclei, fluorescence", "nucleus", 40),
        ("Nuclei, stained tissue", "nucleus", 70),
        ("Overlapping shapes", "", 18),
    ],
)
def test_samples_are_found(desk, title, category, least):
    desk.open_sample(title)
    desk.page.locator("[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=120_000)
    count = desk.shown
    assert count >= least
    _, data = desk.download("COCO JSON")
    document = json.loads(data)
    assert len(document["annotations"]) == count
    names = {c["id"]: c["name"] for c in document["categories"]}
    found = [names[a["category_id"]] for a in document["annotations"]]
    assert found.count(category) > 0.9 * count if category else "nucleus" not in found[: count // 2]
