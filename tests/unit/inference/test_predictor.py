import copy
import threading

import numpy as np
import pytest
import torch

from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.errors import InferenceError, InputError
from maskrcnn_core.geometry.rle import mask_iou
from maskrcnn_core.images.reading import read_image
from maskrcnn_core.inference.predictor import Failure, Predictor, Run, pick_device
from maskrcnn_core.models.loading import get_model, load_model
from maskrcnn_core.synthetic.samples import draw_sample
from tests.builders.core import make_image, make_model
from tests.shared_data import shared_path


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def mobile():
    folder = shared_path("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MASKDESK_WEIGHTS", str(folder))
        return get_model("mobile")


def run_stock(network, image, thresholds):
    """A fresh run of torchvision's own forward with these settings."""
    heads = network.roi_heads
    old = heads.score_thresh, heads.nms_thresh, heads.detections_per_img
    heads.score_thresh = thresholds.score_threshold
    heads.nms_thresh = thresholds.nms_threshold
    heads.detections_per_img = thresholds.max_detections
    try:
        with torch.inference_mode():
            return network([torch.from_numpy(image).permute(2, 0, 1).float().div(255)])[0]
    finally:
        heads.score_thresh, heads.nms_thresh, heads.detections_per_img = old


def assert_equals_stock(detections, stock, mask_threshold):
    assert np.array_equal(detections.boxes, stock["boxes"].numpy())
    assert np.array_equal(detections.labels, stock["labels"].numpy())
    assert np.array_equal(detections.scores, stock["scores"].numpy())
    wanted = (stock["masks"][:, 0] > mask_threshold).numpy()
    ours = [mask.to_mask() for mask in detections.masks(mask_threshold)]
    assert np.array_equal(np.reshape(ours, wanted.shape), wanted)


@pytest.mark.parametrize("shape", [(90, 120), (150, 110)])
def test_one_run_answers_every_threshold_as_a_fresh_stock_run_does(model, shape):
    predictor = Predictor(model, "cpu")
    image = make_image(*shape)
    run = predictor.run([image])[0]
    for thresholds in (
        Thresholds(0.05, 0.5),
        Thresholds(0.05, 0.9, 300, mask_threshold=0.4),
        Thresholds(0.2, 0.3, mask_threshold=0.7),
        Thresholds(0.5, 0.5, 3),
    ):
        detections = predictor.detections(run, thresholds)
        stock = run_stock(model.network, image, thresholds)
        assert_equals_stock(detections, stock, thresholds.mask_threshold)


def test_one_run_answers_every_threshold_on_a_real_photo(mobile):
    photo = shared_path("data", "photos", "18124840932_e42b3e377c_k.jpg")
    pixels = read_image(photo).pixels
    predictor = Predictor(mobile, "cpu")
    run = predictor.run([pixels])[0]
    late = 0
    for thresholds in (
        Thresholds(0.05, 0.3),
        Thresholds(0.05, 0.5),
        Thresholds(0.05, 0.8, 300),
        Thresholds(0.3, 0.7, 20),
        Thresholds(0.7, 0.3),
    ):
        late += run.without_mask(run.candidates.select(thresholds)).size
        detections = predictor.detections(run, thresholds)
        assert len(detections)
        assert_equals_stock(detections, run_stock(mobile.network, pixels, thresholds), 0.5)
    assert late, "no survivor ever needed the mask head later: the test shows nothing"


def test_the_order_of_asking_does_not_matter(model):
    image = make_image()
    wide, narrow = Thresholds(0.05, 0.9, 200), Thresholds(0.5, 0.3, 5)
    results = []
    for first, second in ((wide, narrow), (narrow, wide)):
        predictor = Predictor(model, "cpu")
        run = predictor.run([image], first)[0]
        predictor.detections(run, second)
        results.append(predictor.detections(run, wide))
    assert np.array_equal(results[0].rows, results[1].rows)
    assert results[0].mask_probs == pytest.approx(results[1].mask_probs, abs=1e-5)


def test_masks_wait_until_a_threshold_asks_for_them(model):
    predictor = Predictor(model, "cpu")
    image = make_image()
    run = predictor.run([image], Thresholds(max_detections=2))[0]
    late = run.without_mask(run.candidates.select(Thresholds(SCORE_FLOOR)))
    assert len(late)
    predictor.detections(run, Thresholds(SCORE_FLOOR))
    assert not len(run.without_mask(late))


def test_features_that_left_the_cache_are_made_again_from_the_image(model):
    image = make_image()
    predictor = Predictor(model, "cpu", feature_cache_bytes=0)
    run = predictor.run([image], Thresholds(max_detections=2))[0]
    wide = Thresholds(SCORE_FLOOR, 0.9)
    with pytest.raises(InferenceError, match="expected the image"):
        predictor.detections(run, wide)
    detections = predictor.detections(run, wide, lambda: image)
    assert_equals_stock(detections, run_stock(model.network, image, wide), 0.5)


def test_a_batch_gives_each_image_what_it_gets_alone(model):
    images = [make_image(90, 120, seed=s) for s in range(3)] + [make_image(64, 64)]
    together = Predictor(model, "cpu", batch_size=4).predict(images)
    for image, detections in zip(images, together, strict=True):
        alone = Predictor(model, "cpu").predict([image])[0]
        assert detections.image_size == image.shape[:2]
        assert np.array_equal(detections.labels, alone.labels)
        assert detections.boxes == pytest.approx(alone.boxes, abs=0.2)


def test_no_objects_is_an_answer(model):
    detections = Predictor(model, "cpu").predict([make_image()], Thresholds(1.0))[0]
    assert len(detections) == 0
    assert detections.mask_probs.shape == (0, 28, 28)


@pytest.mark.parametrize("part", ["backbone.body.conv1.weight", "roi_heads.box_predictor.cls_score.bias"])
def test_nan_is_a_failure_and_not_an_answer_of_no_objects(model, part):
    broken = copy.deepcopy(model.network)
    broken.get_parameter(part).data.fill_(float("nan"))
    predictor = Predictor(_with_network(model, broken), "cpu")
    outcome = predictor.run([make_image()])[0]
    assert isinstance(outcome, Failure)
    assert "NaN" in outcome.reason
    with pytest.raises(InferenceError, match=r"images\[0\]: the network returned NaN"):
        predictor.predict([make_image()])


def test_nan_in_the_mask_head_is_a_failure(model):
    broken = copy.deepcopy(model.network)
    broken.roi_heads.mask_predictor.mask_fcn_logits.bias.data.fill_(float("nan"))
    outcome = Predictor(_with_network(model, broken), "cpu").run([make_image()])[0]
    assert isinstance(outcome, Failure) and not outcome.is_final, "other weights may do"


@pytest.mark.parametrize("shape", [(1, 5000), (2, 3000), (5000, 1)])
def test_an_image_too_thin_fails_with_a_reason_and_the_others_go_on(model, shape):
    thin = np.zeros((*shape, 3), np.uint8)
    outcomes = Predictor(model, "cpu").run([thin, make_image()])
    assert isinstance(outcomes[0], Failure)
    assert "too thin" in outcomes[0].reason and outcomes[0].is_final
    assert isinstance(outcomes[1], Run)


def test_a_single_pixel_works(model):
    assert isinstance(Predictor(model, "cpu").run([np.zeros((1, 1, 3), np.uint8)])[0], Run)


class OutOfMemoryAbove:
    """A backbone whose memory suffices for so many input pixels."""

    def __init__(self, backbone, limit):
        self.backbone, self.limit, self.seen = backbone, limit, []

    def __call__(self, batch):
        self.seen.append(batch.shape)
        if batch.shape[0] * batch.shape[-1] * batch.shape[-2] > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.backbone(batch)


def _with_network(model, network):
    changed = copy.copy(model)
    object.__setattr__(changed, "network", network)
    return changed


def _with_backbone(model, limit):
    network = copy.copy(model.network)
    network._modules = dict(model.network._modules)
    backbone = OutOfMemoryAbove(network._modules.pop("backbone"), limit)
    object.__setattr__(network, "backbone", backbone)
    return _with_network(model, network), backbone


def test_a_batch_that_does_not_fit_is_split(model):
    limited, backbone = _with_backbone(model, 20_000)
    outcomes = Predictor(limited, "cpu", batch_size=2).run([make_image(), make_image(seed=1)])
    assert all(isinstance(o, Run) and not o.notes for o in outcomes)
    assert [shape[0] for shape in backbone.seen] == [2, 1, 1]


def test_an_image_that_does_not_fit_runs_smaller_and_says_so(model):
    limited, _ = _with_backbone(model, 6_000)
    predictor = Predictor(limited, "cpu")
    image = make_image()
    run = predictor.run([image])[0]
    assert "half the input size" in run.notes[0]
    assert run.image_size == image.shape[:2]
    assert len(predictor.detections(run, Thresholds(SCORE_FLOOR, 0.9), image))


def test_an_image_that_never_fits_fails_with_a_reason(model):
    limited, _ = _with_backbone(model, 0)
    outcome = Predictor(limited, "cpu").run([make_image()])[0]
    assert isinstance(outcome, Failure)
    assert "out of memory" in outcome.reason


def test_another_error_of_the_network_is_a_failure_with_its_reason(model):
    class Broken:
        def __call__(self, batch):
            raise RuntimeError("shapes do not fit\nlong C++ trace")

    network = copy.copy(model.network)
    network._modules = {k: v for k, v in model.network._modules.items() if k != "backbone"}
    object.__setattr__(network, "backbone", Broken())
    outcome = Predictor(_with_network(model, network), "cpu").run([make_image()])[0]
    assert outcome == Failure("the network stopped: shapes do not fit")


def test_threads_share_a_predictor(model):
    predictor = Predictor(model, "cpu")
    image = make_image()
    alone = predictor.predict([image])[0]
    found = []
    threads = [threading.Thread(target=lambda: found.append(predictor.predict([image])[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [d.rows.tolist() for d in found] == [alone.rows.tolist()] * 4


def test_an_unknown_device_is_refused_with_those_that_are_there():
    with pytest.raises(InputError, match="cpu"):
        pick_device("abacus")
    assert pick_device("auto").type in ("cpu", "cuda", "mps")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine")
def test_a_gpu_gives_what_the_cpu_gives(mobile):
    pixels = read_image(shared_path("data", "photos", "18124840932_e42b3e377c_k.jpg")).pixels
    thresholds = Thresholds(0.5)
    on_gpu = Predictor(mobile, "cuda", batch_size=2).predict([pixels, pixels], thresholds)
    on_cpu = Predictor(mobile, "cpu").predict([pixels], thresholds)[0]
    for detections in on_gpu:
        assert detections.labels.tolist() == on_cpu.labels.tolist()
        assert detections.boxes == pytest.approx(on_cpu.boxes, abs=1.0)
        assert detections.scores == pytest.approx(on_cpu.scores, abs=0.01)
        for ours, wanted in zip(detections.masks(), on_cpu.masks(), strict=True):
            assert mask_iou(ours, wanted) > 0.98


def test_a_first_image_of_a_few_pixels_height_spoils_no_later_one():
    """torchvision guesses the poolers' scales from the first image that a network sees, and keeps them."""
    image = draw_sample("fluorescence")
    fresh = Predictor(load_model("shapes"), "cpu").run([image])[0]
    predictor = Predictor(load_model("shapes"), "cpu")
    predictor.run([make_image(4, 400)])
    later = predictor.run([image])[0]
    assert np.array_equal(later.candidates.boxes, fresh.candidates.boxes)
    assert np.array_equal(later.candidates.scores, fresh.candidates.scores)
