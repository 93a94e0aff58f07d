"""The list of instances beside the picture, in a real Chromium."""

from pathlib import Path

import pytest

from tests.browser.frames import next_frame, wait_until
from tests.browser.test_viewer import CENTRE, ViewerPage

pytestmark = pytest.mark.browser


FIRST = 100  # the instance that lies free around the centre


@pytest.fixture(scope="module")
def address(serve_app):
    return serve_app(Path(__file__).with_name("viewer_app.py"))


class ListPage(ViewerPage):
    """What a person sees of the list, and does in it."""

    @property
    def grid(self):
        return self.page.get_by_role("grid", name="Instances")

    @property
    def rows(self):
        return self.root.locator(".list-row")

    def row(self, id_):
        return self.root.locator(f".list-row[data-instance='{id_}']")

    def places(self):
        """Ids of the rows that are there, in their order."""
        next_frame(self.page)
        found = self.rows.evaluate_all(
            "rows => rows.map(row => [row.getAttribute('aria-rowindex'), row.dataset.instance].map(Number))"
        )
        return [id_ for _, id_ in sorted(found)]

    def selected(self):
        next_frame(self.page)
        return [int(id_) for id_ in (self.fact("selected") or "").split(",") if id_]

    def said_selected(self):
        """What the rows themselves say."""
        next_frame(self.page)
        chosen = self.root.locator(".list-row[aria-selected=true]")
        return sorted(chosen.evaluate_all("rows => rows.map(row => Number(row.dataset.instance))"))

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)


@pytest.fixture
def listed(page, address):
    return ListPage(page, address, count=12)


def test_rows_and_picture_select_one_another(listed):
    first, second, third = listed.places()[:3]
    listed.row(second).click()
    assert (listed.selected(), listed.said_selected()) == ([second], [second])
    listed.wait_state(selected=[second])
    listed.row(third).click(modifiers=["Control"])
    assert sorted(listed.selected()) == sorted([second, third])
    listed.row(first).click(modifiers=["Shift"])
    assert sorted(listed.selected()) == sorted([first, second, third])
    listed.press("Control+a")
    assert len(listed.selected()) == int(listed.fact("shown-count"))
    listed.press("Escape")
    assert listed.said_selected() == []
    listed.part("stage").focus()
    listed.press("n")
    assert listed.said_selected() == [first]
    assert "active" in listed.row(first).get_attribute("class")


def test_the_list_is_one_stop_of_tab_and_arrows_go_through_it(listed):
    ids = listed.places()
    listed.root.get_by_role("searchbox").focus()
    listed.press("Tab")
    assert listed.grid.evaluate("one => one.getRootNode().activeElement === one")
    listed.press("ArrowDown", "ArrowDown")
    assert listed.selected() == [ids[1]]
    assert listed.grid.get_attribute("aria-activedescendant") == listed.row(ids[1]).get_attribute("id")
    listed.press("Shift+ArrowDown", "Shift+ArrowDown")
    assert sorted(listed.selected()) == sorted(ids[1:4])
    listed.press("Control+ArrowDown", " ")
    assert sorted(listed.selected()) == sorted(ids[1:5])
    listed.press("Home")
    assert listed.selected() == [ids[0]]
    listed.press("ArrowUp", "ArrowRight", "Enter", "ArrowDown")  # a column's head
    head = listed.root.locator("[data-column=area]")
    assert head.get_attribute("aria-sort") == "descending"
    assert sorted(listed.places()) == sorted(ids) and listed.places() != ids
    listed.press("Tab")
    assert not listed.grid.evaluate("one => one.contains(one.getRootNode().activeElement)"), "one stop"


def test_hidden_and_locked_instances_are_left_alone_and_are_so_after_a_reload(listed):
    first, second, third = listed.places()[:3]
    shown = int(listed.fact("shown-count"))
    listed.row(first).get_by_role("button", name="Hide this").click()
    listed.row(second).get_by_role("button", name="Lock this").click()
    listed.wait_fact("shown-count", shown - 1)
    listed.wait_fact("marked", "1,1")
    note = listed.page.get_by_role("button", name="1 hidden, 1 locked: show all")
    assert "exported like all others" in note.get_attribute("title")
    listed.row(second).click()
    assert listed.selected() == [], "a locked row has the keys, and is not selected"
    listed.part("stage").focus()
    listed.press("Control+a")
    assert {first, second}.isdisjoint(listed.selected()) and len(listed.selected()) == shown - 2
    listed.page.reload()
    listed.ready()
    listed.wait_fact("marked", "1,1")
    listed.press("Escape")
    listed.row(third).click()
    listed.press("Shift+O")  # only this one
    listed.wait_fact("shown-count", 1)
    listed.press("Shift+O")
    listed.wait_fact("shown-count", shown - 1)
    note.click()
    listed.wait_fact("shown-count", shown)
    assert not note.is_visible()


def test_a_locked_instance_is_not_picked_on_the_picture(listed):
    listed.click(*CENTRE)
    assert listed.selected() == [FIRST]
    listed.press("Shift+L")
    listed.wait_fact("marked", "0,1")
    assert listed.selected() == []
    listed.click(*CENTRE)
    listed.page.mouse.click(*listed.on_screen(*CENTRE), button="right")
    assert listed.selected() == []
    menu = listed.page.get_by_role("menu", name="Picture")
    menu.get_by_role("menuitem", name="Show and unlock all").click()
    listed.wait_fact("marked", "0,0")
    listed.click(*CENTRE)
    assert listed.selected() == [FIRST]
    listed.press("Shift+E")
    listed.wait_fact("marked", "1,0")
    assert FIRST in listed.places(), "the list has what is hidden, so that it can be shown again"
    listed.row(FIRST).click()
    listed.press("Shift+E")
    listed.wait_fact("marked", "0,0")


def test_the_list_is_filtered(listed):
    names = listed.root.locator(".list-name")
    wanted = names.first.inner_text()
    total = len(listed.places())
    listed.root.get_by_role("searchbox").fill(wanted.upper())
    wait_until(listed.page, lambda: set(names.all_inner_texts()) == {wanted}, lambda: names.all_inner_texts())
    listed.root.get_by_role("searchbox").fill("no such thing")
    listed.part("list-none").wait_for()
    listed.press("Escape")
    assert len(listed.places()) == total


def test_of_two_thousand_rows_only_some_are_there(page, address):
    listed = ListPage(page, address, count=2000, width=1600, height=1200)
    listed.wait_fact("ready", "true")
    wait_until(page, lambda: int(listed.grid.get_attribute("aria-rowcount")) > 900, "rows")
    total = int(listed.grid.get_attribute("aria-rowcount")) - 1
    assert 5 < listed.rows.count() < 60
    scroller = listed.part("list-rows")
    seen = set(listed.places())
    for share in (0.25, 0.5, 1):
        scroller.evaluate("(one, share) => one.scrollTo(0, one.scrollHeight * share)", share)
        next_frame(page)
        there = listed.places()
        assert len(there) < 60
        assert seen.isdisjoint(there[2:])
        seen |= set(there)
    last = max(int(row.get_attribute("aria-rowindex")) for row in listed.rows.all())
    assert last == total + 1
    listed.grid.focus()
    listed.press("Home", "End")
    assert listed.row(listed.selected()[0]).get_attribute("aria-rowindex") == str(total + 1)


def test_the_right_button_opens_a_menu_unless_it_drags(listed):
    id_ = listed.places()[0]
    listed.row(id_).click(button="right")
    menu = listed.page.get_by_role("menu")
    menu.wait_for()
    assert listed.selected() == [id_]
    menu.get_by_role("menuitem", name="Hide").click()
    listed.wait_fact("marked", "1,0")
    assert not menu.is_visible()
    listed.press("Shift+U")
    listed.wait_fact("marked", "0,0")
    stage = listed.part("stage").bounding_box()
    middle = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    listed.page.mouse.move(*middle)
    listed.page.mouse.down(button="right")
    listed.page.mouse.move(middle[0] + 60, middle[1], steps=3)
    listed.page.mouse.up(button="right")
    assert menu.count() == 0
    listed.part("stage").focus()
    listed.press("Escape", "n", "Shift+F10")
    menu.wait_for()
    listed.press("ArrowDown", "Enter")
    listed.wait_fact("marked", "0,1")
    assert listed.part("stage").evaluate("one => one.getRootNode().activeElement === one")
