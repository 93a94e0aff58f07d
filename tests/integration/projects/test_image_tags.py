"""Tags of images: given, taken, undone, and through files."""

import json

import pytest

from maskrcnn_core.errors import InputError
from maskrcnn_core.projects.exchange.coco_in import import_coco
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.image_tags import are_tags, tag_counts, tag_images, tags_of
from tests.builders.projects import make_project

pytestmark = pytest.mark.both_databases


def tags(store, project):
    return [tags_of(row) for row in store.images(project)]


def test_images_are_tagged_in_one_decision_and_undo_takes_it_back(store):
    project = make_project(store)
    entry = tag_images(store, project, "ann", store.images(project), add=["night", " nord süd "])
    assert len(entry.changes) == 2 and tags(store, project) == [("night", "nord süd")] * 2
    first = store.images(project)[0]
    tag_images(store, project, "ann", [first], add=["x"], remove=["night", "never there"])
    assert tags(store, project) == [("nord süd", "x"), ("night", "nord süd")]
    assert tag_counts(store.images(project)) == {"nord süd": 2, "x": 1, "night": 1}
    assert tag_images(store, project, "ann", [store.images(project)[0]], add=["x"]) is None
    assert store.damaged_rows(project) == []
    store.undo(project, "ann")
    store.undo(project, "ann")
    assert tags(store, project) == [(), ()] and store.images(project)[0].extra == {}


@pytest.mark.parametrize("tag", ["", "a,b", 'say "x"', "a\\b", "x" * 101, "line\nbreak", "nul\0"])
def test_what_can_be_no_tag_is_refused(store, tag):
    project = make_project(store)
    with pytest.raises(InputError, match="tag: expected up to 100 characters"):
        tag_images(store, project, "ann", store.images(project), add=[tag])
    assert not are_tags([tag])


def test_tags_go_through_a_file_and_join_those_that_are_there(store):
    project = make_project(store)
    tag_images(store, project, "ann", store.images(project)[:1], add=["night"])
    document = json.loads(export_coco(store, project))
    assert document["images"][0]["maskdesk"] == {"tags": ["night"]}
    copy = store.create_project("Copy", "ann")
    import_coco(store, copy.id, "ann", json.dumps(document).encode(), lambda _name: None)
    assert tags(store, copy.id) == [("night",), ()]
    assert json.loads(export_coco(store, copy.id))["images"][0]["maskdesk"] == {"tags": ["night"]}
    document["images"][0]["maskdesk"]["tags"] = ["wet"]
    document["images"][1]["maskdesk"] = {"tags": ["a,b"]}
    report = import_coco(store, project, "ann", json.dumps(document).encode(), lambda _name: None)
    assert any("maskdesk.tags: expected a list of short texts" in note for note in report.notes)
    assert tags(store, project) == [("night", "wet"), ()]
