"""What a panel takes for ground truth, and the pictures of numbers that it shows."""

import base64
import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.new_rows import new_image, new_instance
from maskrcnn_core.projects.store import Store
from pages.explain import look
from pages.explain.session import ExplainUi
from pages.shared.session import UiState
from tests.builders.core import dim_tiff, disc, make_image, make_model


@pytest.fixture
def store(tmp_path):
    store = Store(StorePlace.in_folder(tmp_path))
    yield store
    store.close()


def state_with(project_id):
    return SimpleNamespace(project=SimpleNamespace(id=project_id))


def test_what_people_accepted_in_the_open_project_is_the_truth(store, monkeypatch):
    monkeypatch.setattr(look, "open_store", lambda: store)
    project = store.create_project("cells", "ann", categories=[Category(1, "cell"), Category(2, "dust")]).id
    blob = store.blobs.put(encode_png(make_image(60, 80)))
    store.decide(project, "ann", "add images", [new_image(1, "a.png", (60, 80), blob)])
    (image,) = store.images(project)
    cell, dust = store.categories(project)
    masks = [disc(60, 80, 20, 30, 6), disc(60, 80, 40, 50, 8), disc(60, 80, 30, 10, 5)]
    rows = [
        new_instance(image.id, category.id, n, mask, source="person", status=status)
        for n, (category, mask, status) in enumerate(
            zip((cell, dust, cell), masks, ("accepted", "accepted", "rejected"), strict=True), start=1
        )
    ]
    store.decide(project, "ann", "draw", rows)
    truth = look._truth_of_project(state_with(project), image.digest)
    assert truth.names == ("cell", "dust")
    for box, mask in zip(truth.boxes, masks, strict=False):
        x, y, width, height = mask.box_xywh
        assert box.tolist() == [x, y, x + width, y + height]
    assert look._truth_of_project(state_with(project), "0" * 64) is None
    assert look._truth_of_project(state_with(None), image.digest) is None


def test_an_image_without_accepted_instances_has_no_truth(store, monkeypatch):
    monkeypatch.setattr(look, "open_store", lambda: store)
    project = store.create_project("cells", "ann", categories=[Category(1, "cell")]).id
    blob = store.blobs.put(encode_png(make_image(60, 80)))
    store.decide(project, "ann", "add images", [new_image(1, "a.png", (60, 80), blob)])
    (image,), (cell,) = store.images(project), store.categories(project)
    mask = Rle.from_mask(np.ones((60, 80), bool))
    store.decide(project, "ann", "draw", [new_instance(image.id, cell.id, 1, mask, source="mobile")])
    assert look._truth_of_project(state_with(project), image.digest) is None


def pixels_of(url):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))


def test_heat_rises_in_lightness_with_the_numbers_and_copes_with_equal_ones():
    ramp = pixels_of(look.heat_url(np.linspace(-3, 5, 64)[None])).astype(int)
    assert ramp.shape == (1, 64, 3)
    lightness = ramp[0] @ [299, 587, 114]
    assert (np.diff(lightness) >= 0).all() and lightness[-1] > 3 * lightness[0]
    flat = pixels_of(look.heat_url(np.full((4, 4), 7.0)))
    assert (flat == flat[0, 0]).all()
    assert look.heat_colors(np.array([0.0, 1.0])) == ("#440154", "#fde725"), "viridis's ends"


def test_a_dim_image_is_shown_and_traced_anew_when_it_is_seen_otherwise(monkeypatch):
    shown = []
    monkeypatch.setattr(look, "media_url", lambda data, *_: shown.append(data) or "/media/x.jpg")
    state, predictor = UiState(), Predictor(make_model(), "cpu")
    (digest,) = state.workspace.add("dim.tif", dim_tiff()).added
    trace = []
    for stretch in ("auto", "off", "auto"):
        state.workspace.set_stretch(stretch)
        looked = look.look_at(state, predictor, digest)
        trace.append(looked.trace)
        assert looked.url
    assert shown[0] == shown[2] != shown[1]
    assert trace[0] is trace[2] is not trace[1], "what was seen the first way is still kept"
    assert len(state.of(ExplainUi).traced) == 2
