"""A person's open slides: opened, run over in the background, stopped, closed, and gone with the desk."""

import gc
import json
import threading
from dataclasses import replace
from io import BytesIO

import pytest
import tifffile

from maskrcnn_core.dataset.annotations import Dataset
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.errors import DatasetError, ImageError
from maskrcnn_core.formats.coco import coco_document
from maskrcnn_core.inference.device_queue import device_queue_for
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.tiling.choosing import Tiling
from maskrcnn_core.workspace import slide_runs
from maskrcnn_core.workspace.slide_desk import SlideDesk, read_annotations, slides_in
from tests.builders.core import make_image, make_model

THRESHOLDS, TILING = Thresholds(0.06, 0.5, 20), Tiling(100, 0.2)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(make_model())


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.svs"
    tifffile.imwrite(path, make_image(170, 240), tile=(64, 64), photometric="rgb", metadata=None)
    return path


def ended(run):
    assert run.wait(60)
    return run


def test_a_slide_is_open_once_wherever_it_came_from(file):
    desk = SlideDesk()
    handed_in = desk.add("b.svs", BytesIO(file.read_bytes()))
    assert desk.open(file) is handed_in and desk.add("c.svs", BytesIO(file.read_bytes())) is handed_in
    assert list(desk.slides.values()) == [handed_in] and handed_in.name == "b.svs"
    assert len(list(handed_in.slide.path.parent.iterdir())) == 1
    place = handed_in.slide.path
    desk.close(handed_in.key)
    assert not desk.slides and not place.exists() and file.exists()
    assert desk.open(file).name == "a.svs"
    desk.close(desk.open(file).key)
    assert file.exists()


def test_what_is_none_is_refused_and_not_kept(tmp_path):
    desk = SlideDesk()
    with pytest.raises(ImageError, match=r"x\.svs: expected a slide that is read by windows"):
        desk.add("x.svs", BytesIO(b"no slide"))
    assert not desk.slides and not list(desk._folder.iterdir())


def test_a_run_in_the_background(file, predictor):
    desk = SlideDesk()
    opened = desk.open(file)
    told = []
    run = ended(desk.start(opened, predictor, THRESHOLDS, TILING, lambda: told.append(opened.run.done)))
    assert told[:6] == [1, 2, 3, 4, 5, 6]
    assert run.found is opened.found and run.done == run.total == 6
    assert len(opened.found.instances) > 5 and opened.found.least_score == SCORE_FLOOR
    assert opened.found.notes[0] == "read by windows and seen in 6 tiles of 100 x 100 pixels"
    image = opened.annotated(lambda one: one.score > 0.1)
    assert 0 < len(image.instances) <= len(opened.found.instances)
    with pytest.raises(ImageError, match="too large to be drawn"):
        image.load_pixels()


def test_a_run_can_be_stopped_and_what_was_known_stays(file, predictor, monkeypatch):
    desk = SlideDesk()
    opened = desk.open(file)
    known = ended(desk.start(opened, predictor, THRESHOLDS, TILING)).found
    reached, goes_on = threading.Event(), threading.Event()
    original = Predictor.run

    def slowly(self, images, thresholds=None):
        reached.set()
        assert goes_on.wait(60)
        return original(self, images, thresholds)

    monkeypatch.setattr(Predictor, "run", slowly)
    run = desk.start(opened, predictor, THRESHOLDS, TILING)
    assert reached.wait(60)
    run.stop.set()
    goes_on.set()
    assert ended(run).is_cancelled and opened.found is known


def rows_of(found, least=0.0):
    return sorted(
        (one.category_id, one.score, one.mask.counts, one.given_box)
        for one in found.instances
        if one.score > least
    )


def test_a_higher_score_is_a_filter_over_what_was_found(file, predictor):
    desk = SlideDesk()
    opened = desk.open(file)
    many = replace(THRESHOLDS, max_detections=200)
    low = ended(desk.start(opened, predictor, many, TILING)).found
    scores = [one.score for one in low.instances]
    middle = next(score for score in scores if score < 0.95)
    high = ended(desk.start(opened, predictor, replace(many, score_threshold=middle), TILING)).found
    assert sum(score <= middle for score in scores) > 4 and sum(score > middle for score in scores) > 4
    assert rows_of(low) == rows_of(high)


def test_other_thresholds_need_no_other_run(file, predictor, monkeypatch):
    desk = SlideDesk()
    opened = desk.open(file)
    others = Thresholds(0.06, 0.3, 15, 0.6)
    meant = ended(desk.start(opened, predictor, others, TILING)).found
    first = ended(desk.start(opened, predictor, THRESHOLDS, TILING)).found
    assert desk.adjust(opened, predictor, replace(THRESHOLDS, score_threshold=0.7)) is None
    monkeypatch.setattr(Predictor, "run", lambda *_: pytest.fail("the network ran again"))
    run = ended(desk.adjust(opened, predictor, others))
    assert run.is_adjusting and run.done == run.total == 6 and not run.failed
    assert rows_of(opened.found) == rows_of(meant) != rows_of(first)
    assert rows_of(ended(desk.adjust(opened, predictor, THRESHOLDS)).found) == rows_of(first)


def test_masks_that_other_thresholds_want_are_made(file):
    """A higher NMS threshold keeps boxes whose masks were never made: their tiles are seen once more."""
    predictor, desk = Predictor(make_model()), SlideDesk()
    opened = desk.open(file)
    others = replace(THRESHOLDS, nms_threshold=0.9, max_detections=60)
    meant = ended(desk.start(opened, predictor, others, TILING)).found
    few = ended(desk.start(opened, predictor, replace(THRESHOLDS, nms_threshold=0.2), TILING)).found
    assert len(few.instances) < len(meant.instances)
    ended(desk.adjust(opened, predictor, others))
    assert len(opened.found.instances) == len(meant.instances)
    assert rows_of(opened.found) == rows_of(meant)


def test_what_another_model_or_a_file_gave_is_not_adjusted(file, predictor):
    desk = SlideDesk()
    opened = desk.open(file)
    assert desk.adjust(opened, predictor, THRESHOLDS) is None
    ended(desk.start(opened, predictor, THRESHOLDS, TILING))
    other = make_model()
    other = replace(other, digest="1" * 64)
    assert desk.adjust(opened, Predictor(other), Thresholds(0.06, 0.3)) is None
    read_annotations(opened, coco_of(opened), "mine.json")
    assert desk.adjust(opened, predictor, Thresholds(0.06, 0.3)) is None


def test_low_scores_that_are_too_many_are_let_go_and_said(file, predictor, monkeypatch):
    desk = SlideDesk()
    opened = desk.open(file)
    many = replace(THRESHOLDS, max_detections=200)
    scores = [one.score for one in ended(desk.start(opened, predictor, many, TILING)).found.instances]
    high = next(score for score in scores if score < 0.95)
    monkeypatch.setattr(slide_runs, "_MOST_BELOW", 4)
    assert sum(score <= high for score in scores) > 4
    thresholds = replace(many, score_threshold=high)
    found = ended(desk.start(opened, predictor, thresholds, TILING)).found
    assert SCORE_FLOOR < found.least_score <= high
    assert sum(one.score <= high for one in found.instances) <= 4
    assert sum(one.score > high for one in found.instances) == sum(score > high for score in scores)
    assert min(one.score for one in found.instances) > found.least_score
    assert any("are too many to be kept; a run with a lower score" in note for note in found.notes)


def test_a_run_takes_turns_with_other_clients_of_its_device(file, predictor, monkeypatch):
    """Somebody's picture that comes while a slide is run over waits for a batch of tiles, not for all."""
    desk, queue = SlideDesk(), device_queue_for(str(predictor.device))
    opened = desk.open(file)
    order, reached, goes_on = [], threading.Event(), threading.Event()
    original = Predictor.run

    def told(self, images, thresholds=None):
        order.append("tiles")
        reached.set()
        assert goes_on.wait(60)
        return original(self, images, thresholds)

    monkeypatch.setattr(Predictor, "run", told)
    run = desk.start(opened, predictor, THRESHOLDS, TILING)
    assert reached.wait(60)
    picture = queue.submit("somebody else", lambda: order.append("picture"))
    goes_on.set()
    assert picture.wait(60) and not ended(run).failed
    assert order[:2] == ["tiles", "picture"] and order.count("tiles") > 2


def test_a_run_that_waits_for_the_device_can_be_stopped(file, predictor):
    desk, queue = SlideDesk(), device_queue_for(str(predictor.device))
    goes_on, taken = threading.Event(), threading.Event()

    def hold():
        taken.set()
        return goes_on.wait(60)

    held = queue.submit("somebody else", hold)
    assert taken.wait(60)
    run = desk.start(desk.open(file), predictor, THRESHOLDS, TILING)
    run.stop.set()
    assert ended(run).is_cancelled
    goes_on.set()
    assert held.wait(60) and not len(queue)


def test_a_run_that_fails_says_why(file, predictor):
    desk = SlideDesk()
    run = ended(desk.start(desk.open(file), predictor, THRESHOLDS, Tiling(8000)))
    assert "at most 4,096 pixels" in run.failed


def test_a_desk_that_goes_takes_its_files_and_runs_along(file):
    desk = SlideDesk()
    opened = desk.add("b.svs", BytesIO(file.read_bytes()))
    place = opened.slide.path
    tiles = opened.tiles
    del desk, opened
    gc.collect()
    assert not place.exists() and tiles.jpeg(0, 0, 0)  # what is being read is read to the end


def coco_of(opened, name="a.svs", **changes):
    image = opened.annotated()
    record = image.record.__class__(**{**vars(image.record), "file_name": name, **changes})
    dataset = Dataset((record,), opened.found.categories, image.instances)
    return json.dumps(coco_document(dataset)).encode()


def test_annotations_of_a_file(file, predictor):
    desk = SlideDesk()
    opened = desk.open(file)
    meant = ended(desk.start(opened, predictor, THRESHOLDS, TILING)).found
    found = read_annotations(opened, coco_of(opened), "mine.json")
    assert found is opened.found and found.source == "mine.json"
    assert [one.mask for one in found.instances] == [one.mask for one in meant.instances]
    assert [one.row for one in found.instances] == list(range(len(meant.instances)))
    assert read_annotations(opened, coco_of(opened, "elsewhere/a.svs"), "x").instances
    assert read_annotations(opened, coco_of(opened, "other.png"), "x").instances  # the only one there is
    with pytest.raises(DatasetError, match="is of another picture"):
        opened.found = type(found)((), found.categories, "", 0.0)
        read_annotations(opened, coco_of(opened, width=100), "x")
    with pytest.raises(DatasetError):
        read_annotations(opened, b"{}", "x")


def test_which_files_of_a_folder_may_be_slides(tmp_path, file):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "b.tiff").write_bytes(b"II")
    (tmp_path / "c.txt").write_bytes(b"")
    (tmp_path / "d.svs").mkdir()
    assert [path.name for path in slides_in(tmp_path)] == ["a.svs", "b.tiff"]
    assert slides_in(tmp_path / "none") == ()
