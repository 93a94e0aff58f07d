"""``project assign``: whose images are whose."""

import pytest

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.unit.cli.test_project import data_folder, invoke, told

__all__ = ["data_folder"]


@pytest.fixture
def project(tmp_path):
    told("new", "Cells")
    for n in range(4):
        (tmp_path / f"{n}.png").write_bytes(encode_png(draw_scene(n).pixels))
    told("add", "Cells", *(tmp_path / f"{n}.png" for n in range(4)), "--quiet")
    return "Cells"


def test_images_are_assigned_by_name_and_the_rest_evenly(project):
    said = told("assign", project, "0.png", "--to", "Ann", "--who", "eve")
    assert "assigned 1 image anew" in said and "nobody" in said
    said = told("assign", project, "--evenly", "Bob, Eve,Ann", "--seed", "5", "--who", "eve")
    assert "assigned 3 images anew" in said
    rows = [line.split() for line in told("assign", project).splitlines()]
    assert ["Ann", "2", "2"] in rows and ["Bob", "1", "1"] in rows and ["nobody", "0"] in rows
    told("undo", project, "--who", "eve")
    assert ["Ann", "1", "1"] in [line.split() for line in told("assign", project).splitlines()]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["9.png", "--to", "Ann"], "expected file names of the project, got 9.png"),
        (["0.png"], "expected --to or --evenly with them, got neither"),
        (["--to", "Ann", "--evenly", "Bob"], "expected --to or --evenly, got both"),
        (["--evenly", "Bob,Bob"], "expected each once, got Bob twice"),
    ],
)
def test_what_is_not_clear_is_refused(project, arguments, says):
    result = invoke("assign", project, *arguments, "--who", "eve")
    assert result.exit_code == 2 and says in result.stderr
