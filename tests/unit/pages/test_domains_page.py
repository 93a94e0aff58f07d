"""The choice of a domain, what it offers, and the hint where a picture does not fit."""

from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.inference.engines.spec import EngineSpec
from maskrcnn_core.inference.engines.table import ENGINES
from maskrcnn_core.models.catalog import MODELS, model_by_key
from maskrcnn_core.models.domains import DOMAINS, OWN
from maskrcnn_core.synthetic.samples import SAMPLES, sample_png
from maskrcnn_core.synthetic.scenes import draw_scene
from maskrcnn_core.training.domain_rule.sources import in_grey
from pages.models import engines

ROOT = Path(__file__).parents[3]
UNSEEN = 300_000

pytestmark = pytest.mark.usefixtures("no_weights")


@pytest.fixture
def no_weights(monkeypatch, tmp_path):
    """A computer that has the models in the box, and no other."""
    for name in ("MASKDESK_WEIGHTS", "MASKDESK_DATA", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


@pytest.fixture
def app():
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    assert_fine(app)
    return app


def assert_fine(app):
    assert not app.exception
    assert not app.error


def state_of(app):
    return app.session_state["maskdesk"]


def open_picture(app, pixels):
    """The app with a picture that came as a file does."""
    state = state_of(app)
    state.look_at(state.workspace.add("picture.png", encode_png(pixels)).added[0])
    app.run()
    assert_fine(app)


def choose(app, key):
    app.button(key=f"domain-{key}").click().run()
    assert_fine(app)


IN_THE_BOX = {"photos": "photos", "microscopy": "nuclei", "drawings": "shapes"}
"""The model of each domain where nothing was fetched."""


def only(app):
    return next(widget for widget in app.multiselect if str(widget.key).startswith("only-"))


def keys(app):
    return {button.key for button in app.button}


def test_each_domain_is_a_button_and_ones_own_waits_for_a_model(app):
    buttons = {button.key: button for button in app.button if str(button.key).startswith("domain-")}
    assert list(buttons) == [f"domain-{domain.key}" for domain in DOMAINS]
    assert [key for key, button in buttons.items() if button.disabled] == [f"domain-{OWN}"]


@pytest.mark.parametrize("domain", [d for d in DOMAINS if d.key != OWN], ids=lambda d: d.key)
def test_a_domain_brings_its_model_and_offers_its_categories_alone(app, domain):
    choose(app, domain.key)
    state = state_of(app)
    assert state.domain == domain.key
    assert state.model_key == IN_THE_BOX[domain.key]
    assert set(only(app).options) == domain.categories
    assert any(domain.finds in caption.value for caption in app.caption)
    known = {category.name for category in model_by_key(state.model_key).label_map}
    assert known == domain.categories and state.thresholds.labels is None, "all that it knows"


def test_among_nuclei_there_is_no_triangle(app):
    open_picture(app, draw_scene(UNSEEN, "shapes").pixels)
    choose(app, "microscopy")
    state = state_of(app)
    for queued in list(state.workspace._queued.values()):
        assert queued.wait(120)
    app.run()
    assert_fine(app)
    table = next((frame for frame in app.dataframe if "segment" in frame.value), None)
    assert table is None or set(table.value["category"]) <= {"nucleus"}
    choose(app, "drawings")
    for queued in list(state.workspace._queued.values()):
        assert queued.wait(120)
    app.run()
    table = next(frame for frame in app.dataframe if "segment" in frame.value)
    assert len(table.value) and set(table.value["category"]) <= {"circle", "square", "triangle"}


def test_a_model_from_the_menu_brings_its_domain(app):
    choose(app, "drawings")
    app.selectbox(key=state_of(app).model_widget).set_value("photos").run()
    assert_fine(app)
    assert (state_of(app).domain, state_of(app).model_key) == ("photos", "photos")


def move_score(app, score):
    state = state_of(app)
    state.thresholds = replace(state.thresholds, score_threshold=score)
    app.run()
    assert_fine(app)


def test_a_moved_score_stays_with_its_model_and_domain_alone(app):
    own = {key: model_by_key(key).score_threshold for key in ("photos", "nuclei", "shapes")}
    assert 0.9 not in own.values()
    open_picture(app, draw_scene(UNSEEN, "fluorescence").pixels)
    assert state_of(app).thresholds.score_threshold == own["photos"]
    move_score(app, 0.9)
    open_picture(app, draw_scene(UNSEEN + 1, "fluorescence").pixels)
    assert state_of(app).thresholds.score_threshold == 0.9, "another picture, the same model"
    choose(app, "microscopy")
    assert state_of(app).thresholds.score_threshold == own["nuclei"]
    move_score(app, 0.9)
    choose(app, "drawings")
    assert state_of(app).model_key == "shapes"
    assert state_of(app).thresholds.score_threshold == own["shapes"], "another domain, another model"
    app.selectbox(key=state_of(app).model_widget).set_value("photos").run()
    assert state_of(app).thresholds.score_threshold == own["photos"], "nobody has moved it since"


@pytest.mark.parametrize(
    ("kind", "seems"), [("fluorescence", "microscopy"), ("tissue", "microscopy"), ("shapes", "drawings")]
)
def test_a_picture_that_does_not_fit_is_told_and_one_click_switches(app, kind, seems):
    choose(app, "photos")
    open_picture(app, draw_scene(UNSEEN, kind).pixels)
    looks_like = next(domain.looks_like for domain in DOMAINS if domain.key == seems)
    assert any(looks_like in text.value for text in app.markdown)
    app.button(key="switch-domain").click().run()
    assert_fine(app)
    assert (state_of(app).domain, state_of(app).model_key) == (seems, IN_THE_BOX[seems])
    assert "switch-domain" not in keys(app)


def test_a_photo_among_nuclei_is_told_also_without_colour(app):
    from maskrcnn_core.images.reading import decode_image

    choose(app, "microscopy")
    open_picture(app, in_grey(decode_image(sample_png("astronaut"), "a").pixels))
    app.button(key="switch-domain").click().run()
    assert_fine(app)
    assert (state_of(app).domain, state_of(app).model_key) == ("photos", "photos")


def test_who_keeps_a_domain_keeps_it_for_that_picture(app):
    choose(app, "photos")
    open_picture(app, draw_scene(UNSEEN, "fluorescence").pixels)
    first = state_of(app).current
    assert "keep-domain-for-all" not in keys(app), "there are no others"
    app.button(key="keep-domain").click().run()
    assert "switch-domain" not in keys(app) and state_of(app).domain == "photos"
    for kind in ("fluorescence", "shapes"):
        open_picture(app, draw_scene(UNSEEN + 1, kind).pixels)
        assert "switch-domain" in keys(app), f"nobody has said anything of this one: {kind}"
    state_of(app).look_at(first)
    assert "switch-domain" not in keys(app.run())


def test_a_domain_can_be_kept_for_all_pictures_alike_and_others_are_told(app):
    choose(app, "photos")
    for seed in (UNSEEN, UNSEEN + 1):
        open_picture(app, draw_scene(seed, "fluorescence").pixels)
    app.button(key="keep-domain-for-all").click().run()
    assert "switch-domain" not in keys(app)
    open_picture(app, draw_scene(UNSEEN + 2, "fluorescence").pixels)
    assert "switch-domain" not in keys(app)
    open_picture(app, draw_scene(UNSEEN, "shapes").pixels)
    assert "switch-domain" in keys(app)


@pytest.mark.parametrize("ending", ["all are closed", "another domain is chosen"])
def test_what_is_kept_for_all_alike_ends(app, ending):
    choose(app, "photos")
    for seed in (UNSEEN, UNSEEN + 1):
        open_picture(app, draw_scene(seed, "fluorescence").pixels)
    app.button(key="keep-domain-for-all").click().run()
    if ending == "all are closed":
        for _ in range(2):
            app.button(key="close").click().run()
    else:
        choose(app, "drawings")
        choose(app, "photos")
    open_picture(app, draw_scene(UNSEEN + 2, "fluorescence").pixels)
    assert "switch-domain" in keys(app)


def test_a_picture_that_fits_says_nothing(app):
    choose(app, "microscopy")
    open_picture(app, draw_scene(UNSEEN, "fluorescence").pixels)
    assert "switch-domain" not in keys(app)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.key)
def test_a_sample_opens_with_a_model_that_fits_and_says_what_to_try(app, sample):
    choose(app, "drawings" if sample.domain == "photos" else "photos")
    assert any(sample.try_this in caption.value for caption in app.caption)
    app.button(key=f"sample-{sample.key}").click().run()
    assert_fine(app)
    state = state_of(app)
    assert state.domain == sample.domain
    assert state.model_key == IN_THE_BOX[sample.domain]
    assert "switch-domain" not in keys(app)


def test_a_camera_is_beside_the_drop_zone_and_off_until_it_is_asked_for(app):
    assert not app.get("camera_input")
    app.toggle(key="camera-on").set_value(True).run()
    assert_fine(app)
    assert len(app.get("camera_input")) == 1


def test_engines_stand_with_what_was_measured_and_are_compared_when_asked(app, monkeypatch):
    nuclei = draw_scene(UNSEEN, "fluorescence").pixels[:200, :240]
    monkeypatch.setattr(engines, "pixels_for", lambda _: [nuclei])
    # The others take their time, and have tests of their own.
    monkeypatch.setattr(EngineSpec, "lack", lambda self, _: "" if self in ENGINES[:2] else "not here")
    app.switch_page("pages/models/page.py").run()
    app.selectbox(key="summary-choice").set_value("nuclei").run()
    assert_fine(app)

    def stands():
        table = next(frame.value for frame in app.dataframe if "beside exact" in frame.value)
        return table.set_index("engine")

    assert stands().loc["Folded", "beside exact"] == "not compared yet"
    captions = [row.value.replace("\\", "") for row in app.caption]
    assert any("cannot run here: not here" in caption for caption in captions)
    assert any(caption.startswith("Pages run networks on the CPU.") for caption in captions)
    app.button(key="compare-engines").click().run()
    assert_fine(app)
    row = stands().loc["Folded"]
    assert row["beside exact"] == "finds the same" and row["same"] == "100.0%"
    assert float(row["box moved (px)"]) <= 0.05 and float(row["score changed"]) <= 0.003
    assert float(row["mask IoU"]) >= 0.98 and stands().loc["Exact", "mask IoU"] == ""
    assert "compare-engines" not in [button.key for button in app.button], "nothing is left to compare"


def test_no_figure_of_a_model_stands_without_its_images(app):
    app.switch_page("pages/models/page.py").run()
    assert_fine(app)
    told = [row.value.replace("\\", "") for row in app.caption]
    figures = [text for text in told if "mask AP" in text]
    measured = [spec for spec in MODELS if spec.measured]
    assert len(figures) == len(measured) and all(text.startswith("Measured on ") for text in figures)
    on_coco = [spec for spec in measured if "COCO val2017" in spec.measured[0].on]
    assert sum("COCO val2017" in text for text in figures) == len(on_coco) and "nuclei" in figures[-2]
    for domain in ("Microscopy", "Drawings"):
        assert any(domain in row.value for row in app.markdown)
