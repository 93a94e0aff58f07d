"""Matterport's networks against what the originals made of the same weights and photo, stage by stage.

The weights are random, made again from names and shapes; the numbers to compare with come from the original
project's code. The limits are those of the goldens' README.
"""

import hashlib
import importlib.util

import numpy as np
import pytest
import torch

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.detection.conventions import CONVENTIONS
from maskrcnn_core.detection.pasting import paste_masks
from maskrcnn_core.detection.runs import Run
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import read_image
from maskrcnn_core.inference.features import Features
from maskrcnn_core.inference.forward import (
    candidates_of,
    make_masks,
    resize_and_normalise,
    run_backbone,
    score_regions,
)
from maskrcnn_core.models.foreign.matterport import read_matterport
from maskrcnn_core.models.foreign.matterport_config import MATTERPORT_PRESETS, read_printed_config
from maskrcnn_core.networks.families import family_of
from tests.shared_data import shared_path

CPU = torch.device("cpu")


def golden_weights():
    file = shared_path("data", "golden", "golden_weights.py")
    spec = importlib.util.spec_from_file_location("golden_weights", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def printed(config):
    """As ``Config.display`` has it."""
    return "\nConfigurations:\n" + "\n".join(f"{name:30} {value}" for name, value in config.items())


class Case:
    """One golden: the network by our loader, its answers on the photo, and the original's."""

    def __init__(self, name):
        folder = shared_path("data", "golden", name)
        weights = golden_weights()
        self.spec = weights.load_spec(folder)
        tensors = {}
        for path, values in weights.state(self.spec).items():
            layer, kind = path.split("/")[-2:]
            tensors[f"{layer}.{kind.split(':')[0]}"] = torch.from_numpy(values)
        self.facts = read_matterport(tensors, name, read_printed_config(printed(self.spec["config"])))
        del tensors
        network = family_of(self.facts.architecture).build(self.facts.architecture, self.facts.num_classes)
        network.load_state_dict(dict(self.facts.tensors), strict=True, assign=True)
        self.network = network.eval().requires_grad_(False)
        (case,) = self.spec["cases"].values()
        self.top, self.left = case["window_yxyx"][:2]
        self.side = case["network_hw"][0]
        with np.load(folder / case["file"]) as golden:
            self.golden = dict(golden)
        self.photo = read_image(shared_path("data", "golden", "inputs", "photo.jpg")).pixels
        self.resized = read_image(shared_path("data", "golden", *case["resized_png"].split("/"))).pixels
        self.thresholds = Thresholds(
            self.facts.score_threshold, self.facts.nms_threshold, self.facts.max_detections
        )
        # A JPEG is decoded to other pixels by other libraries; all after it can then not be equal.
        digest = hashlib.sha256(self.photo.tobytes()).hexdigest()
        if digest != self.spec["photo"]["pixels_sha256"]:
            pytest.skip("this machine decodes the photo to other pixels")
        with torch.inference_mode():
            self.batch = resize_and_normalise(network, [self.photo], CPU)
            self.maps = run_backbone(network, self.batch)
            self.proposals = network.rpn(self.batch, self.maps)[0][0]

    @property
    def input_size(self):
        return self.batch.image_sizes[0]

    def shares(self, boxes):
        """Our boxes as the original counts: y1 x1 y2 x2 of the padded input, 0 to 1."""
        places = boxes.astype(np.float64) - [0, 0, 1, 1] + [self.left, self.top, self.left, self.top]
        return (places / (self.side - 1))[:, [1, 0, 3, 2]]

    def given_proposals(self):
        shares = self.golden["proposals_normalised_yxyx"].astype(np.float64)
        places = shares[:, [1, 0, 3, 2]] * (self.side - 1) - [self.left, self.top, self.left, self.top]
        return torch.from_numpy((places + np.array([0, 0, 1, 1])).astype(np.float32))

    def detections(self, proposals):
        with torch.inference_mode():
            scored = score_regions(self.network, self.maps, [proposals], [self.input_size])[0]
            candidates, _ = candidates_of(
                scored, self.input_size, self.photo.shape[:2], CONVENTIONS["matterport"]
            )
            rows = candidates.select(self.thresholds)
            run = Run(candidates, 28, "cpu")
            features = Features.of(self.maps, self.batch, 0)
            run.keep_masks(rows, make_masks(self.network, features, candidates, rows, CPU))
        return run.detections(rows)


@pytest.fixture(scope="module", params=["matterport_r50_balloon", "matterport_r101_coco"])
def case(request):
    return Case(request.param)


def test_the_input_is_the_originals_in_every_byte(case):
    height, width = case.input_size
    here = slice(case.top, case.top + height), slice(case.left, case.left + width)
    ours = case.network.transform._resized(case.photo)
    np.testing.assert_array_equal(ours, case.resized[here])
    prepared = np.ascontiguousarray(case.batch.tensors[0].numpy())
    assert hashlib.sha256(prepared.tobytes()).hexdigest() == str(case.golden["prep_sha256"])


def test_the_pyramid_is_the_originals(case):
    for level, values in enumerate(case.maps.values(), start=2):
        ours = values[0].numpy()
        assert tuple(case.golden[f"p{level}_shape"]) == ours.shape
        y, x = max(0, ours.shape[1] // 2 - 2), max(0, ours.shape[2] // 2 - 2)
        parts = {
            "middle": ours[:, y : y + 4, x : x + 4],
            "first": ours[:, :3, :3],
            "last": ours[:, -3:, -3:],
        }
        for name, part in parts.items():
            if f"p{level}_{name}" in case.golden:
                np.testing.assert_allclose(part, case.golden[f"p{level}_{name}"], atol=5e-5, rtol=0)
        wide = ours.astype(np.float64)
        stats = [wide.mean(), wide.std(), np.abs(wide).max()]
        np.testing.assert_allclose(stats, case.golden[f"p{level}_stats"], atol=5e-5, rtol=0)


def test_the_proposals_are_the_originals(case):
    # As sets: the padding is one colour, and so many scores are exactly equal.
    theirs = case.golden["proposals_normalised_yxyx"]
    ours = case.shares(case.proposals.numpy())
    assert len(ours) == len(theirs) == 1000
    nearest = np.abs(theirs[:, None] - ours[None]).max(-1).min(1)
    assert (nearest < 0.01 / case.side).sum() >= 998, "2 may be missing on another CPU"


def test_the_class_probabilities_are_the_originals(case):
    given = case.given_proposals()[:200]
    with torch.inference_mode():
        scored = score_regions(case.network, case.maps, [given], [case.input_size])[0]
    np.testing.assert_allclose(scored.scores.numpy(), case.golden["class_probs"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("proposals", ["the original's", "our own"])
def test_the_detections_are_the_originals(case, proposals):
    golden = case.golden
    found = case.detections(case.given_proposals() if proposals == "the original's" else case.proposals)
    assert len(found) == len(golden["boxes"])
    distance = np.abs(golden["boxes"][:, None] - found.boxes[None].astype(np.int64)).max(-1).astype(float)
    distance += np.where(golden["labels"][:, None] == found.labels[None], 0, 1e6)
    ours = (distance + np.abs(golden["scores"][:, None] - found.scores[None])).argmin(1)
    assert sorted(ours) == list(range(len(found)))
    np.testing.assert_array_equal(found.boxes[ours], golden["boxes"])
    np.testing.assert_array_equal(found.labels[ours], golden["labels"])
    np.testing.assert_allclose(found.scores[ours], golden["scores"], atol=2e-4, rtol=0)
    np.testing.assert_allclose(found.mask_probs[ours], golden["masks"], atol=2e-4, rtol=0)
    wrong = area = 0
    for mask, theirs in zip(found[ours].masks(), their_masks(golden), strict=True):
        wrong += int((mask.to_mask() != theirs).sum())
        area += int(theirs.sum())
    assert wrong <= 5e-4 * area


def test_pasting_the_originals_masks_gives_its_own_in_every_pixel(case):
    golden = case.golden
    boxes = golden["boxes"].astype(np.float32)
    pasted = paste_masks(golden["masks"], boxes, case.photo.shape[:2], 0.5, "matterport")
    for mask, theirs in zip(pasted, their_masks(golden), strict=True):
        np.testing.assert_array_equal(mask.to_mask(), theirs)


def test_the_preset_has_the_names_that_the_original_had(case):
    preset = MATTERPORT_PRESETS["coco" if case.facts.num_classes == 81 else "balloon"]
    assert ("BG", *preset.names) == tuple(case.spec["class_names"])


def their_masks(golden):
    size = tuple(int(side) for side in golden["rle_size"])
    for counts in golden["rle_counts"]:
        yield Rle.from_counts(bytes(counts), size).to_mask()
