"""Samples for training: laws that every augmented sample obeys, and targets that paste back exactly."""

import numpy as np
import pytest
import torch
from torchvision.models.detection.roi_heads import project_masks_on_boxes

from maskrcnn_core.detection.candidates import Detections
from maskrcnn_core.detection.conventions import CONVENTIONS
from maskrcnn_core.geometry.rle import Rle, mask_iou
from maskrcnn_core.networks.centred_transform import resize_with_skimage
from maskrcnn_core.networks.pixel_transform import resize_with_opencv
from maskrcnn_core.synthetic.scenes import draw_scene
from maskrcnn_core.training import augmentation as augmentation_module
from maskrcnn_core.training.augmentation import Augmentation, Sample
from maskrcnn_core.training.target_laws import TARGET_LAWS
from maskrcnn_core.training.views import View
from tests.builders.core import disc


def make_sample(seed=0, scale=1.5):
    scene = draw_scene(seed)
    return Sample(scene.pixels, scene.masks, scene.category_ids, scale)


def augmented(augmentation, sample, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return augmentation(sample)


@pytest.mark.parametrize("turns", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_every_sample_is_what_torchvision_wants(seed, turns):
    image, target = augmented(Augmentation(crop=160, turns=turns), make_sample(seed), seed)
    height, width = image.shape[1:]
    assert image.dtype == torch.float32 and image.min() >= 0 and image.max() <= 1
    assert max(height, width) <= 160
    n = len(target["labels"])
    assert target["boxes"].shape == (n, 4) and target["masks"].shape == (n, height, width)
    assert (target["boxes"].dtype, target["labels"].dtype, target["masks"].dtype) == (
        torch.float32,
        torch.int64,
        torch.uint8,
    )
    boxes = target["boxes"]
    assert (boxes[:, 2:] > boxes[:, :2]).all() and (boxes >= 0).all()
    assert (boxes[:, 0::2] <= width).all() and (boxes[:, 1::2] <= height).all()
    for box, mask in zip(boxes, target["masks"], strict=True):
        rows, columns = torch.nonzero(mask.any(1))[:, 0], torch.nonzero(mask.any(0))[:, 0]
        # The mask runs through pixel centres as its box does, up to the rounding of one sample.
        assert columns[0] >= box[0] - 1 and columns[-1] <= box[2] + 1
        assert rows[0] >= box[1] - 1 and rows[-1] <= box[3] + 1


def test_the_same_seed_gives_the_same_sample_and_another_one_another():
    augmentation, sample = Augmentation(crop=128), make_sample()
    one, other = augmented(augmentation, sample, 3), augmented(augmentation, sample, 3)
    assert torch.equal(one[0], other[0]) and torch.equal(one[1]["boxes"], other[1]["boxes"])
    assert not torch.equal(one[0], augmented(augmentation, sample, 4)[0])


def test_crops_are_made_where_instances_are():
    mask = disc(2000, 2000, 1700, 300, 12)
    sample = Sample(np.zeros((2000, 2000, 3), np.uint8), (mask,), (1,), 1.0)
    found = [len(augmented(Augmentation(crop=128), sample, seed)[1]["labels"]) for seed in range(20)]
    assert sum(found) >= 15, "its middle is always in the crop; now and then too little of the rest"


def test_an_image_without_instances_gives_an_empty_target():
    sample = Sample(np.zeros((50, 70, 3), np.uint8), (), (), 2.0)
    image, target = augmented(Augmentation(crop=64), sample)
    assert image.shape[0] == 3
    assert target["boxes"].shape == (0, 4) and len(target["labels"]) == 0
    assert target["masks"].shape == (0, *image.shape[1:])


@pytest.mark.parametrize("size", [(1, 90), (90, 1), (1, 1)])
def test_a_sample_one_pixel_across_is_recoloured_like_any_other(size):
    sample = Sample(np.full((*size, 3), 100, np.uint8), (), (), 1.0)
    for seed in range(30):  # some of them are blurred
        image, _ = augmented(Augmentation(scales=(1.0, 1.0)), sample, seed)
        assert image.shape == (3, *size)


def test_what_is_hardly_in_the_crop_is_left_out():
    # One disc in the middle, one of which a sliver reaches into the image's corner.
    corner = np.zeros((60, 60), np.bool_)
    corner[:2, :3] = True
    whole = Rle.from_mask(corner)
    sample = Sample(np.zeros((60, 60, 3), np.uint8), (disc(60, 60, 30, 30, 15), whole), (1, 2), 1.0)
    keep = Augmentation(crop=60, scales=(1, 1), least_visible=2.0, least_pixels=100, colour=0)
    assert augmented(keep, sample)[1]["labels"].tolist() == [1], "6 pixels are neither 200 % nor 100"
    keep = Augmentation(crop=60, scales=(1, 1), least_visible=0.1, least_pixels=100, colour=0)
    assert sorted(augmented(keep, sample)[1]["labels"].tolist()) == [1, 2]


def test_the_visible_rest_of_what_is_left_out_is_no_background():
    corner = np.zeros((60, 60), np.bool_)
    corner[:2, :3] = True
    sample = Sample(
        np.zeros((60, 60, 3), np.uint8), (disc(60, 60, 30, 30, 15), Rle.from_mask(corner)), (1, 2), 1.0
    )
    keep = Augmentation(crop=60, scales=(1, 1), least_visible=2.0, least_pixels=100, colour=0)
    target = augmented(keep, sample)[1]
    ignored = target["ignored"]
    assert ignored[:2].sum() == ignored.sum() > 0, "the corner that 6 pixels reach into"
    kept_all = Augmentation(crop=60, scales=(1, 1), colour=0)
    sample = Sample(sample.pixels, sample.masks[:1], (1,), 1.0)
    assert "ignored" not in augmented(kept_all, sample)[1]


def test_an_instance_that_fits_into_a_crop_is_not_cut():
    mask = disc(500, 700, 240, 90, 60)
    sample = Sample(np.zeros((500, 700, 3), np.uint8), (mask,), (1,), 1.0)
    crop = Augmentation(crop=130, scales=(1, 1))
    x, y, w, h = mask.box_xywh
    for seed in range(50):
        torch.manual_seed(seed)
        _, (top, left, height, width) = crop.draw_window(sample, (500, 700))
        assert top <= y and y + h <= top + height and left <= x and x + w <= left + width


def test_many_masks_of_a_large_image_are_never_all_there_at_its_size(monkeypatch):
    """Whatever the number of those that are brought to the input at once, the sample is the same."""
    sample, whole = make_sample(), Augmentation(turns=True)
    together = augmented(whole, sample, 5)
    monkeypatch.setattr(augmentation_module, "_PIXELS_AT_ONCE", 1)
    one_by_one = augmented(whole, sample, 5)
    assert torch.equal(together[0], one_by_one[0])
    assert all(torch.equal(together[1][name], one_by_one[1][name]) for name in together[1])


def test_turning_moves_image_and_masks_alike():
    pixels = np.zeros((40, 60, 3), np.uint8)
    mask = np.zeros((40, 60), np.bool_)
    mask[5:20, 8:20] = True
    pixels[mask] = 255
    sample = Sample(pixels, (Rle.from_mask(mask),), (1,), 1.0)
    for seed in range(12):
        plain = Augmentation(crop=60, scales=(1, 1), turns=True, colour=0)
        image, target = augmented(plain, sample, seed)
        inside = target["masks"][0].bool()
        assert (image[0][inside] > 0.9).all(), "the mask lies on what is bright"
        x1, y1, x2, y2 = target["boxes"][0].round().int().tolist()
        outside = image[0].clone()
        outside[y1 - 1 : y2 + 1, x1 - 1 : x2 + 1] = 0
        assert outside.max() < 0.1, "and nothing bright lies outside its box"


@pytest.mark.parametrize("scale", [1.3, 2.5])
def test_perfect_predictions_paste_back_better_than_those_along_corners(scale):
    """What the module's text claims: pasted as torchvision pastes, such targets have next to no bias."""
    size = (180, 200)
    rng = np.random.default_rng(0)
    plain = Augmentation(crop=500, scales=(1, 1), colour=0)
    seed = next(s for s in range(50) if not _flips(s))
    centres, corners, areas = [], [], []
    for radius in (4, 5, 8, 12, 20, 60):
        y, x = rng.uniform(radius + 2, 178 - radius), rng.uniform(radius + 2, 198 - radius)
        truth = disc(*size, y, x, radius)
        sample = Sample(np.zeros((*size, 3), np.uint8), (truth,), (1,), scale)
        _, target = augmented(plain, sample, seed)
        pasted = _paste(target["masks"], target["boxes"], scale, size)
        centres.append(mask_iou(truth, pasted))
        areas.append(pasted.area / truth.area)
        left, top, width, height = truth.box_xywh
        box = torch.tensor([[left, top, left + width, top + height]]) * scale
        enlarged = torch.from_numpy(truth.to_mask())[None, None].float()
        nearest = torch.nn.functional.interpolate(enlarged, scale_factor=scale, mode="nearest-exact")[0]
        corners.append(mask_iou(truth, _paste(nearest, box, scale, size)))
    assert np.mean(centres) > 0.95 > np.mean(corners)
    assert np.mean(areas) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("laws", ["detectron2", "mmdetection", "matterport"])
@pytest.mark.parametrize("scale", [1, 1.3, 2.5])
def test_perfect_predictions_paste_back_by_the_laws_of_their_family(laws, scale):
    """Targets that torchvision's paste would turn back come out too small where another one pastes."""
    size = (180, 200)
    rng = np.random.default_rng(0)
    plain = Augmentation(crop=500, scales=(1, 1), colour=0)
    seed = next(s for s in range(50) if not _flips(s))
    found = {"torchvision": [], laws: []}
    for radius in (4, 5, 8, 12, 20, 60):
        y, x = rng.uniform(radius + 2, 178 - radius), rng.uniform(radius + 2, 198 - radius)
        truth = disc(*size, y, x, radius)
        for own, ious in found.items():
            sample = Sample(np.zeros((*size, 3), np.uint8), (truth,), (1,), scale, laws=own)
            _, target = augmented(plain, sample, seed)
            ious.append(mask_iou(truth, _paste(target["masks"], target["boxes"], scale, size, laws, own)))
    assert min(found[laws]) > 0.95 and np.mean(found[laws]) > 0.98
    if scale == 1:
        assert np.mean(found["torchvision"]) < 0.97


def test_a_picture_is_resized_as_its_network_resizes_it():
    scene = draw_scene(0)
    plain = Augmentation(scales=(1, 1), colour=0)
    seed = next(s for s in range(50) if not _flips(s))
    for laws, resize in (("mmdetection", resize_with_opencv), ("matterport", resize_with_skimage)):
        sample = Sample(scene.pixels, scene.masks, scene.category_ids, 0.4, laws=laws)
        image, _ = augmented(plain, sample, seed)
        wanted = torch.from_numpy(resize(scene.pixels, *image.shape[1:])).permute(2, 0, 1)
        assert torch.equal((image * 255).round().to(torch.uint8), wanted)


def _paste(masks, boxes, scale, size, laws="torchvision", targets="torchvision"):
    """The mask of a network that predicts these targets perfectly."""
    project = TARGET_LAWS[targets].project or project_masks_on_boxes
    probs = project(masks, boxes, torch.zeros(1, dtype=torch.int64), 28)
    input_size = masks.shape[1:]
    assert input_size == tuple(round(side * scale) for side in size)
    found = Detections(
        boxes=CONVENTIONS[laws].to_image(boxes.numpy(), input_size, size).astype(np.float32),
        labels=np.ones(1, np.int64),
        scores=np.ones(1, np.float32),
        mask_probs=probs.numpy().astype(np.float32),
        rows=np.zeros(1, np.int64),
        image_size=size,
        convention=laws,
    )
    return found.masks()[0]


def _flips(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        pixels = np.zeros((20, 20, 3), np.uint8)
        pixels[:, 0] = 255
        image, _ = Augmentation(crop=20, scales=(1, 1), colour=0)(Sample(pixels, (), (), 1.0))
    return bool(image[0, 0, 0] < 0.5)


def test_input_scale_is_torchvisions():
    view = View(800, 1333)
    assert view.scale((480, 640)) == pytest.approx(800 / 480)
    assert view.scale((480, 1640)) == pytest.approx(1333 / 1640)
