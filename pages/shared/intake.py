"""How images come in: uploads, zips of them, the camera, and samples."""

from __future__ import annotations

from hashlib import sha256

import streamlit as st

from maskrcnn_core.images.formats import FORMATS_SAID
from maskrcnn_core.synthetic.samples import Sample, ready_samples
from maskrcnn_core.workspace import OpeningReport
from pages.components.uploads import say_why_uploads_fail
from pages.shared.cached import sample_bytes, sample_picture
from pages.shared.domains import choose_for_sample
from pages.shared.pressing import pressed
from pages.shared.session import UiState
from pages.shared.slides import SlidesUi, take_slide
from pages.shared.steady import SAMPLES
from pages.shared.texts import plain
from pages.shared.whole import Whole

__all__ = ["draw_camera", "draw_report", "draw_samples", "draw_uploader"]

_REFUSED_SHOWN = 20


def draw_uploader(state: UiState) -> None:
    """Draw the uploader; put what it brings into the workspace, and free its own copy.

    Files are told apart by content only: Streamlit checks a list of extensions after storing the file, and
    one wrong file then breaks the whole session.
    """
    turn = state.upload_round
    files = st.file_uploader(
        "Images, or zip archives of images",
        accept_multiple_files=True,
        key=f"upload-{turn}",
        help=f"{FORMATS_SAID}. They stay on this computer.",
    )
    say_why_uploads_fail("uploads")
    if not files:
        return
    with state.of(Whole).work() as show:
        if state.upload_round == turn:  # no other run of the page has taken them in
            report = OpeningReport()
            for done, file in enumerate(files):
                show(done / len(files), f"Reading {plain(file.name)}")
                if not take_slide(state, file.name, file):
                    report += state.workspace.add(file.name, file.getvalue())
            _take(state, report)
            # Another key is another widget: the old one's bytes leave the server's memory.
            state.upload_round += 1
    st.rerun()


def draw_camera(state: UiState) -> None:
    """Take a photo once somebody asks: the browser turns the camera on as soon as the widget is there."""
    if not st.toggle(
        "Take a photo", key="camera-on", help="With this device's camera; the photo stays on this computer."
    ):
        return
    photo = st.camera_input("Camera", key=f"camera-{state.upload_round}", label_visibility="collapsed")
    if photo is None:
        return
    _take(state, state.workspace.add(f"camera-{len(state.workspace.images) + 1}.jpg", photo.getvalue()))
    state.upload_round += 1
    st.rerun()


def draw_samples(state: UiState, *, across: int | None = None) -> None:
    """Draw the samples, ``across`` in a row, each with what to try; more of the same are folded away."""
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
                st.image(sample_picture(sample.key), width="stretch", alt=f"{sample.title}, a sample")
                st.button(
                    sample.title,
                    key=f"sample-{sample.key}",
                    help=f"{sample.description} Image: {sample.licence}.",
                    on_click=_open_sample,
                    args=(state, sample),
                    width="stretch",
                )
                st.caption(sample.try_this)


def _open_sample(state: UiState, sample: Sample) -> None:
    """Open a sample with a model that fits."""
    data = sample_bytes(sample.key)
    state.samples_open.add(sha256(data).hexdigest())
    choose_for_sample(state, sample.domain)
    _take(state, state.workspace.add(f"sample-{sample.key}.png", data))


def _take(state: UiState, report: OpeningReport) -> None:
    state.added = report
    if report.added:
        state.look_at(report.added[0])


def draw_report(state: UiState) -> None:
    """Report what became of the last files, as far as a person must know."""
    report, slides = state.added, state.of(SlidesUi)
    for sentence in slides.passed:
        st.info(plain(sentence), icon=":material/grid_view:")
    if slides.passed:
        st.page_link("pages/slides/page.py", label="Open Slides", icon=":material/grid_view:")
    if report.known:
        names = ", ".join(plain(name) for name in report.known[:5])
        more = f" and {len(report.known) - 5} more" if len(report.known) > 5 else ""
        st.info(f"Already open, with the same content: {names}{more}", icon=":material/content_copy:")
    if report.refused:
        with st.expander(f"{len(report.refused)} refused", expanded=True, icon=":material/block:"):
            # st.text shows names as they are: nothing of them is taken for Markdown.
            for sentence in report.refused[:_REFUSED_SHOWN]:
                st.text(sentence)
            if len(report.refused) > _REFUSED_SHOWN:
                st.text(f"... and {len(report.refused) - _REFUSED_SHOWN} more")
    if (report.known or report.refused or slides.passed) and pressed("Got it", key="dismiss-report"):
        slides.passed.clear()
        state.added = OpeningReport()
        st.rerun()
