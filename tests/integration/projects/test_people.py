"""What each person said of a project's instances, as its journal has it, on both databases."""

import csv
import io

import pytest

from maskrcnn_core.projects.category_edits import merge_categories
from maskrcnn_core.projects.copying.duplicating import duplicate_project
from maskrcnn_core.projects.image_tags import tag_images
from maskrcnn_core.projects.new_rows import mask_values
from maskrcnn_core.projects.people.saying import said_by_people, said_in_project
from maskrcnn_core.projects.people.tables import (
    agreement_of_people,
    agreement_of_projects,
    csv_members,
    project_tables,
)
from maskrcnn_core.projects.people.work import deeds_of, work_by_person
from maskrcnn_core.projects.review.operations import ACCEPT_ALL
from tests.builders.core import disc
from tests.builders.projects import SIZE, change, make_project

pytestmark = pytest.mark.both_databases


@pytest.fixture
def project(store):
    return make_project(store, images=2)


def decide(store, project, who, kind, rows, **values):
    """A review's decision on instances of one image, as they are now."""
    now = {row.id: row for row in store.instances(project)}
    changes = [change(now[row.id], **values) for row in rows]
    store.decide(project, who, kind, changes, image_id=rows[0].image_id)


def verdicts(said):
    return {image: sorted((one.category, one.verdict) for one in found) for image, found in said.items()}


def test_a_persons_word_is_what_their_own_last_decision_left(store, project):
    a, b, c, *_ = store.instances(project)
    image = a.image_id
    _, nucleus = store.categories(project)
    moved = disc(*SIZE, 22, 31, 9)
    decide(store, project, "ann", "accept", [a, b, c], status="accepted")
    decide(store, project, "bob", "relabel", [a], category_id=nucleus.id)
    decide(store, project, "bob", "brush", [b], **mask_values(moved))
    decide(store, project, "bob", "reject", [c], status="rejected")
    decide(store, project, "cleo", "reopen", [c], status="proposed")
    said = said_by_people(store, project)
    assert verdicts(said["ann"]) == {
        image: [("cell", "accepted"), ("cell", "accepted"), ("nucleus", "accepted")]
    }
    assert verdicts(said["bob"]) == {
        image: [("cell", "rejected"), ("nucleus", "accepted"), ("nucleus", "accepted")]
    }
    assert said["cleo"] == {image: []}
    assert {one.mask.counts for one in said["ann"][image]} == {a.counts, b.counts, c.counts}
    assert moved.counts in {one.mask.counts for one in said["bob"][image]}
    found = agreement_of_people(store, project)
    assert list(found) == [("ann", "bob"), ("ann", "cleo"), ("bob", "cleo")]
    of_two = found["ann", "bob"]
    assert (of_two.images, of_two.matched, of_two.only_first, of_two.only_second) == (1, 3, 0, 0)
    assert of_two.same_decisions == pytest.approx(2 / 3) and of_two.same_categories == 0.5
    assert 0.5 < of_two.mean_iou < 1


def test_what_was_taken_back_is_nobodys_word(store, project):
    rows = store.instances(project)
    decide(store, project, "ann", "accept", rows[:1], status="accepted")
    store.undo(project, "ann")
    accepted = [change(row, status="accepted") for row in store.instances(project)]
    store.decide(project, "bob", ACCEPT_ALL, accepted)
    assert said_by_people(store, project)["ann"] == {rows[0].image_id: []}
    assert sum(map(len, said_by_people(store, project)["bob"].values())) == 6
    store.undo(project, "bob")
    assert "bob" not in said_by_people(store, project)


def test_a_merge_of_categories_afterwards_changes_nobodys_word(store, project):
    rows = store.instances(project)
    cell, nucleus = store.categories(project)
    decide(store, project, "ann", "accept", rows[:2], status="accepted")
    merge_categories(store, project, "bob", [nucleus], cell)
    assert verdicts(said_by_people(store, project)["ann"]) == {
        rows[0].image_id: [("cell", "accepted"), ("nucleus", "accepted")]
    }
    assert "bob" not in said_by_people(store, project)


def test_what_somebody_removed_they_rejected(store, project):
    rows = store.instances(project)
    decide(store, project, "ann", "remove", rows[:1], gone=True)
    assert verdicts(said_by_people(store, project)["ann"]) == {rows[0].image_id: [("cell", "rejected")]}


def test_copies_that_two_people_worked_on_are_compared_by_the_images_content(store, project):
    copy = duplicate_project(store, project, "bob", "Copy").id
    for id_, who, count in ((project, "ann", 3), (copy, "bob", 2)):
        for image in store.images(id_):
            store.mark_opened(image.id)
        rows = store.instances(id_)
        decide(store, id_, who, "accept", rows[:count], status="accepted")
    assert len(said_in_project(store, project)) == 2
    found = agreement_of_projects(store, {"Cells": project, "Copy": copy})
    one = found["Cells", "Copy"]
    assert (one.images, one.matched, one.only_first, one.only_second) == (2, 2, 1, 0)
    assert one.mean_iou == 1.0 and one.same_categories == 1.0


def test_a_project_that_nobody_opened_agrees_with_nothing(store, project):
    copy = duplicate_project(store, project, "bob", "Copy").id
    assert agreement_of_projects(store, {"Cells": project, "Copy": copy}) == {}
    assert said_in_project(store, project) == {}


def test_models_have_no_work_and_people_do(store, project):
    rows = store.instances(project)
    store.decide(project, "nuclei", "propose", [change(rows[5], score=0.5)], image_id=rows[5].image_id)
    decide(store, project, "bob", "accept", rows[:2], status="accepted")
    store.undo(project, "bob")
    work = {one.who: one for one in work_by_person(deeds_of(store, project))}
    assert set(work) == {"ann", "bob"} and work["ann"].kinds == {
        "make project": 1,
        "add images": 1,
        "add instances": 1,
    }
    assert (work["bob"].decisions, work["bob"].undone, work["bob"].images) == (1, 1, 1)


def test_tables_are_csv_that_holds_no_formula(store, project):
    rows = store.instances(project)
    tag_images(store, project, "=ann", store.images(project)[:1], add=["@x"])
    decide(store, project, "=ann", "accept", rows[:1], status="accepted")
    decide(store, project, "bob", "accept", rows[:1], status="accepted")
    decide(store, project, "bob", "reject", rows[1:2], status="rejected")
    files = {
        member.name: member.data.decode("utf-8-sig") for member in csv_members(project_tables(store, project))
    }
    assert list(files) == ["categories.csv", "images.csv", "people.csv", "days.csv", "agreement.csv"]
    read = {name: list(csv.DictReader(io.StringIO(text))) for name, text in files.items()}
    assert [(r["category"], r["accepted"], r["rejected"]) for r in read["categories.csv"]] == [
        ("cell", "1", "0"),
        ("nucleus", "0", "1"),
    ]
    assert [r["tags"] for r in read["images.csv"]] == ["'@x", ""]
    assert {r["person"]: r["decisions"] for r in read["people.csv"]} == {"ann": "3", "'=ann": "2", "bob": "1"}
    assert sum(int(r["decisions"]) for r in read["days.csv"]) == 6
    assert len(read["agreement.csv"]) == 1 and read["agreement.csv"][0]["images"] == "1"
