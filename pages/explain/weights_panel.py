"""The panel of the network's blocks and weights."""

from __future__ import annotations

import streamlit as st

from maskrcnn_core.explain.blocks import blocks_of
from maskrcnn_core.explain.layers import Layer, layers_of
from maskrcnn_core.models.spec import LoadedModel
from pages.explain.controls import choose_row
from pages.explain.look import Look, measured_trace
from pages.explain.weights_charts import blocks_figure, histogram_figure, layers_table
from pages.shared.model_summary import draw_summary

__all__ = ["draw_weights"]

_MODELS = 4


@st.cache_resource(max_entries=_MODELS, show_spinner="Looking through the weights ...")
def _layers(digest: str, _model: LoadedModel) -> tuple[Layer, ...]:  # noqa: ARG001  # the cache's key
    return layers_of(_model)


def draw_weights(look: Look) -> None:
    """Draw blocks with their share of parameters and time; each layer's weights, and what is odd there."""
    model = look.predictor.model
    trace = measured_trace(look)
    st.plotly_chart(blocks_figure(blocks_of(model, trace)), key="explain-blocks", width="stretch")
    seconds = sum(part.seconds for part in trace.times)
    st.caption(
        f"Measured on this image: {seconds:.2f} s in all, in a second run, because the first is slower."
    )
    layers = _layers(model.digest, model)
    odd = [n for n, layer in enumerate(layers) if layer.oddities]
    if odd:
        st.warning(f"{len(odd)} of {len(layers)} layers look odd and come first.")
    else:
        st.success(f"None of the {len(layers)} layers looks odd.")
    order = odd + [n for n in range(len(layers)) if n not in set(odd)]
    names = [f"{layers[n].name}: {layers[n].kind}" for n in order]
    layer = layers[order[choose_row(look.ui, "weights-layer", "Layer", len(order), names.__getitem__)]]
    for sentence in layer.oddities:
        st.text(sentence)
    st.plotly_chart(histogram_figure(layer), key="explain-histogram", width="stretch")
    with st.expander("All layers", icon=":material/table_rows:"):
        st.dataframe(
            layers_table([layers[n] for n in order]),
            hide_index=True,
            key="explain-layers",
            alt="All layers with their weights, odd ones first",
        )
    with st.expander("Summary of the model", icon=":material/info:"):
        draw_summary(model, key="explain-summary")
