"""The model for photos in the box: small, its card true, and as good as the README says."""

import os
from dataclasses import replace

import pytest

from maskrcnn_core.dataset.annotations import Dataset
from maskrcnn_core.dataset.categories import COCO_CATEGORIES
from maskrcnn_core.evaluation.ground_truth import read_ground_truth
from maskrcnn_core.evaluation.of_models import evaluate_on
from maskrcnn_core.images.reading import read_image
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.cards import card_file, read_card
from maskrcnn_core.models.catalog import PHOTOS_FILE, model_by_key, ready_models
from maskrcnn_core.models.downloads import file_sha256
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.networks.configs import LiteConfig
from tests.shared_data import shared_path

LEAST_BOX_AP, LEAST_MASK_AP = 0.15, 0.145
"""On the first 60 images of val2017, with a margin of .015 or more."""


@pytest.fixture(scope="module")
def predictor():
    return Predictor(get_model("photos"), "cpu")


def test_it_is_small_and_its_card_belongs_to_it():
    card = read_card(card_file(PHOTOS_FILE))
    assert os.path.getsize(PHOTOS_FILE) == card.size_bytes <= 16_000_000
    assert file_sha256(PHOTOS_FILE) == card.sha256
    assert card.licence == "Apache-2.0" and card.architecture == LiteConfig()
    assert card.categories == COCO_CATEGORIES


def test_its_card_says_what_it_was_made_of():
    card = read_card(card_file(PHOTOS_FILE))
    (photos,) = card.data["training"]
    assert photos["images"] > 6000 and photos["held out"] > 200
    assert "CC BY 4.0" in card.data["terms"] and "Flickr" in card.data["terms"]
    assert "ImageNet" in card.run["stages"][0] and len(card.run["stages"]) >= 2
    assert [row["name"] for row in card.results] == ["coco_val2017/instances.json"]
    assert card.settings["held-out photos"]["at score"] == card.score_threshold


def test_it_is_always_ready_and_shows_what_its_own_threshold_leaves(predictor):
    spec = model_by_key("photos")
    assert spec in ready_models() and not spec.is_published
    assert 0.1 <= spec.score_threshold == predictor.model.score_threshold <= 0.6
    photo = read_image(shared_path("data", "photos", "18124840932_e42b3e377c_k.jpg")).pixels
    (shown,) = predictor.predict([photo])
    assert len(shown) and float(shown.scores.min()) > spec.score_threshold


def test_it_finds_what_is_on_photos_as_well_as_the_readme_says(predictor):
    folder = shared_path("data", "coco_val2017")
    truth = read_ground_truth(folder / "instances.json", folder / "images")
    images = truth.dataset.images[:60]
    kept = {image.id for image in images}
    instances = tuple(i for i in truth.dataset.instances if i.image_id in kept)
    truth = replace(truth, dataset=Dataset(images, truth.dataset.categories, instances))
    (result,) = evaluate_on(predictor, [truth], max_detections=100)
    assert result.evaluation.box.AP >= LEAST_BOX_AP
    assert result.evaluation.mask.AP >= LEAST_MASK_AP
