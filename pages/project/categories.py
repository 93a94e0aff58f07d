"""A project's categories: create, rename, colour, merge, remove; and what can be said of their instances."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import streamlit as st

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.images.reading import one_line
from maskrcnn_core.projects.category_edits import (
    add_categories,
    change_category,
    merge_categories,
    remove_category,
)
from maskrcnn_core.projects.records import CategoryRow
from pages.project.attributes import draw_attributes
from pages.project.state import PageUi
from pages.shared.open_project import OpenProject, color_of
from pages.shared.pressing import pressed
from pages.shared.texts import cell, harmless, plain, show_core_errors

__all__ = ["draw_categories"]


def draw_categories(project: OpenProject, ui: PageUi) -> None:
    """Draw the table of categories, and what can be done to one of them."""
    counts = Counter(fact.category_id for fact in project.facts)
    rows = project.categories
    st.dataframe(
        pd.DataFrame(
            {
                "color": ["██"] * len(rows),
                "name": [cell(row.name) for row in rows],
                "supercategory": [cell(row.supercategory) for row in rows],
                "instances": [counts[row.id] for row in rows],
                "id in files": [row.coco_id for row in rows],
            }
        ).style.apply(lambda _column: [f"color: {color_of(row)}" for row in rows], subset=["color"]),
        hide_index=True,
        key="category-table",
        placeholder="No categories yet",
        alt="The project's categories",
    )
    left, middle, right = st.columns(3)
    with left:
        _draw_new(project, ui)
    if not rows:
        return
    with middle:
        _draw_change(project, ui, rows, counts)
    with right:
        _draw_merge(project, ui, rows, counts)
    draw_attributes(project, ui)


def _draw_new(project: OpenProject, ui: PageUi) -> None:
    st.subheader("New")
    with st.form("new-categories", clear_on_submit=True):
        names = st.text_input("Names, separated by commas")
        supercategory = st.text_input("Supercategory (optional)")
        asked = pressed("Add", key="add-category", draw=st.form_submit_button, icon=":material/add:")
    if asked:
        with show_core_errors():
            wanted = [part.strip() for part in names.split(",") if part.strip()]
            entry = add_categories(
                project.store, project.row.id, project.who, wanted, supercategory=supercategory.strip()
            )
            ui.notice.say(f"Added {len(entry.changes)}." if entry else "Nothing new: these already exist.")
            st.rerun()


def _choice(label: str, rows: list[CategoryRow], key: str) -> tuple[CategoryRow, bool]:
    """Return the chosen category, and whether it is still the one that the person saw as chosen."""
    # Ids, not places in the list: somebody may have taken a category out of it meanwhile.
    by_id = {row.id: row for row in rows}
    is_same = st.session_state.get(key) in (None, *by_id)
    id_ = st.selectbox(label, list(by_id), format_func=lambda i: harmless(by_id[i].name), key=key)
    if not is_same:
        st.warning("The chosen category is gone: somebody merged or removed it.")
    return by_id[id_], is_same


def _draw_change(project: OpenProject, ui: PageUi, rows: list[CategoryRow], counts: Counter[int]) -> None:
    st.subheader("Change")
    row, is_same = _choice("Category", rows, "category-choice")
    with st.form("change-category"):
        # The version in the keys: after a change by anybody the fields show what is stored.
        name = st.text_input("Name", row.name, key=f"name-{row.id}-{row.version}")
        supercategory = st.text_input(
            "Supercategory", row.supercategory, key=f"supercategory-{row.id}-{row.version}"
        )
        color = st.color_picker("Color", color_of(row), key=f"colour-{row.id}-{row.version}")
        asked = pressed(
            "Save", key=f"save-category-{row.id}", draw=st.form_submit_button, icon=":material/save:"
        )
    if asked:
        with show_core_errors():
            change_category(
                project.store,
                project.row.id,
                project.who,
                row,
                name=name,
                supercategory=supercategory,
                color="" if color == color_of(row) and not row.color else color.lower(),
            )
            ui.notice.say(f"Saved {one_line(name)}.")
            st.rerun()
    asked = pressed(
        "Remove",
        icon=":material/delete:",
        disabled=counts[row.id] > 0,
        help="You can only remove a category without instances; otherwise merge it into another.",
        key="remove-category",
        about=row.id,
    )
    if asked and is_same:
        with show_core_errors():
            remove_category(project.store, project.row.id, project.who, row)
            ui.notice.say(f"Removed {one_line(row.name)}; undo it under History.")
            st.rerun()


def _draw_merge(project: OpenProject, ui: PageUi, rows: list[CategoryRow], counts: Counter[int]) -> None:
    st.subheader("Merge")
    into, is_same = _choice("Into", rows, "merge-into")
    others = {row.id: row for row in rows if row.id != into.id}
    chosen = st.multiselect(
        "These",
        list(others),
        format_func=lambda id_: harmless(others[id_].name),
        key=f"merge-{into.id}-{project.revision}",
    )
    going = [others[id_] for id_ in chosen]
    moved = sum(counts[row.id] for row in going)
    note = st.empty()  # always there, so that the button below stays where it is
    if going:
        note.caption(plain(f"{counted(moved, 'instance becomes', 'instances become')} {into.name}."))
    if pressed("Merge", icon=":material/merge:", disabled=not going, key="merge") and is_same:
        with show_core_errors():
            merge_categories(project.store, project.row.id, project.who, going, into)
            ui.notice.say(f"Merged into {one_line(into.name)}; undo it under History.")
            st.rerun()
