"""Images assigned to people: some of the gallery's page to one, or all that are left evenly."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.projects.records import Entry, ImageRow
from maskrcnn_core.projects.team.assignments import (
    assign_evenly,
    assign_images,
    left_to_share,
    workload,
)
from pages.components.review_messages import MOST_OF_A_NAME, clean_name
from pages.project.state import PageUi
from pages.shared.open_project import OpenProject
from pages.shared.pressing import pressed
from pages.shared.texts import harmless, show_core_errors

__all__ = ["draw_assigning"]

_NOBODY = "nobody"


def draw_assigning(project: OpenProject, ui: PageUi, images: Sequence[ImageRow]) -> None:
    """Offer to assign images of one page of the gallery, and to share out all that are nobody's."""
    shares = workload(project.images)
    people = sorted({*shares, *([project.who] if project.who else [])})
    seen = f"{project.row.id}-{ui.gallery_page}-{project.revision}"
    with st.popover("Assign images", icon=":material/assignment_ind:", key=f"assigning-{project.row.id}"):
        for name, (all_, left) in shares.items():
            st.text(f"{name}: {counted(all_, 'image')}, {left} not reviewed yet")
        _draw_by_hand(project, ui, images, people, seen)
        _draw_evenly(project, ui, people, seen)


def _draw_by_hand(
    project: OpenProject, ui: PageUi, images: Sequence[ImageRow], people: Sequence[str], seen: str
) -> None:
    by_id = {image.id: image for image in images}
    chosen = st.multiselect(
        "Images to assign",
        list(by_id),
        format_func=lambda id_: harmless(by_id[id_].file_name),
        key=f"assigned-{seen}",
    )
    to = st.selectbox(
        "To",
        [_NOBODY, *people],
        index=None,
        format_func=harmless,
        accept_new_options=True,
        placeholder="a person's name",
        key=f"assigned-to-{seen}",
    )
    if pressed("Assign these", disabled=not (chosen and to), key="assign-these"):
        with show_core_errors():
            rows = [by_id[id_] for id_ in chosen]
            name = "" if to is None or to == _NOBODY else clean_name(to)
            _told(ui, assign_images(project.store, project.row.id, project.who, rows, name))


def _draw_evenly(project: OpenProject, ui: PageUi, people: Sequence[str], seen: str) -> None:
    rest = left_to_share(project.images)
    st.divider()
    st.text(
        f"{counted(len(rest), 'image is', 'images are')} nobody's and not reviewed yet."
        if rest
        else "Every image is somebody's or reviewed: there is nothing to share out."
    )
    chosen = st.multiselect(
        "Share them out among",
        people,
        format_func=harmless,
        accept_new_options=True,
        placeholder="names",
        key=f"shared-among-{seen}",
        help=f"To each as many as to the others, or one more. Names of up to {MOST_OF_A_NAME} characters, as "
        "people enter them on the left.",
    )
    if pressed("Share out", disabled=not (chosen and rest), key="share-out"):
        with show_core_errors():
            names = [clean_name(name) for name in chosen]
            _told(ui, assign_evenly(project.store, project.row.id, project.who, rest, names))


def _told(ui: PageUi, entry: Entry | None) -> None:
    changed = counted(len(entry.changes), "image") if entry else "no image"
    ui.notice.say(f"Assigned {changed} anew; undo it under History.")
    st.rerun()
