"""Counts and outside text in messages."""

import pytest

from maskrcnn_core.common.one_line import about, counted, shortened


@pytest.mark.parametrize(
    ("count", "nouns", "text"),
    [
        (0, ("image",), "0 images"),
        (1, ("image",), "1 image"),
        (2, ("category", "categories"), "2 categories"),
        (1, ("category", "categories"), "1 category"),
        (12_345, ("box has", "boxes have"), "12,345 boxes have"),
        (1, ("box has", "boxes have"), "1 box has"),
    ],
)
def test_a_count_agrees_with_its_noun(count, nouns, text):
    assert counted(count, *nouns) == text


def test_a_long_name_loses_its_middle_alone():
    assert shortened("a.png", 5) == "a.png"
    assert shortened("DSC_20240817_holiday_0042.jpg", 18) == "DSC_20240…0042.jpg"
    for most in range(3, 12):
        assert len(shortened("a" * 12, most)) == most


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "about 1 s"),
        (3.6, "about 4 s"),
        (89.0, "about 89 s"),
        (90.0, "about 2 min"),
        (3599.0, "about 60 min"),
        (5340.0, "about 89 min"),
        (5400.0, "about 2 h"),
        (20_000.0, "about 6 h"),
    ],
)
def test_estimates_are_said_in_the_unit_that_suits_them(seconds, text):
    assert about(seconds) == text
