"""How images and data sets come into a project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from maskrcnn_core.messages import counted
from maskrcnn_core.models import ready_models
from maskrcnn_core.store.box_filling import fill_boxes
from maskrcnn_core.store.exchange import ImportReport
from maskrcnn_core.store.intake import HandedIn, import_files, uploaded_folder
from maskrcnn_core.store.looking import Fit
from maskrcnn_core.store.seeing import set_stretch, stretch_of
from pages.ui.cached import box_drawer
from pages.ui.errors import plain, show_core_errors
from pages.ui.project.choosing import OpenProject
from pages.ui.settings import shown_title
from pages.ui.state import ProjectUi, get_state
from pages.ui.uploads import say_why_uploads_fail

__all__ = ["draw_images_in"]

_SHOWN = 20


def draw_images_in(project: OpenProject, ui: ProjectUi) -> None:
    """Uploaders of files and folders, and what became of the last ones."""
    st.text(
        "Images, zip archives of images, and COCO JSON files with or without their images; in a folder or "
        "zip each JSON takes the images nearest to it. What the project has already, by content, is not "
        "taken twice. Everything can be undone under History."
    )
    left, right = st.columns(2)
    files = left.file_uploader("Files", accept_multiple_files=True, key=f"project-files-{ui.upload_round}")
    folder = right.file_uploader(
        "Or a folder", accept_multiple_files="directory", key=f"project-folder-{ui.upload_round}"
    )
    say_why_uploads_fail("uploads")
    if ui.report is not None:
        _draw_report(ui.report)
        if ui.report.boxes:
            _draw_boxes(project, ui, ui.report)
    _draw_stretch(project)
    total = len(files or ()) + len(folder or ())
    if not total:
        return
    bar = st.progress(0.0)
    done = count()

    def read_each(uploads: Iterable[UploadedFile]) -> Iterator[tuple[str, bytes]]:
        for upload in uploads:
            bar.progress(next(done) / total, text=f"Reading {plain(upload.name)}")
            yield upload.name, upload.getvalue()

    def read() -> Iterator[tuple[str, bytes] | HandedIn]:
        yield from read_each(files or ())
        yield from uploaded_folder(read_each(folder or ()))
        bar.progress(1.0, text="Taking them in ...")

    with show_core_errors():
        ui.report = import_files(project.store, project.row.id, project.who, read())
        # Another key is another widget: the old one's bytes leave the server's memory.
        ui.upload_round += 1
        st.rerun()


def _draw_stretch(project: OpenProject) -> None:
    stretch = stretch_of(project.row)
    is_on = st.toggle(
        "Stretch dim images",
        stretch == "auto",
        key=f"project-stretch-{project.row.id}-{project.row.version}",
        help="16-bit and floating-point images that use a small part of their range are all but black "
        "unless their values are stretched. It holds for the review, for models' runs and for exports; "
        "models look at the images again. It can be undone under History.",
    )
    if is_on != (stretch == "auto"):
        with show_core_errors():
            set_stretch(project.store, project.row.id, project.who, "auto" if is_on else "off")
            st.rerun()


def _draw_report(report: ImportReport) -> None:
    taken = [
        counted(count, what)
        for count, what in ((report.images, "image"), (report.instances, "instance"))
        if count
    ]
    if report.changed:
        st.success(
            f"{counted(report.changed, 'instance')} changed as the file says.", icon=":material/check:"
        )
    if report.categories:
        taken.append(counted(report.categories, "category", "categories"))
    if report.filled:
        taken.append(
            f"the files of {counted(len(report.filled), 'image that was', 'images that were')} listed before"
        )
    if taken:
        st.success(f"Taken in: {', '.join(taken)}.", icon=":material/check:")
    for names, text in (
        (report.known, "in the project already"),
        (
            report.missing,
            "listed in a COCO file and not among the files: bring what is missing, and the instances show",
        ),
    ):
        if names:
            st.info(
                f"{counted(len(names), 'image is', 'images are')} {text}.", icon=":material/content_copy:"
            )
            _draw_sentences(names)
    for sentences, how_many, text in (
        (report.refused, report.refused_count, "refused"),
        (report.notes, len(report.notes), "note" if len(report.notes) == 1 else "notes"),
    ):
        if sentences:
            with st.expander(f"{how_many} {text}", expanded=text == "refused"):
                _draw_sentences(sentences)


def _draw_boxes(project: OpenProject, ui: ProjectUi, report: ImportReport) -> None:
    """Annotations that are boxes only, and the offer to have them filled."""
    boxes = len(report.boxes)
    what = "1 annotation holds a box" if boxes == 1 else f"{boxes} annotations hold boxes"
    st.info(
        f"{what} only, no mask. A network can fill such boxes; they become proposals.", icon=":material/crop:"
    )
    titles = {spec.key: shown_title(spec) for spec in ready_models()}
    if not titles:
        st.caption("No model is ready to fill boxes: see the Models page.")
        return
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    keys = list(titles)
    key = left.selectbox(
        "Boxes are filled by",
        keys,
        keys.index(Fit(project.store, project.row.id, known=get_state().guesses).model().key),
        format_func=lambda key: titles[key],
        key=f"fill-model-{project.row.id}-{ui.upload_round}",
    )
    if not right.button("Make proposals of them", key="fill-boxes", type="primary", width="stretch"):
        return
    bar = st.progress(0.0, text="Filling boxes ...")
    with show_core_errors():
        filled = fill_boxes(
            project.store,
            project.row.id,
            project.who,
            report.boxes,
            box_drawer(key).predictor,
            on_image=lambda done, total: bar.progress(done / total, text=f"Image {done} of {total}"),
        )
        told = (
            f"{filled.proposals:,} of {counted(boxes, 'box', 'boxes')} became proposals, filled by "
            f"{titles[key]}"
        )
        ui.report = replace(
            report, boxes=(), instances=report.instances + filled.proposals, notes=(*filled.notes, told)
        )
        st.rerun()


def _draw_sentences(sentences: tuple[str, ...]) -> None:
    # st.text shows names as they are: nothing of them is taken for Markdown.
    for sentence in sentences[:_SHOWN]:
        st.text(sentence)
    if len(sentences) > _SHOWN:
        st.text(f"... and {len(sentences) - _SHOWN} more")
