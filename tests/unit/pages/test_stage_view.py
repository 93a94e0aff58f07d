"""The stage picture's messages."""

import json
from pathlib import Path

import pytest

from pages.components.stage_view import (
    Layer,
    Slider,
    StageAnswer,
    StageMessage,
    read_answer,
)

SAMPLES = Path(__file__).parents[2] / "data" / "stage_view"

MESSAGE = StageMessage(
    "iou-3",
    "/media/picture.jpg",
    (100, 200),
    "Two boxes",
    (
        Layer(
            "boxes",
            [(10, 10, 60, 60), (15.2512, 10, 65.2512, 60), (150, 50, 190, 90)],
            title="regions",
            width=1,
            judged=True,
        ),
    ),
    slider=Slider("IoU to pass", 0, 1, 0.01, 0.5),
    boxes=((20, 10, 70, 60), (10, 10, 60, 60)),
    box_names=("your box", "object"),
)


def sample(name):
    return json.loads((SAMPLES / name).read_text("utf-8"))


def test_the_message_is_the_sample():
    assert json.loads(json.dumps(MESSAGE.to_json())) == sample("message.json")


def test_the_sample_answer_is_read():
    assert read_answer(sample("answer.json"), MESSAGE) == StageAnswer(
        0.75, ((25, 15, 75, 65), (10, 10, 60, 60)), None, None
    )
    assert read_answer({**sample("answer.json"), "scene": "iou-2"}, MESSAGE) is None


def test_a_point_and_a_drawn_box_are_read():
    answer = {**sample("answer.json"), "point": [200, 0], "drawn": [0.5, 1, 2, 100]}
    read = read_answer(answer, MESSAGE)
    assert (read.point, read.drawn) == ((200, 0), (0.5, 1, 2, 100))


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("version", 2, "version"),
        ("version", None, "version"),
        ("value", 1.5, "value"),
        ("value", "1", "value"),
        ("value", True, "value"),
        ("value", float("nan"), "value"),
        ("boxes", [[0, 0, 1, 1]] * 3, "boxes: expected at most 2"),
        ("boxes", [[5, 0, 1, 1]], r"boxes\[0\]"),
        ("boxes", [[0, 0, 201, 1]], r"boxes\[0\]"),
        ("boxes", [[0, 0, 1]], r"boxes\[0\]"),
        ("boxes", {}, "boxes"),
        ("point", [1, 101], "point"),
        ("point", [1], "point"),
        ("point", "11", "point"),
        ("drawn", [0, 0, 1, float("inf")], "drawn"),
        ("drawn", [0, 0, 1, None], "drawn"),
    ],
)
def test_what_is_wrong_is_named(field, value, what):
    with pytest.raises(ValueError, match=what):
        read_answer({**sample("answer.json"), field: value}, MESSAGE)


@pytest.mark.parametrize("field", ["version", "scene", "value", "boxes", "point", "drawn"])
def test_what_is_missing_is_named(field):
    answer = sample("answer.json")
    del answer[field]
    with pytest.raises(ValueError, match=f"{field}: missing"):
        read_answer(answer, MESSAGE)
    with pytest.raises(ValueError, match="expected named fields"):
        read_answer([], MESSAGE)
