"""Who did what, and how far people agree, on the Project page without a browser."""

from maskrcnn_core.projects.copying.duplicating import duplicate_project
from tests.builders.projects import change, make_project
from tests.unit.pages.test_projects import open_page, page_ui


def decide(store, project, who, **values):
    rows = store.instances(project)[:2]
    store.decide(project, who, "accept", [change(row, **values) for row in rows], image_id=rows[0].image_id)


def table_with(app, column):
    return next(table.value for table in app.dataframe if column in table.value)


def test_work_is_shown_and_agreement_is_worked_out_when_asked_for(store):
    project = make_project(store)
    copy = duplicate_project(store, project, "bob", "Copy").id
    decide(store, project, "ann", status="accepted")
    decide(store, project, "=bob", status="rejected")
    app = open_page("project")
    page_ui(app).section = "people"
    app.run()
    assert not app.exception and not app.error
    work = table_with(app, "person")
    assert list(work["person"]) == ["ann", "'=bob"] and list(work["decisions"]) == [4, 1]
    app.button(key="agreement").click().run()
    assert not app.exception
    found = table_with(app, "same decisions")
    assert list(found["first"]) == ["'=bob"] and list(found["same decisions"]) == [0.0]
    app.multiselect(key=f"agreement-with-{project}").set_value([copy]).run()
    app.button(key="agreement").click().run()
    assert any(text.value.startswith("No two of them have worked") for text in app.text)


def test_where_nobody_has_decided_anything_that_is_said(store):
    store.create_project("Empty", "ann")
    app = open_page("project")
    page_ui(app).section = "people"
    app.run()
    assert not app.exception
