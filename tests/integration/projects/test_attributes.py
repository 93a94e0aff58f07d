"""Attributes of categories and instances: declared, set, taken back, and through files without a loss."""

import json

import pytest

from maskrcnn_core.errors import ConflictError, InputError
from maskrcnn_core.projects.attribute_edits import declare_attributes, set_attributes
from maskrcnn_core.projects.attributes import Attribute, declared_by, joined_schemas, read_schema, values_of
from maskrcnn_core.projects.exchange.coco_in import import_coco
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.review.executing import ReviewExecutor
from maskrcnn_core.projects.review.operations import REVIEW_KINDS, SetAttributes, Undo
from tests.builders.projects import make_project

pytestmark = pytest.mark.both_databases

SCHEMA = (
    Attribute("stage", "choice", ("early", "late")),
    Attribute("diameter", "number"),
    Attribute("note", "text"),
    Attribute("alive", "yes-no"),
)


@pytest.fixture
def project(store):
    project = make_project(store, images=1)
    declare_attributes(store, project, "ann", store.categories(project)[0], SCHEMA)
    return project


def cells(store, project):
    category = store.categories(project)[0]
    return [row for row in store.instances(project) if row.category_id == category.id]


def test_a_category_declares_attributes_and_undo_takes_that_back(store, project):
    first, second = store.categories(project)
    assert declared_by(first) == SCHEMA and declared_by(second) == ()
    assert store.damaged_rows(project) == []
    declare_attributes(store, project, "ann", first, SCHEMA[:1])
    assert declared_by(store.categories(project)[0]) == SCHEMA[:1]
    store.undo(project, "ann")
    assert declared_by(store.categories(project)[0]) == SCHEMA
    store.undo(project, "ann")
    assert store.categories(project)[0].extra == {}


def test_values_are_set_on_several_instances_in_one_decision(store, project):
    values = {"stage": "late", "diameter": 3.5, "note": "größer", "alive": True, "occluded": True}
    entry = set_attributes(store, project, "ann", cells(store, project), values)
    assert len(entry.changes) == 2
    assert [values_of(row) for row in cells(store, project)] == [values] * 2
    set_attributes(store, project, "bob", cells(store, project)[:1], {"note": None, "alive": False})
    first, second = cells(store, project)
    assert values_of(first) == {"stage": "late", "diameter": 3.5, "alive": False, "occluded": True}
    assert values_of(second) == values
    store.undo(project, "bob")
    store.undo(project, "ann")
    assert [values_of(row) for row in cells(store, project)] == [{}, {}]
    assert store.damaged_rows(project) == []


def test_crowd_is_the_files_iscrowd(store, project):
    row = cells(store, project)[0]
    set_attributes(store, project, "ann", [row], {"crowd": True, "truncated": True})
    row = cells(store, project)[0]
    assert row.is_crowd and row.status == "accepted" and values_of(row) == {"truncated": True}
    written = json.loads(export_coco(store, project))["annotations"][0]
    assert written["iscrowd"] == 1 and written["attributes"] == {"truncated": True}
    store.undo(project, "ann")
    assert not cells(store, project)[0].is_crowd and cells(store, project)[0].status == "proposed"


@pytest.mark.parametrize(
    "values, says",
    [
        ({"stage": "middle"}, "attribute stage: expected one of early, late, got 'middle'"),
        ({"diameter": "3"}, "attribute diameter: expected a number, got '3'"),
        ({"diameter": True}, "attribute diameter: expected a number, got True"),
        ({"diameter": float("nan")}, "attribute diameter: expected a number, got nan"),
        ({"alive": 1}, "attribute alive: expected yes or no, got 1"),
        ({"note": "\0"}, "attribute note: expected a text"),
        ({"color": "red"}, "expected one of category cell .*occluded, truncated, crowd, stage.*got color"),
        ({}, "attributes: expected one or more, got none"),
    ],
)
def test_a_value_that_is_none_is_refused_and_nothing_is_done(store, project, values, says):
    before = export_coco(store, project)
    with pytest.raises(InputError, match=says):
        set_attributes(store, project, "ann", cells(store, project), values)
    assert export_coco(store, project) == before


def test_two_people_who_say_something_of_one_instance_are_told(store, project):
    seen = cells(store, project)
    set_attributes(store, project, "bob", seen[:1], {"stage": "early"})
    with pytest.raises(ConflictError):
        set_attributes(store, project, "ann", seen, {"stage": "late"})
    assert [values_of(row).get("stage") for row in cells(store, project)] == ["early", None]


@pytest.mark.parametrize(
    "schema, says",
    [
        ([{"name": "a", "kind": "choice"}], "one option or more for a choice"),
        ([{"name": "a", "kind": "text", "options": ["x"]}], "no options for a text"),
        ([{"name": "a", "kind": "choice", "options": ["x", "x"]}], "expected each one once"),
        ([{"name": "a", "kind": "date"}], "expected one of"),
        ([{"name": "crowd", "kind": "yes-no"}], "built-in crowd"),
        ([{"name": "a", "kind": "text"}] * 2, "each name once"),
        ([{"name": " ", "kind": "text"}], "without blanks"),
        ("text", "a list"),
    ],
)
def test_declarations_that_make_no_sense_are_refused(schema, says):
    with pytest.raises(ValueError, match=says):
        read_schema(schema)


def test_declarations_are_joined_by_name_and_the_first_ones_stay():
    other = (Attribute("stage", "text"), Attribute("age", "number"))
    assert joined_schemas(SCHEMA, other) == ((*SCHEMA, other[1]), ["stage"])


def test_an_export_with_attributes_gives_the_same_bytes_after_a_way_through_a_new_project(store, project):
    set_attributes(store, project, "ann", cells(store, project), {"stage": "late", "diameter": 2})
    data = export_coco(store, project)
    copy = store.create_project("Copy", "ann")
    report = import_coco(store, copy.id, "ann", data, lambda _name: None)
    assert not report.refused
    again = json.loads(export_coco(store, copy.id))
    for image in (wanted := json.loads(data))["images"]:
        del image["sha256"]
    assert again == wanted
    assert declared_by(store.categories(copy.id)[0]) == SCHEMA


def test_any_attributes_of_a_file_are_kept_as_they_are(store):
    project = store.create_project("P", "ann")
    odd = {"occluded": False, "color": "red", "list": [1, {"a": None}], "ninety": 10**30}
    rows = {
        "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 8}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1, "iscrowd": 0, "attributes": attributes}
            | {"segmentation": [[0, 0, n, 0, n, n]]}
            for n, attributes in ((3, odd), (4, "text"), (5, []))
        ],
    }
    import_coco(store, project.id, "ann", json.dumps(rows).encode(), lambda _name: None)
    written = json.loads(export_coco(store, project.id))["annotations"]
    assert [row["attributes"] for row in written] == [odd, "text", []]
    row = store.instances(project.id)[0]
    set_attributes(store, project.id, "ann", [row], {"truncated": True, "color": None})
    assert json.loads(export_coco(store, project.id))["annotations"][0]["attributes"] == {
        key: value for key, value in odd.items() if key != "color"
    } | {"truncated": True}


def test_an_old_export_does_not_overwrite_what_was_said_since(store, project):
    old = export_coco(store, project)
    set_attributes(store, project, "ann", cells(store, project), {"stage": "late"})
    report = import_coco(store, project, "bob", old, lambda _name: None)
    assert report.instances == 0 and report.changed == 0
    assert [values_of(row) for row in cells(store, project)] == [{"stage": "late"}] * 2
    document = json.loads(export_coco(store, project))
    document["annotations"][0]["attributes"]["stage"] = "early"
    report = import_coco(store, project, "bob", json.dumps(document).encode(), lambda _name: None)
    assert report.changed == 1
    assert sorted(values_of(row)["stage"] for row in cells(store, project)) == ["early", "late"]


def test_declarations_of_a_file_join_those_that_are_there(store, project):
    document = json.loads(export_coco(store, project))
    document["categories"][0]["maskdesk"]["attributes"] = [
        {"name": "stage", "kind": "text"},
        {"name": "age", "kind": "number"},
    ]
    document["categories"][1]["maskdesk"] = {"attributes": [{"kind": "number"}]}
    report = import_coco(store, project, "bob", json.dumps(document).encode(), lambda _name: None)
    assert any(
        "declares 1 attribute otherwise here than in the file (stage)" in note for note in report.notes
    )
    assert any("attributes: expected a list of attributes" in note for note in report.notes)
    assert declared_by(store.categories(project)[0]) == (*SCHEMA, Attribute("age", "number"))


def test_the_review_sets_attributes_by_an_operation_that_is_carried_out_once(store, project):
    rows = cells(store, project)
    image = rows[0].image_id
    executor = ReviewExecutor(store, "client-0", lambda: pytest.fail("no network"))
    asked = SetAttributes(1, image, {"stage": "early"}, tuple((row.id, row.version) for row in rows))
    assert asked.title == "set attributes 2"
    executor.carry_out(asked, "ann")
    executor.carry_out(asked, "ann")
    assert [values_of(row) for row in cells(store, project)] == [{"stage": "early"}] * 2
    with pytest.raises(ConflictError):
        executor.carry_out(SetAttributes(2, image, {"stage": "late"}, asked.instances), "ann")
    assert "set attributes" in REVIEW_KINDS
    executor.carry_out(Undo(3), "ann", project_id=project)
    assert [values_of(row) for row in cells(store, project)] == [{}, {}]
