"""What trainings wrote beside their weights: read as data, never run."""

import pytest

from maskrcnn_core.errors import InputError
from maskrcnn_core.models.foreign.detectron2_config import read_detectron2_config
from maskrcnn_core.models.foreign.mmdetection_config import parse_mmdetection_config
from maskrcnn_core.models.foreign.renaming import inverse, rename
from maskrcnn_core.networks.configs import ResNetFpnConfig

TABLE = (
    (r"res(\d)\.(\d+)\.conv(\d)\.(weight|bias)", r"layer\1.\2.conv\3.\4"),
    (r"head\.fc1\.(\w+)", r"box.fc6.\1"),
)


def written(tmp_path, text):
    file = tmp_path / "config.yaml"
    file.write_text(text)
    return file


def test_names_lead_to_new_ones_and_back():
    old = ["res2.10.conv1.weight", "head.fc1.bias", "other"]
    found, others = rename(old, TABLE)
    assert found == {"res2.10.conv1.weight": "layer2.10.conv1.weight", "head.fc1.bias": "box.fc6.bias"}
    assert others == ["other"]
    back, _ = rename(found.values(), inverse(TABLE))
    assert back == {new: name for name, new in found.items()}


def test_detectron2s_config_says_what_weights_do_not(tmp_path):
    text = """
    MODEL:
      PIXEL_MEAN: [1.0, 2.0, 3.0]
      RESNETS: {STRIDE_IN_1X1: false, NORM: FrozenBN}
      ANCHOR_GENERATOR: {SIZES: [[16], [32], [64], [128], [256]], ASPECT_RATIOS: [[1.0]]}
      RPN: {PRE_NMS_TOPK_TEST: 500, POST_NMS_TOPK_TEST: 300, NMS_THRESH: 0.6}
      ROI_HEADS: {NMS_THRESH_TEST: 0.4}
    INPUT: {FORMAT: RGB, MIN_SIZE_TEST: 640, MAX_SIZE_TEST: 1000}
    TEST: {DETECTIONS_PER_IMAGE: 30}
    """
    config = read_detectron2_config(written(tmp_path, text))
    made = config.applied(ResNetFpnConfig(laws="detectron2"))
    assert (made.mean, made.min_size, made.max_size) == ((1.0, 2.0, 3.0), 640, 1000)
    assert (made.proposals_per_level, made.proposals, made.proposal_nms) == (500, 300, 0.6)
    assert made.anchors[0] == ((-8.0, -8.0, 8.0, 8.0),) and not made.strides_1x1
    assert dict(config.limits) == {"nms_threshold": 0.4, "max_detections": 30}
    assert not config.is_bgr and config.norm == "FrozenBN"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "MODEL: {ROI_BOX_HEAD: {POOLER_TYPE: ROIAlign}}",
            "POOLER_TYPE: expected ROIAlignV2, got 'ROIAlign'",
        ),
        ("MODEL: {META_ARCHITECTURE: PanopticFPN}", "expected GeneralizedRCNN, got 'PanopticFPN'"),
        ("MODEL: {PIXEL_MEAN: red}", "expected Detectron2's values"),
        ("INPUT: {}", "expected a Detectron2 config with a MODEL section"),
        ("a: &a [1]\nMODEL: {B: *a}", "got aliases"),
        ("MODEL: !!python/object/apply:os.system ['true']", "expected the plain YAML"),
        ("[", "expected the plain YAML"),
    ],
)
def test_other_configs_are_refused(tmp_path, text, reason):
    with pytest.raises(InputError, match=reason):
        read_detectron2_config(written(tmp_path, text))


def test_an_mmdetection_config_is_parsed_and_nothing_of_it_runs(tmp_path):
    trace = tmp_path / "trace"
    text = f"""
import os
os.system("touch {trace}")
norm = dict(mean=[1.5, 2, -3], std=[1, 1, 1], to_rgb=True)
model = dict(backbone=dict(style='caffe', depth=os.cpu_count()), neck={{'type': 'FPN'}})
test_pipeline = [
    dict(type='MultiScaleFlipAug', img_scale=(1333, 800), transforms=[dict(type='Normalize', **norm)])]
"""
    config = parse_mmdetection_config(text, "epoch_12.pth")
    assert not trace.exists()
    assert config.get("model.backbone") == {"style": "caffe"}
    assert config.get("norm.mean") == [1.5, 2, -3]
    assert config.get("model.neck.type") == "FPN" and config.get("model.head.kind", 7) == 7
    assert [step["type"] for step in config.steps()] == ["MultiScaleFlipAug", "Normalize"]


@pytest.mark.parametrize("text", ["model = dict(", "(" * 5000, "\0", "x = 1\n" * 300_000])
def test_what_is_no_config_is_refused(text):
    with pytest.raises(InputError, match="config"):
        parse_mmdetection_config(text, "epoch_12.pth")
