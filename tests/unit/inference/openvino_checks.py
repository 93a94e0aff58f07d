"""The engine that needs the extra ``openvino``: what it finds, and what it keeps.

``test_openvino_engine.py`` runs these in a process of their own.
"""

import gc
import signal
import sys

import pytest
import torch

from maskrcnn_core.common.extras import missing_extra
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.inference.engines import openvino_parts
from maskrcnn_core.inference.engines.choosing import choose_engine
from maskrcnn_core.inference.engines.dense import PARTS, dense_parts
from maskrcnn_core.inference.engines.kept import place_of
from maskrcnn_core.inference.engines.table import EXACT, engine_by_key
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.catalog import NUCLEI_FILE
from maskrcnn_core.models.loading import load_trained_model
from maskrcnn_core.synthetic.samples import draw_sample
from tests.needs import lacks

OPENVINO = engine_by_key("openvino")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    if lack := missing_extra("openvino", "the engine"):
        lacks(lack)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def nuclei_model():
    return load_trained_model(NUCLEI_FILE)


@pytest.fixture(scope="module")
def nuclei():
    return draw_sample("fluorescence")[:160, :200]


@pytest.fixture(scope="module")
def steps():
    return []


@pytest.fixture(scope="module")
def made(nuclei_model, nuclei, steps):
    return choose_engine(
        nuclei_model, "cpu", "openvino", images=lambda: [nuclei], count=1, on_step=steps.append
    )


def test_nothing_is_reported_to_its_maker(made):
    from openvino.tools.ovc import telemetry_utils

    assert telemetry_utils.tm.__name__.endswith("telemetry_stub")
    assert sys.modules["openvino_telemetry"] is None


def test_it_finds_what_the_exact_one_finds(made):
    assert made.spec is OPENVINO and not made.notes
    assert made.equality.detections > 10 and not made.equality.shortfall(OPENVINO.bound)


def test_it_says_which_part_it_converts(made, steps):
    assert [step for step in steps if "converting" in step] == [
        f"converting part {number} of 4, the {name}" for number, name in enumerate(PARTS, 1)
    ]


def test_parts_take_other_sizes_and_no_regions(made, nuclei_model, nuclei):
    parts = {name: part.module for name, part in dense_parts(nuclei_model.network, nuclei).items()}
    with torch.inference_mode():
        images = torch.rand(1, 3, 160, 288)
        for own, others in zip(
            nuclei_model.network.backbone(images).values(),
            made.network.backbone(images).values(),
            strict=True,
        ):
            assert (own - others).abs().max() < 1e-4 * own.abs().max()
        own = parts["box head"](torch.rand(3, *_pooled(nuclei_model, nuclei)))
        none = made.network.roi_heads.box_head(torch.rand(0, *_pooled(nuclei_model, nuclei)))
    assert [tuple(one.shape) for one in none] == [(0, *one.shape[1:]) for one in own]


def test_what_was_converted_is_kept_whole_or_made_again(made, nuclei_model, nuclei):
    place = place_of("openvino", nuclei_model.digest, OPENVINO.version())
    assert len(list(place.glob("*.xml"))) == len(list(place.glob("*.bin"))) == len(PARTS)
    assert not list(place.parent.glob(".*"))  # nothing half made
    for told, prepare in ((False, lambda: None), (True, (place / "mask-head.xml").unlink)):
        prepare()
        steps: list[str] = []
        engine = choose_engine(
            nuclei_model, "cpu", "openvino", images=lambda: [nuclei], count=1, on_step=steps.append
        )
        assert any("converting" in step for step in steps) == told
        assert engine.spec is OPENVINO


def test_boxes_that_people_draw_go_through_it(made, nuclei_model, nuclei):
    answers = []
    for engine in (None, made):
        predictor = Predictor(nuclei_model, "cpu", engine=engine)
        (run,) = predictor.run([nuclei], Thresholds(0.9))
        answers.append(predictor.prompt(run, [[20, 20, 60, 60]], nuclei))
    exact, other = answers
    assert abs(exact.mask_probs - other.mask_probs).max() < 1e-3


def test_half_precision_runs_the_same_parts_where_the_processor_can(made, nuclei_model, nuclei):
    steps: list[str] = []
    engine = choose_engine(
        nuclei_model, "cpu", "openvino-bf16", images=lambda: [nuclei], count=1, on_step=steps.append
    )
    assert made.spec is OPENVINO and not any("converting" in step for step in steps)
    if "BF16" in openvino_parts._core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        assert engine.spec.key == "openvino-bf16" and not engine.notes
        # It is another precision indeed, and no other network.
        assert 0.0005 < engine.equality.score < 0.2 and engine.equality.matched >= 0.9
    else:
        assert engine.spec is EXACT and "no instructions for bf16" in engine.notes[0]


def test_half_precision_is_refused_where_it_would_be_another_name_for_full(nuclei_model, nuclei, monkeypatch):
    monkeypatch.setattr(openvino_parts, "_has_instructions", lambda _, precision: precision == "f32")
    monkeypatch.setattr("maskrcnn_core.inference.engines.kept.processor", lambda: "an older one")
    for _ in range(2):  # the second time from what is kept
        engine = choose_engine(nuclei_model, "cpu", "openvino-bf16", images=lambda: [nuclei], count=1)
        assert engine.spec is EXACT and engine.notes == (
            f"engine openvino-bf16 cannot run {nuclei_model.key}: this processor has no instructions for "
            "bf16; the exact engine runs instead",
        )


def test_a_signal_is_survived_after_engines_are_gone(made, nuclei_model, nuclei):
    for _ in range(2):
        choose_engine(nuclei_model, "cpu", "openvino", images=lambda: [nuclei], count=1)
        gc.collect()
    heard = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    try:
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard == [signal.SIGUSR1] and made.spec is OPENVINO


def _pooled(nuclei_model, nuclei):
    return dense_parts(nuclei_model.network, nuclei)["box head"].example[0].shape[1:]
