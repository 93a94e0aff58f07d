"""Figures and a table of a network's blocks and weights; they know nothing of a session."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from maskrcnn_core.explain.blocks import Block
from maskrcnn_core.explain.layers import Layer

__all__ = ["blocks_figure", "histogram_figure", "layers_table"]

# Of middling lightness: three to one and better on white and on the dark theme's ground.
_PARAMETERS = "#3b82c4"
_TIME = "#bf6d0e"
_DEAD = "#d6404a"
_ODD = "#a855c7"

_TALL = 46  # pixels for each block with its two bars


def blocks_figure(blocks: Sequence[Block]) -> go.Figure:
    """Draw the blocks from top to bottom as an image goes through them, each with two bars.

    One is its share of the network's parameters, the other its share of the time that was measured.
    """
    labels = [_label(block) for block in blocks]
    parameters = [f"{block.parameters:,} ({block.parameter_share:.0%})" for block in blocks]
    times = [f"{_seconds(block.seconds)} ({block.time_share:.0%})" for block in blocks]
    hovers = [_hover(block) for block in blocks]
    figure = go.Figure(
        [
            _bars("parameters", labels, [b.parameter_share for b in blocks], parameters, hovers, _PARAMETERS),
            _bars("time on this image", labels, [b.time_share for b in blocks], times, hovers, _TIME),
        ]
    )
    most = max([*(b.parameter_share for b in blocks), *(b.time_share for b in blocks)], default=1.0)
    # Room for the numbers next to the longest bar.
    figure.update_xaxes(range=[0, 1.35 * (most or 1.0)], tickformat=".0%", title="share of the whole")
    figure.update_yaxes(autorange="reversed", automargin=True)
    return figure.update_layout(
        title="Blocks, from the image to the masks",
        barmode="group",
        bargap=0.25,
        height=130 + _TALL * max(len(blocks), 1),
        margin={"l": 10, "r": 10, "t": 70, "b": 40},
        legend=_LEGEND,
    )


def histogram_figure(layer: Layer) -> go.Figure:
    """Draw how a layer's weights are spread, and how strong each output is, with the odd ones marked.

    Weights are counted on a logarithmic scale, on which a single one among millions is still seen.
    """
    figure = make_subplots(
        rows=2, vertical_spacing=0.24, subplot_titles=("How many weights", "Strength of each output")
    )
    centres = (layer.edges[:-1] + layer.edges[1:]) / 2
    # A zero has no place on a logarithmic scale.
    counts = [int(count) or None for count in layer.counts]
    figure.add_trace(
        go.Bar(
            x=centres,
            y=counts,
            width=np.diff(layer.edges),
            marker_color=_PARAMETERS,
            showlegend=False,
            hovertemplate="%{y:,} weights around %{x:.4g}<extra></extra>",
        ),
        row=1,
        col=1,
    )
    for trace in _output_marks(layer):
        figure.add_trace(trace, row=2, col=1)
    # From below one, so that a bar of one weight has a height.
    top = np.log10(max(int(layer.counts.max(initial=1)), 1)) + 0.3
    figure.update_yaxes(type="log", range=[-0.3, top], dtick=1, row=1, col=1)
    figure.update_xaxes(title="weight", row=1, col=1)
    figure.update_xaxes(title="output", row=2, col=1)
    figure.update_yaxes(title="norm", row=2, col=1)
    figure.update_annotations(x=0, xanchor="left")  # the legend is on the right
    return figure.update_layout(
        title=_plain(f"{layer.name}: {layer.kind}"),
        height=480,
        bargap=0,
        margin={"l": 10, "r": 10, "t": 90, "b": 40},
        legend=_LEGEND,
    )


def layers_table(layers: Sequence[Layer]) -> pd.DataFrame:
    """Build a table with one row per layer; ``oddities`` is empty if nothing is odd."""
    return pd.DataFrame(
        {
            "layer": [layer.name for layer in layers],
            "group": [layer.group for layer in layers],
            "kind": [layer.kind for layer in layers],
            "shape": [" × ".join(map(str, layer.shape)) for layer in layers],
            "parameters": [layer.parameters for layer in layers],
            "least": [layer.least for layer in layers],
            "greatest": [layer.greatest for layer in layers],
            "mean": [layer.mean for layer in layers],
            "deviation": [layer.deviation for layer in layers],
            "zeros %": [100 * layer.zeros for layer in layers],
            "outputs": [layer.outputs for layer in layers],
            "dead": [len(layer.dead) for layer in layers],
            "oddities": [" ".join(layer.oddities) for layer in layers],
        }
    )


_LEGEND = {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"}


def _bars(
    name: str, labels: list[str], shares: list[float], texts: list[str], hovers: list[str], color: str
) -> go.Bar:
    return go.Bar(
        name=name,
        x=shares,
        y=labels,
        orientation="h",
        marker_color=color,
        text=texts,
        textposition="outside",
        cliponaxis=False,
        hovertext=hovers,
        hoverinfo="text",
    )


def _output_marks(layer: Layer) -> list[go.Scatter]:
    """Mark outputs by their number, in up to three kinds; NaNs stand on the base line."""
    strengths = np.where(np.isfinite(layer.norms), layer.norms, 0.0)
    dead, odd = set(layer.dead.tolist()), set(layer.odd.tolist())
    usual = [n for n in range(layer.outputs) if n not in dead | odd]
    kinds = (
        ("usual", usual, _PARAMETERS, "circle", 5),
        ("dead", sorted(dead), _DEAD, "x", 9),
        ("with odd weights", sorted(odd - dead), _ODD, "diamond", 10),
    )
    return [
        go.Scatter(
            name=f"{name} ({len(which):,})",
            x=which,
            y=strengths[which],
            mode="markers",
            marker={"color": color, "symbol": symbol, "size": size},
            text=[f"output {n}: {layer.norms[n]:.4g}" for n in which],
            hoverinfo="text",
        )
        for name, which, color, symbol, size in kinds
        if which
    ]


def _label(block: Block) -> str:
    """Return two lines: the block and its output, in full only if that is short."""
    name = block.name if block.name == block.group else f"{block.name} ({block.group})"
    output = f"{len(block.maps)} maps" if len(block.maps) > 1 else block.output
    return f"{_plain(name)}<br>{_plain(output)}"


def _hover(block: Block) -> str:
    lines = [
        f"{block.name}: {', '.join(block.parts)}",
        f"output: {block.output}",
        f"{block.parameters:,} parameters, {block.parameter_share:.1%} of all",
        f"{_seconds(block.seconds)}, {block.time_share:.1%} of the time",
    ]
    if block.silent is not None:
        lines.append(f"{block.silent:,} of {sum(m[0] for m in block.maps):,} channels silent on this image")
    return "<br>".join(map(_plain, lines))


def _seconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _plain(text: str) -> str:
    """Escape what Plotly takes for HTML in labels: names of modules come from outside."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
