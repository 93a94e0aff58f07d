"""The table of families: what the README says of it, and whose names are whose."""

import re
from pathlib import Path

import pytest

from maskrcnn_core.models.foreign.table import CHECKPOINT_FAMILIES, family_of_names
from maskrcnn_core.networks.configs import MatterportConfig, ResNetFpnConfig
from maskrcnn_core.networks.families import backbone_of

README = (Path(__file__).parents[4] / "README.md").read_text("utf-8")


@pytest.mark.parametrize("family", CHECKPOINT_FAMILIES, ids=lambda family: family.key)
def test_the_readme_has_a_row_of_each_family(family):
    row = next(line for line in README.splitlines() if line.startswith(f"| {family.title} |"))
    said = re.sub("`", "", row)
    assert all(part in said for part in (family.opens, family.files, family.verified))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (ResNetFpnConfig(blocks=(3, 4, 23, 3)), "ResNet-101 with"),
        (ResNetFpnConfig(is_basic=True), "ResNet-34 with"),
        (ResNetFpnConfig(blocks=(3, 4, 23, 3), groups=32, width_per_group=8), "ResNeXt-101-32x8d with"),
        (ResNetFpnConfig(width_per_group=128), "wide ResNet-50 with"),
        (ResNetFpnConfig(blocks=(1, 1, 1, 1)), "ResNet with"),
        (MatterportConfig(blocks=(3, 4, 23, 3)), "Matterport's ResNet-101 with"),
    ],
)
def test_a_backbone_is_named_as_people_know_it(config, words):
    assert backbone_of(config).startswith(words)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("backbone.bottom_up.stem.conv1.weight", "detectron2"),
        ("proposal_generator.rpn_head.conv.weight", "detectron2"),
        ("neck.lateral_convs.0.conv.weight", "mmdetection"),
        ("mrcnn_class_logits.kernel", "matterport"),
        ("backbone.body.conv1.weight", "torchvision"),
    ],
)
def test_a_name_tells_the_family(name, key):
    assert family_of_names(["roi_heads.box_predictor.cls_score.weight", name], "x").key == key
