"""Each stage of the core's table has a panel, no panel is without a stage, and legends name what is drawn."""

from types import SimpleNamespace

import numpy as np
import pytest

from maskrcnn_core.explain.stages import STAGES
from pages.explain.missed import _layers
from pages.explain.panels import PANELS


def test_panels_and_stages_are_the_same_table():
    assert list(PANELS) == [stage.key for stage in STAGES]


@pytest.mark.parametrize(
    ("verdict", "titles"),
    [
        ("twice", {"on this object": 2}),
        ("suppressed", {"dropped": 1, "what stood in its way": 1}),
    ],
)
def test_the_legend_of_a_missed_object_names_all_that_is_drawn(verdict, titles):
    boxes = np.array([[1, 1, 5, 5], [2, 2, 6, 6]], float)
    candidates = SimpleNamespace(boxes=boxes, labels=np.array([1, 1]), scores=np.array([0.9, 0.8]))
    look = SimpleNamespace(
        trace=SimpleNamespace(run=SimpleNamespace(candidates=candidates)),
        category=lambda label: "cell",
        in_image=lambda boxes: boxes,
    )
    anchor = {"anchor_box": boxes[0], "anchor_iou": 0.5, "proposal_box": None, "proposal_iou": 0.0}
    layers = _layers(look, SimpleNamespace(verdict=verdict, rows=(0, 1), **anchor))
    assert {layer.title: len(layer.items) for layer in layers[1:]} == titles
    assert all(layer.title and len(set(layer.colors)) == 1 for layer in layers)
