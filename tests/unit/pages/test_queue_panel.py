"""The queue of a review stands still while people decide, and follows a link once."""

from maskrcnn_core.projects.review.review_queue import QueueFilter, QueueItem
from maskrcnn_core.projects.team.assignments import assign_images
from pages.review.queue_panel import keep_queue, look_at
from tests.builders.projects import change


class Project:
    """What the queue asks of an open project."""

    def __init__(self, store, id_):
        self.row = store.project(id_)
        self.images, self.facts = tuple(store.images(id_)), tuple(store.facts(id_))
        self.categories, self.who = store.categories(id_), "ann"

    def searched(self, search):
        assert not search
        return self.images


def test_the_queue_stands_still_while_people_decide(store, ui, review):
    review.wanted = QueueFilter(statuses=frozenset({"proposed"}))
    keep_queue(Project(store, ui.id), review)
    before = review.queue, review.token
    rows = [r for r in store.instances(ui.id) if r.image_id == before[0][0].image_id]
    store.decide(ui.id, "ann", "accept", [change(row, status="accepted") for row in rows])
    keep_queue(Project(store, ui.id), review)
    assert (review.queue, review.token) == before
    review.made_of = None  # asked for anew
    keep_queue(Project(store, ui.id), review)
    assert review.queue == before[0][1:] and review.token != before[1]


def test_a_link_is_followed_once_and_brings_in_what_the_queue_has_not(store, ui, review):
    project = Project(store, ui.id)
    review.wanted = QueueFilter(image_statuses=frozenset({"reviewed"}))
    keep_queue(project, review)
    assert review.queue == ()
    second = project.images[1].id
    look_at(project, review, second, None)
    assert review.item == QueueItem(second)
    review.address = (second, None)
    review.wanted = QueueFilter()
    keep_queue(project, review)
    review.at = 0 if review.queue[0].image_id != second else 1
    here = review.item
    look_at(project, review, second, None)
    assert review.item == here, "the page's own address is no link"
    look_at(project, review, 10**9, None)
    assert review.item == here, "nor is one to nothing"


def test_a_queue_begins_with_what_nobody_has_open(store, ui, review):
    project = Project(store, ui.id)
    review.queue, review.made_of = (), None
    keep_queue(project, review)
    first = review.queue[0].image_id
    review.queue, review.made_of = (), None
    keep_queue(project, review, {first})
    assert review.at == 1 and review.item.image_id != first
    review.queue, review.made_of = (), None
    keep_queue(project, review, {image.id for image in project.images})
    assert review.at == 0, "where others have all, their first one is shown"


def test_the_queue_keeps_to_ones_own_images(store, ui, review):
    last = store.images(ui.id)[-1]
    assign_images(store, ui.id, "bob", [last], "ann")
    project = Project(store, ui.id)
    review.whose = "only mine"
    keep_queue(project, review)
    assert [item.image_id for item in review.queue] == [last.id]
    review.whose = "mine first"
    keep_queue(project, review)
    assert review.queue[0].image_id == last.id and len(review.queue) == len(project.images)
    project.who, review.whose = "eve", "only mine"
    keep_queue(project, review)
    assert review.queue == ()
