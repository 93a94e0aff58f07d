"""Named versions of a project: kept exactly, compared, restored, exported, checked, and purged with it."""

import json
import os
from pathlib import Path

import pytest
from sqlalchemy import update

from maskrcnn_core.errors import DamageError, InputError, StoreError
from maskrcnn_core.projects.attribute_edits import set_attributes
from maskrcnn_core.projects.category_edits import add_categories, change_category, merge_categories
from maskrcnn_core.projects.copying.duplicating import duplicate_project
from maskrcnn_core.projects.db.tables import IMAGE, SNAPSHOT
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.image_edits import remove_images
from maskrcnn_core.projects.image_tags import tag_images
from maskrcnn_core.projects.new_rows import mask_values, new_image, new_instance
from maskrcnn_core.projects.records import STATUSES, Doubts
from maskrcnn_core.projects.removal import archive_project, delete_project, purge_now
from maskrcnn_core.projects.snapshots.comparing import compare_contents
from maskrcnn_core.projects.snapshots.keeping import (
    damaged_snapshots,
    make_snapshot,
    present_contents,
    snapshot_contents,
    snapshot_named,
    snapshots_of,
)
from maskrcnn_core.projects.snapshots.reading import SnapshotStore
from maskrcnn_core.projects.snapshots.restoring import restore_snapshot
from tests.builders.core import disc
from tests.builders.projects import SIZE, change, make_project

pytestmark = pytest.mark.both_databases


def everything(store, project):
    return export_coco(store, project, statuses=STATUSES)


@pytest.fixture
def project(store):
    """Two images of three instances, and one of every value that an instance can have."""
    project = make_project(store)
    image, category = store.images(project)[0], store.categories(project)[0]
    rich = new_instance(
        image.id,
        category.id,
        None,
        disc(*SIZE, 20, 20, 5),
        source="größer",
        score=1 / 3,
        polygons=[[1.5, 2.0, 3.0, 4.0, 1.0, 1.0]],
        is_crowd=True,
        given_box=(1.0, 2.0, 3.0, 4.5),
        given_area=3.25,
        candidate=17,
        extra={"odd": 10**30, "attributes": {"stage": "late"}},
        doubts=Doubts(0.5, "x", 0.25, 0.125),
    )
    store.decide(project, "ann", "add", [rich])
    return project


def compared(store, row, other=None):
    first = snapshot_contents(store, row)
    second = present_contents(store, row.project_id) if other is None else snapshot_contents(store, other)
    return compare_contents(first, second)


def test_a_snapshot_holds_the_very_rows(store, project):
    row = make_snapshot(store, project, "ann", " first ")
    assert row.told == "2 images, 7 instances and 2 categories" and row.name == "first"
    assert snapshots_of(store, project) == [row] == [snapshot_named(store, project, "first")]
    assert snapshot_contents(store, row) == present_contents(store, project)
    assert store.instances(project) == list(snapshot_contents(store, row).instances.values())
    assert compared(store, row).is_empty and compared(store, row).told == "nothing differs"
    assert store.journal(project)[0].kind == "make snapshot"


def test_making_one_is_neither_undone_nor_in_the_way_of_redo(store, project):
    store.undo(project, "ann")
    make_snapshot(store, project, "ann", "first")
    store.redo(project, "ann")
    assert len(store.instances(project)) == 7
    store.undo(project, "ann")
    assert len(store.instances(project)) == 6 and len(snapshots_of(store, project)) == 1


def test_a_project_goes_back_to_a_snapshot_and_undo_goes_forward_again(store, project):
    before = everything(store, project)
    row = make_snapshot(store, project, "ann", "first")
    first, second = store.images(project)
    cell, nucleus = store.categories(project)
    instances = store.instances(project)
    store.decide(project, "bob", "accept", [change(instances[0], status="accepted")])
    moved = disc(*SIZE, 30, 30, 9)
    store.decide(project, "bob", "mend", [change(instances[2], **mask_values(moved))])
    set_attributes(store, project, "bob", [instances[-1]], {"occluded": True})
    change_category(store, project, "ann", cell, name="renamed", color="#112233")
    merge_categories(store, project, "ann", [nucleus], store.categories(project)[0])
    add_categories(store, project, "ann", ["nucleus"])
    remove_images(store, project, "ann", [second])
    store.decide(project, "bob", "add", [new_image(None, second.file_name, SIZE, store.blobs.put(b"new"))])
    tag_images(store, project, "bob", [first], add=["night"])
    found = compared(store, row)
    assert found.images_added == (second.file_name,) and found.images_removed == (second.file_name,)
    assert found.images_changed == (first.file_name,)
    assert found.categories_added == ("nucleus",) and found.categories_removed == ("nucleus",)
    assert found.categories_changed == ("renamed",)
    assert found.per_image[second.file_name] == {"removed": 3}
    assert found.per_image[first.file_name] == {"status": 1, "mask": 1, "attributes": 1, "category": 1}
    assert found.totals["removed"] == 3 and sum(found.per_category.values(), found.totals - found.totals)
    assert "instances: 3 removed, 1 with another mask" in found.told
    after = everything(store, project)
    entry, told = restore_snapshot(store, row, "cleo")
    assert entry.kind == "restore snapshot" and told.totals["added"] == 3
    assert everything(store, project) == before and store.damaged_rows(project) == []
    assert snapshot_contents(store, row).instances.keys() == {r.id for r in store.instances(project)}
    for then, now in zip(
        snapshot_contents(store, row).instances.values(), store.instances(project), strict=True
    ):
        assert (then.doubts, then.candidate, then.given_box) == (now.doubts, now.candidate, now.given_box)
    assert restore_snapshot(store, row, "cleo")[0] is None
    store.undo(project, "cleo")
    assert everything(store, project) == after
    store.redo(project, "cleo")
    assert everything(store, project) == before


def test_two_snapshots_are_compared_and_each_is_exported_as_it_was(store, project):
    first = make_snapshot(store, project, "ann", "first")
    before = everything(store, project)
    rows = store.instances(project)
    store.decide(project, "ann", "reject", [change(row, status="rejected") for row in rows[:2]])
    second = make_snapshot(store, project, "ann", "second")
    store.decide(
        project, "ann", "accept", [change(row, status="accepted") for row in store.instances(project)]
    )
    assert compared(store, first, second).totals == {"status": 2}
    assert compared(store, second, first).totals == {"status": 2}
    then = SnapshotStore(store, first)
    assert everything(then, project) == before
    assert then.counts(project)[1] == {"proposed": 7} and len(then.facts(project)) == 7
    assert then.instances(project, image_id=rows[0].image_id) == rows[:3] + rows[-1:]
    assert then.images(project, ids=[rows[0].image_id]) == store.images(project)[:1]
    with pytest.raises(StoreError, match="of which this snapshot is"):
        then.categories(project + 1)


def test_looking_at_an_image_is_no_difference(store, project):
    row = make_snapshot(store, project, "ann", "first")
    store.mark_opened(store.images(project)[0].id)
    assert compared(store, row).is_empty and restore_snapshot(store, row, "ann")[0] is None


@pytest.mark.parametrize("name, says", [("", "expected one, got nothing"), ("x" * 1025, "at most 1,024")])
def test_a_name_that_is_none_is_refused(store, project, name, says):
    with pytest.raises(InputError, match=says):
        make_snapshot(store, project, "ann", name)
    assert snapshots_of(store, project) == []


def test_what_cannot_be_kept_is_said(store, project):
    make_snapshot(store, project, "ann", "first")
    with pytest.raises(StoreError, match="'first': this name is taken"):
        make_snapshot(store, project, "ann", "first")
    with pytest.raises(InputError, match="expected one of first, got 'second'"):
        snapshot_named(store, project, "second")
    with pytest.raises(InputError, match="name: expected one for the journal"):
        make_snapshot(store, project, "", "second")
    row = snapshot_named(store, project, "first")
    archive_project(store, "ann", store.project(project))
    for act in (make_snapshot, lambda s, p, who, _: restore_snapshot(s, row, who)):
        store_images = store.images(project)
        with pytest.raises(StoreError, match="archived and read-only"):
            act(store, project, "ann", "second")
            raise StoreError("archived and read-only")  # nothing to restore is no decision
        assert store.images(project) == store_images


def test_damage_is_found_and_nothing_damaged_is_kept(store, project):
    first = make_snapshot(store, project, "ann", "first")
    make_snapshot(store, project, "ann", "second")
    assert list(damaged_snapshots(store, project)) == []
    with store.writing() as connection:
        renamed = update(SNAPSHOT).where(SNAPSHOT.c.name == "second").values(made_by="bob")
        connection.execute(renamed)
    (damage,) = damaged_snapshots(store, project)
    assert "snapshot second: its row in the project database is not what was written" in damage.shown
    file = Path(store.place.files, first.digest[:2], first.digest)
    if not file.exists():
        (file,) = Path(store.place.files).rglob(f"*{first.digest[2:]}")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    found = list(damaged_snapshots(store, project))
    assert len(found) == 2 and any("is damaged" in damage.shown for damage in found)
    with pytest.raises(StoreError, match="is damaged"):
        restore_snapshot(store, first, "ann")
    with store.writing() as connection:
        connection.execute(update(IMAGE).values(width=81))
    with pytest.raises(DamageError):
        make_snapshot(store, project, "ann", "third")


def test_a_file_of_another_form_is_named(store, project):
    digest = store.blobs.put(b"no snapshot")
    row = make_snapshot(store, project, "ann", "first")
    with store.writing() as connection:
        connection.execute(update(SNAPSHOT).values(digest=digest))
    with pytest.raises(StoreError, match="expected one that this version can read"):
        snapshot_contents(store, snapshot_named(store, project, row.name))
    assert len(list(damaged_snapshots(store, project))) == 1


def test_snapshots_go_with_their_project_and_stay_while_another_one_needs_the_images(store, project):
    row = make_snapshot(store, project, "ann", "first")
    copy = duplicate_project(store, project, "ann", "Copy")
    delete_project(store, "ann", store.project(project))
    for file in Path(store.place.files).glob("*/*"):
        os.utime(file, (0, 0))
    ((deleted, _),) = store.deleted_projects()
    assert purge_now(store, "ann", deleted).problem == ""
    assert snapshots_of(store, project) == []
    with pytest.raises(StoreError, match="is gone"):
        store.blobs.get(row.digest)
    assert all(store.blobs.get(image.digest) for image in store.images(copy.id))
    assert json.loads(everything(store, copy.id))["annotations"]
