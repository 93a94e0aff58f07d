"""Images of one bucket: they go through a network together, and each gets what it gets alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.inference.buckets import input_size, padded_size
from maskrcnn_core.inference.engines.equality import compare_detections
from maskrcnn_core.inference.engines.spec import Engine
from maskrcnn_core.inference.engines.table import EXACT, ROUNDING
from maskrcnn_core.inference.forward import resize_and_normalise
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.synthetic.samples import draw_sample
from tests.builders.core import make_image, make_model
from tests.builders.matterport import make_matterport_model
from tests.shared_data import shared_path

BUCKETED = Engine(replace(EXACT, key="bucketed", buckets=True))


@pytest.fixture(scope="module")
def tiny():
    return make_model()


@pytest.mark.parametrize("key", ["shapes", "photos", "mobile"])
def test_what_images_find_in_a_padded_batch_is_what_they_find_alone(key, monkeypatch):
    if key == "mobile":
        monkeypatch.setenv("MASKDESK_WEIGHTS", str(shared_path("weights")))
    model = get_model(key)
    image = draw_sample("fluorescence" if key == "shapes" else "street")
    alone, together = Predictor(model, "cpu"), Predictor(model, "cpu", batch_size=3, engine=BUCKETED)
    images = [np.array(Image.fromarray(image).resize(size)) for size in _sizes_of_a_bucket(together)]
    assert len({one.shape for one in images}) == len(images)
    seen: list[int] = []
    backbone = model.network.backbone
    hook = backbone.register_forward_hook(lambda _module, inputs, _outputs: seen.append(len(inputs[0])))
    try:
        thresholds = Thresholds(SCORE_FLOOR, model.nms_threshold, 40)
        exact, other = (way.predict(images, thresholds) for way in (alone, together))
    finally:
        hook.remove()
    assert seen == [1, 1, 1, 4], "three go as four, the last of them empty"
    same = compare_detections(exact, other, threshold=SCORE_FLOOR, slack=ROUNDING.score)
    assert same.detections > 10
    assert not same.shortfall(ROUNDING)


def _sizes_of_a_bucket(predictor):
    """Three sizes, as Pillow takes them, whose inputs are padded to the same size."""
    if predictor.model.key == "mobile":  # it pads nothing: inputs of one size, from other images
        sizes = [(480, 640), (481, 641), (960, 1280)]
    else:
        sizes = [(480, 640), (485, 640), (491, 640)]
    assert len({predictor.bucket(size) for size in sizes}) == 1
    return [(width, height) for height, width in sizes]


@pytest.mark.parametrize("size", [(90, 120), (33, 500), (1, 1), (427, 640), (640, 427), (97, 97)])
def test_a_bucket_is_the_size_of_the_input_that_an_image_gets_alone(tiny, size):
    batch = resize_and_normalise(tiny.network, [np.zeros((*size, 3), np.uint8)], torch.device("cpu"))
    assert padded_size(tiny.network, size) == tuple(batch.tensors.shape[-2:])
    assert input_size(tiny.network.transform, size) == batch.image_sizes[0]


def test_without_buckets_each_size_is_one_of_its_own(tiny):
    assert Predictor(tiny, "cpu").bucket((90, 121)) == (90, 121)
    assert Predictor(tiny, "cpu", engine=BUCKETED).bucket((90, 121)) != (90, 121)


def test_a_network_that_pads_around_its_images_has_no_buckets():
    model = make_matterport_model()
    assert padded_size(model.network, (90, 120)) is None
    assert Predictor(model, "cpu", engine=BUCKETED).bucket((90, 120)) == (90, 120)


def test_other_buckets_are_other_batches(tiny):
    predictor = Predictor(tiny, "cpu", batch_size=4, engine=BUCKETED)
    images = [make_image(90, 120), make_image(64, 200), make_image(90, 119)]
    assert predictor._batches(images, range(3)) == [[0, 2], [1]]
