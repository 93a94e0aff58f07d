"""``evaluate`` never answers 0 without its reason, and compares what a person says is the same."""

import json
from dataclasses import replace

import pytest

from maskrcnn_core.dataset.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.dataset.category_maps import join_categories
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.coco import coco_document, result_rows
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.geometry.rle import Rle
from tests.builders.cli import invoke
from tests.builders.core import disc
from tests.unit.evaluation.test_coco_metrics import make_dataset, make_results, with_scores


def evaluated(tmp_path, truth, rows, *more, code=0):
    """The report as JSON of rows in the results form, or of a data set as detections."""
    files = tmp_path / "truth.json", tmp_path / "results.json"
    files[0].write_bytes(dump_json(coco_document(truth)))
    files[1].write_bytes(dump_json(coco_document(rows) if isinstance(rows, Dataset) else rows))
    result = invoke("evaluate", "--ground-truth", files[0], "--results", files[1], "--json", *more)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def renamed(dataset, **names):
    categories = tuple(Category(c.id, names.get(c.name, c.name)) for c in dataset.categories)
    return replace(dataset, categories=categories)


def said(report, *parts):
    return any(all(part in note for part in parts) for note in report["notes"])


def perfect(dataset):
    return result_rows(with_scores(dataset.instances))


def test_good_detections_need_no_words(tmp_path):
    report = evaluated(tmp_path, make_dataset(), perfect(make_dataset()))
    assert report["mask"]["AP"] == 1
    assert report["max_detections"] == 100
    assert not report["notes"]


@pytest.mark.parametrize(
    ("field", "by", "words", "code"),
    [
        ("image_id", 1, "image ids one lower", 0),
        ("image_id", -1, "image ids one higher", 0),
        ("category_id", -1, "category ids one higher", 1),
        ("category_id", 1, "category ids one lower", 1),
    ],
)
def test_ids_that_are_shifted_are_found_out(tmp_path, field, by, words, code):
    truth = make_dataset()
    ids = {image.id: n for n, image in enumerate(truth.images, start=1)}
    truth = Dataset(
        tuple(replace(image, id=ids[image.id]) for image in truth.images),
        truth.categories,
        tuple(replace(i, image_id=ids[i.image_id]) for i in truth.instances),
    )
    rows = perfect(truth)
    for row in rows:
        row[field] += by
    report = evaluated(tmp_path, truth, rows, code=code)
    assert report["mask"]["AP"] < 0.05
    assert said(report, "ids seem not to be", words, "would be 1.000, not")
    assert said(report, "that the ground truth does not have")


def test_category_ids_that_count_places_are_found_out(tmp_path):
    truth = make_dataset()
    rows = perfect(truth)
    for row in rows:
        row["category_id"] = [c.id for c in truth.categories].index(row["category_id"])
    report = evaluated(tmp_path, truth, rows, code=1)
    assert said(report, "category ids as places from 0", "would be 1.000")
    assert said(report, "20 of 20 detections are of 3 categories", "0, 1, 2", "3 (car), 18 (dog)")


@pytest.mark.parametrize("by", [1, -1])
@pytest.mark.parametrize("mask", ["text", "list", "none"])
def test_shifted_image_ids_are_found_out_where_no_mask_fits_its_image(tmp_path, by, mask):
    discs = [disc(90 + 9 * n, 90 + 7 * n, (25, 65)[n % 2], 30 + n, 8 + n) for n in range(6)]
    images = [ImageRecord(n, f"{n}.png", *mask.size[::-1]) for n, mask in enumerate(discs, start=1)]
    instances = [Instance(n, 1, mask) for n, mask in enumerate(discs, start=1)]
    truth = Dataset(tuple(images), (Category(1, "disc"),), tuple(instances))
    rows = perfect(truth)
    for row in rows:
        row["image_id"] += by
        if mask == "list":
            size, counts = row["segmentation"]["size"], row["segmentation"]["counts"]
            row["segmentation"] = {"size": size, "counts": Rle.from_counts(counts, tuple(size)).runs.tolist()}
        if mask == "none":
            del row["segmentation"]
    report = evaluated(tmp_path, truth, rows, code=int(mask != "none"))
    assert report["box"]["AP"] < 0.05
    words = "image ids one lower" if by > 0 else "image ids one higher"
    assert said(report, "ids seem not to be", words, "box AP would be 1.000, not 0.0")


@pytest.mark.parametrize("of", [1, 2])
def test_boxes_without_masks_count_as_boxes_and_are_missing_among_masks(tmp_path, of):
    """All, or every second one; as results, as a data set, and saved."""
    truth = make_dataset()
    found = result_rows(make_results(truth))
    whole = evaluated(tmp_path, truth, found)
    rows = json.loads(dump_json(found))
    for row in rows[::of]:
        del row["segmentation"]
    saved = tmp_path / "saved.json"
    report = evaluated(tmp_path, truth, rows, "--save", saved)
    assert report["box"] == pytest.approx(whole["box"]) and 0 < whole["box"]["AP"] < 1
    assert report["detections"] == len(rows)
    if of == 1:
        assert set(report["mask"].values()) == {c["mask_AP"] for c in report["categories"]} == {None}
        assert said(report, f"{len(rows)} detections, none with a mask", "mask column is left empty")
    else:
        assert report["mask"] == evaluated(tmp_path, truth, rows[1::2])["mask"]
        assert 0 < report["mask"]["AP"] < whole["mask"]["AP"]
        assert said(report, f"{len(rows[::2])} of {len(rows)} detections are boxes", "not in the mask")
    again = evaluated(tmp_path, truth, json.loads(saved.read_text()))
    assert (again["box"], again["mask"]) == (report["box"], report["mask"])
    document = coco_document(truth)
    document["annotations"] = [row | {"id": n} for n, row in enumerate(rows, start=1)]
    files = tmp_path / "truth.json", tmp_path / "set.json"
    files[1].write_bytes(dump_json(document))
    given = ("evaluate", "--ground-truth", files[0], "--results", files[1])
    result = invoke(*given, "--json")
    again = json.loads(result.stdout)
    assert again["box"] == pytest.approx(whole["box"])
    assert again["mask"] == (report["mask"] if of == 1 else pytest.approx(report["mask"]))
    assert result.exit_code == 0 and "boxes only" not in result.stderr
    shown = invoke(*given, "--per-category").stdout
    mask = "-" if of == 1 else f"{report['mask']['AP']:.4f}"
    first = next(line for line in shown.splitlines() if line.startswith("AP "))
    assert first.split()[1:3] == [f"{whole['box']['AP']:.4f}", mask], "0.0000 would be a number"
    assert "nan" not in shown


def test_run_lengths_without_a_size_have_their_images_and_that_is_counted(tmp_path):
    truth = make_dataset()
    rows = perfect(truth)
    for row in (rows[3], rows[7]):
        del row["segmentation"]["size"]
    files = tmp_path / "truth.json", tmp_path / "results.json"
    files[0].write_bytes(dump_json(coco_document(truth)))
    files[1].write_bytes(dump_json(rows))
    result = invoke("evaluate", "--ground-truth", files[0], "--results", files[1], "--json")
    report = json.loads(result.stdout)
    assert (report["mask"]["AP"], report["detections"]) == (1, len(rows))
    words = "run lengths without a size; read with the image's (2 times; first results[3].segmentation.size)"
    assert words in result.stderr and result.exit_code == 0


def test_images_and_sizes_that_do_not_fit_are_counted(tmp_path):
    truth = make_dataset()
    rows = perfect(truth)
    for row in rows[:3]:
        row["image_id"] = 999
    rows[5]["segmentation"]["size"] = [4, 5]
    report = evaluated(tmp_path, truth, rows)
    assert said(report, "3 of 20 detections are of 1 image that the ground truth does not have: 999")
    assert said(report, "1 of 20 detections have masks of a size other than")
    assert report["detections"] == 16


def test_no_detections_and_no_truth_are_said(tmp_path):
    truth = make_dataset()
    assert said(evaluated(tmp_path, truth, [], code=1), "the results hold no detections")
    empty = evaluated(tmp_path, replace(truth, instances=()), perfect(truth))
    assert said(empty, "the ground truth holds no objects")


def test_scores_that_are_all_the_same_are_said(tmp_path):
    rows = [row | {"score": 0.25} for row in perfect(make_dataset())]
    assert said(evaluated(tmp_path, make_dataset(), rows), "all 20 detections have the same score, 0.25")


def test_crowds_are_said_and_can_be_objects(tmp_path):
    truth = make_dataset()
    crowds = replace(truth, instances=tuple(replace(i, is_crowd=True) for i in truth.instances))
    ignored = evaluated(tmp_path, crowds, perfect(truth))
    assert ignored["mask"]["AP"] == -1
    assert said(ignored, "the ground truth holds only 20 crowd regions", "--crowds objects")
    assert evaluated(tmp_path, crowds, perfect(truth), "--crowds", "objects")["mask"]["AP"] == 1


@pytest.mark.parametrize("crowds", ["ignore", "objects"])
def test_what_nobody_has_accepted_is_no_ground_truth(tmp_path, crowds):
    """A project's export may hold proposals and rejected instances, and says so of each."""
    truth = make_dataset()
    rows = perfect(truth)
    document = coco_document(truth)
    document["annotations"][0]["maskdesk"] = {"status": "proposed"}
    document["annotations"][1]["maskdesk"] = {"status": "rejected"}
    files = tmp_path / "truth.json", tmp_path / "results.json"
    files[0].write_bytes(dump_json(document))
    files[1].write_bytes(dump_json(rows[2:]))
    given = ("--ground-truth", files[0], "--results", files[1], "--json", "--crowds", crowds)
    report = json.loads(invoke("evaluate", *given).stdout)
    assert report["mask"]["AP"] == 1, "neither of the two is missing"
    assert said(report, "1 open proposal is in the ground truth, and ignored")
    assert said(report, "1 rejected instance in the file does not count")


def test_what_a_limit_leaves_out_is_counted(tmp_path):
    report = evaluated(tmp_path, make_dataset(), perfect(make_dataset()), "--max-detections", "1")
    assert report["max_detections"] == 1
    assert said(report, "the best 1 detection per image and category counts; 8 of 20 are left out")


def test_where_sizes_go_by_another_rule_is_counted(tmp_path):
    rows = perfect(make_dataset())
    small = [row for row, i in zip(rows, make_dataset().instances, strict=True) if i.area < 32 * 32]
    for row in small:
        row["bbox"] = [0, 0, 160, 120]
    words = f"{len(small)} of 20 detections into another size"
    assert said(evaluated(tmp_path, make_dataset(), rows), "loadRes", words)
    for row in rows:
        del row["bbox"]
    assert not said(evaluated(tmp_path, make_dataset(), rows), "loadRes")


def test_names_that_differ_are_said_and_can_be_mapped(tmp_path):
    truth = make_dataset()
    found = renamed(replace(truth, instances=tuple(with_scores(truth.instances))), car="cars", dog="wolf")
    report = evaluated(tmp_path, truth, found)
    assert said(report, "2 categories that the ground truth does not have: ", "cars", "wolf")
    assert said(report, "2 of the ground truth's 3 categories", "car (8)", "count as missed")
    assert 0 < report["mask"]["AP"] < 1
    mapped = evaluated(tmp_path, truth, found, "--map", "car=cars", "--map", "wolf=dog")
    assert mapped["mask"]["AP"] == 1
    assert said(mapped, "compared as one: car of the ground truth, cars of the detections")


def test_names_of_images_that_differ_are_counted(tmp_path):
    truth = make_dataset()
    images = tuple(replace(image, file_name=f"x{image.file_name}") for image in truth.images)
    found = Dataset(images, truth.categories, tuple(with_scores(truth.instances)))
    report = evaluated(tmp_path, truth, found, code=1)
    assert said(report, "20 of 20 detections are of 4 images that the ground truth does not have: x0.jpg")


def test_ids_can_be_mapped_too(tmp_path):
    truth = make_dataset()
    rows = perfect(truth)
    for row in rows:
        row["category_id"] = {3: 777}.get(row["category_id"], row["category_id"])
    assert evaluated(tmp_path, truth, rows, "--map", "car=777")["mask"]["AP"] == 1


def test_several_categories_can_be_one():
    truth = make_dataset()
    joined = join_categories(truth, ["pet", "toothbrush"], ["car=pet", "dog=pet"])
    assert [c.name for c in joined.truth.categories] == ["car+dog", "toothbrush"]
    assert joined.ids == {"pet": 3, "toothbrush": 90}
    assert {i.category_id for i in joined.truth.instances} == {3, 90}
    split = join_categories(truth, ["bus", "truck"], ["car=bus", "car=truck"])
    assert split.ids == {"bus": 3, "truck": 3}
    assert set(split.unknown) == {"dog", "toothbrush"}
    assert join_categories(truth, ["car"]).truth is truth


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("car", "expected NAME=NAME"),
        ("=car", "expected NAME=NAME"),
        ("carr=bus", "ground truth's categories (car, dog, toothbrush), got 'carr'; did you mean 'car'"),
        ("car=buss", "detections' categories (bus, dog), got 'buss'; did you mean 'bus'"),
        ("x=y", "--map x=y: expected one of the ground truth's categories (car, dog, toothbrush), got 'x'"),
    ],
)
def test_pairs_that_name_nothing_are_refused_with_what_looks_alike(pair, words):
    with pytest.raises(InputError) as told:
        join_categories(make_dataset(), ["bus", "dog"], [pair])
    assert words in str(told.value)


def test_a_pair_for_detections_of_no_category_is_refused():
    with pytest.raises(InputError, match=r"the detections' categories \(none\), got 'bus'"):
        join_categories(make_dataset(), [], ["car=bus"])


@pytest.mark.parametrize(
    ("limit", "told"), [(1, (1,)), (7, (1, 7)), (10, (1, 10)), (100, (1, 10, 100)), (500, (1, 10, 500))]
)
def test_recall_is_named_by_the_limit_that_counts(tmp_path, limit, told):
    truth = make_dataset()
    evaluated(tmp_path, truth, perfect(truth))
    files = "--ground-truth", tmp_path / "truth.json", "--results", tmp_path / "results.json"
    shown = invoke("evaluate", *files, "--max-detections", str(limit)).stdout.splitlines()
    lines = {line.split()[0]: line for line in shown if line.startswith("AR")}
    assert list(lines) == [*(f"AR{number}" for number in told), "ARs", "ARm", "ARl"]
    for number in told:
        best = "the best detection" if number == 1 else f"the best {number}"
        assert lines[f"AR{number}"].endswith(f"average recall, {best} per image and category")
    report = json.loads(invoke("evaluate", *files, "--max-detections", str(limit), "--json").stdout)
    assert [name for name in report["mask"] if name[-1].isdigit() and name.startswith("AR")] == [
        f"AR{number}" for number in told
    ]


def test_what_was_compared_can_be_saved_and_is_never_written_over(tmp_path):
    truth = make_dataset()
    found = renamed(replace(truth, instances=tuple(with_scores(truth.instances))), car="cars")
    out = tmp_path / "saved.json"
    report = evaluated(tmp_path, truth, found, "--map", "car=cars", "--save", out)
    rows = json.loads(out.read_text())
    assert len(rows) == 20 and set(rows[0]) == {"image_id", "category_id", "segmentation", "bbox", "score"}
    again = evaluated(tmp_path, truth, rows)
    assert (again["mask"], again["box"]) == (report["mask"], report["box"])
    result = invoke(
        *("evaluate", "--ground-truth", tmp_path / "truth.json"),
        *("--results", tmp_path / "results.json", "--save", out),
    )
    assert result.exit_code == 2 and "this file already exists" in result.stderr


def test_categories_are_told_one_by_one(tmp_path):
    truth = make_dataset()
    rows = [row for row in perfect(truth) if row["category_id"] != 18]
    report = evaluated(tmp_path, truth, rows)
    assert [(c["name"], c["mask_AP"]) for c in report["categories"]] == [
        ("car", pytest.approx(1)),
        ("dog", 0),
        ("toothbrush", pytest.approx(1)),
    ]
    result = invoke(
        *("evaluate", "--ground-truth", tmp_path / "truth.json"),
        *("--results", tmp_path / "results.json", "--per-category"),
    )
    assert "0.0000   0.0000" in result.stdout and "toothbrush" in result.stdout


def test_ids_from_0_in_the_ground_truth_count(tmp_path):
    truth = make_dataset()
    images = tuple(replace(image, id=n) for n, image in enumerate(truth.images))
    ids = {image.id: n for n, image in enumerate(truth.images)}
    categories = tuple(replace(c, id=n) for n, c in enumerate(truth.categories))
    numbers = {c.id: n for n, c in enumerate(truth.categories)}
    instances = tuple(
        replace(i, image_id=ids[i.image_id], category_id=numbers[i.category_id]) for i in truth.instances
    )
    zero = Dataset(images, categories, instances)
    document = coco_document(zero)
    for n, row in enumerate(document["annotations"]):
        row["id"] = n
    files = tmp_path / "t.json", tmp_path / "r.json"
    files[0].write_bytes(dump_json(document))
    files[1].write_bytes(dump_json(perfect(zero)))
    result = invoke("evaluate", "--ground-truth", files[0], "--results", files[1], "--json")
    assert json.loads(result.stdout)["mask"]["AP"] == 1
