"""Who did what in a project, in how much time, and how far people agree."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from maskrcnn_core.formats import write_zip
from maskrcnn_core.formats.base import file_stem
from maskrcnn_core.projects.people.tables import (
    StatsTable,
    agreement_of_people,
    agreement_of_projects,
    agreement_table,
    csv_members,
    days_table,
    people_table,
    project_tables,
)
from maskrcnn_core.projects.people.work import LONGEST_PAUSE, deeds_of, work_by_person
from pages.project.charts import days_chart
from pages.project.state import PageUi
from pages.shared.open_project import OpenProject
from pages.shared.pressing import pressed
from pages.shared.texts import cell, harmless, show_core_errors

__all__ = ["draw_people"]


def draw_people(project: OpenProject, ui: PageUi) -> None:  # noqa: ARG001
    """Draw each person's work, and what tells how far people agree."""
    work = work_by_person(deeds_of(project.store, project.row.id))
    if not work:
        st.info("Nobody has decided anything yet.", icon=":material/info:")
        return
    st.caption(
        "Time is that between decisions; pauses of more than "
        f"{LONGEST_PAUSE.seconds // 60} minutes do not count."
    )
    _draw_table(people_table(work), "Each person's work")
    st.plotly_chart(days_chart(days_table(work).rows), key="people-days")
    _draw_agreement(project)
    st.download_button(
        "All statistics as CSV",
        lambda: _zipped(project_tables(project.store, project.row.id)),
        f"{file_stem(project.row.name)}_statistics.zip",
        "application/zip",
        icon=":material/download:",
        on_click="ignore",
        key="download-statistics",
    )


def _draw_agreement(project: OpenProject) -> None:
    st.subheader("Agreement")
    st.caption(
        "Of two people who worked on the same images, or of copies of this project that other people worked "
        "on: mean IoU of the instances that both accepted, and Cohen's kappa, which is 1 for full agreement "
        "and 0 for that of chance."
    )
    others = {row.id: row for row in project.store.sound_projects()[0] if row.id != project.row.id}
    chosen = st.multiselect(
        "Compare with copies",
        list(others),
        format_func=lambda id_: harmless(others[id_].name),
        key=f"agreement-with-{project.row.id}",
    )
    if not pressed("Work it out", icon=":material/balance:", key="agreement"):
        return
    with show_core_errors():
        found = (
            agreement_of_projects(
                project.store,
                {project.row.name: project.row.id} | {others[id_].name: id_ for id_ in chosen},
            )
            if chosen
            else agreement_of_people(project.store, project.row.id)
        )
        if found:
            _draw_table(agreement_table(found), "How far each two agree")
        else:
            st.text("No two of them have worked on the same image: have two people decide on some.")


def _draw_table(table: StatsTable, alt: str) -> None:
    columns = {
        _told(title): [
            cell(value) if isinstance(value, str) else value for value in (row[n] for row in table.rows)
        ]
        for n, title in enumerate(table.columns)
    }
    shares = [_told(title) for title in table.columns if title.startswith(("mean", "same", "kappa"))]
    st.dataframe(
        pd.DataFrame(columns),
        hide_index=True,
        key=f"statistics-{table.name}",
        column_config={title: st.column_config.NumberColumn(format="%.3f") for title in shares},
        placeholder="–",
        alt=alt,
    )


def _told(title: str) -> str:
    """Return a column's title, which is a name in files, in words."""
    return title.replace("_", " ").replace("iou", "IoU")


def _zipped(tables: Sequence[StatsTable]) -> bytes:
    stream = io.BytesIO()
    write_zip(csv_members(tables), stream)
    return stream.getvalue()
