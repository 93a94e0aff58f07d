"""What is known to be in a slide, as a file: in each format that needs no picture of the slide's size."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from maskrcnn_core.common.atomic_files import scratch_folder
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.formats import FORMATS, Export, Format, format_by_key
from maskrcnn_core.formats.base import file_stem
from maskrcnn_core.formats.writing import write_download
from maskrcnn_core.workspace.slide_desk import OpenSlide
from maskrcnn_core.workspace.slide_runs import FoundInSlide
from pages.shared.offering import draw_offer, forget
from pages.shared.pressing import carrying_out, pressed
from pages.shared.session import Prepared
from pages.shared.slides import SlidesUi
from pages.shared.texts import show_core_errors

__all__ = ["draw_slide_downloads"]

_PREPARE = "prepare-slide"


def draw_slide_downloads(slides: SlidesUi, opened: OpenSlide, found: FoundInSlide) -> None:
    """Draw the choice of format, and the file once it is made."""
    titles = {row.key: row.title for row in FORMATS if not row.is_dense}
    keys = list(titles)
    slides.export_format = st.selectbox(
        "Format",
        keys,
        keys.index(slides.export_format),
        format_func=titles.__getitem__,
        key="slide-export-format",
    )
    row = format_by_key(slides.export_format)
    st.caption(
        f"{row.holds} The file holds what is shown: scores above {slides.score_threshold:.2f}. Formats that "
        "draw a picture of the slide's size are not offered."
    )
    fingerprint = (row.key, opened.key, id(found), slides.score_threshold, slides.hidden_categories)
    if pressed("Prepare", key=_PREPARE, is_kept=True, icon=":material/build:"):
        forget(slides.prepared)
        slides.prepared = None
        with carrying_out(_PREPARE), show_core_errors(), st.spinner("Writing, and reading it back ..."):
            slides.prepared = _prepare(slides, opened, found, row, fingerprint)
            slides.written = found
    draw_offer(
        slides.prepared,
        fingerprint,
        key="download-slide",
        stale="The view has changed since the last file was made: prepare it again.",
    )


def _prepare(
    slides: SlidesUi, opened: OpenSlide, found: FoundInSlide, row: Format, fingerprint: object
) -> Prepared:
    def is_shown(instance: Instance) -> bool:
        score = 1.0 if instance.score is None else instance.score
        return score > slides.score_threshold and instance.category_id not in slides.hidden_categories

    export = Export(
        (opened.annotated(is_shown),),
        found.categories,
        slides.display,
        description=f"Proposed by {found.source} in MaskDesk",
    )
    with tempfile.NamedTemporaryFile(dir=scratch_folder(), prefix="slide-export-", delete=False) as file:
        path = Path(file.name)
    try:
        suffix, notes = write_download(row, export, path)
    except BaseException:  # also Streamlit's way to end a run that somebody cancels
        path.unlink(missing_ok=True)
        raise
    mime = row.mime if suffix == row.suffix else "application/zip"
    return Prepared(fingerprint, str(path), f"{file_stem(opened.name)}_{row.key}{suffix}", mime, notes)
