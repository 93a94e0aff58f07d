"""Operations of a review, carried out without a page, on both databases."""

from typing import get_args

import pytest
from sqlalchemy.exc import OperationalError

from maskrcnn_core.errors import AwayError, ConflictError, InputError, StoreError
from maskrcnn_core.projects.mask_edits import MadeMask, MendedMask, made_by
from maskrcnn_core.projects.review.executing import ReviewExecutor, is_refusal, subject_of
from maskrcnn_core.projects.review.operations import (
    REVIEW_KINDS,
    DrawBox,
    Edit,
    EditName,
    Finish,
    NewCategory,
    Redo,
    Relabel,
    Reshape,
    SetCrowd,
    SetStatus,
    Undo,
)
from tests.builders.core import disc
from tests.builders.projects import SIZE, change, make_project, statuses

CLIENT = "shell"


class Drawer:
    """Notes what it is asked for."""

    def __init__(self):
        self.asked = []

    def draw(self, *given, **named):
        self.asked.append((given, named))

    reshape = draw


@pytest.fixture
def project(store):
    return make_project(store)


def executor(store, drawer=None, **options):
    return ReviewExecutor(store, CLIENT, lambda: drawer, **options)


def first(store, project):
    row = store.instances(project)[0]
    return row, row.image_id, ((row.id, row.version),)


def test_decisions_become_lines_of_the_journal_that_a_review_may_undo(store, project):
    row, image, rows = first(store, project)
    other = store.categories(project)[1].id
    carry_out = executor(store).carry_out
    made = [
        carry_out(SetStatus(1, image, "accepted", rows), "ann"),
        carry_out(Relabel(2, image, other, ((row.id, 2),)), "ann"),
        carry_out(SetCrowd(3, image, True, ((row.id, 3),)), "ann"),
        carry_out(Finish(4, image, 1, "reviewed"), "ann"),
        carry_out(Finish(5, image, 2, "opened"), "ann"),
    ]
    kinds = ["accept", "relabel", "mark as crowd", "finish image", "reopen image"]
    assert [entry.kind for entry in made] == kinds and set(kinds) <= REVIEW_KINDS
    assert {entry.image_id for entry in made} == {image}
    assert [entry.operation for entry in made] == [f"{CLIENT}:{n}" for n in range(1, 6)]
    after = store.instances(project)[0]
    assert (after.status, after.category_id, after.is_crowd) == ("accepted", other, True)
    assert set(get_args(EditName)) <= REVIEW_KINDS


def test_an_operation_asked_for_again_is_done_once_by_whoever_asks(store, project):
    _, image, rows = first(store, project)
    once = SetStatus(1, image, "rejected", rows)
    entry = executor(store).carry_out(once, "ann")
    assert executor(store).carry_out(once, "ann") == entry
    before = len(store.journal(project))
    assert ReviewExecutor(store, "another", Drawer).carry_out(once, "ann") is None, "it is so already"
    assert len(store.journal(project)) == before


def test_what_an_operation_made_is_known_by_its_number(store, project):
    row, image, _ = first(store, project)
    piece = disc(*SIZE, 30, 30, 5).counts
    cut = Edit(
        1, image, "cut", (MendedMask(row.id, row.version, row.counts),), (MadeMask(row.category_id, piece),)
    )
    (made,) = made_by(executor(store).carry_out(cut, "ann"))
    executor(store).carry_out(SetStatus(2, image, "rejected", (((1, 0), 1),)), "ann")  # the journal knows
    assert store.instances(project, ids=[made])[0].status == "rejected"
    known = executor(store, made={9: (made,)})
    known.carry_out(Edit(3, image, "remove", (MendedMask((9, 0), 2, None),)), "ann")
    assert store.instances(project, ids=[made]) == []
    with pytest.raises(StoreError, match="was never created"):
        executor(store).carry_out(SetStatus(4, image, "accepted", (((1, 1), 1),)), "ann")


def test_the_network_is_asked_only_by_what_needs_it(store, project):
    row, image, rows = first(store, project)
    drawer = Drawer()
    carry_out = executor(store, drawer).carry_out
    carry_out(SetStatus(1, image, "accepted", rows), "ann")
    assert drawer.asked == []
    carry_out(DrawBox(2, image, (1.0, 2.0, 30.0, 40.0)), "ann")
    carry_out(Reshape(3, image, "threshold", 0.4, ((row.id, 2),)), "ann")
    name = f"{CLIENT}:"
    assert drawer.asked == [
        ((image, (1.0, 2.0, 30.0, 40.0), "ann"), {"category": None, "operation": f"{name}2"}),
        ((image, {row.id: 2}, "ann"), {"how": "threshold", "threshold": 0.4, "operation": f"{name}3"}),
    ]


def test_a_category_is_made_in_place_and_named_by_what_follows(store, project):
    row, image, _ = first(store, project)
    mask = disc(*SIZE, 30, 30, 5).counts
    drawer = Drawer()
    carry_out = executor(store, drawer).carry_out
    made = carry_out(NewCategory(1, image, "pallet jack"), "ann")
    assert (made.kind, made.image_id, made.kind in REVIEW_KINDS) == ("new category", image, True)
    (fresh,) = [one.id for one in store.categories(project) if one.name == "pallet jack"]
    relabel = Relabel(2, image, "pallet jack", ((row.id, row.version),))
    carry_out(relabel, "ann")
    outline = Edit(3, image, "draw outline", (), (MadeMask("pallet jack", mask),))
    (drawn,) = made_by(carry_out(outline, "ann"))
    assert [one.category_id for one in store.instances(project, ids=[row.id, drawn])] == [fresh, fresh]
    carry_out(DrawBox(4, image, (1.0, 2.0, 30.0, 40.0), "pallet jack"), "ann")
    assert drawer.asked[0][1] == {"category": "pallet jack", "operation": f"{CLIENT}:4"}

    for seq in (5, 6, 7):
        carry_out(Undo(seq), "ann", project_id=project)
    assert "pallet jack" not in [one.name for one in store.categories(project)]
    assert store.instances(project)[0].category_id == row.category_id
    # What was carried out once is not looked for again under a name that has gone.
    assert carry_out(relabel, "ann").kind == "relabel"
    assert carry_out(outline, "ann").kind == "draw outline"
    for seq in (8, 9, 10):
        carry_out(Redo(seq), "ann", project_id=project)
    assert [one.category_id for one in store.instances(project, ids=[row.id, drawn])] == [fresh, fresh]


def test_a_category_that_is_there_already_is_not_made_twice_and_its_name_means_it(store, project):
    row, image, rows = first(store, project)
    there = store.categories(project)[1]
    carry_out = executor(store).carry_out
    assert carry_out(NewCategory(1, image, there.name), "ann") is None
    carry_out(Relabel(2, image, there.name, rows), "ann")
    assert store.instances(project, ids=[row.id])[0].category_id == there.id
    assert len(store.categories(project)) == 2
    with pytest.raises(StoreError, match="category 'gone': there is no such category") as refused:
        carry_out(Relabel(3, image, "gone", ((row.id, 2),)), "ann")
    assert is_refusal(refused.value)
    with pytest.raises(StoreError, match="category 'gone': there is no such category"):
        carry_out(Edit(4, image, "brush", (), (MadeMask("gone", row.counts),)), "ann")


def test_an_undo_leaves_a_category_that_somebody_elses_instance_has(store, project):
    row, image, _ = first(store, project)
    executor(store).carry_out(NewCategory(1, image, "pallet jack"), "ann")
    other = ReviewExecutor(store, "another", Drawer)
    other.carry_out(Relabel(1, image, "pallet jack", ((row.id, row.version),)), "bob")
    undone = executor(store).carry_out(Undo(2), "ann", project_id=project)
    assert [line["table"] for line in undone.skipped] == ["category"]
    assert "pallet jack" in [one.name for one in store.categories(project)]


def test_undo_takes_back_reviews_and_no_import(store, project):
    _, image, rows = first(store, project)
    carry_out = executor(store).carry_out
    carry_out(SetStatus(1, image, "accepted", rows), "ann")
    assert carry_out(Undo(2), "ann", project_id=project).kind == "undo"
    assert carry_out(Undo(3), "ann", project_id=project) is None
    assert carry_out(Redo(4), "ann", project_id=project).kind == "redo"
    assert carry_out(Undo(5), "ann") is None, "no project is open"
    assert statuses(store, project) == ["accepted", *["proposed"] * 5]


def test_what_would_end_so_again_is_refused_and_what_may_come_back_waits(store, project):
    row, image, rows = first(store, project)
    store.decide(project, "bob", "reject", [change(row, status="rejected")])
    bad = [
        (SetStatus(1, image, "accepted", rows), ConflictError),
        (SetStatus(2, 10**9, "accepted", rows), StoreError),
        (SetStatus(3, image, "accepted", ((10**9, 1),)), StoreError),
        (Relabel(4, image, 10**9, ((row.id, 2),)), StoreError),  # the database's own rule
    ]
    for operation, kind in bad:
        with pytest.raises(kind) as caught:
            executor(store).carry_out(operation, "ann")
        assert is_refusal(caught.value)
    full = StoreError("the disk is full")
    full.__cause__ = OperationalError("", {}, Exception("full"))
    away = AwayError("gone")
    away.__cause__ = OperationalError("", {}, Exception("gone"))
    assert not is_refusal(full) and not is_refusal(away)
    assert is_refusal(InputError("no box"))


def test_a_refusal_names_what_was_wanted_and_where(store, project):
    _, image, rows = first(store, project)
    wanted = {
        SetStatus(1, image, "rejected", rows): "reject 1, image 1.png: ",
        SetCrowd(1, image, False, rows): "mark as one object 1, image 1.png: ",
        DrawBox(1, image, (0.0, 0.0, 1.0, 1.0)): "draw box, image 1.png: ",
        NewCategory(1, image, "pallet\njack"): "new category 'pallet\\\\njack', image 1.png: ",
        Reshape(1, image, "tighten", 0.5, rows): "tighten, image 1.png: ",
        Edit(1, image, "brush", ()): "brush, image 1.png: ",
        Finish(1, 10**9, 1, "reviewed"): "finish image: ",
        Undo(1): "undo: ",
    }
    assert {operation: subject_of(store, operation) for operation in wanted} == wanted
