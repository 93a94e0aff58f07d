"""The stages of a Mask R-CNN in words: what each does, and its numbers for one run.

``STAGES`` is the table: page, report, notebook and README go by its rows. To add a stage, add a row here and
what each of them draws for its key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from maskrcnn_core.detection.candidates import SCORE_FLOOR
from maskrcnn_core.explain.trace import FeatureMap, Trace

__all__ = ["STAGES", "Fact", "Stage", "stage_by_key"]

Fact = tuple[str, str]


@dataclass(frozen=True)
class Stage:
    """A row of the table.

    Args:
        key: what code calls it.
        title: what people see.
        sentences: what the stage does, in three plain ones.
        source: the papers' sections.
        facts: name and value of each number that belongs to it, for one run.
    """

    key: str
    title: str
    sentences: tuple[str, str, str]
    source: str
    facts: Callable[[Trace], tuple[Fact, ...]]


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def _input_facts(trace: Trace) -> tuple[Fact, ...]:
    seen = trace.input
    return (
        ("image", f"{_size(seen.image_size)} pixels (height × width)"),
        ("input", f"3 × {_size(seen.input_size)} float32, {seen.scale:.2f} times the image"),
        ("with padding", f"{_size(seen.padded_size)}"),
        ("subtracted mean", ", ".join(f"{v:.3f}" for v in seen.mean)),
        ("divided by", ", ".join(f"{v:.3f}" for v in seen.std)),
        ("values", f"{seen.values.min():.2f} to {seen.values.max():.2f}"),
    )


def _map_facts(maps: tuple[FeatureMap, ...]) -> tuple[Fact, ...]:
    return tuple(
        (m.name, f"{m.channels} × {_size(m.size)}, stride {m.stride:.0f}, {len(m.silent)} silent channels")
        for m in maps
    )


def _anchor_facts(trace: Trace) -> tuple[Fact, ...]:
    rows = tuple(
        (
            level.name,
            f"{_size(level.size)} cells × {level.per_cell} = {level.count:,} anchors, one cell every "
            f"{level.stride[1]} pixels",
        )
        for level in trace.anchors
    )
    return (*rows, ("together", f"{sum(level.count for level in trace.anchors):,} anchors"))


def _proposal_facts(trace: Trace) -> tuple[Fact, ...]:
    proposals = trace.proposals
    per = "of all levels" if proposals.is_overall else "per level"
    return (
        ("anchors", f"{sum(level.count for level in trace.anchors):,}"),
        ("best by objectness", f"{len(proposals):,} (at most {proposals.per_level:,} {per})"),
        ("too small", f"{proposals.fates.count('too small'):,}"),
        (f"objectness below {proposals.least_score:g}", f"{proposals.fates.count('low score'):,}"),
        (f"suppressed at IoU {proposals.nms_threshold:g}", f"{proposals.fates.count('suppressed'):,}"),
        (f"beyond the limit of {proposals.limit:,}", f"{proposals.fates.count('beyond limit'):,}"),
        ("regions of interest", f"{len(proposals.kept):,}"),
    )


def _iou_facts(trace: Trace) -> tuple[Fact, ...]:
    return (
        ("regions of interest", f"{len(trace.regions.boxes):,}"),
        ("boxes of one object", "IoU 0.5 or more"),
    )


def _roi_facts(trace: Trace) -> tuple[Fact, ...]:
    counts = np.bincount(trace.regions.levels, minlength=len(trace.pyramid))
    return tuple(
        (f"from {level.name}", f"{count:,} regions")
        for level, count in zip(trace.pyramid, counts, strict=True)
    )


def _class_facts(trace: Trace) -> tuple[Fact, ...]:
    scores = trace.regions.scores
    background = int((scores.argmax(1) == 0).sum()) if len(scores) else 0
    return (
        ("class probabilities", f"{scores.shape[0]:,} × {scores.shape[1]}, including background"),
        ("taken for background", f"{background:,} regions"),
        (f"above the floor of {SCORE_FLOOR}", f"{len(trace.run.candidates):,} pairs of region and category"),
    )


def _suppression_facts(trace: Trace) -> tuple[Fact, ...]:
    return (("candidates", f"{len(trace.run.candidates):,}"),)


def _mask_facts(trace: Trace) -> tuple[Fact, ...]:
    side = trace.run.mask_size
    return (("mask of a detection", f"{side} × {side} probabilities, laid over its box"),)


def _kind_facts(trace: Trace) -> tuple[Fact, ...]:
    height, width = trace.input.image_size
    return (("array of N masks", f"{height} × {width} × N, one plane for each instance"),)


def _no_facts(_stages: Trace) -> tuple[Fact, ...]:
    return ()


STAGES: tuple[Stage, ...] = (
    Stage(
        "input",
        "What the network sees",
        (
            "The image is scaled to the size the network was trained for, so that objects have a familiar "
            "size.",
            "Each colour is shifted and scaled as in training: usually its mean over many photos is "
            "subtracted, and the result divided by their standard deviation.",
            "If the halvings that follow would leave a remainder, zeros fill the right and bottom edges.",
        ),
        "He et al. 2017, section 3.1",
        _input_facts,
    ),
    Stage(
        "backbone",
        "Backbone: what is where",
        (
            "Layers of small filters look for increasingly large patterns: edges first, then corners and "
            "textures, then parts of objects.",
            "Each level is half as wide and high as the previous one and has more channels: it knows better "
            "what is there, and less exactly where.",
            "A channel is bright where its own pattern is; a channel that is silent here may respond to "
            "another image.",
        ),
        "He et al. 2017, section 3, “Network architecture”",
        lambda trace: _map_facts(trace.backbone),
    ),
    Stage(
        "pyramid",
        "Feature pyramid: every size",
        (
            "Coarse levels know what is there, fine ones where: the pyramid adds each coarse level, "
            "enlarged, to the finer one below it.",
            "So all levels speak one language, with the same number of channels, and fine levels find small "
            "objects as coarse ones find large objects.",
            "A network with a single feature map has no pyramid: all sizes share that one map.",
        ),
        "Lin et al. 2017, section 3",
        lambda trace: _map_facts(trace.pyramid),
    ),
    Stage(
        "anchors",
        "Anchors: boxes to start from",
        (
            "Every cell of every level has a few boxes of fixed sizes and shapes, whatever the image shows.",
            "The network never invents a box: for each anchor it estimates whether an object is there, and "
            "how to move the anchor onto it.",
            "An object that no anchor overlaps well is hard to find: very thin or very small ones are.",
        ),
        "Ren et al. 2015, section 3.1.1",
        _anchor_facts,
    ),
    Stage(
        "proposals",
        "Proposals: an object, whatever it is",
        (
            "The region proposal network gives each anchor an objectness, between 0 and 1, and moves it.",
            "The best of each level are taken; where two overlap strongly, only the better one stays.",
            "Those that stay are the regions of interest: the rest of the network looks at nothing else.",
        ),
        "Ren et al. 2015, section 3.1",
        _proposal_facts,
    ),
    Stage(
        "iou",
        "IoU: how much two boxes overlap",
        (
            "Intersection over union is the area that two boxes share, divided by the area that they cover "
            "together: 1 for the same box, 0 for boxes apart.",
            "It decides nearly everything: which regions count as an object in training, which box "
            "suppresses which, and whether a detection counts as right.",
            "One half is a common threshold; two boxes of the same size, shifted by a third, just reach it.",
        ),
        "He et al. 2017, section 3.1",
        _iou_facts,
    ),
    Stage(
        "roi-align",
        "RoIAlign: one size for all",
        (
            "The heads need every region at one size, so a grid is laid over it and each bin is averaged.",
            "The region is cropped from the level that suits its size, and read between the cells by "
            "bilinear interpolation: nothing is rounded.",
            "Its predecessor, RoIPool, rounded to whole cells; that hardly affects a class, but it shifts a "
            "mask.",
        ),
        "He et al. 2017, section 3, “RoIAlign”; Lin et al. 2017, equation 1",
        _roi_facts,
    ),
    Stage(
        "box-head",
        "Box head: which category, and a better box",
        (
            "From the crop of a region, the box head estimates how likely each category and background are; "
            "the values sum to 1.",
            "It also moves the region's box once more: separately for each category, or once for all.",
            "So one region can become several candidates, one for each category it may be.",
        ),
        "Ren et al. 2015, section 3.2; He et al. 2017, section 3",
        _class_facts,
    ),
    Stage(
        "suppression",
        "What is dropped: scores and overlaps",
        (
            "Candidates at or below the score threshold go first.",
            "Then, category by category and from the best score down, each box drops those that overlap it "
            "by more than the NMS threshold: non-maximum suppression.",
            "Of the rest, the best-scoring stay, up to the limit of detections per image.",
        ),
        "Ren et al. 2015, section 3.3",
        _suppression_facts,
    ),
    Stage(
        "mask",
        "Mask head: small, soft, then sharp",
        (
            "For each detection the mask head gives a small square of probabilities, the same size for a "
            "mouse and for a house.",
            "It is stretched over the detection's box by bilinear interpolation, and what is above the mask "
            "threshold belongs to the object.",
            "Each category has a mask of its own, or all share one: either way categories do not compete for "
            "pixels, and the class is decided elsewhere.",
        ),
        "He et al. 2017, section 3, “Mask representation”",
        _mask_facts,
    ),
    Stage(
        "kinds",
        "Boxes, masks, instances, segments",
        (
            "Without the mask head this is Faster R-CNN: it says where objects are, not which pixels are "
            "theirs.",
            "Semantic segmentation colours pixels by category, so adjacent objects of one category merge; "
            "instance segmentation keeps them apart.",
            "A mask times the image is a segment: the object cut out, everything else zero.",
        ),
        "He et al. 2017, sections 1 and 3",
        _kind_facts,
    ),
    Stage(
        "truth",
        "Against the truth: right, missed, wrong",
        (
            "Where the objects are known, a detection is right if it overlaps an object of its category by "
            "the IoU that you choose, and no better detection has that object.",
            "An object without one is missed; a wrong detection lies on an object of another category, on "
            "one that is taken, or on nothing.",
            "Precision is the share of detections that is right, recall the share of objects found; down the "
            "list of detections they make a curve, and the area under it is average precision.",
        ),
        "He et al. 2017, section 4; Everingham et al. 2010, section 4.2",
        _no_facts,
    ),
    Stage(
        "missed",
        "Why was this missed? Why twice?",
        (
            "Every miss has its moment: never covered by an anchor, not proposed, taken for background, "
            "scored too low, suppressed, or beyond the limit.",
            "Draw a box around an object to trace it back through all stages to where it was lost.",
            "The same network can still find it: a drawn box is a region like any other, and gets its mask.",
        ),
        "Ren et al. 2015, section 3; He et al. 2017, section 3",
        _no_facts,
    ),
    Stage(
        "weights",
        "Weights: what was learned",
        (
            "Everything the network knows is in its weights: millions of numbers, most of them small.",
            "A healthy layer's numbers spread around zero like a bell; a layer that is all zeros, or has "
            "values far beyond the others, deserves a look.",
            "Parameters and time are spread unevenly: early layers have few numbers but many pixels to "
            "visit.",
        ),
        "He et al. 2017, section 3.1",
        _no_facts,
    ),
)


def stage_by_key(key: str) -> Stage:
    """Return the row of that key.

    Raises:
        KeyError: for a key that is not in :data:`STAGES`.
    """
    for stage in STAGES:
        if stage.key == key:
            return stage
    raise KeyError(f"stage {key!r}: expected one of {', '.join(s.key for s in STAGES)}")
