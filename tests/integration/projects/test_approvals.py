"""The second stage: images approved or returned, approvals that lapse, and what finds and exports them."""

import pytest

from maskrcnn_core.errors import ConflictError, InputError
from maskrcnn_core.projects.copying.duplicating import duplicate_project
from maskrcnn_core.projects.image_search import found_ids, parse_query
from maskrcnn_core.projects.new_rows import new_instance
from maskrcnn_core.projects.review.executing import ReviewExecutor
from maskrcnn_core.projects.review.operations import AddComment, Approve, Finish, ReturnImage, Undo
from maskrcnn_core.projects.team.approvals import (
    approve_image,
    approve_images,
    has_second_stage,
    return_image,
    set_second_stage,
    stage_counts,
    standing_approvals,
    told_verdict,
    verdict_of,
)
from maskrcnn_core.projects.team.assignments import assignee_of
from maskrcnn_core.projects.team.comments import comments_of
from tests.builders.core import disc
from tests.builders.projects import SIZE, change, make_project

pytestmark = pytest.mark.both_databases


@pytest.fixture
def project(store):
    return make_project(store)


@pytest.fixture
def image(store, project):
    """The first image, which ann has finished."""
    row = store.images(project)[0]
    store.decide(project, "ann", "finish image", [change(row, "image", status="reviewed")], image_id=row.id)
    return row.id


def row_of(store, project, image):
    return store.images(project, ids=[image])[0]


def seen(store, project, image):
    return {row.id: row.version for row in store.instances(project, image_id=image)}


def at_stage(store, project, query):
    return found_ids(store, project, parse_query(query))


def approve(store, project, image, who="bob"):
    return approve_image(store, image, who, seen(store, project, image))


def test_an_annotated_image_is_to_be_approved_and_then_approved(store, project, image):
    assert at_stage(store, project, "stage:to-approve") == {image}
    entry = approve(store, project, image)
    assert (entry.kind, entry.image_id) == ("approve image", image)
    verdict = verdict_of(row_of(store, project, image))
    assert (verdict.said, verdict.who, verdict.annotator) == ("approved", "bob", "ann")
    assert (
        at_stage(store, project, "stage:approved") == standing_approvals(store, project, [image]) == {image}
    )
    assert at_stage(store, project, "stage:to-approve stage:lapsed") == set()
    assert stage_counts(store, project) == {"approved": 1, "to-approve": 0, "returned": 0, "lapsed": 0}
    assert approve(store, project, image, "eve") is None, "it is approved already"
    assert store.damaged_rows(project) == []


def test_undo_takes_an_approval_back_and_redo_brings_it_again(store, project, image):
    approve(store, project, image)
    store.undo(project, "bob")
    assert verdict_of(row_of(store, project, image)) is None
    assert at_stage(store, project, "stage:to-approve") == {image}
    store.redo(project, "bob")
    assert at_stage(store, project, "stage:approved") == {image}


def relabelled(store, project, image):
    row = store.instances(project, image_id=image)[0]
    other = next(one.id for one in store.categories(project) if one.id != row.category_id)
    return [change(row, category_id=other)]


def removed(store, project, image):
    return [change(store.instances(project, image_id=image)[0], gone=True)]


def added(store, project, image):
    category = store.categories(project)[0].id
    return [new_instance(image, category, 5000, disc(*SIZE, 20, 20, 5), source="person")]


def reopened(store, project, image):
    return [change(row_of(store, project, image), "image", status="opened")]


@pytest.mark.parametrize("edit", [relabelled, removed, added, reopened])
def test_an_approval_lapses_with_whatever_is_changed_afterwards(store, project, image, edit):
    approve(store, project, image)
    store.decide(project, "eve", "edit", edit(store, project, image))
    assert at_stage(store, project, "stage:lapsed") == {image}
    assert at_stage(store, project, "stage:approved") == set()
    assert told_verdict(row_of(store, project, image), stands=False).startswith("approval lapsed: bob")
    is_finished = edit is not reopened
    assert at_stage(store, project, "stage:to-approve") == ({image} if is_finished else set())
    if is_finished:
        approve(store, project, image)
        assert at_stage(store, project, "stage:approved") == {image}
        assert at_stage(store, project, "stage:lapsed") == set()


def test_what_takes_the_place_of_a_removed_instance_does_not_look_like_it(store, project, image):
    """The sum of versions of what is there would be the same again."""
    approve(store, project, image)
    store.decide(project, "eve", "edit", removed(store, project, image))
    store.decide(project, "eve", "edit", added(store, project, image))
    assert at_stage(store, project, "stage:lapsed") == {image}


def test_nobody_approves_what_they_have_not_seen(store, project, image):
    before = seen(store, project, image)
    store.decide(project, "eve", "edit", relabelled(store, project, image))
    with pytest.raises(ConflictError, match="look at it again"):
        approve_image(store, image, "bob", before)
    assert verdict_of(row_of(store, project, image)) is None


def test_an_image_that_is_not_finished_is_neither_approved_nor_returned(store, project):
    other = store.images(project)[1]
    for act in (
        lambda: approve(store, project, other.id),
        lambda: return_image(store, other.id, "bob", "no"),
        lambda: approve_images(store, project, "bob", [other]),
    ):
        with pytest.raises(InputError, match=r"image 2\.png: expected an image that is finished, got .* new"):
            act()
    assert store.journal(project, who="bob") == []


def test_a_returned_image_is_its_annotators_again_with_the_comment(store, project, image):
    instance = store.instances(project, image_id=image)[0]
    return_image(store, image, "bob", "the left one is two", place=(12, 7), instance_id=instance.id)
    row = row_of(store, project, image)
    assert (row.status, assignee_of(row)) == ("opened", "ann")
    (comment,) = comments_of(row)
    assert (comment.who, comment.text, comment.x, comment.y) == ("bob", "the left one is two", 12, 7)
    assert comment.instance == instance.coco_id
    assert at_stage(store, project, "stage:returned") == at_stage(store, project, "returned:ann") == {image}
    assert at_stage(store, project, "returned:bob") == set()
    store.decide(project, "ann", "finish image", [change(row, "image", status="reviewed")], image_id=image)
    assert at_stage(store, project, "stage:returned") == set()
    assert at_stage(store, project, "stage:to-approve") == {image}
    store.undo(project, "ann")
    store.undo(project, "bob")
    row = row_of(store, project, image)
    assert (row.status, assignee_of(row), comments_of(row)) == ("reviewed", "", ())


def test_images_are_approved_together_or_not_at_all(store, project, image):
    first, second = store.images(project)
    with pytest.raises(InputError):
        approve_images(store, project, "bob", [first, second])
    assert at_stage(store, project, "stage:approved") == set()
    store.decide(
        project, "eve", "finish image", [change(second, "image", status="reviewed")], image_id=second.id
    )
    rows = store.images(project)
    entry = approve_images(store, project, "bob", rows)
    assert len(entry.changes) == 2
    assert [verdict_of(row).annotator for row in store.images(project)] == ["ann", "eve"]
    assert approve_images(store, project, "bob", rows) is None
    store.undo(project, "bob")
    assert at_stage(store, project, "stage:approved") == set()


def test_an_approval_is_of_the_image_and_not_of_its_copy(store, project, image):
    approve(store, project, image)
    copy = duplicate_project(store, project, "eve", "Copy")
    assert stage_counts(store, copy.id) == {"lapsed": 1, "to-approve": 1, "approved": 0, "returned": 0}
    assert verdict_of(store.images(copy.id)[0]).who == "bob"


def test_the_reviews_operations_approve_and_return_once_and_are_undone(store, project, image):
    executor = ReviewExecutor(store, "client-1", lambda: None)
    versions = tuple(seen(store, project, image).items())
    for _ in range(2):
        executor.carry_out(Approve(1, image, versions), "bob", project_id=project)
        executor.carry_out(ReturnImage(2, image, "again", 3.0, 4.0), "bob", project_id=project)
    assert [entry.kind for entry in store.journal(project, who="bob")] == ["return image", "approve image"]
    executor.carry_out(Undo(3), "bob", project_id=project)
    assert at_stage(store, project, "stage:approved") == {image}
    version = row_of(store, project, image).version
    executor.carry_out(Finish(4, image, version, "opened"), "ann", project_id=project)
    assert at_stage(store, project, "stage:lapsed") == {image}


def test_a_comment_on_an_instance_outlives_it(store, project, image):
    executor = ReviewExecutor(store, "client-1", lambda: None)
    instance = store.instances(project, image_id=image)[1]
    executor.carry_out(AddComment(1, image, "odd", 5.0, 6.0, instance.id), "bob", project_id=project)
    executor.carry_out(AddComment(2, image, "of nothing", 5.0, 6.0, (9, 9)), "bob", project_id=project)
    store.decide(project, "eve", "remove", [change(instance, gone=True)])
    first, second = comments_of(row_of(store, project, image))
    assert (first.text, first.instance, first.x) == ("odd", instance.coco_id, 5.0)
    assert (second.text, second.instance) == ("of nothing", None), "its text is kept all the same"


def test_the_second_stage_is_off_until_somebody_wants_it(store, project):
    assert not has_second_stage(store.project(project))
    set_second_stage(store, "ann", store.project(project), is_wanted=True)
    assert has_second_stage(store.project(project))
    assert set_second_stage(store, "ann", store.project(project), is_wanted=True) is None
    store.undo(project, "ann")
    assert not has_second_stage(store.project(project))


def test_a_stage_that_is_none_is_refused():
    with pytest.raises(
        InputError, match="expected a stage of to-approve, approved, returned, lapsed, got 'x'"
    ):
        parse_query("stage:x")
