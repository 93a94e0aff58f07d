"""The small models in the box: their cards true, and as good as the README says."""

import os
from dataclasses import replace

import pytest

from benchmarks.sizes import resized_truth
from maskrcnn_core.evaluation.ground_truth import read_ground_truth
from maskrcnn_core.evaluation.of_models import evaluate_on
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.cards import card_file, read_card
from maskrcnn_core.models.catalog import NUCLEI_FILE, SHAPES_FILE, model_by_key
from maskrcnn_core.models.downloads import file_sha256
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES, write_scenes
from tests.shared_data import shared_path

UNSEEN = 200_000
"""Seeds from here on are in no data set that anything was trained or chosen on."""


@pytest.fixture(scope="module")
def nuclei():
    return Predictor(get_model("nuclei"), "cpu")


@pytest.fixture(scope="module")
def shapes():
    return Predictor(get_model("shapes"), "cpu")


def part_of(dataset, images):
    ids = {image.id for image in images}
    instances = tuple(one for one in dataset.instances if one.image_id in ids)
    return replace(dataset, images=tuple(images), instances=instances)


def mask_ap(predictor, truth):
    return evaluate_on(predictor, [truth], max_detections=500)[0].evaluation.mask.AP


@pytest.mark.parametrize("file", [NUCLEI_FILE, SHAPES_FILE], ids=lambda file: file.stem)
def test_each_is_small_and_its_card_belongs_to_it(file):
    card = read_card(card_file(file))
    assert os.path.getsize(file) == card.size_bytes <= 12_000_000
    assert file_sha256(file) == card.sha256
    assert len(card.notes) == 1 and card.notes[0].startswith("Starts from")
    assert card.licence == "CC0-1.0"
    (row,) = card.data["training"]
    assert (
        row["file"] == {"nuclei": "nuclei/instances_train.json", "shapes": "train/instances.json"}[file.stem]
    )
    assert all(licence.startswith("CC0") for licence in row["licences"])


def test_each_says_what_it_knows():
    nuclei, shapes = model_by_key("nuclei"), model_by_key("shapes")
    assert nuclei.knows == "Knows nuclei of cells, stained or fluorescent, at any magnification."
    assert shapes.knows == "Knows drawn circles, squares and triangles, for trying MaskDesk out."
    assert [c.name for c in nuclei.label_map] == ["nucleus"]
    assert [c.name for c in shapes.label_map] == [c.name for c in SCENE_CATEGORIES]
    assert nuclei.max_detections == shapes.max_detections == 500


def test_shapes_are_found_in_scenes_that_the_model_never_saw(shapes, tmp_path):
    write_scenes(tmp_path, range(UNSEEN, UNSEEN + 40))
    truth = read_ground_truth(tmp_path / "instances.json", tmp_path / "images")
    assert mask_ap(shapes, truth) >= 0.80


def test_nuclei_are_found_in_drawn_microscopy_that_the_model_never_saw(nuclei, tmp_path):
    for kind, least in (("tissue", 0.85), ("fluorescence", 0.75)):
        write_scenes(tmp_path / kind, range(UNSEEN, UNSEEN + 5), kind=kind)
        truth = read_ground_truth(tmp_path / kind / "instances.json", tmp_path / kind / "images")
        assert mask_ap(nuclei, truth) >= least, kind


def test_nuclei_are_found_as_well_as_the_readme_says(nuclei):
    folder = shared_path("data", "nuclei")
    truth = read_ground_truth(folder / "instances_val.json", folder / "val")
    assert len(truth.dataset.images) == 100
    assert mask_ap(nuclei, truth) >= 0.54


@pytest.mark.parametrize(("factor", "least"), [(0.5, 0.48), (2, 0.48)])
def test_nuclei_are_found_at_other_sizes_that_nobody_tells(nuclei, tmp_path, request, factor, least):
    """Every fourth image; all of them with ``--all``, and in ``benchmarks sizes``."""
    folder = shared_path("data", "nuclei")
    truth = read_ground_truth(folder / "instances_val.json", folder / "val")
    if not request.config.getoption("--all"):
        truth = replace(truth, dataset=part_of(truth.dataset, truth.dataset.images[::4]))
    resized = resized_truth(truth, factor, tmp_path)
    assert resized.vanished == 0 and len(resized.truth.dataset.instances) == len(truth.dataset.instances)
    assert mask_ap(nuclei, resized.truth) >= least
