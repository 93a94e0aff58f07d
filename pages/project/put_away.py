"""The projects that are out of the menus: archived ones, and deleted ones that can still be restored."""

from __future__ import annotations

import streamlit as st

from maskrcnn_core.common.bounds import MAX_NAME
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.images.reading import one_line
from maskrcnn_core.projects.records import ProjectRow
from maskrcnn_core.projects.removal import restore_project
from pages.project.state import PageUi
from pages.shared.cached import open_store
from pages.shared.pressing import pressed
from pages.shared.session import ProjectUi, get_state
from pages.shared.texts import harmless, plain, show_core_errors

__all__ = ["draw_put_away"]


def draw_put_away(ui: ProjectUi) -> None:
    """Draw the archived and the deleted projects; nothing if there are none."""
    there = open_store().sound_projects()[0]
    _draw_archived(ui, [row for row in there if row.is_archived])
    _draw_deleted(ui, {row.name for row in there})


def _draw_archived(ui: ProjectUi, rows: list[ProjectRow]) -> None:
    if not rows:
        return
    with st.expander(f"Archived ({len(rows)})", icon=":material/archive:"):
        for row in rows:
            if pressed(harmless(row.name), key=f"open-archived-{row.id}", help="Open it to look at"):
                ui.open(row.id)
                st.query_params.from_dict({"project": str(row.id)})
                st.rerun()


def _draw_deleted(ui: ProjectUi, taken: set[str]) -> None:
    """Draw the deleted projects, each with the days it has left."""
    deleted = [pair for pair in open_store().deleted_projects() if pair[1].days_left()]
    if not deleted:
        return
    with st.expander(f"Deleted projects ({len(deleted)})", icon=":material/delete:"):
        for row, deletion in deleted:
            st.markdown(f"**{plain(row.name)}**")
            days = counted(deletion.days_left(), "day")
            st.caption(plain(f"{deletion.who}, {deletion.at:%Y-%m-%d}; {days} left"))
            name = None
            if row.name in taken:
                name = st.text_input(
                    "New name, as another project has its own",
                    f"{row.name}, restored"[-MAX_NAME:],
                    max_chars=MAX_NAME,
                    key=f"restore-as-{row.id}",
                )
            if pressed("Restore", icon=":material/restore_from_trash:", key=f"restore-{row.id}"):
                _restore(ui, row, name)


def _restore(ui: ProjectUi, row: ProjectRow, name: str | None) -> None:
    with show_core_errors():
        restored = restore_project(open_store(), ui.who, row, name)
        ui.open(restored.id)
        st.query_params.from_dict({"project": str(restored.id)})
        get_state().of_project(PageUi).notice.say(f"Restored {one_line(restored.name)}.")
        st.rerun()
