"""The projects that were deleted and can still be restored."""

from __future__ import annotations

import streamlit as st

from maskrcnn_core.common.bounds import MAX_NAME
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.images.reading import one_line
from maskrcnn_core.projects.records import ProjectRow
from maskrcnn_core.projects.removal import restore_project
from pages.project.state import PageUi
from pages.shared.cached import open_store
from pages.shared.session import ProjectUi, get_state
from pages.shared.texts import plain, show_core_errors

__all__ = ["draw_deleted"]


def draw_deleted(ui: ProjectUi) -> None:
    """Draw the deleted projects, each with the days it has left; nothing if there are none."""
    store = open_store()
    deleted = [(row, deletion) for row, deletion in store.deleted_projects() if deletion.days_left()]
    if not deleted:
        return
    taken = {row.name for row in store.sound_projects()[0]}
    with st.expander(f"Deleted projects ({len(deleted)})", icon=":material/delete:"):
        for row, deletion in deleted:
            st.markdown(f"**{plain(row.name)}**")
            days = counted(deletion.days_left(), "day")
            st.caption(plain(f"{deletion.who}, {deletion.at:%Y-%m-%d}; {days} left"))
            name = None
            if row.name in taken:
                name = st.text_input(
                    "New name, as another project has its own",
                    f"{row.name} (restored)"[-MAX_NAME:],
                    max_chars=MAX_NAME,
                    key=f"restore-as-{row.id}",
                )
            if st.button("Restore", icon=":material/restore_from_trash:", key=f"restore-{row.id}"):
                _restore(ui, row, name)


def _restore(ui: ProjectUi, row: ProjectRow, name: str | None) -> None:
    with show_core_errors():
        restored = restore_project(open_store(), ui.who, row, name)
        ui.open(restored.id)
        st.query_params.from_dict({"project": str(restored.id)})
        get_state().of_project(PageUi).notice.say(f"Restored {one_line(restored.name)}.")
        st.rerun()
