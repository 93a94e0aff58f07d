"""Regions of which nobody knows what is there: they teach nothing, and all else is torchvision's."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou

from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.training.ignoring import IGNORED, covered_shares, leave_out_ignored
from maskrcnn_core.training.starting import begin_from_nothing
from tests.builders.training import TINY

SIZE = (96, 128)


@pytest.fixture(scope="module")
def networks():
    """A network as torchvision made it, and the same one that heeds what is to be ignored; both train."""
    stock = begin_from_nothing(TINY, (Category(1, "a"), Category(2, "b")), 0).model.network.train()
    stock.transform._skip_resize = True
    ours = copy.deepcopy(stock)
    leave_out_ignored(ours)
    return stock, ours


def picture_and_target(ignored=None, boxes=((10.0, 12.0, 40.0, 50.0),)):
    masks = torch.zeros((len(boxes), *SIZE), dtype=torch.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[int(y1) : int(y2), int(x1) : int(x2)] = 1
    target = {
        "boxes": torch.tensor(boxes).reshape(-1, 4),
        "labels": torch.ones(len(boxes), dtype=torch.int64),
        "masks": masks,
    }
    if ignored is not None:
        target[IGNORED] = ignored
    return torch.rand((3, *SIZE), generator=torch.Generator().manual_seed(0)), target


def losses_of(network, *pairs):
    pictures, targets = zip(*pairs, strict=True)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return network(list(pictures), [dict(target) for target in targets])


def region(top, left, bottom, right):
    mask = torch.zeros(SIZE, dtype=torch.uint8)
    mask[top:bottom, left:right] = 1
    return mask


@pytest.mark.parametrize("ignored", [None, region(0, 0, 0, 0)], ids=["none", "an empty one"])
def test_without_regions_every_loss_is_torchvisions(networks, ignored):
    stock, ours = networks
    wanted = losses_of(stock, picture_and_target(), picture_and_target(boxes=()))
    found = losses_of(ours, picture_and_target(ignored), picture_and_target(ignored, boxes=()))
    assert {k: v.item() for k, v in found.items()} == {k: v.item() for k, v in wanted.items()}


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_covered_shares_are_those_of_counted_pixels(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((20, 30)) < rng.random()
    corners = rng.uniform(-10, 40, (8, 2, 2))
    boxes = np.concatenate([corners.min(1), corners.max(1)], axis=1)
    found = covered_shares(torch.from_numpy(boxes), torch.from_numpy(mask.astype(np.uint8)))
    for (x1, y1, x2, y2), share in zip(boxes, found.tolist(), strict=True):
        part = mask[
            max(int(np.floor(y1)), 0) : max(int(np.ceil(y2)), 0),
            max(int(np.floor(x1)), 0) : max(int(np.ceil(x2)), 0),
        ]
        assert share == pytest.approx(part.mean() if part.size else 0)


def test_anchors_in_a_region_are_left_out_and_all_others_are_as_they_were(networks):
    stock, ours = networks
    mask = region(40, 60, 90, 120)
    anchors = [torch.tensor([[x, y, x + 20.0, y + 20.0] for y in range(0, 76, 4) for x in range(0, 108, 4)])]
    target = picture_and_target()[1]
    (wanted,), _ = stock.rpn.assign_targets_to_anchors(anchors, [target])
    (found,), _ = ours.rpn.assign_targets_to_anchors(anchors, [target | {IGNORED: mask}])
    inside = covered_shares(anchors[0], mask) >= 0.5
    assert inside.any() and (found[inside & (wanted == 0)] == -1).all()
    others = ~inside | (wanted != 0)
    assert torch.equal(found[others], wanted[others])


def test_no_proposal_in_a_region_is_learned_as_background(networks):
    _, ours = networks
    mask = region(0, 60, 96, 128)
    rng = torch.Generator().manual_seed(0)
    corners = torch.rand((400, 2), generator=rng) * torch.tensor([100.0, 70.0])
    proposals = torch.cat([corners, corners + 24], 1)
    target = picture_and_target(mask, boxes=((10.0, 12.0, 40.0, 50.0), (70.0, 20.0, 100.0, 60.0)))[1]
    chosen, _, (labels,), _ = ours.roi_heads.select_training_samples([proposals], [target])
    background = chosen[0][labels == 0]
    assert len(background) and (covered_shares(background, mask) < 0.5).all()
    # The annotated object in the region is learned as ever.
    in_region = box_iou(chosen[0][labels > 0], target["boxes"][1:]).amax(1) > 0.5
    assert in_region.any()


def test_a_batch_of_which_nobody_knows_anything_costs_nothing(networks):
    _, ours = networks
    losses = losses_of(ours, picture_and_target(region(0, 0, *SIZE), boxes=()))
    assert losses.keys() >= {"loss_objectness", "loss_classifier", "loss_mask", "loss_box_reg"}
    total = torch.stack(list(losses.values())).sum()
    total.backward()
    assert torch.isfinite(total)
    assert losses["loss_classifier"] == losses["loss_mask"] == losses["loss_box_reg"] == 0
    assert ours.roi_heads._regions is None


def test_a_forgotten_object_is_background_unless_its_region_is_ignored(networks):
    """What the whole is for: with the object unlearned, no gradient says that its place holds nothing."""
    _, ours = networks
    forgotten = region(20, 70, 60, 110)
    places = [[70.0, 20.0, 110.0, 60.0], [0.0, 60.0, 30.0, 90.0], [10.0, 12.0, 40.0, 50.0]]
    anchors = [torch.tensor(places)]
    target = picture_and_target()[1]
    (before,), _ = ours.rpn.assign_targets_to_anchors(anchors, [target])
    (after,), _ = ours.rpn.assign_targets_to_anchors(anchors, [target | {IGNORED: forgotten}])
    assert before.tolist() == [0, 0, 1] and after.tolist() == [-1, 0, 1]
