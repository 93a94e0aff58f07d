"""What a COCO file says of one image, found by its name."""

from dataclasses import replace

import numpy as np
import pytest

from maskrcnn_core.dataset.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import InputError
from maskrcnn_core.evaluation.image_truth import ImageTruth, read_image_truth, truths_in_file
from maskrcnn_core.formats.coco import coco_document
from maskrcnn_core.formats.json_writing import dump_json
from tests.builders.core import disc

SIZE = (60, 80)
CATEGORIES = (Category(3, "cat"), Category(18, "dog"))


def document(**names):
    """Two images; on the first a cat, a dog and a crowd of cats."""
    images = (ImageRecord(5, "a.jpg", 80, 60), ImageRecord(6, "sub/b.jpg", 80, 60))
    instances = (
        Instance(5, 3, disc(*SIZE, 20, 20, 8)),
        Instance(5, 18, disc(*SIZE, 40, 50, 9)),
        Instance(5, 3, disc(*SIZE, 30, 70, 5), is_crowd=True),
        Instance(6, 18, disc(*SIZE, 30, 30, 5)),
    )
    return coco_document(Dataset(images, CATEGORIES, instances))


def test_objects_have_names_masks_and_boxes():
    (truth,) = truths_in_file(dump_json(document()), "t.json", [("a.jpg", SIZE)]).values()
    assert truth.names == ("cat", "dog", "cat") and truth.crowds == (False, False, True)
    assert truth.known == ("cat", "dog") and truth.source == "in t.json" and truth.notes == ()
    assert truth.masks[0] == disc(*SIZE, 20, 20, 8)
    x, y, width, height = truth.masks[1].box_xywh
    assert truth.boxes[1].tolist() == [x, y, x + width, y + height]
    assert truth.without_crowds().names == ("cat", "dog")


def test_images_are_found_by_their_names_wherever_the_file_has_them():
    images = [("x.jpg", SIZE), ("b.jpg", SIZE), ("a.jpg", SIZE)]
    truths = truths_in_file(dump_json(document()), "t.json", images)
    assert list(truths) == [1, 2] and truths[1].names == ("dog",)


def test_an_image_without_objects_is_known_to_have_none():
    plain = document()
    plain["annotations"] = []
    (truth,) = truths_in_file(dump_json(plain), "t.json", [("a.jpg", SIZE)]).values()
    assert truth.names == () and truth.boxes.shape == (0, 4) and truth.known == ("cat", "dog")


def test_what_nobody_has_decided_on_is_ignored_and_what_was_rejected_is_gone():
    changed = document()
    changed["annotations"][0]["maskdesk"] = {"status": "proposed"}
    changed["annotations"][1]["maskdesk"] = {"status": "rejected"}
    (truth,) = truths_in_file(dump_json(changed), "t.json", [("a.jpg", SIZE)]).values()
    assert truth.names == ("cat", "cat") and truth.crowds == (True, True)


def test_what_cannot_be_used_is_noted():
    changed = document()
    changed["annotations"][0]["segmentation"] = [[1, 2]]
    del changed["annotations"][1]["segmentation"]
    (truth,) = truths_in_file(dump_json(changed), "t.json", [("a.jpg", SIZE)]).values()
    assert truth.names == ("cat",)
    assert any("polygon" in note or "segmentation" in note for note in truth.notes)
    assert any("1 holds only boxes" in note for note in truth.notes)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([("z.jpg", SIZE)], "none of its 2 images is called z.jpg; rename the image as in the file"),
        ([("a.jpg", (60, 81))], "a.jpg: the file says 80 x 60 pixels, the image has 81 x 60"),
        ([(f"{n}.png", SIZE) for n in range(9)], "is called 0.png, 1.png, 2.png ..."),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_what_helps(images, words):
    with pytest.raises(InputError) as told:
        truths_in_file(dump_json(document()), "t.json", images)
    assert words in str(told.value)


def test_a_file_without_images_is_refused():
    empty = {"images": [], "annotations": [], "categories": []}
    with pytest.raises(InputError, match="it lists no image"):
        truths_in_file(dump_json(empty), "t.json", [("a.jpg", SIZE)])


def test_a_file_on_disk_is_read_or_named(tmp_path):
    file = tmp_path / "t.json"
    with pytest.raises(InputError, match=r"t\.json: cannot read this file"):
        read_image_truth(file, ("a.jpg", SIZE))
    file.write_bytes(b"[]")
    with pytest.raises(InputError, match=r"t\.json: COCO file: expected an object"):
        read_image_truth(file, ("a.jpg", SIZE))
    file.write_bytes(dump_json(document()))
    assert read_image_truth(file, ("a.jpg", SIZE)).names == ("cat", "dog", "cat")
    with pytest.raises(InputError, match=r"t\.json: none of its 2 images"):
        read_image_truth(file, ("z.jpg", SIZE))


def test_nothing_has_boxes_of_its_own_kind():
    nothing = ImageTruth((), (), (), (), "")
    assert nothing.boxes.shape == (0, 4) and nothing.boxes.dtype == np.float64
    assert replace(nothing, source="x").without_crowds().source == "x"
