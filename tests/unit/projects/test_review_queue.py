"""What is to be reviewed, in which order: laws of pure functions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_core.projects.records import STATUSES, Doubts, Fact, ImageRow
from maskrcnn_core.projects.review.review_queue import (
    ORDERS,
    QueueFilter,
    QueueItem,
    make_queue,
    proposals_from,
    size_of,
)


def image(id_, status="new", digest="d"):
    return ImageRow(id_, id_, f"{id_}.png", 80, 60, digest, status, 1)


def fact(id_, image_id, *, category=1, area=100, score=0.5, status="proposed", source="shapes", doubts=None):
    return Fact(id_, image_id, category, area, score, status, source, 1, doubts)


FACTS = st.lists(
    st.builds(
        fact,
        st.just(0),
        st.integers(1, 5),
        category=st.integers(1, 3),
        area=st.integers(1, 20_000),
        score=st.none() | st.floats(0.05, 1),
        status=st.sampled_from(STATUSES),
        doubts=st.none() | st.builds(Doubts, runner_up=st.floats(0, 1), twin=st.floats(0, 1)),
    ),
    max_size=30,
).map(lambda facts: [fact(n, f.image_id, **_rest(f)) for n, f in enumerate(facts, start=1)])
FILTERS = st.builds(
    QueueFilter,
    statuses=st.frozensets(st.sampled_from(STATUSES)),
    categories=st.frozensets(st.integers(1, 3)),
    sizes=st.frozensets(st.sampled_from(["small", "medium", "large"])),
)
IMAGES = [image(1), image(2, "opened"), image(3, "reviewed"), image(4), image(5, digest="")]


def _rest(row):
    names = {"category": row.category_id, "area": row.area, "score": row.score}
    return names | {"status": row.status, "doubts": row.doubts}


@given(FACTS, FILTERS, st.sampled_from([o.key for o in ORDERS]), st.sampled_from(["image", "instance"]))
def test_a_queue_holds_what_the_filter_takes_and_each_thing_once(facts, wanted, order, unit):
    queue = make_queue(IMAGES, facts, [1, 2, 3], wanted, order=order, unit=unit)
    assert len(set(queue)) == len(queue)
    with_pixels = {i.id for i in IMAGES if i.digest}
    meant = [f for f in facts if wanted.takes(f) and f.image_id in with_pixels]
    if unit == "instance":
        assert {item.instance_id for item in queue} == {f.id for f in meant}
    elif wanted.is_of_instances:
        assert {item.image_id for item in queue} == {f.image_id for f in meant}
    else:
        assert {item.image_id for item in queue} == with_pixels


@given(FACTS)
def test_each_order_is_what_its_name_says(facts):
    of = {f.id: f for f in facts}

    def queue(order):
        items = make_queue(IMAGES, facts, [2, 1, 3], QueueFilter(), order=order, unit="instance")
        return [of[item.instance_id] for item in items]

    areas = [f.area for f in queue("small")]
    assert areas == sorted(areas)
    assert [f.area for f in queue("large")] == sorted(areas, reverse=True)
    scored = [f.score for f in queue("score-low") if f.score is not None]
    assert scored == sorted(scored)
    assert [f.score for f in queue("score-high") if f.score is not None] == sorted(scored, reverse=True)
    places = [[2, 1, 3].index(f.category_id) for f in queue("category")]
    assert places == sorted(places)
    came = [(f.image_id, f.id) for f in queue("file")]
    assert came == sorted(came)


@given(FACTS, st.sampled_from([o.key for o in ORDERS]))
def test_an_image_stands_where_its_first_instance_would(facts, order):
    one_by_one = make_queue(IMAGES, facts, [1, 2, 3], QueueFilter(), order=order, unit="instance")
    firsts = list(dict.fromkeys(item.image_id for item in one_by_one))
    filled = frozenset(STATUSES)  # leaves out images without instances
    images = make_queue(IMAGES, facts, [1, 2, 3], QueueFilter(statuses=filled), order=order)
    if order == "file":
        firsts.sort()
    rank = {image_id: place for place, image_id in enumerate(firsts)}
    assert sorted(rank) == sorted(item.image_id for item in images)
    if order in ("small", "large"):  # no two ways to be first where all differ
        areas = [f.area for f in facts]
        if len(set(areas)) == len(areas):
            assert [item.image_id for item in images] == firsts


def test_doubt_brings_the_doubtful_first():
    facts = [
        fact(1, 1, score=0.99, doubts=Doubts(soft_edge=0.1)),
        fact(2, 2, score=0.52, doubts=Doubts(soft_edge=0.1)),
        fact(3, 3, score=0.95, doubts=Doubts(runner_up=0.9, runner_up_name="bus")),
        fact(4, 4, score=0.97, doubts=Doubts(twin=0.95)),
    ]
    queue = make_queue(IMAGES, facts, [1], QueueFilter(), unit="instance")
    assert queue[-1].instance_id == 1
    moved = make_queue(IMAGES, facts, [1], QueueFilter(), unit="instance", score_threshold=0.98)
    assert moved[-1].instance_id == 2, "nearness is to the threshold that one uses"


def test_images_without_objects_can_be_asked_for():
    facts = [fact(1, 1), fact(2, 2, status="rejected")]
    queue = make_queue(IMAGES, facts, [1], QueueFilter(is_empty=True), order="file")
    assert queue == (QueueItem(2), QueueItem(3), QueueItem(4))
    queue = make_queue(IMAGES, facts, [1], QueueFilter(image_statuses=frozenset({"new"})), order="file")
    assert queue == (QueueItem(1), QueueItem(4))


def test_scores_in_a_range_leave_out_what_has_none():
    facts = [fact(1, 1, score=None), fact(2, 1, score=0.3), fact(3, 1, score=0.6)]
    wanted = QueueFilter(least_score=0.3, most_score=0.5)
    queue = make_queue(IMAGES, facts, [1], wanted, unit="instance")
    assert [item.instance_id for item in queue] == [2]


def test_accepting_all_means_open_proposals_of_the_queue_from_a_score_on():
    facts = [
        fact(1, 1, score=0.9),
        fact(2, 1, score=0.89),
        fact(3, 1, score=None),
        fact(4, 1, score=0.95, status="rejected"),
        fact(5, 1, score=0.95, category=2),
        fact(6, 2, score=0.95),
    ]
    wanted = QueueFilter(categories=frozenset({1}))
    assert [f.id for f in proposals_from(facts, [QueueItem(1)], wanted, 0.9)] == [1]


def test_sizes_are_those_of_cocos_evaluator():
    assert [size_of(area) for area in (1023, 1024, 9215, 9216)] == ["small", "medium", "medium", "large"]


def test_an_unknown_order_is_named():
    with pytest.raises(ValueError, match=r"expected one of .*doubt"):
        make_queue(IMAGES, [], [], QueueFilter(), order="nonsense")
    with pytest.raises(ValueError, match="least <= most"):
        QueueFilter(least_score=0.6, most_score=0.5)
