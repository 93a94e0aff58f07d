"""The processes that run models over projects, on whatever machine: what each is at, and how fast."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE
from maskrcnn_core.projects.proposals.pace import MINUTES, Crew, WorkerSight, look_at_workers
from pages.project.charts import pace_chart
from pages.shared.open_project import OpenProject
from pages.shared.texts import plain, show_core_errors

__all__ = ["draw_workers"]

_EVERY = 2.0
_SELDOM = 10.0
"""Seconds between looks while nobody works: a worker of another machine may begin."""
_SHOWN = 24
_IN_A_ROW = 3
_ICONS = {"works": ":material/play_circle:", "waits": ":material/hourglass:", "died": ":material/error:"}


def draw_workers(project: OpenProject) -> None:
    """Draw the workers of all projects, and go on looking at them."""
    st.subheader("Workers")
    with show_core_errors():
        is_busy = any(one.job_id is not None for one in look_at_workers(project.store).living)
        st.fragment(_draw, run_every=_EVERY if is_busy else _SELDOM)(project, is_busy)
    _draw_help(project)


def _draw(project: OpenProject, was_busy: bool) -> None:
    with show_core_errors():
        crew = look_at_workers(project.store)
        st.text(crew.told)
        shown = crew.workers[:_SHOWN]
        for first in range(0, len(shown), _IN_A_ROW):
            columns = st.columns(_IN_A_ROW)
            for column, one in zip(columns, shown[first : first + _IN_A_ROW], strict=False):
                with column.container(border=True):
                    _draw_worker(one, crew)
        if len(crew.workers) > _SHOWN:
            st.caption(f"{len(crew.workers) - _SHOWN} more; `project workers` on the command line has all.")
        if crew.done:
            st.plotly_chart(pace_chart(crew.done, crew.at), key="workers-pace")
        if any(one.job_id is not None for one in crew.living) != was_busy:
            st.rerun()


def _draw_worker(one: WorkerSight, crew: Crew) -> None:
    st.markdown(f"{_ICONS[one.told]} **{plain(one.host)}**, process {one.pid}, {one.told}")
    if one.job_id is not None:
        st.text(f"{one.model_key} over {one.project}")
    st.text(
        f"{counted(one.done, 'image')} done; {one.rate_now:.1f} a minute now, {one.rate:.1f} in the last "
        f"{MINUTES} minutes"
    )
    runs = f"{one.device}, {one.engine}. " if one.device else ""
    st.caption(
        plain(
            f"{runs}Since {_at(one.since, crew.at)} UTC, last sign of life {_ago(one.seen_at, crew.at)} ago."
        )
    )
    if one.note:
        st.warning(plain(f"{one.note[:1].upper()}{one.note[1:]}."), icon=":material/info:")


def _at(time: datetime, now: datetime) -> str:
    return f"{time:%H:%M}" if time.date() == now.date() else f"{time:%Y-%m-%d %H:%M}"


def _ago(time: datetime, now: datetime) -> str:
    seconds = max(0, round((now - time).total_seconds()))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def _draw_help(project: OpenProject) -> None:
    place = project.store.place
    with st.expander("Work on more machines", icon=":material/lan:"):
        if place.sqlite_file is not None or "://" not in place.files:
            st.text(
                "This app keeps its projects on this computer. Machines share work through a PostgreSQL "
                f"database and a bucket that all of them reach: {DATABASE_VARIABLE} and {DATA_VARIABLE} name "
                "them, for this app and for every worker."
            )
            return
        st.text("Install MaskDesk there, and keep this running; the database's password goes where *** is:")
        st.code(
            f"{DATABASE_VARIABLE}={place.shown} \\\n{DATA_VARIABLE}={place.files.rpartition('/')[0]} \\\n"
            "maskdesk project work",
            language="bash",
        )
