"""The Slides page without a browser: a slide of a folder, a run over it, and a file of what it found."""

import json
from io import BytesIO
from pathlib import Path

import pytest
import tifffile

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.tiling.choosing import Tiling
from pages.shared.session import UiState
from pages.shared.slides import ShownSlide, SlidesUi, folder_of_slides, take_slide
from tests.builders.core import make_image, make_model
from tests.unit.pages.test_pages import assert_fine, open_app, state_of
from tests.unit.test_slide_desk import ended

PAGE = "pages/slides/page.py"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "slides"
    place.mkdir()
    tifffile.imwrite(place / "a.svs", make_image(170, 240), tile=(64, 64), photometric="rgb", metadata=None)
    monkeypatch.setenv("MASKDESK_SLIDES", str(place))
    return place


def data_of(folder):
    return BytesIO((folder / "a.svs").read_bytes())


def test_a_slide_is_looked_at_run_over_and_written(folder):
    app = open_app().switch_page(PAGE).run()
    assert_fine(app)
    app.selectbox(key="slide-of-folder").set_value(folder / "a.svs").run()
    app.button(key="open-slide").click().run()
    assert_fine(app)
    slides = state_of(app).of(SlidesUi)
    (opened,) = slides.desk.slides.values()
    assert slides.current == opened.key and opened.name == "a.svs"
    run = slides.desk.start(opened, Predictor(make_model()), Thresholds(0.06, 0.5, 20), Tiling(100, 0.2))
    found = ended(run).found
    app.run()
    assert_fine(app)
    shown = slides.shown[opened.key]
    assert len(shown.instances) == len(found.instances) and shown.instances_url
    assert any("Read by windows and seen in 6 tiles" in caption.value for caption in app.caption)
    slides.score_threshold = 0.0
    app.run()
    app.button(key="prepare-slide").click().run()
    assert_fine(app)
    document = json.loads(Path(slides.prepared.file).read_bytes())
    assert len(document["features"]) == len(found.instances)
    app.button(key="close-slide").click().run()
    assert_fine(app)
    assert not slides.desk.slides and not slides.shown


def test_what_is_no_slide_is_said(folder):
    (folder / "b.tif").write_bytes(b"II*\0 but no more")
    app = open_app().switch_page(PAGE).run()
    app.selectbox(key="slide-of-folder").set_value(folder / "b.tif").run()
    app.button(key="open-slide").click().run()
    assert_fine(app)
    assert any("b.tif: expected" in text.value for text in app.text)


def test_a_file_that_is_too_large_for_annotate_is_opened_here(folder, monkeypatch):
    state = UiState()
    assert not take_slide(state, "a.tif", data_of(folder))
    assert not take_slide(state, "a.png", BytesIO(b"\x89PNG\r\n\x1a\n"))
    monkeypatch.setenv("MASKDESK_MAX_MEGAPIXELS", "0.02")
    file = data_of(folder)
    assert take_slide(state, "a.tif", file) and file.tell() == 0
    slides = state.of(SlidesUi)
    (opened,) = slides.desk.slides.values()
    assert slides.current == opened.key
    assert slides.passed == [
        "a.tif: 240 x 170 pixels are too many to be decoded at once; it is open under Slides, where it is "
        "read by windows"
    ]


def test_instances_are_made_anew_only_when_there_are_others(folder):
    slides = SlidesUi()
    opened = slides.desk.open(folder / "a.svs")
    shown = slides.show(opened)
    assert isinstance(shown, ShownSlide) and not shown.take() and shown.instances_url == ""
    predictor = Predictor(make_model())
    ended(slides.desk.start(opened, predictor, Thresholds(0.06, 0.5, 20), Tiling(100, 0.2)))
    assert shown.take() and not shown.take()
    first = shown.instances_url
    ended(slides.desk.start(opened, predictor, Thresholds(0.5, 0.5, 20), Tiling(100, 0.2)))
    assert shown.take() and shown.instances_url != first
    assert set(shown.served.instances) == {first.rpartition("/")[2], shown.instances_url.rpartition("/")[2]}


def test_what_was_found_is_unsaved_until_it_is_written(folder):
    slides = SlidesUi()
    opened = slides.desk.open(folder / "a.svs")
    assert slides.unsaved == []
    ended(slides.desk.start(opened, Predictor(make_model()), Thresholds(0.06, 0.5, 20), Tiling(100, 0.2)))
    ((word, name),) = slides.unsaved
    assert name == "a.svs"
    slides.written = opened.found
    assert slides.unsaved == []
    ended(slides.desk.start(opened, Predictor(make_model()), Thresholds(0.5, 0.5, 20), Tiling(100, 0.2)))
    assert [one for one, _ in slides.unsaved] != [word]


def test_a_press_runs_and_a_threshold_that_is_moved_is_taken_over_the_run(folder):
    app = open_app().switch_page(PAGE).run()
    app.selectbox(key="slide-of-folder").set_value(folder / "a.svs").run()
    app.button(key="open-slide").click().run()
    slides = state_of(app).of(SlidesUi)
    (opened,) = slides.desk.slides.values()
    app.button(key="find-in-slide").click().run()
    first = ended(opened.run)
    assert not first.is_adjusting and opened.found.least_score < slides.score_threshold
    app.run()
    assert_fine(app)
    assert opened.run is first
    app.slider(key="mask-threshold").set_value(0.8).run()
    again = ended(opened.run)
    assert again.is_adjusting and opened.found.thresholds.mask_threshold == 0.8
    app.run()
    assert_fine(app)
    assert opened.run is again


def test_no_folder_no_slides(monkeypatch, tmp_path):
    monkeypatch.delenv("MASKDESK_SLIDES", raising=False)
    assert folder_of_slides() == ()
    monkeypatch.setenv("MASKDESK_SLIDES", str(tmp_path / "none"))
    assert folder_of_slides() == ()
