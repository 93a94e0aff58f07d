"""Jobs: runs of a model over a whole project that go on in the background, whoever looks.

A job is a row, so it outlives the page that asked for it, the workers that do it, and their machines. People
pause, resume and cancel the row; workers (:mod:`maskrcnn_core.projects.proposals.worker`) ask it before each
image::

    waiting --> running --> done, failed
       ^           |
       +-- paused -+        and cancelled, from any of the three

Any number of workers share a job's images (:mod:`maskrcnn_core.projects.proposals.shares`). A worker says
every few seconds that it is alive; what one had in hand that has not for ``STALE_SECONDS``
(:mod:`maskrcnn_core.projects.proposals.job_rows`) goes to whoever asks next. Of one project's jobs only one
runs at a time, as what one offers depends on what is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import (
    func,
    insert,
    select,
)

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import StoreError
from maskrcnn_core.inference.engines.table import check_engine
from maskrcnn_core.projects.db.tables import IMAGE, JOB
from maskrcnn_core.projects.journal import check_who
from maskrcnn_core.projects.proposals.job_rows import (
    OPEN_STATES,
    JobRow,
    JobSettings,
    JobState,
    alone_with_jobs,
    joinable_jobs,
    read_jobs,
    row_of,
    set_columns,
    utc_now,
)
from maskrcnn_core.projects.proposals.shared_models import share_model
from maskrcnn_core.projects.store import Store

__all__ = ["add_job", "cancel_job", "has_work", "job", "jobs_of", "open_jobs", "pause_job", "resume_job"]


# -- what there is ----------------------------------------------------------------------------------


def jobs_of(store: Store, project_id: int) -> list[JobRow]:
    """Return a project's jobs, the newest first."""
    return read_jobs(store, select(JOB).where(JOB.c.project_id == project_id).order_by(JOB.c.id.desc()))


def open_jobs(store: Store) -> list[JobRow]:
    """Return all jobs that may still do something, the oldest first."""
    return read_jobs(store, select(JOB).where(JOB.c.state.in_(OPEN_STATES)).order_by(JOB.c.id))


def job(store: Store, job_id: int) -> JobRow:
    """Return one job.

    Raises:
        StoreError: if there is none.
    """
    with store.reading() as connection:
        return row_of(connection, job_id)


def has_work(store: Store) -> bool:
    """Return whether a worker that asked now would be given a job."""
    with store.reading() as connection:
        return connection.execute(joinable_jobs(utc_now(connection))).first() is not None


# -- what people do ---------------------------------------------------------------------------------


def add_job(
    store: Store,
    project_id: int,
    model_key: str,
    settings: JobSettings,
    who: str,
    *,
    state: Literal["waiting", "paused"] = "waiting",
) -> JobRow:
    """Ask for a model to be run over a project; a worker does it, at once unless it is to be paused.

    Raises:
        StoreError: if there is no such project, it is archived, or it has an open job of this model; or if
            the model's weights cannot be put where the workers of other machines find them.
        WeightsError: if these weights cannot be read.
        InputError: if ``who`` is nobody, or there is no such engine.
    """
    check_who(who)
    check_engine(settings.engine)
    store.project(project_id)
    store.refuse_closed(project_id)
    shared = share_model(store, model_key)
    with alone_with_jobs(store) as connection:
        same = select(JOB.c.state).where(
            JOB.c.project_id == project_id, JOB.c.model_key == model_key, JOB.c.state.in_(OPEN_STATES)
        )
        if (open_ := connection.execute(same).scalar()) is not None:
            help_ = "resume or cancel it" if open_ == "paused" else "wait until it ends, or cancel it"
            raise StoreError(
                f"model {one_line(model_key)}: this project already has a {open_} job of it; {help_}"
            )
        images = select(func.count()).where(
            IMAGE.c.project_id == project_id, ~IMAGE.c.gone, IMAGE.c.digest != ""
        )
        values: dict[str, Any] = {
            "project_id": project_id,
            "model_key": model_key,
            "settings": settings.to_json(),
            "state": state,
            "message": "",
            "engine": "",
            "weights": shared.weights,
            "card": shared.card,
            "limits": {},
            "made_at": utc_now(connection),
            "made_by": who,
            "total": connection.execute(images).scalar_one(),
            **dict.fromkeys(("done", "proposed", "decided", "replaced", "failed", "lost", "ran"), 0),
            "there": {},
            "failures": [],
            "ran_seconds": 0.0,
        }
        id_ = connection.execute(insert(JOB).returning(JOB.c.id), values).scalar_one()
        return row_of(connection, id_)


def pause_job(store: Store, job_id: int) -> JobRow:
    """Let a job rest; its workers leave it before the next image. What was proposed stays.

    Raises:
        StoreError: if there is none, or it neither waits nor runs.
    """
    return _turn(store, job_id, "paused", ("waiting", "running"), "pause")


def resume_job(store: Store, job_id: int) -> JobRow:
    """Let a paused job wait for a worker; images that have a run are not run again.

    Raises:
        StoreError: if there is none, or it is not paused.
    """
    return _turn(store, job_id, "waiting", ("paused",), "resume")


def cancel_job(store: Store, job_id: int) -> JobRow:
    """End a job before it is done; its workers leave it before the next image. What was proposed stays.

    Raises:
        StoreError: if there is none, or it is over.
    """
    return _turn(store, job_id, "cancelled", OPEN_STATES, "cancel")


_SINCE: dict[JobState, str] = {
    "waiting": "it is waiting for a worker",
    "running": "it is running",
    "paused": "it is already paused",
    "cancelled": "it was cancelled; start a new one",
    "done": "it is done",
    "failed": "it has failed; start a new one",
}


def _turn(store: Store, job_id: int, to: JobState, allowed: Sequence[JobState], verb: str) -> JobRow:
    with alone_with_jobs(store) as connection:
        row = row_of(connection, job_id)
        if row.state not in allowed:
            raise StoreError(f"job {job_id}: cannot {verb} it: {_SINCE[row.state]}")
        ended = utc_now(connection) if to not in OPEN_STATES else None
        set_columns(connection, job_id, state=to, ended_at=ended)
        return row_of(connection, job_id)
