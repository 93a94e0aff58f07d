"""The integrations against the SDKs that they are for, without a server; ``test_integrations.py`` runs this.

The SDKs are no part of MaskDesk: without them these tests fail, and do not pass over it.
"""

import logging
from collections.abc import Mapping

import numpy as np
import pytest
from cvat_cli._internal.common import FunctionLoader
from cvat_sdk import auto_annotation as cvataa
from cvat_sdk import models
from cvat_sdk.auto_annotation.driver import _AnnotationMapper, _DetectionFunctionContextImpl
from cvat_sdk.masks import decode_mask, encode_mask
from hypothesis import given
from hypothesis import strategies as st
from label_studio_ml.model import LabelStudioMLBase
from label_studio_sdk.converter.brush import decode_rle
from PIL import Image

from maskrcnn_core.geometry.polygons import polygons_to_rle
from maskrcnn_core.geometry.rle import Rle, mask_iou
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.integrations.cvat import mask_points
from maskrcnn_core.integrations.finder import Finder
from maskrcnn_core.integrations.label_studio import backend
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.builders.core import make_mask

PIXELS = draw_scene(3).pixels
SIZE = PIXELS.shape[:2]


@pytest.fixture(scope="module")
def found():
    return Finder("shapes", device="cpu").find(PIXELS)


# -- CVAT -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def function():
    """As ``cvat-cli task auto-annotate --function-module ... -p model=str:shapes`` loads it."""
    given = {"model": "shapes", "device": "cpu"}
    loader = FunctionLoader(
        function_module="maskrcnn_core.integrations.cvat", function_file=None, function_parameters=given
    )
    return loader.load()


def context(**changes):
    return _DetectionFunctionContextImpl(frame_name="a.png", **changes)


def shapes(function, **changes):
    return function.detect(context(**changes), Image.fromarray(PIXELS))


@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 30))
def test_a_mask_is_encoded_as_the_sdk_does(seed, height, width):
    mask = make_mask(seed, height, width)
    if mask.any():
        assert mask_points(Rle.from_mask(mask)) == encode_mask(mask)


def test_the_labels_of_a_function_are_the_model_s(function):
    assert isinstance(function.spec, cvataa.DetectionFunctionSpec)
    categories = Finder("shapes", device="cpu").categories
    assert [(label.id, label.name) for label in function.spec.labels] == [(c.id, c.name) for c in categories]
    assert {str(label.type) for label in function.spec.labels} == {"mask"}


def test_a_function_draws_the_very_masks_with_scores(function, found):
    made = shapes(function)
    assert found and len(made) == len(found)
    for shape, one in zip(made, found, strict=True):
        assert shape.type.value == "mask" and shape.label_id == one.category_id
        assert shape.score == pytest.approx(one.score)
        decoded = decode_mask(shape.points, image_height=SIZE[0], image_width=SIZE[1])
        assert (decoded == one.mask.to_mask()).all()


def test_a_function_draws_polygons_where_they_are_asked_for(function, found):
    for shape, one in zip(shapes(function, conv_mask_to_poly=True), found, strict=True):
        assert shape.type.value == "polygon" and len(shape.points) >= 6
        assert mask_iou(polygons_to_rle([shape.points], SIZE), one.mask) > 0.9


def test_a_function_heeds_the_least_score(function):
    every = shapes(function, conf_threshold=0.05)
    least = sorted(shape.score for shape in every)[len(every) // 2]
    some = shapes(function, conf_threshold=least)
    assert 0 < len(some) < len(every)
    assert min(shape.score for shape in some) >= least


@pytest.mark.parametrize("to_polygons", [False, True])
def test_the_sdk_s_driver_takes_what_a_function_gives(function, to_polygons):
    labels = [
        models.Label(id=100 + n, name=label.name, type="any", attributes=[], sublabels=[])
        for n, label in enumerate(function.spec.labels)
    ]
    mapper = _AnnotationMapper(
        logging.getLogger("test"),
        function.spec.labels,
        labels,
        allow_unmatched_labels=False,
        conv_mask_to_poly=to_polygons,
    )
    tags, taken = mapper.validate_and_remap(shapes(function, conv_mask_to_poly=to_polygons), 5)
    assert tags == [] and taken
    assert {shape.frame for shape in taken} == {5} and {shape.source for shape in taken} == {"auto"}
    assert min(shape.label_id for shape in taken) >= 100


# -- Label Studio -----------------------------------------------------------------------------------

INTERFACE = """<View>
  <Image name="img" value="$picture"/>
  <BrushLabels name="brush" toName="img">
    <Label value="{label}"/><Label value="Nothing like it"/>
  </BrushLabels>
</View>"""


@pytest.fixture
def task(tmp_path, monkeypatch):
    """A task whose image lies where Label Studio's local storage has it."""
    file = tmp_path / "a.png"
    file.write_bytes(encode_png(PIXELS))
    return {"id": 7, "data": {"picture": f"/data/local-files/?d={str(file).lstrip('/')}"}}


def made_by(task, label):
    made = backend("shapes", device="cpu")
    assert issubclass(made, LabelStudioMLBase)
    (prediction,) = made(label_config=INTERFACE.format(label=label)).predict([task])
    assert isinstance(prediction, Mapping)
    return prediction


def test_a_backend_predicts_the_very_masks_with_scores(task, found):
    names = {c.id: c.name for c in Finder("shapes", device="cpu").categories}
    wanted = found[0].category_id
    prediction = made_by(task, names[wanted].upper())
    meant = [one for one in found if one.category_id == wanted]
    assert len(prediction["result"]) == len(meant)
    for region, one in zip(prediction["result"], meant, strict=True):
        assert (region["from_name"], region["to_name"]) == ("brush", "img")
        assert region["value"]["brushlabels"] == [names[wanted].upper()]
        pixels = decode_rle(region["value"]["rle"]).reshape(*SIZE, 4)[:, :, 3]
        assert (np.asarray(pixels > 0) == one.mask.to_mask()).all()
        assert region["score"] == pytest.approx(one.score)
    assert prediction["model_version"] == "MaskDesk shapes"


def test_a_backend_says_nothing_of_what_the_interface_has_no_label_for(task):
    assert made_by(task, "unheard of")["result"] == []
