"""The comments on the image that is reviewed: read, answered and resolved below the picture."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.projects.team.comments import (
    MOST_OF_A_COMMENT,
    Comment,
    add_answer,
    comments_of,
    resolve_comment,
)
from pages.review.state import review_of
from pages.shared.naming import with_name
from pages.shared.open_project import OpenProject
from pages.shared.pressing import drop_press, pressed
from pages.shared.session import ProjectUi
from pages.shared.texts import show_core_errors

__all__ = ["draw_comments"]


def draw_comments(project: OpenProject, ui: ProjectUi) -> None:
    """Draw the comments on the present image, the open ones first; nothing if there are none."""
    item = review_of(ui).item
    if item is None:
        return
    comments = [
        one for row in project.store.images(project.row.id, ids=[item.image_id]) for one in comments_of(row)
    ]
    if not comments:
        return
    about = (
        _instances_told(project, item.image_id) if any(one.instance is not None for one in comments) else {}
    )
    open_ones = sum(not one.is_resolved for one in comments)
    st.subheader(f"{counted(open_ones, 'open comment')} on this image")
    for one in sorted(comments, key=lambda one: one.is_resolved):
        with st.container(border=True):
            on = "" if one.instance is None else about.get(one.instance, "an instance that is gone")
            _draw_comment(project, ui, item.image_id, one, on)


def _instances_told(project: OpenProject, image_id: int) -> dict[int, str]:
    """Return what an image's instances are called, by their numbers in files."""
    names = {row.id: row.name for row in project.categories}
    rows = project.store.instances(project.row.id, image_id=image_id)
    return {row.coco_id: f"{names.get(row.category_id, 'instance')} {row.coco_id}" for row in rows}


def _draw_comment(project: OpenProject, ui: ProjectUi, image_id: int, one: Comment, on: str) -> None:
    key = f"{image_id}-{one.id}"
    state = "resolved" if one.is_resolved else "open"
    facts = [str(one.id), one.who, one.at[:16].replace("T", " "), state, *([f"on {on}"] if on else [])]
    st.text(f"{' · '.join(facts)}\n{one.text}")
    for answer in one.answers:
        st.text(f"    {answer.who} · {answer.at[:16].replace('T', ' ')}\n    {answer.text}")
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left.form(f"answer-{key}-{len(one.answers)}", border=False):
        text = st.text_input(
            "Answer", max_chars=MOST_OF_A_COMMENT, key=f"answer-text-{key}-{len(one.answers)}"
        )
        send = f"send-answer-{key}"
        is_sent = pressed("Send the answer", key=send, draw=st.form_submit_button, is_kept=True)
    if is_sent and not text.strip():
        drop_press(send)
    elif is_sent:
        _do(ui, send, lambda: add_answer(project.store, image_id, ui.who, one.id, text))
    label = "Open it again" if one.is_resolved else "Resolve"
    resolve = f"resolve-{key}-{one.is_resolved}"
    if pressed(label, draw=right.button, key=resolve, is_kept=True, width="stretch"):
        wanted = not one.is_resolved
        _do(ui, resolve, lambda: resolve_comment(project.store, image_id, ui.who, one.id, is_resolved=wanted))


def _do(ui: ProjectUi, key: str, act: Callable[[], object]) -> None:
    def act_and_draw() -> None:
        act()
        st.rerun()

    with show_core_errors():
        with_name(ui, key, act_and_draw)
