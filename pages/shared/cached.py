"""Core calls whose results all sessions share, because they depend on nothing personal."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import streamlit as st

from maskrcnn_core.images.reading import cut_to, decode_image
from maskrcnn_core.models.catalog import default_model, model_by_key
from maskrcnn_core.models.domains import domain_by_key
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.projects.proposals.network_edits import BoxDrawer
from maskrcnn_core.projects.store import Store
from maskrcnn_core.synthetic.sample_drawings import draw_own
from maskrcnn_core.synthetic.samples import sample_png
from pages.shared.housekeeping import is_server, keep_house
from pages.shared.pictures import Pictures
from pages.shared.purging import keep_purging
from pages.shared.session import UiState

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = [
    "box_drawer",
    "domain_picture",
    "open_store",
    "pictures",
    "predictor_of",
    "sample_bytes",
    "sample_picture",
]


@st.cache_resource(max_entries=8, show_spinner="Building the model ...")
def _shared_predictor(key: str, sha256: str) -> Predictor:  # noqa: ARG001
    # The digest is a part of the cache's key: a model that was trained again is another one.
    from maskrcnn_core.inference.predictor import Predictor  # with torch, which no page of projects waits for

    predictor = Predictor(get_model(key))
    keep_house().freeze_soon()  # torch has come
    return predictor


@st.cache_data(max_entries=16, show_spinner="Drawing ...")
def sample_bytes(key: str) -> bytes:
    """Return a sample image as PNG; drawing one takes a second or two."""
    return sample_png(key)


def _sample_pixels(key: str) -> npt.NDArray[np.uint8]:
    return decode_image(sample_bytes(key), key).pixels


@st.cache_data(max_entries=16, show_spinner="Drawing ...")
def sample_picture(key: str) -> bytes:
    """Return a sample's small picture for a button, 320 x 240, as JPEG: its middle."""
    return cut_to(_sample_pixels(key), (240, 320))


@st.cache_data(max_entries=8, show_spinner=False)
def domain_picture(key: str) -> bytes:
    """Return the picture that stands for a domain, 176 x 100, as JPEG."""
    sample = domain_by_key(key).sample
    return cut_to(_sample_pixels(sample) if sample else draw_own(), (100, 176))


@st.cache_resource(show_spinner="Opening the projects ...")
def open_store() -> Store:
    """Open the store of this installation, for all sessions.

    Raises:
        StoreError: if it cannot be used; the next call tries again.
    """
    store = Store()
    if is_server():
        threading.Thread(target=keep_purging, args=(store,), name="purge", daemon=True).start()
    return store


@st.cache_resource(show_spinner=False)
def pictures() -> Pictures:
    """Return the pictures of this installation's store."""
    return Pictures(open_store())


@st.cache_resource(max_entries=8, show_spinner=False)
def _shared_drawer(key: str, sha256: str) -> BoxDrawer:
    return BoxDrawer(open_store(), _shared_predictor(key, sha256))


def box_drawer(model_key: str) -> BoxDrawer:
    """Return what fills boxes with masks in this installation's store; all sessions share its images.

    Args:
        model_key: of the model; empty for the best one that is ready.

    Raises:
        WeightsError: if the model is not ready, or none is.
    """
    spec = model_by_key(model_key) if model_key else default_model()
    return _shared_drawer(spec.key, spec.sha256)


def predictor_of(state: UiState, key: str) -> Predictor:
    """Return the predictor of a model in the table, shared by all sessions, or of this session's own model.

    Raises:
        WeightsError: if the model is not ready.
    """
    return state.custom.get(key) or _shared_predictor(key, model_by_key(key).sha256)
