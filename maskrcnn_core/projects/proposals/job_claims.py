"""Jobs as a worker sees them: claiming one, saying that it is alive, writing how far it is, and ending it."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from sqlalchemy import (
    Row,
    update,
)

from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.db.tables import JOB
from maskrcnn_core.projects.proposals.job_rows import (
    JobRow,
    Progress,
    alone_with_jobs,
    claimable_jobs,
    progress_columns,
    row_of,
    set_columns,
    utc_now,
)
from maskrcnn_core.projects.proposals.jobs import has_work
from maskrcnn_core.projects.store import Store

__all__ = [
    "LOST_ALLOWED",
    "beat",
    "claim_job",
    "end_job",
    "free_jobs",
    "go_on",
    "leave_job",
    "take_job",
    "write_engine",
    "write_progress",
]

LOST_ALLOWED = 3
"""After this many workers in a row were lost before they had done one image, the job has failed: the next one
would die of the same image."""


def claim_job(store: Store, worker: str) -> JobRow | None:
    """Give a worker the oldest job that waits, or runs without a sign of life; ``None`` if there is none.

    No job is given to two, however many ask at once. A job that has cost :data:`LOST_ALLOWED` workers in a
    row without getting one image further is not given again: it has failed.

    Args:
        store: where.
        worker: a name that no other worker has.
    """
    # Asked once a second by every worker that has nothing to do: no writer need wait for that.
    while has_work(store):
        with alone_with_jobs(store) as connection:
            now = utc_now(connection)
            found = connection.execute(claimable_jobs(now).limit(1)).one_or_none()
            if found is None:
                return None
            lost = found.lost + (found.state == "running")
            if lost >= LOST_ALLOWED:
                set_columns(
                    connection, found.id, state="failed", ended_at=now, worker="", message=_lost(found)
                )
                continue
            set_columns(
                connection,
                found.id,
                state="running",
                worker=worker,
                started_at=now,
                beat_at=now,
                lost=lost,
                ran=0,
                ran_seconds=0.0,
            )
            return row_of(connection, found.id)
    return None


def take_job(store: Store, job_id: int, worker: str) -> JobRow:
    """Give a worker the job that it asks for, also one that is paused: somebody wants it done by this one.

    Args:
        store: where.
        job_id: which.
        worker: a name that no other worker has.

    Raises:
        StoreError: if there is none, it is over, or a living worker is at it or at another of its project.
    """
    with alone_with_jobs(store) as connection:
        row, now = row_of(connection, job_id), utc_now(connection)
        if not row.is_open:
            raise StoreError(f"job {job_id}: it is {row.state}; start a new one")
        if row.state == "paused":  # by whoever is to go on with it
            set_columns(connection, job_id, state="waiting")
        if connection.execute(claimable_jobs(now).where(JOB.c.id == job_id)).one_or_none() is None:
            raise StoreError(
                f"job {job_id}: a worker is at it, or at another job of its project; wait until that "
                "ends, or pause it first ('project pause')"
            )
        set_columns(
            connection,
            job_id,
            state="running",
            worker=worker,
            started_at=now,
            beat_at=now,
            lost=0,
            ran=0,
            ran_seconds=0.0,
        )
        return row_of(connection, job_id)


def _lost(row: Row[Any]) -> str:
    return (
        f"{LOST_ALLOWED} workers in a row died on the same image without a message, after {row.done} of "
        f"{row.total}: it may need more memory than there is; use a smaller model, or 'project annotate', "
        "which names the image"
    )


def go_on(store: Store, job_id: int, worker: str) -> bool:
    """Return whether a worker may begin its job's next image; call it before each.

    If not, as somebody paused or cancelled it or another worker has it, the job is out of this worker's
    hands.
    """
    with alone_with_jobs(store) as connection:
        row = row_of(connection, job_id)
        if row.worker != worker:
            return False
        if row.state == "waiting":  # paused and resumed while this worker was at an image
            set_columns(connection, job_id, state="running")
        elif row.state != "running":
            set_columns(connection, job_id, worker="")
            return False
        return True


def beat(store: Store, job_id: int, worker: str) -> bool:
    """Give a sign of life; return ``False`` if the job is no longer this worker's."""
    with store.writing() as connection:
        return set_columns(connection, job_id, worker, beat_at=utc_now(connection))


def free_jobs(store: Store, prefix: str) -> int:
    """Take jobs out of the hands of workers that are known to be dead, for the next one to go on at once.

    That the worker was lost still counts, see :func:`claim_job`.

    Args:
        store: where.
        prefix: what the names of these workers begin with.

    Returns:
        How many jobs they had.
    """
    with store.writing() as connection:
        theirs = JOB.c.worker.startswith(prefix, autoescape=True)
        return connection.execute(update(JOB).where(theirs).values(worker="")).rowcount


def write_progress(store: Store, before: JobRow, worker: str, progress: Progress) -> bool:
    """Note how far a worker is with its job.

    Args:
        store: where.
        before: the job as it was claimed, with the counts of earlier goes.
        worker: who has it.
        progress: of this go.

    Returns:
        Whether the job is still this worker's; if not, nothing was written.
    """
    counts = progress_columns(progress)
    counts["proposed"] += before.proposed
    counts["decided"] += before.decided
    counts["replaced"] += before.replaced
    counts["there"] = dict(Counter(before.there) + Counter(counts["there"]))
    if progress.ran:
        counts["lost"] = 0
    with store.writing() as connection:
        return set_columns(connection, before.id, worker, beat_at=utc_now(connection), **counts)


def write_engine(store: Store, job_id: int, worker: str, engine: str) -> bool:
    """Note what runs a worker's job; return ``False`` if the job is no longer this worker's."""
    with store.writing() as connection:
        return set_columns(connection, job_id, worker, engine=engine)


def leave_job(store: Store, job_id: int, worker: str) -> None:
    """Put a job back, for the next worker to go on; what somebody made of it meanwhile stays."""
    with alone_with_jobs(store) as connection:
        row = row_of(connection, job_id)
        if row.worker == worker:
            set_columns(
                connection, job_id, worker="", state="waiting" if row.state == "running" else row.state
            )


def end_job(
    store: Store, job_id: int, worker: str, state: Literal["done", "failed"], message: str = ""
) -> bool:
    """End a worker's job, also one that was paused meanwhile; one that was cancelled stays so.

    Args:
        store: where.
        job_id: which.
        worker: who has it; nothing happens if that is another one by now.
        state: how it ended.
        message: for people.

    Returns:
        Whether it ended by this.
    """
    with alone_with_jobs(store) as connection:
        row = row_of(connection, job_id)
        if row.worker != worker:
            return False
        if not row.is_open:
            set_columns(connection, job_id, worker="")
            return False
        return set_columns(
            connection, job_id, worker="", state=state, message=message, ended_at=utc_now(connection)
        )
