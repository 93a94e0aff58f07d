"""Images and COCO files into a project and out of it: nothing is lost, and nothing is taken twice."""

import json
from dataclasses import replace

import pytest

from maskrcnn_core.errors import DatasetError
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.geometry.polygons import polygons_to_rle
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.projects.exchange.coco_in import import_coco
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.exchange.images_in import import_images
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.builders.core import disc
from tests.builders.projects import change, make_project
from tests.shared_data import shared_path

PICTURES = {f"{n}.png": encode_png(draw_scene(n).pixels[: 200 + n, :240]) for n in range(3)}
RING = disc(200, 240, 90, 110, 40, hole=15)
DISC = disc(201, 240, 90, 110, 30)
SQUARE = [[10, 10, 60.5, 10, 60.5, 60, 10, 60]]

FILE = {
    "info": {"description": "of others", "year": 2017, "x": None},
    "licenses": [{"id": 4, "name": "CC BY 4.0", "url": "http://a/b"}],
    "images": [
        {
            "license": 4,
            "file_name": "0.png",
            "height": 200,
            "width": 240,
            "id": 139,
            "coco_url": "http://a/0",
        },
        {"file_name": "1.png", "height": 201, "width": 240, "id": 2**40, "flags": [1, 1.0, "é"]},
    ],
    "annotations": [
        {
            "id": 77,
            "image_id": 139,
            "category_id": 18,
            "segmentation": SQUARE,
            "area": 2525.25,
            "bbox": [10, 10, 50.5, 50],
            "iscrowd": 0,
            "attributes": {"occluded": True},
        },
        {
            "id": 3,
            "image_id": 139,
            "category_id": 90,
            "segmentation": {"size": [200, 240], "counts": RING.counts},
            "area": RING.area,
            "bbox": [0.1, 0.2, 0.3, 0.7],
            "iscrowd": 0,
            "score": 0.30000000000000004,
        },
        {
            "id": 5,
            "image_id": 2**40,
            "category_id": 18,
            "segmentation": {"size": [201, 240], "counts": DISC.runs.tolist()},
            "area": DISC.area,
            "bbox": [1, 2, 3, 4],
            "iscrowd": 1,
        },
    ],
    "categories": [
        {"supercategory": "animal", "id": 18, "name": "dog", "keypoints": ["nose"]},
        {"id": 90, "name": "toothbrush"},
    ],
    "split": "val",
}


def as_bytes(document):
    return json.dumps(document).encode()


@pytest.fixture
def project(store):
    return store.create_project("Mine", "ann").id


def other_project(store, name="Another"):
    return store.create_project(name, "bob").id


def test_a_file_comes_in_with_all_that_is_in_it(store, project):
    report = import_coco(store, project, "ann", as_bytes(FILE), PICTURES.get)
    assert (report.images, report.categories, report.instances) == (2, 2, 3)
    assert report.refused == report.missing == report.known == report.notes == ()
    square, ring, crowd = store.instances(project)
    assert square.mask == polygons_to_rle(SQUARE, (200, 240)) and square.polygons == SQUARE
    assert ring.mask == RING and ring.polygons is None and ring.score == 0.30000000000000004
    assert crowd.mask == DISC and crowd.is_crowd
    assert [row.status for row in (square, ring, crowd)] == ["accepted", "proposed", "accepted"]
    assert [row.coco_id for row in store.images(project)] == [139, 2**40]
    assert all(store.blobs.get(row.digest) == PICTURES[row.file_name] for row in store.images(project))
    written = json.loads(export_coco(store, project))
    for name in ("info", "licenses", "split"):
        assert written[name] == FILE[name]
    for rows in ("images", "annotations", "categories"):
        for given, row in zip(FILE[rows], written[rows], strict=True):
            same = {key: row[key] for key in given if key != "segmentation"}
            assert json.dumps(same) == json.dumps({k: v for k, v in given.items() if k != "segmentation"})
    assert written["annotations"][0]["segmentation"] == SQUARE
    read, refusals = read_coco(export_coco(store, project))
    assert refusals == [] and [i.mask for i in read.instances] == [square.mask, RING, DISC]


def test_export_import_export_is_byte_identical(store, project):
    import_coco(store, project, "ann", as_bytes(FILE), PICTURES.get)
    rows = store.instances(project)
    store.decide(project, "ann", "accept", [change(rows[1], status="accepted")])
    image, category = store.images(project)[0], store.categories(project)[0]
    store.decide(project, "ann", "finish", [change(image, "image", status="reviewed")])
    store.decide(project, "ann", "paint", [change(category, "category", colour="#12ab9f")])
    first = export_coco(store, project)
    again = other_project(store)
    report = import_coco(store, again, "bob", first, PICTURES.get)
    assert (report.images, report.instances, report.refused) == (2, 3, ())
    assert export_coco(store, again) == first
    assert [row.status for row in store.instances(again)] == ["accepted"] * 3
    assert [row.status for row in store.images(again)] == ["reviewed", "new"]
    assert store.categories(again)[0].color == "#12ab9f"


def test_a_projects_own_work_is_byte_identical_too(store):
    project = make_project(store)
    first = export_coco(store, project)
    document = json.loads(first)
    assert document["info"]["description"] == "Cells"
    again = other_project(store)
    report = import_coco(store, again, "bob", first, {}.get)
    assert report.missing == ("image 1.png", "image 2.png"), "the pixels of these were never images"
    second = json.loads(export_coco(store, again))
    for image in document["images"]:
        del image["sha256"]
    assert second == document


def test_the_same_import_again_changes_nothing(store, project):
    import_coco(store, project, "ann", as_bytes(FILE), PICTURES.get)
    before, lines = export_coco(store, project), len(store.journal(project))
    report = import_coco(store, project, "ann", as_bytes(FILE), PICTURES.get)
    assert (report.images, report.categories, report.instances) == (0, 0, 0)
    assert report.known == ("0.png", "1.png")
    assert export_coco(store, project) == before and len(store.journal(project)) == lines


def test_an_import_is_one_decision_that_can_be_undone(store, project):
    empty = export_coco(store, project)
    import_coco(store, project, "ann", as_bytes(FILE), PICTURES.get)
    full = export_coco(store, project)
    assert store.undo(project, "ann").kind == "undo"
    assert export_coco(store, project) == empty
    store.redo(project, "ann")
    assert export_coco(store, project) == full
    store.undo(project, "ann")
    report = import_coco(store, project, "ann", as_bytes(FILE), PICTURES.get)
    assert (report.images, report.instances) == (2, 3), "what was undone can be handed in again"
    assert [i.mask for i in store.instances(project)][1:] == [RING, DISC]


def test_into_a_standing_project_ids_are_kept_where_they_are_free(store, project):
    import_coco(store, project, "ann", as_bytes(FILE), PICTURES.get)
    more = {
        "images": [
            {"id": 139, "file_name": "2.png", "width": 240, "height": 202},
            {"id": 8, "file_name": "again/0.png", "width": 240, "height": 200},
        ],
        "annotations": [
            {
                "id": 3,
                "image_id": 139,
                "category_id": 18,
                "segmentation": SQUARE,
                "area": 1,
                "bbox": [0, 0, 1, 1],
                "iscrowd": 0,
            },
            {"id": 0, "image_id": 8, "category_id": 1, "segmentation": [[100, 100, 150, 100, 150, 150]]},
        ],
        "categories": [{"id": 18, "name": "cat"}, {"id": 1, "name": "dog"}],
    }
    pictures = PICTURES | {"again/0.png": PICTURES["0.png"]}
    report = import_coco(store, project, "ann", as_bytes(more), pictures.get)
    assert (report.images, report.categories, report.instances) == (1, 1, 2)
    assert report.known == ("again/0.png",), "the same content under another name"
    assert [(c.coco_id, c.name) for c in store.categories(project)] == [
        (18, "dog"),
        (90, "toothbrush"),
        (91, "cat"),
    ]
    assert [i.coco_id for i in store.images(project)] == [139, 2**40, 2**40 + 1]
    names = {c.id: c.name for c in store.categories(project)}
    files = {i.id: i.file_name for i in store.images(project)}
    added = [(r.coco_id, names[r.category_id], files[r.image_id]) for r in store.instances(project)[3:]]
    assert added == [(78, "cat", "2.png"), (4, "dog", "0.png")], "4 is the number after the file's largest"
    told = "\n".join(report.notes)
    for words in (
        "images: 1 of the file's ids was already used here; it got the next free one (139,",
        "categories: 1 of the file's ids",
        "annotations: 1 of the file's ids",
        "annotations[1].id: COCO's evaluators ignore this id",
    ):
        assert words in told
    assert store.project(project).extra["info"] == FILE["info"], "the first file's facts stay"


def test_what_cannot_be_used_is_named_and_the_rest_comes_in(store, project):
    file = json.loads(json.dumps(FILE))
    file["annotations"][0]["segmentation"] = [[1, 2, 3, 4]]
    file["annotations"].append(dict(file["annotations"][1], id=9, image_id=4711))
    file["images"].append({"id": 6, "file_name": "broken.png", "width": 5, "height": 5})
    file["images"].append({"id": 7, "file_name": "2.png", "width": 5, "height": 5})
    file["annotations"].append(
        {
            "id": 10,
            "image_id": 6,
            "category_id": 18,
            "segmentation": [[0, 0, 4, 0, 4, 4]],
            "area": 8,
            "bbox": [0, 0, 4, 4],
            "iscrowd": 0,
        }
    )
    pictures = PICTURES | {"broken.png": b"\x89PNG\r\n\x1a\n half"}
    report = import_coco(store, project, "ann", as_bytes(file), pictures.get)
    assert (report.images, report.instances) == (2, 2)
    told = "\n".join(report.refused)
    for words in (
        "annotations[0].segmentation",
        "annotations[3].image_id: there is no image with id 4711",
        "broken.png",
        "2.png: the file says 5 x 5 pixels, the image has 240 x 202",
        "annotations: 1 left out because their image cannot be used",
    ):
        assert words in told
    assert [i.file_name for i in store.images(project)] == ["0.png", "1.png"]


@pytest.mark.parametrize("data", [b"", b"[]", b'{"images": 3}', as_bytes(FILE)[:-40]])
def test_a_file_that_is_none_changes_nothing(store, project, data):
    with pytest.raises(DatasetError):
        import_coco(store, project, "ann", data, PICTURES.get)
    assert store.images(project) == [] and [e.kind for e in store.journal(project)] == []


def test_two_categories_of_one_name_become_one(store, project):
    file = json.loads(json.dumps(FILE))
    file["categories"][1]["name"] = "dog"
    report = import_coco(store, project, "ann", as_bytes(file), PICTURES.get)
    assert report.notes == ("categories: the name 'dog' occurs twice; the two are one here",)
    assert report.instances == 3 and len({r.category_id for r in store.instances(project)}) == 1


def test_images_that_nobody_brought_wait_for_their_pixels(store, project):
    report = import_coco(store, project, "ann", as_bytes(FILE), {}.get)
    assert report.missing == ("0.png", "1.png") and report.instances == 3
    assert {i.digest for i in store.images(project)} == {""}
    wrong_size = ("1.png", PICTURES["2.png"])
    report = import_images(store, project, "ann", [("0.png", PICTURES["0.png"]), wrong_size])
    assert (report.images, report.filled) == (1, ("0.png",))
    assert len(report.notes) == 2 and all("1.png" in note for note in report.notes)
    first, second, third = store.images(project)
    assert store.blobs.get(first.digest) == PICTURES["0.png"] and second.digest == ""
    assert third.file_name == "1 (2).png"
    report = import_coco(store, project, "ann", as_bytes(FILE), PICTURES.get)
    assert (report.images, report.instances) == (0, 0)
    assert store.blobs.get(store.images(project)[1].digest) == PICTURES["1.png"]


def test_images_are_taken_once_and_bad_ones_named(store, project):
    files = [
        ("a.png", PICTURES["0.png"]),
        ("copy of a.png", PICTURES["0.png"]),
        ("bad.png", b"no image"),
        ("a.png", PICTURES["1.png"]),
    ]
    report = import_images(store, project, "ann", iter(files))
    assert (report.images, report.known) == (2, ("copy of a.png",))
    assert len(report.refused) == 1 and "bad.png" in report.refused[0]
    assert [(i.coco_id, i.file_name) for i in store.images(project)] == [(1, "a.png"), (2, "a (2).png")]
    assert import_images(store, project, "ann", files).images == 0
    store.undo(project, "ann")
    assert store.images(project) == []
    report = import_images(store, project, "ann", files)
    assert report.images == 2, "what was undone can be handed in again"
    assert [i.coco_id for i in store.images(project)] == [3, 4]


def test_what_is_exported_can_be_chosen(store, project):
    import_coco(store, project, "ann", as_bytes(FILE), PICTURES.get)
    rows = store.instances(project)
    store.decide(project, "ann", "reject", [change(rows[0], status="rejected")])
    store.decide(project, "ann", "finish", [change(store.images(project)[1], "image", status="reviewed")])

    def written(**choice):
        document = json.loads(export_coco(store, project, **choice))
        return [i["id"] for i in document["images"]], [a["id"] for a in document["annotations"]]

    assert written() == ([139, 2**40], [3, 5])
    assert written(statuses=("accepted",)) == ([139, 2**40], [5])
    reviewed = [row.id for row in store.images(project) if row.status == "reviewed"]
    assert written(image_ids=reviewed) == ([2**40], [5])
    assert written(statuses=("rejected", "accepted", "proposed"))[1] == [77, 3, 5]


def test_real_coco_survives_the_way_through_a_project(store, project):
    folder = shared_path("data", "coco_val2017")
    data = (folder / "instances.json").read_bytes()
    report = import_coco(store, project, "ann", data, {}.get)
    given, refusals = read_coco(data)
    assert report.images == len(given.images) and report.instances == len(given.instances) > 1000
    assert len(report.refused) == len(refusals)
    first = export_coco(store, project)
    read, refusals = read_coco(first)
    assert refusals == []
    assert [replace(i, row=-1) for i in read.instances] == [replace(i, row=-1) for i in given.instances]
    assert read.categories == given.categories
    again = other_project(store)
    import_coco(store, again, "bob", first, {}.get)
    assert export_coco(store, again) == first


def test_masks_without_pixels_are_named_and_counted_one_by_one(store):
    project = store.create_project("Outside", "ann").id
    file = json.loads(json.dumps(FILE))
    row = file["annotations"][0]
    far = [[x + 1000 for x in part] for part in SQUARE]
    empty = {"size": [200, 240], "counts": [200 * 240]}
    file["annotations"] = [
        row,
        row | {"id": 901, "segmentation": far},
        row | {"id": 902, "segmentation": far},
        row | {"id": 903, "segmentation": empty},
    ]
    report = import_coco(store, project, "ann", as_bytes(file), PICTURES.get)
    assert (report.instances, report.refused_count) == (1, 3)
    assert report.refused == (
        "annotations[...].segmentation: no pixel of it is inside the image "
        "(2 times; first annotations[1].segmentation)",
        "annotations[3].segmentation: its run lengths contain no pixel",
    )


@pytest.mark.parametrize("score", ["", "high", float("inf"), None], ids=repr)
def test_a_score_that_cannot_be_read_makes_no_proposal_of_a_mask(store, score):
    project = store.create_project("Scores", "ann").id
    file = json.loads(json.dumps(FILE))
    file["annotations"] = [file["annotations"][0] | {"score": score}]
    report = import_coco(store, project, "ann", as_bytes(file), PICTURES.get)
    (row,) = store.instances(project)
    assert (row.status, row.score) == ("accepted", None)
    assert any("annotations[0].score: " in note for note in report.notes) == (score is not None)
