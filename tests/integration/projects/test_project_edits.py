"""A project's own name and description, changed and taken back."""

import pytest

from maskrcnn_core.common.bounds import MAX_DESCRIPTION
from maskrcnn_core.errors import ConflictError, InputError, StoreError
from maskrcnn_core.projects.project_edits import describe_project, rename_project
from maskrcnn_core.projects.undo_report import tell_turn
from tests.builders.projects import make_project

pytestmark = pytest.mark.both_databases


def test_a_project_gets_another_name_which_the_journal_keeps_and_undo_takes_back(store):
    project = make_project(store)
    row = store.project(project)
    entry = rename_project(store, "bob", row, "  Zellen ")
    assert store.project(project).name == "Zellen"
    assert (entry.kind, entry.who) == ("rename project", "bob")
    assert entry.changes[0]["before"] == {"name": "Cells"} and store.damaged_rows(project) == []
    assert rename_project(store, "bob", store.project(project), "Zellen") is None
    with pytest.raises(ConflictError):
        rename_project(store, "ann", row, "Cellules")
    assert tell_turn(store, store.undo(project, "bob")) == "taken back: rename project, the project's name"
    assert store.project(project).name == "Cells"


def test_a_new_name_is_one_that_a_new_project_could_have(store):
    project = make_project(store)
    store.create_project("Other", "ann")
    row = store.project(project)
    with pytest.raises(StoreError, match="a project with this name already exists"):
        rename_project(store, "ann", row, "Other")
    for name, why in ((" ", "expected a name, got nothing"), ("a\0b", "NUL"), ("n" * 1025, "at most 1,024")):
        with pytest.raises(StoreError, match=why):
            rename_project(store, "ann", row, name)
    assert store.project(project) == row


def test_undo_leaves_a_name_that_another_project_has_by_now(store):
    project = make_project(store)
    rename_project(store, "ann", store.project(project), "Zellen")
    store.create_project("Cells", "bob")
    entry = store.undo(project, "ann")
    assert entry.changes == () and "another project is now called Cells" in entry.skipped[0]["why"]
    assert store.project(project).name == "Zellen"


def test_a_project_is_described(store):
    project = make_project(store)
    describe_project(store, "ann", store.project(project), " Leaves of 2026,\nfrom the north field ")
    assert store.project(project).description == "Leaves of 2026,\nfrom the north field"
    assert (
        describe_project(store, "ann", store.project(project), "Leaves of 2026,\nfrom the north field")
        is None
    )
    for text, why in (("n" * (MAX_DESCRIPTION + 1), "at most 10,000"), ("a\ud800", "whole characters")):
        with pytest.raises(InputError, match=why):
            describe_project(store, "ann", store.project(project), text)
    store.undo(project, "ann")
    assert store.project(project).description == ""
