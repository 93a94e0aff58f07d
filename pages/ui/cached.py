"""Core calls whose results all sessions share, as they depend on nothing personal."""

from __future__ import annotations

import streamlit as st

from maskrcnn_core.images import decode_image, encode_jpeg
from maskrcnn_core.inference import Predictor
from maskrcnn_core.models import get_model, model_by_key
from maskrcnn_core.samples import sample_png
from maskrcnn_core.store.store import Store
from pages.ui.state import UiState

__all__ = ["open_store", "picture_of", "predictor_of", "sample_bytes"]

_PICTURES_KEPT = 32  # of about 4 MB for a 12 MP photo


@st.cache_resource(max_entries=8, show_spinner="Building the model ...")
def _shared_predictor(key: str, sha256: str) -> Predictor:
    # The digest is a part of the cache's key: a model that was trained again is another one.
    return Predictor(get_model(key))


@st.cache_data(max_entries=16, show_spinner="Drawing ...")
def sample_bytes(key: str) -> bytes:
    """A sample image as PNG; drawing one takes a second or two."""
    return sample_png(key)


@st.cache_resource(show_spinner="Opening the projects ...")
def open_store() -> Store:
    """The store of this installation, for all sessions.

    Raises:
        StoreError: if it cannot be used; the next call tries again.
    """
    return Store()


@st.cache_data(max_entries=_PICTURES_KEPT, show_spinner=False)
def picture_of(digest: str, _store: Store) -> bytes:
    """A stored image as an upright JPEG for browsers, at its full size.

    Raises:
        CoreError: if it cannot be read.
    """
    return encode_jpeg(decode_image(_store.blobs.get(digest), digest).pixels, quality=90)


def predictor_of(state: UiState, key: str) -> Predictor:
    """The predictor of a model of the table, shared by all sessions, or of one of this session's own.

    Raises:
        WeightsError: if the model is not ready.
    """
    return state.custom.get(key) or _shared_predictor(key, model_by_key(key).sha256)
