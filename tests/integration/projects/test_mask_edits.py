"""Masks mended by hand, as the store keeps them, on both databases."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from maskrcnn_core.errors import ConflictError, DatasetError, StoreError
from maskrcnn_core.geometry.polygons import polygons_to_rle
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.projects.exchange.coco_in import import_coco
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.mask_edits import MadeMask, MendedMask, crowd_values, edit_masks, made_by
from tests.builders.projects import SIZE, change, make_project

RING = [[10.0, 5.0, 40.0, 5.0, 40.0, 30.5, 10.0, 30.0]]


@pytest.fixture
def project(store):
    return make_project(store, images=2, instances=3)


@pytest.fixture
def image(store, project):
    return store.images(project)[0]


def rows_of(store, project, image):
    return store.instances(project, image_id=image.id)


def with_pixel(row, x, y):
    mask = row.mask.to_mask()
    mask[y, x] = not mask[y, x]
    return Rle.from_mask(mask)


def test_one_pixel_is_changed_and_no_other(store, project, image):
    before = rows_of(store, project, image)
    first = before[0]
    mended = with_pixel(first, 3, 4)
    edit_masks(store, image.id, "ann", "brush", [MendedMask(first.id, first.version, mended.counts)])
    after = rows_of(store, project, image)
    assert np.argwhere(after[0].mask.to_mask() != first.mask.to_mask()).tolist() == [[4, 3]]
    assert (after[0].status, after[0].score, after[0].area) == ("accepted", first.score, first.area + 1)
    assert after[0].box_xywh == mended.box_xywh
    assert after[0].given_box is None
    assert after[1:] == before[1:]


def annotation(store, project, coco_id):
    rows = json.loads(export_coco(store, project))["annotations"]
    return next(row for row in rows if row["id"] == coco_id)


def test_a_crowd_is_written_as_run_lengths_and_an_undo_brings_its_corners_back(store, project, image):
    ring = polygons_to_rle(RING, SIZE)
    category = store.categories(project)[0].id
    (id_,) = made_by(
        edit_masks(store, image.id, "ann", "draw outline", (), [MadeMask(category, ring.counts, RING)])
    )

    def drawn():
        return store.instances(project, ids=[id_])[0]

    before = drawn()
    assert annotation(store, project, before.coco_id)["segmentation"] == RING
    store.decide(project, "ann", "mark", [change(before, **crowd_values(True))])
    written = annotation(store, project, before.coco_id)
    assert written["iscrowd"] == 1 and written["segmentation"]["size"] == list(SIZE)
    assert written["segmentation"]["counts"] == ring.counts
    assert coco_mask.area(written["segmentation"]) == ring.area
    assert (drawn().status, drawn().score, drawn().counts) == (before.status, before.score, before.counts)
    larger = with_pixel(before, 50, 40)
    edit_masks(store, image.id, "ann", "brush", [MendedMask(id_, drawn().version, larger.counts)])
    edit_masks(
        store, image.id, "ann", "outline", [MendedMask(id_, drawn().version, ring.counts, polygons=RING)]
    )
    assert annotation(store, project, before.coco_id)["iscrowd"] == 1
    assert drawn().polygons is None, "a crowd has no corners"
    for _ in ("outline", "brush", "mark"):
        store.undo(project, "ann")
    assert (drawn().is_crowd, drawn().polygons) == (False, RING)
    store.redo(project, "ann")
    assert (drawn().is_crowd, drawn().polygons) == (True, None)
    store.decide(project, "ann", "unmark", [change(drawn(), **crowd_values(False))])
    written = annotation(store, project, before.coco_id)
    assert written["iscrowd"] == 0
    assert polygons_to_rle(written["segmentation"], SIZE) == ring, "the same pixels"


@pytest.mark.parametrize("status", ["proposed", "rejected", "accepted"])
@pytest.mark.parametrize("is_crowd", [True, False])
def test_what_is_called_a_crowd_or_one_object_is_accepted_and_an_undo_says_its_status_again(
    store, project, image, status, is_crowd
):
    id_ = rows_of(store, project, image)[0].id

    def row():
        return store.instances(project, ids=[id_])[0]

    store.decide(project, "ann", "set up", [change(row(), status=status, is_crowd=not is_crowd)])
    store.decide(project, "ann", "mark", [change(row(), **crowd_values(is_crowd))])
    assert (row().is_crowd, row().status) == (is_crowd, "accepted")
    store.undo(project, "ann")
    assert (row().is_crowd, row().status) == (not is_crowd, status)
    store.redo(project, "ann")
    assert (row().is_crowd, row().status) == (is_crowd, "accepted")


def test_what_is_cut_off_a_crowd_is_a_crowd_and_comes_back_as_one(store, project, image):
    ring = polygons_to_rle(RING, SIZE)
    category = store.categories(project)[0].id
    crowd = MadeMask(category, ring.counts, RING, is_crowd=True)
    (id_,) = made_by(edit_masks(store, image.id, "ann", "cut", (), [crowd]))
    (row,) = store.instances(project, ids=[id_])
    assert (row.is_crowd, row.polygons, row.status) == (True, None, "accepted")
    written = export_coco(store, project)
    again = store.create_project("Again", "ann").id
    import_coco(store, again, "ann", written, {}.get)
    assert json.loads(export_coco(store, again))["annotations"] == json.loads(written)["annotations"]
    assert [r.is_crowd for r in store.instances(again)].count(True) == 1


def test_a_cut_is_one_decision_and_one_undo(store, project, image):
    before = rows_of(store, project, image)
    row, halves = before[0], np.split(np.arange(SIZE[1]), [30])
    masks = []
    for columns in halves:
        half = row.mask.to_mask()
        half[:, np.setdiff1d(np.arange(SIZE[1]), columns)] = False
        masks.append(Rle.from_mask(half))
    entry = edit_masks(
        store,
        image.id,
        "ann",
        "cut",
        [MendedMask(row.id, row.version, masks[0].counts)],
        [MadeMask(row.category_id, masks[1].counts)],
        operation="tab:1",
    )
    after = rows_of(store, project, image)
    (new,) = made_by(entry)
    assert [r.id for r in after] == [*(r.id for r in before), new]
    assert after[-1].source == "person"
    assert sum(r.mask.to_mask().astype(int) for r in (after[0], after[-1])).tolist() == (
        row.mask.to_mask().astype(int).tolist()
    )
    assert made_by(store.entry_of(project, "tab:1")) == (new,), "the journal knows after a restart"
    store.undo(project, "ann", only={"cut"})
    assert [(r.id, r.counts, r.status) for r in rows_of(store, project, image)] == [
        (r.id, r.counts, r.status) for r in before
    ]
    store.redo(project, "ann", only={"cut"})
    assert [r.counts for r in rows_of(store, project, image)] == [r.counts for r in after]


def test_asked_for_twice_it_is_done_once(store, project, image):
    made = [MadeMask(store.categories(project)[0].id, polygons_to_rle(RING, SIZE).counts)]
    for _ in range(2):
        edit_masks(store, image.id, "ann", "draw outline", [], made, operation="tab:1")
    assert len(rows_of(store, project, image)) == 4


def test_polygons_are_kept_where_they_fill_the_masks_pixels(store, project, image):
    mask, category = polygons_to_rle(RING, SIZE), store.categories(project)[0].id
    edit_masks(store, image.id, "ann", "draw outline", [], [MadeMask(category, mask.counts, RING)])
    row = rows_of(store, project, image)[-1]
    assert row.polygons == RING
    edit_masks(
        store,
        image.id,
        "ann",
        "brush",
        [MendedMask(row.id, row.version, with_pixel(row, 0, 0).counts, polygons=RING)],
    )
    assert rows_of(store, project, image)[-1].polygons is None, "they are not the mask's any more"


def test_what_is_removed_comes_back_with_undo(store, project, image):
    row = rows_of(store, project, image)[1]
    edit_masks(store, image.id, "ann", "remove", [MendedMask(row.id, row.version, None)])
    assert row.id not in [r.id for r in rows_of(store, project, image)]
    store.undo(project, "ann", only={"remove"})
    back = next(r for r in rows_of(store, project, image) if r.id == row.id)
    assert (back.counts, back.status) == (row.counts, row.status)


def test_somebody_elses_change_is_not_painted_over(store, project, image):
    row = rows_of(store, project, image)[0]
    mine, theirs = with_pixel(row, 1, 1), with_pixel(row, 2, 2)
    edit_masks(store, image.id, "bob", "brush", [MendedMask(row.id, row.version, theirs.counts)])
    made = [MadeMask(row.category_id, mine.counts)]
    with pytest.raises(ConflictError, match="somebody else changed"):
        edit_masks(store, image.id, "ann", "cut", [MendedMask(row.id, row.version, mine.counts)], made)
    after = rows_of(store, project, image)
    assert after[0].mask == theirs
    assert len(after) == 3, "nothing of the refused edit is left"
    refused = next(entry for entry in store.journal(project) if entry.is_refused)
    assert refused.changes[0]["after"]["counts"] == mine.counts, "and what was expected is in the journal"


def test_what_is_no_mask_of_the_image_is_refused(store, project, image):
    row = rows_of(store, project, image)[0]
    empty = Rle.from_mask(np.zeros(SIZE, bool)).counts
    small = Rle.from_mask(np.ones((3, 3), bool)).counts
    for counts, reason in ((empty, "without a pixel"), (small, "add up to 9"), ("\x7f", "not part of")):
        with pytest.raises(DatasetError, match=reason):
            edit_masks(store, image.id, "ann", "brush", [MendedMask(row.id, row.version, counts)])
    other = rows_of(store, project, store.images(project)[1])[0]
    with pytest.raises(StoreError, match="no such instance in this image"):
        edit_masks(store, image.id, "ann", "brush", [MendedMask(other.id, other.version, row.counts)])
    with pytest.raises(StoreError, match="no such image"):
        edit_masks(store, image.id + 1000, "ann", "brush", [MendedMask(row.id, row.version, row.counts)])
    assert rows_of(store, project, image)[0] == row


def test_brush_a_pixel_export_and_import_again_and_that_pixel_and_no_other_has_changed(store):
    square = [[10, 10, 60.5, 10, 60.5, 50, 10, 50]]
    file = {
        "images": [{"id": 1, "file_name": "a.png", "height": SIZE[0], "width": SIZE[1]}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "segmentation": square,
                "area": 2020.25,
                "bbox": [10, 10, 50.5, 40],
                "iscrowd": 0,
                "note": "kept",
            }
        ],
    }
    project = store.create_project("From a file", "ann").id
    import_coco(store, project, "ann", json.dumps(file).encode(), {}.get)
    (row,) = store.instances(project)
    mended = with_pixel(row, 3, 4)
    edit_masks(store, row.image_id, "ann", "brush", [MendedMask(row.id, row.version, mended.counts)])
    written = export_coco(store, project)
    (annotation,) = json.loads(written)["annotations"]
    assert (annotation["area"], annotation["bbox"]) == (row.area + 1, [3.0, 4.0, 58.0, 46.0])
    assert annotation["note"] == "kept"
    again = store.create_project("Again", "bob").id
    import_coco(store, again, "bob", written, {}.get)
    (back,) = store.instances(again)
    assert np.argwhere(back.mask.to_mask() != row.mask.to_mask()).tolist() == [[4, 3]]


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.tuples(st.integers(0, 79), st.integers(0, 59)), min_size=1, max_size=6))
def test_as_many_undos_as_edits_give_the_masks_back(store, project, image, places):
    before = [(r.id, r.counts, r.status) for r in rows_of(store, project, image)]
    done = 0
    for x, y in places:
        row = rows_of(store, project, image)[0]
        entry = edit_masks(
            store, image.id, "ann", "brush", [MendedMask(row.id, row.version, with_pixel(row, x, y).counts)]
        )
        done += entry is not None
    after = [(r.id, r.counts) for r in rows_of(store, project, image)]
    for _ in range(done):
        store.undo(project, "ann", only={"brush"})
    assert [(r.id, r.counts, r.status) for r in rows_of(store, project, image)] == before
    for _ in range(done):
        store.redo(project, "ann", only={"brush"})
    assert [(r.id, r.counts) for r in rows_of(store, project, image)] == after
    for _ in range(done):
        store.undo(project, "ann", only={"brush"})
