"""A batch's whole pass, part by part: each decides what torchvision's own step decides."""

import copy
import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.rpn import concat_box_prediction_layers
from torchvision.ops import MultiScaleRoIAlign, nms

from maskrcnn_core.detection.candidates import SCORE_FLOOR, Candidates, Thresholds
from maskrcnn_core.inference.forward import ScoredRegions, candidates_of
from maskrcnn_core.inference.whole.answers import Layout, pack, read
from maskrcnn_core.inference.whole.deciding import Chosen, choose, decode, find_candidates, propose
from maskrcnn_core.inference.whole.pooling import lay_out, pool_of
from maskrcnn_core.inference.whole.suppressing import survivors
from maskrcnn_core.networks.maskrcnn2go.network import InclusiveRoIAlign
from maskrcnn_core.networks.roi_scales import set_roi_scales
from tests.builders.core import make_candidates, make_network

CPU = torch.device("cpu")
NAN = float("nan")


def random_boxes(generator, *shape, side=60.0, extent=100.0):
    corners = torch.rand(*shape, 2, generator=generator) * extent
    return torch.cat([corners, corners + torch.rand(*shape, 2, generator=generator) * side + 0.1], dim=-1)


@functools.cache
def a_network():
    return make_network()


def seeded(seed):
    return torch.Generator().manual_seed(seed)


# -- suppression ------------------------------------------------------------------------------------


@given(seed=st.integers(0, 10**6), count=st.integers(0, 40), levels=st.sampled_from([2, 5, 1000]))
@settings(max_examples=60)
def test_suppression_leaves_the_same_boxes(seed, count, levels):
    """Also where scores are equal, of which the first goes first."""
    generator = seeded(seed)
    boxes = random_boxes(generator, 3, count)
    scores = (torch.rand(3, count, generator=generator) * levels).floor() / levels
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    boxes = boxes.gather(1, order[:, :, None].expand(-1, -1, 4))
    allowed = torch.rand(3, count, generator=generator) < 0.8
    labels = torch.randint(0, 2, (3, count), generator=generator)
    left, settled = survivors(boxes, allowed, 0.3, labels, rounds=count + 1)
    assert settled.all()
    for group in range(3):
        wanted = torch.zeros(count, dtype=torch.bool)
        for label in (0, 1):
            rows = torch.where(allowed[group] & (labels[group] == label))[0]
            wanted[rows[nms(boxes[group, rows], scores[group, rows], 0.3)]] = True
        assert torch.equal(left[group], wanted)


def test_a_chain_longer_than_the_rounds_is_noticed():
    places = torch.arange(12) * 3.0
    chain = torch.stack([places, places * 0, places + 10, places * 0 + 10], dim=1)[None]
    allowed = torch.ones(1, 12, dtype=torch.bool)
    left, settled = survivors(chain, allowed, 0.5)
    assert settled.all() and left[0].tolist() == [True, False] * 6
    assert not survivors(chain, allowed, 0.5, rounds=4)[1].any()


# -- regions ----------------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 10**6),
    coarseness=st.sampled_from([0, 4, 1]),
    broken=st.booleans(),
    limits=st.sampled_from([(1000, 1000, 0.0), (20, 12, 0.0), (20, 1000, 0.55)]),
)
@settings(max_examples=40, deadline=None)
def test_regions_are_those_of_torchvision(seed, coarseness, broken, limits):
    """Also with equal scores, values that are no numbers, and boxes without area."""
    generator, rpn = seeded(seed), copy.copy(a_network().rpn)
    before, after, rpn.score_thresh = limits
    rpn._pre_nms_top_n, rpn._post_nms_top_n = {"testing": before}, {"testing": after}
    shapes, count = [(8, 6), (4, 3), (2, 2)], 2
    objectness = [torch.randn(count, 3, *shape, generator=generator) for shape in shapes]
    if coarseness:
        objectness = [(one * coarseness).round() / coarseness for one in objectness]
    deltas = [torch.randn(count, 12, *shape, generator=generator) for shape in shapes]
    if broken:
        deltas[0][0, 5, 1, 2], deltas[1][1, 0, 0, 0], objectness[1][0, 1, 1, 1] = NAN, float("inf"), NAN
    anchors = [random_boxes(generator, 3 * h * w, side=40.0) for h, w in shapes]
    sizes = [(90, 110), (100, 60)]

    flat, moves = concat_box_prediction_layers([o.clone() for o in objectness], [d.clone() for d in deltas])
    moved = rpn.box_coder.decode(moves, [torch.cat(anchors)] * count).view(count, -1, 4)
    wanted, _ = rpn.filter_proposals(moved, flat, sizes, [len(one) for one in anchors])

    found = propose(rpn, objectness, deltas, anchors, torch.tensor(sizes, dtype=torch.float32))
    assert found.is_settled.all()
    assert found.boxes.isfinite().all(), "what is not there is read, too"
    for image in range(count):
        ours = found.boxes[image][found.is_there[image]]
        assert torch.equal(_ordered(ours), _ordered(wanted[image]))


def _ordered(boxes):
    """Of equal scores torchvision's order is anybody's guess."""
    rows = boxes.numpy()
    return torch.from_numpy(rows[np.lexsort(rows.T)])


def test_moving_a_box_is_torchvisions_arithmetic():
    generator, coder = seeded(1), BoxCoder((10.0, 10.0, 5.0, 5.0))
    boxes, deltas = random_boxes(generator, 50), torch.randn(50, 7, 4, generator=generator) * 30
    wanted = coder.decode(deltas.reshape(50, -1), [boxes])
    assert torch.equal(decode(coder, deltas, boxes[:, None]), wanted)


# -- pooling ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [1, 2])
def test_pooling_all_levels_at_once_reads_what_each_level_gives(samples):
    """Boxes narrower than a cell at the ends of the maps, of which torchvision reads the part beyond as 0."""
    generator, network = seeded(2), a_network()
    for pool in (network.roi_heads.box_roi_pool, network.roi_heads.mask_roi_pool):
        pool.sampling_ratio = samples
    set_roi_scales(network)
    height, width = 128, 160
    maps = [torch.randn(2, 5, height // s, width // s, generator=generator) for s in (4, 8, 16, 32)]
    boxes = random_boxes(generator, 2, 60, side=120.0)
    boxes[:, :20, 2:] = boxes[:, :20, :2] + 0.5
    boxes[:, :10, 0], boxes[:, :10, 2] = width - 0.7, width
    boxes[:, 5:15, 1], boxes[:, 5:15, 3] = height - 1.5, height - 0.2
    boxes = torch.minimum(boxes, torch.tensor([width, height, width, height]).float())
    for pool in (network.roi_heads.box_roi_pool, network.roi_heads.mask_roi_pool):
        wanted = pool(dict(zip("0123", maps, strict=True)), list(boxes), [(height, width)] * 2)
        found = pool_of(pool, CPU)(lay_out(maps), boxes)
        assert torch.allclose(found, wanted, atol=1e-5)
        assert (wanted[:10] == 0).any(), "no box lay at the end: the test shows nothing"


def test_pooling_a_single_map_with_inclusive_corners():
    generator = seeded(3)
    maps, boxes = torch.randn(2, 5, 9, 11, generator=generator), random_boxes(generator, 2, 7)
    pool = InclusiveRoIAlign(output_size=6, stride=16)
    wanted = pool({"0": maps}, list(boxes), [(144, 176)] * 2)
    assert torch.allclose(pool_of(pool, CPU)(lay_out([maps]), boxes), wanted, atol=1e-6)


def test_a_pool_of_another_law_is_left_to_who_knows_it():
    assert pool_of(MultiScaleRoIAlign(["0"], 7, 0), CPU) is None
    assert pool_of(MultiScaleRoIAlign(["0"], 7, 2), CPU) is None, "its scales are not known yet"


# -- candidates -------------------------------------------------------------------------------------


@given(seed=st.integers(0, 10**6), regions=st.integers(1, 12), sharpness=st.sampled_from([0.0, 1.0, 6.0]))
@settings(max_examples=60)
def test_candidates_are_those_that_go_step_by_step(seed, regions, sharpness):
    generator, size = seeded(seed), (70, 90)
    scores = (torch.randn(2, regions, 5, generator=generator) * sharpness).softmax(-1)
    boxes = random_boxes(generator, 2, regions, 5) - 20
    boxes[:, ::3, 1, 2] = boxes[:, ::3, 1, 0]
    there = torch.rand(2, regions, generator=generator) < 0.8
    most = regions * 4 + 1
    found = find_candidates(scores, boxes, there, torch.tensor([[70.0, 90.0]] * 2), 1e-2, most)
    for image in range(2):
        rows = there[image]
        wanted, _ = candidates_of(ScoredRegions(scores[image, rows], boxes[image, rows]), size, size)
        count = int(found.counts[image])
        assert count == len(wanted)
        assert np.array_equal(found.boxes[image, :count], wanted.boxes)
        assert np.array_equal(found.labels[image, :count], wanted.labels)
        assert np.array_equal(found.scores[image, :count], wanted.scores)
        assert not found.scores[image, count:].any()


def test_more_candidates_than_have_room_are_counted():
    scores = torch.full((1, 10, 5), 0.2)
    boxes = random_boxes(seeded(0), 1, 10, 5)
    found = find_candidates(
        scores, boxes, torch.ones(1, 10, dtype=torch.bool), torch.full((1, 2), 200.0), 0, 7
    )
    assert int(found.counts[0]) == 40 and found.boxes.shape == (1, 7, 4)


@pytest.mark.parametrize("limits", [(SCORE_FLOOR, 0.5, 100), (0.5, 0.3, 100), (0.3, 0.9, 10), (0.99, 0.5, 5)])
def test_masks_are_made_for_what_the_thresholds_keep(limits):
    candidates = make_candidates(500)
    columns = (candidates.boxes, candidates.labels, candidates.scores)
    boxes, labels, scores = (torch.from_numpy(column)[None] for column in columns)
    score, iou, most = limits
    rows = choose(Chosen(boxes, labels, scores, torch.tensor([500])), torch.tensor([score, iou]), most)[0]
    wanted = candidates.select(Thresholds(score, iou, most))
    assert set(rows[rows >= 0].tolist()) == set(wanted.tolist())
    assert len(rows) == most


def test_what_is_packed_is_read():
    candidates = make_candidates(6)
    boxes, scores, labels = (
        torch.from_numpy(column)[None] for column in (candidates.boxes, candidates.scores, candidates.labels)
    )
    masks = torch.rand(1, 3, 4, 4)
    for count, is_whole in ((4, True), (7, False)):
        facts = torch.tensor([count]), torch.tensor([True]), torch.tensor([True])
        packed = pack(facts, boxes, scores, labels, torch.tensor([[2, 0, -1]]), masks)
        answer = read(packed[0].numpy(), Layout(6, 3, 4))
        rows = min(count, 6)
        found = Candidates(answer.boxes, answer.labels, answer.scores, (9, 9), (9, 9))
        assert np.array_equal(found.boxes, candidates.boxes[:rows])
        assert np.array_equal(found.labels, candidates.labels[:rows])
        assert answer.rows.tolist() == [2, 0] and np.array_equal(answer.mask_probs, masks[0, :2])
        assert answer.is_finite and answer.is_whole is is_whole
