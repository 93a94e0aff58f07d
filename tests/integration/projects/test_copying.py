"""Projects duplicated and merged: nothing is lost, conflicts are counted, and undo takes all of it back."""

import json

import pytest

from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import ConflictError, InputError, StoreError
from maskrcnn_core.projects.attribute_edits import declare_attributes, set_attributes
from maskrcnn_core.projects.attributes import Attribute, declared_by, values_of
from maskrcnn_core.projects.copying.duplicating import duplicate_project
from maskrcnn_core.projects.copying.merging import carry_out_merge, plan_merge
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.image_tags import tag_images, tags_of
from maskrcnn_core.projects.journal import WantedId
from maskrcnn_core.projects.new_rows import new_image, new_instance
from maskrcnn_core.projects.proposals.proposing import mark_offered
from maskrcnn_core.projects.records import STATUSES, Doubts
from maskrcnn_core.projects.removal import archive_project, delete_project
from maskrcnn_core.projects.team.comments import add_comment, comments_of
from maskrcnn_core.projects.undo_report import tell_turn
from tests.builders.core import disc
from tests.builders.projects import SIZE, change, make_project

pytestmark = pytest.mark.both_databases


def merge(store, source, target, who="ann"):
    return carry_out_merge(store, plan_merge(store, source, target), who)


def everything(store, project):
    document = json.loads(export_coco(store, project, statuses=STATUSES))
    assert document.pop("info") == {"description": store.project(project).name, "version": "1.0"}
    return document


def test_a_copy_holds_all_that_the_original_does_and_is_independent(store):
    project = make_project(store)
    first, second = store.images(project)
    cell = store.categories(project)[0]
    declare_attributes(store, project, "ann", cell, [Attribute("stage", "text")])
    tag_images(store, project, "ann", [first], add=["night"])
    rows = store.instances(project)
    set_attributes(store, project, "ann", [r for r in rows if r.category_id == cell.id], {"stage": "x"})
    doubtful = new_instance(
        second.id,
        cell.id,
        None,
        disc(*SIZE, 20, 20, 5),
        source="nuclei",
        score=0.25,
        polygons=[[1.5, 2.0, 3.0, 4.0, 1.0, 1.0]],
        is_crowd=True,
        given_box=(1.0, 2.0, 3.0, 4.5),
        given_area=3.25,
        candidate=17,
        extra={"odd": 10**30},
        doubts=Doubts(0.5, "x", 0.25, 0.125),
    )
    store.decide(project, "ann", "add", [doubtful])
    store.save_run(first.id, "nuclei", "d" * 64, candidates=store.blobs.put(b"a run"))
    with store.writing() as connection:
        mark_offered(connection, first.id, "d" * 64, "so")
    copy = duplicate_project(store, project, "bob", "Copy")
    document = everything(store, project)
    assert everything(store, copy.id) == document
    last, last_copied = store.instances(project)[-1], store.instances(copy.id)[-1]
    for name in ("candidate", "doubts", "given_box", "given_area", "polygons", "extra", "score"):
        assert getattr(last_copied, name) == getattr(last, name), name
    assert store.kept_run(store.images(copy.id)[0].id, "d" * 64) == store.kept_run(first.id, "d" * 64)
    assert store.offered_images(copy.id, "d" * 64, "so") == {store.images(copy.id)[0].id}
    assert store.damaged_rows(copy.id) == []
    assert [entry.kind for entry in store.journal(copy.id)] == ["duplicate project"]
    store.decide(copy.id, "bob", "accept", [change(r, status="accepted") for r in store.instances(copy.id)])
    assert everything(store, project) == document
    store.undo(copy.id, "bob")
    assert tell_turn(store, store.undo(copy.id, "bob")).startswith("taken back: duplicate project")
    assert store.images(copy.id) == [] and everything(store, project) == document


def test_a_name_that_is_taken_or_a_deleted_project_is_refused_and_no_copy_is_left(store):
    project = make_project(store)
    with pytest.raises(StoreError, match="already exists"):
        duplicate_project(store, project, "ann", "Cells")
    archive_project(store, "ann", store.project(project))
    assert not duplicate_project(store, project, "ann", "From the archive").is_archived
    delete_project(store, "ann", store.project(project))
    with pytest.raises(StoreError, match="deleted it"):
        duplicate_project(store, project, "ann", "Another")
    assert [row.name for row in store.projects()] == ["From the archive"]


def test_an_empty_project_is_copied_and_merged(store):
    empty = store.create_project("Empty", "ann").id
    copy = duplicate_project(store, empty, "ann", "Copy")
    assert store.images(copy.id) == []
    project = make_project(store)
    before = everything(store, project)
    report = merge(store, empty, project)
    assert (report.images, report.instances, report.conflicts) == (0, 0, ())
    assert everything(store, project) == before and store.journal(project)[0].kind != "merge project"


def test_a_project_merged_with_its_own_copy_changes_nothing(store):
    project = make_project(store)
    copy = duplicate_project(store, project, "ann", "Copy").id
    before = everything(store, project)
    report = merge(store, copy, project)
    assert (report.images, report.joined, report.instances, report.same) == (0, 2, 0, 6)
    assert report.conflicts == () and everything(store, project) == before


def test_the_same_image_has_the_instances_of_both_and_undo_takes_all_of_it_back(store):
    target = make_project(store, images=2, instances=1)
    source = store.create_project(
        "Source", "bob", categories=[Category(1, "nucleus"), Category(2, "vein")]
    ).id
    nucleus, vein = store.categories(source)
    store.decide(
        source,
        "bob",
        "add images",
        [
            new_image(5, "other name.png", SIZE, store.blobs.put(b"pixels 1"), status="reviewed"),
            new_image(6, "image 2.png", SIZE, store.blobs.put(b"other pixels")),
        ],
    )
    shared, other = store.images(source)
    tag_images(store, source, "bob", [shared, other], add=["north"])
    small = disc(*SIZE, 30, 60, 4)
    news = [
        new_instance(shared.id, nucleus.id, 1000, small, source="person", status="accepted"),
        new_instance(other.id, vein.id, WantedId(1001), small, source="person", status="rejected"),
    ]
    store.decide(source, "bob", "draw", news)
    before, source_before = everything(store, target), everything(store, source)
    plan = plan_merge(store, source, target)
    assert everything(store, target) == before, "a plan changes nothing"
    report = carry_out_merge(store, plan, "ann")
    assert report.told == (
        "Source into Cells: 1 new image, 1 image of both, 1 new category, 2 new instances, "
        "0 instances of both"
    )
    assert report.conflicts == ("1 image of both differs in status; the target's stays",)
    assert "1 new image has the name of another image, and got a number after it" in report.notes
    assert any("annotations: 1 of the file's ids" in note for note in report.notes)
    images = store.images(target)
    assert [image.file_name for image in images] == ["image 1.png", "image 2.png", "image 2 (2).png"]
    assert [tags_of(image) for image in images] == [("north",), (), ("north",)]
    names = {row.id: row.name for row in store.categories(target)}
    found = [(row.image_id, names[row.category_id], row.status) for row in store.instances(target)]
    assert found[2:] == [(images[0].id, "nucleus", "accepted"), (images[2].id, "vein", "rejected")]
    assert store.damaged_rows(target) == [] and everything(store, source) == source_before
    store.undo(target, "ann")
    assert everything(store, target) == before
    store.redo(target, "ann")
    assert len(store.instances(target)) == 4


def test_where_the_two_differ_the_target_stays_and_each_kind_is_counted(store):
    target = make_project(store, images=1)
    source = duplicate_project(store, target, "bob", "Source").id
    cell, _ = store.categories(source)
    declare_attributes(store, target, "ann", store.categories(target)[0], [Attribute("stage", "number")])
    declare_attributes(store, source, "bob", cell, [Attribute("stage", "text"), Attribute("age", "number")])
    first, second, third = store.instances(source)
    set_attributes(store, source, "bob", [first], {"occluded": True})
    store.decide(source, "bob", "relabel", [change(second, category_id=cell.id)])
    moved = disc(*SIZE, 22, 31, 10)
    store.decide(
        source,
        "bob",
        "mend",
        [change(third, counts=moved.counts, area=moved.area, box=list(moved.box_xywh))],
    )
    report = merge(store, source, target)
    assert report.same == 1 and report.instances == 2 and report.joined == 1
    assert report.conflicts == (
        "1 attribute is declared otherwise; the target's declaration stays",
        "1 instance of both differs in status, crowd or attributes; what the target says stays",
        "1 mask has another category in the target; both instances are kept",
        "1 instance overlaps one of the same category in the target; both are kept",
    )
    assert declared_by(store.categories(target)[0]) == (
        Attribute("stage", "number"),
        Attribute("age", "number"),
    )
    assert [values_of(row) for row in store.instances(target)] == [{}] * 5


def test_comments_of_both_stay_on_an_image_of_both(store):
    target = make_project(store, images=1)
    add_comment(store, store.images(target)[0].id, "ann", "which one?", (1, 2))
    source = duplicate_project(store, target, "bob", "Source").id
    add_comment(store, store.images(source)[0].id, "bob", "that one", (3, 4))
    add_comment(store, store.images(target)[0].id, "cleo", "none", (5, 6))
    assert merge(store, source, target).conflicts == ()
    found = comments_of(store.images(target)[0])
    assert [(one.id, one.who, one.text) for one in found] == [
        (1, "ann", "which one?"),
        (2, "cleo", "none"),
        (3, "bob", "that one"),
    ]
    store.undo(target, "ann")
    assert [one.who for one in comments_of(store.images(target)[0])] == ["ann", "cleo"]


def test_two_instances_with_one_mask_stay_two(store):
    target = make_project(store, images=1, instances=1)
    source = duplicate_project(store, target, "ann", "Source").id
    (row,) = store.instances(source)
    again = new_instance(row.image_id, row.category_id, None, row.mask, source="person")
    store.decide(source, "ann", "copy", [again])
    report = merge(store, source, target)
    assert (report.same, report.instances) == (1, 1) and len(store.instances(target)) == 2


def test_a_record_without_a_file_gets_the_others(store):
    target, source = (store.create_project(name, "ann").id for name in ("Target", "Source"))
    store.decide(target, "ann", "import", [new_image(1, "a.png", SIZE, "")])
    digest = store.blobs.put(b"pixels")
    store.decide(source, "ann", "add", [new_image(9, "a.png", SIZE, digest)])
    assert merge(store, source, target).joined == 1
    (image,) = store.images(target)
    assert image.digest == digest and image.coco_id == 1


def test_what_cannot_be_merged_is_said(store):
    project = make_project(store, images=1)
    with pytest.raises(InputError, match="expected two projects, got the same one twice"):
        plan_merge(store, project, project)
    source = make_project(store, images=2, name="Source")
    plan = plan_merge(store, source, project)
    archive_project(store, "ann", store.project(project))
    with pytest.raises(StoreError, match="archived and read-only"):
        carry_out_merge(store, plan, "ann")
    assert len(store.images(project)) == 1


def test_a_row_that_somebody_changed_since_the_plan_is_not_overwritten(store):
    target = make_project(store, images=1)
    source = duplicate_project(store, target, "bob", "Source").id
    tag_images(store, source, "bob", store.images(source), add=["north"])
    plan = plan_merge(store, source, target)
    tag_images(store, target, "cleo", store.images(target), add=["south"])
    with pytest.raises(ConflictError):
        carry_out_merge(store, plan, "ann")
    assert tags_of(store.images(target)[0]) == ("south",)
