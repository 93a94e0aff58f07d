"""Damaged rows on the pages of projects: named in a sentence, and the rest is there for who asks for it."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select, update
from streamlit.testing.v1 import AppTest

from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE, StorePlace
from maskrcnn_core.projects.db.tables import CATEGORY, IMAGE, INSTANCE, PROJECT
from maskrcnn_core.projects.store import Store
from pages.project.sections import SECTIONS
from pages.project.state import PageUi
from pages.shared import cached
from tests.browser.conftest import ROOT
from tests.builders.projects import make_project


@pytest.fixture
def store(monkeypatch, tmp_path):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    cached.open_store.clear()
    cached.pictures.clear()
    store = Store(StorePlace.in_folder(tmp_path / "data"))
    yield store
    store.close()
    cached.open_store.clear()
    cached.pictures.clear()


@pytest.fixture
def project(store):
    return make_project(store, images=2, instances=3)


def spoil(store, table, id_, **values):
    """Writes past all that writes seals, and gives what was there before."""
    with store.writing() as connection:
        before = connection.execute(select(table).where(table.c.id == id_)).mappings().one()
        connection.execute(update(table).where(table.c.id == id_).values(**values))
    return {name: before[name] for name in values}


def open_page(page, project, section="overview"):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.session_state["outbox"] = {"who": "ann"}
    app.run()
    app.query_params["project"] = str(project)
    app.switch_page(f"pages/{page}/page.py").run()
    app.session_state["maskdesk"].of_project(PageUi).section = section
    return app.run()


def keys(elements):
    return [str(element.key) for element in elements]


def text(element):
    """What a person reads: signs that mean something to Markdown are escaped."""
    return element.value.replace("\\", "")


def asking(app):
    """The boxes that ask whether damaged rows shall be left out."""
    return [box for box in app.checkbox if str(box.key).startswith("out-without-damaged")]


def choose_all(app):
    return app.selectbox(key="out-statuses").select("all, including rejected").run()


def prepared(app):
    app.button(key="out-prepare").click().run()
    assert not app.exception and not app.error
    return app.session_state["maskdesk"].project_file


def annotations(file):
    return {row["id"] for row in json.loads(Path(file.file).read_bytes())["annotations"]}


def test_where_nothing_is_damaged_nothing_is_asked(store, project):
    app = choose_all(open_page("project", project, "out"))
    assert not asking(app) and len(annotations(prepared(app))) == 6
    assert not asking(app) and not app.warning


@pytest.mark.parametrize(
    ("table", "changes", "named", "counts", "left"),
    [
        (INSTANCE, {"coco_id": 5}, "image image 1.png, instance 5", "1 instance", 5),
        (IMAGE, {"file_name": "![x](http://a).png"}, "image ![x](http://a).png", "1 image", 3),
        (CATEGORY, {"name": "cill"}, "category cill", "1 category", 2),
    ],
    ids=["instance", "image", "category"],
)
def test_the_rest_is_written_for_who_asks_for_it(store, project, table, changes, named, counts, left):
    rows = {INSTANCE: store.instances, IMAGE: store.images, CATEGORY: store.categories}
    before = {row.coco_id: row for row in store.instances(project)}
    spoil(store, table, rows[table](project)[0].id, **changes)
    app = open_page("project", project, "out")
    if "out-prepare" in keys(app.button):  # an instance is read when the file is made
        app = choose_all(app)
        app.button(key="out-prepare").click().run()
    (box,) = asking(app)
    said = text(app.warning[0])
    assert not app.exception and not app.error and f"Damaged: {counts}" in said
    assert ("sound instance" in said) == (table is not INSTANCE)
    assert any(f"project Cells, {named}" in text.value for text in app.text)
    assert "out-prepare" not in keys(app.button) or app.button(key="out-prepare").disabled

    box.check().run()
    file = prepared(choose_all(app))
    written = annotations(file)
    assert len(written) == left and written < set(before)
    assert any(f"left out as damaged: {counts} (project Cells, {named})" in note for note in file.notes)
    assert any("left out as damaged" in text(caption) for caption in app.caption)
    assert len(app.get("download_button")) == 1
    asking(app)[0].uncheck().run()
    assert not app.get("download_button"), "it is not the whole"


def test_what_is_damaged_later_is_left_out_only_once_it_was_shown(store, project):
    first, second = store.instances(project)[:2]
    spoil(store, INSTANCE, first.id, area=first.area + 1)
    app = choose_all(open_page("project", project, "out"))
    app.button(key="out-prepare").click().run()
    asking(app)[0].check().run()
    spoil(store, INSTANCE, second.id, area=second.area + 1)
    app.button(key="out-prepare").click().run()
    (box,) = asking(app)
    assert "Damaged: 2 instances" in text(app.warning[0]) and not box.value
    assert app.session_state["maskdesk"].project_file is None
    box.check().run()
    assert len(annotations(prepared(app))) == 4


def test_what_was_put_back_meanwhile_is_written(store, project):
    row = store.instances(project)[0]
    sound = spoil(store, INSTANCE, row.id, area=row.area + 1)
    app = choose_all(open_page("project", project, "out"))
    app.button(key="out-prepare").click().run()
    asking(app)[0].check().run()
    spoil(store, INSTANCE, row.id, **sound)
    app.button(key="out-prepare").click().run()
    assert not asking(app) and "Nothing is damaged any more" in app.success[0].value
    assert len(annotations(prepared(app))) == 6


def test_another_format_and_an_archive_leave_out_the_same(store, project):
    row = store.instances(project)[0]
    spoil(store, INSTANCE, row.id, area=row.area + 1)
    app = choose_all(open_page("project", project, "out"))
    app.checkbox(key="out-split").check().run()
    app.button(key="out-prepare").click().run()
    asking(app)[0].check().run()
    assert prepared(app).name == "Cells_coco.zip"
    app.selectbox(key="out-format").select("table").run()
    assert any("left out as damaged" in note for note in prepared(app).notes)


@pytest.mark.parametrize("page", [*(section.key for section in SECTIONS), "review"])
@pytest.mark.parametrize("table", [INSTANCE, IMAGE, CATEGORY], ids=lambda table: table.name)
def test_no_page_ends_in_a_traceback(store, project, table, page):
    changes = {INSTANCE: {"area": "?"}, IMAGE: {"width": 4096}, CATEGORY: {"name": "cill"}}[table]
    spoil(store, table, 1, **changes)
    app = open_page("review", project) if page == "review" else open_page("project", project, page)
    assert not app.exception
    assert app.sidebar.selectbox(key="project-choice").options == ["Cells"]
    assert all("is damaged" in text(error) for error in app.error)


@pytest.mark.parametrize("page", ["project", "review"])
def test_a_damaged_project_takes_no_other_one_with_it(store, project, page):
    other = make_project(store, name="Other")
    spoil(store, PROJECT, project, description="?")
    app = open_page(page, other)
    assert not app.exception and "project Cells: its row" in text(app.error[0])
    assert app.sidebar.selectbox(key="project-choice").options == ["Other"]
    assert app.session_state["maskdesk"].project.id == other
