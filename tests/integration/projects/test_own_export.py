"""A project's own export that is changed elsewhere and brought back, and ids that stay what they were."""

import json

import pytest

from maskrcnn_core.geometry.polygons import polygons_to_rle
from maskrcnn_core.projects.exchange.coco_in import import_coco
from maskrcnn_core.projects.exchange.coco_out import export_coco
from tests.builders.core import disc
from tests.builders.projects import change
from tests.integration.projects.test_coco_in import PICTURES, as_bytes, other_project

SQUARE = [[10, 10, 60, 10, 60, 60, 10, 60]]
MOVED = [[10, 10, 65, 10, 65, 60, 10, 60]]
SIZE = (200, 240)


def make_file(**ids):
    """One image with two instances, the second one a proposal with a hole."""
    ring = disc(*SIZE, 120, 150, 40, hole=15)
    rows = [
        {
            "segmentation": SQUARE,
            "area": 2500,
            "bbox": [10, 10, 50, 50],
            "iscrowd": 0,
            "attributes": {"a": 1},
        },
        {"segmentation": {"size": list(SIZE), "counts": ring.counts}, "score": 0.25},
    ]
    image, category = ids.get("image", 4), ids.get("category", 7)
    return {
        "images": [{"id": image, "file_name": "0.png", "width": 240, "height": 200}],
        "categories": [{"id": category, "name": "cell"}, {"id": 8, "name": "dog"}],
        "annotations": [
            {"id": id_, "image_id": image, "category_id": category} | row
            for id_, row in zip(ids.get("annotations", (1, 2)), rows, strict=True)
        ],
    }


@pytest.fixture
def project(store):
    return store.create_project("Mine", "ann").id


def bring(store, project, document, who="ann"):
    return import_coco(store, project, who, as_bytes(document), PICTURES.get)


def export(store, project):
    return json.loads(export_coco(store, project))


def test_a_corner_that_was_moved_changes_its_own_instance_in_one_decision(store, project):
    bring(store, project, make_file())
    before = export_coco(store, project)
    edited = json.loads(before)
    edited["annotations"][0]["segmentation"] = MOVED
    report = bring(store, project, edited)
    assert (report.instances, report.changed, report.refused) == (0, 1, ())
    assert any("1 of this project were changed in the file" in note for note in report.notes)
    first = store.instances(project)[0]
    assert first.mask == polygons_to_rle(MOVED, SIZE) and first.polygons == MOVED
    written = export(store, project)["annotations"]
    assert written[0]["area"] == 2750 and written[0]["bbox"] == [10, 10, 55, 50], "not those of the old mask"
    assert written[0]["attributes"] == {"a": 1}
    assert json.dumps(written[1]) == json.dumps(json.loads(before)["annotations"][1]), "the other one stays"
    lines = len(store.journal(project))
    assert bring(store, project, edited).changed == 0 and len(store.journal(project)) == lines
    store.undo(project, "ann")
    assert export_coco(store, project) == before


def test_category_status_score_crowd_and_keys_come_back_too(store, project):
    bring(store, project, make_file())
    edited = export(store, project)
    row = edited["annotations"][1]
    row |= {"category_id": 8, "score": 0.75, "iscrowd": 1, "note": "seen"}
    row["maskdesk"]["status"] = "rejected"
    assert bring(store, project, edited).changed == 1
    changed = store.instances(project)[1]
    assert (changed.score, changed.status, changed.is_crowd) == (0.75, "rejected", True)
    names = {category.id: category.name for category in store.categories(project)}
    assert names[changed.category_id] == "dog" and changed.extra["note"] == "seen"


def test_where_somebody_changed_it_since_both_versions_are_kept(store, project):
    bring(store, project, make_file())
    edited = export(store, project)
    edited["annotations"][0]["segmentation"] = MOVED
    store.decide(project, "bob", "reject", [change(store.instances(project)[0], status="rejected")])
    report = bring(store, project, edited)
    assert (report.instances, report.changed) == (1, 0)
    assert any("both versions are kept" in note for note in report.notes)
    kept, _, added = store.instances(project)
    assert kept.status == "rejected" and kept.polygons == SQUARE and added.polygons == MOVED
    again = bring(store, project, edited)
    assert (again.instances, again.changed) == (0, 0), "the same file again changes nothing"


def test_what_was_changed_here_alone_stays_and_what_the_file_lacks_is_not_deleted(store, project):
    bring(store, project, make_file())
    edited = export(store, project)
    del edited["annotations"][1]
    new = dict(edited["annotations"][0], id=99, segmentation=[[100, 10, 120, 10, 120, 30]], area=200)
    del new["maskdesk"], new["bbox"]
    edited["annotations"].append(new)
    store.decide(project, "bob", "reject", [change(store.instances(project)[0], status="rejected")])
    report = bring(store, project, edited)
    assert (report.instances, report.changed) == (1, 0)
    told = "\n".join(report.notes)
    assert "1 of this project were changed here since" in told
    assert "1 annotation of these images is not in the file; it stays as it is" in told
    assert [(row.coco_id, row.status) for row in store.instances(project)] == [
        (1, "rejected"),
        (2, "proposed"),
        (99, "accepted"),
    ]


def test_another_projects_export_with_the_same_ids_comes_in_beside(store, project):
    bring(store, project, make_file())
    other = other_project(store)
    theirs = make_file()
    theirs["annotations"][0]["segmentation"] = MOVED
    bring(store, other, theirs)
    report = bring(store, project, export(store, other))
    assert (report.instances, report.changed, report.there) == (1, 0, 1)
    assert [row.polygons for row in store.instances(project)][::2] == [SQUARE, MOVED]
    assert any("annotations: 1 of the file's ids was already used here" in note for note in report.notes)


def test_an_export_of_an_older_version_changes_what_it_overlaps(store, project):
    bring(store, project, make_file())
    old = export(store, project)
    del old["maskdesk"]
    for row in old["annotations"]:
        del row["maskdesk"]["mark"]
    assert bring(store, project, old).changed == 0
    old["annotations"][0]["segmentation"] = MOVED
    report = bring(store, project, old)
    assert (report.instances, report.changed) == (0, 1)
    old["annotations"][0]["segmentation"] = [[150, 20, 190, 20, 190, 40, 150, 40]]
    assert bring(store, project, old).instances == 1, "elsewhere in the image it is another one"


def test_a_category_renamed_here_since_is_the_same_one(store, project):
    bring(store, project, make_file())
    edited = export(store, project)
    edited["annotations"][0]["segmentation"] = MOVED
    cell = store.categories(project)[0]
    store.decide(project, "bob", "rename", [change(cell, "category", name="nucleus")])
    report = bring(store, project, edited)
    assert (report.categories, report.instances, report.changed) == (0, 0, 1)
    assert "categories: cell of the file is now called nucleus here" in report.notes


@pytest.mark.parametrize(
    "ids",
    [
        {"image": 0, "category": 0, "annotations": (0, 1)},
        {"image": "img_a", "category": "α", "annotations": ("x", "y")},
        {"image": "7", "category": 2**60, "annotations": (2**60, None)},
        {"image": -3, "category": -1, "annotations": (-4, 0)},
    ],
    ids=repr,
)
def test_export_import_export_is_byte_identical_whatever_the_ids(store, project, ids):
    report = bring(store, project, make_file(**ids))
    assert (report.images, report.instances) == (1, 2)
    first = export_coco(store, project)
    other = other_project(store)
    import_coco(store, other, "bob", first, PICTURES.get)
    assert export_coco(store, other) == first
    document = json.loads(first)
    for rows, given in (("images", ids["image"]), ("categories", ids["category"])):
        row = (
            document[rows][0] if rows == "images" else next(c for c in document[rows] if c["name"] == "cell")
        )
        if isinstance(given, int) and abs(given) < 2**53:
            assert row["id"] == given and "maskdesk" not in row
        elif given != "7":
            assert isinstance(row["id"], int) and row["maskdesk"]["id"] == str(given)
    numbers = [row["id"] for row in document["annotations"]]
    assert 0 not in numbers and len(set(numbers)) == 2 and all(type(n) is int for n in numbers)


def test_uncompressed_run_lengths_stay_a_list(store, project):
    file = make_file()
    runs = polygons_to_rle(SQUARE, SIZE).runs.tolist()
    for row, is_crowd in zip(file["annotations"], (0, 1), strict=True):
        row |= {"segmentation": {"size": list(SIZE), "counts": runs}, "iscrowd": is_crowd}
    file["annotations"][1]["category_id"] = 8
    bring(store, project, file)
    first = export_coco(store, project)
    assert [row["segmentation"]["counts"] for row in json.loads(first)["annotations"]] == [runs, runs]
    other = other_project(store)
    import_coco(store, other, "bob", first, PICTURES.get)
    assert export_coco(store, other) == first


def test_a_category_that_is_renamed_in_the_file_does_not_take_the_text_id_of_another(store, project):
    file = make_file(image="img_a", category="α")
    file["categories"][1]["id"] = "β"
    bring(store, project, file)
    edited = export(store, project)
    (dog,) = (row for row in edited["categories"] if row["name"] == "dog")
    dog["name"] = "wolf"
    report = bring(store, project, edited)
    kept = [row.get("maskdesk", {}).get("id") for row in export(store, project)["categories"]]
    assert sorted(map(str, kept)) == ["None", "α", "β"]
    assert any("another row of this project has this text id" in note for note in report.notes)
