"""How images and data sets come into a project."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.recognising import read_formats
from maskrcnn_core.microscopy.views import COLORS, MAX, View, view_of
from maskrcnn_core.models.catalog import ready_models
from maskrcnn_core.projects.exchange.box_filling import fill_boxes
from maskrcnn_core.projects.exchange.import_report import ImportReport
from maskrcnn_core.projects.exchange.intake import HandedIn, import_files, uploaded_folder
from maskrcnn_core.projects.proposals.fit import Fit
from maskrcnn_core.projects.seeing import set_stretch, stretch_of
from pages.components.uploads import say_why_uploads_fail
from pages.project.check_file import draw_check
from pages.project.state import PageUi
from pages.shared.cached import box_drawer
from pages.shared.model_choice import shown_title
from pages.shared.open_project import OpenProject
from pages.shared.pressing import carrying_out, pressed
from pages.shared.session import get_state
from pages.shared.texts import plain, show_core_errors
from pages.shared.whole import Whole

__all__ = ["draw_images_in"]

_FILL = "fill-boxes"
_SHOWN = 20
_READ = [row.title for row in read_formats()]


def draw_images_in(project: OpenProject, ui: PageUi) -> None:
    """Draw uploaders of files and folders, and what became of the last ones."""
    st.text(
        f"Images, zips of them, and annotations with or without their images ({', '.join(_READ)}), told "
        "apart by their content. In a folder or zip, each file takes the images nearest to it. Images the "
        "project already holds, judged by content, are not added twice. You can undo all of it under History."
    )
    whole = get_state().of(Whole)
    whole.wait()
    turn = ui.upload_round
    view, is_clear = _draw_view(project)
    left, right = st.columns(2)
    files = left.file_uploader("Files", accept_multiple_files=True, key=f"project-files-{turn}")
    folder = right.file_uploader(
        "Or a folder", accept_multiple_files="directory", key=f"project-folder-{turn}"
    )
    say_why_uploads_fail("uploads")
    if ui.report is not None:
        _draw_report(ui.report)
        if ui.report.boxes:
            _draw_boxes(project, ui, ui.report)
    _draw_stretch(project)
    draw_check()
    if not is_clear or (not files and not folder):
        return
    with show_core_errors():
        with whole.work() as show:
            if ui.upload_round == turn:  # no other run of the page has taken them in
                uploads = _read(files or (), folder or (), show)
                ui.report = import_files(project.store, project.row.id, project.who, uploads, view=view)
                # Another key is another widget: the old one's bytes leave the server's memory.
                ui.upload_round += 1
        st.rerun()


def _read(
    files: Sequence[UploadedFile], folder: Sequence[UploadedFile], show: Callable[[float, str], None]
) -> Iterator[tuple[str, bytes] | HandedIn]:
    done, total = count(), len(files) + len(folder)

    def read_each(uploads: Iterable[UploadedFile]) -> Iterator[tuple[str, bytes]]:
        for upload in uploads:
            show(next(done) / total, f"Reading {plain(upload.name)}")
            yield upload.name, upload.getvalue()

    yield from read_each(files)
    yield from uploaded_folder(read_each(folder))
    show(1.0, "Adding images ...")


def _draw_view(project: OpenProject) -> tuple[View | None, bool]:
    """Draw what is to be seen of stacks; return it, ``None`` for the first page, and whether it is clear."""
    key = f"project-view-{project.row.id}"
    with st.expander("Stacks: page, slice, channels and contrast", icon=":material/layers:"):
        st.text(
            "Without a choice, the first page of a stack is added. Choose before you add; the choice is kept "
            "with the images. For a preview, open a stack on the Annotate page and press Correct masks."
        )
        columns = st.columns(4)
        page = columns[0].text_input("Page", key=f"{key}-page", placeholder=f"1, or {MAX}")
        z = columns[1].text_input("Slice (z)", key=f"{key}-z", placeholder=f"1, or {MAX}")
        channels = columns[2].text_input(
            "Channels",
            key=f"{key}-channels",
            placeholder="all",
            help=f"By number or name, in these colours: {', '.join(COLORS)}, #rrggbb. For example "
            "1:blue,GFP:green.",
        )
        contrast = columns[3].text_input(
            "Contrast",
            key=f"{key}-contrast",
            placeholder="auto",
            help="Percentiles (0.1%..99.9%), values (100..4000), full or auto; for each channel: "
            "1:100..4000,2:auto.",
        )
        given = [text.strip() for text in (page, z, channels, contrast)]
        if not any(given):
            return None, True
        try:
            view = view_of(given[0] or "1", given[1] or "1", given[2], given[3] or "auto")
        except InputError as error:
            st.error(plain(str(error)))
            return None, False
        st.caption(plain(f"Stacks that you add now are seen as {view.text}."))
        return view, True


def _draw_stretch(project: OpenProject) -> None:
    stretch = stretch_of(project.row)
    is_on = st.toggle(
        "Stretch dim images",
        stretch == "auto",
        key=f"project-stretch-{project.row.id}-{project.row.version}",
        help="16-bit and floating-point images that use a small part of their range are almost black unless "
        "their values are stretched. This applies to review, models and exports; models run on the images "
        "again. You can undo it under History.",
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
        st.success(f"Added: {', '.join(taken)}.", icon=":material/check:")
    for names, text in (
        (report.known, "already in the project"),
        (
            report.missing,
            "listed in a COCO file but missing: add the files to see their instances",
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


def _draw_boxes(project: OpenProject, ui: PageUi, report: ImportReport) -> None:
    """Report annotations that are only boxes, and offer to fill them."""
    boxes = len(report.boxes)
    what = "1 annotation is a box" if boxes == 1 else f"{boxes} annotations are boxes"
    st.info(
        f"{what} without a mask. A network can fill such boxes; they become proposals.",
        icon=":material/crop:",
    )
    titles = {spec.key: shown_title(spec) for spec in ready_models()}
    if not titles:
        st.caption("No model is ready to fill boxes: see the Models page.")
        return
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    keys = list(titles)
    key = left.selectbox(
        "Model for boxes",
        keys,
        keys.index(Fit(project.store, project.row.id, known=get_state().guesses).model().key),
        format_func=lambda key: titles[key],
        key=f"fill-model-{project.row.id}-{ui.upload_round}",
    )
    if not pressed(
        "Turn them into proposals",
        draw=right.button,
        key=_FILL,
        is_kept=True,
        type="primary",
        width="stretch",
    ):
        return
    with show_core_errors():
        whole = get_state().of(Whole)
        with carrying_out(_FILL):
            predictor = box_drawer(key).predictor
        with whole.work("Filling boxes ...") as show:
            filled = fill_boxes(
                project.store,
                project.row.id,
                project.who,
                report.boxes,
                predictor,
                on_image=lambda done, total: show(done / total, f"Image {done} of {total}"),
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
