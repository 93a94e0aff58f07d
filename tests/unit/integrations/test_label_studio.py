"""Label Studio's predictions, without its SDK; tests/interop holds them against the SDK."""

import sys

import pytest

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.packed import mask_of_brush
from maskrcnn_core.integrations.label_studio import Place, backend, place_of, prediction
from tests.builders.core import disc

IMAGE = {"type": "Image", "value": "picture"}
CELL, DOG = Category(1, "Cell"), Category(2, "dog")


def control(kind="BrushLabels", labels=("cell",), **changes):
    return {"type": kind, "to_name": ["img"], "inputs": [IMAGE], "labels": list(labels)} | changes


def test_the_first_brush_on_an_image_is_taken():
    text = {"type": "Text", "value": "words"}
    config = {
        "box": control("RectangleLabels"),
        "odd": control(inputs=[text]),
        "brush": control(),
        "second": control(labels=["other"]),
    }
    assert place_of(config) == Place("brush", "img", "picture", {"cell": "cell"})
    with pytest.raises(InputError, match="BrushLabels"):
        place_of({"box": control("RectangleLabels")})


def test_labels_stand_for_names_in_any_case_and_for_what_they_list():
    attributes = {"Animal": {"predicted_values": "dog, Cat"}}
    place = place_of({"brush": control(labels=["Animal", "CELL"], labels_attrs=attributes)})
    assert [place.label_of(one) for one in (CELL, DOG, Category(3, "cat"), Category(4, "car"))] == [
        "CELL",
        "Animal",
        "Animal",
        None,
    ]


def test_a_prediction_has_the_very_masks_and_leaves_out_what_has_no_label():
    ring = disc(20, 30, 10, 12, 8, hole=3)
    found = [Instance(1, 1, ring, 0.9), Instance(1, 2, ring, 0.8), Instance(1, 1, ring, 0.7)]
    place = Place("tag", "image", "image", {"cell": "cell"})
    made = prediction(found, (20, 30), [CELL, DOG], place, "MaskDesk x")
    assert made["score"] == pytest.approx(0.8) and made["model_version"] == "MaskDesk x"
    assert [one["score"] for one in made["result"]] == [0.9, 0.7]
    assert len({one["id"] for one in made["result"]}) == 2
    for one in made["result"]:
        assert (one["original_width"], one["original_height"]) == (30, 20)
        assert (mask_of_brush(one["value"]["rle"], 20, 30) == ring.to_mask()).all()
    empty = prediction([], (20, 30), [CELL], place, "x")
    assert empty["result"] == [] and empty["score"] == 0.0


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "label_studio_ml", None)
    with pytest.raises(InputError, match="label-studio-ml"):
        backend("shapes")
