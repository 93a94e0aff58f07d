"""Engines: what they run, how they are compared, and when they are refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.errors import InferenceError, InputError
from maskrcnn_core.explain.tracing import trace_network
from maskrcnn_core.inference.engines import choosing
from maskrcnn_core.inference.engines.choosing import choose_engine
from maskrcnn_core.inference.engines.dense import PARTS, dense_parts, level_names, with_parts
from maskrcnn_core.inference.engines.equality import Bound, compare_detections
from maskrcnn_core.inference.engines.folded import folded
from maskrcnn_core.inference.engines.half import in_half
from maskrcnn_core.inference.engines.kept import keep_equality, place_of
from maskrcnn_core.inference.engines.spec import Engine
from maskrcnn_core.inference.engines.standing import standings
from maskrcnn_core.inference.engines.table import ENGINES, EXACT, engine_by_key
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.catalog import NUCLEI_FILE, PHOTOS_FILE
from maskrcnn_core.models.loading import load_trained_model
from maskrcnn_core.synthetic.samples import draw_sample
from tests.builders.core import make_detections, make_image, make_model

FOLDED = engine_by_key("folded")


@pytest.fixture(scope="module")
def nuclei_model():
    """Real weights, in which rounding stays rounding: random ones make much of a last bit."""
    return load_trained_model(NUCLEI_FILE)


@pytest.fixture(scope="module")
def nuclei():
    return draw_sample("fluorescence")[:200, :240]


@pytest.fixture(scope="module")
def tiny():
    return make_model()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def made(nuclei_model, nuclei, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return choose_engine(nuclei_model, "cpu", "folded", images=lambda: [nuclei], count=1)


# -- the table --------------------------------------------------------------------------------------


def test_the_exact_engine_is_the_models_own_network(tiny):
    engine = choose_engine(tiny, "cpu", "exact", images=list, count=1)
    assert (engine.spec, engine.network, engine.description) == (EXACT, None, "")
    assert Predictor(tiny, "cpu", engine=engine).network_for is not None


def test_each_engine_but_the_exact_one_promises_something():
    assert [spec.key for spec in ENGINES if spec.bound is None] == ["exact"]
    assert len({spec.key for spec in ENGINES}) == len(ENGINES)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("fold", "engine 'fold': there is no such engine; did you mean folded"),
        ("tensorflow", "choose one of auto, exact, folded"),
        ("cuda", "engine cuda runs on cuda, and the device is cpu"),
    ],
)
def test_an_engine_that_cannot_be_is_refused(tiny, key, words):
    with pytest.raises(InputError, match=words):
        choose_engine(tiny, "cpu", key, images=list, count=1)


def test_an_engine_without_its_packages_says_what_to_install(tiny, monkeypatch):
    row = replace(FOLDED, key="other", extra="app")
    monkeypatch.setattr(choosing, "engine_by_key", lambda _: row)
    monkeypatch.setattr("maskrcnn_core.common.extras.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r'engine other needs .* pip install "maskdesk\[app\]"'):
        choose_engine(tiny, "cpu", "other", images=list, count=1)


# -- choosing ---------------------------------------------------------------------------------------


def test_a_small_job_is_not_worth_another_engine(tiny):
    def images():
        raise AssertionError("nothing is to be made")

    assert choose_engine(tiny, "cpu", images=images, count=3).spec is EXACT


def test_a_large_job_takes_the_last_engine_that_holds_its_bound(nuclei_model, nuclei, monkeypatch):
    monkeypatch.setattr(choosing, "ENGINES", (EXACT, FOLDED, _wrong()))
    engine = choose_engine(nuclei_model, "cpu", images=lambda: [nuclei], count=1000)
    assert engine.spec is FOLDED and "boxes within" in engine.description
    assert "engine wrong is not used for" in engine.notes[0]


def test_an_engine_that_finds_something_else_gives_way(nuclei_model, nuclei, monkeypatch):
    monkeypatch.setattr(choosing, "engine_by_key", lambda _: _wrong())
    engine = choose_engine(nuclei_model, "cpu", "wrong", images=lambda: [nuclei], count=1)
    assert engine.spec is EXACT
    (note,) = engine.notes
    assert "expected" in note and note.endswith("; the exact engine runs instead")


def test_what_was_measured_is_kept_for_the_next_time(nuclei_model, nuclei, monkeypatch):
    steps: list[str] = []
    for _ in range(2):
        engine = choose_engine(
            nuclei_model, "cpu", "folded", images=lambda: [nuclei], count=1, on_step=steps.append
        )
        assert engine.equality.detections > 5
    assert steps.count("comparing with the exact engine") == 1
    file = place_of("folded", nuclei_model.digest, FOLDED.version()) / "equality.json"
    file.write_text("{")
    choose_engine(nuclei_model, "cpu", "folded", images=lambda: [nuclei], count=1, on_step=steps.append)
    assert steps.count("comparing with the exact engine") == 2
    assert place_of("folded", "1" * 64, FOLDED.version()) != file.parent


def test_what_cannot_be_made_is_not_tried_again(nuclei_model, nuclei, monkeypatch):
    tries = []

    def build(*_):
        tries.append(1)
        raise InferenceError("its backbone is of wood")

    row = replace(FOLDED, build=build)
    monkeypatch.setattr(choosing, "engine_by_key", lambda _: row)
    for _ in range(2):
        engine = choose_engine(nuclei_model, "cpu", "folded", images=lambda: [nuclei], count=1)
        assert engine.spec is EXACT and "its backbone is of wood; the exact engine runs" in engine.notes[0]
    assert len(tries) == 1
    (standing,) = (one for one in standings(nuclei_model.digest, "cpu") if one.spec is FOLDED)
    assert (standing.word, standing.reason) == ("not used", "its backbone is of wood")


def test_a_network_without_norms_to_fold_runs_exactly(nuclei):
    model = load_trained_model(PHOTOS_FILE)
    engine = choose_engine(model, "cpu", "folded", images=lambda: [nuclei], count=1)
    assert engine.spec is EXACT and "none of its norms can be folded" in engine.notes[0]


def _wrong():
    def build(model, images, device, told):
        network = folded(model.network)
        with torch.no_grad():
            network.roi_heads.box_predictor.bbox_pred.bias.add_(0.5)
        return network

    return replace(FOLDED, key="wrong", build=build, worth_from=1)


def test_each_engine_stands_as_it_was_measured(nuclei_model, made):
    def word(key):
        return next(one for one in standings(nuclei_model.digest, "cpu") if one.spec.key == key)

    assert [one.spec for one in standings(nuclei_model.digest, "cpu")] == list(ENGINES)
    assert word("exact").word == "defines the result"
    assert word("cuda").word == "cannot run here" and "the device is cpu" in word("cuda").reason
    assert word("folded").word == "not compared yet"
    place = place_of("folded", nuclei_model.digest, FOLDED.version())
    keep_equality(place, made.equality)
    assert word("folded").word == "finds the same" and word("folded").equality == made.equality
    keep_equality(place, replace(made.equality, score=0.5))
    assert word("folded").word == "not used" and "a score changed by 0.5" in word("folded").reason


# -- what runs --------------------------------------------------------------------------------------


def test_folding_takes_all_norms_away_and_changes_nothing_of_the_model(tiny):
    before = {name: value.clone() for name, value in tiny.network.state_dict().items()}
    other = folded(tiny.network)
    assert not any(isinstance(module, FrozenBatchNorm2d | nn.BatchNorm2d) for module in other.modules())
    assert all(torch.equal(value, before[name]) for name, value in tiny.network.state_dict().items())
    images = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        for own, others in zip(*(n.backbone(images).values() for n in (tiny.network, other)), strict=True):
            assert (own - others).abs().max() < 1e-4 * own.abs().max()


def test_a_norm_that_learns_from_its_input_is_left_alone():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False))
    assert isinstance(folded(network)[1], nn.BatchNorm2d)


def test_the_folded_engine_finds_what_the_exact_one_finds(made):
    assert made.spec is FOLDED and not made.equality.shortfall(FOLDED.bound)
    assert made.equality.detections > 10


def test_parts_that_are_put_back_give_the_very_same(tiny):
    image = make_image()
    parts = {name: part.module for name, part in dense_parts(tiny.network, image).items()}
    assert tuple(parts) == PARTS
    network = with_parts(tiny.network, parts, level_names(tiny.network, image))
    ways = (Predictor(tiny, "cpu"), Predictor(tiny, "cpu", engine=Engine(FOLDED, network)))
    exact, other = (way.predict([image], Thresholds(0.3)) for way in ways)
    same = compare_detections(exact, other, threshold=0.3, slack=0)
    assert same.detections > 5
    assert (same.unmatched, same.box_pixels, same.score, same.mask_iou) == (0, 0, 0, 1)


def test_dense_parts_run_in_half_and_give_floats(tiny):
    image = make_image()
    network = in_half(tiny.network, image, torch.device("cpu"), torch.bfloat16)
    images = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        exact, half = tiny.network.backbone(images), network.backbone(images)
    assert list(exact) == list(half)
    for name, values in half.items():
        assert values.dtype == torch.float32
        assert 0 < (values - exact[name]).abs().max() < 0.1 * exact[name].abs().max()
    run = Predictor(tiny, "cpu", engine=Engine(engine_by_key("cuda"), network)).run([image])[0]
    assert len(run.candidates) and run.candidates.scores.dtype == np.float32


def test_boxes_thresholds_and_late_masks_go_on_with_another_engine(nuclei_model, nuclei, made):
    exact, other = Predictor(nuclei_model, "cpu"), Predictor(nuclei_model, "cpu", engine=made)
    boxes = [[20, 20, 60, 60], [100, 80, 150, 120]]
    asked, answers = Thresholds(0.5), []
    for predictor in (exact, other):
        (run,) = predictor.run([nuclei], Thresholds(0.9))
        predictor._cache.clear()  # the maps are made again, by the same engine
        late = predictor.detections(run, asked, nuclei)
        answers.append((late, predictor.prompt(run, boxes, nuclei)))
    (late, drawn), (late_other, drawn_other) = answers
    assert not compare_detections([late], [late_other], threshold=0.5, slack=0.003).shortfall(FOLDED.bound)
    assert len(late) > 5
    assert np.abs(drawn.mask_probs - drawn_other.mask_probs).max() < 1e-3
    assert np.abs(drawn.probabilities - drawn_other.probabilities).max() < 1e-3


def test_who_looks_inside_sees_the_models_own_network(nuclei_model, nuclei, made):
    exact, other = Predictor(nuclei_model, "cpu"), Predictor(nuclei_model, "cpu", engine=made)
    with other.at_rest() as network:
        assert network is nuclei_model.network
    own, others = (trace_network(predictor, nuclei) for predictor in (exact, other))
    assert np.array_equal(own.run.candidates.boxes, others.run.candidates.boxes)


# -- comparing --------------------------------------------------------------------------------------


def test_the_same_detections_are_equal():
    some = make_detections(5)
    same = compare_detections([some], [some], threshold=0.1, slack=0)
    assert (same.images, same.detections, same.unmatched) == (1, 10, 0)
    assert (same.matched, same.box_pixels, same.score, same.mask_iou) == (1, 0, 0, 1)
    assert not same.shortfall(FOLDED.bound)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"boxes": 0.2}, "a box moved by 0.2"),
        ({"scores": -0.01}, "a score changed by 0.01"),
        ({"labels": 7}, "% the same, expected 100%"),
    ],
)
def test_each_difference_is_found_and_said(change, words):
    some = make_detections(5)
    ((name, by),) = change.items()
    values = getattr(some, name)
    moved = {name: values + np.asarray(by, values.dtype)}
    found = compare_detections([some], [replace(some, **moved)], threshold=0.1, slack=0)
    assert words in found.shortfall(FOLDED.bound)


def test_what_is_at_the_threshold_may_be_on_one_side_alone():
    some = make_detections(5)
    least = float(some.scores.min())
    fewer = some[some.scores > least]
    near, far = least - 0.001, least - 0.1
    assert not compare_detections([some], [fewer], threshold=near, slack=0.003).unmatched
    assert compare_detections([some], [fewer], threshold=far, slack=0.003).unmatched == 1


def test_nothing_found_is_no_proof():
    nothing = make_detections(0)
    found = compare_detections([nothing], [nothing], threshold=SCORE_FLOOR, slack=0)
    assert "nothing was found" in found.shortfall(Bound(matched=0))
