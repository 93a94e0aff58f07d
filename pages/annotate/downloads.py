"""Downloads: made when asked for, with progress, of exactly what is shown."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import streamlit as st

from maskrcnn_core.batch.finding import model_run
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.dataset.annotations import AnnotatedImage
from maskrcnn_core.formats import FORMATS, Export, Format, Member, format_by_key
from maskrcnn_core.formats.base import file_stem
from maskrcnn_core.formats.coco import MAX_TOLERANCE
from maskrcnn_core.formats.writing import write_download
from maskrcnn_core.measuring.methods import methods_statement, seen_images
from pages.shared.domains import offered_categories
from pages.shared.offering import draw_offer, forget
from pages.shared.pressing import carrying_out, drop_press, pressed
from pages.shared.session import Prepared, UiState
from pages.shared.texts import show_core_errors

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["draw_downloads"]

_PREPARE = "prepare"


def draw_downloads(state: UiState, predictor: Predictor) -> None:
    """Draw the choice of format and extent, and the file once it is made."""
    st.subheader("Download")
    titles = {row.key: row.title for row in FORMATS}
    keys = list(titles)
    state.export_format = st.selectbox(
        "Format",
        keys,
        keys.index(state.export_format),
        format_func=titles.__getitem__,
        key="export-format",
    )
    row = format_by_key(state.export_format)
    done = [
        digest for digest in state.workspace.images if state.workspace.run_of(digest, predictor) is not None
    ]
    extents = ["This image", "All images that have run"]
    extent = st.radio("Images", extents, int(state.export_all), horizontal=True, key="export-extent")
    state.export_all = extent == extents[1]
    digests = done if state.export_all else [d for d in done if d == state.current]
    st.caption(_sentence(state, row, len(state.workspace.images) - len(done)))
    if row.key == "coco":
        state.tolerance = st.number_input(
            "Simplify polygons by up to (px)",
            0.0,
            MAX_TOLERANCE,
            state.tolerance,
            0.5,
            key="tolerance",
            help="Fewer points, at a cost in mask IoU that the file's check reports. 0 keeps every pixel.",
        )
    fingerprint = (
        row.key,
        state.tolerance,
        tuple(digests),
        predictor.model.digest,
        state.workspace.stretch,
        state.workspace.tiling,
        state.thresholds,
        state.hidden_categories,
        state.display,
    )
    asked = pressed("Prepare", key=_PREPARE, is_kept=True, icon=":material/build:", disabled=not digests)
    # What was offered before goes at once: while a file is made nobody shall mistake another for it.
    making, offer = st.empty(), st.empty()
    if asked:
        forget(state.prepared)
        state.prepared = None
        try:
            with carrying_out(_PREPARE), show_core_errors(), making.container():
                state.prepared = _prepare(state, predictor, row, digests, fingerprint)
        finally:
            making.empty()
    with offer.container():
        draw_offer(
            state.prepared,
            fingerprint,
            key="download-prepared",
            stale="The view has changed since the last file was made: prepare it again.",
        )
    with st.expander("Methods statement", icon=":material/description:", key="methods"):
        _draw_methods(state, predictor, digests)


def _draw_methods(state: UiState, predictor: Predictor, digests: list[str]) -> None:
    """Draw how the instances were found, in sentences for a paper."""
    found = [
        state.workspace.annotated(digest, predictor, state.thresholds, state.hidden_categories)
        for digest in digests
    ]
    images = [image for image in found if image is not None]
    run = model_run(state.thresholds, predictor, state.workspace.tiling)
    text = methods_statement(
        seen_images([image.record for image in images]), [run], sum(len(image.instances) for image in images)
    )
    st.caption("Facts of what is shown, ready to paste; corrections are counted in a project.")
    st.code(text, language=None, wrap_lines=True)


def _sentence(state: UiState, row: Format, left_out: int) -> str:
    """Say what will be in the file, and what will not."""
    parts = [row.holds]
    if row.loses:
        parts.append(f"Left out: {row.loses[0].lower()}{row.loses[1:]}")
    parts.append(f"The file holds what is shown: scores above {state.thresholds.score_threshold:.2f}.")
    if state.hidden_categories:
        parts.append(
            f"{counted(len(state.hidden_categories), 'hidden category is', 'hidden categories are')} left "
            "out."
        )
    if left_out and state.export_all:
        parts.append(
            f"{counted(left_out, 'image that has', 'images that have')} not run yet "
            f"{'is' if left_out == 1 else 'are'} left out."
        )
    return " ".join(parts)


def _prepare(
    state: UiState, predictor: Predictor, row: Format, digests: list[str], fingerprint: object
) -> Prepared:
    bar = st.progress(0.0, text="Collecting ...")
    st.button("Cancel", key="cancel-prepare", icon=":material/stop:", on_click=drop_press, args=(_PREPARE,))
    images: list[AnnotatedImage] = []
    for done, digest in enumerate(digests):
        bar.progress(done / len(digests), text=f"Collecting {done + 1} of {len(digests)}")
        image = state.workspace.annotated(digest, predictor, state.thresholds, state.hidden_categories)
        if image is not None:
            images.append(image)
    export = Export(
        tuple(images),
        offered_categories(state, predictor.model),
        state.display,
        description=f"Proposed by {predictor.model.title} in MaskDesk",
        tolerance=state.tolerance,
    )
    total = row.count(export)
    done_names: list[str] = []

    def show(member: Member) -> None:
        done_names.append(member.name)
        bar.progress(
            min(len(done_names) / max(total, 1), 1.0), text=f"{len(done_names)} of {counted(total, 'file')}"
        )

    stem = file_stem(images[0].record.file_name) if len(images) == 1 else f"{len(images)}_images"
    file = state.workspace.scratch(f"export-{uuid.uuid4().hex}")
    try:
        suffix, notes = write_download(row, export, file, show)
    except BaseException:  # also Streamlit's way to end a run that somebody cancels
        file.unlink(missing_ok=True)
        raise
    mime = row.mime if suffix == row.suffix else "application/zip"
    return Prepared(fingerprint, str(file), f"{stem}_{row.key}{suffix}", mime, notes)
