"""A closer look at objects: what it changes, and what it never does."""

from contextlib import nullcontext
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import roi_align

from maskrcnn_core.detection.candidates import Detections, Thresholds
from maskrcnn_core.errors import InferenceError
from maskrcnn_core.geometry.rle import mask_iou
from maskrcnn_core.inference.closer import CONTEXT, Closer, LookStopped, cut_out, look_closer, window_of
from maskrcnn_core.inference.forward import resize_and_normalise
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.networks.centred_transform import CentredTransform
from maskrcnn_core.networks.configs import MatterportConfig
from maskrcnn_core.networks.pixel_transform import PixelTransform, resize_with_opencv, resize_with_pil
from tests.builders.core import disc, make_image, make_model

SIZE = (90, 120)
IMAGE = make_image(*SIZE)
BOXES = [
    [40.0, 30.0, 62.0, 51.5],  # inside
    [0.0, 0.0, 13.0, 9.0],  # in a corner
    [101.0, 70.5, 120.0, 90.0],  # in the opposite one
    [50.0, 0.0, 54.0, 29.0],  # tall
    [0.0, 0.0, 120.0, 90.0],  # all of the image
]


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture
def predictor(model):
    return Predictor(model, "cpu")


def found_in(boxes, size=SIZE, side=28):
    """Detections whose masks say nothing yet: one half everywhere."""
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(n, 4),
        np.arange(n, dtype=np.int64) % 3 + 1,
        np.linspace(1, 0.5, n, dtype=np.float32),
        np.full((n, side, side), 0.5, np.float32),
        np.arange(n, dtype=np.int64),
        size,
    )


class SeesBrightness:
    """A network whose mask of a box is the brightness in it, whichever way the image is turned."""

    def __init__(self, shorter=64):
        self.transform = GeneralizedRCNNTransform(shorter, 2 * shorter, [0.0] * 3, [1.0] * 3)
        self.roi_heads = SimpleNamespace(
            mask_roi_pool=lambda maps, regions, _sizes: roi_align(
                maps["0"], regions, 28, sampling_ratio=2, aligned=True
            ),
            mask_head=torch.nn.Identity(),
            mask_predictor=lambda pooled: (20 * (pooled - 0.5)).expand(-1, 4, -1, -1),
        )

    def backbone(self, batch):
        return batch.mean(1, keepdim=True)


def looked_at(network, image, found, at_once=1, **more):
    closer = Closer.of(network.transform, at_once)
    with torch.inference_mode():
        return look_closer(lambda: nullcontext(network), torch.device("cpu"), closer, image, found, **more)


# -- what changes ----------------------------------------------------------------------------------


def test_masks_change_and_nothing_else_does(predictor):
    found = found_in(BOXES)
    looked = predictor.look_closer(found, IMAGE)
    for field in fields(Detections):
        if field.name != "mask_probs":
            assert np.array_equal(getattr(looked, field.name), getattr(found, field.name)), field.name
    changed = [not np.array_equal(a, b) for a, b in zip(looked.mask_probs, found.mask_probs, strict=True)]
    assert changed == [True, True, True, True, False], "what a crop shows no larger stays as it is"
    assert looked.mask_probs.dtype == np.float32 and looked.mask_probs.shape == found.mask_probs.shape
    assert (found.mask_probs == 0.5).all(), "the first look's masks are not written over"
    assert ((looked.mask_probs >= 0.25) & (looked.mask_probs <= 0.75)).all(), "half of it is the first look's"


def test_each_object_gets_the_mask_of_its_own_label(predictor):
    twice = found_in([BOXES[0], BOXES[0]])
    looked = predictor.look_closer(twice, IMAGE)
    assert twice.labels.tolist() == [1, 2]
    assert not np.allclose(looked.mask_probs[0], looked.mask_probs[1], atol=1e-3)


@pytest.mark.parametrize("at_once", [2, 3, 16])
def test_together_gives_what_one_by_one_gives(predictor, model, at_once):
    found = found_in(BOXES)
    alone = looked_at(model.network, IMAGE, found)
    together = looked_at(model.network, IMAGE, found, at_once)
    assert np.allclose(alone.mask_probs, together.mask_probs, atol=1e-5)
    (first,) = looked_at(model.network, IMAGE, found[:1]).mask_probs
    assert np.array_equal(first, alone.mask_probs[0]), "one by one, no object depends on the others"
    assert np.array_equal(alone.mask_probs, predictor.look_closer(found, IMAGE).mask_probs)


def test_nothing_comes_of_nothing(predictor):
    none = found_in([])
    assert predictor.look_closer(none, IMAGE) is none
    assert predictor.look_closer(none, None) is none, "no image is needed for it"


def test_the_mirror_image_of_an_object_has_its_mask_mirrored():
    """Also with RoIAlign's bins where this stand-in puts them: a turned crop is turned back."""
    network, width = SeesBrightness(), SIZE[1]
    boxes = np.array(BOXES[:4], np.float32)
    turned = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
    straight = looked_at(network, IMAGE, found_in(boxes))
    mirrored = looked_at(network, np.ascontiguousarray(IMAGE[:, ::-1]), found_in(turned))
    assert np.abs(straight.mask_probs - 0.5).max() > 0.1
    # A pixel's rounding to a byte, as the crop is resized the other way round.
    assert np.abs(straight.mask_probs - mirrored.mask_probs[:, :, ::-1]).max() < 0.03


def test_the_mean_of_both_is_what_a_symmetric_network_says_once():
    network = SeesBrightness()
    box = np.array(BOXES[0], np.float32)
    closer = Closer.of(network.transform)
    seen = 64 / 90
    window = window_of(box, SIZE, closer.side / (4 * seen))
    crop = cut_out(IMAGE, window, closer.side, np.zeros(3, np.uint8))
    zoom = closer.side / window.side
    place = (box - np.array([window.left, window.top] * 2, np.float32)) * np.float32(zoom)
    grey = torch.from_numpy(crop.mean(2, dtype=np.float32) / 255)[None, None]
    pooled = roi_align(grey, [torch.from_numpy(place)[None]], 28, sampling_ratio=2, aligned=True)
    expected = (20 * (pooled[0, 0] - 0.5)).sigmoid().numpy()
    (looked,) = looked_at(network, IMAGE, found_in([box])).mask_probs
    assert np.allclose(2 * looked - 0.5, expected, atol=1e-4)


@pytest.mark.parametrize(
    "centre", [(300, 400), (12, 14), (588, 786)], ids=["inside", "upper left", "lower right"]
)
def test_a_small_object_is_seen_finer_than_at_first(centre):
    """Of a disc of 20 pixels in an image seen at a tenth, the first look has two pixels."""
    size = (600, 800)
    truth = disc(*size, *centre, 10)
    image = np.repeat(np.where(truth.to_mask(), 255, 0).astype(np.uint8)[:, :, None], 3, 2)
    network = SeesBrightness(shorter=64)
    x, y, width, height = truth.box_xywh
    box = torch.tensor([[x, y, x + width, y + height]], dtype=torch.float32)
    with torch.inference_mode():
        batch = resize_and_normalise(network, [image], torch.device("cpu"))
        maps = {"0": network.backbone(batch.tensors)}
        pooled = network.roi_heads.mask_roi_pool(maps, [box * batch.image_sizes[0][0] / 600], None)
    first = network.roi_heads.mask_predictor(pooled).sigmoid()[:, 0].numpy()
    found = Detections(
        box.numpy(),
        np.ones(1, np.int64),
        np.ones(1, np.float32),
        first,
        np.zeros(1, np.int64),
        size,
    )
    before, after = found, looked_at(network, image, found)
    assert mask_iou(after.masks()[0], truth) > mask_iou(before.masks()[0], truth) + 0.02


def test_what_is_not_finite_is_refused():
    network = SeesBrightness()
    network.roi_heads.mask_predictor = lambda pooled: (pooled * torch.nan).expand(-1, 4, -1, -1)
    with pytest.raises(InferenceError, match="not finite"):
        looked_at(network, IMAGE, found_in(BOXES[:1]))


# -- on the way ------------------------------------------------------------------------------------


def test_it_tells_how_far_it_is_and_can_be_stopped(predictor):
    told = []
    predictor.look_closer(found_in(BOXES), IMAGE, on_look=lambda *done: told.append(done))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    told.clear()
    with pytest.raises(LookStopped, match="stopped after 2 of 4 objects"):
        predictor.look_closer(found_in(BOXES), IMAGE, lambda *done: told.append(done), lambda: len(told) == 2)


# -- windows and crops -----------------------------------------------------------------------------

_sides = st.floats(1, 500)


@given(st.tuples(st.integers(1, 900), st.integers(1, 900)), st.tuples(*[st.floats(0, 1)] * 4), _sides)
def test_a_window_is_a_square_that_holds_its_object(size, shares, least):
    height, width = size
    x, y = sorted(shares[:2]), sorted(shares[2:])
    box = np.array([x[0] * width, y[0] * height, x[1] * width, y[1] * height], np.float32)
    window = window_of(box, size, least)
    longer = max(float(box[2] - box[0]), float(box[3] - box[1]))
    assert window.side == pytest.approx(max(CONTEXT * longer, least))
    for low, high, start, length in (
        (box[0], box[2], window.left, width),
        (box[1], box[3], window.top, height),
    ):
        assert start - 1e-3 <= low and high <= start + window.side + 1e-3
        if window.side <= length:
            assert start >= -1e-3 and start + window.side <= length + 1e-3, "moved into the image"
        else:
            assert start == pytest.approx((length - window.side) / 2), "as much on either side"


def test_a_crop_shows_its_window_and_nothing_else():
    ramp = np.zeros((40, 60, 3), np.uint8)
    ramp[:, :, 0] = 4 * np.arange(60)
    ramp[:, :, 1] = 6 * np.arange(40)[:, None]
    window = window_of(np.array([20, 10, 30, 20], np.float32), (40, 60), 0)
    crop = cut_out(ramp, window, 80, np.array([1, 2, 3], np.uint8))
    places = window.left + (np.arange(80) + 0.5) * window.side / 80 - 0.5
    assert np.abs(crop[40, :, 0] - 4 * places)[1:-1].max() <= 1.01, "only a border repeats its pixel"
    around = np.array([9, 8, 7], np.uint8)
    outside = cut_out(ramp, window_of(np.array([0, 0, 60, 40], np.float32), (40, 60), 0), 120, around)
    # 120 x 120 pixels of the image to 120 x 120 of the crop: it lies in the middle.
    assert np.array_equal(outside[40:80, 30:90], ramp)
    outside[40:80, 30:90] = around
    assert (outside == around).all()


@pytest.mark.parametrize(
    "transform",
    [
        GeneralizedRCNNTransform(800, 1333, [0.5] * 3, [0.2] * 3),
        GeneralizedRCNNTransform(320, 640, [0.0] * 3, [1.0] * 3),
        PixelTransform(resize_with_pil, [1.0] * 3, [1.0] * 3, 800, 1333, is_capped_first=False),
        PixelTransform(resize_with_opencv, [1.0] * 3, [1.0] * 3, 800, 1333, is_capped_first=True),
        CentredTransform(MatterportConfig()),
        CentredTransform(MatterportConfig(min_size=512, max_size=512)),
    ],
    ids=["torchvision", "mobile", "detectron2", "mmdetection", "matterport", "matterport-512"],
)
def test_each_family_takes_a_crop_at_the_size_it_has(transform):
    closer = Closer.of(transform)
    crop = np.zeros((closer.side, closer.side, 3), np.uint8)
    network = SimpleNamespace(transform=transform.eval())
    batch = resize_and_normalise(network, [crop, crop], torch.device("cpu"), closer.share)
    assert batch.image_sizes == [(closer.side, closer.side)] * 2
    assert closer.side % 32 == 0 and 0.6 * transform.min_size[-1] < closer.side < transform.min_size[-1]


# -- predictors ------------------------------------------------------------------------------------


def test_a_predictor_that_looks_closer_shares_all_with_the_one_that_does_not(predictor):
    closer = predictor.looking_closer()
    assert closer.looks_closer and not predictor.looks_closer
    assert closer.looking_closer() is closer and predictor.looking_closer(looks_closer=False) is predictor
    thresholds = Thresholds(0.3, 0.5, 6)
    (run,) = closer.run([IMAGE], thresholds)
    first, mended = (one.detections(run, thresholds, IMAGE) for one in (predictor, closer))
    assert len(first) > 2 and np.array_equal(first.boxes, mended.boxes)
    assert np.array_equal(mended.mask_probs, predictor.look_closer(first, IMAGE).mask_probs)
    again = predictor.detections(run, thresholds)
    assert np.array_equal(first.mask_probs, again.mask_probs), "the run keeps the first look's masks"
    with pytest.raises(InferenceError, match="expected the image, because a closer look"):
        closer.detections(run, thresholds)


def test_what_nobody_would_see_by_itself_is_left_alone(predictor):
    thresholds = Thresholds(0.3, 0.5, 6)
    (run,) = predictor.run([IMAGE], thresholds)
    first = predictor.detections(run, thresholds, IMAGE)
    own = float(np.sort(first.scores)[len(first) // 2])  # the model's threshold; one object is just at it
    closer = Predictor(replace(predictor.model, score_threshold=own), "cpu", looks_closer=True)
    mended = closer.detections(run, thresholds, IMAGE)
    every = predictor.look_closer(first, IMAGE)
    above = first.scores > np.float32(own)
    assert 0 < above.sum() < len(first)
    assert np.array_equal(mended.mask_probs[above], every.mask_probs[above])
    assert np.array_equal(mended.mask_probs[~above], first.mask_probs[~above])


def test_predict_looks_closer_too(model):
    thresholds = Thresholds(0.3, 0.5, 4)
    (plain,) = Predictor(model, "cpu").predict([IMAGE], thresholds)
    (closer,) = Predictor(model, "cpu", looks_closer=True).predict([IMAGE], thresholds)
    assert np.array_equal(plain.boxes, closer.boxes) and len(plain)
    small = (
        CONTEXT * (plain.boxes[:, 2:] - plain.boxes[:, :2]).max(1) * 96 / 90
        < Closer.of(model.network.transform).side
    )
    changed = (plain.mask_probs != closer.mask_probs).any(axis=(1, 2))
    assert changed.tolist() == small.tolist()
