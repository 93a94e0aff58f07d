"""Data sets of boxes without masks: a network's heads fill them, and all that the file says of them stays."""

import json

import pytest

from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.geometry.rle import mask_iou
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.catalog import model_by_key
from maskrcnn_core.models.loading import load_model
from maskrcnn_core.projects.exchange.box_filling import FILL_BOXES, fill_boxes
from maskrcnn_core.projects.exchange.coco_in import import_coco
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES, draw_scene
from tests.integration.projects.test_coco_in import as_bytes

SCENE = draw_scene(200_007)
PICTURES = {"0.png": encode_png(SCENE.pixels)}
COUNT = len(SCENE.masks)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(load_model(model_by_key("shapes")), "cpu")


@pytest.fixture
def project(store):
    return store.create_project("Boxes", "ann").id


def make_file(names=("circle", "square", "thing"), **changes):
    """The boxes of a drawn scene, whose last category no model knows; ids begin at 0."""
    height, width = SCENE.pixels.shape[:2]
    ids = [category.id for category in SCENE_CATEGORIES]
    return {
        "images": [{"id": 0, "file_name": "0.png", "width": width, "height": height}],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names)],
        "annotations": [
            {"id": n, "image_id": 0, "category_id": ids.index(id_), "bbox": list(mask.box_xywh), "area": 1}
            | changes
            for n, (id_, mask) in enumerate(zip(SCENE.category_ids, SCENE.masks, strict=True), start=10)
        ],
    }


def bring(store, project, document, pictures=PICTURES):
    return import_coco(store, project, "ann", as_bytes(document), pictures.get)


def test_boxes_become_proposals_with_their_category_id_score_and_keys(store, project, predictor):
    report = bring(store, project, make_file(score=0.75, note="theirs"))
    assert (report.images, report.instances, len(report.boxes)) == (1, 0, COUNT)
    assert report.has_no_instance and not report.refused
    filled = fill_boxes(store, project, "ann", report.boxes, predictor)
    assert filled.proposals == COUNT and filled.notes == ()
    rows = store.instances(project)
    assert sorted(row.coco_id for row in rows) == list(range(10, 10 + COUNT))
    by_id = {row.coco_id: row for row in rows}
    names = {category.id: category.coco_id for category in store.categories(project)}
    file = make_file()
    for given, mask in zip(file["annotations"], SCENE.masks, strict=True):
        row = by_id[given["id"]]
        assert (row.status, row.source, row.score) == ("proposed", "shapes", 0.75)
        assert names[row.category_id] == given["category_id"]
        assert row.extra["note"] == "theirs" and row.extra["bbox"] == given["bbox"]
        assert mask_iou(row.mask, mask) > 0.5
    data = export_coco(store, project)
    dataset, refusals = read_coco(data)
    assert len(dataset.instances) == COUNT and refusals == []
    assert {row["area"] for row in json.loads(data)["annotations"]} == {row.area for row in rows}


def test_it_is_one_decision_and_the_same_file_again_offers_nothing(store, project, predictor):
    report = bring(store, project, make_file())
    empty = export_coco(store, project)
    fill_boxes(store, project, "ann", report.boxes, predictor)
    assert store.journal(project)[0].kind == FILL_BOXES
    again = bring(store, project, make_file())
    assert (again.boxes, again.there) == ((), COUNT)
    store.undo(project, "ann")
    assert export_coco(store, project) == empty
    assert len(bring(store, project, make_file()).boxes) == COUNT, "what was undone is offered again"


def test_what_cannot_be_filled_is_said_with_its_count(store, project, predictor):
    report = bring(store, project, make_file(), pictures={})
    filled = fill_boxes(store, project, "ann", report.boxes, predictor)
    assert filled.proposals == 0
    assert filled.notes == (
        f"{COUNT} boxes were not filled: their image is missing; add it, and import the file again",
    )
    assert store.instances(project) == []
