"""What is kept for engines is bounded, and what is in use or was used last stays."""

import os

import pytest
from filelock import FileLock

from maskrcnn_core.inference.engines.kept import mark_used, place_of, root
from maskrcnn_core.inference.engines.tidying import all_kept, tidy


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def kept():
    """Three of 100 bytes each, the first used longest ago."""
    places = []
    for number in range(3):
        place = place_of("openvino", f"{number}" * 64, "1")
        place.mkdir(parents=True)
        (place / "part.bin").write_bytes(b"x" * 100)
        os.utime(place, (1000 + number, 1000 + number))
        places.append(place)
    return places


def there(places):
    return [place.exists() for place in places]


def test_nothing_is_kept_at_first():
    assert all_kept() == [] and tidy(0) == []


def test_what_was_used_longest_ago_goes_first(kept):
    assert [(one.place, one.size) for one in all_kept()] == [(place, 100) for place in kept]
    assert tidy(300) == []
    assert [one.place for one in tidy(250)] == kept[:1]
    assert there(kept) == [False, True, True]


def test_what_is_used_counts_as_new(kept):
    mark_used(kept[0])
    tidy(100)
    assert there(kept) == [True, False, False]


def test_what_was_just_made_stays_even_if_it_is_too_much(kept):
    assert [one.place for one in tidy(0, keep=kept[:1])] == kept[1:]


def test_what_others_work_on_stays(kept):
    with FileLock(kept[0].with_name(f"{kept[0].name}.lock")):
        tidy(0)
    assert there(kept) == [True, False, False]


def test_where_nothing_can_be_marked_nothing_breaks():
    mark_used(root() / "none")
