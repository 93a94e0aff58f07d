"""Panels of the second half of the stages: what the heads say, what is dropped, and what masks are for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from maskrcnn_core.common.arrays import Box
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.drawing.palette import category_color, hex_color
from maskrcnn_core.explain.fates import FATES, Fates, fates_of_candidates
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.workspace import data_url
from pages.components.stage_view import Layer, StageMessage, stage_view
from pages.explain.controls import choose_number, choose_one, choose_row, switch
from pages.explain.look import Look, heat_url
from pages.shared.texts import harmless, plain

__all__ = ["draw_box_head", "draw_kinds", "draw_mask", "draw_suppression"]

_BEFORE, _AFTER = "#1f77b4", "#ffd700"
_CLASSES = 8
_FATE_COLORS = {"kept": "#2ca02c", "suppressed": "#ff4b4b", "low score": "#9aa0a6", "beyond limit": "#ff7f0e"}
_FATE_COLORS |= {"other category": "#9467bd", "too small": "#8c564b"}
_MARGIN = 0.15  # of a box, around it
_CUT = (0, 200, 120)


# -- box head ---------------------------------------------------------------------------------------------


def draw_box_head(look: Look) -> None:
    """Draw one region: its class probabilities as bars, and where each class moves the box."""
    regions = look.trace.regions
    if not len(regions.boxes):
        st.info(
            "There is no region to score: nothing in this image looks like an object to this model. "
            "Take another image or model."
        )
        return
    order = np.argsort(-regions.scores[:, 1:].max(axis=1), kind="stable")[:100]
    index = int(
        order[
            choose_row(
                look.ui,
                "head-region",
                "Region, most certain first",
                len(order),
                lambda n: _scored(look, int(order[n])),
            )
        ]
    )
    scores = regions.scores[index]
    label = int(scores[1:].argmax()) + 1
    before = look.in_image(regions.boxes[[index]])
    after = look.in_image(regions.refined[index, [label]])
    arrows = [
        (before[0, x], before[0, y], after[0, x], after[0, y]) for x, y in ((0, 1), (2, 1), (0, 3), (2, 3))
    ]
    left, right = st.columns([1.4, 1])
    with left:
        stage_view(
            StageMessage(
                f"head-{look.name}",
                look.url,
                look.size,
                "The region and the box it is moved to",
                (
                    Layer("boxes", before, (_BEFORE,), "proposal", width=2, dashed=True),
                    Layer("boxes", after, (_AFTER,), f"refined for {look.category(label)}", width=2.5),
                    Layer("arrows", arrows, ("#ffffff",), "what the box head moves", width=2),
                ),
            ),
            key="explain-head",
        )
    with right:
        st.plotly_chart(_classes_figure(look, scores), key="explain-classes", width="stretch")
    moved = after[0] - before[0]
    st.caption(
        f"The corners move by {moved[0]:+.1f}, {moved[1]:+.1f} and {moved[2]:+.1f}, {moved[3]:+.1f} pixels "
        f"(x, y) of the image."
    )


def _scored(look: Look, index: int) -> str:
    scores = look.trace.regions.scores[index]
    label = int(scores[1:].argmax()) + 1
    return f"{harmless(look.category(label))} {scores[label]:.2f} (proposal {index + 1})"


def _classes_figure(look: Look, scores: np.ndarray) -> go.Figure:
    best = np.argsort(-scores, kind="stable")[:_CLASSES][::-1]
    names = [look.category(int(label)).replace("&", "&amp;").replace("<", "&lt;") for label in best]
    bars = go.Bar(
        x=scores[best],
        y=names,
        orientation="h",
        text=[f"{scores[label]:.3f}" for label in best],
        marker_color=["#9aa0a6" if label == 0 else _AFTER for label in best],
    )
    figure = go.Figure(bars)
    figure.update_layout(
        title="Class probabilities (sum 1)",
        xaxis={"range": [0, 1.12], "title": "probability"},
        margin={"l": 0, "r": 0, "t": 40, "b": 0},
        height=360,
    )
    return figure


# -- thresholds and suppression ------------------------------------------------------------------------


def draw_suppression(look: Look) -> None:
    """Draw candidates by what becomes of them, for adjustable thresholds."""
    thresholds = _own_thresholds(look)
    candidates = look.trace.run.candidates
    fates = fates_of_candidates(candidates, thresholds, look.predictor.model.label_map)
    shown = st.multiselect(
        "Show", list(_FATE_COLORS), ["kept", "suppressed"], key="explain-fates", placeholder="nothing"
    )
    layers = []
    for fate in reversed(FATES):
        if fate not in shown:
            continue
        rows = fates.rows(fate)
        labels = tuple(_candidate(look, row) for row in rows) if fate == "kept" else ()
        boxes = look.in_image(candidates.boxes[rows])
        layers.append(
            Layer(
                "boxes",
                boxes,
                (_FATE_COLORS[fate],),
                f"{fate}: {len(rows)}",
                labels,
                width=2.5 if fate == "kept" else 1.5,
                dashed=fate != "kept",
            )
        )
    stage_view(
        StageMessage(f"fates-{look.name}", look.url, look.size, _fates_sentence(fates), tuple(layers)),
        key="explain-suppression",
    )
    st.caption(_fates_sentence(fates))
    _draw_suppressed(look, fates)


def _own_thresholds(look: Look) -> Thresholds:
    """Return thresholds that start from the sidebar's; what is tried here changes nothing there."""
    begin = look.thresholds
    # Other settings elsewhere are another beginning: what was tried before does not hold.
    since = f"{begin.score_threshold:g}-{begin.nms_threshold:g}-{begin.max_detections}"
    left, middle, right = st.columns(3)
    with left:
        score = choose_number(
            look.ui, f"fate-score-{since}", "Score threshold", SCORE_FLOOR, 1.0, begin.score_threshold, 0.01
        )
    with middle:
        nms = choose_number(
            look.ui, f"fate-nms-{since}", "NMS threshold (IoU)", 0.0, 1.0, begin.nms_threshold, 0.01
        )
    with right:
        most = choose_number(
            look.ui,
            f"fate-limit-{since}",
            "Maximum detections",
            1,
            float(max(begin.max_detections, 2)),
            float(begin.max_detections),
            1,
        )
    st.caption("For experiments: starts from the sidebar's values and changes nothing elsewhere.")
    return replace(
        begin, score_threshold=round(score, 2), nms_threshold=round(nms, 2), max_detections=int(most)
    )


def _fates_sentence(fates: Fates) -> str:
    told = [f"{fates.count(fate):,} {fate}" for fate in FATES if fates.count(fate) or fate == "kept"]
    return f"{len(fates):,} candidates: {', '.join(told)}"


def _candidate(look: Look, row: int) -> str:
    candidates = look.trace.run.candidates
    return f"{look.category(int(candidates.labels[row]))} {candidates.scores[row]:.2f}"


def _draw_suppressed(look: Look, fates: Fates) -> None:
    rows = fates.rows("suppressed")
    if not len(rows):
        return
    rows = rows[np.argsort(-fates.ious[rows], kind="stable")]
    st.dataframe(
        pd.DataFrame(
            {
                "suppressed": [_candidate(look, row) for row in rows],
                "by": [_candidate(look, int(fates.by[row])) for row in rows],
                "IoU": fates.ious[rows],
            }
        ),
        hide_index=True,
        height=212,
        key="explain-suppressed",
        column_config={"IoU": st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f")},
        alt="Which detection suppressed which candidate",
    )


# -- masks ---------------------------------------------------------------------------------------------------


def draw_mask(look: Look) -> None:
    """Draw one detection's M x M probabilities, enlarged, and thresholded."""
    found, index = look.detections, _chosen_detection(look, "mask-detection")
    if index is None:
        return
    threshold = choose_number(
        look.ui, "mask-threshold", "Mask threshold", 0.05, 0.95, look.thresholds.mask_threshold, 0.01
    )
    probs, box = found.mask_probs[index], found.boxes[index]
    region = _around(box, look.size)
    mask = found[index : index + 1].masks(threshold)[0]
    side = probs.shape[0]
    columns = st.columns(3)
    with columns[0]:
        _draw_cells(look, probs, index)
        st.caption(f"{side} × {side} probabilities")
    with columns[1]:
        soft = Layer(
            "picture", url=heat_url(probs, least=0, most=1), box=_as_box(box), smooth=True, opacity=0.85
        )
        _draw_part(look, "mask-soft", "The probabilities, enlarged over the box", (soft,), region)
        st.caption(f"enlarged to {box[2] - box[0]:.0f} × {box[3] - box[1]:.0f} pixels")
    with columns[2]:
        _draw_part(look, "mask-hard", "The mask", (_mask_layer(mask, region),), region)
        x, y, width, height = mask.box_xywh
        st.caption(f"above {threshold:.2f}: {mask.area:,} pixels, box {width} × {height} at {x}, {y}")


def _chosen_detection(look: Look, key: str) -> int | None:
    """Return the index of the chosen detection; ``None``, with a notice, if there is none."""
    count = len(look.detections)
    if not count:
        st.info(
            "There is no detection with these thresholds and categories: lower the score on the Annotate "
            "page, or choose all categories."
        )
        return None
    return choose_row(look.ui, key, "Detection", count, lambda n: harmless(look.detection_name(n)))


def _draw_cells(look: Look, probs: np.ndarray, index: int) -> None:
    side = probs.shape[0]
    stage_view(
        StageMessage(
            f"mask-cells-{index}-{look.name}",
            heat_url(probs, least=0, most=1),
            (side, side),
            f"The {side} by {side} probabilities of the mask head",
            smooth=False,
            height=340,
        ),
        key="explain-mask-cells",
    )


def _draw_part(look: Look, key: str, alt: str, layers: tuple[Layer, ...], region: Box) -> None:
    stage_view(
        StageMessage(f"{key}-{look.name}", look.url, look.size, alt, layers, region=region, height=340),
        key=f"explain-{key}",
    )


def _mask_layer(mask: Rle, region: Box) -> Layer:
    left, top, right, bottom = (round(v) for v in region)
    window = mask.window(top, left, bottom - top, right - left)
    canvas = np.zeros((*window.shape, 4), np.uint8)
    canvas[window] = (*_CUT, 150)
    url = data_url(encode_png(canvas, compress_level=1), "image/png")
    return Layer("picture", url=url, box=(left, top, right, bottom), smooth=False)


def _around(box: np.ndarray, size: tuple[int, int]) -> Box:
    x1, y1, x2, y2 = (float(v) for v in box)
    more = max(x2 - x1, y2 - y1) * _MARGIN + 2
    height, width = size
    return (
        float(max(int(x1 - more), 0)),
        float(max(int(y1 - more), 0)),
        float(min(int(x2 + more) + 1, width)),
        float(min(int(y2 + more) + 1, height)),
    )


def _as_box(box: np.ndarray) -> Box:
    x1, y1, x2, y2 = (float(v) for v in box)
    return x1, y1, x2, y2


# -- kinds ---------------------------------------------------------------------------------------------------


def draw_kinds(look: Look) -> None:
    """Draw the same result as boxes, as instances, by category, and as one segment."""
    found = look.detections
    kind = choose_one(
        look.ui, "kind", "Show", ("boxes (Faster R-CNN)", "instances (Mask R-CNN)", "semantic", "segment")
    )
    rows = np.arange(len(found))
    boxes = Layer(
        "boxes",
        found.boxes,
        tuple(hex_color(look.color(int(n))) for n in rows) or ("#ffffff",),
        labels=tuple(f"{look.category(int(found.labels[n]))} {found.scores[n]:.2f}" for n in rows),
    )
    if kind == "segment":
        _draw_segment(look)
        return
    layers: tuple[Layer, ...] = (boxes,)
    if kind == "instances (Mask R-CNN)":
        layers = (look.mask_layer(rows, [look.color(int(n)) for n in rows], 0.55), boxes)
    elif kind == "semantic":
        label_map = look.predictor.model.label_map
        colors = [category_color(label_map.category(int(label)).id) for label in found.labels]
        named = {look.category(int(label)): color for label, color in zip(found.labels, colors, strict=True)}
        legend = (Layer("boxes", (), (hex_color(color),), name) for name, color in sorted(named.items()))
        layers = (look.mask_layer(rows, colors, 0.7), *legend)
    stage_view(
        StageMessage(f"kinds-{look.name}", look.url, look.size, f"The image with {kind}", layers),
        key="explain-kinds",
    )
    height, width = look.size
    masks = [mask for mask in found.masks(look.thresholds.mask_threshold) if mask.area]
    count = len(masks)
    squares = counted(count, "small square")
    empty = f" {len(found) - count} more have no pixels and are left out." if len(found) > count else ""
    st.caption(
        f"All masks as one array: ({height}, {width}, {count}), {height * width * count / 1e6:,.1f} MB as "
        f"bytes; as {squares} next to their boxes {found.mask_probs.nbytes / 1e3:,.0f} kB, as run lengths "
        f"{sum(len(mask.counts) for mask in masks) / 1e3:,.1f} kB.{empty}"
    )


def _draw_segment(look: Look) -> None:
    found, index = look.detections, _chosen_detection(look, "segment-detection")
    if index is None:
        return
    multiply = switch(look.ui, "segment-all", "Multiply by the mask", True, help="Mask times image")
    region = _around(found.boxes[index], look.size)
    left, top, right, bottom = (int(v) for v in region)
    mask = found[index : index + 1].masks(look.thresholds.mask_threshold)[0]
    window = mask.window(top, left, bottom - top, right - left)
    part = look.pixels()[top:bottom, left:right]
    if multiply:
        part = part * window[..., None]
    height, width = part.shape[:2]
    stage_view(
        StageMessage(
            f"segment-{index}-{look.name}",
            data_url(encode_png(np.ascontiguousarray(part), compress_level=1), "image/png"),
            (height, width),
            "The segment: the mask times the image",
            smooth=False,
            height=420,
        ),
        key="explain-segment",
    )
    st.caption(
        plain(
            f"mask ({height}, {width}) of 0 and 1 × image ({height}, {width}, 3) = segment "
            f"({height}, {width}, 3); {mask.area:,} pixels are not zero."
        )
    )
