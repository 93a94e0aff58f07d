"""Figures of detections against the truth; they know nothing of a session."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from maskrcnn_core.drawing.board import GREEN, RED
from maskrcnn_core.drawing.palette import hex_color
from maskrcnn_core.evaluation.differences import Grid, grid_of, steps_of
from maskrcnn_core.evaluation.image_scores import Curve
from maskrcnn_core.evaluation.matching import Comparison, Matches

__all__ = ["curve_figure", "overlaps_figure"]

_WORDS = 24
"""Rows, and columns, up to which each cell has its IoU written in it."""
_NAMED = 40
"""Rows, or columns, up to which each has its name beside it; beyond, the pointer tells it."""
_CELL = 30  # pixels
_POINTS = "#1f77b4"
_MARGIN = {"l": 10, "r": 10, "t": 60, "b": 40}


def overlaps_figure(
    comparison: Comparison, matches: Matches, names: Mapping[int, str], score_threshold: float
) -> go.Figure:
    """Draw the grid of overlaps, objects from the top and detections from the left.

    Matches are framed green, pairs of two categories that overlap as much red and dotted. However large
    the grid, the pointer tells what a cell is.

    Args:
        comparison: of the image.
        matches: of the comparison.
        names: category id to name.
        score_threshold: of the detections.
    """
    grid = grid_of(comparison, matches, score_threshold)
    truth, found = comparison.truth, comparison.found
    rows = [f"{int(n) + 1}. {_plain(names[int(truth.category_ids[n])])}" for n in grid.truth]
    columns = [
        f"{place}. {_plain(names[int(found.category_ids[n])])} {found.scores[n]:.2f}"
        for place, n in enumerate(grid.found, start=1)
    ]
    with_words = len(rows) <= _WORDS and len(columns) <= _WORDS
    heat = go.Heatmap(
        z=grid.ious,
        zmin=0,
        zmax=1,
        colorscale="Viridis",
        text=_words(grid),
        texttemplate="%{text}" if with_words else None,
        textfont={"size": 11},
        customdata=_hovers(grid, rows, columns),
        hovertemplate="%{customdata}<extra></extra>",
        xgap=1,
        ygap=1,
        colorbar={"title": "IoU", "thickness": 12},
    )
    figure = go.Figure(heat)
    for cells, color, dash in ((grid.wrong, RED, "dot"), (grid.matches, GREEN, "solid")):
        for row, column in cells:
            figure.add_shape(
                type="rect",
                x0=column - 0.5,
                x1=column + 0.5,
                y0=row - 0.5,
                y1=row + 0.5,
                line={"color": hex_color(color), "width": 3, "dash": dash},
            )
    figure.update_xaxes(**_axis(columns), title="detections, best score first", side="bottom", tickangle=-60)
    figure.update_yaxes(**_axis(rows), title="objects", autorange="reversed")
    return figure.update_layout(
        title="Overlaps: matches green, another category red",
        height=min(max(220 + _CELL * len(rows), 340), 900),
        margin=_MARGIN,
    )


def _axis(names: list[str]) -> dict[str, object]:
    if len(names) > _NAMED:
        return {"showticklabels": False, "automargin": True}
    return {"tickvals": list(range(len(names))), "ticktext": names, "automargin": True}


def _words(grid: Grid) -> list[list[str]]:
    return [[f"{iou:.2f}".removeprefix("0") if iou >= 0.01 else "" for iou in row] for row in grid.ious]


def _hovers(grid: Grid, rows: list[str], columns: list[str]) -> list[list[str]]:
    said = dict.fromkeys(grid.matches, "match") | dict.fromkeys(grid.wrong, "another category")
    return [
        [
            f"object {row}<br>detection {column}<br>IoU {grid.ious[r, c]:.3f}"
            + (f"<br>{said[r, c]}" if (r, c) in said else "")
            for c, column in enumerate(columns)
        ]
        for r, row in enumerate(rows)
    ]


def curve_figure(curve: Curve, iou: float, score_threshold: float) -> go.Figure:
    """Draw precision against recall down all detections, the envelope, and where the score threshold stands.

    Args:
        curve: of the image.
        iou: that it is for.
        score_threshold: detections above it are what the page shows.
    """
    xs, ys = steps_of(curve)
    shown = int((curve.scores > score_threshold).sum())
    figure = go.Figure(
        [
            go.Scatter(x=xs, y=ys, mode="lines", name="envelope", line={"color": hex_color(RED), "width": 2}),
            go.Scatter(
                x=curve.recalls if curve.truths else [],
                y=curve.precisions if curve.truths else [],
                mode="lines+markers",
                name="each detection",
                line={"color": _POINTS, "width": 1, "dash": "dot"},
                text=[f"score {score:.2f}" for score in curve.scores],
                hovertemplate="%{text}<br>recall %{x:.2f}, precision %{y:.2f}<extra></extra>",
            ),
        ]
    )
    if shown and curve.truths:
        figure.add_trace(
            go.Scatter(
                x=[curve.recalls[shown - 1]],
                y=[curve.precisions[shown - 1]],
                mode="markers",
                name="your score threshold",
                marker={"symbol": "diamond", "size": 13, "color": hex_color(GREEN), "line": {"width": 1}},
                hovertemplate="recall %{x:.2f}, precision %{y:.2f}<extra>your score threshold</extra>",
            )
        )
    area = curve.area()
    told = "no objects" if np.isnan(area) else f"area {area:.3f}"
    figure.update_xaxes(title="recall", range=[-0.02, 1.02])
    figure.update_yaxes(title="precision", range=[-0.02, 1.05])
    return figure.update_layout(
        title=f"Precision against recall at IoU {iou:.2f}: {told}",
        height=400,
        margin=_MARGIN | {"b": 90},
        legend={"orientation": "h", "x": 0, "y": -0.28},
    )


def _plain(text: str) -> str:
    """Escape what Plotly takes for HTML in labels: names of categories come from outside."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
