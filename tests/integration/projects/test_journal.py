"""Decisions, their journal, undo and redo, and what happens when two people meet: on both databases."""

from dataclasses import replace
from itertools import pairwise

import pytest

from maskrcnn_core.errors import ConflictError, InputError, StoreError
from maskrcnn_core.projects.journal import Change, New
from maskrcnn_core.projects.new_rows import mask_values
from maskrcnn_core.projects.store import Store
from tests.builders.core import disc
from tests.builders.projects import SIZE, change, make_project, statuses

pytestmark = pytest.mark.both_databases


def test_a_decision_is_carried_out_and_in_the_journal(store):
    project = make_project(store)
    first, second = store.instances(project)[:2]
    entry = store.decide(
        project,
        "ann",
        "accept",
        [change(first, status="accepted"), change(second, status="accepted")],
        image_id=first.image_id,
    )
    assert statuses(store, project) == ["accepted", "accepted", *["proposed"] * 4]
    assert (entry.who, entry.kind, entry.image_id, entry.is_refused) == (
        "ann",
        "accept",
        first.image_id,
        False,
    )
    assert entry.changes == tuple(
        {
            "table": "instance",
            "id": row.id,
            "before": {"status": "proposed"},
            "after": {"status": "accepted"},
        }
        for row in (first, second)
    )
    assert store.journal(project)[0] == entry
    assert store.instances(project)[0] == replace(first, status="accepted", version=2)


def test_what_is_so_already_makes_no_entry(store):
    project = make_project(store)
    row = store.instances(project)[0]
    assert store.decide(project, "ann", "relabel", [change(row, category_id=row.category_id)]) is None
    assert [e.kind for e in store.journal(project)] == ["add instances", "add images", "make project"]


def test_undo_and_redo_walk_through_a_persons_decisions_and_survive_a_restart(place):
    store = Store(place)
    project = make_project(store, images=1)
    rows = store.instances(project)
    store.decide(project, "ann", "accept", [change(rows[0], status="accepted")])
    store.decide(project, "ann", "reject", [change(rows[1], status="rejected")])
    store.decide(project, "ann", "reshape", [change(rows[2], **mask_values(disc(*SIZE, 30, 30, 20)))])
    store.close()
    store = Store(place)
    reshaped = store.instances(project)[2]
    assert reshaped.mask == disc(*SIZE, 30, 30, 20) and reshaped.area == reshaped.mask.area
    assert [store.undo(project, "ann").kind for _ in range(3)] == ["undo"] * 3
    assert store.instances(project)[2].mask == rows[2].mask
    assert statuses(store, project) == ["proposed"] * 3
    assert store.redo(project, "ann").kind == "redo"
    assert statuses(store, project) == ["accepted", "proposed", "proposed"]
    store.redo(project, "ann")
    store.redo(project, "ann")
    assert store.redo(project, "ann") is None
    assert statuses(store, project) == ["accepted", "rejected", "proposed"]
    assert store.instances(project)[2].mask == disc(*SIZE, 30, 30, 20)
    store.undo(project, "ann")
    store.undo(project, "ann")
    store.redo(project, "ann")
    store.undo(project, "ann")
    assert statuses(store, project) == ["accepted", "proposed", "proposed"]
    store.undo(project, "ann")
    assert statuses(store, project) == ["proposed"] * 3
    store.close()


def test_a_new_decision_ends_what_could_be_redone(store):
    project = make_project(store)
    first, second = store.instances(project)[:2]
    store.decide(project, "ann", "accept", [change(first, status="accepted")])
    store.undo(project, "ann")
    store.decide(project, "ann", "reject", [change(second, status="rejected")])
    assert store.redo(project, "ann") is None
    assert statuses(store, project)[:2] == ["proposed", "rejected"]


def test_undoing_what_was_made_takes_it_away_and_redo_brings_it_back(store):
    project = make_project(store, images=1)
    rows = store.instances(project)
    assert len(rows) == 3
    store.undo(project, "ann")
    assert store.instances(project) == []
    store.redo(project, "ann")
    assert [(r.id, r.mask, r.status) for r in store.instances(project)] == [
        (r.id, r.mask, r.status) for r in rows
    ]


def test_everyone_undoes_their_own(store):
    project = make_project(store)
    first, second = store.instances(project)[:2]
    store.decide(project, "ann", "accept", [change(first, status="accepted")])
    store.decide(project, "bob", "reject", [change(second, status="rejected")])
    store.undo(project, "ann")
    assert statuses(store, project)[:2] == ["proposed", "rejected"]
    store.undo(project, "bob")
    assert statuses(store, project)[:2] == ["proposed", "proposed"]
    assert store.undo(project, "bob") is None


def test_the_second_of_two_writes_is_refused_and_both_versions_are_kept(store):
    project = make_project(store)
    seen = store.instances(project)[0]
    other = store.categories(project)[1].id
    store.decide(project, "ann", "relabel", [change(seen, category_id=other)])
    bystander = store.instances(project)[1]
    wanted = [change(seen, status="rejected"), change(bystander, status="rejected")]
    with pytest.raises(ConflictError, match="somebody else changed 1 of these 2 in the meantime"):
        store.decide(project, "bob", "reject", wanted)
    row = store.instances(project)[0]
    assert (row.category_id, row.status) == (other, "proposed"), "the first write stands"
    assert store.instances(project)[1].status == "proposed", "all or nothing"
    refused = store.journal(project)[0]
    assert (refused.who, refused.kind, refused.is_refused) == ("bob", "reject", True)
    assert [line["after"] for line in refused.changes] == [{"status": "rejected"}] * 2
    assert store.undo(project, "bob") is None, "there is nothing of it to undo"
    store.decide(project, "bob", "reject", [change(row, status="rejected")])  # bob has seen it now
    assert store.instances(project)[0].status == "rejected"


def test_two_people_who_want_the_same_do_not_conflict(store):
    project = make_project(store)
    seen = store.instances(project)[0]
    store.decide(project, "ann", "accept", [change(seen, status="accepted")])
    assert store.decide(project, "bob", "accept", [change(seen, status="accepted")]) is None
    assert store.instances(project)[0].version == 2


def test_undo_never_overwrites_what_somebody_else_did_since(store):
    project = make_project(store, who="importer")
    seen = store.instances(project)[0]
    store.decide(project, "ann", "accept", [change(seen, status="accepted")])
    store.decide(project, "bob", "reject", [change(store.instances(project)[0], status="rejected")])
    left = store.undo(project, "ann")
    assert left.changes == () and [line["why"] for line in left.skipped] == ["bob decided 'reject' since"]
    assert store.instances(project)[0].status == "rejected"
    assert store.undo(project, "ann") is None
    store.undo(project, "bob")
    store.undo(project, "ann")  # now it is as she left it
    assert store.instances(project)[0].status == "proposed"


def test_undo_never_takes_away_what_somebody_else_has_accepted(store):
    project = make_project(store, images=1, who="ann")
    kept = store.instances(project)[1]
    store.decide(project, "bob", "accept", [change(kept, status="accepted")])
    undone = store.undo(project, "ann")
    assert [(line["id"], line["why"]) for line in undone.skipped] == [(kept.id, "bob decided 'accept' since")]
    assert [row.id for row in store.instances(project)] == [kept.id], "the rest went on"
    assert store.undo(project, "ann").skipped[0]["why"] == "1 instance of others is on it"
    assert [row.id for row in store.instances(project)] == [kept.id], "it keeps its image"
    assert store.undo(project, "ann").skipped[0]["why"] == "1 instance of others has it"
    assert [row.name for row in store.categories(project)] == ["nucleus"], "and its category"
    assert store.undo(project, "ann") is None, "what is bob's stays, and is not asked for again and again"
    store.undo(project, "bob")
    for _ in range(3):
        assert store.undo(project, "ann").skipped == ()
    assert store.images(project) == store.instances(project) == store.categories(project) == []


def test_another_field_of_the_same_row_is_no_hindrance_to_undo(store):
    project = make_project(store)
    row = store.instances(project)[0]
    other = store.categories(project)[1].id
    store.decide(project, "ann", "accept", [change(row, status="accepted")])
    store.decide(project, "bob", "relabel", [change(store.instances(project)[0], category_id=other)])
    store.undo(project, "ann")
    row = store.instances(project)[0]
    assert (row.status, row.category_id) == ("proposed", other)


def test_rows_of_other_projects_cannot_be_changed(store):
    mine, theirs = make_project(store), make_project(store, name="Theirs")
    row = store.instances(theirs)[0]
    with pytest.raises(StoreError, match=f"instance {row.id}: there is no such row in this project"):
        store.decide(mine, "ann", "accept", [change(row, status="accepted")])
    assert set(statuses(store, theirs)) == {"proposed"}


@pytest.mark.parametrize("column", ["id", "version", "project_id"])
def test_what_makes_a_row_what_it_is_cannot_be_changed(store, column):
    project = make_project(store)
    with pytest.raises(ValueError, match=f"{column} cannot be changed"):
        store.decide(project, "ann", "break", [change(store.instances(project)[0], **{column: 5})])
    with pytest.raises(ValueError, match="created outside"):
        store.decide(project, "ann", "break", [New("project", {})])


def test_a_taken_name_is_refused_in_a_sentence_and_nothing_is_carried_out(store):
    project = make_project(store)
    cell, nucleus = store.categories(project)
    row = store.instances(project)[0]
    wanted = [change(row, status="accepted"), change(nucleus, "category", name="cell")]
    with pytest.raises(StoreError, match="a category with this name already exists"):
        store.decide(project, "ann", "rename", wanted)
    assert [c.name for c in store.categories(project)] == ["cell", "nucleus"]
    assert statuses(store, project)[0] == "proposed"
    with pytest.raises(StoreError, match="a project with this name already exists"):
        make_project(store)
    moved = [change(r, category_id=nucleus.id) for r in store.instances(project) if r.category_id == cell.id]
    store.decide(project, "ann", "remove", [*moved, change(cell, "category", gone=True)])
    store.decide(project, "ann", "rename", [change(nucleus, "category", name="cell")])
    assert [c.name for c in store.categories(project)] == ["cell"], "what is gone holds no name"


def test_thousands_of_changes_are_one_decision(store):
    project = make_project(store, images=4, instances=600)
    rows = store.instances(project)
    assert len(rows) == 2400
    store.decide(project, "ann", "accept all", [change(row, status="accepted") for row in rows])
    assert set(statuses(store, project)) == {"accepted"}
    store.undo(project, "ann")
    assert set(statuses(store, project)) == {"proposed"}


def test_the_journal_comes_in_pages_the_newest_first(store):
    project = make_project(store)
    for n in range(5):
        row = store.instances(project)[0]
        status = "accepted" if n % 2 == 0 else "rejected"
        store.decide(project, "ann" if n else "bob", f"turn {n}", [change(row, status=status)])
    newest = store.journal(project, limit=3)
    assert [e.kind for e in newest] == ["turn 4", "turn 3", "turn 2"]
    assert [e.kind for e in store.journal(project, before=newest[-1].id)][:2] == ["turn 1", "turn 0"]
    assert [e.kind for e in store.journal(project, who="bob")] == ["turn 0"]
    assert all(later.at >= earlier.at for later, earlier in pairwise(newest))


def test_a_change_of_a_row_that_is_gone_or_never_was(store):
    project = make_project(store)
    with pytest.raises(StoreError, match="instance 999999: there is no such row"):
        store.decide(project, "ann", "accept", [Change("instance", 999_999, 1, {"status": "accepted"})])


def test_an_operation_asked_for_twice_is_carried_out_once(store):
    project = make_project(store)
    row = store.instances(project)[0]
    wanted = [change(row, status="accepted")]
    first = store.decide(project, "ann", "accept", wanted, operation="tab-1:1")
    store.decide(project, "ann", "reject", [change(store.instances(project)[0], status="rejected")])
    assert store.decide(project, "ann", "accept", wanted, operation="tab-1:1") == first
    assert store.instances(project)[0].status == "rejected"
    undone = store.undo(project, "ann", operation="tab-1:2")
    assert store.undo(project, "ann", operation="tab-1:2") == undone
    assert store.instances(project)[0].status == "accepted", "taken back once"


def test_a_refused_operation_stays_refused(store):
    project = make_project(store)
    row = store.instances(project)[0]
    store.decide(project, "bob", "reject", [change(row, status="rejected")])
    lines = []
    for _ in range(2):
        with pytest.raises(ConflictError):
            store.decide(project, "ann", "accept", [change(row, status="accepted")], operation="tab-1:1")
        lines.append(len(store.journal(project)))
    assert lines[0] == lines[1], "it is in the journal once"


def test_the_revision_moves_with_every_decision(store):
    project = make_project(store)
    before = store.revision(project)
    store.decide(project, "ann", "accept", [change(store.instances(project)[0], status="accepted")])
    assert store.revision(project) > before


def test_undo_can_be_held_to_some_kinds_of_decisions(store):
    project = make_project(store)
    row = store.instances(project)[0]
    store.decide(project, "ann", "accept", [change(row, status="accepted")])
    only = {"accept"}
    assert store.undoable(project, "ann", only=only) == (True, False)
    for _ in range(2):  # also a redo is undone again
        assert store.undo(project, "ann", only=only) is not None
        assert store.undoable(project, "ann", only=only) == (False, True)
        assert store.undo(project, "ann", only=only) is None, "what came before is of another kind"
        assert store.redo(project, "ann", only=only) is not None
    assert store.instances(project)[0].status == "accepted"
    assert store.undoable(project, "ann", only={"relabel"}) == (False, False)
    assert store.undo(project, "ann") is not None
    assert store.redo(project, "ann", only={"relabel"}) is None


def test_nobody_decides_nothing(store):
    project = make_project(store)
    before = store.journal(project)
    row = store.instances(project)[0]
    for who in ("", " "):
        with pytest.raises(InputError, match="expected one for the journal, got none"):
            store.decide(project, who, "accept", [change(row, status="accepted")])
        with pytest.raises(InputError, match="name: expected one"):
            store.create_project("Nobody's", who)
        assert store.undo(project, who) is None
    assert store.journal(project) == before and len(store.projects()) == 1
