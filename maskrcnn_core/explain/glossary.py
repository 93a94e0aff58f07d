"""The words of *How it works* and the papers that it cites."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GLOSSARY", "PAPERS", "Paper"]


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
    Paper(
        "Everingham et al. 2010",
        "The PASCAL Visual Object Classes (VOC) Challenge (Mark Everingham, Luc Van Gool, Christopher K. I. "
        "Williams, John Winn, Andrew Zisserman)",
        "International Journal of Computer Vision 88, 2010",
    ),
)


GLOSSARY: tuple[tuple[str, str], ...] = (
    (
        "anchor",
        "A box of fixed size and shape at a cell of a feature map, from which a proposal may be made.",
    ),
    (
        "average precision (AP)",
        "The area under the curve of precision against recall; AP50 at IoU .50, AP the mean over .50 to .95.",
    ),
    ("backbone", "The part of the network that turns the image into feature maps."),
    ("background", "Class 0: there is no object of a known category here."),
    ("candidate", "A region scored for one category, before thresholds and suppression."),
    ("category", "A kind of object that the model, or a data set, knows by name."),
    ("channel", "One plane of a feature map: where one learned pattern is."),
    ("detection", "The model's final output: a box, a category, a score and a mask."),
    ("feature map", "A grid of cells with many channels; a cell stands for a square of the image."),
    ("feature pyramid", "Feature maps of several strides that share one number of channels."),
    ("ground truth", "The objects that people have marked, or that were drawn: what is there."),
    ("instance", "One object, told apart from others of its category."),
    (
        "IoU",
        "Intersection over union: the area two boxes or masks share, divided by the area they cover "
        "together.",
    ),
    ("level", "One feature map of the pyramid; P4 has a stride of 2 to the 4th, 16 pixels."),
    ("mask", "The pixels of one object."),
    ("NMS", "Non-maximum suppression: of boxes that overlap strongly, only the best-scoring one stays."),
    ("objectness", "How likely an anchor holds an object of any category, from 0 to 1."),
    ("precision", "The share of the detections that is right."),
    ("proposal", "An anchor that the network moved onto what may be an object."),
    ("recall", "The share of the objects that is found."),
    ("region of interest (RoI)", "A proposal that the heads look at."),
    ("RoIAlign", "Crops a region from a feature map to a fixed size, interpolating between the cells."),
    ("score", "How sure the model is of a detection's category, from 0 to 1."),
    ("segment", "The image within a mask: the object cut out."),
    ("stride", "How many pixels of the input lie between two neighbouring cells of a feature map."),
    ("threshold", "A number that decides: greater values stay."),
)
"""Terms and what they mean, in alphabetical order."""
