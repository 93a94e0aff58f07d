"""Category first, in a real Chromium: what is drawn gets the active category, or asks for one."""

import pytest
from playwright.sync_api import expect

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.projects.exchange.intake import import_files
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.browser.chromium import remember_name
from tests.browser.frames import wait_until
from tests.browser.review_page import CATEGORIES, ReviewPage, link_of, make_project

pytestmark = pytest.mark.browser

SCENE = draw_scene(210_000)
_X, _Y, _WIDTH, _HEIGHT = max(SCENE.masks, key=lambda mask: mask.area).box_xywh
AROUND = (_X, _Y), (_X + _WIDTH, _Y + _HEIGHT)
"""An object that the network sees: of nothing it makes no mask, and the box stays."""
RING = [(20, 20), (60, 20), (60, 60), (20, 60)]


@pytest.fixture
def page(page):
    remember_name(page)
    return page


@pytest.fixture
def project(store, request):
    """Four categories, one picture with four proposals: discs of radius 30 at (80, 60), (140, 120), ..."""
    return make_project(store, request.node.name, [("scene.png", encode_png(SCENE.pixels))])


@pytest.fixture
def review(page, address, project):
    return ReviewPage(page, link_of(address, project))


@pytest.fixture
def named(store, project):
    """The category names of instances by id, as stored."""

    def read():
        names = {row.id: row.name for row in store.categories(project.id)}
        return {row.id: names[row.category_id] for row in store.instances(project.id)}

    return read


def draw(review, points=RING):
    review.press("w")
    for point in points:
        review.click(*point)
    review.press("Enter")


def picker(review):
    return review.page.get_by_role("dialog", name="Choose a category")


def first_option(review):
    return picker(review).get_by_role("option").first


def test_what_is_drawn_without_a_category_waits_until_it_is_said(review, named):
    before = named()
    review.press("Escape")
    draw(review)
    picker(review).wait_for()
    expect(picker(review)).to_contain_text("The shape waits")
    review.press("Escape", "Escape")
    review.wait(waiting_shapes="1", saved="true")
    assert named() == before, "nothing is silently the first category"

    review.page.reload()
    review.wait(waiting_shapes="1")
    review.press("u")
    review.wait(waiting_shapes="0")
    review.press("y")
    review.wait(waiting_shapes="1")
    review.press("e", *"squ", "Enter")
    review.wait(waiting_shapes="0", category="square", saved="true", status_counts="4,1,0")
    assert set(named().items()) - set(before.items()) == {(max(named()), "square")}

    # From now on it is active, also after a reload.
    review.page.reload()
    review.wait(category="square")
    review.press("Escape")
    draw(review, [(x + 200, y) for x, y in RING])
    review.wait(saved="true", status_counts="4,2,0")
    assert named()[max(named())] == "square"


def test_choosing_a_category_gives_it_to_what_is_selected_and_makes_it_active(review, named):
    review.click(80, 60)
    (id_,) = review.selected
    review.press("3")
    review.wait(category="square", saved="true")
    assert named()[id_] == "square"
    review.press("Escape", "4")
    review.wait(category="triangle")
    assert named()[id_] == "square" and "active category: triangle" in review.said
    review.press("w")
    review.press("2")  # while drawing
    review.wait(category="circle")
    for point in RING:
        review.click(*point)
    review.press("Enter")
    review.wait(saved="true", status_counts="4,1,0")
    assert named()[max(named())] == "circle"


def test_between_two_shapes_a_category_is_that_of_the_next_one(review, named):
    review.press("Escape", "3")
    review.wait(category="square")
    draw(review)
    review.wait(saved="true", status_counts="4,1,0")
    (first,) = review.selected
    review.wait(tool="draw-outline")  # as it stays on
    review.press("4")
    review.wait(category="triangle")
    assert "choose it again to relabel" in review.said
    for x, y in RING:
        review.click(x + 200, y)
    review.press("Enter")
    review.wait(saved="true", status_counts="4,2,0")
    assert (named()[first], named()[max(named())]) == ("square", "triangle")
    review.press("3")
    review.wait(category="square")
    review.press("3")  # meant
    review.wait(saved="true")
    wait_until(review.page, lambda: named()[max(named())] == "square", "the last one to be a square")
    assert named()[first] == "square"


def test_a_new_category_is_made_in_place_and_undone(review, store, project, named):
    review.press("Escape", "e")
    review.page.keyboard.insert_text("Pallet jäck")
    option = picker(review).get_by_role("option", name="New category: Pallet jäck")
    option.wait_for()
    review.press("Enter")
    review.wait(category="Pallet jäck", saved="true")
    draw(review)
    review.wait(saved="true", status_counts="4,1,0")
    assert named()[max(named())] == "Pallet jäck"
    review.press("Escape", "e", *"jack")
    expect(first_option(review)).to_have_text("Pallet jäck\n5", use_inner_text=True)
    review.press("Escape", "u", "u")
    review.wait(saved="true", status_counts="4,0,0", category="")
    assert [row.name for row in store.categories(project.id)] == list(CATEGORIES)


def test_a_category_gets_a_key_of_its_own(review, named):
    review.press("Escape", "e", *"tri", "Alt+t", "Escape")
    review.click(80, 60)
    (id_,) = review.selected
    review.press("Alt+t")
    review.wait(category="triangle", saved="true")
    assert named()[id_] == "triangle"
    review.page.reload()
    review.wait(saved="true")
    review.press("Escape", "e")
    expect(first_option(review), "chosen last, with its key").to_have_text(
        "triangle\nAlt+T", use_inner_text=True
    )


def test_a_box_gets_the_networks_guess_unless_a_category_is_active(review, named):
    review.press("Escape", "r")
    review.drag(*AROUND)
    review.wait(saved="true", status_counts="4,1,0")
    guessed = named()[max(named())]
    review.page.get_by_text(f"added: {guessed}, the network’s guess").wait_for()
    other = next(name for name in ("square", "triangle") if name != guessed)
    review.press("Escape", "Escape", str(1 + CATEGORIES.index(other)), "r")
    review.drag(*AROUND)
    review.wait(saved="true", status_counts="4,2,0")
    assert named()[max(named())] == other
    review.page.get_by_text(f"added: {other}, the active category").wait_for()


def test_a_box_whose_category_nobody_knows_waits_until_it_is_said(page, address, store):
    project = store.create_project("No categories", "ann")
    import_files(store, project.id, "ann", [("scene.png", encode_png(SCENE.pixels))])
    review = ReviewPage(page, link_of(address, project))
    review.press("r")
    review.drag(*AROUND)
    picker(review).wait_for()
    review.wait(waiting_shapes="1", status_counts="0,0,0")
    assert page.locator("[data-part=refusal-count]").is_hidden(), "it only waits"
    review.press(*"gizmo", "Enter")
    review.wait(waiting_shapes="0", saved="true", status_counts="0,1,0")
    (row,) = store.instances(project.id)
    (category,) = store.categories(project.id)
    assert (category.name, row.category_id, row.source) == ("gizmo", category.id, "person")
    for _ in range(2):
        review.press("u")
    review.wait(saved="true", status_counts="0,0,0")
    assert store.categories(project.id) == []


def test_a_row_of_the_list_is_renamed_in_place(review, named):
    review.press("Escape")
    id_ = next(id_ for id_, name in named().items() if name == "nucleus")
    row = review.root.locator(f".list-row[data-instance='{id_}']")
    expect(row).to_contain_text("shapes")
    expect(row).to_contain_text("proposed")
    row.dblclick()
    picker(review).wait_for()
    review.press(*"tria", "Enter")
    review.wait(saved="true", category="triangle")
    assert named()[id_] == "triangle"
    expect(row).to_contain_text("triangle")
    review.press("a")
    review.wait(saved="true", status_counts="3,1,0")
    expect(row).to_contain_text("accepted")


def test_locked_and_hidden_instances_are_not_decided_on(review, store, project):
    review.press("Escape")
    ids = sorted(row.id for row in store.instances(project.id))
    for id_, name in zip(ids[:2], ("Lock this", "Hide this"), strict=True):
        review.root.locator(f".list-row[data-instance='{id_}']").get_by_role("button", name=name).click()
    review.wait(marked="1,1")
    review.press("Shift+a")
    review.wait(saved="true", status_counts="2,2,0")
    found = {row.id: row.status for row in store.instances(project.id)}
    assert [found[id_] for id_ in ids] == ["proposed", "proposed", "accepted", "accepted"]
