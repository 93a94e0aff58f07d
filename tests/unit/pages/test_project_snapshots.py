"""Snapshots on the Project page, without a browser."""

import json

from maskrcnn_core.projects.snapshots.keeping import snapshots_of
from pages.project.snapshots import exported
from tests.builders.projects import change, make_project, statuses
from tests.unit.pages.test_projects import open_page, page_ui


def test_a_snapshot_is_made_compared_and_gone_back_to(store):
    project = make_project(store)
    app = open_page("project")
    page_ui(app).section = "snapshots"
    app.run()
    (box,) = [one for one in app.text_input if one.label == "Name of the snapshot"]
    box.set_value("first")
    next(button for button in app.button if button.label == "Make a snapshot").click().run()
    assert not app.exception and "Kept first with 2 images" in app.success[0].value
    assert [row.name for row in snapshots_of(store, project)] == ["first"]
    assert list(app.dataframe[0].value["snapshot"]) == ["first"]
    rows = store.instances(project)
    store.decide(project, "bob", "accept", [change(row, status="accepted") for row in rows[:2]])
    app.run()
    app.button(key="compare-snapshots").click().run()
    assert not app.exception
    assert "Instances: 2 with another status." in [text.value for text in app.text]
    tables = [table.value for table in app.dataframe]
    assert any(list(t.columns) == ["image", "status"] and list(t["status"]) == [2] for t in tables)
    (first,) = snapshots_of(store, project)
    written = json.loads(exported(store, first))["annotations"]
    assert [row["maskdesk"]["status"] for row in written] == ["proposed"] * 6
    app.button(key="restore-snapshot").click().run()
    assert "Back at first: instances: 2 with another status" in app.success[0].value.replace("\\", "")
    assert statuses(store, project) == ["proposed"] * 6
    page_ui(app).section = "history"
    app.run()
    app.button(key="history-Undo").click().run()
    assert statuses(store, project).count("accepted") == 2
