"""The stepper's Python side."""

import pytest

from pages.components.stepper import Steps


def test_steps_are_counted_once_and_together():
    steps = Steps()
    said = {"session": steps.session, "steps": 3}
    assert steps.take(said) == 3, "three presses of which Python heard as one"
    assert steps.take(said) == 0, "it comes with every later message"
    assert steps.take({"session": steps.session, "steps": 1}) == -2
    assert steps.taken == 1


@pytest.mark.parametrize(
    "moved",
    [
        None,
        [],
        "x",
        {},
        {"session": "another", "steps": 1},
        {"steps": 1},
        *({"session": None, "steps": n} for n in (True, 1.0, "1", None, 2**40)),
    ],
)
def test_what_is_no_count_of_this_session_moves_nothing(moved):
    steps = Steps()
    if isinstance(moved, dict) and "session" in moved and moved["session"] is None:
        moved = {**moved, "session": steps.session}
    assert steps.take(moved) == 0
    assert steps.taken == 0
