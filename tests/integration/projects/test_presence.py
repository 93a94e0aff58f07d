"""Who is in a project: signs of life that end by themselves, and images that others have open."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from maskrcnn_core.projects.db.tables import PRESENCE
from maskrcnn_core.projects.removal import delete_project, purge
from maskrcnn_core.projects.team.presence import (
    IDLE_SECONDS,
    LEASE_SECONDS,
    claimed_images,
    glance,
    leave,
    others_of,
    renew,
    visible_decisions,
    visit,
)
from tests.builders.projects import change, make_project
from tests.integration.projects.test_removal import LATER, age_files

pytestmark = pytest.mark.both_databases


@pytest.fixture
def project(store):
    return make_project(store, images=3)


@pytest.fixture
def images(store, project):
    return [image.id for image in store.images(project)]


def age(store, visitor, column, seconds):
    """Let time pass for a visitor."""
    with store.writing() as connection:
        here = PRESENCE.c.visitor == visitor
        before = connection.execute(select(PRESENCE.c[column]).where(here)).scalar_one()
        connection.execute(update(PRESENCE).where(here).values({column: before - timedelta(seconds=seconds)}))


def there(store, project):
    return [(one.name, one.file_name) for one in glance(store, project, 0).visitors]


def claims(store, project, visitor="", who=""):
    return claimed_images(others_of(glance(store, project, 0).visitors, visitor, who))


def test_who_opens_an_image_is_there_until_they_leave(store, project, images):
    visit(store, project, "v1", "Ann", images[0])
    visit(store, project, "v2", "", None)
    assert there(store, project) == [("Ann", "image 1.png"), ("somebody", "")]
    visit(store, project, "v1", "Ann", images[1])
    assert there(store, project) == [("somebody", ""), ("Ann", "image 2.png")]
    leave(store, ["v1", "v2", "v3"])
    assert there(store, project) == []


def test_an_image_is_claimed_for_others_only_and_the_first_one_has_it(store, project, images):
    visit(store, project, "v1", "Ann", images[0])
    visit(store, project, "v2", "Bob", images[0])
    visit(store, project, "v3", "Ann", images[2])
    assert claims(store, project, "v4", "Eve") == {images[0]: "Ann", images[2]: "Ann"}
    assert claims(store, project, "v1", "Ann") == {images[0]: "Bob"}
    assert claims(store, project, "v2", "Bob") == {images[0]: "Ann", images[2]: "Ann"}
    visit(store, project, "v5", "", images[1])
    assert claims(store, project, "v6", "")[images[1]] == "somebody"
    assert images[1] not in claims(store, project, "v5", "")


def test_a_dead_browser_lets_go_after_the_lease_and_a_living_one_does_not(store, project, images):
    visit(store, project, "dead", "Ann", images[0])
    visit(store, project, "alive", "Bob", images[1])
    for visitor in ("dead", "alive"):
        age(store, visitor, "seen_at", LEASE_SECONDS + 1)
    assert there(store, project) == []
    renew(store, {"alive": 0.0})
    assert there(store, project) == [("Bob", "image 2.png")]
    with store.reading() as connection:
        assert connection.execute(select(PRESENCE.c.visitor)).scalars().all() == ["alive"]


def test_who_does_nothing_for_long_holds_no_image_but_is_there(store, project, images):
    visit(store, project, "v1", "Ann", images[0])
    renew(store, {"v1": IDLE_SECONDS + 5})
    assert claims(store, project) == {}
    assert [one.is_idle for one in glance(store, project, 0).visitors] == [True]
    renew(store, {"v1": 3.0})
    assert claims(store, project) == {images[0]: "Ann"}


def test_presence_is_in_no_journal_and_changes_no_revision(store, project, images):
    before = store.revision(project), len(store.journal(project))
    visit(store, project, "v1", "Ann", images[0])
    leave(store, ["v1"])
    assert (store.revision(project), len(store.journal(project))) == before


def test_a_glance_tells_later_decisions_with_their_image(store, project, images):
    known = visible_decisions(store, project)
    assert {one.id for one in glance(store, project, max(known)).decisions} <= known
    (first, *_) = store.instances(project)
    entry = store.decide(
        project, "ann", "accept", [change(first, status="accepted")], image_id=first.image_id
    )
    fresh = [one for one in glance(store, project, max(known)).decisions if one.id not in known]
    assert [(one.id, one.image_id) for one in fresh] == [(entry.id, images[0])]
    assert visible_decisions(store, project) == known | {entry.id}


def test_many_come_at_once(store, project, images):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: visit(store, project, f"v{n}", f"P{n}", images[n % 3]), range(24)))
        list(pool.map(lambda n: renew(store, {f"v{n}": 0.0}), range(24)))
    assert len(there(store, project)) == 24


def test_a_project_that_goes_for_good_takes_its_visitors_with_it(store, project, images):
    visit(store, project, "v1", "Ann", images[0])
    delete_project(store, "ann", store.project(project))
    age_files(store)
    (gone,) = purge(store, at=LATER)
    assert "gone for good" in gone.told
    with store.reading() as connection:
        assert connection.execute(select(PRESENCE.c.visitor)).scalars().all() == []
