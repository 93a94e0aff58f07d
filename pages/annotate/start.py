"""What Annotate begins with: a place to drop images, recent projects, samples, and what each page is for."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from maskrcnn_core.errors import CoreError
from maskrcnn_core.images.formats import FORMATS_SAID
from maskrcnn_core.projects.db.location import find_place
from maskrcnn_core.projects.records import ProjectRow
from pages.annotate.kept import draw_left_open, draw_reopening
from pages.shared.cached import open_store
from pages.shared.intake import draw_camera, draw_report, draw_samples, draw_uploader
from pages.shared.page_table import PAGES
from pages.shared.session import UiState
from pages.shared.texts import harmless

__all__ = ["draw_start"]

_RECENT = 5


def draw_start(state: UiState) -> None:
    """Draw the page as it is while no image is open."""
    st.title("Drop in an image, get its objects")
    st.text("Every object gets a mask. Move the thresholds, see the result at once, and export exact files.")
    left, right = st.columns([3, 2], gap="medium")
    with left, st.container(key="start-drop"):
        draw_uploader(state)
        with st.container(key="start-drop-text"):
            st.caption(
                f"Drop photos, microscopy or drawings here: {FORMATS_SAID}, several at once, or zip archives "
                "of them. They stay on this computer."
            )
    with right:
        draw_camera(state)
        _draw_recent()
    draw_report(state)
    draw_reopening(state)
    draw_left_open(state)
    st.subheader("Or try one of these")
    draw_samples(state)
    st.subheader("What each page is for")
    st.markdown("\n\n".join(f"{page.icon} **{page.title}**: {page.shows}" for page in PAGES))


def _draw_recent() -> None:
    """Draw links to the projects that were worked on last, each to its review."""
    projects = _recent()
    if not projects:
        return
    st.subheader("Recent projects")
    for project in projects:
        st.page_link(
            "pages/review/page.py",
            label=harmless(project.name),
            icon=":material/folder_open:",
            query_params={"project": str(project.id)},
            help="Go on reviewing it",
        )


def _recent() -> list[ProjectRow]:
    """Return the projects that were worked on last; none if there is no database, or it does not answer.

    What is the matter with it the pages of projects say: here people want to open an image.
    """
    file = find_place().sqlite_file
    if file is not None and not file.exists():
        return []
    with suppress(CoreError):
        return [row for row in open_store().sound_projects()[0] if not row.is_archived][:_RECENT]
    return []
