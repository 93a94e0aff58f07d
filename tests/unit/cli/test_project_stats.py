"""``project stats`` as a person calls it."""

import csv

import pytest

from maskrcnn_core.projects.copying.duplicating import duplicate_project
from maskrcnn_core.projects.store import Store
from tests.builders.projects import change, make_project
from tests.unit.cli.test_project import data_folder, invoke, told  # noqa: F401


@pytest.fixture
def store():
    store = Store()
    make_project(store, images=1)
    yield store
    store.close()


def accept(store, project, who, count, status="accepted"):
    for image in store.images(project):
        store.mark_opened(image.id)
        rows = store.instances(project, image_id=image.id)[:count]
        changes = [change(row, status=status) for row in rows]
        store.decide(project, who, "accept", changes, image_id=image.id)


def table_in(file):
    return list(csv.DictReader(file.read_text("utf-8-sig").splitlines()))


def test_people_and_their_agreement_are_told_and_written(store, tmp_path):
    copy = duplicate_project(store, 1, "bob", "Copy").id
    accept(store, 1, "ann", 3)
    accept(store, 1, "bob", 1, "rejected")
    accept(store, copy, "bob", 2)
    out = tmp_path / "stats"
    lines = told("stats", "Cells", "--with", "Copy", "--csv", out).splitlines()
    people = [line.split()[:3] for line in lines[lines.index("people:") + 2 :][:2]]
    assert people == [["ann", "4", "0"], ["bob", "1", "0"]]
    between = lines[lines.index("agreement of projects:") + 2].split()
    assert between[:7] == ["Cells", "Copy", "1", "2", "1", "0", "1.000"]
    assert lines[-1].startswith("wrote 6 files into ")
    rows = table_in(out / "agreement.csv")
    assert [(r["first"], r["second"], r["matched"], r["same_decisions"]) for r in rows] == [
        ("ann", "bob", "1", "0")
    ]
    assert len(table_in(out / "images.csv")) == 1


def test_a_folder_that_cannot_be_written_is_said(store, tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    result = invoke("stats", "Cells", "--csv", file / "stats")
    assert result.exit_code != 0 and "cannot write" in result.stderr
