"""How a project stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_core.projects.review.statistics import accept_rates, counts_by, cut_points, overview, score_bin
from tests.unit.projects.test_review_queue import FACTS, IMAGES, fact


@given(FACTS, st.sampled_from(["category", "size", "score"]))
def test_counts_add_up_to_all_instances(facts, what):
    counted = [f for f in facts if what != "score" or f.score is not None]
    assert sum(c.total() for c in counts_by(facts, what).values()) == len(counted)
    for accepted, decided in accept_rates(facts, what).values():
        assert 0 <= accepted <= decided > 0


def test_the_overview_counts_images_and_instances():
    facts = [fact(1, 1), fact(2, 2, status="rejected"), fact(3, 3, status="accepted")]
    found = overview(IMAGES, facts)
    assert (found.images["new"], found.images["opened"], found.images["reviewed"]) == (3, 1, 1)
    assert dict(found.instances) == {"proposed": 1, "rejected": 1, "accepted": 1}
    assert (found.empty, found.missing) == (3, 1), "a rejected instance fills no image"


def test_scores_on_an_edge_belong_to_the_bin_above():
    assert [score_bin(s) for s in (0.0, 0.05, 0.15, 0.3, 0.999, 1.0)] == [0, 1, 3, 6, 19, 19]


def test_what_people_drew_is_no_agreement_with_a_model():
    facts = [fact(1, 1, score=None, status="accepted"), fact(2, 1, status="accepted"), fact(3, 1)]
    assert accept_rates(facts, "category") == {1: (1, 1)}


def test_the_best_cut_is_between_what_was_accepted_and_what_was_not():
    facts = [fact(n, 1, score=0.62 + n / 100, status="accepted") for n in range(20)]
    facts += [fact(100 + n, 1, score=0.11 + n / 100, status="rejected") for n in range(20)]
    facts.append(fact(200, 1, score=0.99))  # undecided: says nothing
    points = cut_points(facts)
    best = max(points, key=lambda p: p.f1)
    assert 0.3 <= best.score_threshold <= 0.6 and best.f1 == 1.0
    assert points[0].recall == 1.0 and points[0].precision == 0.5
    assert points[0].score_threshold == 0.1, "below it nothing was decided"
    assert points[-1].precision is None and points[-1].f1 == 0.0


def test_an_unknown_grouping_is_named():
    with pytest.raises(ValueError, match="expected category, size or score"):
        counts_by([fact(1, 1)], "colour")
