"""What is seen of stacks stays with a project's images, in its files, exports and methods statement."""

import csv
import io
import json
import zipfile

import numpy as np
import pytest

from maskrcnn_core.common.refusals import Groups
from maskrcnn_core.dataset.annotations import AnnotatedImage, ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.formats import format_by_key
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import decode_image, encode_png
from maskrcnn_core.measuring.methods import ModelRun, SeenImages, methods_statement
from maskrcnn_core.microscopy.compositing import render
from maskrcnn_core.microscopy.seeing import bytes_as_seen
from maskrcnn_core.microscopy.stacks import open_stack
from maskrcnn_core.microscopy.views import View, view_of
from maskrcnn_core.projects.exchange.coco_in import import_coco
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.exchange.exporting import other_format, select
from maskrcnn_core.projects.exchange.from_workspace import HandedOver, hand_over
from maskrcnn_core.projects.exchange.images_in import import_images
from maskrcnn_core.projects.exchange.intake import HandedIn, import_files
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.mask_edits import MadeMask, MendedMask, edit_masks
from maskrcnn_core.projects.new_rows import new_category
from maskrcnn_core.projects.people.methods import project_methods
from maskrcnn_core.projects.review.review_queue import QueueFilter
from maskrcnn_core.projects.seeing import pixels_of, seen_in
from tests.builders.core import make_image
from tests.builders.stacks import nuclei, ome

VALUES, LABELS = nuclei()
STACK = ome(VALUES, names=("DAPI", "GFP"), pixel=0.5)
CHOSEN = "page=1;z=max;channels=1:#ffffff;contrast=1:0.1%..99.9%"
SEEN = bytes_as_seen(STACK, "nuclei.tif", CHOSEN)


def instances(count):
    return tuple(Instance(1, 1, Rle.from_mask(n == LABELS), 1 - n / 100) for n in range(1, count + 1))


def handed(store, count=6):
    """A project into which somebody's open image went, as the Annotate page does it."""
    project = store.create_project("nuclei", "ann")
    seen = decode_image(SEEN, "nuclei.tif")
    record = ImageRecord(1, "nuclei.tif", 256, 192, seen.digest, view=seen.view, pixel_um=seen.pixel_um)
    image = AnnotatedImage(record, instances(count), lambda: seen.pixels, lambda: SEEN)
    hand_over(store, project.id, "ann", [HandedOver(image, SEEN)], [Category(1, "nucleus")], "nuclei")
    return project.id


def measured(store, project_id, statuses=("accepted", "proposed")):
    selection = select(store.images(project_id), store.facts(project_id), QueueFilter(), statuses=statuses)
    export = other_format(store, project_id, selection, mends=Groups())
    (member,) = format_by_key("measurements").members(export)
    return list(csv.DictReader(io.StringIO(member.data.decode("utf-8-sig"))))


def test_the_choice_stays_with_the_image_and_is_exported(store):
    project_id = handed(store)
    (row,) = store.images(project_id)
    assert seen_in(row) == (CHOSEN, (0.5, 0.5))
    shown = render(open_stack(STACK, "nuclei.tif"), View.of_text(CHOSEN))
    assert np.array_equal(pixels_of(store, row, "auto"), shown)
    (image,) = json.loads(export_coco(store, project_id))["images"]
    assert (image["view"], image["pixel_um"]) == (CHOSEN, [0.5, 0.5])
    # With it the export can be taken in again, from the stack as well as from what was seen of it.
    again = store.create_project("again", "ann")
    report = import_coco(store, again.id, "ann", export_coco(store, project_id), lambda _name: STACK)
    (copy,) = store.images(again.id)
    assert report.refused == () and copy.digest == row.digest and seen_in(copy) == seen_in(row)


def test_a_choice_that_the_stack_does_not_have_is_refused(store):
    data = export_coco(store, handed(store)).replace(b"z=max", b"z=77")
    report = import_coco(store, store.create_project("b", "ann").id, "ann", data, lambda _name: STACK)
    assert "nuclei.tif: expected z 1 to 5, got 77" in report.refused


def test_a_whole_project_is_measured_in_the_microscopes_values(store):
    rows = measured(store, handed(store))
    assert [float(row["mean GFP"]) for row in rows] == [1000 + 50 * n for n in range(1, 7)]
    assert {row["view"] for row in rows} == {CHOSEN}
    assert float(rows[0]["area_um2"]) == pytest.approx(float(rows[0]["area_px"]) / 4)


def test_the_size_of_a_pixel_is_kept_of_images_without_a_choice(store):
    project = store.create_project("plain", "ann")
    import_images(store, project.id, "ann", [("stack.tif", STACK), ("seen.tif", SEEN)])
    assert [seen_in(row) for row in store.images(project.id)] == [("", (0.5, 0.5)), (CHOSEN, (0.5, 0.5))]


def test_what_other_programs_mean_by_a_view_is_none(store):
    row = {"id": 1, "file_name": "a.png", "width": 9, "height": 9, "view": "top", "pixel_um": "2"}
    data = {"images": [row]}
    project = store.create_project("other", "ann")
    data |= {"annotations": [], "categories": []}
    import_coco(store, project.id, "ann", json.dumps(data).encode(), lambda _name: None)
    (row,) = store.images(project.id)
    assert seen_in(row) == ("", None)
    assert json.loads(export_coco(store, project.id))["images"][0]["view"] == "top"


# -- the methods statement --------------------------------------------------------------------------


def test_a_project_says_how_it_was_made(store):
    project_id = handed(store)
    other = store.categories(project_id)[0]
    store.decide(project_id, "ann", "add", [new_category(None, "debris")])
    debris = next(row for row in store.categories(project_id) if row.id != other.id)
    rows = store.instances(project_id)

    def decide(who, row, **values):
        version = next(one.version for one in store.instances(project_id) if one.id == row.id)
        return store.decide(project_id, who, "x", [Change("instance", row.id, version, values)])

    decide("ann", rows[0], status="accepted")
    decide("bob", rows[1], status="rejected")
    decide("bob", rows[2], category_id=debris.id)
    decide("bob", rows[3], category_id=debris.id)
    decide("bob", rows[3], category_id=other.id)  # and back: that is no change
    mended = MendedMask(rows[4].id, rows[4].version, rows[5].counts, "accepted")
    edit_masks(store, rows[4].image_id, "ann", "edit", [mended])
    edit_masks(store, rows[4].image_id, "ann", "draw", [], [MadeMask(other.id, rows[0].counts)])
    text = project_methods(store, project_id)
    assert (
        "1 image was analysed. Of 1 stack the maximum projection over slices was seen (page=1;z=max" in text
    )
    assert "The size of a pixel is 0.5 µm in 1 image." in text
    assert "Its thresholds are not recorded here." in text
    assert "Of 6 proposals people accepted 2 and rejected 1; 3 were not decided on." in text
    assert "1 got another category and 1 another mask. 1 instance was drawn or brought by people." in text
    assert "2 people decided; 0 images were called finished. In all there are 6 instances." in text


def test_who_only_brought_images_decided_nothing(store):
    text = project_methods(store, handed(store))
    assert "0 people decided; 0 images were called finished." in text


def test_what_a_model_did_is_said_with_its_weights_and_thresholds():
    run = ModelRun("Small", "ab" * 32, Thresholds(0.4, 0.3, 50, 0.6), ("cell",), "512, overlap 0.2")
    text = methods_statement(SeenImages(2), [run], 1)
    assert text.startswith("2 images were analysed.\n\n")
    assert f"“Small” (weights with SHA-256 {'ab' * 32}) in MaskDesk" in text
    assert "a score above 0.4, after non-maximum suppression at an IoU of 0.3, at most 50 an image" in text
    assert "a mask above a probability of 0.6. Only these categories were kept: cell." in text
    assert "Large pictures were seen in tiles (512, overlap 0.2)." in text
    assert "There is 1 instance; nobody corrected them." in text and "scikit-image" in text.splitlines()[-1]


def test_what_is_chosen_holds_for_stacks_in_zips_and_folders_and_others_are_as_they_are(store):
    photo = encode_png(make_image(3))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        zipped.writestr("day 1/nuclei.tif", STACK)
        zipped.writestr("photo.png", photo)
    deep = ome(VALUES[:, :2], names=("DAPI", "GFP"))
    project = store.create_project("cells", "ann")
    files = [("cells.zip", packed.getvalue()), HandedIn("flat.tif", deep, source="folder/")]
    view = view_of("1", "3", "DAPI:grey", "0.1%..99.9%")
    report = import_files(store, project.id, "ann", files, view=view)
    assert report.images == 2 and report.refused == ("flat.tif: expected z 1 to 2, got 3",)
    seen = {row.file_name: seen_in(row)[0] for row in store.images(project.id)}
    assert seen == {"day 1/nuclei.tif": CHOSEN.replace("max", "3"), "photo.png": ""}


def test_a_choice_without_a_stack_is_said(store):
    project = store.create_project("photos", "ann")
    files = [("photo.png", encode_png(make_image(3)))]
    report = import_files(store, project.id, "ann", files, view=View(z="max"))
    assert report.images == 1
    assert any(note.startswith("no stack came along to see as page=1;z=max") for note in report.notes)
