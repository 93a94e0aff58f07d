"""How images come in: uploads, zips of them, and samples."""

from __future__ import annotations

import streamlit as st

from maskrcnn_core.categories import LabelMap
from maskrcnn_core.samples import SAMPLES
from maskrcnn_core.workspace import AddReport
from pages.ui.cached import sample_bytes
from pages.ui.errors import plain
from pages.ui.state import UiState
from pages.ui.uploads import say_why_uploads_fail

__all__ = ["draw_report", "draw_samples", "draw_uploader"]

_REFUSED_SHOWN = 20


def draw_uploader(state: UiState) -> None:
    """The uploader; what it brings goes into the workspace, and its own copy is freed.

    Files are told apart by content only: Streamlit checks a list of extensions after storing the file, and
    one wrong file then breaks the whole session.
    """
    files = st.file_uploader(
        "Images, or zip archives of images",
        accept_multiple_files=True,
        key=f"upload-{state.upload_round}",
        help="JPEG, PNG, WebP, BMP, TIFF or GIF. They stay on this computer.",
    )
    say_why_uploads_fail("uploads")
    if not files:
        return
    report = AddReport()
    bar = st.progress(0.0)
    for done, file in enumerate(files):
        bar.progress(done / len(files), text=f"Reading {plain(file.name)}")
        report += state.workspace.add(file.name, file.getvalue())
    _take(state, report)
    # Another key is another widget: the old one's bytes leave the server's memory.
    state.upload_round += 1
    st.rerun()


def draw_samples(state: UiState, label_map: LabelMap | None, *, across: int = len(SAMPLES)) -> None:
    """One button for each drawn sample, so many in a row; what the model knows something of comes first."""
    known = {category.name for category in label_map or ()}
    columns = [column for _ in range(0, len(SAMPLES), across) for column in st.columns(across)]
    ordered = sorted(SAMPLES, key=lambda sample: known.isdisjoint(sample.shows))  # sorted keeps ties in order
    for column, sample in zip(columns, ordered, strict=False):
        with column:
            st.image(sample_bytes(sample.key), width="stretch")
            if st.button(sample.title, key=f"sample-{sample.key}", help=sample.description, width="stretch"):
                _take(state, state.workspace.add(f"sample-{sample.key}.png", sample_bytes(sample.key)))
                st.rerun()


def _take(state: UiState, report: AddReport) -> None:
    state.added = report
    if report.added:
        state.look_at(report.added[0])


def draw_report(state: UiState) -> None:
    """What became of the last files, as far as a person must know."""
    report = state.added
    if report.known:
        names = ", ".join(plain(name) for name in report.known[:5])
        more = f" and {len(report.known) - 5} more" if len(report.known) > 5 else ""
        st.info(f"Here already, with the same content: {names}{more}", icon=":material/content_copy:")
    if report.refused:
        with st.expander(f"{len(report.refused)} refused", expanded=True, icon=":material/block:"):
            # st.text shows names as they are: nothing of them is taken for Markdown.
            for sentence in report.refused[:_REFUSED_SHOWN]:
                st.text(sentence)
            if len(report.refused) > _REFUSED_SHOWN:
                st.text(f"... and {len(report.refused) - _REFUSED_SHOWN} more")
    if (report.known or report.refused) and st.button("Got it", key="dismiss-report"):
        state.added = AddReport()
        st.rerun()
