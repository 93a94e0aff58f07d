"""Categories: made, changed, merged, removed, and all of it undone."""

import pytest

from maskrcnn_core.errors import ConflictError, InputError, StoreError
from maskrcnn_core.projects.category_edits import (
    add_categories,
    change_category,
    merge_categories,
    remove_category,
)
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.new_rows import new_instance
from tests.builders.projects import change, make_project


def names(store, project):
    return [row.name for row in store.categories(project)]


def test_categories_are_made_with_ids_that_were_never_given(store):
    project = make_project(store)
    add_categories(store, project, "ann", ["vessel", "cell", " debris "], supercategory="tissue")
    rows = store.categories(project)
    assert [(r.coco_id, r.name) for r in rows] == [(3, "cell"), (7, "nucleus"), (8, "vessel"), (9, "debris")]
    store.undo(project, "ann")
    add_categories(store, project, "ann", ["other"])
    assert store.categories(project)[-1].coco_id == 10
    assert add_categories(store, project, "ann", ["cell"]) is None
    with pytest.raises(InputError, match="expected every name once"):
        add_categories(store, project, "ann", ["a", "a"])
    with pytest.raises(InputError, match="expected a name"):
        add_categories(store, project, "ann", [" "])


def test_a_category_gets_another_name_and_colour(store):
    project = make_project(store)
    cell, nucleus = store.categories(project)
    change_category(store, project, "ann", cell, name="Zelle", supercategory="tissue", color="#12ab9f")
    row = store.categories(project)[0]
    assert (row.name, row.color, row.coco_id) == ("Zelle", "#12ab9f", 3)
    with pytest.raises(ConflictError):
        change_category(store, project, "bob", cell, name="cellule")
    with pytest.raises(StoreError, match="merge the two"):
        change_category(store, project, "ann", nucleus, name="Zelle")
    with pytest.raises(InputError, match="#rrggbb"):
        change_category(store, project, "ann", nucleus, name="nucleus", color="red")


def test_merged_categories_are_one_and_can_be_parted_again(store):
    project = make_project(store)
    before = export_coco(store, project)
    cell, nucleus = store.categories(project)
    merge_categories(store, project, "ann", [cell, nucleus], nucleus)
    assert names(store, project) == ["nucleus"]
    assert {row.category_id for row in store.instances(project)} == {nucleus.id}
    store.undo(project, "ann")
    assert export_coco(store, project) == before
    with pytest.raises(InputError, match="another category"):
        merge_categories(store, project, "ann", [nucleus], nucleus)


def test_a_category_in_use_is_not_removed(store):
    project = make_project(store, images=1, instances=1)
    cell, nucleus = store.categories(project)
    with pytest.raises(InputError, match="'cell': 1 instance has it; merge"):
        remove_category(store, project, "ann", cell)
    remove_category(store, project, "ann", nucleus)
    assert names(store, project) == ["cell"]
    store.undo(project, "ann")
    assert names(store, project) == ["cell", "nucleus"]


def test_no_instance_is_left_with_a_category_that_is_gone(store):
    project = make_project(store)
    cell, nucleus = store.categories(project)
    stale = next(row for row in store.instances(project) if row.category_id == nucleus.id)
    merge_categories(store, project, "bob", [cell], nucleus)
    with pytest.raises(ConflictError, match="merged or removed the category"):
        store.decide(project, "ann", "relabel", [change(stale, category_id=cell.id)], image_id=stale.image_id)
    refused = store.journal(project)[0]
    assert refused.is_refused and refused.image_id == stale.image_id
    new = new_instance(stale.image_id, cell.id, 10**6, stale.mask, source="nuclei")
    with pytest.raises(ConflictError, match="merged or removed the category"):
        store.decide(project, "model nuclei", "propose", [new])
    assert {row.category_id for row in store.instances(project)} == {nucleus.id}


def test_a_category_that_is_given_to_an_instance_meanwhile_is_not_removed(store):
    project = make_project(store, images=1, instances=1)
    _, nucleus = store.categories(project)
    row = store.instances(project)[0]
    store.decide(project, "ann", "relabel", [change(row, category_id=nucleus.id)])
    with pytest.raises(ConflictError, match="gave it to an instance"):
        store.decide(project, "bob", "remove", [change(nucleus, "category", gone=True)])
    assert names(store, project) == ["cell", "nucleus"]


def test_an_undo_brings_no_category_back_that_is_gone(store):
    project = make_project(store, images=1, instances=1, who="importer")
    cell, nucleus = store.categories(project)
    row = store.instances(project)[0]
    store.decide(project, "ann", "relabel", [change(row, category_id=nucleus.id)])
    remove_category(store, project, "bob", cell)
    left = store.undo(project, "ann")
    assert left.changes == () and [line["why"] for line in left.skipped] == ["its category is gone"]
    assert store.undo(project, "ann") is None
    store.undo(project, "bob")
    assert store.undo(project, "ann").skipped == (), "what was left is tried again"
    assert store.instances(project)[0].category_id == cell.id
