"""One person's open images, which outlive the page that shows them."""

from maskrcnn_core.workspace.open_images import ImageState, OpenImage, OpeningReport, Shown, data_url
from maskrcnn_core.workspace.workspace import Workspace

__all__ = ["ImageState", "OpenImage", "OpeningReport", "Shown", "Workspace", "data_url"]
