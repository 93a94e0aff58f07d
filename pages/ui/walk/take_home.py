"""The walk as files: a report that opens anywhere, and a notebook that makes the same calls."""

from __future__ import annotations

import uuid

import streamlit as st

from maskrcnn_core.formats.base import file_stem
from maskrcnn_core.walk_notebook import notebook
from maskrcnn_core.walk_report import html_report
from maskrcnn_core.walk_run import Walk
from pages.ui.errors import show_core_errors
from pages.ui.offering import draw_offer, forget
from pages.ui.state import Prepared
from pages.ui.walk.look import Box, Look

__all__ = ["draw_take_home"]

_FORMS = {
    "HTML report": "All stages with their pictures and numbers in one file, which opens in any browser.",
    "Jupyter notebook": "The same stages as code: each cell makes the call that this page makes.",
}


def draw_take_home(look: Look) -> None:
    """Prepares one of the two files and offers it; a box that was drawn around something missed is in it."""
    state, box = look.state, look.ui.drawn.get(look.name)
    with st.expander("Take it home", icon=":material/download:"):
        form = st.radio("As", list(_FORMS), captions=list(_FORMS.values()), key="walk-form")
        fingerprint = (form, look.name, look.thresholds, box, look.state.workspace.stretch)
        if st.button("Prepare", key="walk-prepare", icon=":material/build:"):
            forget(state.walk_file)
            state.walk_file = None
            with show_core_errors(), st.spinner("Drawing all stages ..."):
                state.walk_file = _prepare(look, form, box, fingerprint)
        stale = "What is looked at has changed since the last file was made: prepare it again."
        draw_offer(state.walk_file, fingerprint, key="walk-download", stale=stale)


def _prepare(look: Look, form: str, box: Box | None, fingerprint: object) -> Prepared:
    model, stem = look.predictor.model, file_stem(look.image.name)
    file = look.state.workspace.scratch(f"walk-{uuid.uuid4().hex}")
    if form == "HTML report":
        walk = Walk(look.predictor, look.image.name, look.pixels(), look.thresholds, look.stages, box)
        file.write_text(html_report(walk), "utf-8")
        return Prepared(fingerprint, str(file), f"{stem}_walk.html", "text/html", ())
    is_own = model.key in look.state.custom
    file.write_bytes(
        notebook(
            model.title if is_own else model.key,
            look.image.name,
            look.thresholds,
            names="categories.txt" if is_own else None,
            box=box,
            stretch=look.state.workspace.stretch,
        )
    )
    notes = [f"Put {look.image.name} beside it, or change IMAGE in its first cell."]
    if is_own:
        notes.append("Put the model's file and its categories beside it, too.")
    return Prepared(fingerprint, str(file), f"{stem}_walk.ipynb", "application/x-ipynb+json", tuple(notes))
