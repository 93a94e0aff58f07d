"""Checkpoints by other projects' names become the network they were saved from, or are refused by name."""

import json
import pickle

import numpy as np
import pytest
import torch

from maskrcnn_core.dataset.categories import COCO_CATEGORIES, LabelMap
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.catalog import SHAPES_FILE, model_by_key
from maskrcnn_core.models.checkpoints import load_custom_checkpoint
from maskrcnn_core.models.foreign.converting import convert_checkpoint
from maskrcnn_core.models.foreign.detectron2 import read_detectron2
from maskrcnn_core.models.foreign.mmdetection import read_mmdetection
from maskrcnn_core.models.foreign.sidecar import Sidecar
from maskrcnn_core.models.loading import load_custom_model, load_trained_model
from maskrcnn_core.models.spec import LoadedModel
from tests.builders.foreign import (
    DETECTRON2,
    MMDETECTION,
    TORCHVISION,
    detectron2_state,
    make_narrow,
    mmdetection_state,
)
from tests.builders.matterport import write_keras_file

NAMES = ["cat", "dog", "bird"]
SIZES = "INPUT:\n  MIN_SIZE_TEST: 64\n  MAX_SIZE_TEST: 96\n"
CONFIG = """
model = dict(
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(type='ResNet', style='pytorch'))
test_pipeline = [dict(type='Resize', scale=(96, 64), keep_ratio=True), dict(type='PackDetInputs')]
"""


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def narrow():
    return {config.laws: make_narrow(config) for config in (DETECTRON2, MMDETECTION, TORCHVISION)}


def saved(tmp_path, state, name="model_final.pth", **beside):
    file = tmp_path / name
    torch.save({"model": state, **beside}, file)
    return file


def detections(model, image):
    """Boxes, labels, scores and masks of whatever is found at all."""
    predictor = Predictor(model)
    (run,) = predictor.run([image], Thresholds(0.05))
    found = predictor.detections(run, Thresholds(0.05, 0.5, 20), image)
    return found, [mask.counts for mask in found.masks()]


def assert_same(ours, theirs):
    state, wanted = ours.state_dict(), theirs.state_dict()
    assert state.keys() == wanted.keys()
    assert all(torch.equal(state[name], wanted[name]) for name in wanted if "num_batches" not in name)


def test_a_detectron2_file_with_its_config_is_the_network_it_was_saved_from(tmp_path, narrow, image):
    (tmp_path / "config.yaml").write_text(f"MODEL:\n  PIXEL_STD: [1.0, 1.0, 1.0]\n{SIZES}")
    file = saved(tmp_path, detectron2_state(narrow["detectron2"]), iteration=89_999)
    network, label_map, facts = load_custom_checkpoint(file, NAMES)
    assert_same(network, narrow["detectron2"])
    assert facts.family == "detectron2" and facts.architecture == DETECTRON2
    assert [category.name for category in label_map] == NAMES
    assert "config.yaml" in " ".join(facts.notes)
    found, masks = detections(load_custom_model(file, NAMES), image)
    assert found.convention == "detectron2" and len(found) > 3 and len(set(masks)) > 1


def test_an_mmdetection_file_names_its_categories_and_its_config(tmp_path, narrow):
    meta = {"dataset_meta": {"classes": tuple(NAMES)}, "cfg": CONFIG}
    file = tmp_path / "epoch_12.pth"
    torch.save({"meta": meta, "state_dict": mmdetection_state(narrow["mmdetection"])}, file)
    network, label_map, facts = load_custom_checkpoint(file)
    assert_same(network, narrow["mmdetection"])
    assert facts.architecture == MMDETECTION and [c.name for c in label_map] == NAMES


def test_other_resnets_of_torchvision_are_told_by_their_shapes(tmp_path, narrow):
    state = narrow["torchvision"].state_dict()
    with pytest.raises(WeightsError, match="do not fit torchvision's Mask R-CNN"):
        load_custom_checkpoint(saved(tmp_path, state), NAMES)  # its pyramid is none of torchvision's
    whole = make_narrow(type(TORCHVISION)(blocks=(1, 1, 1, 1), is_basic=True))
    network, _, facts = load_custom_checkpoint(saved(tmp_path, whole.state_dict()), NAMES)
    assert_same(network, whole)
    assert facts.architecture.blocks == (1, 1, 1, 1) and facts.architecture.is_basic


def test_the_style_of_an_mmdetection_file_without_a_config_is_asked_for_not_guessed(tmp_path, narrow):
    file = tmp_path / "epoch_12.pth"
    torch.save({"state_dict": mmdetection_state(narrow["mmdetection"], is_bgr=True)}, file)
    with pytest.raises(InputError, match=r"say its style: pytorch .* or caffe"):
        load_custom_checkpoint(file, NAMES)
    network, _, facts = load_custom_checkpoint(file, NAMES, Sidecar(style="caffe"))
    assert facts.architecture.strides_1x1 and facts.architecture.std == (1, 1, 1)
    first = "backbone.body.conv1.weight"
    assert torch.equal(network.state_dict()[first], narrow["mmdetection"].state_dict()[first])


def test_a_style_that_contradicts_the_config_is_refused(tmp_path, narrow):
    file = tmp_path / "epoch_12.pth"
    meta = {"dataset_meta": {"classes": tuple(NAMES)}, "cfg": CONFIG}
    torch.save({"meta": meta, "state_dict": mmdetection_state(narrow["mmdetection"])}, file)
    with pytest.raises(InputError, match="expected no style, or the config's pytorch, got caffe"):
        load_custom_checkpoint(file, None, Sidecar(style="caffe"))
    _, _, facts = load_custom_checkpoint(file, None, Sidecar(style="pytorch"))
    assert facts.architecture == MMDETECTION


@pytest.mark.parametrize(
    ("given", "whose"),
    [(Sidecar(style="caffe"), "mmdetection"), (Sidecar(preset="coco"), "Matterport's Mask_RCNN")],
)
def test_what_is_for_another_family_is_refused(tmp_path, narrow, given, whose):
    file = saved(tmp_path, detectron2_state(narrow["detectron2"]))
    with pytest.raises(InputError, match=f"for a checkpoint of Detectron2, got one; it is for {whose}"):
        load_custom_checkpoint(file, NAMES, given)
    own = saved(tmp_path, narrow["torchvision"].state_dict())
    with pytest.raises(InputError, match="expected no config for a checkpoint of torchvision"):
        load_custom_checkpoint(own, NAMES, Sidecar(config=tmp_path / "config.yaml"))


def test_what_lies_beside_detectron2s_weights_wins_and_is_said(narrow):
    state = detectron2_state(narrow["detectron2"])
    state["pixel_mean"] = torch.tensor([[[1.0]], [[2.0]], [[3.0]]])
    for level in range(5):
        name = f"proposal_generator.anchor_generator.cell_anchors.{level}"
        state[name] = torch.tensor(DETECTRON2.anchors[level]) / 2
    facts = read_detectron2(state, "model_final.pkl")
    assert facts.architecture.mean == (3, 2, 1)
    assert facts.architecture.anchors[0][0] == pytest.approx([v / 2 for v in DETECTRON2.anchors[0][0]])
    said = " ".join(facts.notes)
    assert "own pixel_mean" in said and "own anchors" in said


def test_heads_for_all_classes_at_once_are_repeated_for_each(narrow):
    state = detectron2_state(narrow["detectron2"])
    for kind in ("weight", "bias"):
        for layer, rows in (("box_predictor.bbox_pred", 4), ("mask_head.predictor", 1)):
            name = f"roi_heads.{layer}.{kind}"
            state[name] = state[name][:rows]
    tensors = read_detectron2(state, "model_final.pkl").tensors
    boxes = tensors["roi_heads.box_predictor.bbox_pred.bias"]
    assert boxes[:4].count_nonzero() == 0
    assert torch.equal(boxes[4:], state["roi_heads.box_predictor.bbox_pred.bias"].repeat(3))


# What the narrow networks answered when all of the originals' answers were found again (test_goldens.py).
KNOWN = {
    "detectron2": (
        [0.997813, 0.996797, 0.995011, 0.994035],
        [
            [20.264, 0, 66.460, 12.191],
            [0.771, 0, 30.959, 13.918],
            [33.393, 46.950, 56.389, 50],
            [0, 0, 11.071, 16.473],
        ],
        [481, 373, 64, 163],
    ),
    "mmdetection": (
        [0.999674, 0.999438, 0.997998, 0.997976],
        [
            [0, 1.260, 9.655, 40.187],
            [0, 7.733, 18.374, 33.429],
            [0, 10.570, 29.221, 43.280],
            [0, 0, 4.239, 41.287],
        ],
        [349, 401, 817, 147],
    ),
}


@pytest.mark.parametrize("laws", list(KNOWN))
def test_a_family_answers_by_its_own_laws(narrow, image, laws):
    network = narrow[laws]
    model = LoadedModel(
        key="narrow",
        title="narrow",
        network=network,
        label_map=LabelMap.from_names(NAMES),
        nms_threshold=0.5,
        mask_size=28,
        digest="narrow",
        backbone="",
        licence="",
        source="",
    )
    found, _ = detections(model, image)
    scores, boxes, areas = KNOWN[laws]
    assert found.scores[:4] == pytest.approx(scores, abs=1e-4)
    assert np.abs(found.boxes[:4] - np.array(boxes)).max() < 0.02
    assert [mask.area for mask in found.masks()][:4] == pytest.approx(areas, abs=2)


def renamed(state, old, new):
    return {name.replace(old, new): tensor for name, tensor in state.items()}


def with_extra(name, *shape):
    return lambda state: {**state, name: torch.zeros(shape)}


def without(part):
    return lambda state: {name: tensor for name, tensor in state.items() if part not in name}


DETECTRON2_REFUSED = [
    (with_extra("sem_seg_head.predictor.weight", 2), "Panoptic FPN.*sem_seg_head"),
    (lambda s: renamed(s, "roi_heads.box_head.", "roi_heads.box_head.0."), "Cascade R-CNN"),
    (with_extra("roi_heads.mask_head.point_head.fc1.weight", 2), "PointRend"),
    (lambda s: renamed(s, "backbone.bottom_up.res5", "roi_heads.res5"), "C4 network"),
    (with_extra("backbone.bottom_up.res4.0.conv2_offset.weight", 2), "deformable"),
    (with_extra("roi_heads.keypoint_head.conv_fcn1.weight", 2), "Keypoint R-CNN"),
    (without("mask_head"), "no mask head .*Faster R-CNN"),
    (without("running_"), "group normalisation or an early frozen norm"),
    (with_extra("backbone.attention.weight", 2), "tensors that none has: backbone.attention.weight"),
]


@pytest.mark.parametrize(("change", "reason"), DETECTRON2_REFUSED)
def test_detectron2s_other_networks_are_refused_by_name(narrow, change, reason):
    with pytest.raises(WeightsError, match=reason):
        read_detectron2(change(detectron2_state(narrow["detectron2"])), "model_final.pkl")


MMDETECTION_REFUSED = [
    (lambda s: renamed(s, "roi_head.", ""), "mmdetection 1.x"),
    (with_extra("backbone.layer2.0.conv2_offset.weight", 2), "deformable"),
    (lambda s: renamed(s, "roi_head.bbox_head.", "roi_head.bbox_head.0."), "Cascade R-CNN or HTC"),
    (with_extra("roi_head.mask_iou_head.fc.weight", 2), "Mask Scoring"),
    (without("mask_head"), "Faster R-CNN"),
]


@pytest.mark.parametrize(("change", "reason"), MMDETECTION_REFUSED)
def test_mmdetections_other_networks_are_refused_by_name(narrow, change, reason):
    with pytest.raises(WeightsError, match=reason):
        read_mmdetection(
            change(mmdetection_state(narrow["mmdetection"])), "epoch_12.pth", {}, None, "pytorch"
        )


def test_as_many_names_as_classes(narrow):
    meta = {"CLASSES": ("cat", "dog")}
    state = mmdetection_state(narrow["mmdetection"])
    with pytest.raises(WeightsError, match=r"each of the 3 classes .* got 2"):
        read_mmdetection(state, "epoch_12.pth", meta, None, "pytorch")


def test_what_is_missing_or_of_another_shape_has_the_files_own_name(tmp_path, narrow):
    state = detectron2_state(narrow["detectron2"])
    del state["backbone.fpn_lateral3.bias"]
    state["roi_heads.box_head.fc2.weight"] = state["roi_heads.box_head.fc2.weight"][:9]
    with pytest.raises(WeightsError) as refused:
        load_custom_checkpoint(saved(tmp_path, state), NAMES)
    said = str(refused.value)
    assert "missing: backbone.fpn_lateral3.bias" in said
    assert "roi_heads.box_head.fc2.weight (expected [24, 24], got [9, 24])" in said


def test_the_names_of_coco_are_assumed_for_eighty_classes_and_that_is_said(tmp_path):
    state = detectron2_state(make_narrow(DETECTRON2, num_classes=81))
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    file = tmp_path / "model_final_f10217.pkl"
    file.write_bytes(pickle.dumps({"model": arrays, "__author__": "Detectron2 Model Zoo"}, protocol=3))
    _, label_map, facts = load_custom_checkpoint(file)
    assert label_map.categories == COCO_CATEGORIES
    assert "COCO's 80 categories are assumed" in " ".join(facts.notes)


def test_a_row_of_the_zoo_is_built_by_what_is_known_of_it_and_not_by_a_config_beside_it(tmp_path):
    theirs = make_narrow(DETECTRON2, num_classes=81)
    arrays = {name: tensor.numpy() for name, tensor in detectron2_state(theirs).items()}
    spec = model_by_key("d2-r50")
    file = tmp_path / spec.file_name
    file.write_bytes(pickle.dumps({"model": arrays, "__author__": "Detectron2 Model Zoo"}, protocol=3))
    (tmp_path / "config.yaml").write_text(f"MODEL: {{}}\n{SIZES}")
    network = spec.build(file)
    assert_same(network, theirs)
    made = network.built_from
    assert (made.laws, made.min_size, made.max_size, made.std) == ("detectron2", 800, 1333, (1, 1, 1))
    assert made.strides_1x1 and len(spec.label_map) == 80 and spec.label_map.category(80).name == "toothbrush"


def test_matterports_published_row_is_built_by_its_preset(tmp_path):
    spec = model_by_key("matterport")
    file = tmp_path / spec.file_name
    write_keras_file(file, classes=81)
    made = spec.build(file).built_from
    assert (made.resize, made.min_size, made.max_size) == ("square", 800, 1024)
    assert (spec.score_threshold, spec.nms_threshold, len(spec.label_map)) == (0.7, 0.3, 80)


def test_without_names_a_file_of_other_classes_is_refused(tmp_path, narrow):
    with pytest.raises(InputError, match="names of 3 categories"):
        load_custom_checkpoint(saved(tmp_path, detectron2_state(narrow["detectron2"])))


def test_a_file_of_no_family_is_told_what_opens(tmp_path):
    with pytest.raises(
        WeightsError, match=r"Detectron2, mmdetection 2.x and 3.x, Matterport's .* torchvision"
    ):
        load_custom_checkpoint(saved(tmp_path, {"encoder.weight": torch.zeros(2)}), NAMES)
    with pytest.raises(WeightsError, match="maskrcnn-benchmark, which is not supported"):
        load_custom_checkpoint(
            saved(tmp_path, {"roi_heads.box.feature_extractor.fc6.weight": torch.zeros(2)}), NAMES
        )


def test_a_converted_checkpoint_answers_as_before_and_says_what_it_was(tmp_path, narrow, image):
    config = tmp_path / "config.yaml"
    config.write_text(
        f"MODEL:\n  ROI_HEADS:\n    NMS_THRESH_TEST: 0.4\n{SIZES}TEST:\n  DETECTIONS_PER_IMAGE: 50\n"
    )
    file = saved(tmp_path, detectron2_state(narrow["detectron2"]))
    made = convert_checkpoint(file, tmp_path / "mine.safetensors", NAMES, title="Pets", licence="CC0-1.0")
    model = load_trained_model(made.file)
    assert (model.title, model.licence, model.nms_threshold, model.max_detections) == (
        "Pets",
        "CC0-1.0",
        0.4,
        50,
    )
    before = load_custom_model(file, NAMES)
    assert_same(model.network, before.network)
    assert model.network.built_from == before.network.built_from
    found, masks = detections(model, image)
    wanted, theirs = detections(before, image)
    assert len(found) == len(wanted) and np.abs(found.boxes - wanted.boxes).max() < 1e-3
    assert sum(ours == other for ours, other in zip(masks, theirs, strict=True)) >= len(masks) - 2
    card = json.loads((tmp_path / "mine.json").read_text())
    assert card["data"]["converted_from"]["family"] == "detectron2"
    assert len(card["data"]["converted_from"]["sha256"]) == 64


def test_the_same_file_with_another_config_is_another_model_to_caches(tmp_path, narrow):
    file = saved(tmp_path, detectron2_state(narrow["detectron2"]))
    alone = load_custom_model(file, NAMES)
    assert len(alone.digest) == 64
    digests = {alone.digest}
    for side in (64, 80):
        text = f"MODEL: {{}}\nINPUT: {{MIN_SIZE_TEST: {side}, MAX_SIZE_TEST: 96}}\n"
        (tmp_path / "config.yaml").write_text(text)
        digests.add(load_custom_model(file, NAMES).digest)
    assert len(digests) == 3


def test_nothing_is_written_over(tmp_path, narrow):
    file = saved(tmp_path, detectron2_state(narrow["detectron2"]))
    (tmp_path / "mine.json").write_text("{}")
    with pytest.raises(InputError, match=r"mine.json: this file already exists"):
        convert_checkpoint(file, tmp_path / "mine.safetensors", NAMES)
    with pytest.raises(InputError, match=r"ends with .safetensors"):
        convert_checkpoint(file, tmp_path / "mine.pth", NAMES)


def test_our_own_format_is_not_converted_again(tmp_path):
    with pytest.raises(InputError, match="in MaskDesk's own format already"):
        convert_checkpoint(SHAPES_FILE, tmp_path / "again.safetensors")
