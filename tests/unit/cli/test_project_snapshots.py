"""``project snapshot ...`` as a person calls it."""

import json
import os

import pytest

from maskrcnn_core.projects.store import Store
from tests.builders.projects import change, make_project
from tests.unit.cli.test_project import data_folder, invoke, told  # noqa: F401


@pytest.fixture
def store():
    store = Store()
    make_project(store)
    yield store
    store.close()


def test_a_snapshot_is_made_compared_restored_and_exported(store, tmp_path):
    assert told("snapshot", "make", "Cells", "first") == (
        "kept first with 2 images, 6 instances and 2 categories\n"
    )
    listed = told("snapshot", "list", "Cells").splitlines()
    assert len(listed) == 2 and listed[1].split()[0] == "first" and listed[1].split()[-3:] == ["2", "6", "2"]
    assert told("snapshot", "compare", "Cells", "first") == "nothing differs\n"
    rows = store.instances(1)
    store.decide(1, "bob", "accept", [change(row, status="accepted") for row in rows[:2]])
    compared = told("snapshot", "compare", "Cells", "first").splitlines()
    assert compared[0] == "instances: 2 with another status"
    assert [line.split() for line in compared if line.startswith("cell ")] == [
        ["cell", "0", "0", "0", "0", "1", "0", "0"]
    ]
    told("snapshot", "make", "Cells", "second")
    assert told("snapshot", "compare", "Cells", "first", "second").startswith("instances: 2 with another")
    out = tmp_path / "then.json"
    assert "wrote" in told("snapshot", "export", "Cells", "first", "--out", out, "--all")
    written = json.loads(out.read_text())["annotations"]
    assert len(written) == 6 and {row["maskdesk"]["status"] for row in written} == {"proposed"}
    told("snapshot", "export", "Cells", "second", "--out", out)
    assert len(json.loads(out.read_text())["annotations"]) == 2
    assert told("snapshot", "restore", "Cells", "first") == (
        "restored first: instances: 2 with another status; 'project undo' takes it back\n"
    )
    assert told("snapshot", "restore", "Cells", "first").endswith("as it was at first already\n")
    assert {row.status for row in store.instances(1)} == {"proposed"}
    told("undo", "Cells")
    assert [row.status for row in store.instances(1)][:2] == ["accepted"] * 2
    assert told("verify", "Cells", "--quiet") == "Cells: everything is as it was written\n"


def test_verify_names_a_snapshot_whose_file_is_damaged(store, data_folder):  # noqa: F811
    told("snapshot", "make", "Cells", "first")
    newest = max(data_folder.rglob("*"), key=lambda file: (len(file.name) == 64, os.stat(file).st_mtime_ns))
    newest.write_bytes(b"x")
    result = invoke("verify", "Cells", "--quiet")
    assert result.exit_code == 1 and "snapshot first: " in result.stderr
    assert result.stdout == "Cells: 0 damaged rows, 1 damaged or missing file\n"


def test_a_snapshot_that_there_is_not_is_said(store):
    result = invoke("snapshot", "restore", "Cells", "first")
    assert result.exit_code != 0 and "snapshot: expected one of none, got 'first'" in result.stderr
