"""What a panel looks at: one image, one model, its trace, and pictures of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from maskrcnn_core.common.arrays import Box, Pixels
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.detection.candidates import Detections, Thresholds
from maskrcnn_core.drawing.board import false_colors
from maskrcnn_core.drawing.palette import hex_color, instance_color
from maskrcnn_core.evaluation.counting import Kind
from maskrcnn_core.evaluation.image_truth import ImageTruth
from maskrcnn_core.evaluation.judging import Judgement
from maskrcnn_core.explain.against_truth import judge_trace
from maskrcnn_core.explain.trace import Trace
from maskrcnn_core.explain.tracing import trace_network
from maskrcnn_core.geometry.boxes import box_scale
from maskrcnn_core.images.reading import encode_png, thumbnail_jpeg
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.workspace import OpenImage, data_url
from pages.components.media import media_url
from pages.components.stage_view import Layer
from pages.explain.session import ExplainUi, TraceKey
from pages.shared.cached import open_store
from pages.shared.session import UiState

__all__ = ["Box", "Look", "heat_colors", "heat_url", "look_at", "measured_trace"]


_SHOWN_SIDE = 1200  # pixels of the picture in the panels: they are at most so wide


def heat_url(values: npt.NDArray[Any], *, least: float | None = None, most: float | None = None) -> str:
    """Draw numbers, ``[h, w]``, from dark to yellow, as a ``data:`` URL."""
    shades = false_colors(values, least, most)
    return data_url(encode_png(shades, compress_level=1), "image/png")


def heat_colors(values: npt.NDArray[Any]) -> tuple[str, ...]:
    """Return numbers in [0, 1] as colours of the same scale."""
    return tuple(hex_color((int(r), int(g), int(b))) for r, g, b in false_colors(values, 0.0, 1.0))


@dataclass
class Look:
    """One run's view of an image; what takes time is made when it is first asked for.

    Args:
        state: the session's.
        predictor: the model.
        image: what is looked at.
        trace: of the two.
    """

    state: UiState
    predictor: Predictor
    image: OpenImage
    trace: Trace

    @property
    def ui(self) -> ExplainUi:
        """What is chosen on this page."""
        return self.state.of(ExplainUi)

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
        """Return the image, uint8 ``[H, W, 3]``."""
        return self.state.workspace.pixels(self.image.digest)

    @cached_property
    def url(self) -> str:
        """The image as a file of at most 1200 pixels across."""
        pictures = self.ui.pictures
        key = (self.image.digest, self.state.workspace.stretch)
        if key not in pictures:
            pictures[key] = thumbnail_jpeg(self.pixels(), _SHOWN_SIDE)
        return media_url(pictures[key], "image/jpeg", "explain")

    @cached_property
    def detections(self) -> Detections:
        """What the thresholds leave, as the Annotate page shows it."""
        return self.predictor.detections(self.trace.run, self.thresholds, self.pixels)

    @cached_property
    def truth(self) -> ImageTruth | None:
        """What is known to be there: of a drawn scene, from a file, or accepted in the open project."""
        return self.ui.truths.get(self.image.digest) or _truth_of_project(self.state, self.image.digest)

    def judge(self, truth: ImageTruth, kind: Kind) -> Judgement:
        """Compare boxes or masks of all that was found, whatever its score, with what is known."""
        return judge_trace(self.predictor, self.trace, self.thresholds, truth, self.pixels, kind=kind)

    def category(self, label: int) -> str:
        """Return a label's name; the background is none."""
        if label == 0:
            return "background"
        label_map = self.predictor.model.label_map
        return label_map.category(label).name if label in label_map else f"label {label}"

    def detection_name(self, index: int) -> str:
        """Describe a detection in words."""
        found = self.detections
        return f"{index + 1}. {one_line(self.category(int(found.labels[index])))} {found.scores[index]:.2f}"

    def in_image(self, boxes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Convert boxes of the network's input to pixels of the image."""
        scaled: npt.NDArray[np.float64] = boxes.astype(np.float64) * self.trace.to_image
        return scaled

    def over_image(self, url: str, **options: Any) -> Layer:
        """Lay a picture of a feature map over the image: it reaches as far as the padding does."""
        height, width = self.trace.input.padded_size
        top, left = self.trace.input.corner
        to_image = self.trace.to_image
        across, down = float(to_image[0]), float(to_image[1])
        box = (-left * across, -top * down, (width - left) * across, (height - top) * down)
        return Layer("picture", url=url, box=box, smooth=False, title="", **options)

    def mask_layer(
        self, rows: npt.NDArray[np.int64], colors: list[tuple[int, int, int]], opacity: float
    ) -> Layer:
        """Draw masks of some detections as one coloured picture, no larger than it is shown."""
        height, width = self.size
        shrink = min(_SHOWN_SIDE / max(height, width), 1.0)
        small = max(round(height * shrink), 1), max(round(width * shrink), 1)
        some = self.detections[rows]
        shrunk = replace(some, boxes=some.boxes * box_scale(self.size, small), image_size=small)
        masks = shrunk.masks(self.thresholds.mask_threshold)
        canvas = np.zeros((*small, 4), np.uint8)
        for mask, color in zip(masks[::-1], colors[::-1], strict=True):
            canvas[mask.to_mask()] = (*color, round(255 * opacity))
        url = data_url(encode_png(canvas, compress_level=1), "image/png")
        return Layer("picture", url=url, box=(0, 0, width, height), smooth=True)

    def color(self, index: int) -> tuple[int, int, int]:
        """Return a detection's colour."""
        return instance_color(index)


def look_at(state: UiState, predictor: Predictor, digest: str) -> Look:
    """Return the trace of an open image, made if it has not been.

    Raises:
        InferenceError: if the image cannot go through the network.
    """
    key = _key(state, predictor, digest)
    ui = state.of(ExplainUi)
    trace = ui.traced.get(key)
    if trace is None:
        with st.spinner("Running the network on this image ..."):
            trace = trace_network(predictor, state.workspace.pixels(digest), state.thresholds)
        state.workspace.adopt(digest, predictor, trace.run)
    ui.traced[key] = trace
    return Look(state, predictor, state.workspace.images[digest], trace)


def _key(state: UiState, predictor: Predictor, digest: str) -> TraceKey:
    return digest, state.workspace.stretch, predictor.model.digest


def measured_trace(look: Look) -> Trace:
    """Return the trace with meaningful times: a process's first run also compiles and loads."""
    key = _key(look.state, look.predictor, look.image.digest)
    if key not in look.ui.measured:
        with st.spinner("Measuring ..."):
            look.ui.measured[key] = trace_network(look.predictor, look.pixels(), look.thresholds).times
    return replace(look.trace, times=look.ui.measured[key])


def _truth_of_project(state: UiState, digest: str) -> ImageTruth | None:
    project_id = state.project.id
    if project_id is None:
        return None
    store = open_store()
    images = store.images(project_id, digests=[digest])
    if not images:
        return None
    names = {row.id: row.name for row in store.categories(project_id)}
    rows = [row for row in store.instances(project_id, image_id=images[0].id) if row.status != "rejected"]
    if not any(row.status == "accepted" for row in rows):
        return None
    # As in an evaluation of the project's export: what nobody has decided on is ignored, as crowds are.
    return ImageTruth(
        tuple(names[row.category_id] for row in rows),
        tuple(row.mask for row in rows),
        tuple(row.is_crowd or row.status == "proposed" for row in rows),
        tuple(names.values()),
        "accepted in the open project",
    )
