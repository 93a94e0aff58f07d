"""Pictures whose numbers are objects or classes, handed in beside their images."""

import io

import numpy as np
import pytest
import tifffile

from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.projects.exchange.intake import import_files
from tests.builders.other_formats import folder, labels, photo, png, square_mask

SQUARE = Rle.from_mask(square_mask())


@pytest.fixture
def project(store):
    return store.create_project("Cells", "ann").id


def test_label_images_in_a_folder_of_their_own_find_their_images(store, project):
    given = folder({"a.png": photo()}, "images/") + folder({"a.png": labels()}, "masks/")
    report = import_files(store, project, "ann", given)
    assert report.images == 1 and [row.mask for row in store.instances(project)] == [SQUARE]


def test_label_images_without_their_images_are_told_apart_from_pictures(store, project):
    drawing = np.zeros((60, 90), np.uint8)
    drawing[10:30, 10:30] = 255
    given = [("PennPed1_mask.png", labels(1)), ("photo.png", photo()), ("drawing.png", png(drawing))]
    report = import_files(store, project, "ann", given)
    assert report.images == 3
    (note,) = [note for note in report.notes if "numbers of objects" in note]
    assert note.startswith("1 image seems to hold") and "PennPed1_mask.png (0 to 1)" in note


def test_a_photo_named_like_a_mask_makes_no_objects(store, project):
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    report = import_files(store, project, "ann", folder({"a.png": photo(), "a_mask.png": png(noise)}))
    assert report.instances == 0
    assert "expected a colour for each object, got 5,400 colours, as in a photo" in report.refused[0]


def test_a_mask_with_smooth_edges_is_one_object(store, project):
    mask = np.zeros((60, 90), np.uint8)
    mask[10:30, 10:30] = 255
    mask[9, 10:30] = mask[30, 10:30] = np.arange(3, 123, 6)
    report = import_files(store, project, "ann", folder({"a.png": photo(), "a_mask.png": png(mask)}))
    assert [row.mask.area for row in store.instances(project)] == [400]
    assert any("its edges are smoothed" in note for note in report.notes)


def test_a_label_image_of_another_size_is_named(store, project):
    report = import_files(
        store, project, "ann", folder({"a.png": photo(), "a_mask.png": png(np.ones((5, 6), np.uint8))})
    )
    assert report.images == 1 and report.instances == 0
    assert "expected the size of its image, 90 x 60 pixels, got 6 x 5 pixels" in report.refused[0]


CLASSES = b"Pixel Value, Class\n0, background\n1, cell\n2, dog\n"


def semantic():
    """Two parts of a cell, and a dog that touches one of them."""
    values = np.zeros((60, 90), np.uint8)
    values[12:28, 10:30] = values[40:50, 5:9] = 1
    values[12:28, 30:40] = 2
    return values


def test_classes_of_semantic_masks_come_along_and_their_parts_are_objects(store, project):
    given = folder({"a.jpg": photo(), "a_mask.png": png(semantic()), "_classes.csv": CLASSES})
    report = import_files(store, project, "ann", given)
    names = {row.id: row.name for row in store.categories(project)}
    found = sorted((names[row.category_id], row.mask.area) for row in store.instances(project))
    assert found == [("cell", 40), ("cell", 320), ("dog", 160)]
    assert any("each connected part of a class is taken as one" in note for note in report.notes)


def test_a_number_that_the_table_of_classes_lacks_is_named(store, project):
    values = semantic()
    values[50:55, 50:55] = 9
    given = folder({"a.jpg": photo(), "a_mask.png": png(values), "_classes.csv": CLASSES})
    report = import_files(store, project, "ann", given)
    assert report.instances == 3 and "there is no class 9" in report.refused[0]


def test_a_stack_as_a_label_image_is_told(store, project):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.stack([square_mask().astype(np.uint16)] * 3), photometric="minisblack")
    report = import_files(store, project, "ann", folder({"a.png": photo(), "a_masks.tif": buffer.getvalue()}))
    assert report.instances == 1
    assert any("first of 3 frames is read" in note for note in report.notes)


def test_label_images_without_an_image_of_their_name_are_named(store, project):
    given = folder(
        {"a.png": photo(), "a_masks.png": labels(), "b_masks.tif": labels(), "c_masks.png": labels()}
    )
    report = import_files(store, project, "ann", given)
    told = [*report.refused, *report.notes]
    assert any("expected an image that it is named after" in text and "2 times" in text for text in told), (
        told
    )


def test_a_damaged_picture_of_categories_is_named_and_the_objects_come_in(store, project):
    given = folder({"a.png": photo(), "a_instances.png": labels(), "a_categories.png": labels()[:60]})
    report = import_files(store, project, "ann", given)
    assert report.instances == 1
    assert any("a_categories.png" in text for text in report.refused)
