"""A Faster R-CNN is refused by name, or opened for its boxes: then every mask is one, and says so."""

import json

import numpy as np
import pytest
import torch

from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.foreign.converting import convert_checkpoint
from maskrcnn_core.models.foreign.sidecar import Sidecar
from maskrcnn_core.models.loading import load_custom_model, load_trained_model
from maskrcnn_core.networks.boxes_only import BOXES_ONLY, draws_boxes_only
from maskrcnn_core.networks.configs import ResNetFpnConfig
from maskrcnn_core.training.starting import begin_from
from tests.builders.cli import run_here
from tests.builders.core import make_image
from tests.builders.foreign import (
    DETECTRON2,
    MMDETECTION,
    detectron2_state,
    make_narrow,
    mmdetection_state,
)

NAMES = ["cat", "dog", "bird"]
BOXES = Sidecar(boxes_only=True)


def without_masks(state):
    return {name: tensor for name, tensor in state.items() if "mask" not in name}


def saved(tmp_path, family):
    """A Faster R-CNN's file, with all that it needs beside it."""
    if family == "detectron2":
        (tmp_path / "config.yaml").write_text(
            "MODEL:\n  MASK_ON: false\nINPUT:\n  MIN_SIZE_TEST: 64\n  MAX_SIZE_TEST: 96\n"
        )
        content = {"model": without_masks(detectron2_state(make_narrow(DETECTRON2)))}
    elif family == "mmdetection":
        config = (
            "model = dict(backbone=dict(style='pytorch'))\n"
            "test_pipeline = [dict(type='Resize', scale=(96, 64))]"
        )
        state = without_masks(mmdetection_state(make_narrow(MMDETECTION)))
        content = {"meta": {"cfg": config}, "state_dict": state}
    else:
        config = ResNetFpnConfig(blocks=(1, 1, 1, 1), is_basic=True, heads="v2" if "v2" in family else "v1")
        content = {"model": without_masks(make_narrow(config).state_dict())}
    torch.save(content, tmp_path / "faster.pth")
    return tmp_path / "faster.pth"


@pytest.mark.parametrize("family", ["detectron2", "mmdetection", "torchvision", "torchvision v2"])
def test_it_is_refused_unless_somebody_wants_its_boxes(family, tmp_path):
    file = saved(tmp_path, family)
    if family == "detectron2":
        (tmp_path / "config.yaml").unlink()
    with pytest.raises(WeightsError, match=r"this is a Faster R-CNN; 'convert-model --boxes-only' opens it"):
        load_custom_model(file, NAMES)
    model = load_custom_model(file, NAMES, sidecar=BOXES)
    assert model.title == f"faster.pth ({BOXES_ONLY})" and draws_boxes_only(model.network)
    assert "each mask is its whole box" in " ".join(model.notes)


@pytest.mark.parametrize("family", ["detectron2", "mmdetection"])
def test_its_masks_are_its_boxes_and_its_card_says_so(family, tmp_path):
    file = saved(tmp_path, family)
    made = convert_checkpoint(file, tmp_path / "boxes.safetensors", NAMES, BOXES, title="Finder")
    assert made.card.title == f"Finder ({BOXES_ONLY})"
    model = load_trained_model(made.file)
    assert model.title == made.card.title and "whole box" in " ".join(model.notes)
    image = np.random.default_rng(3).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    predictor = Predictor(model, "cpu")
    (run,) = predictor.run([image], Thresholds(0.05))
    found = predictor.detections(run, Thresholds(0.05, 0.5, 20), image)
    assert len(found) > 3
    pasted = list(zip(found.boxes, found.masks(), strict=True))
    assert sum(mask.area > 0 for _, mask in pasted) > 3
    for box, mask in pasted:
        if not mask.area:  # no pixel's centre lies in so thin a box
            assert min(box[2:] - box[:2]) < 1.5
            continue
        x, y, width, height = mask.box_xywh
        # Where two edges meet, the paste through pixel centres leaves out a pixel that is half outside.
        assert 0 <= width * height - mask.area <= 4
        assert np.abs(np.array([x, y, x + width, y + height]) - box).max() <= 0.51


def test_who_trains_it_further_teaches_it_masks(tmp_path):
    model = load_custom_model(saved(tmp_path, "detectron2"), NAMES, sidecar=BOXES)
    begun = begin_from(model, [Category(n, name) for n, name in enumerate(NAMES, 1)], 0)
    assert not draws_boxes_only(begun.model.network) and draws_boxes_only(model.network)
    assert "mask head begins from random values" in begun.notes[-1]


def test_a_mask_rcnn_is_not_opened_for_its_boxes(tmp_path):
    torch.save({"model": detectron2_state(make_narrow(DETECTRON2))}, tmp_path / "model_final.pth")
    with pytest.raises(InputError, match="expected a network without a mask head"):
        load_custom_model(tmp_path / "model_final.pth", NAMES, sidecar=BOXES)


def test_the_command_converts_it_and_what_it_finds_is_exported_by_that_title(tmp_path):
    file, out = saved(tmp_path, "mmdetection"), tmp_path / "boxes.safetensors"
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    given = ("convert-model", file, "--out", out, "--names", tmp_path / "names.txt")
    code, _, err = run_here(*given)
    assert code != 0 and "this is a Faster R-CNN; 'convert-model --boxes-only'" in err
    code, text, err = run_here(*given, "--boxes-only")
    assert code == 0 and f"faster ({BOXES_ONLY})" in text and "each mask is its whole box" in err
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(encode_png(make_image(50, 70)))
    code, _, err = run_here(
        *("annotate", tmp_path / "in", "--model", out, "--out", tmp_path / "a.json", "--device", "cpu", "-q")
    )
    assert code == 0, err
    assert BOXES_ONLY in json.loads((tmp_path / "a.json").read_text())["info"]["description"]
