"""Out and in again: what a format's row says comes back does, whatever the masks are like."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.formats import FORMATS
from maskrcnn_core.formats.certificate import certify, read_members
from maskrcnn_core.formats.reader import GivenFile
from maskrcnn_core.formats.recognising import format_of
from maskrcnn_core.geometry.rle import Rle
from tests.builders.core import disc, make_mask
from tests.builders.formats import HEIGHT, WIDTH, make_export, make_image_with, make_instances

_NO_EMPTY = "images without instances"
READ = [row for row in FORMATS if row.reader is not None]
NAMES = (
    Category(1, "person"),
    Category(3, "Zellkern ☂"),
    Category(18, "日本語 犬", "animal"),
    Category(90, "a,b c"),
)


def export_of(*images, **changes):
    return make_export(images=tuple(images), categories=NAMES, **changes)


def held(row, export):
    """Check an export against its row, and return what came back."""
    members = list(row.members(export))
    assert len(members) == row.count(export)
    found, refused, images = read_members(row, export, members)
    assert refused == []
    written = [image for image in export.images if image.instances or _NO_EMPTY not in row.loses]
    assert images == len(written)
    certificate = certify(row, export, members)
    expected = [
        (place, instance) for place, image in enumerate(export.images) for instance in image.instances
    ]
    names = export.names
    if "overlap" in row.kept:
        assert certificate.found == certificate.meant == len(expected) and certificate.least_iou == 1.0
    if not ({"overlap", "order"} <= row.kept):
        return found
    for one, (place, instance) in zip(found, expected, strict=True):
        assert one.image == place
        assert one.instance.mask == instance.mask
        if "score" in row.kept:
            assert one.instance.score == pytest.approx(instance.score) if instance.score else True
            assert (one.instance.score is None) == (instance.score is None)
        if "crowd" in row.kept:
            assert one.instance.is_crowd == instance.is_crowd
        if "category name" in row.kept:
            assert one.category == names[instance.category_id]
        if "category id" in row.kept:
            assert one.instance.category_id == instance.category_id
        if "image id" in row.kept:
            assert one.instance.image_id == instance.image_id
    return found


@pytest.mark.parametrize("row", READ, ids=lambda row: row.key)
def test_what_a_row_keeps_comes_back(row):
    crowd = Instance(7, 18, disc(HEIGHT, WIDTH, 50, 10, 7), 0.5, is_crowd=True)
    export = export_of(
        make_image_with(make_instances()),
        make_image_with((), 2, "日本語 ☂ 空.jpg", "cd" * 32),
        make_image_with([*make_instances(7), crowd], 7, "third.png", "ef" * 32),
    )
    held(row, export)


@pytest.mark.parametrize("row", READ, ids=lambda row: row.key)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.floats(0.02, 0.98)), min_size=1, max_size=4),
    st.booleans(),
)
def test_any_masks_come_back(row, seeds, has_scores):
    instances = tuple(
        Instance(
            1,
            NAMES[n % 4].id,
            Rle.from_mask(make_mask(seed, HEIGHT, WIDTH, share)),
            (0.9 - n / 10) if has_scores else None,
        )
        for n, (seed, share) in enumerate(seeds)
    )
    held(row, export_of(make_image_with([i for i in instances if i.mask.area])))


@pytest.mark.parametrize("row", READ, ids=lambda row: row.key)
def test_a_thousand_instances_come_back(row):
    rng = np.random.default_rng(3)
    instances = tuple(
        Instance(
            1,
            NAMES[n % 4].id,
            disc(HEIGHT, WIDTH, *rng.uniform((0, 0), (HEIGHT, WIDTH)), rng.uniform(1, 9)),
            0.5,
        )
        for n in range(1000)
    )
    export = export_of(make_image_with([i for i in instances if i.mask.area]))
    if "overlap" in row.kept:
        held(row, export)
    else:
        certificate = certify(row, export, list(row.members(export)))
        assert 0 < certificate.found < certificate.meant


@pytest.mark.parametrize("row", READ, ids=lambda row: row.key)
def test_a_file_is_recognised_as_what_it_is(row):
    export = export_of(make_image_with(make_instances()))
    rows = {
        format_of(GivenFile(member.name, member.data))
        for member in row.members(export)
        if GivenFile(member.name, member.data).suffix in row.reader.suffixes
    } - {None}
    assert all(one.reader is row.reader for one in rows)


@pytest.mark.parametrize("row", READ, ids=lambda row: row.key)
def test_images_of_the_same_name_stay_apart(row):
    export = export_of(
        make_image_with(make_instances(1)[:1], 1, "cam1/frame.png", "ab" * 32),
        make_image_with(make_instances(2)[1:2], 2, "cam2/frame.png", "cd" * 32),
    )
    certificate = certify(row, export, list(row.members(export)))
    assert certificate.found == 2 and certificate.least_iou == 1.0


def test_every_format_says_what_it_keeps_or_is_only_a_picture():
    for row in FORMATS:
        assert row.used_by, row.key
        assert bool(row.kept) == (row.reader is not None), row.key
