"""How images come in: uploads, zips of them, the camera, and samples."""

from __future__ import annotations

from hashlib import sha256

import streamlit as st

from maskrcnn_core.samples import Sample, ready_samples
from maskrcnn_core.workspace import AddReport
from pages.ui.cached import sample_bytes, sample_picture
from pages.ui.domains import choose_for_sample
from pages.ui.errors import plain
from pages.ui.state import UiState
from pages.ui.steady import SAMPLES
from pages.ui.uploads import say_why_uploads_fail

__all__ = ["draw_camera", "draw_report", "draw_samples", "draw_uploader"]

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


def draw_camera(state: UiState) -> None:
    """A photo of the camera, once somebody asks: the browser turns it on as soon as the widget is there."""
    if not st.toggle(
        "Take a photo", key="camera-on", help="With this device's camera; it stays on this computer."
    ):
        return
    photo = st.camera_input("Camera", key=f"camera-{state.upload_round}", label_visibility="collapsed")
    if photo is None:
        return
    _take(state, state.workspace.add(f"camera-{len(state.workspace.images) + 1}.jpg", photo.getvalue()))
    state.upload_round += 1
    st.rerun()


def draw_samples(state: UiState, *, across: int | None = None) -> None:
    """The samples, so many in a row, each with what to try; more of the same are folded away."""
    samples = ready_samples()
    first = [sample for sample in samples if sample.is_first]
    with st.container(key=SAMPLES):
        _draw_rows(state, first, across or len(first))
    with st.expander("More samples", icon=":material/palette:"), st.container(key=f"more-{SAMPLES}"):
        _draw_rows(state, [sample for sample in samples if not sample.is_first], across or len(first))


def _draw_rows(state: UiState, samples: list[Sample], across: int) -> None:
    for start in range(0, len(samples), across):
        columns = st.columns(across)
        for column, sample in zip(columns, samples[start : start + across], strict=False):
            with column:
                st.image(sample_picture(sample.key), width="stretch")
                st.button(
                    sample.title,
                    key=f"sample-{sample.key}",
                    help=f"{sample.description} Picture: {sample.licence}.",
                    on_click=_open_sample,
                    args=(state, sample),
                    width="stretch",
                )
                st.caption(sample.try_this)


def _open_sample(state: UiState, sample: Sample) -> None:
    """Opens a sample with a model that fits."""
    data = sample_bytes(sample.key)
    state.samples_open.add(sha256(data).hexdigest())
    choose_for_sample(state, sample.domain)
    _take(state, state.workspace.add(f"sample-{sample.key}.png", data))


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
