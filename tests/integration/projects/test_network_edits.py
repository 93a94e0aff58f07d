"""Boxes that people draw on a project's images, on a real model's heads."""

import numpy as np
import pytest

from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import CategoryNeededError, ConflictError, InputError, StoreError
from maskrcnn_core.geometry.rle import mask_iou
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.projects.exchange.images_in import import_images
from maskrcnn_core.projects.proposals.job_rows import JobSettings
from maskrcnn_core.projects.proposals.jobs import add_job
from maskrcnn_core.projects.proposals.network_edits import DRAW_BOX, BoxDrawer
from maskrcnn_core.projects.records import Doubts
from maskrcnn_core.projects.review.doubts import reasons
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES, draw_scene

SCENE = draw_scene(200_000)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(get_model("shapes"), "cpu")


@pytest.fixture
def project(store):
    project = store.create_project("Shapes", "ann", categories=SCENE_CATEGORIES).id
    import_images(store, project, "ann", [("scene.png", encode_png(SCENE.pixels))])
    return project


def box_of(mask):
    x, y, width, height = mask.box_xywh
    return (float(x), float(y), float(x + width), float(y + height))


def names_of(store, project):
    return {row.id: row.name for row in store.categories(project)}


def test_boxes_around_objects_become_their_masks_and_categories(store, project, predictor):
    drawer = BoxDrawer(store, predictor)
    (image,) = store.images(project)
    named = {category.id: category.name for category in SCENE_CATEGORIES}
    agreed, overlaps = 0, []
    for mask, category_id in zip(SCENE.masks, SCENE.category_ids, strict=True):
        drawer.draw(image.id, box_of(mask), "ann")
        newest = max(store.instances(project), key=lambda row: row.id)
        overlaps.append(mask_iou(newest.mask, mask))
        agreed += names_of(store, project)[newest.category_id] == named[category_id]
        assert (newest.status, newest.source, newest.score) == ("accepted", "person", None)
    assert np.mean(overlaps) > 0.75
    assert agreed >= 0.8 * len(SCENE.masks)
    ids = [row.coco_id for row in store.instances(project)]
    assert len(set(ids)) == len(ids)


def test_it_is_one_decision_in_the_journal_done_once_and_undone(store, project, predictor):
    drawer = BoxDrawer(store, predictor)
    (image,) = store.images(project)
    box = box_of(SCENE.masks[0])
    drawer.draw(image.id, box, "ann", operation="tab:1")
    drawer.draw(image.id, box, "ann", operation="tab:1")
    (row,) = store.instances(project)
    assert [(e.kind, e.who, e.image_id) for e in store.journal(project) if e.kind == DRAW_BOX] == [
        (DRAW_BOX, "ann", image.id)
    ]
    store.undo(project, "ann", only={DRAW_BOX})
    assert store.instances(project) == []
    store.redo(project, "ann", only={DRAW_BOX})
    assert [r.counts for r in store.instances(project)] == [row.counts]


def test_the_next_guess_is_kept_beside_it(store, project, predictor):
    (image,) = store.images(project)
    BoxDrawer(store, predictor).draw(image.id, box_of(SCENE.masks[0]), "ann")
    (row,) = store.instances(project)
    assert (
        row.doubts.runner_up_name and row.doubts.runner_up_name != names_of(store, project)[row.category_id]
    )


def test_a_likely_next_guess_is_told_and_an_unlikely_one_is_not():
    assert reasons(None, Doubts(0.31, "square", 0.0, 0.0), 0.5) == ["or square (0.31)"]
    assert reasons(None, Doubts(0.04, "square", 0.0, 0.0), 0.5) == []
    assert reasons(None, None, 0.5) == []


def test_categories_are_those_of_the_models_last_run_or_of_equal_names(store, predictor):
    project = store.create_project(
        "Things", "ann", categories=[Category(1, "other"), Category(2, "thing")]
    ).id
    import_images(store, project, "ann", [("scene.png", encode_png(SCENE.pixels))])
    (image,) = store.images(project)
    other, thing = (row.id for row in store.categories(project))
    drawer, box = BoxDrawer(store, predictor), box_of(SCENE.masks[0])
    with pytest.raises(CategoryNeededError, match="knows none of the project's categories: choose"):
        drawer.draw(image.id, box, "ann")
    assert store.instances(project) == [], "nothing is silently the first category"
    drawer.draw(image.id, box, "ann", category=other)
    assert [row.category_id for row in store.instances(project)] == [other]
    mapping = {category.name: thing for category in predictor.model.label_map}
    add_job(store, project, "shapes", JobSettings(0.5, 0.5, 0.5, 100, mapping), "ann")
    drawer.draw(image.id, box, "ann")
    assert [row.category_id for row in store.instances(project)] == [other, thing]


def test_who_says_the_category_of_a_box_gets_it_and_its_mask(store, project, predictor):
    drawer, box = BoxDrawer(store, predictor), box_of(SCENE.masks[0])
    (image,) = store.images(project)
    drawer.draw(image.id, box, "ann")
    (guessed,) = store.instances(project)
    other = next(row for row in store.categories(project) if row.id != guessed.category_id)
    drawer.draw(image.id, box, "ann", category=other.id)
    drawer.draw(image.id, box, "ann", category=other.name)
    chosen = [row for row in store.instances(project) if row.id != guessed.id]
    assert [row.category_id for row in chosen] == [other.id] * 2
    assert [row.given_box for row in chosen] == [guessed.given_box] * 2
    named = names_of(store, project)[guessed.category_id]
    assert {row.doubts.runner_up_name for row in chosen} == {named}, "what the network would have said"
    with pytest.raises(StoreError, match="category 'gone': there is no such category"):
        drawer.draw(image.id, box, "ann", category="gone")


def test_a_chosen_mask_grows_and_shrinks_along_the_networks_probabilities(store, project, predictor):
    drawer = BoxDrawer(store, predictor)
    (image,) = store.images(project)
    box = box_of(SCENE.masks[0])
    drawer.draw(image.id, box, "ann")
    (first,) = store.instances(project)
    masks = [first.mask]
    for threshold in (0.2, 0.8, 0.5):
        (row,) = store.instances(project)
        drawer.reshape(image.id, {row.id: row.version}, "ann", how="threshold", threshold=threshold)
        masks.append(store.instances(project)[0].mask)
    same, grown, shrunk, again = masks
    assert shrunk.area < same.area < grown.area
    assert again == same, "the same threshold in the same box"
    assert not (shrunk.to_mask() & ~same.to_mask()).any()
    (row,) = store.instances(project)
    assert (row.status, row.given_box) == ("accepted", pytest.approx(box, abs=0.01))
    for _ in range(3):
        store.undo(project, "ann", only={"mask threshold"})
    assert store.instances(project)[0].mask == first.mask


def test_tighten_finds_the_object_again_from_a_box_beside_it(store, project, predictor):
    drawer = BoxDrawer(store, predictor)
    (image,) = store.images(project)
    largest = max(SCENE.masks, key=lambda mask: mask.area)
    x1, y1, x2, y2 = box_of(largest)
    dx, dy = (x2 - x1) / 6, (y2 - y1) / 6
    drawer.draw(image.id, (x1 + dx, y1 + dy, x2 + dx, y2 + dy), "ann")
    (row,) = store.instances(project)
    before = mask_iou(row.mask, largest)
    drawer.reshape(image.id, {row.id: row.version}, "ann", how="tighten")
    (after,) = store.instances(project)
    assert mask_iou(after.mask, largest) > before
    with pytest.raises(ConflictError):
        drawer.reshape(image.id, {row.id: row.version}, "bob", how="tighten")
    with pytest.raises(StoreError, match="no such instance"):
        drawer.reshape(image.id, {row.id + 1000: 1}, "ann", how="tighten")
    with pytest.raises(StoreError, match="no such image"):
        drawer.reshape(image.id + 1000, {row.id: 1}, "ann", how="tighten")
    assert store.instances(project)[0] == after


def test_a_closer_look_makes_a_small_mask_finer_in_its_own_box(store, project, predictor):
    drawer = BoxDrawer(store, predictor)
    (image,) = store.images(project)
    for mask in SCENE.masks:
        drawer.draw(image.id, box_of(mask), "ann")
    before = store.instances(project)
    drawer.reshape(image.id, {r.id: r.version for r in before}, "ann", how="closer", operation="tab:9")
    drawer.reshape(image.id, {r.id: r.version for r in before}, "ann", how="closer", operation="tab:9")
    after = store.instances(project)
    changed = [old.counts != new.counts for old, new in zip(before, after, strict=True)]
    assert sum(changed) > len(changed) / 2, "objects of this scene are small in the network's input"
    old, new = (
        np.mean([mask_iou(r.mask, m) for r, m in zip(rows, SCENE.masks, strict=True)])
        for rows in (before, after)
    )
    assert new >= old
    for old, new in zip(before, after, strict=True):
        assert (new.category_id, new.score, new.source) == (old.category_id, old.score, old.source)
        assert new.given_box == pytest.approx(old.given_box, abs=0.01)
    entries = [e for e in store.journal(project) if e.kind == "look closer"]
    assert len(entries) == 1, "asked for twice, done once"
    store.undo(project, "ann", only={"look closer"})
    assert [r.counts for r in store.instances(project)] == [r.counts for r in before]


def test_what_cannot_become_an_instance_is_refused_in_a_sentence(store, project, predictor):
    drawer = BoxDrawer(store, predictor)
    (image,) = store.images(project)
    with pytest.raises(InputError, match="within the image"):
        drawer.draw(image.id, (-50.0, -50.0, -10.0, -10.0), "ann")
    with pytest.raises(StoreError, match="no such image"):
        drawer.draw(image.id + 1000, (1.0, 1.0, 9.0, 9.0), "ann")
    bare = store.create_project("Bare", "ann").id
    import_images(store, bare, "ann", [("scene.png", encode_png(SCENE.pixels))])
    (image,) = store.images(bare)
    with pytest.raises(CategoryNeededError, match="no category yet: name the first one"):
        drawer.draw(image.id, box_of(SCENE.masks[0]), "ann")
    assert store.instances(project) == []
