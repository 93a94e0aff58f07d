"""The table of the Project page's sections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pages.ui.project.categories import draw_categories
from pages.ui.project.choosing import OpenProject
from pages.ui.project.history import draw_history
from pages.ui.project.images_in import draw_images_in
from pages.ui.project.out import draw_out
from pages.ui.project.overview import draw_overview
from pages.ui.project.pre_annotate import draw_pre_annotate
from pages.ui.state import ProjectUi

__all__ = ["SECTIONS", "Section"]


@dataclass(frozen=True)
class Section:
    """One section.

    Args:
        key: in the session's state.
        title: for people.
        icon: a Material symbol.
        draw: draws it.
    """

    key: str
    title: str
    icon: str
    draw: Callable[[OpenProject, ProjectUi], None]


SECTIONS: tuple[Section, ...] = (
    Section("overview", "Overview", ":material/dashboard:", draw_overview),
    Section("images", "Add images", ":material/add_photo_alternate:", draw_images_in),
    Section("model", "Pre-annotate", ":material/neurology:", draw_pre_annotate),
    Section("categories", "Categories", ":material/label:", draw_categories),
    Section("out", "Export", ":material/download:", draw_out),
    Section("history", "History", ":material/history:", draw_history),
)
