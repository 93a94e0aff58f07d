"""What can be said of a category's instances: its attributes, declared and taken away."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from maskrcnn_core.common.bounds import MAX_NAME
from maskrcnn_core.errors import InputError
from maskrcnn_core.images.reading import one_line
from maskrcnn_core.projects.attribute_edits import declare_attributes
from maskrcnn_core.projects.attributes import (
    ATTRIBUTE_KINDS,
    BUILT_IN,
    Attribute,
    AttributeKind,
    declared_by,
    fitting_schema,
    values_of,
)
from maskrcnn_core.projects.records import CategoryRow
from pages.project.state import PageUi
from pages.shared.open_project import OpenProject
from pages.shared.pressing import pressed
from pages.shared.texts import cell, harmless, show_core_errors

__all__ = ["draw_attributes"]

_KINDS: dict[AttributeKind, str] = {
    "yes-no": "yes or no",
    "choice": "one of some options",
    "number": "a number",
    "text": "a text",
}


def draw_attributes(project: OpenProject, ui: PageUi) -> None:
    """Draw the attributes of one category, and what changes them."""
    st.subheader("Attributes")
    rows = {row.id: row for row in project.categories}
    left, right = st.columns(2)
    with left:
        id_ = st.selectbox(
            "Attributes of",
            list(rows),
            format_func=lambda i: harmless(rows[i].name),
            key="attributes-of",
        )
        row = rows[id_]
        schema = fitting_schema(row)
        built_in = {one.name for one in BUILT_IN}
        st.dataframe(
            pd.DataFrame(
                {
                    "attribute": [cell(name) for name in schema],
                    "values": [cell(one.told) for one in schema.values()],
                    "": ["built in" if name in built_in else "" for name in schema],
                }
            ),
            hide_index=True,
            key=f"attribute-table-{row.id}-{row.version}",
            alt="The attributes of the category's instances",
        )
    with right:
        if not project.row.is_archived:
            _draw_new(project, ui, row)
            _draw_removal(project, ui, row)


def _draw_new(project: OpenProject, ui: PageUi, row: CategoryRow) -> None:
    with st.form(f"new-attribute-{row.id}", clear_on_submit=True):
        name = st.text_input("Attribute", max_chars=MAX_NAME, key="attribute-name")
        kind = st.selectbox(
            "Its values", ATTRIBUTE_KINDS, format_func=_KINDS.__getitem__, key="attribute-kind"
        )
        options = st.text_area("Options, one per line", key="attribute-options", height=68)
        asked = pressed("Declare", key=f"declare-{row.id}", draw=st.form_submit_button, icon=":material/add:")
    if asked:
        with show_core_errors():
            lines = tuple(line.strip() for line in options.splitlines() if line.strip())
            try:
                new = Attribute(name.strip(), kind, lines)
            except ValueError as error:
                raise InputError(str(error)) from error
            others = [one for one in declared_by(row) if one.name != new.name]
            declare_attributes(project.store, project.row.id, project.who, row, (*others, new))
            ui.notice.say(f"Declared {one_line(new.name)} for {one_line(row.name)}; undo it under History.")
            st.rerun()


def _draw_removal(project: OpenProject, ui: PageUi, row: CategoryRow) -> None:
    if not (declared := declared_by(row)):
        return
    with st.popover("Take an attribute away", icon=":material/delete:", key=f"attribute-removal-{row.id}"):
        name = st.selectbox(
            "No longer declared",
            [one.name for one in declared],
            format_func=harmless,
            key=f"attribute-removed-{row.id}-{row.version}",
        )
        st.caption("Values that instances have already stay, and are exported.")
        asked = pressed(
            "Take it away", icon=":material/delete:", key="remove-attribute", about=(row.id, name)
        )
    if asked:
        with show_core_errors():
            left = [one for one in declared if one.name != name]
            declare_attributes(project.store, project.row.id, project.who, row, left)
            kept = sum(
                name in values_of(one)
                for one in project.store.each_instance(project.row.id)
                if one.category_id == row.id
            )
            said = f"; {kept:,} instances keep a value" if kept else ""
            ui.notice.say(f"{one_line(name)} is no longer declared{said}; undo it under History.")
            st.rerun()
