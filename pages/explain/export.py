"""All stages as files: a report that opens anywhere, and a notebook that makes the same calls."""

from __future__ import annotations

import uuid

import streamlit as st

from maskrcnn_core.common.arrays import Box
from maskrcnn_core.explain.html_report import html_report
from maskrcnn_core.explain.notebook import notebook
from maskrcnn_core.explain.traced_image import TracedImage
from maskrcnn_core.formats.base import file_stem
from pages.explain.look import Look
from pages.shared.offering import draw_offer, forget
from pages.shared.pressing import pressed
from pages.shared.session import Prepared
from pages.shared.texts import show_core_errors
from pages.shared.whole import Whole

__all__ = ["draw_take_home"]

_FORMS = {
    "HTML report": "All stages with their pictures and numbers, in one file that opens in any browser.",
    "Jupyter notebook": "The same stages as code: each cell makes the same call as this page.",
}


def draw_take_home(look: Look) -> None:
    """Prepare one of the two files and offer it; it includes a box drawn around something missed."""
    state, box, truth = look.state, look.ui.drawn.get(look.name), look.truth
    known = None if truth is None else (truth.names, truth.masks, truth.crowds)
    with st.expander("Take it home", icon=":material/download:"):
        form = st.radio("Format", list(_FORMS), captions=list(_FORMS.values()), key="explain-form")
        fingerprint = (form, look.name, look.thresholds, box, known, look.state.workspace.stretch)
        if pressed("Prepare", key="explain-prepare", icon=":material/build:"):
            forget(state.explain_file)
            state.explain_file = None
            # As a whole: the page may be asked for again at any time, and would break it off.
            with show_core_errors(), state.of(Whole).work("Drawing all stages ..."):
                state.explain_file = _prepare(look, form, box, fingerprint)
        stale = "The view has changed since the last file was made: prepare it again."
        draw_offer(state.explain_file, fingerprint, key="explain-download", stale=stale)


def _prepare(look: Look, form: str, box: Box | None, fingerprint: object) -> Prepared:
    model, stem = look.predictor.model, file_stem(look.image.name)
    file = look.state.workspace.scratch(f"explain-{uuid.uuid4().hex}")
    if form == "HTML report":
        traced = TracedImage(
            look.predictor, look.image.name, look.pixels(), look.thresholds, look.trace, box, look.truth
        )
        file.write_text(html_report(traced), "utf-8")
        return Prepared(fingerprint, str(file), f"{stem}_walk.html", "text/html", ())
    is_own = model.key in look.state.custom
    file.write_bytes(
        notebook(
            model.title if is_own else model.key,
            look.image.name,
            look.thresholds,
            origin=model.origin,
            names=[category.name for category in model.label_map],
            laws=look.trace.laws,
            box=box,
            stretch=look.state.workspace.stretch,
        )
    )
    notes = [f"Put {look.image.name} next to it, or change IMAGE in its first cell."]
    if is_own:
        beside = {"row": "", "card": " and its card", "checkpoint": ", and its config if there is one,"}
        notes.append(f"Put the model's file{beside[model.origin]} next to it, too.")
    return Prepared(fingerprint, str(file), f"{stem}_walk.ipynb", "application/x-ipynb+json", tuple(notes))
