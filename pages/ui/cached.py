"""Core calls whose results all sessions share, as they depend on nothing personal."""

from __future__ import annotations

import streamlit as st

from maskrcnn_core.inference import Predictor
from maskrcnn_core.models import get_model, model_by_key
from maskrcnn_core.samples import sample_png
from pages.ui.state import UiState

__all__ = ["predictor_of", "sample_bytes"]


@st.cache_resource(max_entries=8, show_spinner="Building the model ...")
def _shared_predictor(key: str, sha256: str) -> Predictor:
    # The digest is a part of the cache's key: a model that was trained again is another one.
    return Predictor(get_model(key))


@st.cache_data(max_entries=16, show_spinner="Drawing ...")
def sample_bytes(key: str) -> bytes:
    """A sample image as PNG; drawing one takes a second or two."""
    return sample_png(key)


def predictor_of(state: UiState, key: str) -> Predictor:
    """The predictor of a model of the table, shared by all sessions, or of one of this session's own.

    Raises:
        WeightsError: if the model is not ready.
    """
    return state.custom.get(key) or _shared_predictor(key, model_by_key(key).sha256)
