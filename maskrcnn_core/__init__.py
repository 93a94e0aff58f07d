"""A small, typed Mask R-CNN library that knows nothing of the screen.

The names below are its public face, and all that most notebooks need: an image (`read_image`) and a model of
the table `MODELS` (`get_model`) go into a `Predictor`, its `Run` keeps every candidate, and `Thresholds` make
`Detections` of them, with masks as run lengths. Each name is imported when it is first used, so that
``import maskrcnn_core`` takes no time, and torch comes with the first network.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from maskrcnn_core.common.release import __version__ as __version__

if TYPE_CHECKING:
    from maskrcnn_core.detection.candidates import Candidates, Detections, Thresholds
    from maskrcnn_core.detection.runs import Run
    from maskrcnn_core.errors import CoreError
    from maskrcnn_core.formats.coco_reader import read_coco
    from maskrcnn_core.images.reading import read_image
    from maskrcnn_core.inference.predictor import Predictor
    from maskrcnn_core.models.catalog import MODELS
    from maskrcnn_core.models.loading import get_model, load_model
    from maskrcnn_core.projects.store import Store
    from maskrcnn_core.workspace import Workspace

__all__ = [
    "MODELS",
    "Candidates",
    "CoreError",
    "Detections",
    "Predictor",
    "Run",
    "Store",
    "Thresholds",
    "Workspace",
    "get_model",
    "load_model",
    "read_coco",
    "read_image",
]

_HOMES = {
    "MODELS": "models.catalog",
    "Candidates": "detection.candidates",
    "CoreError": "errors",
    "Detections": "detection.candidates",
    "Predictor": "inference.predictor",
    "Run": "detection.runs",
    "Store": "projects.store",
    "Thresholds": "detection.candidates",
    "Workspace": "workspace",
    "get_model": "models.loading",
    "load_model": "models.loading",
    "read_coco": "formats.coco_reader",
    "read_image": "images.reading",
}


def __getattr__(name: str) -> object:
    """Import a public name from the module that it lives in (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
