"""``project tag``, ``project attributes`` and ``project set`` as a person calls them."""

import json

import pytest

from maskrcnn_core.projects.store import Store
from tests.builders.projects import make_project
from tests.unit.cli.test_project import data_folder, invoke, told  # noqa: F401


@pytest.fixture
def project():
    store = Store()
    yield make_project(store)
    store.close()


def test_images_are_tagged_and_the_tags_are_counted(project):
    assert told("tag", "Cells").split() == ["tag", "images"]
    done = told("tag", "Cells", "image 1.png", "image 2.png", "--add", "night", "--add", "wet")
    assert done == "2 images of 2 changed; 'project undo' takes it back\n"
    assert told("tag", "Cells", "image 1.png", "--add", "night", "--remove", "wet").startswith("1 image of 1")
    assert [line.split() for line in told("tag", "Cells").splitlines()[1:]] == [["night", "2"], ["wet", "1"]]
    told("undo", "Cells")
    assert told("tag", "Cells").splitlines()[-1].split() == ["wet", "2"]


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["tag", "Cells", "--add", "x"], "images: expected file names to tag"),
        (["tag", "Cells", "image 1.png"], "--add, --remove: expected a tag"),
        (["tag", "Cells", "no.png", "--add", "x"], "got no.png; nothing was done"),
        (["tag", "Cells", "image 1.png", "--add", "a,b"], "without commas"),
        (["attributes", "Cells", "--add", "a=text"], "category: expected one to declare"),
        (["attributes", "Cells", "wheel"], "category: expected one of cell, nucleus, got 'wheel'"),
        (["attributes", "Cells", "cell", "--add", "a"], "--add: expected NAME=..., got 'a'"),
        (["attributes", "Cells", "cell", "--add", "a=date"], "a kind of yes-no, choice, number, text"),
        (["attributes", "Cells", "cell", "--add", "a=choice"], "one option or more for a choice"),
        (["attributes", "Cells", "cell", "--add", "crowd=text"], "built-in crowd"),
        (["attributes", "Cells", "cell", "--remove", "a"], "--remove: expected one of none, got 'a'"),
        (["set", "Cells", "1000", "--value", "occluded"], "--value: expected NAME=..."),
        (["set", "Cells", "1000", "--value", "occluded=perhaps"], "expected yes or no, got 'perhaps'"),
        (["set", "Cells", "1000", "--value", "a=b"], "expected one of category cell"),
        (["set", "Cells", "1000", "7", "--value", "occluded=yes"], "got 7; nothing was done"),
    ],
)
def test_what_makes_no_sense_is_said_and_nothing_is_done(project, arguments, says):
    result = invoke(*arguments)
    assert result.exit_code != 0 and says in " ".join(result.stderr.split())
    assert len(told("journal", "Cells").splitlines()) == 4


def test_attributes_are_declared_set_and_written(project, tmp_path):
    done = told("attributes", "Cells", "cell", "--add", "stage=choice:early|late", "--add", "age=number")
    assert done == "cell declares 2 attributes; 'project undo' takes it back\n"
    assert (
        told("attributes", "Cells", "cell", "--add", "age=number") == "cell declares 2 attributes already\n"
    )
    shown = [line.split(maxsplit=2) for line in told("attributes", "Cells").splitlines()]
    assert ["cell", "stage", "one of early, late"] in shown and ["nucleus", "crowd", "yes or no"] in shown
    done = told("set", "Cells", "1000", "1002", "--value", "stage=late", "--value", "age=2.5")
    assert done.splitlines() == [
        "2 instances of 2 changed; 'project undo' takes it back",
        "1000: stage=late, age=2.5",
        "1002: stage=late, age=2.5",
    ]
    assert told("set", "Cells", "1000", "--value", "stage=", "--value", "crowd=yes").endswith(
        "1000: age=2.5, crowd\n"
    )
    told("attributes", "Cells", "cell", "--remove", "age")
    assert "a number" not in told("attributes", "Cells")
    out = tmp_path / "out.json"
    told("export", "Cells", "--out", out, "--status", "accepted,proposed", "--quiet")
    written = {row["id"]: row for row in json.loads(out.read_text())["annotations"]}
    assert written[1000]["attributes"] == {"age": 2.5} and written[1000]["iscrowd"] == 1
    assert written[1002]["attributes"] == {"stage": "late", "age": 2.5}


def test_images_are_listed_and_searched_a_page_at_a_time(project, tmp_path):
    told("tag", "Cells", "image 2.png", "--add", "night")
    listed = [line.split() for line in told("images", "Cells").splitlines()]
    assert listed[1:] == [
        ["image", "1.png", "new", "3", "0", "0"],
        ["image", "2.png", "new", "3", "0", "0", "night"],
        ["2", "images,", "page", "1", "of", "1"],
    ]
    paged = told("images", "Cells", "--per-page", "1", "--page", "2").splitlines()
    assert paged[-1] == "2 images, page 2 of 2" and "image 2.png" in paged[1]
    assert told("images", "Cells", "--search", "tag:night").endswith("1 image, page 1 of 1\n")
    assert "expected a status of" in invoke("images", "Cells", "--search", "status:x").stderr
    out = tmp_path / "out.json"
    told("export", "Cells", "--out", out, "--search", "tag:night", "--quiet")
    assert [row["file_name"] for row in json.loads(out.read_text())["images"]] == ["image 2.png"]


def test_a_split_has_a_test_part_and_says_what_is_in_each(tmp_path):
    store = Store()
    make_project(store, images=10)
    store.close()
    out = tmp_path / "cells.json"
    options = ("--out", out, "--status", "proposed", "--quiet")
    done = invoke("export", "Cells", *options, "--split", "0.2", "--test", "0.3", "--balance")
    assert done.exit_code == 0 and len(done.stdout.splitlines()) == 3
    lines = [line.split() for line in done.stderr.splitlines()]
    assert lines[0] == ["train", "val", "test"]
    assert lines[1] == ["images", "5", "(50%)", "2", "(20%)", "3", "(30%)"]
    assert lines[2] == ["cell", "10", "(50%)", "4", "(20%)", "6", "(30%)"]
    parts = [json.loads((tmp_path / f"cells.{part}.json").read_text()) for part in ("train", "val", "test")]
    assert [len(part["images"]) for part in parts] == [5, 2, 3]
    told("export", "Cells", *options, "--test", "0.5")
    assert len(json.loads((tmp_path / "cells.test.json").read_text())["images"]) == 5
    assert "--balance: expected --split or --test" in invoke("export", "Cells", *options, "--balance").stderr
    assert "together below 1" in invoke("export", "Cells", *options, "--split", "1").stderr
