"""``project second-stage``, ``approve``, ``return``, and an export of what is approved."""

import json

import pytest

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.store import Store
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.unit.cli.test_project import data_folder, told

__all__ = ["data_folder"]


@pytest.fixture
def store(tmp_path):
    """A project of a.png and b.png, both finished by Ann."""
    told("new", "Cells")
    for n, name in enumerate("ab"):
        (tmp_path / f"{name}.png").write_bytes(encode_png(draw_scene(n).pixels))
    told("add", "Cells", tmp_path / "a.png", tmp_path / "b.png", "--quiet")
    store = Store()
    (project,) = store.projects()
    for row in store.images(project.id):
        change = Change("image", row.id, row.version, {"status": "reviewed"})
        store.decide(project.id, "Ann", "finish image", [change], image_id=row.id)
    yield store
    store.close()


def test_the_second_stage_is_switched_and_images_go_through_it(store, tmp_path):
    assert told("second-stage", "Cells").startswith("second stage: off\n2 to approve, 0 approved")
    assert told("second-stage", "Cells", "on", "--who", "Bob").startswith("second stage: on\n")
    assert told("return", "Cells", "b.png", "--comment", "two cells", "--who", "Bob").strip() == (
        "returned b.png to Ann"
    )
    assert "two cells" in told("comments", "Cells")
    assert told("approve", "Cells", "--who", "Bob").splitlines()[0] == "approved 1 image"
    listed = told("images", "Cells", "--search", "stage:approved")
    assert "approved by Bob" in listed and "b.png" not in listed
    assert "returned by Bob to Ann" in told("images", "Cells", "--search", "returned:Ann")
    out = tmp_path / "out.json"
    told("export", "Cells", "--out", out, "--only-approved", "--quiet")
    assert [image["file_name"] for image in json.loads(out.read_text())["images"]] == ["a.png"]
    told("undo", "Cells", "--who", "Bob")
    assert told("approve", "Cells", "a.png", "--who", "Eve").splitlines()[0] == "approved 1 image"
    assert told("approve", "Cells", "--who", "Eve").splitlines()[0] == "approved no image"
