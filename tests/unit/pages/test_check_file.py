"""A COCO file is checked and repaired on the page, and nothing of it gets into the project."""

import json

from maskrcnn_core.formats.checking import check_coco
from pages.project.check_file import CheckedFile
from tests.builders.projects import make_project
from tests.unit.formats.test_checking import CASES, data_of, document
from tests.unit.pages.test_projects import open_page, page_ui


def upload(app, value, name="mine.json"):
    data = value if isinstance(value, bytes) else data_of(value)
    app.file_uploader(key="check-coco").set_value((name, data, "application/json"))
    app.run()
    assert not app.exception


def opened(store):
    make_project(store)
    app = open_page("project")
    page_ui(app).section = "images"
    return app.run()


def checked(app):
    return app.session_state["maskdesk"].of(CheckedFile)


def table(app):
    return [one.value for one in app.dataframe if "what readers do" in one.value]


def test_what_is_wrong_is_shown_and_a_press_gives_the_file_right(store):
    app = opened(store)
    before = [row.version for row in store.projects()]
    upload(app, CASES["hole"])
    (shown,) = table(app)
    assert list(shown["what"]) == ["holes written as polygons of their own"]
    assert checked(app).prepared is None
    app.button(key="repair-coco").click().run()
    assert not app.exception
    prepared = checked(app).prepared
    assert prepared.name == "mine_repaired.json"
    with open(prepared.file, "rb") as file:
        assert check_coco(file.read()).wrong == ()
    assert any("holes written as polygons" in note for note in prepared.notes)
    assert [row.version for row in store.projects()] == before


def test_another_file_takes_the_place_of_the_first_one(store):
    app = opened(store)
    upload(app, CASES["crowd"])
    app.button(key="repair-coco").click().run()
    first = checked(app).prepared.file
    upload(app, document(), "right.json")
    assert checked(app).prepared is None
    assert table(app) == [] and any("Nothing is wrong" in one.value for one in app.success)
    try:
        open(first).close()
        raise AssertionError("the first file is still there")
    except FileNotFoundError:
        pass


def test_what_is_no_coco_file_is_told(store):
    app = opened(store)
    upload(app, b"{")
    assert any("not JSON" in one.value for one in app.error)
    upload(app, json.dumps([1]).encode(), "list.json")
    assert any("expected" in one.value for one in app.error)
