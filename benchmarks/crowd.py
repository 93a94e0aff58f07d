"""A drawn microscopy image with hundreds of nuclei, and a stand-in for a model that finds every one of them.

No weights are needed, and the number of detections is known: `many_instances` measures with it, and the
browser tests drive the real page with it (``crowd_app.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
from torch import nn
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from benchmarks.scenes import mask_probs_of
from maskrcnn_core.dataset.annotations import AnnotatedImage, ImageRecord, Instance
from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.detection.candidates import Candidates, Thresholds
from maskrcnn_core.detection.pasting import paste_masks
from maskrcnn_core.images.reading import encode_jpeg
from maskrcnn_core.inference.predictor import Failure, Predictor, Run
from maskrcnn_core.models.spec import LoadedModel

__all__ = ["CROWD_NAMES", "CrowdPredictor", "crowd_image", "crowd_jpeg", "crowd_pixels"]

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

CROWD_NAMES = ("nucleus", "dividing nucleus", "apoptotic body")
_SCORES = (0.99, 0.51)  # the best and the least: all pass the threshold that the page starts with
_GROUND = (14, 12, 30)
_STAIN = (70, 110, 235)


class _Nothing(nn.Identity):
    """Stands where a network is; it only says how large it would see an image."""

    def __init__(self) -> None:
        super().__init__()
        self.transform = GeneralizedRCNNTransform(800, 1333, [0.0] * 3, [1.0] * 3)


class CrowdPredictor(Predictor):
    """Finds the same ``count`` nuclei wherever it looks, on whatever size the image has; no network runs."""

    def __init__(self, count: int) -> None:
        model = LoadedModel(
            key=f"crowd-{count}",
            title=f"Stand-in that finds {count}",
            network=_Nothing(),
            label_map=LabelMap.from_names(CROWD_NAMES),
            nms_threshold=0.5,
            mask_size=28,
            digest=f"{count:064d}",
            backbone="none",
            licence="",
            source="drawn",
            max_detections=count,
        )
        super().__init__(model, "cpu")
        self.count = count

    def run(
        self,
        images: Sequence[Pixels],
        thresholds: Thresholds | None = None,  # noqa: ARG002
    ) -> list[Run | Failure]:
        """A run for each image, with every mask there at once."""
        return [self._run((image.shape[0], image.shape[1])) for image in images]

    def _run(self, size: tuple[int, int]) -> Run:
        rows = np.arange(self.count)
        scores = np.linspace(*_SCORES, self.count, dtype=np.float32)
        labels = np.where(rows % 10 < 8, 1, rows % 10 - 6)  # four of five are plain nuclei
        run = Run(Candidates(_boxes(self.count, size), labels, scores, size, size), 28, "cpu")
        run.keep_masks(rows, _mask_probs(self.count))
        return run


def crowd_pixels(count: int, size: tuple[int, int]) -> Pixels:
    """The image in which they are: stained nuclei on a dark ground, uint8 ``[H, W, 3]``.

    Args:
        count: of nuclei.
        size: ``(height, width)`` in pixels.
    """
    rng = np.random.default_rng(3)
    pixels = np.empty((*size, 3), np.uint8)
    pixels[:] = _GROUND
    for mask in paste_masks(_mask_probs(count), _boxes(count, size), size):
        x, y, width, height = mask.box_xywh
        shape = mask.crop()
        light = rng.uniform(0.45, 1.0) * rng.uniform(0.85, 1.15, (height, width, 1))
        place = pixels[y : y + height, x : x + width]
        place[shape] = np.clip(np.array(_STAIN) * light, 0, 255).astype(np.uint8)[shape]
    return pixels


@cache
def crowd_jpeg(count: int, size: tuple[int, int]) -> bytes:
    """:func:`crowd_pixels` as a file."""
    return encode_jpeg(crowd_pixels(count, size))


def crowd_image(count: int, size: tuple[int, int]) -> AnnotatedImage:
    """The image with all its instances, as exports take it."""
    predictor, pixels = CrowdPredictor(count), crowd_pixels(count, size)
    (detections,) = predictor.predict([pixels], Thresholds(max_detections=count))
    instances = Instance.from_detections(detections, predictor.model.label_map, 1, 0.5)
    record = ImageRecord(1, "crowd.jpg", size[1], size[0])
    return AnnotatedImage(record, instances, lambda: pixels)


def _mask_probs(count: int) -> Floats:
    return mask_probs_of(count)


def _boxes(count: int, size: tuple[int, int]) -> Floats:
    """One box in each cell of a grid, float32 ``[count, 4]`` xyxy: neighbours touch, none lies on another."""
    height, width = size
    columns = int(np.ceil(np.sqrt(count * width / height)))
    cells = -(-count // columns), columns
    step = np.array([height / cells[0], width / cells[1]])
    rng = np.random.default_rng(1)
    place = np.stack(np.divmod(rng.permutation(cells[0] * cells[1])[:count], columns), axis=1)
    centre = (place + 0.5 + rng.uniform(-0.12, 0.12, (count, 2))) * step
    half = rng.uniform(0.3, 0.48, (count, 2)) * step.min()
    first, last = np.maximum(centre - half, 0), np.minimum(centre + half, size)
    return np.concatenate([first[:, ::-1], last[:, ::-1]], axis=1).astype(np.float32)
