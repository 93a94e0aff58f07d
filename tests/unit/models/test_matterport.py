"""Matterport's weights and settings: what is read, and what is refused by name."""

from dataclasses import replace

import pytest
import torch

from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.models.foreign.matterport import read_matterport
from maskrcnn_core.models.foreign.matterport_config import (
    MATTERPORT_PRESETS,
    MatterportSettings,
    printed_config,
    read_printed_config,
)
from maskrcnn_core.models.foreign.table import family_of_names
from maskrcnn_core.models.summary import summarise
from maskrcnn_core.networks.centred_transform import CentredTransform
from tests.builders.matterport import SETTINGS, keras_tensors, make_matterport_model

PRINTED = """
Configurations:
BACKBONE                       resnet50
BACKBONE_STRIDES               [4, 8, 16, 32, 64]
BATCH_SIZE                     2
BBOX_STD_DEV                   [0.1 0.1 0.2 0.2]
DETECTION_MAX_INSTANCES        400
DETECTION_MIN_CONFIDENCE       0
DETECTION_NMS_THRESHOLD        0.3
IMAGE_MAX_DIM                  512
IMAGE_MIN_DIM                  512
IMAGE_MIN_SCALE                2.0
IMAGE_RESIZE_MODE              crop
IMAGE_SHAPE                    [512 512   3]
LOSS_WEIGHTS                   {'rpn_class_loss': 1.0, 'mrcnn_mask_loss': 1.0}
MASK_SHAPE                     [28, 28]
MEAN_PIXEL                     [43.53 39.56 48.22]
NAME                           nucleus
NUM_CLASSES                    2
POST_NMS_ROIS_INFERENCE        2000
RPN_ANCHOR_RATIOS              [0.5, 1, 2]
RPN_ANCHOR_SCALES              (8, 16, 32, 64, 128)
RPN_ANCHOR_STRIDE              1
RPN_BBOX_STD_DEV               [0.1 0.2 0.25 0.5]

Epoch 1/20
 12/332 [>.............................] - ETA: 1:02:11 - loss: 2.1
"""


def test_every_tensor_is_used_and_every_one_of_the_networks_is_made():
    facts = read_matterport(keras_tensors(), "narrow.h5", SETTINGS)
    assert facts.num_classes == 4 and facts.architecture.blocks == (1, 1, 2, 1)
    assert (facts.score_threshold, facts.nms_threshold, facts.max_detections) == (0.1, 0.3, 100)
    assert all(tensor.dtype == torch.float32 for tensor in facts.tensors.values())


def test_without_settings_the_standard_ones_are_taken_and_it_is_said():
    facts = read_matterport(keras_tensors(), "narrow.h5")
    assert facts.architecture.max_size == 1024 and facts.score_threshold == pytest.approx(0.7)
    assert "standard values" in " ".join(facts.notes)


def without(*endings):
    return {name: t for name, t in keras_tensors().items() if not name.startswith(endings)}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (without("res4a_branch2b"), r"narrow.h5: .*missing: res4a_branch2b.kernel, res4a_branch2b.bias"),
        (without("fpn_", "rpn_", "mrcnn_"), "only a backbone's layers"),
        (without("mrcnn_mask"), "expected a mask head"),
        (keras_tensors() | {"attention.kernel": torch.zeros(1)}, "not Matterport's: attention.kernel"),
        (
            keras_tensors() | {"mrcnn_mask.kernel": torch.zeros(1, 1, 10, 9)},
            r"mrcnn_mask.kernel: expected shape \[1, 1, 10, 4\], got \[1, 1, 10, 9\]",
        ),
    ],
    ids=["gap", "imagenet", "no masks", "extra", "shape"],
)
def test_weights_of_another_network_are_refused_by_name(tensors, message):
    with pytest.raises(WeightsError, match=message):
        read_matterport(tensors, "narrow.h5", SETTINGS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (MatterportSettings(num_classes=81), "NUM_CLASSES: expected 4, .*got 81"),
        (MatterportSettings(anchor_ratios=(1.0, 2.0)), "RPN_ANCHOR_RATIOS: expected 3, .*got 2"),
        (MatterportSettings(max_size=1000), "max_size: expected a multiple of 64, got 1000"),
    ],
)
def test_settings_of_another_network_are_refused_with_both_numbers(settings, message):
    with pytest.raises(InputError, match=message):
        read_matterport(keras_tensors(), "narrow.h5", settings)


def test_names_tell_the_family_also_where_there_is_but_a_backbone():
    assert family_of_names(keras_tensors(), "narrow.h5").key == "matterport"
    assert family_of_names(["bn2a_branch2a.gamma"], "narrow.h5").key == "matterport"
    assert family_of_names(["backbone.body.conv1.weight", "res2.0.conv1.weight"], "x").key == "torchvision"


def test_the_summary_says_that_proposals_are_taken_of_all_levels_together():
    rows = dict(summarise(make_matterport_model()).rows())
    assert rows["Proposals"] == "6,000 of all levels together before NMS, 100 after"
    assert rows["Anchors"] == "3 per cell on 5 feature levels"
    assert rows["Anchor sizes"] == "8 | 16 | 32 | 64 | 128 px"


@pytest.mark.parametrize(
    ("resize", "told"),
    [
        (
            "square",
            "128 × 128 px: enlarged until the shorter side has 96 px or the longer one 128, black around it",
        ),
        (
            "pad64",
            "enlarged until the shorter side has 96 px, 2 times at least; black up to multiples of 64 px "
            "around it",
        ),
        ("none", "as the image has them; black up to multiples of 64 px around it"),
    ],
)
def test_the_summary_says_what_becomes_of_an_images_sides(resize, told):
    model = make_matterport_model()
    config = replace(
        model.network.transform.config,
        resize=resize,
        min_size=96,
        max_size=128,
        min_scale=2.0 if resize == "pad64" else 0.0,
    )
    model.network.transform = CentredTransform(config)
    assert dict(summarise(model).rows())["Input size"] == told


# -- a printed Config --------------------------------------------------------------------------------


def test_a_trainings_log_is_read_as_its_config():
    settings = read_printed_config(PRINTED)
    assert settings.backbone == "resnet50" and settings.num_classes == 2
    assert settings.mean == (43.53, 39.56, 48.22) and settings.anchor_scales == (8, 16, 32, 64, 128)
    assert (settings.min_confidence, settings.max_instances, settings.min_scale) == (0, 400, 2)
    assert settings.resize == "pad64" and "crop is for training only" in settings.notes[0]
    # Spreads go by y, x, height, width; weights by x, y, width, height.
    config = settings.architecture({"blocks": (3, 4, 6, 3)})
    assert config.proposal_weights == (5.0, 10.0, 2.0, 4.0) and config.box_weights == (10, 10, 5, 5)


def test_a_config_that_resizes_nothing_is_read_and_it_says_what_becomes_of_other_sides():
    settings = read_printed_config("IMAGE_RESIZE_MODE              none")
    assert settings.resize == "none" and "padded with black" in settings.notes[0]
    assert settings.architecture({"blocks": (3, 4, 6, 3)}).resize == "none"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing of the kind", "expected lines such as"),
        ("IMAGE_MAX_DIM 1024\nIMAGE_MAX_DIM 512", "IMAGE_MAX_DIM: expected one value"),
        ("IMAGE_MAX_DIM __import__('os')", "IMAGE_MAX_DIM: expected 1 to 64 numbers"),
        ("IMAGE_MAX_DIM 10.5", "IMAGE_MAX_DIM: expected a whole number"),
        ("IMAGE_RESIZE_MODE warp", "IMAGE_RESIZE_MODE: expected square, pad64 or none, got 'warp'"),
        ("BACKBONE <function mobilenet at 0x7f>", "BACKBONE: expected resnet50 or resnet101"),
        ("MASK_SHAPE [56, 56]", "MASK_SHAPE: only 28, 28 can be had"),
        ("RPN_ANCHOR_STRIDE 2", "RPN_ANCHOR_STRIDE: only 1 can be had"),
        ("RPN_BBOX_STD_DEV [0 0 0 0]", "RPN_BBOX_STD_DEV: expected 4 numbers"),
        ("DETECTION_MIN_CONFIDENCE 7", "DETECTION_MIN_CONFIDENCE: expected a number from 0 to 1"),
        (f"MEAN_PIXEL {list(range(100))}", "MEAN_PIXEL: expected 1 to 64 numbers"),
        ("x" * (2**20 + 1), "at most 1,048,576 characters"),
    ],
)
def test_a_config_that_cannot_be_had_is_refused_by_name(text, message):
    with pytest.raises(InputError, match=message):
        read_printed_config(text)


@pytest.mark.parametrize("name", MATTERPORT_PRESETS)
def test_a_preset_is_printed_as_a_config_and_read_back(name):
    preset = MATTERPORT_PRESETS[name]
    text = printed_config(preset)
    assert read_printed_config(text, MatterportSettings(names=preset.names)) == preset
    changed = read_printed_config("DETECTION_MIN_CONFIDENCE 0.25", preset)
    assert changed == replace(preset, min_confidence=0.25)


@pytest.mark.parametrize("name", MATTERPORT_PRESETS)
def test_each_preset_describes_a_network_with_a_name_for_each_class(name):
    preset = MATTERPORT_PRESETS[name]
    assert len(preset.names) == preset.num_classes - 1
    assert preset.architecture({"blocks": (3, 4, 6, 3)}).blocks == (3, 4, 6, 3)
