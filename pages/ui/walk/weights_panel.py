"""The panel of the network's blocks and weights."""

from __future__ import annotations

import streamlit as st

from maskrcnn_core.layers import Layer, blocks_of, layers_of
from maskrcnn_core.models import LoadedModel
from pages.ui.summary import draw_summary
from pages.ui.walk.controls import choose_row
from pages.ui.walk.look import Look, measured_stages
from pages.ui.walk.weights import blocks_figure, histogram_figure, layers_table

__all__ = ["draw_weights"]

_MODELS = 4


@st.cache_resource(max_entries=_MODELS, show_spinner="Looking through the weights ...")
def _layers(digest: str, _model: LoadedModel) -> tuple[Layer, ...]:
    return layers_of(_model)


def draw_weights(look: Look) -> None:
    """Blocks with their share of parameters and time; each layer's weights, and what is odd about them."""
    model = look.predictor.model
    stages = measured_stages(look)
    st.plotly_chart(blocks_figure(blocks_of(model, stages)), key="walk-blocks", width="stretch")
    seconds = sum(part.seconds for part in stages.times)
    st.caption(
        f"Measured on this image: {seconds:.2f} s in all, in a second run, as the first one is slower."
    )
    layers = _layers(model.digest, model)
    odd = [n for n, layer in enumerate(layers) if layer.oddities]
    if odd:
        st.warning(f"{len(odd)} of {len(layers)} layers have something odd about them: they come first.")
    else:
        st.success(f"None of the {len(layers)} layers has anything odd about it.")
    order = odd + [n for n in range(len(layers)) if n not in set(odd)]
    names = [f"{layers[n].name}: {layers[n].kind}" for n in order]
    layer = layers[order[choose_row(look.ui, "weights-layer", "Layer", len(order), names.__getitem__)]]
    for sentence in layer.oddities:
        st.text(sentence)
    st.plotly_chart(histogram_figure(layer), key="walk-histogram", width="stretch")
    with st.expander("All layers", icon=":material/table_rows:"):
        st.dataframe(
            layers_table([layers[n] for n in order]),
            hide_index=True,
            key="walk-layers",
            alt="All layers with their weights, those with something odd first",
        )
    with st.expander("Summary of the model", icon=":material/info:"):
        draw_summary(model, key="walk-summary")
