"""Files as other tools write them: a side field never costs a good mask, ids stay, reasons are grouped."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_core.common.bounds import DEEPEST
from maskrcnn_core.common.refusals import Refusal, grouped
from maskrcnn_core.errors import DatasetError
from maskrcnn_core.formats.coco_fields import clean, id_key
from maskrcnn_core.formats.coco_reader import read_coco, read_coco_file
from maskrcnn_core.formats.coco_results import read_results_file
from maskrcnn_core.geometry.polygons import polygons_to_rle

SIZE = (48, 64)
SQUARE = [10, 10, 30, 10, 30, 30, 10, 30]
MASK = polygons_to_rle([SQUARE], SIZE)


def document(**changes):
    """Two images and categories; the first of two annotations takes the changes."""
    first = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "segmentation": [SQUARE],
        "area": 400,
        "bbox": [10, 10, 20, 20],
        "iscrowd": 0,
    }
    second = first | {"id": 2, "image_id": 2, "category_id": 2}
    return {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 64, "height": 48} for n in (1, 2)],
        "categories": [{"id": 1, "name": "cell"}, {"id": 2, "name": "dog"}],
        "annotations": [first | changes, second],
    }


def read(document, **options):
    return read_coco_file(json.dumps(document).encode(), **options)


RUBBISH = [
    None,
    "",
    "4oo",
    [],
    {},
    "NaN",
    float("nan"),
    float("inf"),
    [None] * 4,
    {"x": [1]},
    10**400,
    -(10**400),
]


@pytest.mark.parametrize("value", RUBBISH, ids=repr)
@pytest.mark.parametrize("field", ["area", "bbox", "iscrowd", "score"])
def test_a_side_field_never_costs_a_good_mask(field, value):
    file = read(document(**{field: value}))
    assert file.refusals == () and [row.value.mask for row in file.annotations] == [MASK, MASK]
    first = file.annotations[0].value
    assert not first.is_crowd and first.score is None
    assert (first.given_area is None) == (field == "area") and (first.given_box is None) == (field == "bbox")
    silent = field == "score" and value is None  # as good as absent
    assert len(file.notes) == (0 if silent else 1)
    assert silent or file.notes[0].startswith(f"annotations[0].{field}: expected ")


def test_numbers_that_are_texts_are_read_as_numbers():
    square = [[str(n) for n in (10, 10, 30, 10, 30, 30, 10, 30)]]
    file = read(document(area=" 400", bbox=["10", 10, "2e1", "20"], score="0.5", segmentation=square))
    first = file.annotations[0].value
    assert (first.given_area, first.score, first.given_box) == (400.0, 0.5, (10.0, 10.0, 30.0, 30.0))
    assert file.refusals == () and first.mask == MASK
    assert [note.split(", got")[0] for note in file.notes] == [
        f"annotations[0].{field}: numbers written as text; read as the numbers"
        for field in ("score", "area", "bbox", "segmentation")
    ]


@pytest.mark.parametrize("value", [1, 1.0, True, "1"])
def test_crowds_are_marked_by_a_number_a_text_or_a_truth_value(value):
    file = read(document(iscrowd=value))
    assert file.annotations[0].value.is_crowd and file.notes == ()


def test_mends_of_one_kind_are_counted_in_one_sentence():
    many = document()
    many["annotations"] = [dict(many["annotations"][0], id=n, area=None) for n in range(1, 1001)]
    assert read(many).notes == (
        "annotations[...].area: expected a number; it is the mask's own "
        "(1000 times; first annotations[0].area)",
    )


def test_refusals_are_grouped_by_reason_with_their_count_and_first_place():
    refusals = [
        Refusal(f"annotations[{n}].image_id", "there is no image with id {}", str(n)) for n in range(5, 92)
    ]
    refusals += [Refusal("images[3].width", "expected a whole number", "nothing")]
    refusals += [Refusal(f"annotations[{n}]", f"run lengths add up to {n}") for n in (7, 8)]
    assert grouped(refusals) == (
        "annotations[...].image_id: there is no image with id ... "
        "(87 times; first annotations[5].image_id, got 5)",
        "images[3].width: expected a whole number, got nothing",
        "annotations[...]: run lengths add up to 7 (2 times; first annotations[7])",
    )
    assert str(refusals[0]) == "annotations[5].image_id: there is no image with id 5"
    assert grouped([]) == ()


PAIRS = [[10, 10], [30, 10], [30, 30], [10, 30]]


@pytest.mark.parametrize("value", [SQUARE, PAIRS, [PAIRS], [SQUARE], [[float(n) for n in SQUARE]]], ids=repr)
def test_one_polygon_is_read_in_every_form(value):
    row = read(document(segmentation=value)).annotations[0]
    assert row.value.mask == MASK and row.polygons == [SQUARE]


@pytest.mark.parametrize(
    "part",
    [[40, 40, 41, 41], [], [1, 2, 3, 4, 5], [5, 5, 6, 6, 7, 7], ["a"] * 6, None, 3, [1, 2, 3, 4, 5, 10**400]],
    ids=lambda part: repr(part)[:30],
)
@pytest.mark.parametrize("at", [0, 1])
def test_a_part_that_is_no_polygon_is_named_and_the_good_one_kept(part, at):
    parts = [[float(n) for n in SQUARE]]
    parts.insert(at, part)
    file = read(document(segmentation=parts))
    assert file.refusals == () and file.annotations[0].value.mask == MASK
    assert file.annotations[0].polygons == [SQUARE]
    assert len(file.notes) == 1
    assert file.notes[0].startswith(f"annotations[0].segmentation[{at}]: left out next to good parts: ")


def test_run_lengths_that_are_whole_numbers_are_read_and_their_form_is_known():
    runs = MASK.runs.tolist()
    listed = read(document(segmentation={"size": list(SIZE), "counts": runs}))
    floats = read(document(segmentation={"size": [48.0, 64.0], "counts": [float(run) for run in runs]}))
    text = read(document(segmentation={"size": list(SIZE), "counts": MASK.counts}))
    for file, is_listed, notes in ((listed, True, 0), (floats, True, 1), (text, False, 0)):
        row = file.annotations[0]
        assert (row.value.mask, row.is_listed, row.polygons) == (MASK, is_listed, None)
        assert len(file.notes) == notes


@pytest.mark.parametrize("segmentation", [None, [], {}, [[]], ""], ids=repr)
def test_annotations_without_masks_are_boxes_and_one_sentence(segmentation):
    given = document(segmentation=segmentation, score=0.5)
    file = read(given)
    (box,) = file.boxes
    assert file.refusals == () and (box.id, box.value.box, box.value.score) == (1, (10, 10, 30, 30), 0.5)
    dataset, refusals = read_coco(json.dumps(given).encode())
    assert len(dataset.instances) == 1
    assert [str(refusal) for refusal in refusals] == ["annotations: 1 holds only boxes, no masks"]
    outside = read(document(segmentation=segmentation, bbox=[100, 10, 20, 20]))
    assert outside.boxes == () and len(outside.refusals) == 1, "a box on nothing is none"


def test_ids_from_0_stay_and_an_annotation_with_id_0_takes_the_number_after_the_largest():
    zero = document()
    for rows in ("images", "categories", "annotations"):
        for row in zero[rows]:
            row |= {key: row[key] - 1 for key in ("id", "image_id", "category_id") if key in row}
    file = read(zero)
    assert [row.value.id for row in file.images] == [row.value.id for row in file.categories] == [0, 1]
    assert [row.id for row in file.annotations] == [2, 1]
    assert [(r.value.image_id, r.value.category_id) for r in file.annotations] == [(0, 0), (1, 1)]
    assert len(file.notes) == 1 and file.notes[0].startswith("annotations[0].id: COCO's evaluators ignore")


def test_annotations_without_an_id_of_their_own_take_numbers_that_no_other_has():
    many = document()
    row = many["annotations"][0]
    given = [7, 7, None, "abc", 3.0, "4", [], 0, -5, 2**60]
    many["annotations"] = [dict(row, id=id_, area=n) for n, id_ in enumerate(given, start=1)] + [
        {k: v for k, v in row.items() if k != "id"}
    ]
    ids = [row.id for row in read(many).annotations]
    assert ids == [7, 8, 9, 10, 3, 4, 11, 12, -5, 13, 14]
    assert [row.text_id for row in read(many).annotations if row.text_id] == ["abc", str(2**60)]


@pytest.mark.parametrize("text", ["img_a", "00000012", "1.5", str(2**60), "é☂", " 1", "-0"])
def test_a_text_is_an_id_with_a_number_of_its_own_and_others_may_refer_to_it(tmp_path, text):
    given = document(image_id=text, category_id=text)
    given["images"][0]["id"] = given["categories"][0]["id"] = text
    file = read(given)
    assert [(row.id, row.text_id) for row in file.images] == [(3, text), (2, "")]
    assert [(row.id, row.text_id) for row in file.categories] == [(3, text), (2, "")]
    assert (file.annotations[0].value.image_id, file.annotations[0].value.category_id) == (3, 3)
    results = [{"image_id": text, "category_id": text, "score": 0.5, "segmentation": [SQUARE]}]
    (tmp_path / "results.json").write_text(json.dumps(results))
    detections = read_results_file(tmp_path / "results.json", file.dataset())
    assert detections.refusals == ()
    assert (*detections.found.image_ids, *detections.found.category_ids) == (3, 3)


def test_a_number_written_as_a_text_is_the_number():
    given = document(id="1", image_id="1", category_id="1")
    given["images"][0]["id"] = given["categories"][0]["id"] = "1"
    file = read(given)
    assert file.refusals == () and file.dataset().images == read(document()).dataset().images
    assert [row.id for row in file.annotations] == [1, 2]
    assert all("a number written as text" in note for note in file.notes) and len(file.notes) == 3


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none(), st.lists(st.integers())))
def test_an_id_is_a_safe_number_or_a_text_or_none(value):
    key = id_key(value)
    assert key is None or isinstance(key, str) or (type(key) is int and abs(key) <= 2**53)
    if type(value) is int and abs(value) <= 2**53:
        assert key == value and id_key(str(value)) == value and id_key(float(value)) == value


def test_sizes_that_a_file_does_not_tell_are_measured_or_refused():
    given = document()
    for row in given["images"]:
        del row["width"], row["height"]
    file = read(given, size_of={"1.png": SIZE}.get)
    assert [row.value.size for row in file.images] == [SIZE]
    assert file.notes == ("images[0]: no width and height; measured in the image file",)
    assert str(file.refusals[0]) == (
        "images[1].width: expected a whole number from 1 to 65536, got nothing, and the image is not "
        "available to measure"
    )
    given["images"][0] |= {"width": "64", "height": 48.0}
    assert [row.value.size for row in read(given).images] == [SIZE]


def test_what_json_does_not_have_is_null_and_counted():
    nan, deep = float("nan"), [1]
    for _ in range(DEEPEST):
        deep = [deep]
    given = document(attributes={"x": [nan, float("-inf"), 1.5]}, more=deep)
    given["info"] = {"year": nan}
    file = read(given)
    assert file.annotations[0].extra["attributes"] == {"x": [None, None, 1.5]}
    assert file.extra["info"] == {"year": None}
    assert "2 times; first annotations[0].attributes" in "\n".join(file.notes)
    assert f"nested deeper than {DEEPEST} levels" in "\n".join(file.notes)
    json.dumps(file.annotations[0].extra | file.extra, allow_nan=False)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_what_is_clean_is_left_as_it_is(value):
    told = []
    cleaned = clean(value, lambda reason, got: told.append(reason))
    if not told:
        assert cleaned == value
    assert clean(cleaned, lambda reason, got: pytest.fail(reason)) == cleaned
    json.dumps(cleaned, allow_nan=False)


def test_a_file_whose_lists_are_none_says_so():
    with pytest.raises(DatasetError, match="COCO file: expected a list 'images', got nothing"):
        read({})


@pytest.mark.parametrize("field, value", [("area", -400), ("area", 0), ("bbox", [30, 30, -20, -20])])
def test_a_size_that_evaluators_ignore_becomes_the_masks_own_and_is_counted(field, value):
    rows = document(**{field: value})
    file = read(rows)
    first = file.annotations[0].value
    assert first.area == MASK.area and first.box_xywh == MASK.box_xywh
    assert (first.given_area is None) == (field == "area") and (first.given_box is None) == (field == "bbox")
    (note,) = file.notes
    assert note.startswith(f"annotations[0].{field}: ") and "the mask's own" in note


def test_a_box_far_from_its_mask_stays_the_files():
    assert read(document(bbox=[0, 0, 5, 0])).annotations[0].value.given_box == (0, 0, 5, 0)


@pytest.mark.parametrize("id_", [7, "abc", 0])
def test_the_very_same_annotation_twice_is_one_and_another_of_its_id_is_not(id_):
    many = document(id=id_)
    row, other = many["annotations"]
    different = dict(row, area=99)
    many["annotations"] = [row, other, dict(reversed(row.items())), different, row, different]
    file = read(many)
    assert [r.value.given_area for r in file.annotations] == [400, 400, 99]
    assert len({r.id for r in file.annotations}) == 3
    assert (
        "annotations[...]: an exact duplicate of an earlier row; counted once (3 times; first annotations[2])"
        in (file.notes)
    )


def test_a_list_is_called_a_list_and_results_are_told_what_takes_them():
    with pytest.raises(DatasetError, match=r"expected an object with 'images', got a list of 2$"):
        read([1, {"a": 2}])
    with pytest.raises(DatasetError, match=r"got an empty list$"):
        read([])
    row = {"image_id": 1, "category_id": 1, "score": 0.5, "segmentation": [SQUARE]}
    with pytest.raises(
        DatasetError, match=r"got a list of 3 that looks like COCO results.*evaluate --results"
    ):
        read([row] * 3)


@pytest.mark.parametrize("counts", [MASK.counts, MASK.runs.tolist()], ids=["text", "list"])
def test_run_lengths_without_a_size_have_the_images_and_it_is_said(counts):
    file = read(document(segmentation={"counts": counts}))
    assert file.annotations[0].value.mask == MASK and file.refusals == ()
    assert file.notes == (
        "annotations[0].segmentation.size: run lengths without a size; read with the image's",
    )
    assert read(document(segmentation={"counts": counts, "size": [1, 2]})).refusals


def test_a_reason_told_of_many_holds_no_gap_where_the_value_was():
    many = document()
    many["annotations"] = [dict(many["annotations"][0], area=n) for n in range(1, 4)]
    (note,) = read(many).notes
    assert note.startswith("annotations[...].id: a repeated id; it gets the number after") and (
        "(2 times; first annotations[1].id, got 1)" in note
    )
