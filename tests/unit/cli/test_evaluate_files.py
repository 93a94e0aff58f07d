"""What ``evaluate`` writes beside its report."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from maskrcnn_core.dataset.annotations import Dataset
from maskrcnn_core.formats.coco import coco_document, result_rows
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.scenes import write_scenes
from tests.builders.cli import invoke
from tests.unit.evaluation.test_coco_metrics import SIZE, make_dataset, make_results


@pytest.fixture
def files(tmp_path):
    truth = make_dataset()
    (tmp_path / "truth.json").write_bytes(dump_json(coco_document(truth)))
    (tmp_path / "results.json").write_bytes(dump_json(result_rows(make_results(truth))))
    images = tmp_path / "images"
    images.mkdir()
    for image in truth.images:
        name = image.file_name
        (images / name).write_bytes(encode_png(np.full((*SIZE, 3), 90, np.uint8)))
    return tmp_path


def evaluate(folder, *more):
    return invoke(
        "evaluate", "--ground-truth", folder / "truth.json", "--results", folder / "results.json", *more
    )


def rows_of(file):
    return list(csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8-sig"))))


def test_a_table_of_images_comes_with_the_mean_of_their_aps(files):
    plain = evaluate(files)
    assert "mean AP" not in plain.stdout
    told = evaluate(files, "--per-image", files / "t.csv", "--score-threshold", "0.3")
    rows = rows_of(files / "t.csv")
    assert [row["image"] for row in rows] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    mean = np.mean([float(row["AP"]) for row in rows])
    line = next(line for line in told.stdout.splitlines() if line.startswith("mean AP"))
    assert "mean AP of 4 images with objects, each by itself: AP50 " in line
    assert f"AP {mean:.4f} (masks;" in line and "not COCO's AP" in line
    assert "t.csv: 4 images; detections with scores above 0.3 are counted, AP has all" in told.stderr
    report = json.loads(evaluate(files, "--per-image", files / "u.csv", "--json").stdout)
    assert report["mean_of_images"]["AP"] == pytest.approx(mean, abs=1e-6)
    assert report["mean_of_images"]["images"] == 4 and report["mean_of_images"]["compared"] == "masks"
    assert "mean_of_images" not in json.loads(evaluate(files, "--json").stdout)
    fewer = [int(row["detections"]) for row in rows_of(files / "u.csv")]
    assert sum(fewer) < sum(int(row["detections"]) for row in rows), "0.5 unless something else is said"


def test_the_curve_is_a_table_or_a_picture(files):
    assert evaluate(files, "--curve", files / "c.csv").exit_code == 0
    mask_ap = json.loads(evaluate(files, "--json").stdout)["mask"]["AP"]
    rows = rows_of(files / "c.csv")
    assert np.mean([float(row["mask_mean"]) for row in rows]) == pytest.approx(mask_ap, abs=1e-6)
    assert evaluate(files, "--curve", files / "c.PNG").exit_code == 0
    with Image.open(files / "c.PNG") as picture:
        assert picture.format == "PNG" and min(picture.size) > 400


def test_pictures_show_the_images_that_are_there_and_the_others_are_named(files):
    (files / "images" / "1.jpg").unlink()
    (files / "images" / "2.jpg").write_bytes(encode_png(np.zeros((5, 5, 3), np.uint8)))
    (files / "images" / "3.jpg").write_bytes(b"none")
    out = files / "new" / "pictures"
    told = evaluate(files, "--differences", out, "--pictures", files / "images")
    assert told.exit_code == 0
    assert [file.name for file in out.iterdir()] == ["0.jpg"]
    with Image.open(out / "0.jpg") as picture:
        assert picture.format == "JPEG" and picture.width == 480
    assert f"{out}: 1 picture, with detections that score above 0.5" in told.stderr
    for words in (
        "1.jpg: the image is not in the folder",
        "2.jpg: the file says 160 x 120 pixels",
        "3.jpg: ",
    ):
        assert words in told.stderr
    assert told.stdout.count("mean AP of 4 images") == 1


def test_names_that_would_be_one_file_or_lie_elsewhere_are_written_apart(files):
    truth = make_dataset()
    names = ("a/x.jpg", "b/X.jpg", "../y.jpg", "y.png")
    images = tuple(replace(i, file_name=name) for i, name in zip(truth.images, names, strict=True))
    changed = Dataset(images, truth.categories, truth.instances)
    (files / "truth.json").write_bytes(dump_json(coco_document(changed)))
    folder = files / "images"
    for name, data in (("a/x.jpg", 1), ("b/X.jpg", 2), ("y.jpg", 3), ("y.png", 4)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(encode_png(np.full((*SIZE, 3), data, np.uint8)))
    evaluate(files, "--differences", files / "out", "--pictures", folder)
    written = sorted(file.name for file in (files / "out").iterdir())
    assert len(written) >= 3 and len({name.casefold() for name in written}) == len(written)
    assert not [f for f in files.iterdir() if f.suffix == ".jpg"], "nothing outside of the folder"


def test_nothing_is_written_over_and_the_option_is_named(files):
    for option, name in (("--per-image", "t.csv"), ("--curve", "c.png")):
        (files / name).write_bytes(b"mine")
        told = evaluate(files, option, files / name)
        assert told.exit_code == 2 and f"already exists; choose another {option}" in told.stderr
        assert (files / name).read_bytes() == b"mine"
    told = evaluate(files, "--differences", files / "images", "--pictures", files / "images")
    assert told.exit_code == 2 and "expected a new or empty folder" in told.stderr


def test_where_nothing_could_be_compared_nothing_is_written(files):
    rows = json.loads(dump_json(result_rows(make_results(make_dataset()))))
    (files / "results.json").write_text(json.dumps([{**row, "image_id": 999} for row in rows]))
    told = evaluate(files, "--per-image", files / "u.csv", "--curve", files / "c.png")
    assert told.exit_code == 1 and not (files / "u.csv").exists() and not (files / "c.png").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--curve", "c.jpg"], "--curve: expected a file ending in .png or .csv, got c.jpg"),
        (["--score-threshold", "1.5"], "--score-threshold: expected a number from 0 to 1, got 1.5"),
        (["--score-threshold", "nan"], "--score-threshold: expected a number from 0 to 1, got nan"),
        (["--differences", "new"], "--pictures DIR names their folder"),
        (["--pictures", "images"], "--pictures: expected --results and --differences with it"),
        (["--engine", "folded"], "--engine: expected --images with it, got --results"),
        (
            ["--differences", "new", "--pictures", "absent"],
            "expected the folder of the images, got no folder",
        ),
    ],
)
def test_what_cannot_be_is_said_in_one_line(files, monkeypatch, options, words):
    monkeypatch.chdir(files)
    told = evaluate(files, *options)
    assert told.exit_code == 2 and words in told.stderr and len(told.stderr.splitlines()) == 1
    assert not (files / "new").exists()


def test_a_model_that_runs_now_is_pictured_with_its_own_score(tmp_path):
    write_scenes(tmp_path / "scenes", [5])
    told = invoke(
        *("evaluate", "--ground-truth", tmp_path / "scenes" / "instances.json"),
        *("--images", tmp_path / "scenes" / "images", "--model", "shapes", "--device", "cpu", "--quiet"),
        *("--differences", tmp_path / "pictures", "--per-image", tmp_path / "t.csv"),
    )
    assert told.exit_code == 0, told.output
    assert len(list((tmp_path / "pictures").iterdir())) == 1 and "mean AP of 1 image" in told.stdout
    (row,) = rows_of(tmp_path / "t.csv")
    assert int(row["right"]) > 0
