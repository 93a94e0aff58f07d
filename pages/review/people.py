"""Who else is in the project, and on which image: what the Review page says of it, and tells of itself."""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st

from maskrcnn_core.errors import CoreError
from maskrcnn_core.projects.team.presence import Visitor, claimed_images
from pages.review.frames import images_near
from pages.review.state import review_of
from pages.shared.open_project import OpenProject
from pages.shared.screens import part_being_drawn, session_id, team_watch
from pages.shared.session import ProjectUi
from pages.shared.texts import plain
from pages.shared.watching import Shows, names_of, near_claims

__all__ = ["draw_people", "others_here", "tell_what_is_shown"]


def others_here(project_id: int, ui: ProjectUi) -> tuple[Visitor, ...]:
    """Return who else is in the project; nobody where that cannot be read: it is in nobody's way."""
    try:
        return team_watch().others(session_id(), project_id, ui.who)
    except CoreError:
        return ()


def tell_what_is_shown(
    project: OpenProject, ui: ProjectUi, known: frozenset[int], others: Collection[Visitor]
) -> None:
    """Tell what this session shows, so that its desk is drawn again when others change that.

    Args:
        project, ui: which project, and who looks.
        known: the last decisions that the desk contains: those that were there before its rows were read.
        others: who else is there, as the desk shows it.
    """
    review = review_of(ui)
    near = images_near(review, claimed_images(others))
    activity = (review.item, review.ack, tuple(ui.taken.acks.items()))
    shows = Shows(
        project.row.id,
        ui.who,
        review.item.image_id if review.item else None,
        near,
        near_claims(others, near),
        known,
        activity,
        names_of(others),
    )
    team_watch().show(session_id(), part_being_drawn(), shows)


@st.fragment
def draw_people(project: OpenProject, ui: ProjectUi) -> None:
    """List the others in the project, each with what they have open; nothing if there are none."""
    try:
        others = team_watch().list_people(session_id(), part_being_drawn(), project.row.id, ui.who)
    except CoreError:
        return  # the desk says what is the matter
    if not others:
        return
    item = review_of(ui).item
    here = item.image_id if item else None
    st.subheader("Here now")
    for one in sorted(others, key=lambda one: one.image_id != here):
        if one.image_id is not None and one.image_id == here:
            st.markdown(f":material/group: **{plain(one.name)} is here**{_idle(one)}")
        elif one.image_id is not None:
            st.markdown(f":material/person: {plain(one.name)}: {plain(one.file_name)}{_idle(one)}")
        else:
            st.markdown(f":material/person: {plain(one.name)}")


def _idle(one: Visitor) -> str:
    return ", away" if one.is_idle else ""
