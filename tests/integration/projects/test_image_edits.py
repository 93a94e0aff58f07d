"""Images removed from a project, with what is on them, and brought back by undo."""

import pytest

from maskrcnn_core.errors import ConflictError, InputError
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.image_edits import images_named, remove_images
from maskrcnn_core.projects.new_rows import new_image
from maskrcnn_core.projects.undo_report import tell_turn
from tests.builders.projects import SIZE, change, make_project, statuses

pytestmark = pytest.mark.both_databases


def test_an_image_goes_with_its_instances_and_both_come_back(store):
    project = make_project(store)
    before = export_coco(store, project)
    first, second = store.images(project)
    removed = remove_images(store, project, "ann", [first])
    assert removed.told == "1 image with 3 instances"
    assert store.images(project) == [second] and len(store.instances(project)) == 3
    assert {row.image_id for row in store.instances(project)} == {second.id}
    assert store.damaged_rows(project) == [] and store.blobs.get(first.digest)
    told = tell_turn(store, store.undo(project, "ann"))
    assert told == "taken back: remove images, 1 image (image 1.png), 3 instances in image 1.png"
    assert export_coco(store, project) == before
    store.redo(project, "ann")
    assert store.images(project) == [second]


def test_what_others_decided_on_a_removed_image_waits_until_it_is_back(store):
    project = make_project(store, images=1)
    (row, *_) = store.instances(project)
    store.decide(project, "bob", "accept", [change(row, status="accepted")])
    remove_images(store, project, "ann", store.images(project))
    entry = store.undo(project, "bob")
    assert entry.changes == () and "ann decided 'remove images' since" in entry.skipped[0]["why"]
    store.undo(project, "ann")
    assert statuses(store, project) == ["accepted", "proposed", "proposed"]
    store.undo(project, "bob")
    assert statuses(store, project) == ["proposed"] * 3


def test_undo_leaves_an_image_whose_name_another_one_has_by_now(store):
    project = make_project(store, images=1)
    (image,) = store.images(project)
    remove_images(store, project, "ann", [image])
    store.decide(project, "bob", "add images", [new_image(9, image.file_name, SIZE, store.blobs.put(b"x"))])
    entry = store.undo(project, "ann")
    assert entry.changes == () and len(entry.skipped) == 4
    assert "another image is now called image 1.png" in {line["why"] for line in entry.skipped}


def test_an_image_that_somebody_changes_at_the_same_moment_stays(store):
    project = make_project(store, images=1)
    seen = store.images(project)
    store.decide(project, "bob", "finish", [change(seen[0], "image", status="reviewed")])
    with pytest.raises(ConflictError):
        remove_images(store, project, "ann", seen)
    assert len(store.images(project)) == 1 and len(store.instances(project)) == 3


def test_names_that_no_image_has_are_told_and_nothing_is_done(store):
    project = make_project(store)
    with pytest.raises(InputError, match=r"got a.png, b.png; nothing was done"):
        images_named(store, project, ["b.png", "image 1.png", "a.png"])
    with pytest.raises(InputError, match="expected one or more to remove"):
        remove_images(store, project, "ann", [])
    assert [row.file_name for row in images_named(store, project, ["image 2.png"] * 2)] == ["image 2.png"]
