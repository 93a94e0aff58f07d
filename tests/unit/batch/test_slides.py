"""Pictures above the limit of pixels among a run's images: read by windows, said, written like the others."""

import json
import threading

import numpy as np
import pytest
import shapely
import tifffile
from pycocotools import mask as coco_mask

from maskrcnn_core.batch import annotate, find_files
from maskrcnn_core.batch.finding import Finder
from maskrcnn_core.batch.run import bytes_of, slide_of
from maskrcnn_core.batch.running import Here, Slides, Task
from maskrcnn_core.batch.slides import SlideFinder, TileWatch
from maskrcnn_core.dataset.annotations import AnnotatedImage
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import ExportError
from maskrcnn_core.formats import FORMATS, Export, format_by_key
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.formats.writing import write_export
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.tiling.choosing import Tiling
from tests.builders.batch import settings_for, write_image
from tests.builders.core import make_image, make_model

LOW = Thresholds(0.06, 0.5, 20)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(make_model())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKDESK_MAX_MEGAPIXELS", "0.02")
    place = tmp_path / "in"
    write_image(place / "b.png")
    slide = make_image(170, 240)
    tifffile.imwrite(place / "a.svs", slide, tile=(64, 64), photometric="rgb", metadata=None)
    return place


def test_a_slide_beside_an_image(predictor, folder, tmp_path):
    settings = settings_for(folder, out=tmp_path, thresholds=LOW, tiling=Tiling(120, 0.25))
    outcomes = []
    report = annotate(settings, predictor, lambda *step: outcomes.append(step[2]))
    assert [one.status for one in outcomes] == ["annotated", "annotated"]
    assert report.least_iou == 1.0
    slide = outcomes[0]
    assert slide.file_name == "a.svs"
    assert slide.notes == ("read by windows and seen in 6 tiles of 120 x 120 pixels",)
    document = json.loads((tmp_path / "a.json").read_text())
    image = document["images"][0]
    assert (image["file_name"], image["height"], image["width"]) == ("a.svs", 170, 240)
    assert len(image["sha256"]) == 64
    rows = [row for row in document["annotations"] if row["image_id"] == image["id"]]
    assert len(rows) == slide.instances > 5


def test_a_run_that_was_broken_off_goes_on(predictor, folder, tmp_path):
    settings = settings_for(folder, out=tmp_path, thresholds=LOW, tiling=Tiling(120, 0.25))
    annotate(settings, predictor)
    whole = (tmp_path / "a.json").read_bytes()
    (tmp_path / "a.json").unlink()
    asked = iter([False, True])
    annotate(settings, predictor, cancelled=lambda: next(asked))
    again = []
    resumed = settings_for(folder, out=tmp_path, thresholds=LOW, tiling=Tiling(120, 0.25), resume=True)
    annotate(resumed, predictor, lambda *step: again.append(step[2].is_reused))
    assert again == [True, False]
    assert (tmp_path / "a.json").read_bytes() == whole


def test_a_run_that_is_stopped_ends_within_a_slide(predictor, folder):
    """A slide takes hours: nobody who stops a run waits for its end, and the next run begins anew."""
    watch, seen = TileWatch(), []
    slides = Slides(slide_of, SlideFinder(predictor, LOW, Tiling(64, 0.25), watch))
    runner = Here(Finder(predictor, LOW), bytes_of, slides=slides)
    task = Task(1, "a.svs", "a.svs", (str(folder / "a.svs"),), "a")

    def stop_at_two(name, done, total):
        seen.append((name, done, total))
        if done == 2:
            slides.finder.stop()

    watch.on_tile = stop_at_two
    (stopped,) = runner.results([task])
    assert stopped.failed == "stopped after 2 tiles" and seen == [("a.svs", 1, 20), ("a.svs", 2, 20)]
    watch.on_tile = lambda *_step: None
    (whole,) = runner.results([task])
    assert not whole.failed and len(whole.instances) > 5


def test_closing_a_run_stops_what_is_in_hand(predictor, folder):
    watch = TileWatch()
    slides = Slides(slide_of, SlideFinder(predictor, LOW, Tiling(64, 0.25), watch))
    stages = []
    tasks = [Task(n, f"{n}", f"{n}", (str(folder / name),), "a") for n, name in enumerate(["b.png", "a.svs"])]
    closed = threading.Event()

    def wait_once(_name, done, _total):
        stages.append(done)
        assert closed.wait(60)

    watch.on_tile = wait_once
    results = Here(Finder(predictor, LOW), bytes_of, slides=slides).results(tasks)
    assert not next(results).failed
    slides.finder.stop = lambda: (watch.stop.set(), closed.set())
    results.close()
    assert len(stages) <= 1 and closed.is_set()


def test_files_of_each_image_are_not_drawn_of_a_slide_and_that_is_said(predictor, folder, tmp_path):
    settings = settings_for(folder, out=tmp_path, thresholds=LOW, overlays=tmp_path / "overlays")
    outcomes = []
    annotate(settings, predictor, lambda *step: outcomes.append(step[2]))
    assert "too large to be drawn" in outcomes[0].notes[-1]
    assert [path.name for path in (tmp_path / "overlays").iterdir()] == ["b_overlay.png"]


def test_tiles_that_are_too_large_are_the_slides_failure_alone(predictor, folder, tmp_path):
    settings = settings_for(folder, out=tmp_path, thresholds=LOW, tiling=Tiling(8000, 0.25))
    report = annotate(settings, predictor)
    (failed,) = report.failed
    assert failed.file_name == "a.svs" and "at most 4,096 pixels" in failed.reason
    assert report.succeeded == 1


def test_a_large_tiff_that_cannot_be_read_by_windows_says_why(predictor, folder, tmp_path):
    bands = np.zeros((200, 200, 5), np.uint8)
    tifffile.imwrite(folder / "c.tif", bands, photometric="minisblack", planarconfig="contig")
    report = annotate(settings_for(folder, out=tmp_path, thresholds=LOW), predictor)
    (failed,) = report.failed
    assert failed.file_name == "c.tif" and "got 5 of 8 bits" in failed.reason


def test_folders_are_searched_for_slides(folder):
    assert [path.name for path in find_files([folder])] == ["a.svs", "b.png"]


def test_geojson_of_a_slide_is_what_shapely_reads(predictor, folder, tmp_path):
    annotate(settings_for(folder, out=tmp_path, thresholds=LOW, tiling=Tiling(120, 0.25)), predictor)
    dataset, _ = read_coco((tmp_path / "a.json").read_bytes())
    (record,) = (image for image in dataset.images if image.file_name == "a.svs")
    instances = tuple(one for one in dataset.instances if one.image_id == record.id)
    image = AnnotatedImage(record, instances, lambda: pytest.fail("the pixels were asked for"))
    (member,) = format_by_key("geojson").members(Export((image,), dataset.categories))
    features = json.loads(member.data)["features"]
    assert member.name == "a.geojson" and len(features) == len(instances)
    for feature, instance in zip(features, instances, strict=True):
        assert shapely.from_geojson(json.dumps(feature["geometry"])).area == instance.area
        rle = {"size": list(instance.mask.size), "counts": instance.mask.counts.encode()}
        assert coco_mask.area(rle) == instance.area


def test_formats_that_draw_whole_pictures_refuse_a_slide_before_they_begin(predictor, folder, tmp_path):
    annotate(settings_for(folder, out=tmp_path, thresholds=LOW, tiling=Tiling(120, 0.25)), predictor)
    dataset, _ = read_coco((tmp_path / "a.json").read_bytes())
    images = tuple(
        AnnotatedImage(
            record,
            tuple(one for one in dataset.instances if one.image_id == record.id and one.box_xywh[2] < 100),
            lambda: pytest.fail("the pixels were asked for"),
        )
        for record in dataset.images
    )
    export = Export(images, dataset.categories)
    written = []
    for row in FORMATS:
        target = tmp_path / f"{row.key}.zip"
        if row.is_dense:
            with pytest.raises(ExportError, match=r"a\.svs: expected images of at most 0\.02 megapixels"):
                write_export(row, export, target)
            assert not target.exists()
        else:
            wrote = write_export(row, export, target)
            assert not any("not in it" in note or "refused" in note for note in wrote.notes)
            written.append(row.key)
    assert {"coco", "coco-rle", "geojson", "imagej", "yolo", "cvat", "table"} <= set(written)
