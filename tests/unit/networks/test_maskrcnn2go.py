"""MaskRCNN2Go: the protobuf reader on hand-made bytes, the network against torchvision's own forward."""

from __future__ import annotations

import struct
from collections import OrderedDict
from contextlib import suppress

import numpy as np
import pytest
import torch
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import maskrcnn_inference

from maskrcnn_core.dataset.categories import COCO_CATEGORIES, LabelMap
from maskrcnn_core.errors import WeightsError
from maskrcnn_core.networks.configs import MOBILE_WEIGHTS_BYTES
from maskrcnn_core.networks.maskrcnn2go.caffe2_file import read_fills
from maskrcnn_core.networks.maskrcnn2go.network import (
    FixedAnchorGenerator,
    InclusiveRoIAlign,
    load_maskrcnn2go,
)
from tests.shared_data import shared_path


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def piece(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def argument(name, *, f=None, i=None, s=None, floats=(), ints=()):
    body = piece(1, name.encode())
    body += varint(2 << 3 | 5) + struct.pack("<f", f) if f is not None else b""
    body += varint(3 << 3) + varint(i) if i is not None else b""
    body += piece(4, s) if s is not None else b""
    body += b"".join(varint(5 << 3 | 5) + struct.pack("<f", x) for x in floats)
    body += b"".join(varint(6 << 3) + varint(x) for x in ints)
    return piece(5, body)


def fill(name="w", kind="Int8GivenTensorFill", shape=(2, 2), **values):
    values = values or {"s": bytes([0, 1, 2, 255])}
    body = piece(2, name.encode()) + piece(4, kind.encode()) + argument("shape", ints=shape)
    body += argument("values", **values) + argument("Y_scale", f=0.5) + argument("Y_zero_point", i=1)
    return piece(2, body)


def test_bytes_are_read_as_the_numbers_they_stand_for():
    tensors = read_fills(
        piece(1, b"net")
        + fill()
        + fill("b", "Int8GivenIntTensorFill", (3,), ints=(-2, 0, 7))
        + fill("anchor", "GivenTensorFill", (1, 2), floats=(-1.5, 3.25))
    )
    assert tensors["w"].tolist() == [[-0.5, 0.0], [0.5, 127.0]]
    assert tensors["b"].tolist() == [-1.0, 0.0, 3.5]
    assert tensors["anchor"].tolist() == [[-1.5, 3.25]]
    assert {t.dtype for t in tensors.values()} == {torch.float32}


def test_an_empty_file_has_no_tensors():
    assert read_fills(b"") == {}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x80", "ends in the middle of a number"),
        (b"\xff" * 11, "more than 64 bits"),
        (piece(2, b"abc")[:-1], "wants 3 bytes, 2 are left"),
        (varint(2 << 3 | 2) + varint(1 << 62), "bytes, 0 are left"),
        (varint(2 << 3 | 3), "wire type 3"),
        (varint(2 << 3) + b"\x05", "expected bytes, got the int 5"),
        (fill(kind="PythonOp"), "expected a fill operator, got 'PythonOp'"),
        (fill(shape=(1 << 40, 1 << 40)), "does not hold its 4 values"),
        (fill(shape=(-2, -2)), "does not hold its 4 values"),
        (fill(shape=()), "does not hold its 4 values"),
        (piece(2, piece(2, b"\xff\xfe")), "not UTF-8"),
        (piece(2, piece(5, varint(5 << 3) + b"\x01")), "expected a float, got the int 1"),
    ],
)
def test_bad_bytes_are_refused_with_a_reason(data, reason):
    with pytest.raises(WeightsError, match=reason):
        read_fills(data, "model_init.pb")


def test_every_cut_of_a_file_is_read_or_refused():
    data = fill() + fill("b", "Int8GivenIntTensorFill", (3,), ints=(-2, 0, 7))
    outcomes = set()
    for end in range(len(data)):
        try:
            outcomes.add(len(read_fills(data[:end])))
        except WeightsError:
            outcomes.add("refused")
    assert outcomes == {0, 1, "refused"}


def test_random_damage_never_crashes_the_reader():
    rng = np.random.default_rng(0)
    data = bytearray(fill() + fill("b", "Int8GivenIntTensorFill", (3,), ints=(-2, 0, 7)))
    for _ in range(3000):
        damaged = data.copy()
        for place in rng.integers(0, len(data), 3):
            damaged[place] = rng.integers(0, 256)
        with suppress(WeightsError):
            read_fills(bytes(damaged))


@pytest.mark.parametrize("data", [b"", b"x" * MOBILE_WEIGHTS_BYTES], ids=["empty", "same size"])
def test_another_file_is_refused(tmp_path, data):
    file = tmp_path / "model_init.pb"
    file.write_bytes(data)
    with pytest.raises(WeightsError, match="expected MaskRCNN2Go's published weights"):
        load_maskrcnn2go(file)


def test_an_absent_file_is_said(tmp_path):
    with pytest.raises(WeightsError, match="cannot be read"):
        load_maskrcnn2go(tmp_path / "model_init.pb")


def test_anchors_lie_on_the_true_stride_whatever_the_image_size():
    anchors = FixedAnchorGenerator(torch.tensor([[0.0, 0.0, 9.0, 19.0]]), stride=16)
    image = torch.zeros(1, 3, 427, 40)
    boxes = anchors(ImageList(image, [(427, 40)]), [torch.zeros(1, 128, 27, 3)])[0]
    assert boxes[0].tolist() == [0, 0, 10, 20]  # inclusive corners of the file, house form here
    assert boxes[-1].tolist() == [32, 416, 42, 436]
    assert anchors.num_anchors_per_location() == [1]


def test_roi_align_reads_corners_as_inclusive():
    # On a ramp, the mean of a pooled box is the ramp at its middle: (0 + 31) / 2 pixels are 0.97 cells.
    ramp = torch.arange(8.0).repeat(8, 1)[None, None]
    pool = InclusiveRoIAlign(output_size=2, stride=16)
    pooled = pool({"0": ramp}, [torch.tensor([[0.0, 0.0, 32.0, 32.0]])], [(128, 128)])
    assert pooled.shape == (1, 1, 2, 2)
    assert pooled.mean().item() == pytest.approx(31 / 2 / 16)
    assert pool({"0": ramp}, [torch.zeros(0, 4)], [(128, 128)]).shape == (0, 1, 2, 2)


# --- with the published weights ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    return load_maskrcnn2go(shared_path("weights", "maskrcnn2go", "model_init.pb"))


@pytest.fixture(scope="module")
def image():
    from PIL import Image

    file = sorted(shared_path("data", "coco_val2017", "images").iterdir())[0]
    with Image.open(file) as picture:
        array = np.array(picture.convert("RGB"))
    return torch.from_numpy(array).permute(2, 0, 1).float() / 255


def test_it_is_an_ordinary_mask_rcnn(network):
    assert isinstance(network, MaskRCNN) and not network.training
    assert all(p.device.type == "cpu" and p.dtype == torch.float32 for p in network.parameters())
    assert not any(p.requires_grad for p in network.parameters())
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(3.65e6, rel=0.01)


@torch.inference_mode()
def test_its_parts_in_turn_give_what_the_whole_gives(network, image):
    whole = network([image])[0]
    images, _ = network.transform([image])
    features = network.backbone(images.tensors)
    assert isinstance(features, OrderedDict) and features["0"].shape[1] == 128
    proposals, _ = network.rpn(images, features)
    assert len(proposals[0]) == 120
    heads = network.roi_heads
    pooled = heads.box_roi_pool(features, proposals, images.image_sizes)
    logits, deltas = heads.box_predictor(heads.box_head(pooled))
    assert logits.shape == (120, 81) and deltas.shape == (120, 324)
    boxes, scores, labels = heads.postprocess_detections(logits, deltas, proposals, images.image_sizes)
    mask_features = heads.mask_head(heads.mask_roi_pool(features, boxes, images.image_sizes))
    probs = maskrcnn_inference(heads.mask_predictor(mask_features), labels)
    assert probs[0].shape[1:] == (1, 24, 24)
    result = [{"boxes": boxes[0], "labels": labels[0], "scores": scores[0], "masks": probs[0]}]
    result = network.transform.postprocess(result, images.image_sizes, [tuple(image.shape[-2:])])
    assert len(whole["scores"]) > 0
    for name, values in result[0].items():
        assert torch.equal(values, whole[name]), name


@torch.inference_mode()
def test_activations_stay_within_their_eight_bits(network, image):
    features = network.backbone(network.transform([image])[0].tensors)["0"]
    assert features.min() >= -132 * 0.00950118 and features.max() <= 123 * 0.00950118
    assert features.std() > 0.1


@torch.inference_mode()
@pytest.mark.parametrize("size", [(33, 47), (1, 1), (20, 400)])
def test_images_of_odd_sizes_without_objects_give_empty_rows(network, size):
    result = network([torch.full((3, *size), 0.5)])[0]
    assert result["boxes"].shape[1] == 4 and result["masks"].shape[1:] == (1, *size)


@torch.inference_mode()
def test_no_boxes_at_all_pass_through_the_heads(network):
    heads, features = network.roi_heads, OrderedDict([("0", torch.zeros(1, 128, 4, 4))])
    logits, deltas = heads.box_predictor(
        heads.box_head(heads.box_roi_pool(features, [torch.zeros(0, 4)], [(64, 64)]))
    )
    assert logits.shape == (0, 81) and deltas.shape == (0, 324)
    masks = heads.mask_predictor(
        heads.mask_head(heads.mask_roi_pool(features, [torch.zeros(0, 4)], [(64, 64)]))
    )
    assert masks.shape == (0, 81, 24, 24)


@torch.inference_mode()
def test_it_finds_what_people_marked_in_coco(network):
    """A loader with channels, anchors or labels mixed up finds next to nothing: recall tells."""
    import json

    from PIL import Image
    from torchvision.ops import box_iou

    root = shared_path("data", "coco_val2017")
    data = json.loads((root / "instances.json").read_text(encoding="utf-8"))
    labels = LabelMap.contiguous(COCO_CATEGORIES)
    found = large = 0
    for row in data["images"][:12]:
        with Image.open(root / "images" / row["file_name"]) as picture:
            image = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).float() / 255
        result = network([image])[0]
        ids = torch.tensor([labels.category(int(label)).id for label in result["labels"]])
        for truth in data["annotations"]:
            if truth["image_id"] != row["id"] or truth["iscrowd"] or truth["area"] < 96**2:
                continue
            x, y, w, h = truth["bbox"]
            same = result["boxes"][ids == truth["category_id"]]
            found += bool((box_iou(torch.tensor([[x, y, x + w, y + h]]), same) > 0.5).any())
            large += 1
    assert large > 10 and found / large > 0.6
