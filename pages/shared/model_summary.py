"""What a model is made of, as a table."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.models.summary import summarise
from pages.shared.texts import plain

__all__ = ["draw_summary"]


def draw_summary(model: LoadedModel, *, key: str) -> None:
    """Draw the facts and, below them, what was noted when the model was loaded."""
    # As text: a model's title may be the name of somebody's file.
    st.dataframe(
        pd.DataFrame(summarise(model).rows(), columns=["what", "value"]),
        hide_index=True,
        key=key,
        alt="Summary of the model",
    )
    for note in model.notes:
        st.caption(plain(note))
