"""The project pages offer the model that the images look like, and what is theirs."""

import pytest
from streamlit.testing.v1 import AppTest

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.inference.engines.table import AUTO
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE, StorePlace
from maskrcnn_core.projects.exchange.images_in import import_images
from maskrcnn_core.projects.proposals.jobs import jobs_of
from maskrcnn_core.projects.proposals.worker import work_off
from maskrcnn_core.projects.store import Store
from maskrcnn_core.synthetic.scenes import draw_scene
from pages.annotate import to_project
from pages.annotate.to_project import draw_mend
from pages.project import pre_annotate
from pages.project.state import PageUi
from pages.shared import cached
from pages.shared.images_project import project_of_open_images
from pages.shared.session import ProjectUi, UiState
from tests.browser.conftest import ROOT
from tests.builders.mixed_model import MIXED, add_mixed_model

NUCLEI = [(f"{n}.png", encode_png(draw_scene(300_000 + n, "fluorescence").pixels)) for n in range(2)]


@pytest.fixture
def store(monkeypatch, tmp_path):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    for name in ("MASKDESK_WEIGHTS", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "no-weights"))
    monkeypatch.setattr(pre_annotate, "ensure_worker", lambda store, **how: None)
    cached.open_store.clear()
    cached.pictures.clear()
    store = Store(StorePlace.in_folder(tmp_path / "data"))
    yield store
    store.close()
    cached.open_store.clear()
    cached.pictures.clear()


def open_project(store, *categories):
    project = store.create_project("Cells", "ann").id
    import_images(store, project, "ann", NUCLEI)
    if categories:
        pre_annotate.add_categories(store, project, "ann", categories)
    return project


def open_panel():
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.session_state["outbox"] = {"who": "ann"}
    app.run()
    app.switch_page("pages/project/page.py").run()
    app.session_state["maskdesk"].of_project(PageUi).section = "model"
    app.run()
    assert not app.exception and not app.error
    return app


def told(app):
    return [info.value.replace("\\", "") for info in app.info]


def test_a_new_project_of_nuclei_is_offered_the_model_for_nuclei_and_its_category_alone(store):
    project = open_project(store)
    app = open_panel()
    assert app.selectbox(key="job-model").value == "nuclei"
    captions = [caption.value.replace("\\", "") for caption in app.caption]
    assert any(text.endswith(" 2 of 2 images look like microscopy.") for text in captions)
    assert app.button(key="start-job").disabled, "the project has no category yet"
    take = app.button(key="take-categories")
    assert take.label == "Add the model's category nucleus to the project"
    take.click().run()
    assert [row.name for row in store.categories(project)] == ["nucleus"]
    app.button(key="start-job").click().run()
    assert not app.exception and not app.error
    (job,) = jobs_of(store, project)
    assert (job.model_key, set(job.settings.mapping)) == ("nuclei", {"nucleus"})


def test_a_run_takes_the_chosen_engine_with_it_and_says_what_ran(store):
    project = open_project(store, "nucleus")
    app = open_panel()
    choice = app.selectbox(key="job-engine")
    assert choice.value == AUTO and choice.options[:3] == ["Automatic", "Exact", "Folded"]
    assert "CUDA, half precision" not in choice.options, "it cannot run here"
    choice.select("exact").run()
    app.button(key="start-job").click().run()
    (job,) = jobs_of(store, project)
    assert job.settings.engine == "exact"
    work_off(store)
    app.run()
    captions = [caption.value.replace("\\", "") for caption in app.caption]
    assert "Engine exact, tiles auto, overlap 0.25." in captions


def test_shapes_are_off_at_first_among_nuclei_and_it_is_said(store, monkeypatch):
    add_mixed_model(monkeypatch)
    project = open_project(store, "nucleus", "circle", "square", "triangle")
    app = open_panel()
    assert app.selectbox(key="job-model").value == MIXED
    assert (
        "2 of 2 images look like microscopy: only nucleus is proposed unless you switch on circle, square, "
        "triangle." in told(app)
    )
    app.button(key="start-job").click().run()
    (job,) = jobs_of(store, project)
    assert set(job.settings.mapping) == {"nucleus"}


def test_a_model_that_is_not_for_the_images_is_said_before_it_runs(store):
    open_project(store, "nucleus")
    app = open_panel()
    assert not told(app)
    app.selectbox(key="job-model").select("photos").run()
    (hint,) = told(app)
    assert hint.startswith("2 of 2 images look like microscopy, but the model photos is for photos; ")
    assert hint.endswith(" finds nucleus only.") and "--domain" not in hint


def test_drawn_boxes_are_filled_by_the_model_that_the_images_look_like(store):
    open_project(store)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.session_state["outbox"] = {"who": "ann"}
    app.run()
    app.switch_page("pages/review/page.py").run()
    assert not app.exception
    assert app.session_state["maskdesk"].project.box_model == "nuclei"


# -- from the Annotate page ---------------------------------------------------------------------------


class Switched(Exception):
    pass


def switched(*_, **__):
    raise Switched


def test_mending_keeps_the_model_and_the_domain_whatever_filled_boxes_before(store, monkeypatch):
    """Boxes in nuclei were filled by the model of another project that was open before."""
    predictor = Predictor(get_model("nuclei"), "cpu")
    state = UiState(project=ProjectUi(who="ann"), model_key="nuclei", domain="microscopy")
    state.project.open(99)
    state.project.box_model = "photos"
    state.current = state.workspace.add("0.png", NUCLEI[0][1]).added[0]
    state.workspace.start(predictor, state.thresholds)
    for queued in state.workspace._queued.values():
        assert queued.wait(60)
    monkeypatch.setattr(to_project, "pressed", lambda *_, **__: True)
    monkeypatch.setattr(to_project.st, "switch_page", switched)
    monkeypatch.setattr(to_project, "open_store", lambda: store)
    with pytest.raises(Switched):
        draw_mend(state, predictor)
    project = project_of_open_images(store, state, predictor)
    assert [row.name for row in store.categories(project)] == ["nucleus"]
    assert state.project.id == project and state.project.box_model == "nuclei"


def test_what_filled_boxes_in_one_project_does_not_in_another():
    ui = ProjectUi()
    ui.open(1)
    ui.box_model = "photos"
    ui.open(2)
    assert ui.box_model == ""
