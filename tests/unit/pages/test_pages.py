"""Every page, driven without a browser by Streamlit's own AppTest."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from maskrcnn_core.detection.runs import Failure
from maskrcnn_core.errors import ExportError
from maskrcnn_core.formats import FORMATS
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.models import catalog
from maskrcnn_core.models.catalog import MODELS, model_by_key
from pages.shared.page_table import PAGES
from pages.shared.texts import plain
from tests.builders.core import dim_tiff
from tests.shared_data import shared_path

ROOT = Path(__file__).parents[3]


@pytest.fixture
def no_weights(monkeypatch, tmp_path):
    """A computer that has no model yet."""
    monkeypatch.setenv("MASKDESK_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


@pytest.fixture
def mobile(monkeypatch):
    monkeypatch.setenv("MASKDESK_WEIGHTS", str(shared_path("weights")))


def open_app():
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()


def state_of(app):
    return app.session_state["maskdesk"]


def with_sample(app, key="street"):
    """The app after a sample was taken and the network has answered."""
    app.button(key=f"sample-{key}").click().run()
    workspace = state_of(app).workspace
    for queued in list(workspace._queued.values()):
        assert queued.wait(120)
    return app.run()


def assert_fine(app):
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.title)
def test_every_page_opens_on_a_computer_without_any_model(page, no_weights):
    app = open_app().switch_page(page.file).run()
    assert_fine(app)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.title)
def test_every_page_opens_with_an_image_and_its_instances(page, mobile):
    app = with_sample(open_app())
    app.switch_page(page.file).run()
    assert_fine(app)


def test_without_a_model_the_page_offers_a_download_and_keeps_the_images(no_weights):
    app = open_app()
    app.selectbox(key="model-choice").set_value("mobile").run()
    app.button(key="sample-street").click().run()
    assert_fine(app)
    assert any(button.key.startswith("download-") for button in app.button)
    assert len(state_of(app).workspace.images) == 1


def test_only_what_may_succeed_is_offered_to_run_again(no_weights):
    app = open_app()
    workspace = state_of(app).workspace
    thin = encode_png(np.zeros((1, 4000, 3), np.uint8))
    state_of(app).look_at(workspace.add("thin.png", thin).added[0])
    app.run()
    for queued in list(workspace._queued.values()):
        assert queued.wait(120)
    app.run()
    assert_fine(app)
    assert any("too thin" in text.value for text in app.text)
    assert "retry" not in {button.key for button in app.button}
    next(iter(workspace._queued.values())).result = Failure("out of memory")
    app.run()
    button = app.button(key="retry")
    assert button.label == "Run 1 again" and button.help.startswith("1 failed;")
    button.click().run()
    assert_fine(app)


def test_a_download_that_cannot_be_is_one_sentence(no_weights, monkeypatch):
    monkeypatch.setenv("MASKDESK_MIRROR", "http://127.0.0.1:9")
    app = open_app()
    app.selectbox(key="model-choice").set_value("coco-v1").run()
    app.button(key="download-coco-v1").click().run()
    assert not app.exception
    assert len(app.error) == 1
    assert "models that are ready now" in app.error[0].value


def test_the_table_lists_what_is_above_the_threshold(mobile):
    app = with_sample(open_app(), "table")
    workspace, state = state_of(app).workspace, state_of(app)
    table = next(frame for frame in app.dataframe if "segment" in frame.value)
    assert (table.value["score"] > state.thresholds.score_threshold).all()
    assert workspace.state_of(state.current, None, state.thresholds).kind == "not run"
    assert len(table.value)


def test_thresholds_survive_a_visit_to_another_page(mobile):
    app = with_sample(open_app())
    app.slider(key="nms-0.5").set_value(0.3).run()
    app.slider(key="mask-threshold").set_value(0.7).run()
    app.number_input(key="max-detections-mobile").set_value(7).run()
    app.switch_page(PAGES[1].file).run()
    app.switch_page(PAGES[0].file).run()
    assert_fine(app)
    thresholds = state_of(app).thresholds
    assert (thresholds.nms_threshold, thresholds.mask_threshold, thresholds.max_detections) == (0.3, 0.7, 7)
    assert app.slider(key="nms-0.5").value == 0.3


def test_only_chosen_categories_are_shown(mobile):
    app = with_sample(open_app(), "table")
    app.multiselect(key="only-mobile").set_value(["clock", "vase"]).run()
    assert_fine(app)
    table = next(frame for frame in app.dataframe if "segment" in frame.value)
    assert set(table.value["category"]) <= {"clock", "vase"}
    assert len(table.value)


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.key)
def test_every_format_is_prepared_and_offered(row, mobile):
    app = with_sample(open_app())
    app.session_state["export-format"] = row.key
    app.run()
    app.button(key="prepare").click().run()
    assert_fine(app)
    prepared = state_of(app).prepared
    assert prepared.name.endswith(row.suffix)
    assert Path(prepared.file).stat().st_size > 0


def test_the_exported_file_holds_what_the_table_shows(mobile):
    app = with_sample(open_app(), "table")
    table = next(frame for frame in app.dataframe if "segment" in frame.value)
    app.button(key="prepare").click().run()
    document = json.loads(Path(state_of(app).prepared.file).read_text())
    assert [a["score"] for a in document["annotations"]] == pytest.approx(list(table.value["score"]))
    assert [a["area"] for a in document["annotations"]] == list(table.value["area px"])


def test_a_changed_threshold_makes_a_prepared_file_stale(mobile):
    app = with_sample(open_app())
    app.button(key="prepare").click().run()
    app.slider(key="mask-threshold").set_value(0.7).run()
    assert any("has changed" in caption.value for caption in app.caption)


def test_an_export_that_breaks_off_leaves_no_file_that_could_stand_for_another(no_weights, monkeypatch):
    app = with_sample(open_app(), "shapes")
    app.button(key="prepare").click().run()
    first = Path(state_of(app).prepared.file)
    assert first.exists()

    def half_written(members, target, on_member):
        target.write(b"PK")
        raise ExportError("the disk is full")

    monkeypatch.setattr("maskrcnn_core.formats.writing.write_zip", half_written)
    app.session_state["export-format"] = "segments"
    app.run()
    app.button(key="prepare").click().run()
    assert [error.value for error in app.error] == ["the disk is full"]
    assert state_of(app).prepared is None
    assert list(first.parent.iterdir()) == []
    app.session_state["export-format"] = "coco"
    app.run()
    assert not app.get("download_button")
    app.button(key="prepare").click().run()
    assert app.get("download_button")


def test_the_models_page_lists_the_table_and_a_summary(mobile):
    app = open_app().switch_page("pages/models/page.py").run()
    told = [row.value.replace("\\", "") for row in (*app.markdown, *app.caption)]
    for spec in MODELS:
        assert any(text.startswith(f"**{spec.title}**: ") for text in told)
        facts = [row.text for row in spec.measured] + [spec.licence, spec.source]
        assert any(all(fact in text for fact in facts) for text in told), spec.title
        assert spec.knows in told
    assert told.count(":material/check: Ready to use.") == 4
    assert "Parameters" in list(app.dataframe[0].value["what"])


def test_a_fresh_computer_takes_the_photo_model_by_its_own_score_threshold(no_weights, monkeypatch):
    rows = tuple(replace(spec, score_threshold=0.35) if spec.key == "photos" else spec for spec in MODELS)
    monkeypatch.setattr(catalog, "MODELS", rows)
    app = open_app()
    assert_fine(app)
    spec = model_by_key("photos")
    assert state_of(app).model_key == spec.key
    assert state_of(app).thresholds.score_threshold == spec.score_threshold == 0.35
    assert any(plain(spec.knows) == caption.value for caption in app.caption)


def test_who_chooses_another_model_gets_its_own_score_threshold(mobile):
    app = open_app()
    state = state_of(app)
    assert (state.model_key, state.thresholds.score_threshold) == ("mobile", 0.5)
    state.thresholds = replace(state.thresholds, score_threshold=0.8)  # as the viewer's slider does
    app.selectbox(key="model-choice").set_value("photos").run()
    assert state.thresholds.score_threshold == model_by_key("photos").score_threshold
    app.selectbox(key="model-choice").set_value("mobile").run()
    assert state.thresholds.score_threshold == 0.5


def test_a_model_with_another_nms_threshold_begins_with_it(mobile, monkeypatch):
    rows = tuple(replace(spec, nms_threshold=0.3) if spec.key == "photos" else spec for spec in MODELS)
    monkeypatch.setattr(catalog, "MODELS", rows)
    app = open_app()
    app.slider(key="nms-0.5").set_value(0.7).run()
    app.selectbox(key="model-choice").set_value("shapes").run()
    assert app.slider(key="nms-0.5").value == 0.7, "moved by a person, and the model's own is the same"
    app.selectbox(key="model-choice").set_value("photos").run()
    assert app.slider(key="nms-0.3").value == state_of(app).thresholds.nms_threshold == 0.3
    app.slider(key="nms-0.3").set_value(0.6).run()
    assert state_of(app).thresholds.nms_threshold == 0.6


def test_the_model_for_drawings_is_one_choice_away_and_says_what_it_knows(no_weights):
    app = open_app()
    app.selectbox(key="model-choice").set_value("shapes").run()
    app = with_sample(app, "shapes")
    assert_fine(app)
    assert state_of(app).thresholds.max_detections == 500
    assert any("for trying MaskDesk out" in caption.value for caption in app.caption)
    table = next(frame for frame in app.dataframe if "segment" in frame.value)
    assert {"circle", "square", "triangle"} <= set(table.value["category"])


def test_each_model_keeps_its_own_limit_of_detections(mobile):
    app = open_app()
    app.number_input(key="max-detections-mobile").set_value(33).run()
    app.selectbox(key="model-choice").set_value("shapes").run()
    assert app.number_input(key="max-detections-shapes").value == 500
    app.selectbox(key="model-choice").set_value("mobile").run()
    assert app.number_input(key="max-detections-mobile").value == 33
    assert state_of(app).thresholds.max_detections == 33


def test_two_sessions_never_see_each_others_images(mobile):
    one, other = with_sample(open_app()), open_app()
    assert len(state_of(one).workspace.images) == 1
    assert state_of(other).workspace.images == {}
    assert state_of(one).workspace.client != state_of(other).workspace.client


def test_dim_images_are_stretched_and_a_switch_leaves_them_dark(no_weights):
    app = open_app()
    state = state_of(app)
    dim = state.workspace.add("dim.tif", dim_tiff()).added[0]
    state.current = dim
    app.run()
    assert not app.exception
    assert any("stretched to 8 bit" in caption.value for caption in app.caption)
    bright = state.workspace.pixels(dim).mean()
    app.toggle(key="stretch").set_value(False).run()
    assert not app.exception
    assert state.workspace.pixels(dim).mean() < bright / 10
    assert any("though its values use" in caption.value for caption in app.caption)


def test_the_switch_is_not_shown_where_it_decides_nothing(no_weights):
    app = open_app()
    with_sample(app)
    assert not any(toggle.key == "stretch" for toggle in app.toggle)
