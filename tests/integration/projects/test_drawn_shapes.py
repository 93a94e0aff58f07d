"""Rectangles and lassos that become instances, and instances taken over to another image, on a real model."""

import numpy as np
import pytest

from maskrcnn_core.errors import CategoryNeededError, InferenceError, StoreError, WeightsError
from maskrcnn_core.geometry.polygons import mask_to_polygons
from maskrcnn_core.geometry.rle import mask_iou
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.projects.exchange.images_in import import_images
from maskrcnn_core.projects.mask_edits import MadeMask, MendedMask, made_by
from maskrcnn_core.projects.proposals.network_edits import BoxDrawer
from maskrcnn_core.projects.proposals.offering import is_untouched
from maskrcnn_core.projects.records import PROPAGATED, RECTANGLE
from maskrcnn_core.projects.review.executing import ReviewExecutor
from maskrcnn_core.projects.review.operations import CutOut, DrawBox, Edit, Propagate, Undo
from maskrcnn_core.projects.review.outcomes import tell_outcome
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES, draw_scene
from tests.builders.core import disc
from tests.builders.projects import SIZE, make_project

SCENE = draw_scene(200_000)
HEIGHT, WIDTH = SCENE.pixels.shape[:2]


@pytest.fixture(scope="module")
def predictor():
    return Predictor(get_model("shapes"), "cpu")


@pytest.fixture
def project(store):
    """A scene, the same a little further to the left, and an empty picture."""
    project = store.create_project("Series", "ann", categories=SCENE_CATEGORIES).id
    later = np.roll(SCENE.pixels, -6, axis=1)
    files = [("1.png", SCENE.pixels), ("2.png", later), ("3.png", np.full_like(SCENE.pixels, 128))]
    import_images(store, project, "ann", [(name, encode_png(pixels)) for name, pixels in files])
    return project


def executor(store, drawer=None):
    def give():
        if drawer is None:
            raise WeightsError("no model is ready")
        return drawer

    return ReviewExecutor(store, "tab", give)


def box_of(mask):
    x, y, width, height = mask.box_xywh
    return (float(x), float(y), float(x + width), float(y + height))


def image_of(store, project, name):
    return next(row.id for row in store.images(project) if row.file_name == name)


def test_without_a_model_a_box_stays_as_a_rectangle_of_the_wanted_category(store, project):
    image, last = image_of(store, project, "1.png"), store.categories(project)[-1].id
    carry_out = executor(store).carry_out
    wanted = DrawBox(1, image, (10.4, 20.6, 64.0, 48.5), last)
    entry = carry_out(wanted, "ann")
    (row,) = store.instances(project)
    assert (entry.kind, entry.image_id) == ("draw rectangle", image)
    assert (row.source, row.status, row.category_id, row.score) == (RECTANGLE, "accepted", last, None)
    assert row.polygons == [[10.0, 21.0, 64.0, 21.0, 64.0, 48.0, 10.0, 48.0]]
    assert row.mask.to_mask()[21:48, 10:64].all() and row.area == 27 * 54
    assert "rectangle" in tell_outcome(wanted, entry)
    assert carry_out(wanted, "ann") == entry, "asked for again, it is done once"
    assert len(store.instances(project)) == 1
    assert carry_out(Undo(2), "ann", project_id=project).kind == "undo"
    assert store.instances(project) == []


def test_a_rectangle_has_a_pixel_and_is_refused_beside_the_image_or_without_a_category(store, project):
    image, category = image_of(store, project, "1.png"), store.categories(project)[0]
    carry_out = executor(store).carry_out
    carry_out(DrawBox(1, image, (10.1, 20.1, 10.3, 20.3), category.name), "ann")
    (row,) = store.instances(project)
    assert (row.box_xywh, row.category_id) == ((10, 20, 1, 1), category.id)
    with pytest.raises(StoreError, match="outside of the image"):
        carry_out(DrawBox(2, image, (-9.0, 2.0, -3.0, 9.0), category.id), "ann")
    with pytest.raises(StoreError, match="no such category"):
        carry_out(DrawBox(3, image, (1.0, 2.0, 9.0, 9.0), "kite"), "ann")
    with pytest.raises(CategoryNeededError, match="choose its category"):
        carry_out(DrawBox(4, image, (1.0, 2.0, 9.0, 9.0)), "ann")


def test_a_box_that_the_network_does_not_want_stays_and_one_that_it_fails_on_too(store, project, predictor):
    class Blind(BoxDrawer):
        """Sees a single pixel of any object."""

        def prompt(self, *given, **named):
            prompted = super().prompt(*given, **named)
            prompted.mask_probs[:] = 0
            return prompted

    class Failing(BoxDrawer):
        def prompt(self, *given, **named):
            raise InferenceError("not finite")

    image = image_of(store, project, "3.png")
    for seq, drawer in enumerate((Blind(store, predictor), Failing(store, predictor)), 1):
        category = store.categories(project)[0].id
        entry = executor(store, drawer).carry_out(
            DrawBox(seq, image, (20.0, 20.0, 60.0, 50.0), category), "ann"
        )
        assert entry.kind == "draw rectangle"
    assert [row.source for row in store.instances(project)] == [RECTANGLE] * 2


def test_what_the_person_says_it_is_comes_before_the_networks_guess(store, project, predictor):
    image, drawer = image_of(store, project, "1.png"), BoxDrawer(store, predictor)
    for seq, category in enumerate(store.categories(project), 1):
        wanted = DrawBox(seq, image, box_of(SCENE.masks[0]), category.id)
        entry = executor(store, drawer).carry_out(wanted, "ann")
        (made,) = store.instances(project, ids=made_by(entry))
        assert made.category_id == category.id
        if entry.kind == "draw box":
            assert tell_outcome(wanted, entry) == ""


def test_a_lasso_becomes_the_object_in_it_once_and_is_taken_back(store, project):
    image, category = image_of(store, project, "1.png"), store.categories(project)[0].id
    target = max(SCENE.masks, key=lambda mask: mask.area)
    outline = max(mask_to_polygons(target).parts, key=len)
    middle = outline.mean(0)
    ring = middle + 1.25 * (outline - middle)
    wanted = CutOut(1, image, category, tuple(ring.clip(0, (WIDTH, HEIGHT)).ravel().tolist()))
    entry = executor(store).carry_out(wanted, "ann")
    assert executor(store).carry_out(wanted, "ann") == entry
    (row,) = store.instances(project)
    assert (entry.kind, row.source, row.status, row.category_id) == (
        "scissors",
        "person",
        "accepted",
        category,
    )
    assert mask_iou(row.mask, target) > 0.8
    assert tell_outcome(wanted, entry) == ""
    executor(store).carry_out(Undo(2), "ann", project_id=project)
    assert store.instances(project) == []


def test_a_lasso_without_an_outside_stays_as_drawn_and_one_of_nothing_is_refused(store, project):
    image, category = image_of(store, project, "3.png"), store.categories(project)[0].id
    whole = CutOut(1, image, category, (0.0, 0.0, WIDTH, 0.0, WIDTH, HEIGHT, 0.0, HEIGHT))
    entry = executor(store).carry_out(whole, "ann")
    (row,) = store.instances(project)
    assert (entry.kind, row.area, row.polygons) == ("draw outline", WIDTH * HEIGHT, [list(whole.ring)])
    assert "kept as it was drawn" in tell_outcome(whole, entry)
    with pytest.raises(StoreError, match="no pixel"):
        executor(store).carry_out(CutOut(2, image, category, (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)), "ann")


def test_instances_are_found_again_on_the_next_image_and_only_those(store, project, predictor):
    drawer = BoxDrawer(store, predictor)
    first, second, empty = (image_of(store, project, f"{n}.png") for n in (1, 2, 3))
    named = {row.name: row.id for row in store.categories(project)}
    names = {category.id: category.name for category in SCENE_CATEGORIES}
    masks = [
        MadeMask(named[names[id_]], mask.counts)
        for mask, id_ in zip(SCENE.masks, SCENE.category_ids, strict=True)
    ]
    carry_out = executor(store, drawer).carry_out
    made = made_by(carry_out(Edit(1, first, "paste", (), tuple(masks)), "ann"))
    assert {row.source for row in store.instances(project)} == {"pasted"}
    wanted = Propagate(2, first, second, tuple((1, k) for k in range(len(made))))
    entry = carry_out(wanted, "ann")
    assert carry_out(wanted, "ann") == entry
    rows = store.instances(project, image_id=second)
    assert (entry.kind, entry.image_id, made_by(entry)) == ("propagate", second, tuple(r.id for r in rows))
    assert len(rows) >= 0.6 * len(masks)
    assert {(row.source, row.status) for row in rows} == {(PROPAGATED, "proposed")}
    assert not any(is_untouched(row) for row in rows), "no job takes them away"
    moved = [np.roll(mask.to_mask(), -6, axis=1) for mask in SCENE.masks]
    overlap = [max(np.mean(row.mask.to_mask()[one]) for one in moved) for row in rows]
    assert np.mean(overlap) > 0.7
    assert tell_outcome(wanted, entry).startswith(f"{len(rows)} instances of {len(masks)} propagated")
    with pytest.raises(StoreError, match="none of the"):
        carry_out(Propagate(3, first, empty, wanted.instances), "ann")
    with pytest.raises(StoreError, match="none of the"):
        carry_out(Propagate(4, first, second, (made[0],)), "ann")  # it is there already
    carry_out(Undo(5), "ann", project_id=project)
    assert store.instances(project, image_id=second) == []


def test_only_images_of_one_project_propagate(store, project, predictor):
    other = make_project(store, name="Other")
    image = image_of(store, project, "1.png")
    drawer = BoxDrawer(store, predictor)
    with pytest.raises(StoreError, match="two of one project"):
        executor(store, drawer).carry_out(Propagate(1, image, store.images(other)[0].id, (1,)), "ann")
    with pytest.raises(StoreError, match="no such instance"):
        executor(store, drawer).carry_out(
            Propagate(2, image, image_of(store, project, "2.png"), (10**6,)), "ann"
        )


def test_mending_a_rectangle_keeps_where_it_came_from(store):
    project = make_project(store)
    image = store.images(project)[0].id
    category = store.categories(project)[0].id
    drawn = Edit(1, image, "draw rectangle", (), (MadeMask(category, disc(*SIZE, 20, 30, 9).counts),))
    (id_,) = made_by(executor(store).carry_out(drawn, "ann"))
    mended = MendedMask(id_, 1, disc(*SIZE, 20, 30, 7).counts)
    executor(store).carry_out(Edit(2, image, "outline", (mended,)), "ann")
    (row,) = store.instances(project, ids=[id_])
    assert (row.source, row.version) == (RECTANGLE, 2)
