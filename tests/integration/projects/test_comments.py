"""Comments on images: pinned, answered, resolved, taken back, and carried by the project's own file."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from maskrcnn_core.errors import InputError, StoreError
from maskrcnn_core.projects.exchange.coco_in import import_coco
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.review.executing import ReviewExecutor
from maskrcnn_core.projects.review.operations import AddComment, Finish, Undo
from maskrcnn_core.projects.review.review_queue import QueueFilter, make_queue
from maskrcnn_core.projects.team.comments import (
    MOST_OF_A_COMMENT,
    add_answer,
    add_comment,
    are_comments,
    comments_of,
    open_comments,
    resolve_comment,
)
from tests.builders.projects import change, make_project

pytestmark = pytest.mark.both_databases


@pytest.fixture
def project(store):
    return make_project(store)


@pytest.fixture
def image(store, project):
    return store.images(project)[0].id


def texts(store, project):
    return [
        (one.who, one.text, one.is_resolved, [answer.text for answer in one.answers])
        for row in store.images(project)
        for one in comments_of(row)
    ]


def test_a_comment_is_answered_and_resolved_and_each_step_can_be_taken_back(store, project, image):
    add_comment(store, image, "ann", "  a cell, or dirt? ", (10.5, 20))
    add_answer(store, image, "bob", 1, "dirt")
    resolve_comment(store, image, "ann", 1)
    assert texts(store, project) == [("ann", "a cell, or dirt?", True, ["dirt"])]
    (one,) = comments_of(store.images(project)[0])
    assert (one.id, one.x, one.y) == (1, 10.5, 20)
    assert resolve_comment(store, image, "eve", 1) is None, "it is so already"
    assert open_comments(store.images(project)) == {}
    resolve_comment(store, image, "eve", 1, is_resolved=False)
    assert open_comments(store.images(project)) == {image: 1}
    store.undo(project, "eve")
    store.undo(project, "ann")
    assert texts(store, project) == [("ann", "a cell, or dirt?", False, ["dirt"])]
    store.undo(project, "bob")
    store.undo(project, "ann")
    assert texts(store, project) == [] and store.damaged_rows(project) == []
    kinds = [entry.kind for entry in store.journal(project, who="bob")]
    assert kinds == ["undo", "answer comment"]


def test_all_who_comment_at_once_are_heard(store, project, image):
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: add_comment(store, image, f"p{n}", f"text {n}", (n, n)), range(12)))
    (row, *_) = store.images(project)
    assert sorted(one.text for one in comments_of(row)) == sorted(f"text {n}" for n in range(12))
    assert [one.id for one in comments_of(row)] == list(range(1, 13))


def test_an_operation_pins_a_comment_once_and_the_review_undoes_it(store, project, image):
    executor = ReviewExecutor(store, "client-1", lambda: None)
    operation = AddComment(1, image, "here", 3.0, 4.0)
    for _ in range(2):
        executor.carry_out(operation, "ann", project_id=project)
    assert texts(store, project) == [("ann", "here", False, [])]
    executor.carry_out(Finish(2, image, 2, "reviewed"), "ann", project_id=project)
    assert store.images(project)[0].status == "reviewed", "a comment raises the image's version by one"
    for seq in (3, 4):
        executor.carry_out(Undo(seq), "ann", project_id=project)
    assert texts(store, project) == []


@pytest.mark.parametrize("text", ["", "  ", "x" * (MOST_OF_A_COMMENT + 1), "half \ud800"])
def test_what_is_no_text_is_refused(store, project, image, text):
    with pytest.raises(InputError, match="comment: expected 1 to 2000 characters"):
        add_comment(store, image, "ann", text, (1, 1))
    assert texts(store, project) == []


def test_what_is_not_there_is_told(store, project, image):
    with pytest.raises(StoreError, match="there is no such image"):
        add_comment(store, 10**6, "ann", "x", (1, 1))
    with pytest.raises(StoreError, match="comment 7: there is no such comment"):
        add_answer(store, image, "ann", 7, "x")
    row = store.images(project)[0]
    gone = [change(one, gone=True) for one in store.instances(project, image_id=image)]
    store.decide(project, "bob", "remove images", [change(row, "image", gone=True), *gone])
    with pytest.raises(StoreError, match="somebody has removed it"):
        add_comment(store, image, "ann", "x", (1, 1))


def test_comments_go_with_the_projects_own_file_and_come_back(store, project, image):
    add_comment(store, image, "ann", "<b>odd</b>", (1.25, 2))
    add_answer(store, image, "bob", 1, "yes")
    written = export_coco(store, project)
    other = store.create_project("Other", "ann").id
    import_coco(store, other, "ann", written, lambda _name: None)
    assert texts(store, other) == [("ann", "<b>odd</b>", False, ["yes"])]
    assert comments_of(store.images(other)[0]) == comments_of(store.images(project)[0])


def test_comments_of_a_file_that_can_be_none_are_left_out(store, project, image):
    add_comment(store, image, "ann", "odd", (1.25, 2))
    document = json.loads(export_coco(store, project))
    document["images"][0]["maskdesk"]["comments"][0]["x"] = "left"
    assert not are_comments(document["images"][0]["maskdesk"]["comments"])
    assert not are_comments([{"id": 1, "x": 1, "y": 1, "who": "a", "at": "", "text": "x" * 2001}])
    assert not are_comments([{"id": 1, "x": 1, "y": 1, "who": "a", "at": "", "text": "x"}] * 2)
    row = store.images(project)[0]
    store.decide(project, "eve", "x", [change(row, "image", extra={"maskdesk": {"comments": {"a": 1}}})])
    assert comments_of(store.images(project)[0]) == () and b"comments" not in export_coco(store, project)


def test_images_with_open_comments_are_a_queue(store, project):
    images = store.images(project)
    add_comment(store, images[1].id, "ann", "odd", (1.25, 2))
    wanted = QueueFilter(has_comments=True)

    def queue():
        return [i.image_id for i in make_queue(store.images(project), store.facts(project), [], wanted)]

    assert queue() == [images[1].id] and not wanted.is_of_instances
    resolve_comment(store, images[1].id, "ann", 1)
    assert queue() == []
