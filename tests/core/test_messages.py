"""Counts and outside text in messages."""

import pytest

from maskrcnn_core.messages import counted, shortened


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
