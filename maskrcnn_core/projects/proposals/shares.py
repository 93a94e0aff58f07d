"""The images of a job as shares, of which each worker takes one at a time.

When a worker begins a job, every image that is to be run becomes a row (:func:`lay_out`). A worker takes the
first that nobody has (:func:`next_share`), on PostgreSQL past rows that others are just taking (``FOR UPDATE
SKIP LOCKED``); SQLite lets one write at a time anyway. There is no lease on a share: it is its worker's while
that gives signs of life, and then the next one's.

Who was silent for a while and wakes up may find that another has its image. So what is found is written in
one transaction with the share (:meth:`Share.finish`), which fails if the share is another's or done: of an
image's proposals, its place in the counts of the job, and the job's end, all is there or nothing, and once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Select, delete, exists, func, insert, literal, null, or_, select, update

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.detection.limits import LimitTally
from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.db.tables import ANSWER, IMAGE, JOB, SHARE, WORKER
from maskrcnn_core.projects.proposals.job_claims import LOST_ALLOWED, others_at
from maskrcnn_core.projects.proposals.job_rows import (
    FAILURES_KEPT,
    OPEN_STATES,
    alone_with_jobs,
    free_shares,
    row_of,
    set_columns,
    utc_now,
)
from maskrcnn_core.projects.store import Store

__all__ = [
    "Asked",
    "ImageOutcome",
    "NotTogetherError",
    "Share",
    "ShareLostError",
    "free_images",
    "lay_out",
    "next_share",
]

KEPT_DAYS = 7
"""For so long it is kept who did which image of a job that has ended."""


class ShareLostError(Exception):
    """An image is no longer in this worker's hands: another one has it, or it is done."""


class NotTogetherError(StoreError):
    """Another worker is at the job with another model file or program: theirs would not go together."""


@dataclass(frozen=True)
class Asked:
    """What a worker is about to ask of a job's images.

    Args:
        weights: SHA-256 of the model's weights.
        seen: the key of its runs, see :func:`~maskrcnn_core.projects.seeing.seen_as`.
        how: names how what it finds is offered.
        exact_only: whether images that another engine ran are run again.
        release: of this program.
    """

    weights: str
    seen: str
    how: str
    exact_only: bool
    release: str


@dataclass(frozen=True)
class ImageOutcome:
    """What became of an image.

    Args:
        new, replaced, decided, there: as in a job's row, of this image.
        ran: whether the network really ran.
        failure: why there is no run, in a sentence that names the image; else empty.
        limits: what the limits cut of it.
    """

    new: int = 0
    replaced: int = 0
    decided: int = 0
    there: Mapping[str, int] = field(default_factory=dict)
    ran: bool = False
    failure: str = ""
    limits: LimitTally = field(default_factory=LimitTally)


@dataclass(frozen=True)
class Share:
    """An image of a job in the hands of a worker."""

    job_id: int
    image_id: int
    worker: str

    def check(self, connection: Connection) -> None:
        """Hold the share until the transaction ends.

        Raises:
            ShareLostError: if it is no longer this worker's.
        """
        query = select(SHARE.c.worker, SHARE.c.done_at).where(*self._is_it).with_for_update()
        row = connection.execute(query).one_or_none()
        if row is None or row.done_at is not None or row.worker != self.worker:
            raise ShareLostError

    def finish(self, connection: Connection, outcome: ImageOutcome) -> None:
        """Write what became of the image, in the transaction that writes what was found; end the job if done.

        Raises:
            ShareLostError: if the share is no longer this worker's; the transaction then has to end without
                effect.
        """
        self.check(connection)
        now = utc_now(connection)
        connection.execute(update(SHARE).where(*self._is_it).values(done_at=now))
        _count(connection, self.job_id, outcome, now)
        done = update(WORKER).where(WORKER.c.name == self.worker)
        connection.execute(done.values(done=WORKER.c.done + 1, seen_at=now))
        _end_if_done(connection, self.job_id, now)

    @property
    def _is_it(self) -> tuple[Any, ...]:
        return SHARE.c.image_id == self.image_id, SHARE.c.job_id == self.job_id


def lay_out(store: Store, job_id: int, worker: str, asked: Asked) -> bool:
    """Make a share of each image that is to be run and is none yet.

    Returns:
        Whether the worker may begin; if not, the job is out of its hands or has nothing to do.

    Raises:
        NotTogetherError: if others are at it whose results would not go together with this worker's.
    """
    with alone_with_jobs(store) as connection:
        now = utc_now(connection)
        connection.execute(select(JOB.c.id).where(JOB.c.id == job_id).with_for_update())
        row = row_of(connection, job_id)
        at_it = connection.execute(select(WORKER.c.job_id).where(WORKER.c.name == worker)).scalar()
        if at_it != job_id or row.state not in ("waiting", "running"):
            return False
        others = others_at(connection, job_id, worker, now)
        of_job = SHARE.c.job_id == job_id
        if row.weights and row.weights != asked.weights:
            if others:
                raise NotTogetherError(
                    f"the weights of {one_line(row.model_key)} on this machine (SHA-256 "
                    f"{asked.weights[:8]}...) are not those that other workers have ({row.weights[:8]}...)"
                )
            connection.execute(delete(SHARE).where(of_job))  # what others were done with is another's work
        releases = sorted({one.release for one in others} - {asked.release})
        if releases:
            raise NotTogetherError(
                f"this is MaskDesk {asked.release}, and other workers run {', '.join(releases)} at this job"
            )
        _forget_old(connection, row.project_id, now)
        connection.execute(insert(SHARE).from_select(_COLUMNS, _to_lay_out(row.project_id, job_id, asked)))
        total, left = (
            connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
            for query in (_runnable(row.project_id), _left(job_id))
        )
        set_columns(connection, job_id, weights=asked.weights, total=total, done=total - left)
        if not others:  # what loading the model took is no part of the rate
            set_columns(connection, job_id, started_at=now)
        return not _end_if_done(connection, job_id, now)


_COLUMNS = ["image_id", "job_id", "worker", "lost", "done_at"]


def _runnable(project_id: int) -> Select[Any]:
    return select(IMAGE.c.id).where(IMAGE.c.project_id == project_id, ~IMAGE.c.gone, IMAGE.c.digest != "")


def _left(job_id: int) -> Select[Any]:
    there = select(SHARE.c.image_id).join(IMAGE, IMAGE.c.id == SHARE.c.image_id)
    return there.where(SHARE.c.job_id == job_id, SHARE.c.done_at.is_(None), ~IMAGE.c.gone)


def _to_lay_out(project_id: int, job_id: int, asked: Asked) -> Select[Any]:
    offered = exists().where(
        ANSWER.c.image_id == IMAGE.c.id, ANSWER.c.model_digest == asked.seen, ANSWER.c.offered == asked.how
    )
    if asked.exact_only:
        offered = offered.where(ANSWER.c.engine == "")
    is_share = exists().where(SHARE.c.image_id == IMAGE.c.id, SHARE.c.job_id == job_id)
    values = (literal(job_id), literal(""), literal(0), null())
    return _runnable(project_id).add_columns(*values).where(~offered, ~is_share)


def _forget_old(connection: Connection, project_id: int, now: datetime) -> None:
    old = select(JOB.c.id).where(
        JOB.c.project_id == project_id, JOB.c.ended_at < now - timedelta(days=KEPT_DAYS)
    )
    connection.execute(delete(SHARE).where(SHARE.c.job_id.in_(old)))


def free_images(store: Store, job_id: int) -> list[int]:
    """Return the ids of a job's images that are to be done and in nobody's hands, in order."""
    with store.reading() as connection:
        query = _left(job_id).where(free_shares(utc_now(connection))).order_by(SHARE.c.image_id)
        return list(connection.execute(query).scalars())


def next_share(
    store: Store, job_id: int, worker: str, image_id: int | None = None
) -> Share | Literal["none free", "left"]:
    """Give a worker the next image of its job, or the one that it asks for.

    An image at which :data:`~maskrcnn_core.projects.proposals.job_claims.LOST_ALLOWED` workers have died is
    not given again: it has failed, and the others are done.

    Returns:
        The image; or that all are in others' hands or done; or that the job is out of this worker's hands, as
        somebody paused or cancelled it, it has ended, or the worker was taken from it.
    """
    while True:
        with store.writing() as connection:
            now = utc_now(connection)
            at_it = connection.execute(select(WORKER.c.job_id).where(WORKER.c.name == worker)).scalar()
            state = connection.execute(select(JOB.c.state).where(JOB.c.id == job_id)).scalar()
            if at_it != job_id or state not in ("waiting", "running"):
                return "left"
            if state == "waiting":  # paused and resumed while this worker was at an image
                again = update(JOB).where(JOB.c.id == job_id, JOB.c.state == "waiting")
                connection.execute(again.values(state="running"))
            query = _free(job_id, worker, now, image_id).with_for_update(of=SHARE, skip_locked=True)
            row = connection.execute(query).one_or_none()
            if row is None:
                return "none free"
            lost = row.lost + (row.worker not in ("", worker))
            share = Share(job_id, row.image_id, worker)
            if lost < LOST_ALLOWED and not row.gone:
                connection.execute(update(SHARE).where(*share._is_it).values(worker=worker, lost=lost))
                return share
            connection.execute(update(SHARE).where(*share._is_it).values(done_at=now, lost=lost))
            if row.gone:  # taken from the project meanwhile
                fewer = update(JOB).where(JOB.c.id == job_id, JOB.c.done < JOB.c.total)
                connection.execute(fewer.values(done=JOB.c.done + 1))
            else:
                _count(connection, job_id, ImageOutcome(failure=_deadly(row.file_name)), now)
            _end_if_done(connection, job_id, now)


def _free(job_id: int, worker: str, now: datetime, image_id: int | None) -> Select[Any]:
    own = (SHARE.c.worker == worker) & SHARE.c.done_at.is_(None)
    that_one = () if image_id is None else (SHARE.c.image_id == image_id,)
    return (
        select(SHARE.c.image_id, SHARE.c.worker, SHARE.c.lost, IMAGE.c.gone, IMAGE.c.file_name)
        .join(IMAGE, IMAGE.c.id == SHARE.c.image_id)
        .where(SHARE.c.job_id == job_id, or_(free_shares(now), own), *that_one)
        .order_by(SHARE.c.image_id)
        .limit(1)
    )


def _deadly(file_name: str) -> str:
    return (
        f"{one_line(file_name)}: {LOST_ALLOWED} workers in a row died at this image without a message: it "
        "may need more memory than there is"
    )


def _count(connection: Connection, job_id: int, outcome: ImageOutcome, now: datetime) -> None:
    """Add an image to a job's counts; the row is held, so whoever comes next sees this one."""
    row = connection.execute(select(JOB).where(JOB.c.id == job_id).with_for_update()).one()
    limits = LimitTally.from_json(row.limits)
    limits.merge(outcome.limits)
    failures = [*row.failures, outcome.failure] if outcome.failure else row.failures
    set_columns(
        connection,
        job_id,
        done=row.done + 1,
        proposed=row.proposed + outcome.new,
        replaced=row.replaced + outcome.replaced,
        decided=row.decided + outcome.decided,
        there=dict(Counter(row.there) + Counter(outcome.there)),
        failed=row.failed + bool(outcome.failure),
        failures=failures[:FAILURES_KEPT],
        limits=limits.to_json(),
        lost=0,
        ran=row.ran + outcome.ran,
        ran_seconds=max(0.0, (now - (row.started_at or now)).total_seconds()),
    )


def _end_if_done(connection: Connection, job_id: int, now: datetime) -> bool:
    """End a job of which nothing is left, also one that was paused meanwhile; return whether nothing is."""
    left = exists().where(SHARE.c.job_id == job_id, SHARE.c.done_at.is_(None))
    if connection.execute(select(left)).scalar_one():
        return False
    limits = connection.execute(select(JOB.c.limits).where(JOB.c.id == job_id)).scalar_one()
    said = "; ".join(LimitTally.from_json(limits).sentences("'project annotate --max-detections'"))
    ended = update(JOB).where(JOB.c.id == job_id, JOB.c.state.in_(OPEN_STATES))
    connection.execute(ended.values(state="done", message=said, ended_at=now))
    return True
