"""The editor in a real Chromium, over a store on disk: every tool, and what the store has after it."""

import numpy as np
import pytest

from maskrcnn_core.geometry.polygons import polygons_to_rle
from maskrcnn_core.geometry.rle import mask_iou
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.samples import SAMPLES
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.browser.chromium import remember_name
from tests.browser.desk import Desk
from tests.browser.frames import next_frame, wait_until
from tests.browser.review_page import ReviewPage, link_of, make_project, open_sidebar

pytestmark = pytest.mark.browser


@pytest.fixture
def page(page):
    remember_name(page)
    return page


SCENE = draw_scene(210_000)
HEIGHT, WIDTH = SCENE.pixels.shape[:2]


@pytest.fixture
def project(store, request):
    """One picture with four proposals: discs of radius 30 at (80, 60), (140, 120), (200, 180), (260, 240)."""
    return make_project(store, request.node.name, [("scene.png", encode_png(SCENE.pixels))])


@pytest.fixture
def review(page, address, project):
    return ReviewPage(page, link_of(address, project))


@pytest.fixture
def rows(store, project):
    return lambda: {row.id: row for row in store.instances(project.id)}


def differing(a, b):
    return np.argwhere(a.mask.to_mask() != b.mask.to_mask()).tolist()


def test_an_outline_is_drawn_mended_and_taken_back(review, rows):
    before = rows()
    review.press("Escape", "1", "w")
    review.wait(tool="draw-outline")
    ring = [(20, 20), (60, 20), (60, 60), (40, 45), (20, 60)]
    for point in ring:
        review.click(*point)
    review.press("Backspace")  # the last corner
    review.click(*ring[-1])
    review.press("Enter")
    review.saved()
    (new,) = rows().keys() - before.keys()
    drawn = rows()[new]
    assert (drawn.status, drawn.source, drawn.score) == ("accepted", "person", None)
    corners = np.array(drawn.polygons[0]).reshape(-1, 2)
    assert np.abs(corners - ring).max() < 1.5, "as near as the mouse's whole pixels allow"
    assert polygons_to_rle(drawn.polygons, drawn.size) == drawn.mask
    review.wait(selected=new)

    review.press("v")
    review.drag(ring[3], (40, 30))
    review.saved()
    moved = rows()[new]
    assert len(moved.polygons[0]) == 10
    assert polygons_to_rle(moved.polygons, moved.size) == moved.mask
    assert all(y < 62 and 18 < x < 62 for y, x in differing(moved, drawn))
    review.drag((20, 40), (8, 40))  # from an edge: a corner more
    review.saved()
    assert len(rows()[new].polygons[0]) == 12
    review.click(8, 40, "Alt")
    review.saved()
    assert rows()[new].counts == moved.counts
    review.press("ArrowRight", "ArrowRight", "Shift+ArrowDown")
    review.saved()
    nudged = rows()[new]
    assert np.array_equal(nudged.mask.to_mask()[10:, 2:], moved.mask.to_mask()[:-10, :-2])

    last = rows()
    for _ in range(7):
        review.press("u")
    review.wait(saved="true", status_counts="4,0,0")
    assert rows() == before
    for _ in range(7):
        review.press("y")
    review.wait(saved="true", status_counts="4,1,0")
    assert {id_: row.counts for id_, row in rows().items()} == {id_: row.counts for id_, row in last.items()}


def test_the_smallest_brush_changes_one_pixel_and_the_eraser_makes_holes(review, rows):
    before = rows()
    review.click(80, 60)
    (id_,) = review.selected
    review.press("q", *["["] * 30)
    review.click(20.5, 100.5)
    review.saved()
    assert differing(rows()[id_], before[id_]) == [[100, 20]]
    assert (rows()[id_].status, rows()[id_].score) == ("accepted", before[id_].score)
    review.click(20.5, 100.5, "Alt")
    review.saved()
    assert rows()[id_].counts == before[id_].counts
    review.press(*["]"] * 8, "Shift+q")
    review.wait(tool="eraser")
    review.drag((75, 60), (85, 60))
    review.saved()
    holed = rows()[id_].mask
    assert not holed.to_mask()[60, 75:85].any()
    assert holed.box_xywh == before[id_].mask.box_xywh
    review.press("Escape", "Shift+f")
    review.saved()
    assert rows()[id_].counts == before[id_].counts
    review.press("Escape", "1", "q")
    review.wait(tool="brush")
    next_frame(review.page)  # with the tool its settings come, and the picture moves
    review.drag((20, 200), (60, 200))  # with nothing selected: something new
    review.saved()
    (new,) = rows().keys() - before.keys()
    assert rows()[new].mask.to_mask()[200, 20:60].all()
    for _ in range(5):
        review.press("u")
    review.wait(saved="true", status_counts="4,0,0")
    assert {one: (row.counts, row.score) for one, row in rows().items()} == {
        one: (row.counts, row.score) for one, row in before.items()
    }


def test_instances_are_cut_merged_divided_and_put_in_order(review, rows):
    before = rows()
    review.click(200, 180)
    (id_,) = review.selected
    whole = before[id_].mask.to_mask()
    review.press("k")
    review.drag((200, 140), (200, 220))
    review.saved()
    (piece,) = rows().keys() - before.keys()
    halves = [rows()[one].mask.to_mask() for one in (id_, piece)]
    assert np.array_equal(halves[0] ^ halves[1], whole)
    assert not (halves[0] & halves[1]).any()
    assert min(half.sum() for half in halves) > 0.4 * whole.sum()
    assert rows()[piece].category_id == before[id_].category_id

    review.press("Escape")
    review.click(180, 180)
    review.click(220, 180, "Shift")
    assert set(review.selected) == {id_, piece}
    review.press("j")
    review.saved()
    assert rows().keys() == before.keys() or rows().keys() == before.keys() ^ {id_, piece}
    (merged,) = rows().keys() & {id_, piece}
    assert np.array_equal(rows()[merged].mask.to_mask(), whole)

    # Far from the others, so that the mask is of two parts; those become two instances.
    review.wait(selected=merged)
    review.press("q")
    review.drag((30, 200), (34, 204))
    review.saved()
    review.press("Escape", "Shift+j")
    review.saved()
    (part,) = rows().keys() - before.keys() - {piece}
    assert np.array_equal(rows()[merged].mask.to_mask(), whole)
    assert rows()[part].mask.to_mask()[202, 32]

    review.click(200, 180)
    review.press("Shift+c")
    review.saved()
    copy = max(rows())
    review.wait(selected=copy)
    review.press("i")
    review.saved()
    assert not (rows()[copy].mask.to_mask() & rows()[merged].mask.to_mask()).any()
    review.press("u")
    review.wait(saved="true")
    assert np.array_equal(rows()[merged].mask.to_mask(), whole)
    review.click(228, 208)  # of the two only the copy is there
    review.wait(selected=copy)
    review.press("Shift+i")
    review.saved()
    assert np.array_equal(rows()[merged].mask.to_mask(), whole)
    assert not (rows()[copy].mask.to_mask() & whole).any()
    review.press("Delete")
    review.saved()
    assert copy not in rows()


def test_the_better_of_two_that_are_one_object_stays_whatever_they_are_called(review, rows):
    before = rows()
    review.click(80, 60)
    (original,) = review.selected
    review.press("Shift+c")
    review.saved()
    (copy,) = rows().keys() - before.keys()
    review.wait(selected=copy)
    review.press("4")
    review.saved()
    review.press("Escape", "Shift+k")
    review.wait(selected=original)  # a proposal; what a person made is better
    assert review.said.startswith("1 duplicate selected")
    review.press("d")
    review.wait(saved="true", status_counts="3,1,1")
    assert (rows()[original].status, rows()[copy].status) == ("rejected", "accepted")
    review.press("Shift+k")
    assert review.said == "no duplicates"


def test_the_network_makes_a_chosen_mask_again(review, rows):
    wanted = max(SCENE.masks, key=lambda mask: mask.area)
    x, y, width, height = wanted.box_xywh
    review.press("r")
    review.drag((x, y), (x + width, y + height))
    review.wait(saved="true", status_counts="4,1,0")
    review.press("Escape")
    (id_,) = review.selected
    drawn = rows()[id_]
    review.press("g", "g")
    review.saved()
    grown = rows()[id_]
    review.press("s", "s", "s", "s")
    review.saved()
    shrunk = rows()[id_]
    assert shrunk.area < drawn.area < grown.area
    review.press("v", "Shift+ArrowRight", "Shift+ArrowRight", "Escape", "t")
    review.saved()
    again = rows()[id_]
    assert mask_iou(again.mask, wanted) > 0.7
    for _ in range(9):
        review.press("u")
    review.wait(saved="true", status_counts="4,1,0")
    assert rows()[id_].counts == drawn.counts


def test_the_network_looks_closer_at_a_chosen_mask_and_it_is_taken_back(review, rows):
    wanted = min(SCENE.masks, key=lambda mask: mask.area)
    x, y, width, height = wanted.box_xywh
    review.press("r")
    review.drag((x, y), (x + width, y + height))
    review.wait(saved="true", status_counts="4,1,0")
    review.press("Escape")
    (id_,) = review.selected
    drawn = rows()[id_]
    others = {other: row.counts for other, row in rows().items() if other != id_}
    review.page.get_by_role("button", name="Look closer").first.click()
    review.saved()
    closer = rows()[id_]
    assert closer.counts != drawn.counts and mask_iou(closer.mask, wanted) > 0.7
    assert (closer.category_id, closer.status) == (drawn.category_id, drawn.status)
    assert {other: row.counts for other, row in rows().items() if other != id_} == others
    review.press("u")
    review.wait(saved="true", status_counts="4,1,0")
    assert rows()[id_].counts == drawn.counts
    review.press(";")
    review.saved()
    assert rows()[id_].counts == closer.counts, "the key does what the button does"


def test_what_was_drawn_a_moment_ago_can_be_named_and_is_there_after_the_page_was_left(review, rows, address):
    before = rows()
    review.press("Escape", "1", "w")
    for point in ((20, 20), (60, 20), (60, 60)):
        review.click(*point)
    # Python has not said yet what it is called.
    review.press("Enter", "3", "d")
    review.page.get_by_role("link", name="Models").click()
    review.page.get_by_text("Your own model").wait_for(timeout=60_000)
    review.page.get_by_role("link", name="Review").click()
    review.saved()
    (new,) = rows().keys() - before.keys()
    assert rows()[new].status == "rejected"
    review.page.reload()
    review.wait(status_counts="4,0,1")


def test_a_stroke_over_the_servers_answer_is_kept_and_one_over_another_picture_is_not(review, rows):
    before = rows()
    review.press("Escape", "1", "w")
    for point in ((20, 20), (60, 20), (60, 60)):
        review.click(*point)
    review.press("Enter", "q")
    review.page.mouse.move(*review.at(50, 30))
    review.page.mouse.down()
    review.page.mouse.move(*review.at(90, 30), steps=3)
    review.saved()  # what is painted on has its number now
    review.page.mouse.move(*review.at(120, 30), steps=3)
    review.page.mouse.up()
    review.saved()
    (new,) = rows().keys() - before.keys()
    assert rows()[new].mask.to_mask()[30, 50:120].all()
    review.page.mouse.move(*review.at(50, 40))
    review.page.mouse.down()
    review.page.mouse.move(*review.at(70, 40), steps=3)
    review.press("Delete")
    review.page.mouse.move(*review.at(90, 40), steps=3)
    review.page.mouse.up()
    review.wait(saved="true", status_counts="4,0,0")
    assert rows() == before


def test_in_a_queue_of_instances_no_other_one_is_decided_in_the_place_of_one_that_is_gone(review, rows):
    open_sidebar(review.page).get_by_role("radio", name="Instances").click()
    review.page.get_by_text("1 of 4").wait_for(timeout=60_000)
    review.wait(at=0, saved="true")
    review.press("Delete")
    review.wait(status_counts="3,0,0", saved="true")
    review.press("a")
    next_frame(review.page)  # by now it would say that something is to be saved
    review.saved()
    assert {row.status for row in rows().values()} == {"proposed"}


def test_escape_gives_up_what_is_under_way_and_then_the_tool(review, rows):
    before = rows()
    review.press("w")
    review.click(20, 20)
    review.click(60, 20)
    review.press("Escape")
    review.wait(tool="draw-outline")
    review.press("Enter")
    review.press("q")
    review.page.mouse.move(*review.at(30, 30))
    review.page.mouse.down()
    review.page.mouse.move(*review.at(60, 30), steps=3)
    review.press("Escape")
    review.page.mouse.up()
    review.wait(tool="brush")
    review.press("Escape")
    review.wait(tool="")
    review.click(80, 60)
    assert review.selected, "the picture has its mouse again"
    assert rows() == before


def test_one_finger_draws_and_two_move_the_picture(review, rows):
    before = rows()
    session = review.page.context.new_cdp_session(review.page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})

    def touch(kind, *points):
        places = [dict(zip("xy", review.at(*point), strict=True), id=n) for n, point in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    review.press("Escape", "1", "q")
    review.wait(tool="brush")
    next_frame(review.page)  # with the tool its settings come, and the picture moves
    touch("touchStart", (30, 200))
    touch("touchMove", (45, 200))
    touch("touchMove", (60, 200))
    touch("touchEnd")
    review.saved()
    (new,) = rows().keys() - before.keys()
    assert rows()[new].mask.to_mask()[200, 32:58].all()
    counts, zoom = rows()[new].counts, float(review.root.get_attribute("data-zoom"))
    touch("touchStart", (150, 200))
    touch("touchMove", (155, 200))
    touch("touchStart", (155, 200), (200, 200))
    for step in range(1, 6):
        touch("touchMove", (155, 200), (200 + 8 * step, 200))
    touch("touchEnd")
    larger = lambda: float(review.root.get_attribute("data-zoom")) > 1.1 * zoom  # noqa: E731
    wait_until(review.page, larger, "a larger picture")
    review.saved()
    assert rows()[new].counts == counts, "the first finger's stroke was given up"
    assert len(rows()) == len(before) + 1


def test_what_is_seen_on_the_annotate_page_is_mended_in_a_project_of_its_own(page, address, store):
    known = {row.id for row in store.projects()}
    desk = Desk(page, address)
    page.get_by_role("button", name=SAMPLES[0].title, exact=True).click()
    page.locator("[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=120_000)
    desk.settle()
    count = desk.shown
    page.get_by_role("button", name="Correct masks").click()
    page.wait_for_url("**/review?*", timeout=60_000)
    page.locator(f".viewer[data-part=root][data-status-counts='{count},0,0']").wait_for(timeout=60_000)
    (project,) = {row.id for row in store.projects()} - known
    assert {row.source for row in store.instances(project)} == {"photos"}
    page.get_by_role("link", name="Annotate").click()
    page.locator("[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=60_000)
    page.get_by_role("button", name="Correct masks").click()
    page.wait_for_url(f"**/review?project={project}*", timeout=60_000)


def test_a_tool_in_use_keeps_nobody_from_moving_the_picture(review, rows):
    before = rows()
    page, mouse = review.page, review.page.mouse
    review.press("Escape", "1", "q")
    review.wait(tool="brush")
    next_frame(review.page)  # with the tool its settings come, and the picture moves
    review.wait(tool="brush")
    page.evaluate("document.addEventListener('contextmenu', (event) => (menu = !event.defaultPrevented))")

    def drag(**button):
        x, y = review.at(60, 40)
        mouse.move(x, y)
        mouse.down(**button)
        mouse.move(x + 40, y + 30, steps=4)
        mouse.up(**button)
        next_frame(page)
        assert review.at(60, 40) == pytest.approx((x + 40, y + 30), abs=0.6)
        review.press("f")

    review.press("+")
    drag(button="right")
    drag(button="middle")
    page.keyboard.down("Space")
    drag()
    page.keyboard.up("Space")
    assert page.evaluate("menu") is False
    next_frame(page)
    review.saved()
    assert rows() == before, "nothing was painted"
    review.drag((50, 30), (90, 30))
    review.saved()
    (new,) = rows().keys() - before.keys()
    mouse.click(*review.at(70, 30), button="right")  # the brush's opposite
    review.saved()
    painted = rows()[new].mask.to_mask()
    assert painted[30, 52] and not painted[30, 70]
