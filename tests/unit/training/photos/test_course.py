"""What a run does in each step, from its seed and a few numbers."""

from collections import Counter
from itertools import pairwise

import pytest

from maskrcnn_core.training.photos.course import PHASES, Course, Phase, phase_at, plan_epoch
from maskrcnn_core.training.photos.data import read_photos
from tests.builders.photos import write_photos


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = write_photos(tmp_path_factory.mktemp("photos"), 40)
    return read_photos(folder, folder / "kept").photos


def test_the_rate_rises_at_first_and_comes_down_to_the_floor():
    course = Course(1000)
    rates = [course.rate(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01) and max(rates) == rates[99] > 0.97
    assert all(b < a for a, b in pairwise(rates[100:])) and 0.02 < rates[-1] < 0.021


def test_a_run_that_is_let_finish_goes_on_from_where_it_is():
    course = Course(1000)
    ending = course.ending(400, 100)
    assert ending.end == 500 and ending.progress(400) == course.progress(400)
    assert ending.progress(450) == pytest.approx(0.7) and ending.progress(500) == 1
    assert ending.rate(400) == course.rate(400) and ending.rate(499) < 0.03
    longer = course.ending(400, 5000)
    assert longer.end == 5400 and longer.progress(400) == course.progress(400)


def test_phases_follow_one_another():
    assert [phase_at(PHASES, p) for p in (0, 0.39, 0.41, 0.81, 1)] == [0, 0, 1, 2, 2]
    assert PHASES[-1].until == 1 and all(a.until < b.until for a, b in pairwise(PHASES))


def test_an_epoch_shows_each_photo_and_rare_categories_no_less(photos):
    plan = plan_epoch(photos, 0, Phase(1, 64, (64, 96), 0.5), 2, seed=0)
    assert {bool(work.size) for work in plan} == {True, False}
    assert all(len(work.photos) == (8 if work.size else 2) for work in plan)
    assert all(len(work.samples) == 2 for work in plan)
    seen = Counter(photo for work in plan for photo in work.photos)
    assert len(seen) >= 40 - 2 - 2 - 8, "only what fills no batch is left out"
    assert max(seen.values()) <= 2
    for work in plan:
        if not work.size:
            assert len({photos[n].size[0] <= photos[n].size[1] for n in work.photos}) == 1


def test_epochs_differ_and_are_the_same_again(photos):
    phase = Phase(1, 64, (64, 96), 0.0)
    assert plan_epoch(photos, 1, phase, 2, 0) == plan_epoch(photos, 1, phase, 2, 0)
    assert plan_epoch(photos, 1, phase, 2, 0) != plan_epoch(photos, 2, phase, 2, 0)
    assert plan_epoch(photos, 1, phase, 2, 0) != plan_epoch(photos, 1, phase, 2, 1)
