"""Panels of the first half of the stages: from the image to the regions of interest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from maskrcnn_core.common.arrays import Box
from maskrcnn_core.drawing.palette import hex_color, instance_color
from maskrcnn_core.explain.misses import SAME
from maskrcnn_core.explain.roi_crops import RoiCrop, crop_region
from maskrcnn_core.explain.trace import AnchorLevel, FeatureMap
from pages.components.stage_view import Layer, Slider, StageMessage, answer_of, stage_view
from pages.explain.controls import choose_number, choose_one, choose_row, switch
from pages.explain.look import Look, heat_colors, heat_url
from pages.shared.texts import harmless, plain

__all__ = [
    "draw_anchors",
    "draw_backbone",
    "draw_input",
    "draw_iou",
    "draw_proposals",
    "draw_pyramid",
    "draw_roi_align",
]

_MOST_PROPOSALS = 1000
_FADE = Slider("Image ... channel", 0, 1, 0.01, 0.75)
_REGION = "#ffd700"


def draw_input(look: Look) -> None:
    """Draw the normalised input, one colour at a time."""
    channel = choose_one(look.ui, "input-channel", "Channel", ("red", "green", "blue"))
    values = look.trace.input.values[("red", "green", "blue").index(channel)]
    height, width = look.size
    # a tenth of a million of values is more than the screen shows of a small picture
    step = max(max(values.shape) // 600, 1)
    heat = Layer(
        "picture", url=heat_url(values[::step, ::step]), box=(0, 0, width, height), smooth=True, faded=True
    )
    stage_view(
        StageMessage(
            f"input-{look.name}",
            look.url,
            look.size,
            f"The normalised {channel} of the input over the image",
            (heat,),
            slider=_FADE,
        ),
        key="explain-input",
    )
    told = f"{channel}: mean {values.mean():.2f}, spread {values.std():.2f}."
    if any(look.trace.input.mean) and _is_scaled(look.trace.input.std):
        st.caption(f"{told} A photo like those in training would have about 0 and 1.")
    elif any(look.trace.input.mean):
        st.caption(f"{told} This network only subtracts a mean: nothing is divided.")
    else:
        st.caption(
            f"{told} This network was trained without subtracting a mean: the values stay as they are."
        )


def _is_scaled(std: tuple[float, float, float]) -> bool:
    """Whether values are divided by what they spread in photos: not by 1, nor by a byte's 255."""
    return all(1.5 / 255 < value < 0.9 for value in std)


def draw_backbone(look: Look) -> None:
    """Draw feature maps within the backbone."""
    _draw_maps(look, "backbone", look.trace.backbone)


def draw_pyramid(look: Look) -> None:
    """Draw the feature maps that the heads read."""
    _draw_maps(look, "pyramid", look.trace.pyramid)


def _draw_maps(look: Look, key: str, maps: tuple[FeatureMap, ...]) -> None:
    # a module that is only numbered says nothing to people
    names = [m.name if m.module.isdigit() else f"{m.name} ({m.module})" for m in maps]
    level = maps[names.index(choose_one(look.ui, f"{key}-level", "Level", names))]
    average = switch(look.ui, f"{key}-average", "All channels together", True, help="Mean of absolute values")
    if average:
        url, text = heat_url(level.strength), "mean of the absolute values of all channels"
    else:
        rank = choose_number(
            look.ui,
            f"{key}-channel-{level.name}",
            "Channel, widest range of values first",
            0,
            float(max(level.channels - 1, 1)),
            0,
            1,
        )
        channel = int(level.strongest[min(int(rank), level.channels - 1)])
        url = heat_url(level.pictures[channel], least=0, most=255)
        text = (
            f"channel {channel} of {level.channels}: {level.low[channel]:.2f} to {level.high[channel]:.2f}, "
            f"mean {level.mean[channel]:.2f}"
        )
    stage_view(
        StageMessage(
            f"{key}-{look.name}",
            look.url,
            look.size,
            f"Level {level.name} over the image: {text}",
            (look.over_image(url, faded=True),),
            slider=_FADE,
        ),
        key=f"explain-{key}",
    )
    cells = f"{level.size[0]} × {level.size[1]} cells of {level.stride:.0f} × {level.stride:.0f} pixels"
    st.caption(plain(f"{level.name}: {cells}; {text}"))


# -- anchors and proposals -----------------------------------------------------------------------------


def draw_anchors(look: Look) -> None:
    """Draw the anchors at a clicked point."""
    levels = look.trace.anchors
    height, width = look.size
    chosen = choose_one(look.ui, "anchor-level", "Level", ["all", *(level.name for level in levels)])
    message = StageMessage(
        f"anchors-{look.name}",
        look.url,
        look.size,
        "Anchors at the chosen point",
        asks="point",
        point=(width / 2, height / 2),
    )
    x, y = answer_of(message, key="explain-anchors").point or (width / 2, height / 2)
    to_image = look.trace.to_image
    layers, rows = [], []
    for number, level in enumerate(levels):
        if chosen not in ("all", level.name):
            continue
        row, column = level.cell_at(x / float(to_image[0]), y / float(to_image[1]))
        color = hex_color(instance_color(number))
        boxes = look.in_image(level.boxes[row, column])
        layers.append(Layer("boxes", boxes, (color,), f"{level.name}: {level.per_cell}", width=1.5))
        rows += _anchor_rows(level, row, column)
    table = pd.DataFrame(rows)
    stage_view(_with_layers(message, layers), key="explain-anchors")
    st.caption(
        f"{len(rows)} anchors at this point: click elsewhere to see others. Most likely an object: "
        f"{table['objectness'].max():.3f}."
    )
    st.dataframe(
        table.sort_values("objectness", ascending=False),
        hide_index=True,
        height=212,
        key="explain-anchor-table",
        column_config={
            "objectness": st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f")
        },
        alt="The anchors at this point, most likely object first",
    )


def _anchor_rows(level: AnchorLevel, row: int, column: int) -> list[dict[str, object]]:
    boxes, objectness = level.boxes[row, column], level.objectness[row, column]
    return [
        {
            "level": level.name,
            "width": float(box[2] - box[0]),
            "height": float(box[3] - box[1]),
            "objectness": float(score),
        }
        for box, score in zip(boxes, objectness, strict=True)
    ]


def draw_proposals(look: Look) -> None:
    """Draw the best proposals, before and after suppression, or objectness as a picture."""
    proposals = look.trace.proposals
    view = choose_one(look.ui, "proposals-view", "Show", ("after suppression", "before", "objectness"))
    if view == "objectness":
        _draw_objectness(look)
        return
    if view == "before":
        rows = np.argsort(-proposals.scores, kind="stable")[:_MOST_PROPOSALS]
    else:
        rows = proposals.kept[:_MOST_PROPOSALS]
    if not len(rows):
        st.info(
            "No proposals: nothing in this image looks like an object to this model. "
            "Take another image or model."
        )
        return
    scores = proposals.scores[rows]
    most = len(rows)
    layer = Layer(
        "boxes",
        look.in_image(proposals.boxes[rows]),
        heat_colors(scores),
        "brighter means more like an object",
        width=1.5,
        counted=True,
    )
    message = StageMessage(
        f"proposals-{view}-{look.name}",
        look.url,
        look.size,
        f"The best proposals {view}",
        (layer,),
        slider=Slider("Proposals, best first", 1, max(most, 2), 1, min(50, most)),
    )
    count = int(answer_of(message, key="explain-proposals").value or 1)
    stage_view(message, key="explain-proposals")
    last = scores[min(count, most) - 1]
    st.caption(f"Objectness of the best: {scores[0]:.3f}; of no. {min(count, most)}: {last:.3f}.")


def _draw_objectness(look: Look) -> None:
    levels = look.trace.anchors
    name = choose_one(look.ui, "objectness-level", "Level", [level.name for level in levels])
    number = [level.name for level in levels].index(name)
    best = levels[number].objectness.max(axis=2)
    stage_view(
        StageMessage(
            f"objectness-{look.name}",
            look.url,
            look.size,
            f"The best objectness at each cell of {name}",
            (look.over_image(heat_url(best, least=0, most=1), faded=True),),
            slider=_FADE,
        ),
        key="explain-objectness",
    )
    st.caption(plain(f"{name}: {int((best > 0.5).sum())} of {best.size:,} cells have an anchor above 0.5."))


# -- IoU -------------------------------------------------------------------------------------------------


def draw_iou(look: Look) -> None:
    """Draw two boxes to drag, and which regions pass against the second one."""
    names, boxes, source = _objects(look)
    height, width = look.size
    if len(names):
        index = choose_row(
            look.ui, "iou-object", f"Object ({source})", len(names), lambda n: harmless(names[n])
        )
        x1, y1, x2, y2 = (float(v) for v in boxes[index])
        target: Box = (max(x1, 0), max(y1, 0), min(x2, width), min(y2, height))
        scene = f"iou-{index}-{look.name}"
    else:
        target, scene = (width * 0.3, height * 0.3, width * 0.7, height * 0.7), f"iou-{look.name}"
    third = (target[2] - target[0]) / 3
    shift = min(third, width - target[2]) if width - target[2] >= target[0] else -min(third, target[0])
    other: Box = (target[0] + shift, target[1], target[2] + shift, target[3])
    regions = look.in_image(look.trace.regions.boxes)
    stage_view(
        StageMessage(
            scene,
            look.url,
            look.size,
            "Two boxes you can drag, and the regions of interest, green if they pass",
            (Layer("boxes", regions, title="regions: pass or fail", width=1, judged=True),),
            slider=Slider("IoU to pass", 0, 1, 0.01, SAME),
            boxes=(other, target),
            box_names=("your box", "object"),
        ),
        key="explain-iou",
    )
    st.caption(
        "Drag a box, or one of its corners; the arrow keys move the last one by a pixel, Shift by ten."
    )


def _objects(look: Look) -> tuple[tuple[str, ...], np.ndarray, str]:
    if look.truth is not None:
        truth = look.truth.without_crowds()
        names = tuple(f"{n}. {name}" for n, name in enumerate(truth.names, start=1))
        return names, truth.boxes, f"ground truth: {truth.source}"
    found = look.detections
    return tuple(map(look.detection_name, range(len(found)))), found.boxes, "detections"


# -- RoIAlign ----------------------------------------------------------------------------------------------


def draw_roi_align(look: Look) -> None:
    """Draw one region on its feature map: bins, sampling points, and the crop."""
    regions = look.trace.regions
    if not len(regions.boxes):
        st.info(
            "There is no region to crop: nothing in this image looks like an object to this model. "
            "Take another image or model."
        )
        return
    index = choose_row(
        look.ui, "roi-region", "Region", min(len(regions.boxes), 100), lambda n: _region(look, n)
    )
    head = choose_one(look.ui, "roi-head", "For the", ("box head", "mask head"))
    crop = crop_region(
        look.predictor,
        look.trace,
        regions.boxes[index],
        look.pixels,
        head="mask" if head == "mask head" else "box",
    )
    strongest = np.argsort(-np.abs(crop.crop).mean((1, 2)), kind="stable")
    rank = choose_number(
        look.ui,
        ("roi-channel"),
        "Channel, strongest in this region first",
        0,
        float(len(strongest) - 1),
        0,
        1,
    )
    channel = int(strongest[int(rank)])
    show_points = switch(look.ui, "roi-points", "Sampling points", True)
    show_rounded = switch(
        look.ui, "roi-rounded", "RoIPool's grid", False, help="Rounded to whole cells, as RoIPool did"
    )
    left, middle, right = st.columns([1.2, 1.2, 1])
    with left:
        _draw_region(look, index)
    with middle:
        _draw_window(look, crop, channel, index, show_points, show_rounded)
    with right:
        _draw_crop(look, crop, channel, index)
    level = look.trace.pyramid[crop.level]
    across, down = crop.box[2:] - crop.box[:2]
    rows, columns, points_down, points_across = crop.points.shape[:4]
    told = (
        f"Cropped from {level.name}, where a cell is {crop.stride:.0f} pixels: {across:.2f} × {down:.2f} "
        f"cells become {rows} × {columns} bins, each the mean of {points_down} × {points_across} points; "
        f"{crop.crop.shape[0]} channels, here no. {channel}."
    )
    st.caption(plain(told))


def _region(look: Look, index: int) -> str:
    regions = look.trace.regions
    label = int(regions.scores[index].argmax())
    return f"{index + 1}. {harmless(look.category(label))}, objectness {regions.objectness[index]:.2f}"


def _draw_region(look: Look, index: int) -> None:
    boxes = look.in_image(look.trace.regions.boxes[[index]])
    stage_view(
        StageMessage(
            f"roi-{look.name}",
            look.url,
            look.size,
            "The region in the image",
            (Layer("boxes", boxes, (_REGION,), "region of interest", width=2.5),),
            height=300,
        ),
        key="explain-roi-image",
    )


def _draw_window(
    look: Look, crop: RoiCrop, channel: int, index: int, show_points: bool, show_rounded: bool
) -> None:
    top, left = crop.corner
    size = crop.window.shape[1], crop.window.shape[2]
    # The value of a cell is read at its number: its square reaches half a cell to each side.
    shift = np.array([0.5 - left, 0.5 - top])
    xs, ys = crop.edges
    layers = [_grid(xs + shift[0], ys + shift[1], "#ffffff", "bins", dashed=False)]
    if show_rounded:
        xs, ys = crop.rounded
        layers.append(_grid(xs + shift[0], ys + shift[1], "#ff4b4b", "RoIPool", dashed=True))
    if show_points:
        points = crop.points.reshape(-1, 2) + shift
        layers.append(Layer("points", points, (_REGION,), "points", width=2))
    stage_view(
        StageMessage(
            f"roi-window-{index}-{look.name}",
            heat_url(crop.window[channel]),
            size,
            "The cells of the feature map around the region, with bins and points",
            tuple(layers),
            smooth=False,
            height=300,
        ),
        key="explain-roi-window",
    )


def _grid(xs: np.ndarray, ys: np.ndarray, color: str, title: str, *, dashed: bool) -> Layer:
    lines = [(x, ys[0], x, ys[-1]) for x in xs] + [(xs[0], y, xs[-1], y) for y in ys]
    return Layer("lines", lines, (color,), title, width=1, dashed=dashed)


def _draw_crop(look: Look, crop: RoiCrop, channel: int, index: int) -> None:
    side = crop.side
    stage_view(
        StageMessage(
            f"roi-crop-{index}-{look.name}",
            heat_url(crop.crop[channel]),
            (side, side),
            f"The crop of {side} by {side} bins",
            (),
            smooth=False,
            height=300,
        ),
        key="explain-roi-crop",
    )


def _with_layers(message: StageMessage, layers: list[Layer]) -> StageMessage:
    return replace(message, layers=tuple(layers))
