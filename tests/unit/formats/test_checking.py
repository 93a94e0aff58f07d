"""What is wrong with COCO files: each check has a file that fails it, and comes back right."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maskrcnn_core.dataset.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import DatasetError
from maskrcnn_core.formats.checking import check_coco
from maskrcnn_core.formats.checks import CHECKS, check_by_key, key_of
from maskrcnn_core.formats.coco import PROFILES, coco_document
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.formats.repairing import repair_coco
from maskrcnn_core.geometry.rle import Rle
from tests.builders.core import disc, make_mask
from tests.builders.formats import make_export

HEIGHT, WIDTH = 60, 90


def square(x, y, side):
    return [x, y, x + side, y, x + side, y + side, x, y + side]


def row(number, image_id=1, x=10, y=10, side=20, **changes):
    """A square as everybody has it."""
    return {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "segmentation": [square(x, y, side)],
        "area": side * side,
        "bbox": [x, y, side, side],
        "iscrowd": 0,
    } | changes


def document(*rows, **changes):
    """A file without faults: two images, each with a square or more, and two categories."""
    return {
        "info": {"year": 2026},
        "images": [
            {"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT, "licence": 7},
            {"id": 2, "file_name": "b.png", "width": WIDTH, "height": HEIGHT},
        ],
        "annotations": [row(1), row(2, 2, attributes={"seen": True}), row(3, 2, 40, category_id=2), *rows],
        "categories": [{"id": 1, "name": "cell"}, {"id": 2, "name": "dog", "colour": "red"}],
    } | changes


def images(**changes):
    first, second = document()["images"]
    return [first, second | changes]


def without(key):
    return {name: value for name, value in row(4, 1, 40).items() if name != key}


def runs(mask, **changes):
    return {"size": [HEIGHT, WIDTH], "counts": Rle.from_mask(mask).counts} | changes


def disc_row(**changes):
    x, y, width, height = (ROUND := disc(HEIGHT, WIDTH, 30, 60, 15)).box_xywh
    shape = {"segmentation": runs(ROUND.to_mask()), "area": ROUND.area, "bbox": [x, y, width, height]}
    return row(4) | shape | changes


HOLLOW = row(4, 1, 40, 5, 30, segmentation=[square(40, 5, 30), square(50, 15, 10)], area=800)
CATEGORIES = document()["categories"]

CASES = {
    "not-json": document(row(4, 1, 40, attributes={"depth": float("nan")})),
    "bad-row": document(images=[*images(), {"id": 3, "width": 5, "height": 5}, 7]),
    "text-number": document(row("4", "1", 40, iscrowd="0")),
    "duplicate-id": document(row(1, 1, 40)),
    "annotation-id-0": document(row(0, 1, 40)),
    "odd-name": document(
        row(4, 3, 40, category_id=7),
        images=[*images(), {"id": 3, "file_name": 17, "width": WIDTH, "height": HEIGHT}],
        categories=[*CATEGORIES, {"id": 7, "name": None}],
    ),
    "row-id-twice": document(images=[*images(), {"id": 2, "file_name": "c.png", "width": 5, "height": 5}]),
    "no-size": document(row(4, 1, 40), images=[*images(), {"id": 3, "file_name": "c.png"}]),
    "size-unknown": document(images=[*images(), {"id": 3, "file_name": "c.png"}]),
    "size-off": document(),
    "file-name-clash": document(
        row(4, 3, 1, 1, 3), images=[*images(), {"id": 3, "file_name": "a.png", "width": 5, "height": 5}]
    ),
    "file-name-twice": document(
        row(4, 3, 40),
        images=[*images(), {"id": 3, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
    ),
    "orphan": document(row(4, 77), row(5, category_id=12)),
    "no-mask": document(row(4, 1, 40, segmentation=[[1, 2, 3]]), row(5, 1, segmentation={"counts": "x"})),
    "empty-mask": document(row(4, 1, segmentation=[[5.1, 5.1, 5.3, 5.1, 5.3, 5.3]], area=0.1)),
    "bad-part": document(row(4, 1, 40, segmentation=[square(40, 10, 20), [1, 2, 3, 4]])),
    "odd-form": document(row(4, 1, 40, segmentation=square(40, 10, 20))),
    "missing-field": document(without("area"), without("iscrowd") | {"image_id": 2, "id": 5}),
    "bad-field": document(row(4, 1, 40, area="big", bbox=[], iscrowd=None)),
    "hole": document(HOLLOW),
    "crowd": document(annotations=[row(1, iscrowd=1), disc_row(iscrowd=1), row(5, 2)]),
    "area-of-box": document(disc_row(area=disc_row()["bbox"][2] * disc_row()["bbox"][3])),
    "area-off": document(row(4, 1, 40, area=12000)),
    "bbox-corners": document(row(4, 1, 40, bbox=[40, 10, 60, 30])),
    "bbox-off": document(row(4, 1, 40, bbox=[38, 10, 20, 20])),
    "duplicate-annotation": document(row(4)),
    "outside": document(row(4, 1, 80, bbox=[80, 10, 10, 20], area=200)),
    "empty-part": document(row(4, 1, 40, segmentation=[square(40, 10, 20), square(5.1, 5.1, 0.2)])),
    "category-name-twice": document(categories=[*CATEGORIES, {"id": 7, "name": "cell"}]),
    "odd-text": document(categories=[*CATEGORIES, {"id": 7, "name": "half \ud800"}]),
    "other": document(categories=[*CATEGORIES, {"id": 7, "name": "c", "supercategory": "x" * 5000}]),
    "tiny-part": document(row(4, 1, 40, segmentation=[square(40, 10, 20), square(5, 5, 1)], area=401)),
    "run-lengths": document(disc_row()),
    "box-only": document(row(4, 1, 40, segmentation=[])),
    "category-id-0": document(categories=[{"id": 0, "name": "x"}, *CATEGORIES]),
    "image-id-0": document(images=[*images(), {"id": 0, "file_name": "z.png", "width": 5, "height": 5}]),
    "image-without-annotations": document(annotations=[row(1)]),
    "category-unused": document(annotations=[row(1)]),
    "category-order": document(categories=CATEGORIES[::-1]),
}


FILES = {
    "no-size": lambda name: (5, 5) if name == "c.png" else None,
    "size-off": lambda name: (WIDTH, HEIGHT) if name == "a.png" else None,
}
"""Sizes of image files that the cases of some checks need."""


def files_of(key):
    return FILES.get(key, lambda name: None)


def data_of(value):
    return json.dumps(value).encode()


def keys_of(report):
    return {one.check.key for one in report.wrong}


def test_each_check_has_a_case_and_a_row_that_says_all():
    assert set(CASES) == {check.key for check in CHECKS}
    assert all(check.title and check.readers and check.fix for check in CHECKS)
    assert [check.severity for check in CHECKS] == sorted(
        (check.severity for check in CHECKS), key=["error", "warning", "info"].index
    )


def test_a_file_without_faults_has_no_findings_and_stays_as_it_is():
    data = data_of(document())
    report = check_coco(data)
    assert report.findings == ()
    assert (report.images, report.categories, report.annotations) == (2, 2, 3)
    repaired = repair_coco(data)
    assert json.loads(repaired.data) == document()
    assert repaired.changes == () and repaired.lost == ""


@pytest.mark.parametrize("key", list(CASES))
def test_each_fault_is_found_and_nothing_is_wrong_after_a_repair(key):
    data = data_of(CASES[key])
    report = check_coco(data, size_of=files_of(key))
    (found,) = [one for one in report.findings if one.check.key == key]
    assert found.count >= 1 and found.places
    severity = check_by_key(key).severity
    assert (key in keys_of(report)) == (severity != "info")
    repaired = repair_coco(data, size_of=files_of(key), report=report)
    after = check_coco(repaired.data)
    assert after.wrong == ()
    assert after.has(key) == (severity == "info")
    read_coco(repaired.data)
    kept = {one["id"] for one in json.loads(repaired.data)["annotations"]}
    if key not in ("crowd", "image-without-annotations", "category-unused"):
        assert kept >= {1, 2, 3}
    assert json.loads(repaired.data)["info"] == {"year": 2026}


def repaired(key):
    return json.loads(repair_coco(data_of(CASES[key])).data)


def masks_in(value):
    dataset, refusals = read_coco(data_of(value))
    assert refusals == []
    return [one.mask.to_mask() for one in dataset.instances]


def last(key):
    return repaired(key)["annotations"][-1]


def test_a_hole_becomes_one_polygon_that_everybody_reads_with_the_hole():
    found = last("hole")
    wanted = np.zeros((HEIGHT, WIDTH), np.bool_)
    wanted[5:35, 40:70] = True
    wanted[15:25, 50:60] = False
    assert len(found["segmentation"]) == 1
    assert (masks_in(repaired("hole"))[-1] == wanted).all()
    assert found["area"] == 800 and found["bbox"] == [40, 5, 30, 30]


def test_an_island_in_a_hole_stays():
    rings = [square(5, 5, 40), square(10, 10, 30), square(20, 20, 10)]
    case = document(row(4, 1, 5, 5, 40, segmentation=rings))
    value = json.loads(repair_coco(data_of(case)).data)
    wanted = np.zeros((HEIGHT, WIDTH), np.bool_)
    for x, side, is_in in ((5, 40, True), (10, 30, False), (20, 10, True)):
        wanted[x : x + side, x : x + side] = is_in
    assert (masks_in(value)[-1] == wanted).all()


def test_parts_side_by_side_and_the_same_part_twice_are_no_holes():
    two = row(
        4, 1, 40, segmentation=[square(40, 10, 20), square(70, 10, 10)], area=500, bbox=[40, 10, 40, 20]
    )
    twice = row(5, 1, 40, 35, segmentation=[square(40, 35, 20), square(40, 35, 20)])
    assert check_coco(data_of(document(two, twice))).findings == ()


def test_crowds_of_cvat_become_objects_and_a_crowd_among_many_stays():
    rows = repaired("crowd")["annotations"]
    assert [one["iscrowd"] for one in rows] == [0, 0, 0]
    assert isinstance(rows[1]["segmentation"], list), "run lengths break those who expect polygons"
    few = document(row(4, 1, 40, iscrowd=1))
    assert check_coco(data_of(few)).findings == ()
    assert json.loads(repair_coco(data_of(few)).data) == few


def test_ids_are_kept_and_a_repeated_one_gets_the_next():
    ids = [one["id"] for one in repaired("duplicate-id")["annotations"]]
    assert ids == [1, 2, 3, 4]
    assert [one["id"] for one in repaired("annotation-id-0")["annotations"]] == [1, 2, 3, 4]
    found = last("text-number")
    assert (found["id"], found["image_id"], found["iscrowd"]) == (4, 1, 0)


def test_ids_that_are_words_are_kept_beside_their_numbers():
    value = document(images=images(id="second"), annotations=[row(1), row(2, "second", category_id=2)])
    found = json.loads(repair_coco(data_of(value)).data)
    assert found["images"][1] == images()[1] | {"id": 2, "maskdesk": {"id": "second"}}
    assert found["annotations"][1]["image_id"] == 2


def test_an_image_listed_twice_takes_the_annotations_of_both():
    found = repaired("file-name-twice")
    assert [image["id"] for image in found["images"]] == [1, 2]
    assert found["annotations"][-1]["image_id"] == 1
    other = [*images(), {"id": 3, "file_name": "a.png", "width": 5, "height": 5}]
    lost = repair_coco(data_of(document(row(4, 3, 1, 1, 3), images=other)))
    assert lost.lost == "1 image and 1 annotation could not be kept"
    assert any("left out with its annotations" in sentence for sentence in lost.changes)


def test_sizes_come_from_image_files_or_run_lengths():
    bare = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}]
    data = data_of(document(disc_row(), images=bare))
    found = json.loads(repair_coco(data, size_of=lambda name: (60, 90) if name == "b.png" else None).data)
    assert [(image["width"], image["height"]) for image in found["images"]] == [(WIDTH, HEIGHT)] * 2
    assert len(found["annotations"]) == 4
    half = repair_coco(data)
    assert len(json.loads(half.data)["images"]) == 1
    assert half.lost == "1 image and 2 annotations could not be kept"


def test_wrong_boxes_and_areas_become_the_masks_own_and_near_ones_stay():
    for key in ("bbox-corners", "bbox-off", "area-off", "missing-field", "bad-field"):
        found = last(key)
        assert found["bbox"] == [40, 10, 20, 20] and found["area"] == 400, key
    near = row(4, 1, 40, bbox=[40.4, 9.3, 20.5, 20.9], area=410.5)
    assert json.loads(repair_coco(data_of(document(near))).data) == document(near)


def test_unusual_forms_become_the_usual_one():
    wanted = masks_in(document(row(4, 1, 40)))[-1]
    pairs = [[x, y] for x, y in zip(*[iter(square(40, 10, 20))] * 2, strict=True)]
    column = [int(n) for n in Rle.from_mask(wanted).runs]
    for form in (
        pairs,
        [pairs],
        runs(wanted, size=["60", "90"]),
        {"counts": Rle.from_mask(wanted).counts},
        {"size": [HEIGHT, WIDTH], "counts": [float(n) for n in column]},
    ):
        data = data_of(document(row(4, 1, 40, segmentation=form)))
        assert "odd-form" in keys_of(check_coco(data)), form
        found = repair_coco(data)
        segmentation = json.loads(found.data)["annotations"][-1]["segmentation"]
        assert isinstance(segmentation, list) or isinstance(segmentation["counts"], str)
        assert (masks_in(json.loads(found.data))[-1] == wanted).all()
        assert found.after.wrong == ()


def test_names_that_come_twice_are_told_apart_by_id():
    assert [one["name"] for one in repaired("category-name-twice")["categories"]] == [
        "cell",
        "dog",
        "cell (7)",
    ]
    assert repaired("odd-text")["categories"][-1]["name"] == "half \ufffd"


def test_the_same_object_once_with_a_filled_hole_is_found_at_once():
    cut = json.loads(repair_coco(data_of(document(HOLLOW))).data)["annotations"][-1]
    found = repair_coco(data_of(document(HOLLOW, cut | {"id": 5})))
    assert {one.check.key for one in found.before.wrong} == {"hole", "duplicate-annotation"}
    assert len(json.loads(found.data)["annotations"]) == 4


def test_what_a_repair_brings_out_is_repaired_too():
    rows = [row(1, iscrowd=1), row(2, 2, iscrowd=1), row(3, 1, 40), row(4, 1, 40)]
    found = repair_coco(data_of(document(annotations=rows)))
    assert [one.check.key for one in found.before.wrong] == ["duplicate-annotation"]
    assert [one.check.key for one in found.later] == ["crowd"]
    assert len(found.changes) == 2 and found.after.wrong == ()


def test_boxes_without_a_mask_are_kept_as_they_are():
    assert last("box-only") == row(4, 1, 40, segmentation=[])


def test_boxes_without_a_mask_end_at_their_image_and_have_an_empty_list():
    far = row(4, 1, 80, 50, segmentation=[[]])
    report = check_coco(data_of(document(far)))
    assert keys_of(report) == {"odd-form", "outside"}
    found = json.loads(repair_coco(data_of(document(far))).data)["annotations"][-1]
    assert found == far | {"segmentation": [], "bbox": [80.0, 50.0, 10.0, 10.0], "area": 100.0}


def test_a_size_that_is_not_that_of_the_file_is_told_and_kept():
    found = repair_coco(data_of(document()), size_of=files_of("size-off"))
    assert found.changes == () and json.loads(found.data) == document()
    assert found.before.wrong[0].places == ("a.png: 90 x 60, its file has 60 x 90",)
    assert found.kept == (
        "images whose file has another size (looked for with --images) (1): kept: only a person can tell "
        "which of the two is right",
    )


def test_numbers_and_names_of_the_wrong_kind_keep_their_rows():
    found = repaired("odd-name")
    assert found["images"][-1]["file_name"] == "17" and found["categories"][-1]["name"] == "category 7"
    assert len(found["annotations"]) == 4
    texts = row(
        4,
        1,
        segmentation=[[str(n) for n in square(40, 10, 20)]],
        bbox=["40", "10.0", "20", "2e1"],
        score="0.9",
        area="400",
    )
    report = check_coco(data_of(document(texts)))
    assert keys_of(report) == {"text-number"} and report.wrong[0].count == 4
    found = json.loads(repair_coco(data_of(document(texts))).data)["annotations"][-1]
    assert found == row(4, 1, 40) | {"score": 0.9}


def test_what_is_no_coco_file_is_refused():
    with pytest.raises(DatasetError, match="not JSON"):
        check_coco(b'{"images": [')
    with pytest.raises(DatasetError, match="COCO results"):
        check_coco(data_of([{"image_id": 1, "category_id": 1, "score": 0.5}]))


def test_every_fault_of_a_reader_belongs_to_a_check():
    for value in CASES.values():
        _, refusals = read_coco(data_of(value))
        assert {key_of(one) for one in refusals} <= set(CASES)


def test_places_of_many_faults_are_the_first_and_all_are_counted():
    data = data_of(document(*(row(n, 1, 40, 5, n, bbox=[0, 0, 1, 1]) for n in range(10, 30))))
    (found,) = check_coco(data).wrong
    assert found.count == 20
    assert found.places[0] == "annotations[3]" and len(found.places) == 5


@pytest.mark.parametrize("profile", PROFILES)
def test_what_the_table_of_formats_writes_is_right(profile):
    export = make_export()
    dataset = Dataset.of_images(export.images, export.categories)
    data = dump_json(coco_document(dataset, profile=profile))
    assert check_coco(data).wrong == ()


SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))


@st.composite
def data_sets(draw):
    height, width = draw(SIZES)
    count = draw(st.integers(0, 6))
    found, seen = [], set()
    for number in range(count):
        mask = Rle.from_mask(make_mask(draw(st.integers(0, 10**6)), height, width))
        if not mask.area or mask.counts in seen:
            continue
        seen.add(mask.counts)
        score = draw(st.none() | st.floats(0, 1))
        found.append(Instance(1, 1 + number % 2, mask, score, is_crowd=False))
    if len(found) > 2 and draw(st.booleans()):
        found[0] = replace(found[0], is_crowd=True)
    records = (ImageRecord(1, "a.png", width, height), ImageRecord(5, "b.png", 7, 9))
    return Dataset(records, (Category(1, "x"), Category(2, "y")), tuple(found))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data_sets(), st.sampled_from(PROFILES))
def test_a_right_file_has_nothing_wrong_and_a_repair_gives_it_back(dataset, profile):
    data = dump_json(coco_document(dataset, profile=profile))
    assert check_coco(data).wrong == ()
    assert json.loads(repair_coco(data).data) == json.loads(data)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 100),
    st.floats(-200, 200),
    st.sampled_from([float("nan"), float("inf"), "", "1", "x", "\ud800", [], {}, [[]], [[1, 2]], 10**30]),
    st.lists(st.floats(-50, 150), min_size=4, max_size=8),
    st.lists(st.lists(st.integers(-20, 120), min_size=6, max_size=8), min_size=1, max_size=3),
    st.builds(lambda n: {"size": [HEIGHT, WIDTH], "counts": [n, HEIGHT * WIDTH - n]}, st.integers(0, 5400)),
)
FIELDS = {
    "images": ("id", "file_name", "width", "height", "x"),
    "categories": ("id", "name", "supercategory", "x"),
    "annotations": ("id", "image_id", "category_id", "segmentation", "area", "bbox", "iscrowd", "score", "x"),
}


@st.composite
def broken(draw):
    value = json.loads(json.dumps(draw(st.sampled_from(list(CASES.values())))))
    for _ in range(draw(st.integers(0, 5))):
        name = draw(st.sampled_from(list(FIELDS)))
        place = draw(st.integers(0, len(value[name]) - 1))
        changed = value[name][place]
        if not isinstance(changed, dict):
            continue
        field = draw(st.sampled_from(FIELDS[name]))
        what = draw(st.sampled_from(["set", "drop", "repeat"]))
        if what == "set":
            changed[field] = draw(VALUES)
        elif what == "drop":
            changed.pop(field, None)
        else:
            value[name].append(json.loads(json.dumps(changed)) | {field: draw(VALUES)})
    return value


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(broken())
def test_nothing_is_wrong_with_any_file_after_a_repair(value):
    found = repair_coco(data_of(value))
    assert check_coco(found.data).wrong == ()
    json.loads(found.data, parse_constant=lambda text: pytest.fail(text))
    before = check_coco(data_of(value))
    assert bool(found.changes) == bool(before.wrong)
