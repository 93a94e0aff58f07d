"""Counts and outside text in messages."""

import pytest

from maskrcnn_core.messages import counted


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
