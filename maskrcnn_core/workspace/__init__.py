"""One person's open images, which outlive the page that shows them."""

from maskrcnn_core.workspace.open_images import ImageState, OpenImage, OpeningReport, Shown, data_url
from maskrcnn_core.workspace.slide_desk import OpenSlide, SlideDesk
from maskrcnn_core.workspace.workspace import Answer, Workspace

__all__ = [
    "Answer",
    "ImageState",
    "OpenImage",
    "OpenSlide",
    "OpeningReport",
    "Shown",
    "SlideDesk",
    "Workspace",
    "data_url",
]
