"""What others do is drawn where it is shown, and nowhere else."""

import pytest

from maskrcnn_core.projects.records import Entry
from maskrcnn_core.projects.team.presence import Visitor, glance, visible_decisions
from pages.shared.watching import Shows, TeamWatch, names_of
from tests.builders.projects import change, make_project


class Screens:
    """Browsers: which session shows which parts, and which were asked to be drawn."""

    def __init__(self):
        self.shown, self.drawn = {}, []

    def is_shown(self, session, part):
        return part in self.shown.get(session, ())

    def draw(self, session, parts):
        self.drawn += [(session, part) for part in parts]


class World:
    """A project with three images, and people who look at it."""

    def __init__(self, store):
        self.store, self.project = store, make_project(store, images=3)
        self.images = [image.id for image in store.images(self.project)]
        self.now, self.screens = 1000.0, Screens()
        self.watch = TeamWatch(store, self.screens, clock=lambda: self.now)

    def draw(self, session, who, place, near=None, activity=0):
        """A page is drawn: it reads, and tells what it shows."""
        self.screens.shown[session] = {"desk", "people"}
        others = self.watch.others(session, self.project, who)
        near = frozenset(self.images[n] for n in ([place] if near is None else near))
        claims = {o.image_id: o.name for o in others if o.image_id in near and not o.is_idle}
        known = visible_decisions(self.store, self.project)
        image = self.images[place]
        shows = Shows(self.project, who, image, near, claims, known, activity, names_of(others))
        self.watch.show(session, "desk", shows)

    def decide(self, who, image, status="accepted") -> Entry:
        (row, *_) = self.store.instances(self.project, image_id=self.images[image])
        return self.store.decide(
            self.project, who, "accept", [change(row, status=status)], image_id=row.image_id
        )

    def look(self, seconds=2.0):
        """Let time pass; return what is to be drawn then."""
        self.now += seconds
        self.screens.drawn = []
        self.watch.look()
        return self.screens.drawn

    def visitors(self) -> list[Visitor]:
        return glance(self.store, self.project, 0).visitors

    def there(self):
        return sorted((one.who, self.images.index(one.image_id)) for one in self.visitors())


@pytest.fixture
def world(store):
    return World(store)


def test_nobody_is_drawn_while_nothing_happens(world):
    world.draw("a", "Ann", 0)
    world.draw("b", "Bob", 1)
    world.look()
    world.draw("a", "Ann", 0)
    world.draw("b", "Bob", 1)
    assert [world.look() for _ in range(5)] == [[]] * 5
    assert world.there() == [("Ann", 0), ("Bob", 1)]


def test_who_comes_and_goes_is_drawn_for_all_but_not_at_once(world):
    world.draw("a", "Ann", 0)
    world.draw("b", "Bob", 1)
    assert world.look(1) == []
    assert ("a", "desk") in world.look(3)
    world.draw("a", "Ann", 0)
    world.screens.shown.pop("b")
    assert ("a", "desk") not in world.look(1)
    assert ("a", "desk") in world.look(3)


def test_a_decision_is_drawn_where_its_image_is_shown_and_once(world):
    world.draw("a", "Ann", 0)
    world.draw("b", "Bob", 1)
    world.look()
    world.draw("a", "Ann", 0)
    world.draw("b", "Bob", 1)
    world.decide("Eve", 1)
    assert world.look() == [("b", "desk")]
    world.draw("b", "Bob", 1)
    assert world.look() == []


def test_ones_own_decision_is_not_drawn_again(world):
    world.draw("a", "Ann", 0)
    world.look()
    world.decide("Ann", 0)
    world.draw("a", "Ann", 0, activity=1)
    assert world.look() == []


def test_a_decision_on_many_images_is_drawn_everywhere(world):
    world.draw("a", "Ann", 0)
    world.draw("b", "Bob", 1)
    world.look()
    rows = world.store.instances(world.project)
    world.store.decide(world.project, "Eve", "accept all", [change(r, status="accepted") for r in rows])
    assert sorted(world.look()) == [("a", "desk"), ("b", "desk")]


def test_counts_follow_a_decision_elsewhere_a_little_later(world):
    world.draw("a", "Ann", 0)
    world.look()
    world.decide("Eve", 2)
    assert world.look() == []
    assert world.look(10) == [("a", "desk")]


def test_what_was_asked_for_in_vain_is_asked_for_again(world):
    world.draw("a", "Ann", 0)
    world.look()
    world.decide("Eve", 0)
    assert world.look() == [("a", "desk")]
    assert world.look(0.5) == []
    assert world.look() == [("a", "desk")]


def test_a_decision_made_between_two_looks_and_before_the_first_is_not_missed(world):
    world.draw("a", "Ann", 0)
    world.decide("Eve", 0)
    assert world.look() == [("a", "desk")]


def test_who_opens_a_neighbouring_image_is_drawn_and_one_far_away_is_not(world):
    world.draw("a", "Ann", 0, near=[0, 1])
    world.draw("b", "Bob", 2)
    world.look()
    world.draw("b", "Bob", 1)
    assert world.look() == [("a", "desk")]
    world.draw("a", "Ann", 0, near=[0, 1])
    assert world.look() == []
    world.draw("b", "Bob", 2)
    assert world.look() == [("a", "desk")], "it is free again"


def test_a_page_that_was_closed_gives_back_its_image_at_once(world):
    world.draw("a", "Ann", 0)
    world.draw("b", "Bob", 1, near=[0, 1])
    world.look()
    world.draw("b", "Bob", 1, near=[0, 1])
    del world.screens.shown["a"]
    assert [one.who for one in world.watch.others("b", world.project, "Bob")] == []
    assert world.look() == [("b", "desk")]
    assert world.there() == [("Bob", 1)]
    world.draw("a", "Ann", 0)
    world.look()
    assert world.there() == [("Ann", 0), ("Bob", 1)]


def test_ones_own_page_from_before_a_reload_is_nobody(world):
    world.draw("old", "Ann", 0)
    world.look()
    del world.screens.shown["old"]
    assert world.watch.others("new", world.project, "") == ()


def test_who_does_nothing_for_long_is_away_though_their_page_is_drawn_for_others(world):
    world.draw("a", "Ann", 0)
    for _ in range(12):
        world.look(60)
        world.draw("a", "Ann", 0)
    assert [one.is_idle for one in world.visitors()] == [True]
    world.draw("a", "Ann", 0, activity=1)
    world.look(60)
    assert [one.is_idle for one in world.visitors()] == [False]


def test_the_list_of_people_is_drawn_when_it_changes_but_not_too_often(world):
    world.draw("a", "Ann", 0)
    assert world.watch.list_people("a", "people", world.project, "Ann") == ()
    world.draw("b", "Bob", 1)
    assert world.look(1) == []
    assert ("a", "people") in world.look()
    (bob,) = world.watch.list_people("a", "people", world.project, "Ann")
    assert (bob.who, bob.file_name) == ("Bob", "image 2.png")
    world.draw("a", "Ann", 0)
    assert ("a", "people") not in world.look(10)


def test_who_goes_on_is_no_longer_told_that_others_are_here(world):
    world.draw("b", "Bob", 0)
    world.draw("a", "Ann", 0)
    world.look()
    world.draw("a", "Ann", 0)
    world.watch.list_people("a", "people", world.project, "Ann")
    assert ("a", "people") not in world.look(0.5)
    world.draw("a", "Ann", 1)
    assert ("a", "people") in world.look(0.5)
    world.watch.list_people("a", "people", world.project, "Ann")
    world.draw("a", "Ann", 2)
    assert ("a", "people") not in world.look(0.5), "nobody is at either"


def test_sessions_on_different_projects_do_not_disturb_each_other(world):
    other = make_project(world.store, name="Other")
    world.draw("a", "Ann", 0)
    world.look()
    (row, *_) = world.store.instances(other)
    world.store.decide(other, "Eve", "accept", [change(row, status="accepted")], image_id=row.image_id)
    assert world.look(20) == []
