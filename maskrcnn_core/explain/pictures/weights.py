"""Pictures of what a model is made of."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from maskrcnn_core.drawing.board import (
    AMBER,
    BLUE,
    bars,
)
from maskrcnn_core.explain.blocks import blocks_of
from maskrcnn_core.explain.layers import Layer, layers_of
from maskrcnn_core.explain.pictures.base import Picture
from maskrcnn_core.explain.traced_image import TracedImage
from maskrcnn_core.models.spec import LoadedModel

__all__ = ["draw_weights"]
_ODD = 3  # layers that are named


# -- the model ------------------------------------------------------------------------------------------


_LAYERS: WeakKeyDictionary[LoadedModel, tuple[Layer, ...]] = WeakKeyDictionary()


def _layers_of(model: LoadedModel) -> tuple[Layer, ...]:
    """Return a model's layers, inspected only once: a ResNet-50 has 44 million weights."""
    if model not in _LAYERS:
        _LAYERS[model] = layers_of(model)
    return _LAYERS[model]


def draw_weights(traced: TracedImage) -> tuple[Picture, ...]:
    """Draw the blocks by parameters and by time, and say how many layers look odd."""
    model = traced.predictor.model
    blocks = blocks_of(model, traced.trace)
    odd = [layer for layer in _layers_of(model) if layer.oddities]
    told = (
        "; ".join(f"{layer.name}: {layer.oddities[0]}" for layer in odd[:_ODD])
        or "None of its layers looks odd."
    )
    return (
        Picture(
            bars([(block.name, block.parameter_share) for block in blocks], color=BLUE),
            "Each block's share of the parameters",
            f"{sum(block.parameters for block in blocks):,} learned numbers. {told or 'No layer looks odd.'}",
        ),
        Picture(
            bars([(block.name, block.time_share) for block in blocks], color=AMBER),
            "Each block's share of the time",
            f"{sum(block.seconds for block in blocks):.2f} s on this image, measured once.",
        ),
    )
