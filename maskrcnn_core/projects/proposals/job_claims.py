"""Jobs as a worker sees them: joining one, leaving it, and ending it where it cannot be done."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, select, update

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.db.tables import JOB, SHARE, WORKER
from maskrcnn_core.projects.proposals.job_rows import (
    JobRow,
    alone_with_jobs,
    is_alive,
    joinable_jobs,
    row_of,
    set_columns,
    utc_now,
)
from maskrcnn_core.projects.proposals.jobs import has_work
from maskrcnn_core.projects.proposals.workers import put_worker
from maskrcnn_core.projects.store import Store

__all__ = [
    "LOST_ALLOWED",
    "claim_job",
    "fail_job",
    "give_up_job",
    "join_job",
    "leave_job",
    "others_at",
    "write_engine",
]

LOST_ALLOWED = 3
"""After this many workers in a row died before they had an image in hand, the job has failed; after as many
at one image, that image has."""


def claim_job(store: Store, worker: str, *, unable: frozenset[int] = frozenset()) -> JobRow | None:
    """Bring a worker to the oldest job in which there is something to do; ``None`` if there is none.

    Others may be at it already: they share its images. A job that has cost :data:`LOST_ALLOWED` workers in a
    row before one of them had an image in hand is not given again: it has failed.

    Args:
        store: where.
        worker: a name that no other worker has.
        unable: ids of jobs that it has to leave to others.
    """
    # Asked once a second by every worker that has nothing to do: no writer need wait for that.
    while has_work(store):
        with alone_with_jobs(store) as connection:
            now = utc_now(connection)
            query = joinable_jobs(now).where(JOB.c.id.not_in(unable)).limit(1)
            found = connection.execute(query).one_or_none()
            if found is None:
                return None
            if others_at(connection, found.id, worker, now):
                set_columns(connection, found.id, state="running")
            elif not _begin_go(connection, found, now):
                continue
            put_worker(connection, worker, job_id=found.id)
            return row_of(connection, found.id)
    return None


def join_job(store: Store, job_id: int, worker: str) -> JobRow:
    """Bring a worker to the job that it asks for, also to a paused one: somebody wants it done by this one.

    Args:
        store: where.
        job_id: which.
        worker: a name that no other worker has.

    Raises:
        StoreError: if there is none, it is over, all its images are in others' hands, or another job of its
            project runs.
    """
    with alone_with_jobs(store) as connection:
        row, now = row_of(connection, job_id), utc_now(connection)
        if not row.is_open:
            raise StoreError(f"job {job_id}: it is {row.state}; start a new one")
        if row.state == "paused":
            set_columns(connection, job_id, state="waiting")
        if connection.execute(joinable_jobs(now).where(JOB.c.id == job_id)).one_or_none() is None:
            raise StoreError(
                f"job {job_id}: others have all of its images in hand, or are at another job of its project; "
                "wait until that ends, or pause it first ('project pause')"
            )
        if others_at(connection, job_id, worker, now):
            set_columns(connection, job_id, state="running")
        else:
            # Whoever asks for it by name knows how often it has died.
            set_columns(
                connection, job_id, state="running", started_at=now, lost=0, ran=0, ran_seconds=0.0, engine=""
            )
        put_worker(connection, worker, job_id=job_id)
        return row_of(connection, job_id)


def _begin_go(connection: Connection, found: Row[Any], now: datetime) -> bool:
    """Begin to count anew, as nobody is at a job; return ``False`` if it has failed instead."""
    in_hand = exists().where(SHARE.c.job_id == found.id, SHARE.c.done_at.is_(None), SHARE.c.worker != "")
    died_at_image = connection.execute(select(in_hand)).scalar_one()
    lost = found.lost + (found.state == "running" and not died_at_image)
    if lost >= LOST_ALLOWED:
        set_columns(connection, found.id, state="failed", ended_at=now, message=_lost(found))
        return False
    set_columns(
        connection, found.id, state="running", started_at=now, lost=lost, ran=0, ran_seconds=0.0, engine=""
    )
    return True


def _lost(row: Row[Any]) -> str:
    return (
        f"{LOST_ALLOWED} workers in a row died without a message before they had begun an image, after "
        f"{row.done} of {row.total}: the model may need more memory than there is; use a smaller one, or "
        "'project annotate', which shows what happens"
    )


def others_at(connection: Connection, job_id: int, worker: str, now: datetime) -> list[Row[Any]]:
    """Return the other living workers that are at a job."""
    return list(connection.execute(_others(worker, now).where(WORKER.c.job_id == job_id)))


def _others(worker: str, now: datetime) -> Select[Any]:
    return select(WORKER).where(WORKER.c.name != worker, is_alive(now))


def write_engine(store: Store, job_id: int, worker: str, engine: str, device: str) -> None:
    """Note what runs a worker's network; the job names all that run it."""
    with alone_with_jobs(store) as connection:
        put_worker(connection, worker, engine=engine, device=device)
        said = row_of(connection, job_id).engine
        if engine not in said.split("; "):
            set_columns(connection, job_id, engine=f"{said}; {engine}" if said else engine)


def leave_job(store: Store, job_id: int, worker: str) -> None:
    """Take a worker from a job; the image that it had in hand goes to the next one.

    What somebody made of the job meanwhile stays; if nobody else is at it, it waits.
    """
    with alone_with_jobs(store) as connection:
        _leave(connection, job_id, worker)


def _leave(connection: Connection, job_id: int, worker: str) -> None:
    held = (SHARE.c.job_id == job_id, SHARE.c.worker == worker, SHARE.c.done_at.is_(None))
    connection.execute(update(SHARE).where(*held).values(worker=""))
    at_it = (WORKER.c.name == worker, WORKER.c.job_id == job_id)
    if not connection.execute(update(WORKER).where(*at_it).values(job_id=None)).rowcount:
        return
    now = utc_now(connection)
    if not others_at(connection, job_id, worker, now):
        connection.execute(
            update(JOB).where(JOB.c.id == job_id, JOB.c.state == "running").values(state="waiting")
        )


def fail_job(store: Store, job_id: int, worker: str, message: str) -> bool:
    """End a job that cannot be done, also one that was paused meanwhile; others leave it at their next image.

    Args:
        store: where.
        job_id: which.
        worker: who is at it; nothing happens if it is no longer.
        message: for people.

    Returns:
        Whether it ended by this.
    """
    with alone_with_jobs(store) as connection:
        return _fail(connection, job_id, worker, message)


def _fail(connection: Connection, job_id: int, worker: str, message: str) -> bool:
    at_it = select(WORKER.c.job_id).where(WORKER.c.name == worker)
    if connection.execute(at_it).scalar() != job_id:
        return False
    _leave(connection, job_id, worker)
    if not row_of(connection, job_id).is_open:
        return False
    set_columns(connection, job_id, state="failed", message=message, ended_at=utc_now(connection))
    return True


def give_up_job(store: Store, job_id: int, worker: str, message: str) -> bool:
    """Leave a job to others, as something is wrong on this machine; end it if no other worker may do it.

    Args:
        store: where.
        job_id: which.
        worker: who cannot do it.
        message: why, for people.

    Returns:
        Whether the job has ended by this.
    """
    with alone_with_jobs(store) as connection:
        now = utc_now(connection)
        rows = connection.execute(_others(worker, now)).all()
        if not any(job_id not in row.unable for row in rows):
            return _fail(connection, job_id, worker, message)
        _leave(connection, job_id, worker)
        row = row_of(connection, job_id)
        before = connection.execute(select(WORKER.c.unable).where(WORKER.c.name == worker)).scalar() or []
        text = f"left job {job_id} ({one_line(row.model_key)}) to others: {message}"
        put_worker(connection, worker, unable=sorted({*before, job_id}), note=text)
        return False
