"""Images found by name, tag, category, status, reviewer and date, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from maskrcnn_core.errors import InputError
from maskrcnn_core.projects.db.tables import JOURNAL
from maskrcnn_core.projects.image_edits import remove_images
from maskrcnn_core.projects.image_search import ImageQuery, found_ids, parse_query, search_images
from maskrcnn_core.projects.image_tags import tag_images
from tests.builders.projects import change, make_project

pytestmark = pytest.mark.both_databases


@pytest.fixture
def project(store):
    """Three images; the first is tagged, the second reviewed by bob, who rejected its nuclei."""
    project = make_project(store, images=3)
    first, second, third = store.images(project)
    tag_images(store, project, "ann", [first], add=["night", "nord süd", "100%"])
    tag_images(store, project, "ann", [third], add=["nightfall", "früh"])
    nuclei = [r for r in store.instances(project, image_id=second.id) if r.category_id != 1]
    store.decide(project, "bob", "reject", [change(r, status="rejected") for r in nuclei], image_id=second.id)
    store.decide(project, "bob", "finish", [change(second, "image", status="reviewed")], image_id=second.id)
    make_project(store, name="Other")
    return project


@pytest.mark.parametrize(
    "text, numbers",
    [
        ("", [1, 2, 3]),
        ("IMAGE 2", [2]),
        ('"image 2"', [2]),
        ('" 3.p" image', [3]),
        ("image%", []),
        ("image_", []),
        ("tag:night", [1]),
        ('tag:"nord süd"', [1]),
        ("tag:früh", [3]),
        ("tag:100%", [1]),
        ("tag:%", []),
        ("tag:night tag:früh", []),
        ("tag:reviewed", []),
        ("status:reviewed", [2]),
        ("status:new status:Reviewed", [1, 2, 3]),
        ("category:nucleus", [1, 3]),
        ("category:cell category:nucleus", [1, 3]),
        ("category:nothing", []),
        ("by:bob", [2]),
        ("by:bob by:ann", [2]),
        ("by:ann", []),
        ("by:bob status:new", []),
        ("since:2020-01-01 until:9998-12-31", [2]),
        ("until:2020-01-01", []),
    ],
)
def test_a_query_finds_its_images(store, project, text, numbers):
    found = search_images(store, project, parse_query(text))
    assert [image.coco_id for image in found.images] == numbers and found.total == len(numbers)
    assert found_ids(store, project, parse_query(text)) == {image.id for image in found.images}


def test_days_are_those_of_the_decisions_by_the_person_who_is_meant(store, project):
    second = store.images(project)[1]
    long_ago = datetime(2026, 5, 3, 23, 59, tzinfo=UTC)
    with store.writing() as connection:
        connection.execute(update(JOURNAL).where(JOURNAL.c.who == "bob").values(at=long_ago))
    store.decide(project, "cleo", "reopen", [change(second, "image", status="opened")], image_id=second.id)

    def finds(text):
        return [image.coco_id for image in search_images(store, project, parse_query(text)).images]

    assert finds("since:2026-05-03 until:2026-05-03") == [2]
    assert finds("by:bob until:2026-05-02") == [] and finds("by:bob since:2026-05-04") == []
    assert finds(f"by:cleo since:{datetime.now(UTC).date() - timedelta(days=1)}") == [2]


def test_pages_follow_each_other_and_what_is_gone_is_on_none(store):
    project = make_project(store, images=7, instances=0)
    remove_images(store, project, "ann", store.images(project)[2:3])
    pages = [search_images(store, project, ImageQuery(), offset=n, limit=4) for n in (0, 4, 8)]
    assert [page.total for page in pages] == [6, 6, 6]
    assert [[i.coco_id for i in page.images] for page in pages] == [[1, 2, 4, 5], [6, 7], []]


@pytest.mark.parametrize(
    "text, says",
    [
        ("status:done", "expected a status of new, opened, reviewed, got 'done'"),
        ("since:yesterday", "expected a date such as 2026-11-30 after since:, got 'yesterday'"),
        ("size:3", "got size:; quote a word that has a colon"),
        ("a " * 51, "expected at most 50 words, got 51"),
    ],
)
def test_what_is_no_query_is_refused(text, says):
    with pytest.raises(InputError, match=says):
        parse_query(text)


def test_a_word_with_a_colon_can_be_quoted():
    assert parse_query('"size:3" a"b') == ImageQuery(words=("size:3", 'a"b'))
