"""Engines for one model: what was measured of each, and why one is not used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from maskrcnn_core.inference.engines.equality import Equality
from maskrcnn_core.inference.engines.standing import Standing, standings
from maskrcnn_core.synthetic.samples import pixels_for
from pages.shared.pressing import carrying_out, pressed
from pages.shared.texts import plain, show_core_errors

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["draw_engines"]

_COMPARE = "compare-engines"
_FIGURES: dict[str, Callable[[Equality], str]] = {
    "same": lambda measured: f"{measured.matched:.1%}",
    "box moved (px)": lambda measured: f"{measured.box_pixels:.2g}",
    "score changed": lambda measured: f"{measured.score:.2g}",
    "mask IoU": lambda measured: f"{measured.mask_iou:.3f}",
}


def draw_engines(predictor: Predictor) -> None:
    """Draw the table of engines for a model, and compare those that never were when that is asked for."""
    st.caption(
        "An engine is a way to run the network. Pages run it exactly as torchvision does; a run over a "
        "project may take a faster engine, if that finds the same in samples of what the model is for."
    )
    device = "the CPU" if predictor.device.type == "cpu" else f"the GPU {predictor.device}"
    st.caption(f"Pages run networks on {device}. Everybody who has them open shares it, and runs take turns.")
    place = st.container()
    kind = predictor.device.type
    found = standings(predictor.model.digest, kind)
    button = st.empty()
    with button:
        is_asked = _are_new(found) and pressed(
            "Compare the engines",
            icon=":material/balance:",
            key=_COMPARE,
            is_kept=True,
            about=predictor.model.digest,
        )
    if is_asked:
        with carrying_out(_COMPARE), show_core_errors():
            failed = _compare(predictor, found)
            found = standings(predictor.model.digest, kind)
            for note in (failed[one.spec.key] for one in found if one.word == "not compared yet"):
                st.text(note)
        if not _are_new(found):
            button.empty()
    with place:
        st.dataframe(
            pd.DataFrame([_row(one) for one in found]),
            hide_index=True,
            key="engines",
            column_config={name: st.column_config.TextColumn(alignment="right") for name in _FIGURES},
            alt="Engines, and what was measured of each for this model",
        )
        for one in found:
            if one.reason:
                st.caption(plain(f"{one.spec.title}, {one.word}: {one.reason}."))


def _are_new(found: list[Standing]) -> bool:
    """Return whether there is an engine that was never compared."""
    return any(one.word == "not compared yet" for one in found)


def _row(one: Standing) -> dict[str, str]:
    """Return one line of the table; the figures are the worst of all detections."""
    equality = one.equality
    return {
        "engine": one.spec.title,
        "beside exact": one.word,
        **{name: "" if equality is None else told(equality) for name, told in _FIGURES.items()},
        "speed": one.spec.speed.replace("`", ""),
    }


def _compare(predictor: Predictor, found: list[Standing]) -> dict[str, str]:
    """Make the engines that were never compared, and return what is to be said of each, by its key."""
    from maskrcnn_core.inference.engines.choosing import choose_engine  # with torch

    model, notes = predictor.model, dict[str, str]()
    for one in found:
        if one.word != "not compared yet":
            continue
        with st.spinner(f"Comparing {one.spec.title} with Exact ..."):
            made = choose_engine(
                model, str(predictor.device), one.spec.key, images=lambda: pixels_for(model.domains), count=1
            )
        notes[one.spec.key] = made.told
    return notes
