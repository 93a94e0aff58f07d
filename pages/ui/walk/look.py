"""What a panel looks at: one image, one model, its stages, and pictures of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from maskrcnn_core.detections import Detections, Thresholds
from maskrcnn_core.drawing import false_colors
from maskrcnn_core.images import encode_png, thumbnail_jpeg
from maskrcnn_core.inference import Predictor
from maskrcnn_core.messages import one_line
from maskrcnn_core.palette import hex_color, instance_color
from maskrcnn_core.pasting import paste_masks
from maskrcnn_core.stages import FeatureMap, Stages, trace
from maskrcnn_core.workspace import OpenImage, data_url
from pages.ui.cached import open_store
from pages.ui.stage_view import Layer
from pages.ui.state import UiState
from pages.ui.viewer.media import media_url
from pages.ui.walk.state import Truth, WalkUi

__all__ = ["Box", "Look", "heat_colors", "heat_url", "look_at", "measured_stages"]

Box = tuple[float, float, float, float]
Pixels = npt.NDArray[np.uint8]

_SHOWN_SIDE = 1200  # pixels of the picture in the panels: they are at most so wide
_PICTURES = 6


def heat_url(values: npt.NDArray[Any], *, least: float | None = None, most: float | None = None) -> str:
    """A picture of numbers, ``[h, w]``, the least dark and the greatest yellow, as a ``data:`` URL."""
    shades = false_colors(values, least, most)
    return data_url(encode_png(shades, compress_level=1), "image/png")


def heat_colors(values: npt.NDArray[Any]) -> tuple[str, ...]:
    """Numbers in [0, 1] as colours of the same scale."""
    return tuple(hex_color((int(r), int(g), int(b))) for r, g, b in false_colors(values, 0.0, 1.0))


@dataclass
class Look:
    """One run's view of an image; what takes time is made when it is first asked for.

    Args:
        state: the session's.
        predictor: the model.
        image: what is looked at.
        stages: of the two.
    """

    state: UiState
    predictor: Predictor
    image: OpenImage
    stages: Stages

    @property
    def ui(self) -> WalkUi:
        """What is chosen on this page."""
        return self.state.walk

    @property
    def thresholds(self) -> Thresholds:
        """As on the Annotate page."""
        return self.state.thresholds

    @property
    def name(self) -> str:
        """Of what is looked at, for pictures' scenes: image and model."""
        return f"{self.image.digest[:12]}-{self.predictor.model.digest[:12]}"

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` of the image in pixels."""
        return self.image.height, self.image.width

    def pixels(self) -> Pixels:
        """The image, uint8 ``[H, W, 3]``."""
        return self.state.workspace.pixels(self.image.digest)

    @cached_property
    def url(self) -> str:
        """The image as a file of at most 1200 pixels across."""
        pictures = self.ui.pictures
        if self.image.digest not in pictures:
            pictures[self.image.digest] = thumbnail_jpeg(self.pixels(), _SHOWN_SIDE)
            while len(pictures) > _PICTURES:
                pictures.popitem(last=False)
        return media_url(pictures[self.image.digest], "image/jpeg", "walk")

    @cached_property
    def detections(self) -> Detections:
        """What the thresholds leave, as the Annotate page shows it."""
        return self.predictor.detections(self.stages.run, self.thresholds, self.pixels)

    @cached_property
    def truth(self) -> Truth | None:
        """The objects that are known to be there: of a drawn scene, or accepted in the open project."""
        return self.ui.truths.get(self.image.digest) or _truth_of_project(self.state, self.image.digest)

    def category(self, label: int) -> str:
        """A label's name; the background is none."""
        if label == 0:
            return "background"
        label_map = self.predictor.model.label_map
        return label_map.category(label).name if label in label_map else f"label {label}"

    def detection_name(self, index: int) -> str:
        """A detection in words."""
        found = self.detections
        return f"{index + 1}. {one_line(self.category(int(found.labels[index])))} {found.scores[index]:.2f}"

    def in_image(self, boxes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Boxes of the network's input in pixels of the image."""
        scaled: npt.NDArray[np.float64] = boxes.astype(np.float64) * self.stages.to_image
        return scaled

    def over_image(self, level: FeatureMap, url: str, **options: Any) -> Layer:
        """A picture of a feature map laid over the image: it reaches as far as the padding does."""
        height, width = self.stages.input.padded_size
        to_image = self.stages.to_image
        box = (0.0, 0.0, float(width * to_image[0]), float(height * to_image[1]))
        return Layer("picture", url=url, box=box, smooth=False, title="", **options)

    def mask_layer(
        self, rows: npt.NDArray[np.int64], colors: list[tuple[int, int, int]], opacity: float
    ) -> Layer:
        """Masks of some detections as one coloured picture, no larger than it is shown."""
        height, width = self.size
        shrink = min(_SHOWN_SIDE / max(height, width), 1.0)
        small = max(round(height * shrink), 1), max(round(width * shrink), 1)
        ratio = np.array([small[1] / width, small[0] / height] * 2, np.float32)
        some = self.detections[rows]
        masks = paste_masks(some.mask_probs, some.boxes * ratio, small, self.thresholds.mask_threshold)
        canvas = np.zeros((*small, 4), np.uint8)
        for mask, color in zip(masks[::-1], colors[::-1], strict=True):
            canvas[mask.to_mask()] = (*color, round(255 * opacity))
        url = data_url(encode_png(canvas, compress_level=1), "image/png")
        return Layer("picture", url=url, box=(0, 0, width, height), smooth=True)

    def color(self, index: int) -> tuple[int, int, int]:
        """Of a detection."""
        return instance_color(index)


def look_at(state: UiState, predictor: Predictor, digest: str) -> Look:
    """The stages of an open image, traced if they have not been.

    Raises:
        InferenceError: if the image cannot go through the network.
    """
    key = (digest, predictor.model.digest)
    stages = state.walk.traced.get(key)
    if stages is None:
        with st.spinner("The network is looking at this image ..."):
            stages = trace(predictor, state.workspace.pixels(digest), state.thresholds)
        state.workspace.adopt(digest, predictor, stages.run)
    state.walk.keep_traced(key, stages)
    return Look(state, predictor, state.workspace.images[digest], stages)


def measured_stages(look: Look) -> Stages:
    """The stages with times that tell something: a process's first run also compiles and loads."""
    key = (look.image.digest, look.predictor.model.digest)
    if key not in look.ui.measured:
        with st.spinner("Measuring ..."):
            look.ui.measured[key] = trace(look.predictor, look.pixels(), look.thresholds).times
    return replace(look.stages, times=look.ui.measured[key])


def _truth_of_project(state: UiState, digest: str) -> Truth | None:
    project_id = state.project.id
    if project_id is None:
        return None
    store = open_store()
    images = store.images(project_id, digests=[digest])
    if not images:
        return None
    names = {row.id: row.name for row in store.categories(project_id)}
    rows = [row for row in store.instances(project_id, image_id=images[0].id) if row.status == "accepted"]
    if not rows:
        return None
    return Truth.of(
        (names[row.category_id] for row in rows),
        [row.box_xywh for row in rows],
        "accepted in the open project",
    )
