"""The table of the Project page's sections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pages.project.add_images import draw_images_in
from pages.project.categories import draw_categories
from pages.project.export import draw_out
from pages.project.history import draw_history
from pages.project.overview import draw_overview
from pages.project.people import draw_people
from pages.project.pre_annotate import draw_pre_annotate
from pages.project.settings import draw_settings
from pages.project.snapshots import draw_snapshots
from pages.project.state import PageUi
from pages.shared.open_project import OpenProject

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
    draw: Callable[[OpenProject, PageUi], None]


SECTIONS: tuple[Section, ...] = (
    Section("overview", "Overview", ":material/dashboard:", draw_overview),
    Section("images", "Add images", ":material/add_photo_alternate:", draw_images_in),
    Section("model", "Pre-annotate", ":material/neurology:", draw_pre_annotate),
    Section("categories", "Categories", ":material/label:", draw_categories),
    Section("out", "Export", ":material/download:", draw_out),
    Section("history", "History", ":material/history:", draw_history),
    Section("snapshots", "Snapshots", ":material/inventory_2:", draw_snapshots),
    Section("people", "People", ":material/group:", draw_people),
    Section("settings", "Settings", ":material/settings:", draw_settings),
)
