"""A checkpoint of any family goes through the training loop, and stays of its family."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.evaluation.ground_truth import joint_categories
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.cards import card_file, read_card
from maskrcnn_core.models.loading import load_custom_model, load_trained_model
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.networks.configs import ResNetFpnConfig
from maskrcnn_core.networks.families import family_of
from maskrcnn_core.networks.laws import laws_of
from maskrcnn_core.training.artifacts import Keeper, Words
from maskrcnn_core.training.augmentation import Augmentation
from maskrcnn_core.training.loading import TrainingImages
from maskrcnn_core.training.loop import train
from maskrcnn_core.training.starting import begin_from
from maskrcnn_core.training.views import view_of
from tests.builders.foreign import (
    DETECTRON2,
    MMDETECTION,
    NARROW,
    detectron2_state,
    make_narrow,
    mmdetection_state,
)
from tests.builders.matterport import make_matterport_network
from tests.builders.training import make_scenes, make_settings

NAMES = ["dog", "square", "cat"]
"""Of the checkpoints: one of them is a category of the scenes."""

LSJ = replace(DETECTRON2, heads="v2", std=(58.395, 57.12, 57.375))
CAFFE = replace(MMDETECTION, strides_1x1=True, std=(1.0, 1.0, 1.0), mean=(123.68, 116.78, 103.94))
BASIC = ResNetFpnConfig(**{**NARROW, "blocks": (1, 1, 1, 1), "is_basic": True})
NETWORKS = {
    "detectron2": lambda: make_narrow(DETECTRON2),
    "detectron2 lsj": lambda: make_narrow(LSJ),
    "mmdetection": lambda: make_narrow(MMDETECTION),
    "mmdetection caffe": lambda: make_narrow(CAFFE),
    "torchvision": lambda: make_narrow(BASIC),
    "matterport": lambda: make_matterport_network(4),
}


def model_of(network, names=NAMES):
    return LoadedModel(
        key="narrow",
        title="Narrow",
        network=network,
        label_map=LabelMap.from_names(names),
        score_threshold=0.2,
        nms_threshold=0.3,
        max_detections=20,
        mask_size=28,
        rois_per_image=32,
        digest="0" * 64,
        backbone="",
        licence="",
        source="",
    )


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return make_scenes(tmp_path_factory.mktemp("scenes"), count=4)


def tune(model, truth, settings, *, resume=False, stop_at=None):
    """A run as the command makes it; returns its beginning and the losses of each step."""
    begun = begin_from(model, joint_categories([truth]), settings.seed)
    images = TrainingImages(
        [truth], begun.model.label_map, settings.augmentation, view_of(begun.model.network), settings.seed
    )
    steps = []

    def look(progress):
        if progress.losses:
            steps.append(progress.losses)
            if len(steps) == stop_at:
                raise KeyboardInterrupt

    train(
        begun.model,
        images,
        [],
        settings,
        start=json.dumps({"data": truth.digest}),
        keep=Keeper(settings, begun, (truth,), (), Words("Tuned")),
        device="cpu",
        resume=resume,
        on_progress=look,
    )
    return begun, steps


def tuning(folder, **changes):
    return make_settings(
        folder, freeze_norms=True, rois=32, ema_decay=0, augmentation=Augmentation(scales=(1, 1)), **changes
    )


def answers(model, image):
    predictor = Predictor(model, "cpu")
    (run,) = predictor.run([image], Thresholds(0.05))
    found = predictor.detections(run, Thresholds(0.05, 0.5, 20), image)
    return found.boxes, found.scores, [mask.counts for mask in found.masks()]


@pytest.mark.parametrize("kind", ["detectron2 lsj", "mmdetection", "torchvision", "matterport"])
def test_what_a_checkpoint_became_is_of_its_family_and_answers_as_in_memory(kind, scenes, tmp_path):
    model = model_of(NETWORKS[kind]())
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    settings = tuning(tmp_path, epochs=2, peak_rate=1e-3)
    begun, steps = tune(model, scenes, settings)
    totals = [sum(step.values()) for step in steps]
    assert all(map(math.isfinite, totals)) and np.mean(totals[-2:]) < np.mean(totals[:2])
    assert all(step["loss_mask"] > 0 for step in steps)
    assert "Kept for square; new for circle, triangle" in begun.notes[0]
    assert all(value.equal(before[name]) for name, value in model.network.state_dict().items()), "a copy"

    card = read_card(card_file(settings.out))
    assert card.architecture == model.network.built_from and laws_of(begun.model.network) == laws_of(
        model.network
    )
    assert (card.score_threshold, card.nms_threshold, card.max_detections) == (0.2, 0.3, 100)
    tuned = load_trained_model(settings.out)
    assert laws_of(tuned.network) == laws_of(model.network)
    assert type(tuned.network.transform) is type(model.network.transform)
    assert tuned.network.transform.image_mean == model.network.transform.image_mean
    assert tuned.network.transform.image_std == model.network.transform.image_std
    kept = load_file(settings.out)
    norms = [name for name in kept if name.endswith("running_mean")]
    assert norms and all(kept[name].equal(before[name]) for name in norms), "statistics stay"

    image = np.random.default_rng(3).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    in_memory = replace(begun.model, network=begun.model.network.eval().requires_grad_(False))
    ours, theirs = answers(tuned, image), answers(in_memory, image)
    assert (
        len(ours[0]) and np.abs(ours[0] - theirs[0]).max() < 1e-3 and np.abs(ours[1] - theirs[1]).max() < 1e-4
    )
    assert sum(a == b for a, b in zip(ours[2], theirs[2], strict=True)) >= len(ours[2]) - 1

    again = begin_from(tuned, joint_categories([scenes]), 0)
    assert "the same 3 categories, so everything is kept" in again.notes[0]
    assert again.architecture == card.architecture
    assert (again.model.score_threshold, again.model.rois_per_image) == (0.2, 32)


@pytest.mark.parametrize("kind", ["detectron2", "matterport"])
def test_a_killed_run_of_another_family_goes_on_and_ends_with_the_same_bytes(kind, scenes, tmp_path):
    model = model_of(NETWORKS[kind]())
    whole, broken = tuning(tmp_path / "a", epochs=1), tuning(tmp_path / "b", epochs=1)
    tune(model, scenes, whole)
    with pytest.raises(KeyboardInterrupt):
        tune(model, scenes, broken, stop_at=3)
    _, steps = tune(model, scenes, broken, resume=True)
    assert len(steps) < 3 and broken.out.read_bytes() == whole.out.read_bytes()


def test_rows_stay_with_their_category_and_the_background_comes_first(scenes):
    names = [category.name for category in joint_categories([scenes])]
    at = names.index("square") + 1
    for make in NETWORKS.values():
        model = model_of(make())
        begun = begin_from(model, joint_categories([scenes]), 0).model.network.roi_heads
        heads = model.network.roi_heads
        for old, new, rows in (
            (heads.box_predictor.cls_score, begun.box_predictor.cls_score, 1),
            (heads.box_predictor.bbox_pred, begun.box_predictor.bbox_pred, 4),
            (heads.mask_predictor.mask_fcn_logits, begun.mask_predictor.mask_fcn_logits, 1),
        ):
            theirs, ours = (w.reshape(-1, rows, *w.shape[1:]) for w in (old.weight, new.weight))
            assert torch.equal(ours[0], theirs[0]), "the background"
            assert torch.equal(ours[at], theirs[2]), "square"
            others = [n for n in (1, 2, 3) if n != at]
            assert all(torch.allclose(ours[n], theirs[1:].mean(0)) for n in others)


def test_a_class_agnostic_head_gets_a_row_for_each_category(scenes, tmp_path):
    state = detectron2_state(make_narrow(DETECTRON2))
    for kind in ("weight", "bias"):
        for layer, rows in (("box_predictor.bbox_pred", 4), ("mask_head.predictor", 1)):
            name = f"roi_heads.{layer}.{kind}"
            state[name] = state[name][:rows].clone()
    torch.save({"model": state}, tmp_path / "model_final.pth")
    model = load_custom_model(tmp_path / "model_final.pth", NAMES)
    masks = begin_from(model, joint_categories([scenes]), 0).model.network.roi_heads.mask_predictor
    rows = masks.mask_fcn_logits.weight
    assert len(rows) == 4 and all(torch.allclose(row, rows[1]) for row in rows[2:])
    assert torch.allclose(rows[1], state["roi_heads.mask_head.predictor.weight"][0])


def test_a_file_of_another_project_is_fine_tuned_under_its_own_config(scenes, tmp_path):
    """From the file, with all that only its config says, to the card."""
    sizes = "INPUT:\n  MIN_SIZE_TEST: 64\n  MAX_SIZE_TEST: 96\nTEST:\n  DETECTIONS_PER_IMAGE: 50\n"
    (tmp_path / "config.yaml").write_text(f"MODEL:\n  PIXEL_STD: [1.0, 1.0, 1.0]\n{sizes}")
    torch.save({"model": detectron2_state(make_narrow(DETECTRON2))}, tmp_path / "model_final.pth")
    meta = {"dataset_meta": {"classes": tuple(NAMES)}, "cfg": "model = dict(backbone=dict(style='pytorch'))"}
    torch.save(
        {"meta": meta, "state_dict": mmdetection_state(make_narrow(MMDETECTION))}, tmp_path / "epoch_12.pth"
    )
    for name, size in (("model_final.pth", (64, 96)), ("epoch_12.pth", (800, 1333))):
        model = load_custom_model(tmp_path / name, NAMES)
        begun = begin_from(model, joint_categories([scenes]), 0)
        assert begun.architecture == model.network.built_from
        assert (begun.architecture.min_size, begun.architecture.max_size) == size
        assert begun.model.max_detections == model.max_detections


def test_every_family_that_a_card_describes_tells_what_it_was_built_from():
    for config in (DETECTRON2, LSJ, CAFFE, BASIC, make_matterport_network().built_from):
        assert family_of(config).build(config, 4).built_from == config
