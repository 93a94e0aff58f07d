"""What is shown of a step is what the loop learns from: its losses come of these very targets."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.models.detection.rpn import concat_box_prediction_layers

from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.evaluation.ground_truth import joint_categories
from maskrcnn_core.networks.slim import build_slim
from maskrcnn_core.training.augmentation import Augmentation
from maskrcnn_core.training.ignoring import IGNORED
from maskrcnn_core.training.inspection.counting import count_sample
from maskrcnn_core.training.inspection.inspecting import inspect_training
from maskrcnn_core.training.inspection.watching import watch_step
from maskrcnn_core.training.loading import Batches, TrainingImages
from maskrcnn_core.training.starting import begin_from_nothing
from maskrcnn_core.training.steps import made_ready, put_into_training
from maskrcnn_core.training.views import view_of
from tests.builders.foreign import DETECTRON2, MMDETECTION, make_narrow
from tests.builders.matterport import make_matterport_network
from tests.builders.training import TINY, make_scenes, make_settings, run_training

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return make_scenes(tmp_path_factory.mktemp("scenes"))


class Enough(BaseException):
    """Ends a run."""


def settings_of(folder, **changes):
    return make_settings(folder, **({"batch_size": 2, "augmentation": Augmentation(crop=96)} | changes))


def samples_of(scenes, settings, network):
    labels = LabelMap.contiguous(joint_categories([scenes]))
    return TrainingImages([scenes], labels, settings.augmentation, view_of(network), settings.seed)


def inspect(scenes, settings, **more):
    beginning = begin_from_nothing(TINY, joint_categories([scenes]), settings.seed)
    images = samples_of(scenes, settings, beginning.model.network)
    return inspect_training(beginning, [scenes], images, settings, device="cpu", **more), images


def test_the_losses_of_the_first_step_are_the_loops_own(scenes, tmp_path):
    settings = settings_of(tmp_path / "run")
    told = []

    def stop(progress):
        told.append(progress.losses)
        raise Enough

    with pytest.raises(Enough):
        run_training([scenes], [], settings, on_progress=stop)
    inspection, _ = inspect(scenes, settings, over=2, samples=1)
    assert inspection.losses[0] == told[0]


def test_samples_are_those_of_the_epochs_that_they_name(scenes, tmp_path):
    settings = settings_of(tmp_path)
    inspection, images = inspect(scenes, settings, over=2, samples=2)
    batches = Batches(images, settings.batch_size, 0)
    first, _ = next(batches.of(0))
    assert [torch.equal(a, s.seen.picture) for a, s in zip(first, inspection.samples, strict=True)] == [
        True
    ] * 2
    second = [(picture, target) for batch in batches.of(1) for picture, target in zip(*batch, strict=True)]
    for sample in inspection.samples:
        picture, target = sample.again[0]
        assert any(
            picture.shape == other.shape
            and torch.equal(picture, other)
            and torch.equal(target["masks"], t["masks"])
            for other, t in second
        )
        assert np.array_equal(sample.truth.pixels, sample.pixels)


def slim():
    torch.manual_seed(0)
    return build_slim(TINY, 4)


NETWORKS = {
    "slim": slim,
    "detectron2": lambda: make_narrow(DETECTRON2),
    "mmdetection": lambda: make_narrow(MMDETECTION),
    "matterport": make_matterport_network,
}


def logits_of(network, taken):
    def note(name):
        def hook(module, given, out):
            taken[name] = out

        return hook

    heads = network.roi_heads
    parts = {"rpn": network.rpn.head, "box": heads.box_predictor, "mask": heads.mask_predictor}
    return [part.register_forward_hook(note(name)) for name, part in parts.items()]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_loss_can_be_had_from_what_was_seen(name, scenes, tmp_path):
    settings = settings_of(tmp_path, rois=32, freeze_norms=True)
    network = NETWORKS[name]()
    batch = next(Batches(samples_of(scenes, settings, network), 2, 0).of(0))
    batch[1][0][IGNORED] = torch.zeros(batch[0][0].shape[1:], dtype=torch.uint8)
    batch[1][0][IGNORED][:, :40] = 1
    network = made_ready(network, settings, CPU)
    put_into_training(network, settings)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    sampler = network.rpn.fg_bg_sampler
    taken = {}
    hooks = logits_of(network, taken)
    seen, losses = watch_step(network, batch, settings, 0, device=CPU, precision=torch.float32)
    for hook in hooks:
        hook.remove()
    assert network.rpn.fg_bg_sampler is sampler
    assert not {"assign_targets_to_anchors", "compute_loss"} & vars(network.rpn).keys()
    assert "select_training_samples" not in vars(network.roi_heads)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())

    objectness, _ = concat_box_prediction_layers(*(list(part) for part in taken["rpn"]))
    drawn = torch.cat([one.drawn for one in seen])
    labels = torch.cat([one.anchor_labels for one in seen])
    wanted = F.binary_cross_entropy_with_logits(objectness.flatten()[drawn], labels[drawn])
    assert losses["loss_objectness"] == pytest.approx(float(wanted), rel=1e-4)

    roi_labels = torch.cat([one.roi_labels for one in seen])
    wanted = F.cross_entropy(taken["box"][0], roi_labels)
    assert losses["loss_classifier"] == pytest.approx(float(wanted), rel=1e-4)

    held = roi_labels[roi_labels > 0]
    masks = taken["mask"][torch.arange(len(held)), held]
    wanted = F.binary_cross_entropy_with_logits(masks, torch.cat([one.mask_targets for one in seen]))
    assert losses["loss_mask"] == pytest.approx(float(wanted), rel=1e-4)

    for one in seen:
        assert sum(one.levels) == len(one.anchors) == len(one.anchor_labels)
        assert torch.allclose(one.moved, one.matched, atol=0.1)
        inside = one.roi_matches[one.roi_labels > 0]
        assert torch.equal(one.target["labels"][inside], one.roi_labels[one.roi_labels > 0])


def test_counts_are_those_of_the_step(scenes, tmp_path):
    settings = settings_of(tmp_path, rois=32)
    inspection, _ = inspect(scenes, settings, over=4, samples=2)
    assert len(inspection.counts) == 4 and len(inspection.losses) == 2
    for sample, count in zip(inspection.samples, inspection.counts, strict=False):
        seen = sample.seen
        assert count == count_sample(sample.record.file_name, seen)
        assert len(count.objects) == len(seen.target["boxes"])
        assert sum(level.objects for level in count.levels) == int((seen.anchor_labels > 0).sum())
        # No two of a scene's objects have one box, so each anchor counts for one object.
        assert sum(one.anchors for one in count.objects) == len(seen.moved)
        assert sum(one.rois for one in count.objects) == count.roi_objects <= 8
        assert count.roi_objects + count.roi_background == len(seen.rois) == 32
        assert count.drawn_objects + count.drawn_background == int(seen.drawn.sum()) == 256


def test_the_same_seed_shows_the_same(scenes, tmp_path):
    found = [inspect(scenes, settings_of(tmp_path, seed=seed), over=2, samples=1)[0] for seed in (1, 1, 2)]
    assert found[0].counts == found[1].counts != found[2].counts
    assert found[0].losses == found[1].losses
