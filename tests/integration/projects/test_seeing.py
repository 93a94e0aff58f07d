"""One setting says how a project's dim images are seen: by models, in thumbnails, drawn boxes and exports."""

import io

import numpy as np
import pytest
from PIL import Image

from maskrcnn_core.common.refusals import Groups
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.detection.limits import LimitTally
from maskrcnn_core.images.reading import decode_image
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.projects.exchange.coco_in import import_coco
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.exchange.exporting import other_format, select
from maskrcnn_core.projects.exchange.images_in import import_images
from maskrcnn_core.projects.proposals.category_matching import category_mapping
from maskrcnn_core.projects.proposals.proposing import propose
from maskrcnn_core.projects.review.review_queue import QueueFilter
from maskrcnn_core.projects.seeing import pixels_of, seen_as, set_stretch, stretch_of
from maskrcnn_core.projects.thumbnails import thumbnails_of
from maskrcnn_core.synthetic.samples import sample_png


@pytest.fixture(scope="module")
def predictor():
    return Predictor(get_model("nuclei"), "cpu")


def dim_nuclei():
    """The drawn micrograph in the lowest 8 of 16 bits."""
    grey = decode_image(sample_png("fluorescence"), "a").pixels[:, :, 0]
    out = io.BytesIO()
    Image.fromarray(grey.astype(np.uint16)).save(out, "TIFF")
    return out.getvalue()


@pytest.fixture
def project(store):
    project = store.create_project("Cells", "ann", categories=[Category(1, "nucleus")]).id
    report = import_images(store, project, "ann", [("dim.tif", dim_nuclei())])
    assert "dim.tif: 16-bit grey of" in report.notes[0] and "stretched to 8 bit" in report.notes[0]
    return project


def test_it_is_a_decision_that_can_be_undone_and_is_kept_once(store, project):
    assert stretch_of(store.project(project)) == "auto"
    assert set_stretch(store, project, "ann", "off")
    assert not set_stretch(store, project, "ann", "off")
    assert stretch_of(store.project(project)) == "off"
    store.undo(project, "ann")
    assert stretch_of(store.project(project)) == "auto"
    store.redo(project, "ann")
    assert set_stretch(store, project, "bob", "auto")
    assert store.project(project).extra == {}


def test_it_is_the_projects_own_and_no_part_of_the_data_set(store, project):
    before = export_coco(store, project)
    set_stretch(store, project, "ann", "off")
    assert export_coco(store, project) == before
    again = store.create_project("Again", "ann").id
    import_coco(store, again, "ann", before, lambda name: dim_nuclei())
    assert stretch_of(store.project(again)) == "auto"
    for wrong in (None, 3, ["off"], {"stretch": "maybe"}, {"stretch": {}}):
        odd = store.create_project(f"Odd {wrong}", "ann", extra={"maskdesk": wrong}).id
        assert stretch_of(store.project(odd)) == "auto"


def test_models_thumbnails_and_exports_see_the_same_pixels_and_keep_both_runs_apart(
    store, project, predictor
):
    (image,) = store.images(project)
    mapping = category_mapping(store, project, predictor)
    thresholds = Thresholds(0.5, 0.5, 500)
    bright = thumbnails_of(store, [image])
    limits = LimitTally()
    report = propose(store, project, predictor, thresholds, mapping, limits=limits)
    assert report.proposed > 5 and limits.sentences() == []
    assert propose(store, project, predictor, thresholds, mapping).offered == 0

    set_stretch(store, project, "ann", "off")
    assert propose(store, project, predictor, thresholds, mapping).offered == 1
    assert store.kept_run(image.id, predictor.model.digest)
    assert store.kept_run(image.id, seen_as(predictor.model.digest, "off"))
    dark = thumbnails_of(store, [image], "off")
    assert dark[image.digest] != bright[image.digest]
    assert thumbnails_of(store, [image]) == bright
    selection = select(store.images(project), store.facts(project), QueueFilter())
    (exported,) = other_format(store, project, selection, mends=Groups()).images
    assert np.array_equal(exported.load_pixels(), pixels_of(store, image, "off"))
    assert exported.load_pixels().max() <= 1
