"""What the originals answered with random weights: to compare a network stage by stage.

The golden files lie outside the repository (``MASKDESK_SHARED``); their README says how they were made. The
tolerances are the README's.
"""

import hashlib
import importlib
import json
import sys
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

import numpy as np
import torch
from PIL import Image

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.detection.conventions import CONVENTIONS
from maskrcnn_core.detection.pasting import paste_masks
from maskrcnn_core.detection.runs import Run
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.inference.features import Features
from maskrcnn_core.inference.forward import (
    candidates_of,
    make_masks,
    resize_and_normalise,
    run_backbone,
    score_regions,
)
from maskrcnn_core.networks.laws import laws_of
from tests.shared_data import shared_path

CPU = torch.device("cpu")
PYRAMID, PROBABILITY, BOX, SCORE, MASK, PROPOSAL = 5e-5, 1e-4, 1e-2, 2e-4, 2e-4, 1e-2
WRONG_PIXELS = 5e-4
"""Of a mask's area, where float32 rounds elsewhere on another machine."""


@dataclass
class Golden:
    """One case: ``spec`` is its ``tensors.json``, ``arrays`` what the original answered."""

    spec: dict
    case: dict
    arrays: dict
    photo: np.ndarray
    resized: np.ndarray

    @cached_property
    def masks(self):
        height, width = (int(n) for n in self.arrays["rle_size"])
        rles = (Rle.from_counts(bytes(counts), (height, width)) for counts in self.arrays["rle_counts"])
        return np.stack([rle.to_mask() for rle in rles])


def folder_of(name):
    return shared_path("data", "golden", name)


@cache
def rule(module):
    """The module of the golden files that makes weights or files by rule; they import one another by name."""
    folder = str(folder_of(f"{module}.py").parent)
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(folder)


@lru_cache(maxsize=1)
def weights_of(name):
    """The tensors of a golden checkpoint, by the family's own names, as the rule makes them."""
    made = rule("golden_weights")
    spec = made.load_spec(folder_of(name))
    arrays = made.state(spec)
    assert made.check(spec) == []
    return {n: torch.from_numpy(np.array(a)) for n, a in arrays.items()}


def golden(name, case="480"):
    spec = json.loads((folder_of(name) / "tensors.json").read_text())
    found = spec["cases"][case]
    photo = Image.open(folder_of("inputs") / "photo.jpg").convert("RGB")
    resized = Image.open(folder_of(".") / found["resized_png"])
    with np.load(folder_of(name) / found["file"]) as arrays:
        return Golden(spec, found, dict(arrays), np.array(photo), np.array(resized))


def assert_equal_to(golden, network):
    """Compare a network with what the original answered, from the photo's bytes to the pasted masks."""
    with torch.inference_mode():
        batch = resize_and_normalise(network, [golden.photo], CPU)
        prepared = batch.tensors[0].numpy()
        if golden.spec["config"]["input"].startswith("BGR"):
            prepared = prepared[::-1]
        digest = hashlib.sha256(np.ascontiguousarray(prepared, np.float32).tobytes()).hexdigest()
        assert digest == str(golden.arrays["prep_sha256"]), "the network's input, byte by byte"
        maps = run_backbone(network, batch)
        assert_pyramid(golden, maps)
        proposals = network.rpn(batch, maps)[0][0]
        assert_proposals(golden, proposals.numpy())
        assert_heads(golden, network, maps, batch)
        assert_detections(golden, detect(network, maps, batch, proposals, golden), share=1.0)
    paste = CONVENTIONS[laws_of(network)].paste
    size = golden.photo.shape[:2]
    pasted = paste_masks(golden.arrays["masks"], golden.arrays["boxes"].astype(np.float32), size, 0.5, paste)
    wrong = sum(
        int((ours.to_mask() != theirs).sum()) for ours, theirs in zip(pasted, golden.masks, strict=True)
    )
    assert wrong == 0, "the original's own masks, pasted into its own boxes"


def assert_pyramid(golden, maps):
    for level, values in enumerate(maps.values(), start=2):
        found = values[0].numpy()
        assert found.shape == tuple(golden.arrays[f"p{level}_shape"])
        y, x = (max(0, side // 2 - 2) for side in found.shape[1:])
        cuts = {
            "middle": found[:, y : y + 4, x : x + 4],
            "first": found[:, :3, :3],
            "last": found[:, -3:, -3:],
        }
        for part, cut in cuts.items():
            if (name := f"p{level}_{part}") in golden.arrays:
                assert np.abs(cut - golden.arrays[name]).max() < PYRAMID, name


def assert_proposals(golden, found):
    wanted = golden.arrays["proposals"]
    assert len(found) == len(wanted)
    distance = np.abs(wanted[:, None].astype(np.float64) - found[None]).max(-1).min(1)
    assert (distance < PROPOSAL).sum() >= len(wanted) - 2


def assert_heads(golden, network, maps, batch):
    """The box head on the original's proposals, whose background is the last column."""
    regions = torch.from_numpy(golden.arrays["proposals"])[: len(golden.arrays["class_probs"])]
    scores = score_regions(network, maps, [regions], batch.image_sizes)[0].scores.numpy()
    theirs_first = np.concatenate([scores[:, 1:], scores[:, :1]], axis=1)
    assert np.abs(theirs_first - golden.arrays["class_probs"]).max() < PROBABILITY


def detect(network, maps, batch, proposals, golden):
    scored = score_regions(network, maps, [proposals], batch.image_sizes)[0]
    convention = CONVENTIONS[laws_of(network)]
    candidates, _ = candidates_of(scored, batch.image_sizes[0], golden.photo.shape[:2], convention)
    config = golden.spec["config"]
    rows = candidates.select(Thresholds(config["score_threshold"], config["nms"], config["detections"]))
    run = Run(candidates, 28, "cpu")
    run.keep_masks(rows, make_masks(network, Features.of(maps, batch, 0), candidates, rows, CPU))
    return run.detections(rows)


def assert_detections(golden, found, share):
    wanted = golden.arrays
    assert len(found) == len(wanted["boxes"])
    distance = np.abs(wanted["boxes"][:, None].astype(np.float64) - found.boxes[None]).max(-1)
    distance = np.where(wanted["labels"][:, None] == found.labels[None] - 1, distance, np.inf)
    pairs = (distance + np.abs(wanted["scores"][:, None] - found.scores[None])).argmin(1)
    near = distance[np.arange(len(pairs)), pairs] < BOX
    assert near.mean() >= share
    assert np.abs(found.scores[pairs[near]] - wanted["scores"][near]).max() < SCORE
    assert np.abs(found.mask_probs[pairs[near]] - wanted["masks"][near]).max() < MASK
    masks = found.masks()
    wrong = [int((masks[k].to_mask() != golden.masks[i]).sum()) for i, k in enumerate(pairs) if near[i]]
    assert sum(wrong) <= WRONG_PIXELS * golden.masks.sum()
