"""How many images wait for a second look, came through it or came back: each number leads to its images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from maskrcnn_core.projects.records import ImageRow
from maskrcnn_core.projects.review.review_queue import QueueFilter
from maskrcnn_core.projects.team.approvals import (
    STAGES,
    Stage,
    has_second_stage,
    stage_counts,
    standing_approvals,
    told_verdict,
    verdict_of,
)
from pages.shared.open_project import OpenProject
from pages.shared.texts import cell

__all__ = ["draw_second_look", "verdicts_column"]

_TITLES: Mapping[Stage, tuple[str, str]] = {
    "to-approve": ("to approve", "Finished, and not approved as they are now"),
    "approved": ("approved", "Approved as they are now"),
    "returned": ("returned", "Returned with a comment, and not finished again"),
    "lapsed": ("lapsed", "Changed or reopened since somebody approved them"),
}


def draw_second_look(project: OpenProject, want: Callable[[QueueFilter, str], None]) -> None:
    """Draw the counts as buttons; nothing where the project has no second stage.

    Args:
        project: whose.
        want: makes a filter, and what it is called, that of the gallery.
    """
    if not has_second_stage(project.row):
        return
    counts = stage_counts(project.store, project.row.id)
    for column, stage in zip(st.columns(len(STAGES)), STAGES, strict=True):
        title, why = _TITLES[stage]
        column.button(
            f"{counts[stage]:,} {title}",
            help=f"{why}. Shows them below.",
            key=f"stage-{stage}",
            disabled=not counts[stage],
            width="stretch",
            on_click=want,
            args=(QueueFilter(search=f"stage:{stage}"), ""),
        )


def verdicts_column(project: OpenProject, images: Sequence[ImageRow]) -> dict[str, list[str]]:
    """Return the gallery's column of what was said of images; none where the project has no second stage."""
    if not has_second_stage(project.row):
        return {}
    said = [image.id for image in images if verdict_of(image)]
    approved = standing_approvals(project.store, project.row.id, said)
    return {"second look": [cell(told_verdict(image, stands=image.id in approved)) for image in images]}
