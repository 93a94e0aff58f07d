"""The walk through a Mask R-CNN in words: what each stage does, its numbers for one run, and a glossary.

``WALK`` is the table: page, report, notebook and README go by its rows. To add a stage, add a row here and
what each of them draws for its key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from maskrcnn_core.detections import SCORE_FLOOR
from maskrcnn_core.stages import FeatureMap, Stages

__all__ = ["GLOSSARY", "PAPERS", "WALK", "Fact", "WalkStage", "stage_by_key"]

Fact = tuple[str, str]


@dataclass(frozen=True)
class Paper:
    """A source.

    Args:
        key: as the text cites it.
        title: of the paper.
        where: it was published, and its address.
    """

    key: str
    title: str
    where: str


PAPERS: tuple[Paper, ...] = (
    Paper(
        "He et al. 2017",
        "Mask R-CNN (Kaiming He, Georgia Gkioxari, Piotr Dollár, Ross Girshick)",
        "ICCV 2017, arXiv:1703.06870",
    ),
    Paper(
        "Ren et al. 2015",
        "Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks "
        "(Shaoqing Ren, Kaiming He, Ross Girshick, Jian Sun)",
        "NIPS 2015, arXiv:1506.01497",
    ),
    Paper(
        "Lin et al. 2017",
        "Feature Pyramid Networks for Object Detection (Tsung-Yi Lin, Piotr Dollár, Ross Girshick, Kaiming "
        "He, Bharath Hariharan, Serge Belongie)",
        "CVPR 2017, arXiv:1612.03144",
    ),
)


@dataclass(frozen=True)
class WalkStage:
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
    facts: Callable[[Stages], tuple[Fact, ...]]


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def _input_facts(stages: Stages) -> tuple[Fact, ...]:
    seen = stages.input
    return (
        ("image", f"{_size(seen.image_size)} pixels (height × width)"),
        ("input", f"3 × {_size(seen.input_size)} float32, {seen.scale:.2f} times the image"),
        ("with padding", f"{_size(seen.padded_size)}"),
        ("mean taken off", ", ".join(f"{v:.3f}" for v in seen.mean)),
        ("divided by", ", ".join(f"{v:.3f}" for v in seen.std)),
        ("values", f"{seen.values.min():.2f} to {seen.values.max():.2f}"),
    )


def _map_facts(maps: tuple[FeatureMap, ...]) -> tuple[Fact, ...]:
    return tuple(
        (m.name, f"{m.channels} × {_size(m.size)}, stride {m.stride:.0f}, {len(m.silent)} silent channels")
        for m in maps
    )


def _anchor_facts(stages: Stages) -> tuple[Fact, ...]:
    rows = tuple(
        (
            level.name,
            f"{_size(level.size)} cells × {level.per_cell} = {level.count:,} anchors, one cell every "
            f"{level.stride[1]} pixels",
        )
        for level in stages.anchors
    )
    return (*rows, ("together", f"{sum(level.count for level in stages.anchors):,} anchors"))


def _proposal_facts(stages: Stages) -> tuple[Fact, ...]:
    proposals = stages.proposals
    return (
        ("anchors", f"{sum(level.count for level in stages.anchors):,}"),
        ("best by objectness", f"{len(proposals):,} (at most {proposals.per_level:,} a level)"),
        ("too small", f"{proposals.fates.count('too small'):,}"),
        (f"objectness below {proposals.least_score:g}", f"{proposals.fates.count('low score'):,}"),
        (f"suppressed at IoU {proposals.nms_threshold:g}", f"{proposals.fates.count('suppressed'):,}"),
        (f"beyond the limit of {proposals.limit:,}", f"{proposals.fates.count('beyond limit'):,}"),
        ("regions of interest", f"{len(proposals.kept):,}"),
    )


def _iou_facts(stages: Stages) -> tuple[Fact, ...]:
    return (
        ("regions of interest", f"{len(stages.regions.boxes):,}"),
        ("boxes of one object", "IoU 0.5 or more"),
    )


def _roi_facts(stages: Stages) -> tuple[Fact, ...]:
    counts = np.bincount(stages.regions.levels, minlength=len(stages.pyramid))
    return tuple(
        (f"from {level.name}", f"{count:,} regions")
        for level, count in zip(stages.pyramid, counts, strict=True)
    )


def _class_facts(stages: Stages) -> tuple[Fact, ...]:
    scores = stages.regions.scores
    background = int((scores.argmax(1) == 0).sum()) if len(scores) else 0
    return (
        ("class probabilities", f"{scores.shape[0]:,} × {scores.shape[1]}, background among them"),
        ("taken for background", f"{background:,} regions"),
        (f"above the floor of {SCORE_FLOOR}", f"{len(stages.run.candidates):,} pairs of region and category"),
    )


def _suppression_facts(stages: Stages) -> tuple[Fact, ...]:
    return (("candidates", f"{len(stages.run.candidates):,}"),)


def _mask_facts(stages: Stages) -> tuple[Fact, ...]:
    side = stages.run.mask_size
    return (("mask of a detection", f"{side} × {side} probabilities, laid over its box"),)


def _kind_facts(stages: Stages) -> tuple[Fact, ...]:
    height, width = stages.input.image_size
    return (("array of N masks", f"{height} × {width} × N, one plane for each instance"),)


def _no_facts(_stages: Stages) -> tuple[Fact, ...]:
    return ()


WALK: tuple[WalkStage, ...] = (
    WalkStage(
        "input",
        "What the network sees",
        (
            "The image is scaled to the size the network was trained for, so that objects have a familiar "
            "size.",
            "Each colour is shifted and scaled as in training: mostly its mean over many photos is taken "
            "off, and the rest divided by their spread.",
            "Where the halvings that follow would not come out even, zeros fill the right and lower rim.",
        ),
        "He et al. 2017, section 3.1",
        _input_facts,
    ),
    WalkStage(
        "backbone",
        "Backbone: what is where",
        (
            "Layers of small filters look for ever larger patterns: edges first, then corners and textures, "
            "then parts of objects.",
            "Each level is half as wide and high as the one before and has more channels: it knows better "
            "what is there, and less exactly where.",
            "A channel is bright where its own pattern is; a channel that is silent here may speak on "
            "another picture.",
        ),
        "He et al. 2017, section 3, “Network architecture”",
        lambda stages: _map_facts(stages.backbone),
    ),
    WalkStage(
        "pyramid",
        "Feature pyramid: every size",
        (
            "Coarse levels know what is there, fine ones where: the pyramid adds each coarse level, "
            "enlarged, to the finer one below it.",
            "So all levels speak one language, with the same number of channels, and small objects are "
            "found on fine levels as large ones are on coarse.",
            "A network with a single feature map has no pyramid: all sizes share that one map.",
        ),
        "Lin et al. 2017, section 3",
        lambda stages: _map_facts(stages.pyramid),
    ),
    WalkStage(
        "anchors",
        "Anchors: boxes to begin with",
        (
            "At every cell of every level lie a few boxes of fixed sizes and shapes, whatever the picture "
            "shows.",
            "The network never invents a box: it says of each anchor whether an object is about there, and "
            "how to move the anchor onto it.",
            "An object that no anchor overlaps well is hard to find: very thin or very small ones are.",
        ),
        "Ren et al. 2015, section 3.1.1",
        _anchor_facts,
    ),
    WalkStage(
        "proposals",
        "Proposals: an object, whatever it is",
        (
            "The region proposal network gives each anchor an objectness, between 0 and 1, and moves it.",
            "The best of each level are taken, and of those that overlap much only the better one stays.",
            "What remains are the regions of interest: the rest of the network looks at nothing else.",
        ),
        "Ren et al. 2015, section 3.1",
        _proposal_facts,
    ),
    WalkStage(
        "iou",
        "IoU: how much two boxes are one",
        (
            "Intersection over union is the area that two boxes share, divided by the area that they cover "
            "together: 1 for the same box, 0 for boxes apart.",
            "It decides nearly everything: which regions count as an object in training, which box "
            "suppresses which, and whether a detection is a hit.",
            "Half is a usual bar; two boxes of one size, shifted against each other by a third, just reach "
            "it.",
        ),
        "He et al. 2017, section 3.1",
        _iou_facts,
    ),
    WalkStage(
        "roi-align",
        "RoIAlign: one size for all",
        (
            "The heads want every region in one size, so a grid is laid over it and each of its bins is "
            "averaged.",
            "The region is cropped from the level that suits its size, and read between the cells by "
            "bilinear interpolation: nothing is rounded.",
            "RoIPool before it rounded to whole cells; that hardly hurts a class, but it shifts a mask.",
        ),
        "He et al. 2017, section 3, “RoIAlign”; Lin et al. 2017, equation 1",
        _roi_facts,
    ),
    WalkStage(
        "box-head",
        "Box head: which category, and a better box",
        (
            "From the crop of a region the box head says how likely each category is, and background, "
            "together 1.",
            "It also moves the region's box once more: for each category by itself, or once for all of them.",
            "One region can so become several candidates, one for each category that it may be.",
        ),
        "Ren et al. 2015, section 3.2; He et al. 2017, section 3",
        _class_facts,
    ),
    WalkStage(
        "suppression",
        "What is dropped: scores and overlaps",
        (
            "Candidates at or below the score threshold go first.",
            "Then, category by category and from the best score down, each box drops those that overlap it "
            "by more than the NMS threshold: non-maximum suppression.",
            "Of what is left the best scored stay, up to the limit of detections per image.",
        ),
        "Ren et al. 2015, section 3.3",
        _suppression_facts,
    ),
    WalkStage(
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
    WalkStage(
        "kinds",
        "Boxes, masks, instances, segments",
        (
            "Without the mask head it is a Faster R-CNN: it says where objects are, not which pixels are "
            "theirs.",
            "Semantic segmentation colours pixels by category, so neighbours of one category melt together; "
            "instance segmentation keeps them apart.",
            "A mask times the image is a segment: the object cut out, all else zero.",
        ),
        "He et al. 2017, sections 1 and 3",
        _kind_facts,
    ),
    WalkStage(
        "missed",
        "Why was this missed? Why twice?",
        (
            "Every miss has a moment: never covered by an anchor, not proposed, taken for background, "
            "scored too low, suppressed, or beyond the limit.",
            "Draw a box around an object, and it is followed back through all stages to where it was lost.",
            "The same network can still take it: a drawn box is a region like any other, and gets its mask.",
        ),
        "Ren et al. 2015, section 3; He et al. 2017, section 3",
        _no_facts,
    ),
    WalkStage(
        "weights",
        "Weights: what was learned",
        (
            "All that the network knows is in its weights: millions of numbers, most of them small.",
            "A healthy layer's numbers spread around zero like a bell; a layer that is all zeros, or has "
            "values far beyond the others, deserves a look.",
            "Parameters and time are spread unevenly: early layers have few numbers but many pixels to "
            "visit.",
        ),
        "He et al. 2017, section 3.1",
        _no_facts,
    ),
)


def stage_by_key(key: str) -> WalkStage:
    """The row of that key.

    Raises:
        KeyError: for a key that is not in :data:`WALK`.
    """
    for stage in WALK:
        if stage.key == key:
            return stage
    raise KeyError(f"stage {key!r}: wanted one of {', '.join(s.key for s in WALK)}")


GLOSSARY: tuple[tuple[str, str], ...] = (
    (
        "anchor",
        "A box of fixed size and shape at a cell of a feature map, from which a proposal may be made.",
    ),
    ("backbone", "The part of the network that turns the image into feature maps."),
    ("background", "Class 0: there is no object of a known category here."),
    ("candidate", "A region scored for one category, before thresholds and suppression."),
    ("category", "A kind of object that the model, or a data set, knows by name."),
    ("channel", "One plane of a feature map: where one learned pattern is."),
    ("detection", "What the model says at the end: a box, a category, a score and a mask."),
    ("feature map", "A grid of cells with many channels; a cell stands for a square of the image."),
    ("feature pyramid", "Feature maps of several strides that share one number of channels."),
    ("instance", "One object, told apart from others of its category."),
    ("IoU", "Intersection over union: the area two boxes or masks share, of the area they cover together."),
    ("level", "One feature map of the pyramid; P4 has a stride of 2 to the 4th, 16 pixels."),
    ("mask", "The pixels of one object."),
    ("NMS", "Non-maximum suppression: of boxes that overlap much, only the best scored stays."),
    ("objectness", "How likely an anchor has an object of any category, from 0 to 1."),
    ("proposal", "An anchor that the network moved onto what may be an object."),
    ("region of interest (RoI)", "A proposal that the heads look at."),
    ("RoIAlign", "Crops a region from a feature map in a fixed size, reading between the cells."),
    ("score", "How sure the model is of a detection's category, from 0 to 1."),
    ("segment", "The image within a mask: the object cut out."),
    ("stride", "How many pixels of the input lie between two neighbouring cells of a feature map."),
    ("threshold", "A number that decides: what is greater stays."),
)
"""Terms and what they mean, in alphabetical order."""
