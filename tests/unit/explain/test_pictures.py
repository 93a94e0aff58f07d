import numpy as np
import plotly.colors
import pytest

from maskrcnn_core.drawing.board import (
    LEAST_SIDE,
    SIDE,
    Board,
    bars,
    false_colors,
    panels,
    picture_size,
    scaled,
    with_legend,
)
from maskrcnn_core.errors import InputError
from maskrcnn_core.explain.misses import explain_box
from maskrcnn_core.explain.pictures import PICTURES
from maskrcnn_core.explain.pictures.misses import example_of_a_miss
from maskrcnn_core.explain.stages import STAGES
from maskrcnn_core.explain.traced_image import trace_image
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from tests.builders.core import make_image
from tests.builders.traced_images import blind_model, traced_of_every_kind, traced_random, traced_sample
from tests.shared_data import shared_path


@pytest.fixture(scope="module")
def every_kind():
    return traced_of_every_kind()


def looks_right(picture) -> bool:
    pixels = picture.pixels
    return (
        pixels.dtype == np.uint8
        and pixels.ndim == 3
        and pixels.shape[2] == 3
        and 1 <= pixels.shape[0] <= 2 * SIDE
        and 1 <= pixels.shape[1] <= SIDE
        and bool(picture.title)
        and bool(picture.caption)
    )


def test_every_stage_of_the_walk_has_its_pictures():
    assert [stage.key for stage in STAGES] == list(PICTURES)


@pytest.mark.parametrize("key", PICTURES)
def test_a_stage_of_a_drawn_sample_gives_pictures_with_words(key):
    pictures = PICTURES[key](traced_sample())
    assert pictures and all(map(looks_right, pictures))
    # something is drawn: no picture is of one colour, and no two of a stage are the same
    assert all(p.pixels.std() > 1 for p in pictures)
    assert len({p.pixels.tobytes() for p in pictures}) == len(pictures)


@pytest.mark.parametrize("key", PICTURES)
def test_a_stage_copes_with_nothing_found_and_with_images_of_any_size(key, every_kind):
    for kind, traced in every_kind.items():
        pictures = PICTURES[key](traced)
        assert pictures and all(map(looks_right, pictures)), kind


def test_a_model_with_one_feature_map_has_pictures_too(monkeypatch):
    monkeypatch.setenv("MASKDESK_WEIGHTS", str(shared_path("weights")))
    traced = trace_image(Predictor(get_model("mobile"), "cpu"), make_image(60, 80))
    assert len(PICTURES["pyramid"](traced)) == 1
    assert all(looks_right(p) for draw in PICTURES.values() for p in draw(traced))


def test_drawing_changes_neither_the_image_nor_the_stages():
    traced = traced_random()
    before = (
        traced.pixels.copy(),
        traced.trace.regions.boxes.copy(),
        traced.trace.run.candidates.boxes.copy(),
    )
    for draw in PICTURES.values():
        draw(traced)
    after = traced.pixels, traced.trace.regions.boxes, traced.trace.run.candidates.boxes
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_detections_of_a_walk_are_those_of_the_predictor():
    traced = traced_sample()
    expected = traced.predictor.predict([traced.pixels], traced.thresholds)[0]
    assert len(expected) > 0
    for name in ("boxes", "labels", "scores", "mask_probs", "rows"):
        assert np.array_equal(getattr(traced.detections, name), getattr(expected, name))


def test_the_example_of_a_miss_is_one():
    traced = traced_sample()
    found = example_of_a_miss(traced)
    assert found is not None and found.verdict not in ("detected", "twice")
    (picture,) = PICTURES["missed"](traced)
    assert found.sentence in picture.caption


def test_a_box_that_was_asked_about_is_the_example():
    traced = traced_random(box=(10.0, 20.0, 60.0, 80.0))
    asked = explain_box(traced.trace, traced.thresholds, traced.label_map, traced.box)
    assert example_of_a_miss(traced).sentence == asked.sentence
    with pytest.raises(InputError):
        example_of_a_miss(traced_random(box=(500.0, 500.0, 600.0, 600.0)))


def test_where_nothing_was_proposed_there_is_no_subject_and_no_miss():
    traced = traced_random(model=blind_model())
    assert len(traced.trace.regions.boxes) == 0
    assert traced.subject is None and example_of_a_miss(traced) is None
    assert "nothing can be detected" in PICTURES["proposals"](traced)[2].caption


def test_a_view_places_its_own_corners_on_the_rim_of_its_picture():
    traced = traced_sample()
    height, width = traced.trace.input.input_size
    whole = traced.whole.place(np.array([0, 0, width, height], np.float32))
    assert whole == pytest.approx(
        [0, 0, traced.whole.picture.shape[1], traced.whole.picture.shape[0]], abs=0.01
    )
    view = traced.around(traced.subject.box)
    x1, y1, x2, y2 = view.place(traced.subject.box)
    assert -1 <= x1 < x2 <= view.picture.shape[1] + 1 and -1 <= y1 < y2 <= view.picture.shape[0] + 1


# -- drawing --------------------------------------------------------------------------------------------


def test_false_colours_are_viridis():
    steps = [plotly.colors.hex_to_rgb(c) for c in plotly.colors.sequential.Viridis]
    assert false_colors(np.linspace(0, 1, 10)) == pytest.approx(np.array(steps), abs=3)  # 256 steps, not 10


def test_false_colours_of_one_value_or_none_are_no_error():
    assert false_colors(np.full((2, 3), 7.0)).tolist() == [[[68, 1, 84]] * 3] * 2
    assert false_colors(np.zeros((0, 3))).shape == (0, 3, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (480, 640), (9000, 12000), (900, 900)])
def test_pictures_are_neither_small_nor_large(size):
    height, width = picture_size(size)
    assert LEAST_SIDE <= max(height, width) <= SIDE and min(height, width) >= 1
    assert scaled(np.zeros((*size, 3), np.uint8)[:50, :50], (height, width)).shape == (height, width, 3)


def test_a_frame_lies_where_its_box_is_and_nowhere_else():
    board = Board(np.zeros((40, 60, 3), np.uint8), fade=0)
    board.box((10, 5, 30, 25), (255, 0, 0), width=1)
    drawn = (board.pixels() == (255, 0, 0)).all(axis=2)
    rows, columns = np.nonzero(drawn)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 24, 10, 29)
    assert not drawn[6:24, 11:29].any()


@pytest.mark.parametrize("box", [(5, 5, 5, 5), (-50, -50, 500, 500), (30, 30, 10, 10)])
def test_odd_boxes_are_drawn_without_an_error(box):
    board = Board(np.zeros((40, 60, 3), np.uint8))
    board.box(box, (255, 0, 0), dashed=True, text="x")
    board.fill(box, (0, 255, 0), 0.5)
    board.arrow((5, 5), (5, 5), (0, 0, 255))
    assert board.pixels().shape == (40, 60, 3)


def test_names_too_long_or_odd_are_cut_and_escaped():
    odd = "<script>\n\u202e" * 50
    strip = with_legend(np.zeros((20, 500, 3), np.uint8), [((1, 2, 3), odd)] * 9)
    assert strip.shape[1] == 500 and strip.shape[0] > 20 + 22 * 8
    assert bars([(odd, 0.5), ("", 2.0)]).shape[1] == 640
    assert panels([(odd, np.zeros((10, 30, 3), np.uint8))] * 40).shape[1] <= SIDE
    assert panels([]).shape[2] == 3
