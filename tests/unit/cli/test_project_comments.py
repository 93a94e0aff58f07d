"""``project comments``: what people have said of images."""

import pytest

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.team.comments import add_answer, add_comment, resolve_comment
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.unit.cli.test_project import data_folder, told

__all__ = ["data_folder"]


@pytest.fixture
def store(tmp_path):
    told("new", "Cells")
    (tmp_path / "a.png").write_bytes(encode_png(draw_scene(1).pixels))
    told("add", "Cells", tmp_path / "a.png", "--quiet")
    store = Store()
    yield store
    store.close()


def test_open_comments_are_listed_with_their_answers_and_resolved_ones_on_request(store):
    (project,) = store.projects()
    (image,) = store.images(project.id)
    assert told("comments", "Cells").splitlines() == ["0 comments open, 0 resolved"]
    add_comment(store, image.id, "Ann", "odd\nedge", (10, 20.5))
    add_answer(store, image.id, "Bob", 1, "I see")
    add_comment(store, image.id, "Eve", "done", (1, 1))
    resolve_comment(store, image.id, "Eve", 2)
    lines = told("comments", "Cells").splitlines()
    assert lines[0].startswith("a.png at 10, 20.5: Ann: odd") and lines[1:] == [
        "    Bob: I see",
        "1 comment open, 1 resolved",
    ]
    assert "a.png at 1, 1: Eve (resolved): done" in told("comments", "Cells", "--all").splitlines()
