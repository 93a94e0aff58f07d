"""Figures and table of the weights: what they show is what the core says."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from maskrcnn_core.explain.blocks import Block
from maskrcnn_core.explain.layers import layers_of
from maskrcnn_core.models.loading import get_model
from pages.explain.weights_charts import blocks_figure, histogram_figure, layers_table

CONV = "backbone.body.layer1.0.conv1"


@pytest.fixture(scope="module")
def layers():
    model = get_model("shapes")
    network = copy.deepcopy(model.network)
    weight = dict(network.named_modules())[CONV].weight
    with torch.no_grad():
        weight[3] = 0
        weight[5, 0, 0, 0] = np.nan
        weight[6, 0, 0, 0] = 1e4
    return layers_of(replace(model, network=network))


def make_block(name="C2", group="backbone", share=0.5, **changes):
    values = {
        "parts": ("maxpool", "layer1"),
        "parameters": 1234,
        "maps": ((64, 30, 40),),
        "output": "64 × 30 × 40",
        "silent": 2,
        "seconds": 0.25,
        "parameter_share": share,
        "time_share": 1 - share,
    }
    return Block(name=name, group=group, **(values | changes))


def test_each_block_has_two_bars_with_their_numbers():
    blocks = [make_block("input", "input", 0.25, maps=(), silent=None), make_block(share=0.75)]
    figure = blocks_figure(blocks)
    parameters, times = figure.data
    assert list(parameters.x) == [0.25, 0.75] and list(times.x) == [0.75, 0.25]
    assert parameters.y == times.y == ("input<br>64 × 30 × 40", "C2 (backbone)<br>64 × 30 × 40")
    assert parameters.text[1] == "1,234 (75%)" and times.text[1] == "250 ms (25%)"
    assert "2 of 64 channels silent" in parameters.hovertext[1]
    assert "silent" not in parameters.hovertext[0]
    assert figure.layout.yaxis.autorange == "reversed", "the image comes first, so it is on top"


def test_names_are_text_and_not_markup():
    figure = blocks_figure([make_block("<b>x</b>", parts=("<i>",))])
    assert figure.data[0].y[0].startswith("&lt;b>x")
    assert "<i>" not in figure.data[0].hovertext[0]


def test_no_blocks_make_an_empty_figure():
    assert not blocks_figure([]).data[0].x


def test_every_weight_is_in_a_bar_and_every_output_is_a_mark(layers):
    layer = next(each for each in layers if each.name == CONV)
    bars, usual, dead, odd = histogram_figure(layer).data
    assert sum(count or 0 for count in bars.y) == layer.counts.sum()
    assert list(dead.x) == [3] and list(odd.x) == [5, 6]
    assert len(usual.x) + len(dead.x) + len(odd.x) == layer.outputs
    assert dead.marker.color != usual.marker.color != odd.marker.color
    assert all(np.isfinite(trace.y).all() for trace in (usual, dead, odd))


def test_a_layer_like_others_has_no_marks_of_odd_ones(layers):
    layer = next(each for each in layers if not each.oddities)
    assert len(histogram_figure(layer).data) == 2


def test_the_table_has_a_row_for_each_layer(layers):
    table = layers_table(layers)
    assert list(table["layer"]) == [layer.name for layer in layers]
    odd = table[table["oddities"] != ""]
    assert list(odd["layer"]) == [CONV]
    assert "dead" in odd["oddities"].iloc[0] and "NaN" in odd["oddities"].iloc[0]
    assert layers_table([]).columns.tolist() == table.columns.tolist()
