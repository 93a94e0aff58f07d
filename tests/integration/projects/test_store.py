"""Projects and what is in them, kept exactly: on both databases."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maskrcnn_core.errors import StoreError
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.projects.journal import Ref, WantedId
from maskrcnn_core.projects.new_rows import new_category, new_image, new_instance
from maskrcnn_core.projects.store import Store
from tests.builders.core import disc, make_mask
from tests.builders.projects import CATEGORIES, SIZE, make_project

pytestmark = pytest.mark.both_databases

EVIL = [
    "![x](http://a/b)",
    "=1+1",
    "a\nb.png",
    "😀 ñ 文.jpg",
    "x" * 300 + ".png",
    "../../up.png",
    "'; DROP TABLE image",
]


def test_projects_are_listed_by_name_and_found_by_id(store):
    made = [store.create_project(name, "ann", description="of 2026") for name in ("beta", "Alpha")]
    assert [p.name for p in store.projects()] == ["Alpha", "beta"]
    assert store.project(made[0].id) == made[0]
    assert made[0].made_by == "ann" and made[0].made_at.utcoffset().total_seconds() == 0
    with pytest.raises(StoreError, match="no such project"):
        store.project(99)
    for name in ("", "  "):
        with pytest.raises(StoreError, match="expected a name"):
            store.create_project(name, "ann")


def test_names_of_every_kind_are_kept_as_they_are(place):
    store = Store(place)
    project = store.create_project(EVIL[0], EVIL[3], description=EVIL[2]).id
    store.decide(
        project, "ann", "add", [new_image(n, name, (4, 5), "") for n, name in enumerate(EVIL, start=1)]
    )
    store.close()
    store = Store(place)
    assert [image.file_name for image in store.images(project)] == EVIL
    row = store.project(project)
    assert (row.name, row.made_by, row.description) == (EVIL[0], EVIL[3], EVIL[2])
    store.close()


def test_everything_of_an_instance_comes_back_exactly(place):
    store = Store(place)
    project = make_project(store, images=1, instances=0)
    image, category = store.images(project)[0], store.categories(project)[1]
    store.decide(project, "ann", "size", [])
    mask = Rle.from_mask(make_mask(7, image.height, image.width))
    given = {
        "source": "file",
        "status": "accepted",
        "score": 0.1 + 0.2,
        "polygons": [[0.5, 1 / 3, 7.25, 2.0, 3.0, 1e-9]],
        "is_crowd": True,
        "given_box": (0.1, 1 / 3, 2e-7, 40.0),
        "given_area": 123.456789012345,
        "candidate": 41,
        "extra": {"attributes": {"occluded": True, "note": "é\n"}, "track": None, "n": 2**53},
    }
    store.decide(project, "ann", "add", [new_instance(image.id, category.id, 2**40, mask, **given)])
    store.close()
    store = Store(place)
    (row,) = store.instances(project)
    assert row.mask == mask and row.area == mask.area and row.box_xywh == mask.box_xywh
    assert (row.coco_id, row.image_id, row.category_id) == (2**40, image.id, category.id)
    assert {name: getattr(row, name) for name in given} == given
    store.close()


def test_without_score_polygons_and_given_box_there_are_none(store):
    project = make_project(store, images=1, instances=0)
    image, category = store.images(project)[0], store.categories(project)[0]
    mask = Rle.from_mask(make_mask(3, image.height, image.width))
    store.decide(project, "ann", "draw", [new_instance(image.id, category.id, 1, mask, source="person")])
    (row,) = store.instances(project, image_id=image.id)
    nothing = (row.score, row.polygons, row.given_box, row.given_area, row.candidate)
    assert nothing == (None,) * 5 and row.status == "proposed" and row.extra == {}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    extra=st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**53), 2**53)
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("k"), inner),
            max_leaves=6,
        ),
        max_size=4,
    )
)
def test_unknown_keys_are_carried_through(store, extra):
    taken = {category.coco_id for category in store.categories(1)}
    if not store.projects():
        store.create_project("Keys", "ann")
    project = store.projects()[0].id
    store.decide(project, "ann", "add", [new_category(None, f"c{len(taken)}", extra=extra)])
    row = store.categories(project)[-1]
    assert row.coco_id not in taken
    assert row.extra == extra
    assert list(map(repr, row.extra.values())) == list(map(repr, extra.values())), "1 is not 1.0"


def test_categories_come_in_the_order_of_their_ids(store):
    project = store.create_project("Many", "ann", categories=CATEGORIES[::-1]).id
    assert [(c.coco_id, c.name, c.supercategory) for c in store.categories(project)] == [
        (3, "cell", "tissue"),
        (7, "nucleus", ""),
    ]


def test_ids_for_files_are_never_given_twice(store):
    project = make_project(store, images=2)
    store.undo(project, "ann")
    store.undo(project, "ann")
    assert store.images(project) == []
    category = store.categories(project)[0].id
    fresh = [
        new_image(None, "new.png", SIZE, "", key="new"),
        new_instance(Ref("new"), category, None, disc(*SIZE, 20, 20, 5), source="person"),
    ]
    store.decide(project, "ann", "add", fresh)
    assert [row.coco_id for row in store.images(project)] == [3]
    assert [row.coco_id for row in store.instances(project)] == [2003]
    other = store.create_project("New", "ann").id
    store.decide(other, "ann", "add", fresh[:1])
    assert [row.coco_id for row in store.images(other)] == [1]


def test_a_number_that_must_be_free_is_refused_where_it_is_not(store):
    project = make_project(store, images=1, instances=1)
    with pytest.raises(StoreError, match="the project database refused this"):
        store.decide(project, "ann", "add", [new_image(1, "new.png", SIZE, "")])
    assert [row.file_name for row in store.images(project)] == ["image 1.png"]


def test_wanted_numbers_are_given_where_they_are_free_and_the_others_told_in_the_journal(store):
    project = make_project(store, images=2, instances=0)
    wanted = [WantedId(-4), WantedId(2), None, WantedId(9), WantedId(9), 12, WantedId(0)]
    news = [new_image(number, f"new {n}.png", SIZE, "") for n, number in enumerate(wanted)]
    entry = store.decide(project, "ann", "add", news, kept_free={"image": 20})
    rows = {row.file_name: row.coco_id for row in store.images(project)}
    assert [rows[f"new {n}.png"] for n in range(7)] == [-4, 21, 22, 9, 23, 12, 0]
    told = [(line["wanted"], line["coco_id"]) for line in entry.changes if "wanted" in line]
    assert told == [(2, 21), (9, 23)]
    store.undo(project, "ann")
    store.redo(project, "ann")
    assert {row.file_name: row.coco_id for row in store.images(project)} == rows


def test_images_are_found_by_content_and_a_projects_are_its_own(store):
    mine, theirs = make_project(store), make_project(store, name="Theirs", instances=1)
    digest = store.images(mine)[1].digest
    assert [i.file_name for i in store.images(mine, digests=[digest])] == ["image 2.png"]
    assert store.images(mine, digests=[]) == []
    assert len(store.instances(mine)) == 6 and len(store.instances(theirs)) == 2
    assert {i.image_id for i in store.instances(mine)} == {i.id for i in store.images(mine)}
    assert store.blobs.get(digest) == b"pixels 2"
