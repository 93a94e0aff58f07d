"""What the stages of a network of another project do differently, in words.

:data:`~maskrcnn_core.explain.stages.STAGES` tells what torchvision's networks and their ancestors do.
``LAW_SENTENCES`` has the sentences that take the place of some of theirs where a network keeps the laws of
another project. To add a project's, add rows.
"""

from __future__ import annotations

from maskrcnn_core.detection.conventions import ConventionKey
from maskrcnn_core.explain.stages import Stage

__all__ = ["LAW_SENTENCES", "sentences_of"]

LAW_SENTENCES: dict[tuple[str, ConventionKey], dict[int, str]] = {
    ("input", "detectron2"): {
        0: "The image is scaled to the size the network was trained for, as whole bytes, with Pillow's "
        "bilinear filter, which averages as it shrinks: so does Detectron2.",
    },
    ("input", "mmdetection"): {
        0: "The image is scaled to the size the network was trained for, as whole bytes, the way OpenCV does"
        " it, without averaging: so does mmdetection.",
    },
    ("input", "matterport"): {
        0: "The image is scaled to the size the network was trained for, as whole bytes, the way scikit-"
        "image does it, without averaging: so does Matterport's Mask_RCNN.",
        1: "From each colour its mean over the training images is subtracted; nothing is divided.",
        2: "The image lies in the middle: black fills a square around it, or sides that are multiples of 64.",
    },
    ("proposals", "matterport"): {
        1: "The best of all levels together are taken; where two overlap strongly, only the better one "
        "stays, whatever its level.",
    },
    ("roi-align", "detectron2"): {
        1: "The region is cropped from the level that suits its size, and read between the cells by bilinear"
        " interpolation: a value belongs to the middle of its cell, so the region is moved by half a "
        "cell.",
    },
    ("roi-align", "mmdetection"): {
        1: "The region is cropped from the level that suits its size, and read between the cells by bilinear"
        " interpolation: a value belongs to the middle of its cell, so the region is moved by half a "
        "cell.",
    },
    ("roi-align", "matterport"): {
        0: "The heads need every region at one size, so it is read at the points of a grid, one point for "
        "each bin: TensorFlow's crop_and_resize.",
        1: "The region is cropped from the level that suits its size, and read between the cells by bilinear"
        " interpolation: the outermost points lie on its edges, and nothing is rounded.",
    },
    ("box-head", "matterport"): {
        2: "A region becomes one candidate at most: of its most likely category, unless that is background.",
    },
    ("mask", "detectron2"): {
        1: "It is laid over the detection's box as it is, between pixels too, and read at the middle of each"
        " pixel by bilinear interpolation; what reaches the mask threshold belongs to the object.",
    },
    ("mask", "mmdetection"): {
        1: "It is laid over the detection's box as it is, between pixels too, and read at the middle of each"
        " pixel by bilinear interpolation; what reaches the mask threshold belongs to the object.",
    },
    ("mask", "matterport"): {
        1: "The detection's box is rounded to whole pixels and the square stretched over it by bilinear "
        "interpolation, fading at its edges; what reaches the mask threshold belongs to the object.",
    },
}
"""By the stage's key and whose laws they are: sentences by the place of those that they replace."""


def sentences_of(stage: Stage, laws: ConventionKey) -> tuple[str, ...]:
    """Return the three sentences on what a stage does in a network that keeps these laws."""
    told = LAW_SENTENCES.get((stage.key, laws), {})
    return tuple(told.get(place, sentence) for place, sentence in enumerate(stage.sentences))
