"""A trace against stock torchvision, tensor by tensor, and against the predictor's own run."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torchvision.ops import MultiScaleRoIAlign, nms

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import InferenceError
from maskrcnn_core.explain.fates import FATES
from maskrcnn_core.explain.trace import PICTURE_SIDE
from maskrcnn_core.explain.tracing import trace_network
from maskrcnn_core.images.reading import read_image
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.builders.core import make_image, make_model
from tests.shared_data import shared_path


def tiny():
    return Predictor(make_model()), make_image()


def shapes_model():
    return Predictor(get_model("shapes")), draw_scene(5).pixels


def photos():
    return Predictor(get_model("photos")), draw_scene(5).pixels


def mobile():
    weights = shared_path("weights", "maskrcnn2go")
    photo = shared_path("data", "photos", "18124840932_e42b3e377c_k.jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MASKDESK_WEIGHTS", str(weights.parent))
        return Predictor(get_model("mobile")), read_image(photo).pixels


@pytest.fixture(scope="module", params=[tiny, shapes_model, photos, mobile])
def traced(request):
    predictor, image = request.param()
    return predictor, image, trace_network(predictor, image)


def stock_way(predictor, image):
    """torchvision's own parts one after another, with hooks on what they hand on."""
    network = predictor.model.network
    seen = {}
    hooks = [
        network.rpn.register_forward_hook(lambda _m, _i, out: seen.update(proposals=out[0][0])),
        network.rpn.head.register_forward_hook(lambda _m, _i, out: seen.update(rpn=out)),
        network.rpn.anchor_generator.register_forward_hook(lambda _m, _i, out: seen.update(anchors=out[0])),
        network.backbone.register_forward_hook(lambda _m, _i, out: seen.update(maps=out)),
        network.transform.register_forward_hook(lambda _m, _i, out: seen.update(batch=out[0])),
        network.roi_heads.box_predictor.register_forward_hook(lambda _m, _i, out: seen.update(heads=out)),
    ]
    try:
        with torch.inference_mode():
            network([torch.from_numpy(image).permute(2, 0, 1).float() / 255])
    finally:
        for hook in hooks:
            hook.remove()
    return seen


@pytest.fixture(scope="module")
def stock(traced):
    predictor, image, _ = traced
    return stock_way(predictor, image)


def test_the_input_is_stocks(traced, stock):
    seen = traced[2].input
    batch = stock["batch"]
    assert seen.input_size == batch.image_sizes[0]
    assert seen.padded_size == tuple(batch.tensors.shape[2:])
    height, width = seen.input_size
    assert torch.equal(torch.from_numpy(seen.values), batch.tensors[0, :, :height, :width])


def test_each_level_tells_the_shape_and_range_of_stocks_feature_map(traced, stock):
    levels = traced[2].pyramid
    maps = list(stock["maps"].values())
    assert len(levels) == len(maps)
    for level, tensor in zip(levels, maps, strict=True):
        values = tensor[0]
        assert (level.channels, *level.size) == tuple(values.shape)
        assert torch.equal(torch.from_numpy(level.low), values.amin((1, 2)))
        assert torch.equal(torch.from_numpy(level.high), values.amax((1, 2)))
        assert max(level.pictures.shape[1:]) <= PICTURE_SIDE
        if max(level.size) <= PICTURE_SIDE:
            span = (level.high - level.low)[:, None, None]
            back = level.pictures / 255 * span + level.low[:, None, None]
            assert np.abs(back - values.numpy()).max() <= span.max() / 255


def test_backbone_levels_halve_from_one_to_the_next(traced):
    levels = traced[2].backbone
    assert len(levels) >= 3
    heights = [level.size[0] for level in levels]
    assert all(abs(a / 2 - b) <= 1 for a, b in pairwise(heights))
    assert len({level.name for level in levels}) == len(levels)


def test_anchors_and_objectness_are_stocks_cell_by_cell(traced, stock):
    trace = traced[2]
    assert torch.equal(torch.from_numpy(trace.all_anchors), stock["anchors"])
    assert [level.size for level in trace.anchors] == [tuple(one.shape[2:]) for one in stock["rpn"][0]]
    # Of all at once: processors round the exponential of a few left over otherwise than that of many.
    logits = torch.cat([one[0].permute(1, 2, 0).reshape(-1) for one in stock["rpn"][0]])
    assert np.array_equal(trace.all_objectness, logits.sigmoid().numpy())
    cell = trace.anchors[0]
    (row, column), (y, x) = (min(3, cell.size[0] - 1), min(5, cell.size[1] - 1)), cell.stride
    moved = cell.boxes[row, column] - cell.boxes[0, 0]
    assert np.allclose(moved, np.array([column * x, row * y] * 2))
    assert cell.cell_at(column * x + 1, row * y - 1) == (row, column)
    assert cell.cell_at(-50, 1e6) == (cell.size[0] - 1, 0)


def test_proposals_are_stocks_in_its_order(traced, stock):
    trace = traced[2]
    assert len(trace.regions.boxes)
    assert torch.equal(torch.from_numpy(trace.regions.boxes), stock["proposals"])


def test_every_anchor_that_was_taken_has_a_fate_and_a_reason(traced):
    proposals = traced[2].proposals
    assert sum(proposals.fates.count(fate) for fate in FATES) == len(proposals)
    assert proposals.fates.count("kept") == len(proposals.kept) <= proposals.limit
    assert (np.diff(proposals.scores[proposals.kept]) <= 0).all()
    rows = proposals.fates.rows("suppressed")
    by = proposals.fates.by[rows]
    assert (proposals.levels[by] == proposals.levels[rows]).all()
    assert (proposals.scores[by] >= proposals.scores[rows]).all()
    assert (proposals.fates.ious[rows] > proposals.nms_threshold - 1e-6).all()
    # a second opinion: torchvision's own suppression of one level
    level = int(np.bincount(proposals.levels).argmax())
    able = ~np.isin(proposals.fates.codes, [FATES.index("too small"), FATES.index("low score")])
    some = np.flatnonzero(able & (proposals.levels == level))
    left = nms(
        torch.from_numpy(proposals.boxes[some]),
        torch.from_numpy(proposals.scores[some]),
        proposals.nms_threshold,
    )
    assert set(some[left.numpy()]) == set(some) - set(rows)


def test_class_probabilities_are_stocks(traced, stock):
    regions = traced[2].regions
    assert torch.equal(torch.from_numpy(regions.scores), stock["heads"][0].softmax(-1))
    assert np.allclose(regions.scores.sum(1), 1, atol=1e-5)


def test_each_candidate_knows_its_region(traced):
    trace = traced[2]
    candidates, regions = trace.run.candidates, trace.regions
    assert len(candidates)
    rows = regions.candidates
    assert np.array_equal(regions.scores[rows, candidates.labels], candidates.scores)
    assert np.array_equal(regions.refined[rows, candidates.labels], candidates.boxes)


def test_the_detections_are_the_predictors_exactly(traced):
    predictor, image, _ = traced
    model = predictor.model
    first = Thresholds(score_threshold=model.score_threshold, nms_threshold=model.nms_threshold)
    trace = trace_network(predictor, image)
    (run,) = predictor.run([image], first)
    assert_same(predictor.detections(trace.run, first, image), predictor.predict([image])[0])
    # later thresholds ask for more masks, in the same order in both
    for later in (Thresholds(0.1, 0.4, 30), Thresholds(0.05, 0.9, 200)):
        mine = predictor.detections(trace.run, later, image)
        assert_same(mine, predictor.detections(run, later, image))


def assert_same(mine, own):
    assert len(mine)
    for name in ("boxes", "labels", "scores", "mask_probs", "rows"):
        assert np.array_equal(getattr(mine, name), getattr(own, name)), name


def test_regions_go_to_the_level_of_their_size(traced):
    predictor, _, trace = traced
    pool: MultiScaleRoIAlign = predictor.model.network.roi_heads.box_roi_pool
    boxes, levels = trace.regions.boxes, trace.regions.levels
    if len(trace.pyramid) == 1:
        assert not levels.any()
        return
    # equation 1 of Lin et al. 2017, where P4 has the stride of 16; a pool may have another scale than 224
    sides = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    wanted = np.floor(4 + np.log2(sides / pool.canonical_scale) + 1e-6)
    strides = [round(np.log2(trace.pyramid[n].stride)) for n in range(len(pool.featmap_names))]
    assert np.array_equal(levels, np.clip(wanted, strides[0], strides[-1]) - strides[0])


def test_times_are_of_the_parts_in_order(traced):
    times = traced[2].times
    groups = [part.group for part in times]
    assert groups[0] == "input"
    assert groups[-1] == "mask head"
    assert {"backbone", "RPN", "box head"} <= set(groups)
    assert all(part.seconds >= 0 for part in times)


def test_nothing_of_the_look_inside_stays_on_the_network(traced):
    predictor, image, _ = traced
    trace_network(predictor, image)
    assert not [m for m in predictor.model.network.modules() if m._forward_hooks]


def test_a_failure_leaves_no_hook_and_says_what_is_wrong(monkeypatch):
    predictor, image = tiny()
    with torch.no_grad():
        predictor.model.network.roi_heads.box_predictor.cls_score.bias.fill_(float("nan"))
    with pytest.raises(InferenceError, match="NaN or infinity"):
        trace_network(predictor, image)
    with pytest.raises(InferenceError, match="too thin"):
        trace_network(predictor, np.zeros((3000, 1, 3), np.uint8))

    def no_memory(*_arguments):
        raise MemoryError

    monkeypatch.setattr(predictor.model.network.backbone.fpn, "forward", no_memory)
    with pytest.raises(InferenceError, match="not enough memory"):
        trace_network(predictor, image)
    assert not [m for m in predictor.model.network.modules() if m._forward_hooks]


def test_an_image_without_any_proposal_is_an_answer():
    predictor, image = tiny()
    predictor.model.network.rpn.score_thresh = 1.1
    trace = trace_network(predictor, image)
    assert len(trace.regions.boxes) == 0 == len(trace.run.candidates)
    fates = trace.proposals.fates
    assert fates.count("low score") + fates.count("too small") == len(trace.proposals)
    assert len(predictor.detections(trace.run, Thresholds(), image)) == 0


def test_what_is_kept_of_a_large_network_is_small(traced):
    trace = traced[2]
    kept = sum(m.pictures.nbytes for m in (*trace.backbone, *trace.pyramid))
    assert kept < 60e6
