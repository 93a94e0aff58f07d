"""The stepper's Python side, its script, and Node's tests of the other side."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pages.ui.stepper import Steps, stepper_script

STEPPER = Path(__file__).parents[2] / "pages" / "ui" / "stepper"

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


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


@needs_node
def test_the_script_is_one_valid_module_with_one_export(tmp_path):
    (tmp_path / "stepper.mjs").write_text(stepper_script(), "utf-8")
    code = "import('./stepper.mjs').then((m) => console.log(Object.keys(m).join(), m.default.name))"
    done = subprocess.run(
        ["node", "-e", code], cwd=tmp_path, check=True, timeout=60, capture_output=True, text=True
    )
    assert done.stdout.strip() == "default mountStepper"


@needs_node
def test_node_tests_pass():
    done = subprocess.run(
        ["node", "--test", "tests/stepper.test.js"],
        cwd=STEPPER,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
