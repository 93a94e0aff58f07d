"""How far two people agree: laws of pure functions, and kappas worked out by hand."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_core.projects.people.agreement import Said, agreement, cohens_kappa
from maskrcnn_core.projects.people.work import Deed, work_by_person
from tests.builders.core import disc

SIZE = (60, 80)


def said(y, x, radius=8, category="cell", verdict="accepted"):
    return Said(disc(*SIZE, y, x, radius), category, verdict)


SAID = st.builds(
    said,
    st.integers(10, 50),
    st.integers(10, 70),
    st.integers(3, 9),
    st.sampled_from(["cell", "nucleus"]),
    st.sampled_from(["accepted", "rejected"]),
)
IMAGES = st.dictionaries(st.integers(1, 4), st.lists(SAID, max_size=5), max_size=4)


@given(IMAGES)
def test_everybody_agrees_with_themselves(images):
    found = agreement(images, images)
    total = sum(map(len, images.values()))
    assert found.images == len(images) and found.matched == total
    assert (found.only_first, found.only_second) == (0, 0)
    assert found.mean_iou in (None, 1.0) and found.same_decisions in (None, 1.0)
    assert found.decisions in (None, pytest.approx(1.0))
    assert found.categories in (None, pytest.approx(1.0))


@given(IMAGES, IMAGES)
def test_it_does_not_matter_who_comes_first(first, second):
    there, back = agreement(first, second), agreement(second, first)
    assert (there.images, there.matched) == (back.images, back.matched)
    assert (there.only_first, there.only_second) == (back.only_second, back.only_first)


def test_an_example_worked_out_by_hand():
    ann = {1: [said(20, 20), said(40, 60), said(20, 60, verdict="rejected")], 2: [said(30, 30)], 3: []}
    bob = {1: [said(40, 60, category="nucleus"), said(20, 20), said(20, 60)], 2: [], 4: [said(9, 9)]}
    found = agreement(ann, bob)
    assert (found.images, found.matched, found.only_first, found.only_second) == (2, 3, 1, 0)
    assert found.mean_iou == 1.0 and found.same_decisions == pytest.approx(2 / 3)
    assert found.decisions == pytest.approx(0.0)  # bob always accepts: chance agrees as often
    assert found.same_categories == 0.5 and found.categories == pytest.approx(0.0)


def test_the_nearest_masks_belong_together_and_far_ones_to_nobody():
    found = agreement({1: [said(30, 30, 9), said(30, 33, 9)]}, {1: [said(30, 34, 9)]})
    assert found.matched == 1 and found.only_first == 1 and 0.5 < found.mean_iou < 1
    assert agreement({1: [said(30, 30)]}, {1: [said(30, 46)]}).matched == 0


def test_of_equal_masks_those_of_one_category_belong_together():
    ann = {1: [said(30, 30, category="cell"), said(30, 30, category="nucleus")]}
    found = agreement(ann, {1: ann[1][::-1]})
    assert found.matched == 2 and found.same_categories == 1.0


@pytest.mark.parametrize(
    "counts, kappa",
    [
        # Cohen's law by hand: p_o = .7, p_e = .5 * .6 + .5 * .4 = .5
        ({("y", "y"): 20, ("y", "n"): 5, ("n", "y"): 10, ("n", "n"): 15}, 0.4),
        ({("y", "y"): 45, ("y", "n"): 15, ("n", "y"): 25, ("n", "n"): 15}, 0.1304347826),
        ({("y", "n"): 5, ("n", "y"): 5}, -1.0),
        ({("a", "a"): 2, ("b", "b"): 3, ("c", "c"): 5}, 1.0),
        ({("y", "y"): 7}, None),
        ({}, None),
    ],
)
def test_kappa_is_cohens(counts, kappa):
    pairs = [pair for pair, count in counts.items() for _ in range(count)]
    random.Random(1).shuffle(pairs)
    assert cohens_kappa(pairs) == (None if kappa is None else pytest.approx(kappa))


def test_work_is_counted_and_long_pauses_are_none():
    start = datetime(2026, 11, 30, 23, 58, tzinfo=UTC)
    seconds = [0, 10, 30, 30 + 301, 30 + 301 + 300]
    kinds = ["accept", "reject", "undo", "accept", "finish image"]
    deeds = [
        Deed("ann", start + timedelta(seconds=s), kind, n // 2)
        for n, (s, kind) in enumerate(zip(seconds, kinds, strict=True))
    ]
    deeds.append(Deed("bob", start, "import COCO", None))
    ann, bob = work_by_person(deeds)
    assert (ann.who, ann.decisions, ann.undone, ann.images, ann.finished) == ("ann", 4, 1, 3, 1)
    assert ann.seconds == 30 + 300 and ann.seconds_per_decision == 330 / 4
    assert {day.isoformat(): n for day, n in ann.by_day.items()} == {"2026-11-30": 2, "2026-12-01": 2}
    assert (bob.decisions, bob.images, bob.seconds, bob.seconds_per_decision) == (1, 0, 0, None)
    assert ann.kinds == {"accept": 2, "reject": 1, "finish image": 1}
