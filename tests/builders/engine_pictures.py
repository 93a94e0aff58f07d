"""Models and the shared pictures on which their engines are compared with the exact one."""

import pytest

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.images.reading import read_image
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.models.spec import LoadedModel
from tests.shared_data import shared_path

__all__ = ["PICTURES_OF", "model_and_pictures"]

PICTURES_OF = {
    "mobile": ("data", "coco_val2017", "images"),
    "photos": ("data", "coco_val2017", "images"),
    "nuclei": ("data", "nuclei", "val"),
}
"""Where a model's pictures are among the shared data, by its key."""

_COUNT = 8


def model_and_pictures(key: str) -> tuple[LoadedModel, list[Pixels]]:
    """Return a model and evenly spread pictures of its kind; skips the test where they are absent."""
    files = sorted(shared_path(*PICTURES_OF[key]).glob("*.[jp][pn]g"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MASKDESK_WEIGHTS", str(shared_path("weights")))
        model = get_model(key)
    return model, [read_image(files[at * len(files) // _COUNT]).pixels for at in range(_COUNT)]
