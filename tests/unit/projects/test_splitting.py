"""Images parted for training, validation and test, at random or with each category in each part."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_core.errors import InputError
from maskrcnn_core.projects.exchange.splitting import PARTS, count_parts, split_parts
from maskrcnn_core.projects.records import Fact, ImageRow


def image(n):
    return ImageRow(n, n, f"{n}.png", 8, 8, f"digest {n}", "new", 1)


def fact(id_, image_id, category):
    return Fact(id_, image_id, category, 10, None, "accepted", "person", 1, None)


def ids(parts):
    return {part: [row.id for row in rows] for part, rows in parts.items()}


@st.composite
def data_sets(draw):
    count = draw(st.integers(3, 60))
    images = [image(n) for n in range(count)]
    categories = draw(st.lists(st.sets(st.integers(0, 4)), min_size=count, max_size=count))
    facts = [fact(9 * n + c, n, c) for n, of_image in enumerate(categories) for c in sorted(of_image)]
    return images, facts


shares = st.fixed_dictionaries({"val": st.floats(0.01, 0.45), "test": st.floats(0.01, 0.45)})


@given(data_sets(), shares, st.integers(), st.booleans())
def test_each_image_is_in_one_part_and_parts_have_their_shares(data, shares, seed, is_balanced):
    images, facts = data
    parts = split_parts(images, shares, seed, balanced_by=facts if is_balanced else None)
    assert list(parts) == list(PARTS) and all(parts.values())
    assert sorted(row.id for rows in parts.values() for row in rows) == [row.id for row in images]
    for rows in parts.values():
        assert [row.id for row in rows] == sorted(row.id for row in rows)
    sizes = {part: len(rows) for part, rows in parts.items()}
    wanted = {part: max(round(share * len(images)), 1) for part, share in shares.items()}
    if sum(wanted.values()) < len(images):
        assert {part: sizes[part] for part in wanted} == wanted
    again = split_parts(images[::-1], shares, seed, balanced_by=facts[::-1] if is_balanced else None)
    assert {part: set(numbers) for part, numbers in ids(again).items()} == {
        part: set(numbers) for part, numbers in ids(parts).items()
    }, "the order does not matter"


def test_a_rare_category_is_in_each_part_where_chance_would_miss_it():
    images = [image(n) for n in range(100)]
    rare = [3, 17, 18, 44, 45, 46, 70, 71, 90, 99]
    facts = [fact(n, n, 0) for n in range(100)] + [fact(1000 + n, n, 1) for n in rare]
    missed = 0
    for seed in range(20):
        shares = {"val": 0.2, "test": 0.1}
        balanced = count_parts(split_parts(images, shares, seed, balanced_by=facts), facts)
        assert {part: one.instances[1] for part, one in balanced.items()} == {
            "train": 7,
            "val": 2,
            "test": 1,
        }
        assert {part: one.images for part, one in balanced.items()} == {"train": 70, "val": 20, "test": 10}
        assert balanced["test"].instance_shares == {0: 0.1, 1: 0.1} and balanced["test"].share == 0.1
        by_chance = count_parts(split_parts(images, shares, seed), facts)
        missed += not all(one.instances[1] for one in by_chance.values())
    assert missed > 0


def test_another_seed_parts_otherwise():
    images = [image(n) for n in range(40)]
    facts = [fact(n, n, n % 3) for n in range(40)]
    parts = [ids(split_parts(images, {"test": 0.3}, seed, balanced_by=facts)) for seed in (1, 2)]
    assert parts[0] != parts[1] and list(parts[0]) == ["train", "test"]


@pytest.mark.parametrize(
    "shares, says",
    [
        ({}, "got none"),
        ({"val": 0.0}, "got val 0"),
        ({"val": 0.5, "test": 0.5}, "got val 0.5, test 0.5"),
        ({"val": 0.2, "test": -0.1}, "got val 0.2, test -0.1"),
        ({"train": 0.5, "val": 0.2}, "expected shares of val and test"),
    ],
)
def test_shares_that_make_no_sense_are_refused(shares, says):
    with pytest.raises(InputError, match=says):
        split_parts([image(n) for n in range(9)], shares, 1)


def test_fewer_images_than_parts_are_refused():
    with pytest.raises(InputError, match="expected at least 3 images, got 2"):
        split_parts([image(1), image(2)], {"val": 0.2, "test": 0.2}, 1)


def test_instances_of_other_images_do_not_count():
    images = [image(n) for n in range(4)]
    facts = [fact(n, n, 5) for n in range(9)]
    counts = count_parts(split_parts(images, {"val": 0.5}, 1, balanced_by=facts), facts)
    assert Counter({part: one.instances[5] for part, one in counts.items()}) == {"train": 2, "val": 2}
