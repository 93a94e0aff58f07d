"""Images that are given to people, and queues of one's own."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_core.errors import ConflictError, InputError
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.review.review_queue import QueueItem
from maskrcnn_core.projects.team.assignments import (
    assign_evenly,
    assign_images,
    assignee_of,
    left_to_share,
    own_queue,
    share_out,
    workload,
)
from tests.builders.projects import change, make_project

pytestmark = pytest.mark.both_databases


@pytest.fixture
def project(store):
    return make_project(store, images=7, instances=1)


def whose(store, project):
    return [assignee_of(row) for row in store.images(project)]


def test_images_are_assigned_by_hand_and_undo_takes_it_back(store, project):
    rows = store.images(project)
    assign_images(store, project, "eve", rows[:2], " Ann ")
    assign_images(store, project, "eve", store.images(project)[1:3], "Bob")
    assert whose(store, project)[:4] == ["Ann", "Bob", "Bob", ""]
    store.undo(project, "eve")
    assert whose(store, project)[:4] == ["Ann", "Ann", "", ""]
    store.redo(project, "eve")
    assert assign_images(store, project, "eve", store.images(project)[1:3], "Bob") is None, "it is so already"
    assign_images(store, project, "eve", store.images(project), "")
    assert whose(store, project) == [""] * 7
    assert store.damaged_rows(project) == []


def test_what_else_is_kept_beside_an_image_stays_and_no_file_has_the_assignment(store, project):
    row = store.images(project)[0]
    extra = {"licence": 3, "maskdesk": {"id": "first"}}
    store.decide(project, "eve", "import", [change(row, "image", extra=extra)])
    before = export_coco(store, project)
    row = store.images(project)[0]
    assign_images(store, project, "eve", [row], "Ann")
    row = store.images(project)[0]
    assert row.extra == {"licence": 3, "maskdesk": {"id": "first", "assignee": "Ann"}}
    assert export_coco(store, project) == before
    assign_images(store, project, "eve", [row], "")
    assert store.images(project)[0].extra == extra


def test_images_are_shared_out_evenly_in_one_decision(store, project):
    first = store.images(project)[0]
    store.decide(project, "eve", "finish image", [change(first, "image", status="reviewed")])
    assign_images(store, project, "eve", store.images(project)[1:2], "Ann")
    rest = left_to_share(store.images(project))
    assert len(rest) == 5
    assign_evenly(store, project, "eve", rest, ["Bob", "Eve"], seed=3)
    names = whose(store, project)
    assert names[:2] == ["", "Ann"] and sorted(Counter(names[2:]).values()) == [2, 3]
    assert workload(store.images(project))["Ann"] == (1, 1)
    store.undo(project, "eve")
    assert whose(store, project) == ["", "Ann", *[""] * 5]


def test_what_cannot_be_assigned_is_refused_with_the_reason(store, project):
    rows = store.images(project)
    with pytest.raises(InputError, match="expected one or more to assign, got none"):
        assign_images(store, project, "eve", [], "Ann")
    with pytest.raises(InputError, match="person: "):
        assign_images(store, project, "eve", rows, "x" * 5000)
    with pytest.raises(InputError, match="expected each once, got Ann twice"):
        assign_evenly(store, project, "eve", rows, ["Ann", "Ann "])
    with pytest.raises(InputError, match="expected one name or more"):
        assign_evenly(store, project, "eve", rows, [])
    assign_images(store, project, "eve", rows[:1], "Ann")
    with pytest.raises(ConflictError):
        assign_images(store, project, "bob", [replace(rows[0])], "Bob")
    assert whose(store, project)[0] == "Ann"


def test_a_name_that_is_no_text_is_nobody(store, project):
    row = store.images(project)[0]
    store.decide(project, "eve", "x", [change(row, "image", extra={"maskdesk": {"assignee": [1]}})])
    assert whose(store, project)[0] == "" and workload(store.images(project)) == {}


@given(
    st.lists(st.integers(1, 10**6), unique=True, max_size=50),
    st.lists(st.sampled_from("ABCDEFG"), min_size=1, unique=True),
    st.integers(0, 99),
)
def test_shares_differ_by_one_at_most_and_are_the_same_again(images, people, seed):
    shares = share_out(images, people, seed=seed)
    assert shares.keys() == set(images) and shares == share_out(images, people, seed=seed)
    counts = Counter(shares.values())
    sizes = [counts[name] for name in people]
    assert max(sizes) - min(sizes) <= 1


def test_ones_own_images_come_first_or_alone_in_the_order_of_the_queue():
    queue = [QueueItem(image) for image in (4, 1, 3, 2)]
    names = {1: "Ann", 2: "Ann", 3: "Bob"}
    ids = lambda whose: [item.image_id for item in own_queue(queue, names, "Ann", whose)]  # noqa: E731
    assert ids("all") == [4, 1, 3, 2]
    assert ids("mine first") == [1, 2, 4, 3]
    assert ids("only mine") == [1, 2]
