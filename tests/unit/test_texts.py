"""The list of texts, from which a translation would begin, has those of every part of the source."""

from collections import Counter

from tests.texts import texts_of

FOUND = list(texts_of())


def test_texts_of_each_part_are_found():
    known = {
        "pages": "There is no project yet.",
        "templates": "Filter the list by category, source or status",
        "actions": "Accept the selected instance, or the first undecided one ({})",
        "scripts": "pressed twice: still on this image",
        "library": "sample {}: expected {} in the package {}; install it again",
    }
    for part, text in known.items():
        assert any(one.text == text for one in FOUND if one.part == part), part


def test_single_words_of_buttons_and_labels_are_found():
    words = {one.text for one in FOUND if one.part == "pages"}
    assert {"Export", "Image", "Format"} <= words


def test_places_and_docstrings_are_no_texts():
    assert not any(one.text.endswith(".py") for one in FOUND)
    assert not any(one.text.startswith("Annotate: images in, instances with masks") for one in FOUND)


def test_where_something_is_put_in_is_marked():
    composed = Counter(one.part for one in FOUND if one.is_composed)
    assert composed["pages"] > 0 and composed["scripts"] > 0 and composed["templates"] == 0
