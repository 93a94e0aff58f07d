"""Each law of Matterport's network by itself, on a narrow network, against the original's formulas."""

import math
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.models.detection.image_list import ImageList

from maskrcnn_core.detection.candidates import Candidates, Thresholds
from maskrcnn_core.detection.conventions import CONVENTIONS
from maskrcnn_core.errors import InputError
from maskrcnn_core.explain.tracing import trace_network
from maskrcnn_core.inference.forward import ScoredRegions, candidates_of, resize_and_normalise, run_backbone
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.networks.centred_transform import CentredTransform, resize_with_skimage
from maskrcnn_core.networks.configs import MatterportConfig
from maskrcnn_core.networks.families import architecture_as_json, architecture_from_json
from maskrcnn_core.networks.matterport_parts import (
    CentredAnchors,
    CropAndResize,
    OverallRPN,
    PlaceCoder,
    TopLeftMaxPool,
    clip_places,
    matterport_cells,
    matterport_levels,
)
from tests.builders.core import make_image
from tests.builders.matterport import (
    SETTINGS,
    keras_tensors,
    make_matterport_model,
    make_matterport_network,
)

CPU = torch.device("cpu")
MATTERPORT = CONVENTIONS["matterport"]


# -- the image in ------------------------------------------------------------------------------------


def resized_by_hand(image, height, width):
    """Pixel by pixel in double precision, zeros outside, cut."""
    made = np.empty((height, width, image.shape[2]), np.uint8)
    for row, column, channel in np.ndindex(*made.shape):
        y = (row + 0.5) * (image.shape[0] / height) - 0.5
        x = (column + 0.5) * (image.shape[1] / width) - 0.5
        top, left = math.floor(y), math.floor(x)
        fy, fx = y - top, x - left
        total = 0.0
        for dy, dx, share_y, share_x in (
            (0, 0, 1 - fy, 1 - fx),
            (0, 1, 1 - fy, fx),
            (1, 0, fy, 1 - fx),
            (1, 1, fy, fx),
        ):
            inside = 0 <= top + dy < image.shape[0] and 0 <= left + dx < image.shape[1]
            value = float(image[top + dy, left + dx, channel]) if inside else 0.0
            total = total + value * share_y * share_x
        made[row, column, channel] = int(min(max(total, image.min()), image.max()))
    return made


@pytest.mark.parametrize("size", [(5, 9), (11, 4), (3, 3), (1, 1), (200, 2)])
def test_an_image_is_resized_as_by_hand(size):
    image = make_image(7, 6)
    np.testing.assert_array_equal(resize_with_skimage(image, *size), resized_by_hand(image, *size))


@pytest.mark.parametrize(
    ("changes", "image_size", "expected"),
    [
        ({}, (600, 899), (683, 1024)),
        ({"min_size": 400, "max_size": 512}, (600, 899), (342, 512)),
        ({}, (50, 100), (512, 1024)),
        ({}, (900, 1000), (900, 1000)),  # never made smaller but for the larger limit
        ({"min_size": 128, "max_size": 128}, (5, 1000), (1, 128)),
        ({"min_size": 100, "max_size": 512}, (40, 201), (100, 502)),  # 502.5: half to even
        ({"min_size": 512, "max_size": 512, "min_scale": 2.0, "resize": "pad64"}, (256, 320), (512, 640)),
        ({"min_size": 512, "max_size": 512, "min_scale": 2.0, "resize": "pad64"}, (520, 696), (1040, 1392)),
        ({"min_size": 512, "max_size": 512, "min_scale": 2.0, "resize": "none"}, (65, 696), (65, 696)),
    ],
)
def test_an_input_has_the_originals_size(changes, image_size, expected):
    assert CentredTransform(MatterportConfig(**changes)).input_size(image_size) == expected


@pytest.mark.parametrize("resize", ["pad64", "none"])
def test_an_image_of_any_size_stays_within_the_bound(resize):
    height, width = CentredTransform(MatterportConfig(resize=resize, max_size=512)).input_size((8000, 9000))
    assert height * width <= 2**21 * 1.01 and width / height == pytest.approx(9 / 8, rel=1e-2)


def test_the_padding_lies_around_and_is_minus_the_mean():
    transform = CentredTransform(MatterportConfig(min_size=20, max_size=128))
    image = np.full((21, 40, 3), 200, np.uint8)
    batch = transform.from_pixels([image], CPU)
    assert batch.tensors.shape == (1, 3, 128, 128) and batch.image_sizes == [(21, 40)]
    top, left = (128 - 21) // 2, (128 - 40) // 2
    inside = batch.tensors[0, :, top : top + 21, left : left + 40]
    mean = np.array([123.7, 116.8, 103.9])
    np.testing.assert_array_equal(inside[:, 0, 0].numpy(), (200 - mean).astype(np.float32))
    assert (inside == inside[:, :1, :1]).all()
    outside = batch.tensors.sum() - inside.sum()
    assert float(outside) == pytest.approx(-(128 * 128 - 21 * 40) * mean.sum(), rel=1e-4)


def test_pad64_pads_each_side_to_a_multiple_of_64():
    transform = CentredTransform(MatterportConfig(min_size=64, resize="pad64"))
    assert transform.from_pixels([make_image(65, 128)], CPU).tensors.shape == (1, 3, 128, 128)


@pytest.mark.parametrize(
    ("size", "padded", "corner"), [((128, 64), (128, 64), (0, 0)), ((65, 100), (128, 128), (31, 14))]
)
def test_without_resizing_an_image_is_its_input_but_for_the_mean_and_padding_to_64(size, padded, corner):
    mean = np.array([123.7, 116.8, 103.9])
    image = make_image(*size)
    naive = np.tile(-mean, (*padded, 1))
    naive[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]] = image - mean
    config = MatterportConfig(resize="none", min_size=800, max_size=1000, min_scale=2.0)
    batch = CentredTransform(config).from_pixels([image], CPU)
    assert batch.image_sizes == [size]
    np.testing.assert_array_equal(batch.tensors[0].permute(1, 2, 0).numpy(), naive.astype(np.float32))


def test_a_network_that_resizes_nothing_finds_what_one_does_that_has_nothing_to_resize():
    image = make_image(128, 128)
    found = [
        Predictor(replace(make_matterport_model(), network=make_matterport_network(settings=settings)), "cpu")
        .run([image], Thresholds(0.05, 0.5))[0]
        .candidates
        for settings in (replace(SETTINGS, resize="none", min_size=1000), replace(SETTINGS, min_size=64))
    ]
    assert len(found[0].scores) and np.array_equal(found[0].boxes, found[1].boxes)
    assert np.array_equal(found[0].scores, found[1].scores)


def test_an_input_made_smaller_for_want_of_memory_is_padded_less():
    batch = resize_and_normalise(make_matterport_network(), [make_image(64, 128)], CPU, 0.5)
    assert batch.image_sizes == [(32, 64)] and batch.tensors.shape[2:] == (64, 64)


# -- the network ----------------------------------------------------------------------------------------


def conv(x, tensors, layer, **options):
    kernel = tensors[f"{layer}.kernel"].permute(3, 2, 0, 1)
    return F.conv2d(x, kernel, tensors[f"{layer}.bias"], **options)


def norm(x, tensors, layer):
    gamma, beta, mean, variance = (
        tensors[f"{layer}.{kind}"][:, None, None]
        for kind in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    return (x - mean) / (variance + 1e-3).sqrt() * gamma + beta


def test_the_first_layers_do_what_keras_does():
    tensors, network = keras_tensors(), make_matterport_network()
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    y = norm(conv(x, tensors, "conv1", stride=2, padding=3), tensors, "bn_conv1").relu()
    y = F.max_pool2d(F.pad(y, (0, 1, 0, 1), value=-math.inf), 3, 2)
    for stage, stride in ((2, 1), (3, 2)):
        name = f"{stage}a_branch"
        z = norm(conv(y, tensors, f"res{name}2a", stride=stride), tensors, f"bn{name}2a").relu()
        z = norm(conv(z, tensors, f"res{name}2b", padding=1), tensors, f"bn{name}2b").relu()
        z = norm(conv(z, tensors, f"res{name}2c"), tensors, f"bn{name}2c")
        y = (z + norm(conv(y, tensors, f"res{name}1", stride=stride), tensors, f"bn{name}1")).relu()
    body = network.backbone.body
    ours = x
    for part in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2"):
        ours = body[part](ours)
    torch.testing.assert_close(ours, y, atol=1e-5, rtol=1e-4)


def test_the_heads_do_what_keras_does():
    tensors, network = keras_tensors(), make_matterport_network()
    x = torch.randn(3, 8, 7, 7, generator=torch.Generator().manual_seed(2))
    y = norm(conv(x, tensors, "mrcnn_class_conv1"), tensors, "mrcnn_class_bn1").relu()
    y = norm(conv(y, tensors, "mrcnn_class_conv2"), tensors, "mrcnn_class_bn2").relu()[:, :, 0, 0]
    logits = y @ tensors["mrcnn_class_logits.kernel"] + tensors["mrcnn_class_logits.bias"]
    deltas = (y @ tensors["mrcnn_bbox_fc.kernel"] + tensors["mrcnn_bbox_fc.bias"]).reshape(3, 4, 4)
    ours, regression = network.roi_heads.box_predictor(network.roi_heads.box_head(x))
    torch.testing.assert_close(ours, logits, atol=1e-5, rtol=1e-4)
    x_first = deltas[:, :, [1, 0, 3, 2]].reshape(3, -1)
    torch.testing.assert_close(regression, x_first, atol=1e-5, rtol=1e-4)

    x = y = torch.randn(2, 8, 14, 14, generator=torch.Generator().manual_seed(3))
    for at in (1, 2, 3, 4):
        layer = f"mrcnn_mask_conv{at}"
        y = norm(conv(y, tensors, layer, padding=1), tensors, f"mrcnn_mask_bn{at}").relu()
    kernel = tensors["mrcnn_mask_deconv.kernel"].permute(3, 2, 0, 1)
    y = F.conv_transpose2d(y, kernel, tensors["mrcnn_mask_deconv.bias"], stride=2).relu()
    ours = network.roi_heads.mask_predictor(network.roi_heads.mask_head(x))
    torch.testing.assert_close(ours, conv(y, tensors, "mrcnn_mask"), atol=1e-5, rtol=1e-4)


def test_a_logit_is_object_less_background_of_the_same_anchor():
    tensors, network = keras_tensors(), make_matterport_network()
    x = torch.randn(1, 8, 5, 6, generator=torch.Generator().manual_seed(4))
    y = conv(x, tensors, "rpn_conv_shared", padding=1).relu()
    raw = conv(y, tensors, "rpn_class_raw").permute(0, 2, 3, 1).reshape(1, -1, 2)
    deltas = conv(y, tensors, "rpn_bbox_pred").permute(0, 2, 3, 1).reshape(1, -1, 4)
    logits, regression = network.rpn.head([x])
    ours = logits[0].permute(0, 2, 3, 1).reshape(1, -1)
    torch.testing.assert_close(ours.sigmoid(), raw.softmax(-1)[..., 1], atol=1e-5, rtol=1e-4)
    moved = regression[0].permute(0, 2, 3, 1).reshape(1, -1, 4)
    torch.testing.assert_close(moved, deltas[..., [1, 0, 3, 2]], atol=1e-5, rtol=1e-4)


def test_pooling_pads_below_and_on_the_right_alone():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert TopLeftMaxPool()(x).flatten().tolist() == [10, 11, 14, 15]


# -- anchors and proposals --------------------------------------------------------------------------------


def test_anchors_count_from_the_images_corner_at_multiples_of_the_stride():
    scales, ratios = (32, 64, 128, 256, 512), (0.5, 1, 2)
    anchors = CentredAnchors(matterport_cells(scales, ratios))
    maps = [torch.zeros(1, 1, 128 // stride, 128 // stride) for stride in (4, 8, 16, 32, 64)]
    batch = ImageList(torch.zeros(1, 3, 128, 128), [(85, 128)])
    ours = anchors(batch, maps)[0].numpy()
    theirs = []
    for scale, stride in zip(scales, (4, 8, 16, 32, 64), strict=True):
        for y in range(0, 128, stride):
            for x in range(0, 128, stride):
                for ratio in ratios:  # width by height
                    h, w = scale / math.sqrt(ratio), scale * math.sqrt(ratio)
                    theirs.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    top = (128 - 85) // 2
    np.testing.assert_allclose(ours + np.array([0, top, 0, top]), theirs, atol=1e-4)


def shares(boxes, side):
    """Boxes of an unpadded square input as the original has them: x1 y1 x2 y2 in 0..1."""
    return (np.asarray(boxes, np.float64) - [0, 0, 1, 1]) / (side - 1)


def test_boxes_move_as_apply_box_deltas_has_it():
    boxes = torch.tensor([[10.0, 20.0, 50.0, 90.0], [0.0, 0.0, 1.0, 1.0], [3.0, 4.0, 100.0, 6.0]])
    deltas = torch.tensor([[1.0, -2.0, 0.5, 3.0], [1.0, 1.0, 1.0, 1.0], [-1.0, 0.0, 8.0, -3.0]])
    moved = PlaceCoder((10.0, 10.0, 5.0, 5.0)).decode(deltas, [boxes])[:, 0].numpy()
    given = shares(boxes.numpy(), 128)
    size = given[:, 2:] - given[:, :2]
    centre = given[:, :2] + size / 2 + deltas[:, :2].numpy() * 0.1 * size
    size = size * np.exp(deltas[:, 2:].numpy() * 0.2)
    expected = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    np.testing.assert_allclose(shares(moved, 128), expected, atol=1e-6)


def test_encoding_undoes_decoding():
    coder = PlaceCoder((10.0, 10.0, 5.0, 5.0))
    boxes = torch.tensor([[10.0, 20.0, 50.0, 90.0], [3.0, 4.0, 100.0, 60.0]])
    deltas = torch.tensor([[1.0, -2.0, 0.5, 3.0], [-1.0, 0.0, 1.0, -1.0]])
    moved = coder.decode(deltas, [boxes])[:, 0]
    torch.testing.assert_close(coder.encode([moved], [boxes])[0], deltas, atol=1e-4, rtol=0)


def test_boxes_are_clipped_to_places_of_pixels():
    boxes = torch.tensor([[-5.0, -5.0, -3.0, 200.0], [60.0, 10.0, 61.0, 11.0], [90.0, 20.0, 95.0, 30.0]])
    clipped = clip_places(boxes, (40, 80)).tolist()
    assert clipped == [[0, 0, 1, 40], [60, 10, 61, 11], [79, 20, 80, 30]]
    assert clip_places(boxes[:1], (100, 80), (30, 4)).tolist() == [[-4, -5, -3, 70]]


def make_rpn(candidates, proposals):
    network = make_matterport_network()
    rpn = network.rpn
    assert isinstance(rpn, OverallRPN)
    rpn._pre_nms_top_n["testing"], rpn._post_nms_top_n["testing"] = candidates, proposals
    return network, rpn


def test_the_best_of_all_levels_together_are_proposed_whatever_their_levels():
    network, rpn = make_rpn(50, 20)
    with torch.inference_mode():
        batch = resize_and_normalise(network, [make_image(60, 100)], CPU)
        maps = run_backbone(network, batch)
        proposals = rpn(batch, maps)[0][0].numpy()
        logits, deltas = rpn.head(list(maps.values()))
        anchors = rpn.anchor_generator(batch, list(maps.values()))[0].numpy()
    scores = torch.cat([m.permute(0, 2, 3, 1).flatten() for m in logits]).sigmoid().numpy()
    moves = torch.cat([m.permute(0, 2, 3, 1).reshape(-1, 4) for m in deltas]).numpy() / [10, 10, 5, 5]
    best = np.argsort(-scores, kind="stable")[:50]
    height, width = batch.image_sizes[0]
    corner = np.array([(128 - width) // 2, (128 - height) // 2] * 2)
    given = shares(anchors[best] + corner, 128)
    size = given[:, 2:] - given[:, :2]
    centre = given[:, :2] + size / 2 + moves[best, :2] * size
    size = size * np.exp(moves[best, 2:])
    boxes = np.clip(np.concatenate([centre - size / 2, centre + size / 2], axis=1), 0, 1)
    kept = []
    for row, box in enumerate(boxes):
        if all(iou(box, boxes[other]) <= 0.7 for other in kept):
            kept.append(row)
    np.testing.assert_allclose(shares(proposals + corner, 128), boxes[kept][:20], atol=1e-5)


def iou(a, b):
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = np.prod(sides.clip(0))
    return both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


def test_of_equal_scores_the_first_are_taken():
    _, rpn = make_rpn(3, 3)
    assert rpn.best(torch.tensor([0.5, 0.9, 0.5, 0.5, 0.9])).tolist() == [1, 4, 0]


# -- regions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "level"), [(0.1, 2), (0.49, 3), (0.72, 4), (1.0, 4), (1.39, 4), (1.43, 5), (2.7, 5), (30, 5)]
)
def test_a_regions_level_is_rounded_to_the_nearest(ratio, level):
    # Canonical is a side of 224 / 1023 of an input of 1024 x 1024, whose area counts as 1024 * 1024.
    side = ratio * 224 / 1024 * 1023 + 1
    boxes = torch.tensor([[5.0, 6.0, 5.0 + side, 6.0 + side]])
    assert matterport_levels(boxes, (1024, 1024)).tolist() == [level]


def crop_and_resize(features, box, cells):
    """TensorFlow's, one channel at a time: y1 x1 y2 x2 in 0..1, ends included."""
    channels, height, width = features.shape
    made = np.empty((channels, cells, cells))
    for row, column in np.ndindex(cells, cells):
        y = box[0] * (height - 1) + row * (box[2] - box[0]) * (height - 1) / (cells - 1)
        x = box[1] * (width - 1) + column * (box[3] - box[1]) * (width - 1) / (cells - 1)
        top, left = int(min(y, height - 1)), int(min(x, width - 1))
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        upper = features[:, top, left] * (1 - (x - left)) + features[:, top, right] * (x - left)
        lower = features[:, bottom, left] * (1 - (x - left)) + features[:, bottom, right] * (x - left)
        made[:, row, column] = upper * (1 - (y - top)) + lower * (y - top)
    return made


@pytest.mark.parametrize("cells", [7, 14])
def test_regions_are_read_at_single_points_with_the_corners_among_them(cells):
    rng = np.random.default_rng(5)
    maps = OrderedDict(
        (str(at), torch.from_numpy(rng.normal(size=(1, 3, 128 >> at + 2, 128 >> at + 2)).astype(np.float32)))
        for at in range(4)
    )
    size = (85, 128)
    top = (128 - 85) // 2
    boxes = np.array(
        [[0, 0, 128, 85], [10, -5, 30, 20], [3, 60, 9, 85], [40.5, 20.25, 41.5, 21.25]], np.float32
    )
    pooled = CropAndResize(cells)(maps, [torch.from_numpy(boxes)], [size]).numpy()
    placed = shares(boxes + np.array([0, top, 0, top]), 128)
    for got, box in zip(pooled, placed, strict=True):
        area = math.sqrt((box[2] - box[0]) * (box[3] - box[1]))
        level = 4 + round(math.log2(max(area, 1e-9) / (224 / 128)))
        features = maps[str(min(max(level, 2), 5) - 2)][0].numpy()
        np.testing.assert_allclose(got, crop_and_resize(features, box[[1, 0, 3, 2]], cells), atol=1e-4)


def test_a_region_has_one_candidate_and_none_where_background_is_likeliest():
    scores = torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.35, 0.45], [0.01, 0.98, 0.01]])
    boxes = torch.tensor([10.0, 10.0, 20.0, 20.0]).expand(3, 3, 4)
    candidates, regions = candidates_of(ScoredRegions(scores, boxes), (50, 50), (50, 50), MATTERPORT)
    assert candidates.labels.tolist() == [2, 1] and regions.tolist() == [1, 2]
    assert candidates.scores.tolist() == pytest.approx([0.45, 0.98])
    others, _ = candidates_of(ScoredRegions(scores, boxes), (50, 50), (50, 50))
    assert len(others) == 5


def test_two_boxes_overlap_by_their_sides_less_a_pixel():
    boxes = np.array([[0, 0, 4, 4], [1, 1, 5, 5]], np.float32)  # 9 of 23 pixels; 4 of 14 to Matterport
    labels, scores = np.array([1, 1]), np.array([0.9, 0.8], np.float32)
    for convention, kept in (("torchvision", 1), ("matterport", 2)):
        candidates = Candidates(boxes, labels, scores, (9, 9), (9, 9), convention)
        assert len(candidates.select(Thresholds(0.05, 0.3))) == kept


def test_boxes_go_to_the_image_as_unmold_detections_has_it():
    rng = np.random.default_rng(6)
    input_size, image_size, side = (342, 512), (600, 899), 512
    starts = rng.uniform(0, 300, (50, 2))
    boxes = np.concatenate([starts, starts + rng.uniform(1, 40, (50, 2))], axis=1).astype(np.float32)
    top = (side - input_size[0]) // 2
    placed = shares(boxes + np.array([0, top, 0, top], np.float32), side)
    window = shares([[0, top, 512, top + 342]], side)[0]
    within = (placed - window[[0, 1, 0, 1]]) / (window[2:] - window[:2])[[0, 1, 0, 1]]
    theirs = np.around(within * [898, 599, 898, 599] + [0, 0, 1, 1])
    np.testing.assert_array_equal(MATTERPORT.to_image(boxes, input_size, image_size), theirs)


# -- the whole way ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(90, 120), (200, 70), (128, 128), (30, 500)])
def test_what_the_walk_tells_is_what_the_run_found(size):
    predictor, image = Predictor(make_matterport_model(), device="cpu"), make_image(*size)
    trace = trace_network(predictor, image)
    found = predictor.predict([image])[0]
    again = predictor.detections(trace.run, Thresholds(0.1, 0.3), image)
    np.testing.assert_array_equal(found.boxes, again.boxes)
    np.testing.assert_array_equal(found.scores, again.scores)
    assert len(found) and (found.boxes == np.round(found.boxes)).all()
    assert (found.boxes >= 0).all() and (found.boxes[:, 2:] <= [size[1], size[0]]).all()
    with torch.inference_mode():
        network = predictor.model.network
        batch = resize_and_normalise(network, [image], CPU)
        proposals = network.rpn(batch, run_backbone(network, batch))[0][0].numpy()
    np.testing.assert_array_equal(trace.regions.boxes, proposals)
    seen = trace.input
    assert seen.values.shape[1:] == seen.input_size == batch.image_sizes[0]
    mean = np.array([123.7, 116.8, 103.9], np.float32)[:, None, None]
    shown = (seen.values + mean).round().astype(np.uint8).transpose(1, 2, 0)
    np.testing.assert_array_equal(shown, network.transform._resized(image))
    for level in trace.anchors:
        row, column = level.cell_at(seen.input_size[1] / 2, seen.input_size[0] / 2)
        centre = (level.boxes[row, column, 0, :2] + level.boxes[row, column, 0, 2:]) / 2
        assert np.abs(centre - np.array(seen.input_size[::-1]) / 2).max() <= level.stride[0] / 2 + 1e-3


def test_a_seeded_network_finds_what_it_found_when_the_goldens_were_reached():
    found = Predictor(make_matterport_model(), device="cpu").predict([make_image(90, 120)])[0]
    assert abs(len(found) - 70) <= 1
    scores = [0.9999155, 0.9998883, 0.9998304, 0.9968515, 0.9955952, 0.9922867]
    assert found.scores[:6].tolist() == pytest.approx(scores, abs=1e-4)
    assert found.labels[:6].tolist() == [2] * 6
    boxes = [[28, 10, 79, 20], [29, 15, 79, 26], [32, 25, 74, 38], [17, 21, 59, 31], [39, 4, 83, 15]]
    assert np.abs(found.boxes[:5] - np.array(boxes)).max() <= 1  # whole pixels, by rounding
    means = [0.469957, 0.472092, 0.467223, 0.470642, 0.466395]
    assert found.mask_probs[:5].mean(axis=(1, 2)).tolist() == pytest.approx(means, abs=1e-3)


def test_a_box_by_hand_gets_the_mask_that_the_run_gives_it():
    predictor, image = Predictor(make_matterport_model(), device="cpu"), make_image(90, 120)
    run = predictor.run([image])[0]
    found = predictor.detections(run, Thresholds(0.1, 0.3), image)
    prompted = predictor.prompt(run, found.boxes[:3], image, labels=found.labels[:3].tolist())
    assert np.array_equal(prompted.labels[:, 0], found.labels[:3])
    # Whole pixels of the image move a region by a part of one of the input.
    assert np.abs(prompted.mask_probs[:, 0] - found.mask_probs[:3]).mean() < 0.05


def test_training_gives_finite_losses_that_lead_back():
    network = make_matterport_network().train()
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    network.transform._skip_resize = True
    image = torch.from_numpy(make_image(70, 100)).permute(2, 0, 1).float() / 255
    target = {
        "boxes": torch.tensor([[10.0, 10.0, 60.0, 50.0]]),
        "labels": torch.tensor([1]),
        "masks": torch.ones(1, 70, 100, dtype=torch.uint8),
    }
    losses = network([image], [target])
    sum(losses.values()).backward()
    assert all(bool(torch.isfinite(loss)) for loss in losses.values())
    assert float(network.rpn.head.cls_logits.weight.grad.abs().sum()) > 0


# -- the description -----------------------------------------------------------------------------------------


def test_a_description_comes_back_from_json():
    config = SETTINGS.architecture({"blocks": (3, 4, 6, 3)})
    assert architecture_from_json(architecture_as_json(config)) == config


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"resize": "crop"}, "resize"),
        ({"max_size": 1000}, "max_size"),
        ({"max_size": 4096}, "max_size"),
        ({"blocks": (3, 4, 6)}, "blocks"),
        ({"anchor_ratios": ()}, "anchor_ratios"),
        ({"min_scale": -1}, "min_scale"),
        ({"mean": (1, 2)}, "mean"),
        ({"proposal_nms": 2}, "proposal_nms"),
    ],
)
def test_a_description_out_of_range_is_refused_by_name(changes, name):
    with pytest.raises(InputError, match=f"Matterport network, {name}"):
        MatterportConfig(**changes)
