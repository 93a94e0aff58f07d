"""Operations from the browser become decisions: in order, each once, and whose the browser says."""

from dataclasses import replace

import pytest
from sqlalchemy.exc import OperationalError

from maskrcnn_core.errors import StoreError
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.projects.mask_edits import MadeMask, MendedMask
from maskrcnn_core.projects.review.operations import (
    REVIEW_KINDS,
    Edit,
    Finish,
    Redo,
    Relabel,
    SetCrowd,
    SetStatus,
    Undo,
)
from pages.components.review import Go, ReviewReport, Unreadable
from pages.shared.session import ProjectUi
from pages.shared.taking import take_operations
from tests.builders.projects import change, make_project

CLIENT = "0123456789abcdef"


def report(*operations):
    return ReviewReport(CLIENT, operations, names={one.seq: "ann" for one in operations})


def seen(store, ui, count=1):
    rows = store.instances(ui.id)[:count]
    return rows[0].image_id, tuple((row.id, row.version) for row in rows)


def test_operations_are_carried_out_in_order_and_each_once(store, ui, review):
    image, rows = seen(store, ui, 2)
    (category,) = [c.id for c in store.categories(ui.id) if c.name == "nucleus"]
    log = report(
        SetStatus(1, image, "accepted", rows),
        Relabel(2, image, category, ((rows[0][0], rows[0][1] + 1),)),
        Finish(3, image, 1, "reviewed"),
        Go(4, "queue", 1),
    )
    for _ in range(2):  # sent again, as after a lost connection
        take_operations(store, ui, log)
    ui.taken.acks.clear()
    take_operations(store, ui, log)  # also by a session that knows nothing of the first
    review.follow(ui.taken.moves)
    found = store.instances(ui.id)[:2]
    assert [row.status for row in found] == ["accepted"] * 2 and found[0].category_id == category
    assert store.images(ui.id)[0].status == "reviewed" and review.at == 1
    kinds = [e.kind for e in store.journal(ui.id)][:3]
    assert kinds == ["finish image", "relabel", "accept"] and set(kinds) <= REVIEW_KINDS
    assert ui.taken.acks == {CLIENT: 4} and ui.taken.refused == {}


def test_what_an_operation_makes_is_named_by_it_also_in_another_session(store, ui):
    image, _ = seen(store, ui)
    row, other = store.instances(ui.id, image_id=image)[0], store.categories(ui.id)[1].id
    half = row.mask.to_mask()
    half[:, : half.shape[1] // 4] = False
    piece = Rle.from_mask(half).counts
    cut = Edit(1, image, "cut", (MendedMask(row.id, row.version, row.counts),), (MadeMask(other, piece),))
    take_operations(store, ui, report(cut))
    (made,) = ui.taken.made[CLIENT][1]
    assert store.instances(ui.id, ids=[made])[0].counts == piece
    take_operations(store, ui, report(cut, SetStatus(2, image, "rejected", (((1, 0), 1),))))
    assert store.instances(ui.id, ids=[made])[0].status == "rejected"
    fresh = ProjectUi(id=ui.id, who="ann")
    again = report(
        cut,
        SetStatus(2, image, "rejected", (((1, 0), 1),)),
        Edit(3, image, "remove", (MendedMask((1, 0), 2, None),)),
    )
    take_operations(store, fresh, again)
    assert store.instances(ui.id, ids=[made]) == []
    assert fresh.taken.refused == {}
    take_operations(store, fresh, report(SetStatus(4, image, "accepted", (((3, 0), 1),))))
    assert "was never created" in fresh.taken.refused[CLIENT][0].text
    for seq in (5, 6):
        take_operations(store, fresh, report(Undo(seq)))
    assert store.instances(ui.id, ids=[made])[0].status == "accepted"


def test_a_crowd_is_marked_in_one_decision_that_a_review_can_undo(store, ui):
    image, rows = seen(store, ui, 2)
    take_operations(store, ui, report(SetCrowd(1, image, True, rows)))
    assert [row.is_crowd for row in store.instances(ui.id)[:3]] == [True, True, False]
    assert [row.status for row in store.instances(ui.id)[:3]] == ["accepted", "accepted", "proposed"]
    again = tuple((id_, version + 1) for id_, version in rows[:1])
    take_operations(store, ui, report(SetCrowd(2, image, False, again)))
    assert [row.is_crowd for row in store.instances(ui.id)[:2]] == [False, True]
    kinds = [entry.kind for entry in store.journal(ui.id)][:2]
    assert kinds == ["mark as one object", "mark as crowd"] and set(kinds) <= REVIEW_KINDS
    take_operations(store, ui, report(Undo(3), Undo(4)))
    assert not any(row.is_crowd for row in store.instances(ui.id))
    assert {row.status for row in store.instances(ui.id)[:3]} == {"proposed"}
    take_operations(store, ui, report(SetCrowd(5, image, True, rows[:1])))  # of a version that has gone
    (refusal,) = ui.taken.refused[CLIENT]
    assert refusal.text.startswith("mark as crowd 1, image 1.png: ")


def test_a_decision_is_whose_the_browser_says_whatever_the_session_knows(store, ui):
    image, rows = seen(store, ui)
    ui.who = "root"  # of a server that has begun anew
    log = report(SetStatus(1, image, "rejected", rows), Undo(2), Redo(3))
    take_operations(store, ui, replace(log, names=dict.fromkeys((1, 2, 3), "Ann")))
    assert [entry.who for entry in store.journal(ui.id)[:3]] == ["Ann"] * 3
    assert (ui.who, ui.is_named) == ("Ann", True), "so that the answer says what Ann can undo"
    assert ui.taken.acks == {CLIENT: 3} and store.instances(ui.id)[0].status == "rejected"


def test_what_is_nobodys_is_not_acknowledged_nor_is_what_comes_after_it(store, ui):
    image, rows = seen(store, ui, 2)
    log = report(
        Go(1, "queue", 1),
        SetStatus(2, image, "rejected", rows[:1]),
        SetStatus(3, image, "accepted", rows[1:]),
    )
    before = len(store.journal(ui.id))
    take_operations(store, ui, replace(log, names={3: "Ann"}))
    assert ui.taken.acks == {CLIENT: 1} and ui.taken.nameless == {CLIENT: 2}
    assert len(store.journal(ui.id)) == before
    take_operations(store, ui, log)
    assert ui.taken.acks == {CLIENT: 3} and ui.taken.nameless == {}


def test_a_refusal_belongs_to_the_project_of_its_image(store, ui):
    image, rows = seen(store, ui)
    store.decide(ui.id, "bob", "reject", [change(store.instances(ui.id)[0], status="rejected")])
    here, other = ui.id, store.create_project("Other", "ann").id
    ui.open(other)
    take_operations(store, ui, report(SetStatus(1, image, "accepted", rows), Unreadable(2, "odd")))
    assert [refusal.project_id for refusal in ui.taken.refused[CLIENT]] == [here, other]


def test_an_edit_that_cannot_be_is_refused_in_a_sentence_and_the_next_one_is_carried_out(store, ui):
    image, _ = seen(store, ui)
    row = store.instances(ui.id, image_id=image)[0]
    bad = Edit(1, image, "brush", (MendedMask(row.id, row.version, "0"),))
    good = Edit(2, image, "remove", (MendedMask(row.id, row.version, None),))
    take_operations(store, ui, report(bad, good))
    take_operations(store, ui, report(good, Unreadable(3, "ops[1]: odd")))
    refusal, odd = ui.taken.refused[CLIENT]
    assert refusal.seq == 1
    assert refusal.text.startswith("brush, image 1.png: counts: ")
    assert (odd.seq, "ops[1]: odd" in odd.text, ui.taken.acks[CLIENT]) == (3, True, 3)
    assert row.id not in {r.id for r in store.instances(ui.id)}


def test_a_refused_operation_is_told_and_the_next_ones_are_carried_out(store, ui):
    image, rows = seen(store, ui, 2)
    store.decide(ui.id, "bob", "reject", [change(store.instances(ui.id)[0], status="rejected")])
    take_operations(
        store,
        ui,
        report(SetStatus(1, image, "accepted", rows[:1]), SetStatus(2, image, "accepted", rows[1:])),
    )
    assert [row.status for row in store.instances(ui.id)[:2]] == ["rejected", "accepted"]
    (refusal,) = ui.taken.refused[CLIENT]
    assert refusal.seq == 1 and "somebody else" in refusal.text
    take_operations(store, ui, report(SetStatus(3, 10**9, "accepted", ((1, 1),))))
    assert "no such image" in ui.taken.refused[CLIENT][1].text and ui.taken.acks[CLIENT] == 3


def test_what_the_disk_refuses_is_not_acknowledged_and_comes_again(store, ui, monkeypatch):
    image, rows = seen(store, ui, 2)
    log = report(SetStatus(1, image, "accepted", rows[:1]), SetStatus(2, image, "accepted", rows[1:]))
    decide, calls = store.decide, []

    def fail_second(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise StoreError("the disk is full") from OperationalError("", {}, Exception("full"))
        return decide(*arguments, **options)

    monkeypatch.setattr(store, "decide", fail_second)
    with pytest.raises(StoreError, match="disk is full"):
        take_operations(store, ui, log)
    assert ui.taken.acks == {CLIENT: 1}
    take_operations(store, ui, log)
    assert [row.status for row in store.instances(ui.id)[:2]] == ["accepted"] * 2
    assert ui.taken.acks == {CLIENT: 2}


def test_a_review_undoes_reviews_and_goes_where_it_happened(store, ui, review):
    image, rows = seen(store, ui)
    review.at = 1
    take_operations(store, ui, report(SetStatus(1, image, "rejected", rows), Undo(2), Undo(3), Redo(4)))
    review.follow(ui.taken.moves)
    assert review.at == 0
    assert store.instances(ui.id)[0].status == "rejected"
    told = [(remark.seq, remark.text.partition(",")[0]) for remark in ui.taken.remarks[CLIENT]]
    assert told == [(2, "taken back: reject"), (4, "done again: reject")]
    assert len(store.instances(ui.id)) == 6, "what came before the review stands"


def test_decisions_of_another_project_go_where_they_belong(store, ui):
    image, rows = seen(store, ui)
    mine = ui.id
    ui.open(make_project(store, name="Other"))
    take_operations(store, ui, report(SetStatus(1, image, "accepted", rows)))
    assert store.journal(mine)[0].kind == "accept"
    assert [f.status for f in store.facts(ui.id)] == ["proposed"] * 6


def test_a_place_in_another_queue_means_nothing(store, ui, review):
    take_operations(store, ui, report(Go(1, "another", 1), Go(2, "queue", 7)))
    review.follow(ui.taken.moves)
    assert review.at == 0 and ui.taken.acks == {CLIENT: 2}
