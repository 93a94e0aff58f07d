"""Proposals belong to the model that made them: a second model adds, and takes nothing away."""

from collections import Counter
from dataclasses import replace

import pytest

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.geometry.rle import mask_iou
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.projects.exchange.images_in import import_images
from maskrcnn_core.projects.mask_edits import MendedMask, edit_masks
from maskrcnn_core.projects.new_rows import new_instance
from maskrcnn_core.projects.proposals.category_matching import category_mapping
from maskrcnn_core.projects.proposals.proposing import propose, told_counts
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES, draw_scene
from tests.builders.projects import change

THRESHOLDS = Thresholds(0.5, 0.5, 500)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(get_model("shapes"), "cpu")


@pytest.fixture
def project(store):
    project = store.create_project("Shapes", "ann", categories=SCENE_CATEGORIES).id
    import_images(store, project, "ann", [("0.png", encode_png(draw_scene(200_000).pixels))])
    return project


@pytest.fixture
def mapping(store, project, predictor):
    return category_mapping(store, project, predictor)


def facts(rows):
    return [(row.image_id, row.category_id, row.counts, row.score) for row in rows]


def other_model(predictor, key):
    """The same network as another model: what it finds lies just where the first one's lies."""
    return Predictor(replace(predictor.model, key=key, digest=f"of {key}"), "cpu")


def by_source(store, project):
    return Counter(row.source for row in store.instances(project))


def test_a_second_model_takes_nothing_away_and_its_twins_are_left_out(store, project, predictor, mapping):
    circle = next(row.id for row in store.categories(project) if row.name == "circle")
    only_circles = {label: id_ for label, id_ in mapping.items() if id_ == circle}
    others = {label: id_ for label, id_ in mapping.items() if id_ != circle}
    propose(store, project, other_model(predictor, "mobile"), THRESHOLDS, others)
    before = store.instances(project)
    assert before
    first = propose(store, project, predictor, THRESHOLDS, only_circles)
    assert (first.replaced, first.there, first.decided) == (0, {}, 0) and first.proposed
    now = {row.id: row for row in store.instances(project)}
    assert [now[row.id] for row in before] == before, "also of categories that it does not know"
    both = propose(store, project, predictor, THRESHOLDS, mapping)
    assert both.there == {"shapes": first.proposed, "mobile": len(before)}
    assert (both.proposed, both.replaced) == (0, 0)
    assert {row.id for row in store.instances(project)} == set(now)
    assert told_counts(both.proposed, both.replaced, both.there, both.decided) == (
        f"0 instances proposed, {len(before)} already proposed by mobile, "
        f"{first.proposed} already proposed by shapes, 0 already decided by people"
    )


def test_another_threshold_offers_what_is_new_without_the_network(store, project, predictor, mapping):
    high = propose(store, project, predictor, replace(THRESHOLDS, score_threshold=0.9), mapping)
    before = store.instances(project)
    quiet = other_model(predictor, "shapes")
    quiet = Predictor(replace(quiet.model, digest=predictor.model.digest), "cpu")
    quiet.run = None  # it must not be asked
    low = propose(store, project, quiet, replace(THRESHOLDS, score_threshold=0.1), mapping)
    assert (high.ran, low.ran, low.images) == (1, 0, 1)
    now = {row.id: row for row in store.instances(project)}
    assert low.there == {"shapes": len(before)} and low.proposed == len(now) - len(before) > 0
    assert [now[row.id] for row in before] == before
    again = propose(store, project, quiet, replace(THRESHOLDS, score_threshold=0.9), mapping)
    assert (again.replaced, again.there) == (low.proposed, {"shapes": high.proposed})
    assert facts(store.instances(project)) == facts(before)


def test_another_mapping_replaces_only_the_categories_that_were_asked_for(store, project, predictor, mapping):
    propose(store, project, predictor, THRESHOLDS, mapping)
    before, kept = store.instances(project), set(mapping.values())
    label, category = next(iter(mapping.items()))
    other = next(id_ for id_ in kept if id_ != category)
    report = propose(store, project, predictor, THRESHOLDS, {label: other})
    now = {row.id for row in store.instances(project)}
    stay = {row.id for row in before if row.category_id != other}
    assert stay <= now and report.ran == 0
    assert report.replaced == sum(row.category_id == other for row in before)


def test_what_people_touched_drew_or_removed_stays_so(store, project, predictor, mapping):
    propose(store, project, predictor, THRESHOLDS, mapping)
    image = store.images(project)[0]
    relabelled, removed, drawn_over = store.instances(project, image_id=image.id)[:3]
    other = next(id_ for id_ in mapping.values() if id_ != relabelled.category_id)
    store.decide(project, "ann", "relabel", [change(relabelled, category_id=other)], image_id=image.id)
    edit_masks(store, image.id, "ann", "remove", [MendedMask(removed.id, removed.version, None)])
    drawn = new_instance(
        image.id, other, 9000, drawn_over.mask, source="person", status="proposed", score=None
    )
    store.decide(project, "ann", "draw box", [change(drawn_over, gone=True), drawn], image_id=image.id)
    mine = [r for r in store.instances(project, image_id=image.id) if r.source == "person" or r.version > 1]
    for asked in (predictor, other_model(predictor, "mobile")):
        report = propose(store, project, asked, replace(THRESHOLDS, score_threshold=0.45), mapping)
        assert report.decided >= 3
        now = {row.id: row for row in store.instances(project, image_id=image.id)}
        assert [now[row.id] for row in mine] == mine
        assert not any(
            mask_iou(row.mask, removed.mask) >= 0.5 for row in now.values() if row.status == "proposed"
        )


def test_what_was_left_out_for_a_twin_that_went_is_offered_when_asked_again(
    store, project, predictor, mapping
):
    mobile = other_model(predictor, "mobile")
    propose(store, project, predictor, THRESHOLDS, mapping)
    count = len(store.instances(project))
    assert propose(store, project, mobile, THRESHOLDS, mapping).there == {"shapes": count}
    gone = propose(store, project, predictor, replace(THRESHOLDS, score_threshold=1.0), mapping)
    assert gone.replaced == count and store.instances(project) == []
    assert propose(store, project, mobile, THRESHOLDS, mapping).proposed == count
    assert by_source(store, project) == {"mobile": count}
