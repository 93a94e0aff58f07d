"""Engines for one model: what was measured of each, and why one is not used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from maskrcnn_core.inference.engines.standing import Standing, standings
from maskrcnn_core.synthetic.samples import pixels_for
from pages.shared.pressing import carrying_out, pressed
from pages.shared.texts import plain, show_core_errors

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["draw_engines"]

_COMPARE = "compare-engines"
_DIGITS = "%.2g"


def draw_engines(predictor: Predictor) -> None:
    """Draw the table of engines for a model, and compare those that never were when that is asked for."""
    st.caption(
        "An engine is a way to run the network. Pages run it exactly as torchvision does; a run over a "
        "project may take a faster engine, if that finds the same in samples of what the model is for."
    )
    place = st.container()
    kind = predictor.device.type
    found = standings(predictor.model.digest, kind)
    if any(one.word == "not compared yet" for one in found) and pressed(
        "Compare the engines",
        icon=":material/balance:",
        key=_COMPARE,
        is_kept=True,
        about=predictor.model.digest,
    ):
        with carrying_out(_COMPARE), show_core_errors():
            for note in _compare(predictor, found):
                st.text(note)
            found = standings(predictor.model.digest, kind)
    with place:
        st.dataframe(
            pd.DataFrame([_row(one) for one in found]),
            hide_index=True,
            key="engines",
            column_config={
                "same": st.column_config.NumberColumn(format="percent"),
                "box moved (px)": st.column_config.NumberColumn(format=_DIGITS),
                "score changed": st.column_config.NumberColumn(format=_DIGITS),
                "mask IoU": st.column_config.NumberColumn(format="%.3f"),
            },
            alt="Engines, and what was measured of each for this model",
        )
        for one in found:
            if one.reason:
                st.caption(plain(f"{one.spec.title}, {one.word}: {one.reason}."))


def _row(one: Standing) -> dict[str, object]:
    """Return one line of the table; the figures are the worst of all detections."""
    equality = one.equality
    return {
        "engine": one.spec.title,
        "beside exact": one.word,
        "same": None if equality is None else equality.matched,
        "box moved (px)": None if equality is None else equality.box_pixels,
        "score changed": None if equality is None else equality.score,
        "mask IoU": None if equality is None else equality.mask_iou,
        "speed": one.spec.speed,
    }


def _compare(predictor: Predictor, found: list[Standing]) -> list[str]:
    """Make the engines that were never compared, and return what is to be said of those that fail."""
    from maskrcnn_core.inference.engines.choosing import choose_engine  # with torch

    model, notes = predictor.model, list[str]()
    for one in found:
        if one.word != "not compared yet":
            continue
        with st.spinner(f"Comparing {one.spec.title} with Exact ..."):
            made = choose_engine(
                model, str(predictor.device), one.spec.key, images=lambda: pixels_for(model.domains), count=1
            )
        notes += made.notes if made.equality is None else ()
    return notes
