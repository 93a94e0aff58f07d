"""``project duplicate`` and ``project merge`` as a person calls them."""

import pytest

from maskrcnn_core.projects.store import Store
from tests.builders.projects import make_project
from tests.unit.cli.test_project import data_folder, invoke, told  # noqa: F401


@pytest.fixture
def store():
    store = Store()
    make_project(store)
    yield store
    store.close()


def test_a_project_is_duplicated_and_the_copy_merged_back(store):
    assert told("duplicate", "Cells", "Copy") == "made Copy with 2 images, 6 instances and 1 decision\n"
    make_project(store, name="Third", images=3, instances=1)
    looked = invoke("merge", "Third", "--into", "Cells", "--dry-run")
    assert looked.stdout == (
        "would merge Third into Cells: 1 new image, 2 images of both, 0 new categories, 1 new instance, "
        "2 instances of both\n"
    )
    assert "Third" not in told("journal", "Cells") and len(store.images(1)) == 2
    merged = invoke("merge", "Third", "--into", "Cells")
    assert merged.exit_code == 0 and merged.stdout.startswith("merged Third into Cells: 1 new image")
    assert len(store.images(1)) == 3
    told("undo", "Cells")
    assert len(store.images(1)) == 2


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["duplicate", "Cells", "Cells"], "a project has this name already"),
        (["duplicate", "Nothing", "X"], "there is no such project"),
        (["merge", "Cells", "--into", "Cells"], "expected two projects"),
    ],
)
def test_what_cannot_be_is_said(store, arguments, says):
    result = invoke(*arguments)
    assert result.exit_code != 0 and (says in result.stderr or "already exists" in result.stderr)
    assert [row.name for row in store.projects()] == ["Cells"]
