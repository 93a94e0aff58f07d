"""Tags for images of the gallery's page."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.projects.image_tags import tag_counts, tag_images
from maskrcnn_core.projects.records import ImageRow
from pages.project.state import PageUi
from pages.shared.open_project import OpenProject
from pages.shared.pressing import pressed
from pages.shared.texts import harmless, show_core_errors

__all__ = ["draw_tagging"]


def draw_tagging(project: OpenProject, ui: PageUi, images: Sequence[ImageRow]) -> None:
    """Offer to give the images of one page of the gallery tags, and to take some away."""
    by_id = {image.id: image for image in images}
    # All of the project's: a tag that nobody has to type again is never misspelt.
    known = sorted(tag_counts(project.images))
    seen = f"{project.row.id}-{ui.gallery_page}-{project.revision}"
    with st.popover("Tag images", icon=":material/sell:", key=f"tagging-{project.row.id}"):
        chosen = st.multiselect(
            "Images to tag",
            list(by_id),
            default=list(by_id) if len(by_id) == 1 else None,
            format_func=lambda id_: harmless(by_id[id_].file_name),
            key=f"tagged-{seen}",
        )
        if st.checkbox(f"All {len(by_id)} of this page", key=f"tag-all-{seen}"):
            chosen = list(by_id)
        add = st.multiselect(
            "Give", known, format_func=harmless, accept_new_options=True, key=f"tags-given-{seen}"
        )
        remove = st.multiselect("Take away", known, format_func=harmless, key=f"tags-taken-{seen}")
        asked = pressed(
            "Tag these",
            icon=":material/sell:",
            disabled=not chosen or not (add or remove),
            key="tag-images",
        )
    if asked:
        with show_core_errors():
            rows = [by_id[id_] for id_ in chosen]
            entry = tag_images(project.store, project.row.id, project.who, rows, add=add, remove=remove)
            changed = counted(len(entry.changes), "image") if entry else "no image"
            ui.notice.say(f"Tags of {changed} changed; undo it under History.")
            st.rerun()
