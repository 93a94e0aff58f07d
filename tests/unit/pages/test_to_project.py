"""From the Annotate page to the editor: the project shows its images as the page did."""

import pytest

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.seeing import pixels_of, set_stretch, stretch_of
from maskrcnn_core.projects.store import Store
from pages.shared.images_project import project_of_open_images
from pages.shared.session import ProjectUi, UiState
from tests.builders.core import dim_tiff, make_model


@pytest.fixture
def store(tmp_path):
    store = Store(StorePlace.in_folder(tmp_path / "data"))
    yield store
    store.close()


def hand_over(store, state, predictor):
    state.workspace.start(predictor, Thresholds())
    for queued in state.workspace._queued.values():
        assert queued.wait(60)
    return project_of_open_images(store, state, predictor)


def test_a_project_made_of_open_images_has_the_pages_switch_and_keeps_its_own_after(store):
    predictor = Predictor(make_model(), "cpu")
    state = UiState(project=ProjectUi(who="ann"))
    digest = state.workspace.add("dim.tif", dim_tiff()).added[0]
    state.workspace.set_stretch("off")
    project = hand_over(store, state, predictor)

    def seen():
        return stretch_of(store.project(project))

    assert seen() == "off"
    (image,) = store.images(project)
    assert (pixels_of(store, image, seen()) == state.workspace.pixels(digest)).all()
    assert [e.who for e in store.journal(project) if e.kind == "stretch images"] == ["ann"]

    set_stretch(store, project, "ann", "auto")
    state.workspace.add("other.tif", dim_tiff(1))
    assert hand_over(store, state, predictor) == project
    assert seen() == "auto", "the page's switch was not moved since"
    state.workspace.set_stretch("auto")
    state.workspace.set_stretch("off")
    state.workspace.set_stretch("auto")
    assert hand_over(store, state, predictor) == project and seen() == "auto"
    state.workspace.set_stretch("off")
    assert hand_over(store, state, predictor) == project and seen() == "off"


def test_a_project_of_a_page_that_stretches_says_nothing_of_it(store):
    predictor = Predictor(make_model(), "cpu")
    state = UiState(project=ProjectUi(who="ann"))
    state.workspace.add("dim.tif", dim_tiff())
    project = hand_over(store, state, predictor)
    assert stretch_of(store.project(project)) == "auto"
    assert all(entry.kind != "stretch images" for entry in store.journal(project))


def test_what_no_project_has_is_said_to_be_lost_with_the_session(store):
    predictor = Predictor(make_model(), "cpu")
    state = UiState(project=ProjectUi(who="ann"))
    assert not state.is_unkept
    sample = state.workspace.add("sample.tif", dim_tiff()).added[0]
    state.samples_open.add(sample)
    assert not state.is_unkept, "a sample is there again with one click"
    first = state.workspace.add("first.tif", dim_tiff(1)).added[0]
    assert state.is_unkept
    hand_over(store, state, predictor)
    assert not state.is_unkept
    second = state.workspace.add("second.tif", dim_tiff(2)).added[0]
    assert state.is_unkept, "it came after the others were taken in"
    hand_over(store, state, predictor)
    assert not state.is_unkept
    state.workspace.remove([first, second])
    assert not state.is_unkept
