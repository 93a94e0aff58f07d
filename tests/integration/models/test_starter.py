"""The model in the box: small, its card true, and as good as the README says."""

import os

import pytest

from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.evaluation.ground_truth import read_ground_truth
from maskrcnn_core.evaluation.of_models import evaluate_on
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.cards import card_file, read_card
from maskrcnn_core.models.catalog import STARTER_FILE, model_by_key
from maskrcnn_core.models.downloads import file_sha256
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES, write_scenes
from tests.shared_data import shared_path

UNSEEN = 200_000
"""Seeds from here on are in no data set that anything was trained or chosen on."""


@pytest.fixture(scope="module")
def predictor():
    return Predictor(get_model("starter"), "cpu")


def mask_ap(predictor, truth):
    return evaluate_on(predictor, [truth], max_detections=500)[0].evaluation.mask.AP


def test_it_is_small_and_its_card_belongs_to_it():
    card = read_card(card_file(STARTER_FILE))
    assert os.path.getsize(STARTER_FILE) == card.size_bytes <= 12_000_000
    assert file_sha256(STARTER_FILE) == card.sha256
    assert len(card.notes) == 1 and "the same 4 categories, so all of it is kept" in card.notes[0]
    assert card.licence == "CC0-1.0"
    assert {row["file"] for row in card.data["training"]} == {
        "nuclei/instances_train.json",
        "shapes/instances.json",
        "tissue/instances.json",
        "fluorescence/instances.json",
    }
    assert all(licence.startswith("CC0") for row in card.data["training"] for licence in row["licences"])


def test_it_says_what_it_knows():
    spec = model_by_key("starter")
    assert spec.knows == "Knows nuclei and drawn shapes. For photos take another model."
    assert isinstance(spec.label_map, LabelMap)
    assert [c.name for c in spec.label_map] == ["nucleus", *(c.name for c in SCENE_CATEGORIES)]
    assert spec.max_detections == 500


def test_it_finds_shapes_in_scenes_that_it_never_saw(predictor, tmp_path):
    write_scenes(tmp_path, range(UNSEEN, UNSEEN + 40))
    truth = read_ground_truth(tmp_path / "instances.json", tmp_path / "images")
    assert mask_ap(predictor, truth) >= 0.80


def test_it_finds_nuclei_in_drawn_microscopy_that_it_never_saw(predictor, tmp_path):
    for kind, least in (("tissue", 0.85), ("fluorescence", 0.75)):
        write_scenes(tmp_path / kind, range(UNSEEN, UNSEEN + 5), kind=kind)
        truth = read_ground_truth(tmp_path / kind / "instances.json", tmp_path / kind / "images")
        assert mask_ap(predictor, truth) >= least, kind


def test_it_finds_nuclei_as_well_as_the_readme_says(predictor):
    folder = shared_path("data", "nuclei")
    truth = read_ground_truth(folder / "instances_val.json", folder / "val")
    assert len(truth.dataset.images) == 100
    assert mask_ap(predictor, truth) >= 0.52
