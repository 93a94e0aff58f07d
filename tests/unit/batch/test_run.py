"""What a run writes, and what it does about images that fail."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import ExifTags, Image

from maskrcnn_core.batch import annotate
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.drawing.splash import color_splash
from maskrcnn_core.errors import InferenceError, InputError
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.formats.coco_results import read_results_file
from maskrcnn_core.images.reading import read_image
from maskrcnn_core.inference.predictor import Failure, Predictor
from maskrcnn_core.models.cards import card_file
from maskrcnn_core.models.catalog import SHAPES_FILE
from tests.builders.batch import (
    LOW,
    files_in,
    settings_for,
    write_image,
)
from tests.builders.core import make_image


def test_a_run_writes_coco_and_results_that_read_back(folder, tmp_path, predictor):
    seen = []
    report = annotate(
        settings_for(folder, out=tmp_path / "out"), predictor, lambda *event: seen.append(event)
    )
    assert [(done, total, o.file_name, o.status) for done, total, o in seen] == [
        (1, 3, "b.png", "annotated"),
        (2, 3, "sub/a.png", "annotated"),
        (3, 3, "sub/b.png", "annotated"),
    ]
    assert (report.total, report.annotated, report.empty, report.failed) == (3, 3, 0, ())
    assert report.least_iou == 1.0
    assert report.files == (tmp_path / "out" / "a.json", tmp_path / "out" / "r.json")
    assert sorted(files_in(tmp_path / "out")) == ["a.json", "r.json"]  # no journal, no lock, no part
    dataset, refusals = read_coco(report.files[0].read_bytes())
    assert not refusals
    assert [image.file_name for image in dataset.images] == ["b.png", "sub/a.png", "sub/b.png"]
    assert [image.size for image in dataset.images] == [(90, 120), (70, 130), (130, 70)]
    results = read_results_file(report.files[1], dataset)
    assert not results.refusals
    assert len(results.found) == len(dataset.instances) == report.instances > 6
    assert results.found.counts == [i.mask.counts for i in dataset.instances]


def test_what_is_written_is_what_the_predictor_says(folder, tmp_path, predictor):
    report = annotate(settings_for(folder / "b.png", out=tmp_path), predictor)
    (detections,) = predictor.predict([make_image(90, 120, 1)], LOW)
    rows = json.loads(report.files[1].read_bytes())
    kept = [n for n, mask in enumerate(detections.masks(0.5)) if mask.area]
    assert [row["score"] for row in rows] == [float(detections.scores[n]) for n in kept]
    assert [row["segmentation"]["counts"] for row in rows] == [detections.masks(0.5)[n].counts for n in kept]


def test_no_objects_failed_and_not_run_are_three_things(folder, tmp_path, predictor):
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    settings = settings_for(folder, folder / "missing.png", out=tmp_path / "out", thresholds=Thresholds(1.0))
    left = iter([False] * 4 + [True])
    report = annotate(settings, predictor, cancelled=lambda: next(left))
    assert (report.total, report.annotated, report.empty) == (5, 0, 2), "and the turn of one did not come"
    assert [failed.file_name for failed in report.failed] == ["bad.png", "missing.png"]
    assert "cannot read this file" in report.failed[1].reason
    assert report.files == () and report.least_iou is None
    assert sorted(files_in(tmp_path / "out")) == ["a.json.journal"]


def test_images_without_objects_are_in_the_output(folder, tmp_path, predictor):
    report = annotate(settings_for(folder, out=tmp_path, thresholds=Thresholds(1.0)), predictor)
    document = json.loads(report.files[0].read_bytes())
    assert len(document["images"]) == 3 and document["annotations"] == []
    assert (report.empty, report.instances, report.least_iou) == (3, 0, 1.0)


def test_failed_images_are_not_in_the_output_and_keep_their_id_free(folder, tmp_path, predictor):
    (folder / "a bad one.png").write_bytes(b"")
    report = annotate(settings_for(folder, out=tmp_path), predictor)
    assert [f.file_name for f in report.failed] == ["a bad one.png"]
    assert [i["id"] for i in json.loads(report.files[0].read_bytes())["images"]] == [2, 3, 4]


def test_where_no_image_succeeds_an_older_output_stays(tmp_path, predictor):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nothing")
    (tmp_path / "a.json").write_bytes(b"older")
    report = annotate(settings_for(bad, out=tmp_path), predictor)
    assert report.succeeded == 0 and report.files == ()
    assert files_in(tmp_path) == {"a.json": b"older", "bad.png": b"nothing"}


def test_a_network_that_fails_on_an_image_is_a_failure_of_that_image(
    folder, tmp_path, predictor, monkeypatch
):
    real = predictor.run

    def run(images, thresholds=None):
        return [Failure("the network returned NaN")] if images[0].shape[0] == 70 else real(images, thresholds)

    def detections(run, thresholds, image=None):
        if run.image_size[0] == 130:
            raise InferenceError("the mask head returned NaN")
        return Predictor.detections(predictor, run, thresholds, image)

    monkeypatch.setattr(predictor, "run", run)
    monkeypatch.setattr(predictor, "detections", detections)
    report = annotate(settings_for(folder, out=tmp_path), predictor)
    assert {f.file_name: f.reason for f in report.failed} == {
        "sub/a.png": "the network returned NaN",
        "sub/b.png": "the mask head returned NaN",
    }
    assert report.annotated == 1


def test_two_files_of_the_same_content_are_two_images(tmp_path, predictor):
    first, second = write_image(tmp_path / "x" / "1.png"), write_image(tmp_path / "y" / "2.png")
    report = annotate(settings_for(first, second, out=tmp_path), predictor)
    document = json.loads(report.files[0].read_bytes())
    assert [(i["id"], i["file_name"]) for i in document["images"]] == [(1, "x/1.png"), (2, "y/2.png")]
    by_image = [[a["bbox"] for a in document["annotations"] if a["image_id"] == n] for n in (1, 2)]
    assert by_image[0] == by_image[1] != []


def test_the_category_filter_keeps_only_those(folder, tmp_path, predictor):
    report = annotate(
        settings_for(folder, out=tmp_path, thresholds=replace(LOW, labels=frozenset({2}))), predictor
    )
    document = json.loads(report.files[0].read_bytes())
    assert {a["category_id"] for a in document["annotations"]} <= {2}
    assert len(document["categories"]) == 5
    assert "only b" in document["info"]["description"]


def test_folders_get_the_files_of_each_image_under_different_names(folder, tmp_path, predictor):
    out = tmp_path / "out"
    settings = settings_for(
        folder,
        out=out,
        segments=out / "segments",
        overlays=out / "overlays",
        masks=out / "masks",
        splash=out / "splash",
    )
    report = annotate(settings, predictor)
    names = set(files_in(out))
    assert {n for n in names if n.startswith("overlays/")} == {
        "overlays/a_overlay.png",
        "overlays/b_1_overlay.png",
        "overlays/b_3_overlay.png",
    }
    assert {n for n in names if n.startswith("splash/")} == {
        "splash/a_splash.png",
        "splash/b_1_splash.png",
        "splash/b_3_splash.png",
    }
    assert {n for n in names if n.startswith("masks/a_")} == {
        "masks/a_masks.npz",
        "masks/a_instances.png",
        "masks/a_categories.png",
    }
    assert len([n for n in names if n.startswith("segments/")]) == 3 * report.instances
    assert any(n.startswith("segments/b_3/001_") for n in names)
    document = json.loads((out / "a.json").read_bytes())
    arrays = np.load(out / "masks" / "b_3_masks.npz")
    areas = [a["area"] for a in document["annotations"] if a["image_id"] == 3]
    assert arrays["masks"].sum((0, 1)).tolist() == areas


def test_a_splash_is_of_the_picture_that_the_network_saw(tmp_path, predictor):
    """Upright where EXIF says so, of 8 bits where the file has 16."""
    folder = tmp_path / "in"
    folder.mkdir()
    picture = Image.fromarray(make_image(90, 120, 4))
    exif = picture.getexif()
    exif[ExifTags.Base.Orientation] = 6
    picture.save(folder / "turned.png", exif=exif)
    deep = make_image(90, 120, 5)[:, :, 0].astype(np.uint16) * 257
    Image.fromarray(deep).save(folder / "deep.png")
    report = annotate(settings_for(folder, out=tmp_path, splash=tmp_path / "s"), predictor)
    dataset = read_coco(report.files[0].read_bytes())[0]
    for record in dataset.images:
        masks = [i.mask for i in dataset.instances if i.image_id == record.id]
        written = Image.open(tmp_path / "s" / record.file_name.replace(".png", "_splash.png"))
        pixels = read_image(folder / record.file_name).pixels
        assert masks and np.array_equal(np.asarray(written), color_splash(pixels, masks))
    assert [record.size for record in dataset.images] == [(90, 120), (120, 90)]


def test_odd_file_names_come_through(tmp_path, predictor):
    names = ["=1+1.png", "новый 😀.png", "a\nb.png", "[x](y).png", os.fsdecode(b"\xff.png")]
    for name in names:
        write_image(tmp_path / "in" / name)
    report = annotate(settings_for(tmp_path / "in", out=tmp_path, overlays=tmp_path / "o"), predictor)
    assert report.annotated == 5
    written = [i["file_name"] for i in json.loads(report.files[0].read_bytes())["images"]]
    assert sorted(written) == sorted(names)


def test_what_was_there_before_is_replaced_and_that_is_said(folder, tmp_path, predictor):
    settings = settings_for(folder, out=tmp_path, overlays=tmp_path / "o")
    assert not [note for note in annotate(settings, predictor).notes if "replaced" in note]
    again = [note for note in annotate(settings, predictor).notes if "replaced" in note]
    assert len(again) == 2 + (settings.results is not None)
    assert any("there was a file of this name" in note for note in again)
    assert any("the others are still there" in note for note in again)


def test_a_model_card_is_no_output_file(folder, tmp_path, predictor):
    card = tmp_path / "mine.json"
    card.write_bytes(card_file(SHAPES_FILE).read_bytes())
    settings = settings_for(folder, out=tmp_path)
    with pytest.raises(InputError, match="this is a model card"):
        annotate(replace(settings, out=card), predictor)
    assert card.read_bytes() == card_file(SHAPES_FILE).read_bytes()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"out": "in"}, "got a folder"),
        ({"out": "r.json"}, "must differ"),
        ({"out": "in/b.png"}, "one of the images"),
        ({"overlays": "in/b.png"}, "expected a folder, got a file"),
        ({"splash": "in/b.png"}, "expected a folder, got a file"),
        ({"files": ()}, "expected one or more"),
    ],
)
def test_impossible_outputs_are_refused_before_anything_runs(folder, tmp_path, predictor, changes, says):
    changes = {k: tmp_path / v if isinstance(v, str) else v for k, v in changes.items()}
    before = files_in(tmp_path)
    with pytest.raises(InputError, match=says):
        annotate(replace(settings_for(folder, out=tmp_path), **changes), predictor)
    assert files_in(tmp_path) == before
