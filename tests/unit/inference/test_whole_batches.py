"""A batch's whole pass through a network: it finds what goes step by step, and gives way where it cannot."""

import contextlib
import copy
from dataclasses import replace

import pytest
import torch

from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.inference.engines.equality import compare_detections
from maskrcnn_core.inference.engines.half import in_half
from maskrcnn_core.inference.engines.spec import Engine
from maskrcnn_core.inference.engines.table import EXACT, ROUNDING, engine_by_key
from maskrcnn_core.inference.forward import MASKS_NOT_FINITE, resize_and_normalise
from maskrcnn_core.inference.predictor import NOT_FINITE, Failure, Predictor, Run
from maskrcnn_core.inference.whole import network_pass
from maskrcnn_core.inference.whole.graphs import Graphs
from maskrcnn_core.inference.whole.inputs import Inputs
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.networks.roi_scales import set_roi_scales
from maskrcnn_core.synthetic.samples import draw_sample
from tests.builders.core import make_image, make_model
from tests.builders.matterport import make_matterport_model

BUCKETED = Engine(replace(EXACT, key="bucketed", buckets=True))
FEW = Thresholds(0.3, 0.5, 8)


@pytest.fixture(scope="module")
def tiny():
    model = make_model()
    model.network.rpn._post_nms_top_n["testing"] = 150  # a fraction of the time
    set_roi_scales(model.network)
    return model


@pytest.fixture
def images():
    return [make_image(90, 120), make_image(91, 120, 1)]


def whole(model, batch_size=4, engine=BUCKETED):
    """A predictor, and the sizes of the batches that it ran step by step after all."""
    predictor, by_steps = Predictor(model, "cpu", batch_size=batch_size, engine=engine), []
    run = predictor._run_batch
    predictor._run_batch = lambda images, *rest: (by_steps.append(len(images)), run(images, *rest))[1]
    return predictor, by_steps


def test_a_batch_finds_what_each_image_finds_alone(tiny, images):
    predictor, by_steps = whole(tiny)
    together = predictor.predict(images, FEW)
    alone = Predictor(tiny, "cpu").predict(images, FEW)
    same = compare_detections(alone, together, threshold=FEW.score_threshold, slack=ROUNDING.score)
    assert same.detections > 5 and not same.shortfall(ROUNDING)
    assert not by_steps


@pytest.mark.parametrize(("key", "sample"), [("shapes", "fluorescence"), ("photos", "street")])
def test_trained_networks_find_the_same(key, sample):
    model, image = get_model(key), draw_sample(sample)[:240, :320]
    thresholds = Thresholds(SCORE_FLOOR, model.nms_threshold, 60)
    predictor, by_steps = whole(model, 1)
    (found,) = predictor.run([image], thresholds)
    (wanted,) = Predictor(model, "cpu").run([image], thresholds)
    assert not by_steps and len(wanted.candidates) > 10
    assert sorted(found.candidates.labels) == sorted(wanted.candidates.labels)
    pairs = [[predictor.detections(run, thresholds, image)] for run in (wanted, found)]
    assert not compare_detections(*pairs, threshold=SCORE_FLOOR, slack=ROUNDING.score).shortfall(ROUNDING)


def test_masks_that_were_not_asked_for_come_later(tiny, images):
    predictor, _ = whole(tiny)
    run = predictor.run(images, Thresholds(0.3, 0.5, 2))[0]
    assert run.masks_kept <= 2
    late = predictor.detections(run, FEW, images[0])
    wanted = Predictor(tiny, "cpu").predict(images[:1], FEW)[0]
    assert len(late) == len(wanted) > 2
    assert late.mask_probs == pytest.approx(wanted.mask_probs, abs=1e-3)


def test_inputs_are_what_the_transform_makes(tiny, images):
    batch, sizes = Inputs(tiny.network.transform, torch.device("cpu")).batch(images, (96, 128), 3)
    wanted = resize_and_normalise(tiny.network, images, torch.device("cpu"))
    assert torch.equal(batch[:2], wanted.tensors) and sizes == wanted.image_sizes
    assert not batch[2].any()


# -- what goes wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("backbone.body.conv1.weight", NOT_FINITE),
        ("roi_heads.box_predictor.cls_score.bias", NOT_FINITE),
        ("roi_heads.mask_predictor.mask_fcn_logits.bias", MASKS_NOT_FINITE),
    ],
)
def test_nan_is_the_same_failure(tiny, images, part, reason):
    network = copy.deepcopy(tiny.network)
    network.get_parameter(part).data.fill_(float("nan"))
    predictor, _ = whole(replace(tiny, network=network))
    found = predictor.run(images, FEW)
    assert found == Predictor(replace(tiny, network=network), "cpu").run(images, FEW)
    assert found == [Failure(reason)] * 2


def test_an_image_with_too_many_candidates_goes_step_by_step(tiny, images, monkeypatch):
    monkeypatch.setattr(network_pass, "MOST_CANDIDATES", 9)
    predictor, by_steps = whole(tiny)
    counts = [len(run.candidates) for run in predictor.run(images, FEW)]
    assert counts == [len(run.candidates) for run in Predictor(tiny, "cpu").run(images, FEW)]
    assert len(by_steps) == sum(count > 9 for count in counts) > 0


def test_an_image_whose_suppression_does_not_settle_goes_step_by_step(tiny, images, monkeypatch):
    monkeypatch.setattr("maskrcnn_core.inference.whole.suppressing.survivors.__defaults__", (None, 1))
    predictor, by_steps = whole(tiny)
    assert all(isinstance(run, Run) for run in predictor.run(images, FEW))
    assert by_steps == [1, 1]


def test_a_batch_that_memory_does_not_suffice_for_goes_step_by_step(tiny, images, monkeypatch):
    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    predictor, by_steps = whole(tiny)
    monkeypatch.setattr(predictor._whole, "send", fail)
    assert all(isinstance(run, Run) for run in predictor.run(images, FEW))
    assert by_steps == [2]


def test_a_network_of_other_laws_goes_step_by_step():
    predictor, by_steps = whole(make_matterport_model())
    assert isinstance(predictor.run([make_image()], FEW)[0], Run)
    assert by_steps == [1]


def test_a_very_large_image_goes_step_by_step(tiny, monkeypatch):
    monkeypatch.setattr("maskrcnn_core.inference.whole.batches.WHOLE_PIXELS", 5000)
    predictor, by_steps = whole(tiny)
    assert isinstance(predictor.run([make_image()], FEW)[0], Run)
    assert by_steps == [1]


def test_the_next_batch_is_sent_before_the_last_one_is_read(tiny, images, monkeypatch):
    predictor, _ = whole(tiny, 1)
    log, send = [], predictor._whole.send

    def spied(batch, thresholds):
        sent = send(batch, thresholds)
        log.append("sent")
        return replace(sent, wait=lambda: log.append("read"))

    monkeypatch.setattr(predictor._whole, "send", spied)
    predictor.run(images, Thresholds(0.3, 0.5, 1))
    assert log == ["sent", "sent", "read", "read"]


# -- half precision ---------------------------------------------------------------------------------


def test_the_parts_in_half_precision_run_whole_batches(tiny, images):
    """In float32, where they are only folded, they find the same; weights are turned into halves once."""
    device = torch.device("cpu")
    full, half = (in_half(tiny.network, images[0], device, t) for t in (torch.float32, torch.bfloat16))
    predictor, by_steps = whole(tiny, engine=Engine(engine_by_key("cuda"), full))
    found, wanted = predictor.predict(images, FEW), Predictor(tiny, "cpu").predict(images, FEW)
    same = compare_detections(wanted, found, threshold=0.3, slack=ROUNDING.score)
    assert not same.shortfall(ROUNDING) and not by_steps
    kinds = {value.dtype for value in half.backbone.parameters()}
    assert kinds == {torch.bfloat16}
    assert half.roi_heads.box_head.predictor.cls_score.weight.dtype == torch.float32
    maps = half.backbone.in_own_precision(torch.rand(1, 3, 64, 96))
    assert {one.dtype for one in maps.values()} == {torch.bfloat16}
    runs = whole(tiny, engine=Engine(engine_by_key("cuda"), half))[0].run(images, FEW)
    assert all(isinstance(run, Run) for run in runs)


# -- graphs -----------------------------------------------------------------------------------------


class StandInGraph:
    replays = 0

    def replay(self):
        type(self).replays += 1


@pytest.fixture
def graphs(monkeypatch):
    """Graphs of a CUDA that is not there: they can be captured, and a replay is counted."""
    StandInGraph.replays = 0
    monkeypatch.setattr(torch.cuda, "CUDAGraph", StandInGraph)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 1))
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(Graphs, "_warm", staticmethod(lambda work, inputs: work(*inputs)))
    return Graphs(torch.device("cuda"), most=2)


def double(values):
    return values * 2


def test_a_shape_that_comes_again_becomes_a_graph(graphs):
    values = torch.ones(3)
    for _ in range(4):
        given = graphs.run("a", double, (values,))
    assert torch.equal(given, values * 2)
    assert (graphs.captured, StandInGraph.replays) == (1, 3)
    for key in ("b", "b", "c", "c"):
        graphs.run(key, double, (values,))
    assert graphs.captured == 2, "they are bounded"
    graphs.clear()
    assert graphs.captured == 0


def test_where_a_graph_cannot_be_captured_all_runs_without(graphs):
    values, calls = torch.ones(3), []

    def capricious(given):
        calls.append(len(calls))
        if calls[-1] == 1:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        return given * 2

    for _ in range(3):
        assert torch.equal(graphs.run("b", capricious, (values,)), values * 2)
    assert graphs.failure == "operation not permitted when stream is capturing"
    assert not StandInGraph.replays


def test_a_capture_without_memory_is_told_to_who_can_free_some(graphs):
    def greedy(_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    graphs.run("a", double, (torch.ones(1),))
    with pytest.raises(torch.OutOfMemoryError):
        graphs.run("a", greedy, (torch.ones(1),))
    assert not graphs.failure


def test_that_no_graph_could_be_captured_is_said_once(tiny, images):
    predictor, _ = whole(tiny, 1)
    predictor._whole.graphs = Graphs(torch.device("cuda"))
    predictor._whole.graphs.failure = "not permitted"
    first, second = predictor.run(images, Thresholds(0.3, 0.5, 1))
    assert "without CUDA graphs: not permitted" in first.notes[0] and not second.notes


def test_elsewhere_there_are_no_graphs():
    graphs = Graphs(torch.device("cpu"))
    for _ in range(3):
        graphs.run("a", double, (torch.ones(1),))
    assert graphs.captured == 0 and "none on cpu" in graphs.failure
