"""Jobs: runs of a model over a whole project that go on in the background, whoever looks.

A job is a row, so it outlives the page that asked for it, the worker that does it, and the machine. People
pause, resume and cancel the row; the worker (:mod:`maskrcnn_core.worker`) asks it before each image::

    waiting --> running --> done, failed
       ^           |
       +-- paused -+        and cancelled, from any of the three

A worker says every few seconds that it is alive. A running job whose worker has not for
:data:`STALE_SECONDS` is taken over by whoever asks next. Of one project's jobs only one runs at a time, as
what one offers depends on what is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, get_args

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    exists,
    false,
    func,
    insert,
    select,
    update,
)

from maskrcnn_core.detections import Thresholds
from maskrcnn_core.errors import StoreError
from maskrcnn_core.messages import one_line
from maskrcnn_core.store.journal import check_who
from maskrcnn_core.store.opening import APPLICATION_ID
from maskrcnn_core.store.store import Store
from maskrcnn_core.store.tables import IMAGE, JOB

__all__ = [
    "FAILURES_KEPT",
    "JOB_STATES",
    "LOST_ALLOWED",
    "OPEN_STATES",
    "STALE_SECONDS",
    "JobRow",
    "JobSettings",
    "JobState",
    "Progress",
    "add_job",
    "beat",
    "cancel_job",
    "claim_job",
    "end_job",
    "free_jobs",
    "go_on",
    "has_work",
    "job",
    "jobs_of",
    "leave_job",
    "open_jobs",
    "pause_job",
    "resume_job",
    "write_progress",
]

JobState = Literal["waiting", "running", "paused", "cancelled", "done", "failed"]
JOB_STATES: tuple[JobState, ...] = get_args(JobState)
OPEN_STATES: tuple[JobState, ...] = ("waiting", "running", "paused")

STALE_SECONDS = 30.0
"""A worker that has given no sign of life for so long is taken for dead."""

LOST_ALLOWED = 3
"""After so many workers in a row were lost before they had done one image, the job has failed: the next one
would die of the same image."""

FAILURES_KEPT = 200
"""Sentences on images without an answer; all of them are counted."""

_JOBS_LOCK = APPLICATION_ID + 1


@dataclass(frozen=True)
class JobSettings:
    """What a run over a project offers.

    Args:
        score_threshold, nms_threshold, mask_threshold, max_detections: as in
            :class:`~maskrcnn_core.detections.Thresholds`.
        mapping: the store's category id by the model's name of each category that is on.

    Raises:
        ValueError: naming the value that is out of range.
    """

    score_threshold: float
    nms_threshold: float
    mask_threshold: float
    max_detections: int
    mapping: Mapping[str, int]

    def __post_init__(self) -> None:
        _ = self.thresholds  # which checks the four
        if not self.mapping:
            raise ValueError("mapping: wanted one category or more, got none")
        for name, id_ in self.mapping.items():
            if not name or id_ < 1:
                raise ValueError(f"mapping: wanted a name and the id of a category, got {name!r}: {id_}")
        object.__setattr__(self, "mapping", MappingProxyType(dict(self.mapping)))

    @property
    def thresholds(self) -> Thresholds:
        """The same for a predictor."""
        return Thresholds(self.score_threshold, self.nms_threshold, self.max_detections, self.mask_threshold)

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "score_threshold": self.score_threshold,
            "nms_threshold": self.nms_threshold,
            "mask_threshold": self.mask_threshold,
            "max_detections": self.max_detections,
            "mapping": dict(self.mapping),
        }

    @classmethod
    def from_json(cls, value: object) -> JobSettings:
        """What :meth:`to_json` gave.

        Raises:
            StoreError: naming what is not as it should be.
        """
        if not isinstance(value, Mapping):
            raise StoreError(f"job settings: wanted an object, found {type(value).__name__}")
        numbers = [_number(value, name) for name in ("score_threshold", "nms_threshold", "mask_threshold")]
        limit, mapping = value.get("max_detections"), value.get("mapping")
        if not isinstance(limit, int) or isinstance(limit, bool):
            raise StoreError(f"job settings.max_detections: wanted a whole number, found {limit!r}")
        if not isinstance(mapping, Mapping) or not all(
            isinstance(name, str) and isinstance(id_, int) and not isinstance(id_, bool)
            for name, id_ in mapping.items()
        ):
            raise StoreError("job settings.mapping: wanted category ids by name, found something else")
        try:
            return cls(numbers[0], numbers[1], numbers[2], limit, mapping)
        except ValueError as error:
            raise StoreError(f"job settings: {error}") from error


def _number(value: Mapping[Any, Any], name: str) -> float:
    number = value.get(name)
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise StoreError(f"job settings.{name}: wanted a number, found {number!r}")
    return float(number)


@dataclass(frozen=True)
class Progress:
    """How far a job is in its present go, from one start of a worker to its end.

    Args:
        total: images to be run.
        done: of them with an answer, of whatever go, or without one for good.
        proposed, decided: instances that are new; detections left out as people had decided. Of this go.
        replaced, there: proposals that made room; those that were there already, by model. Of this go.
        failures: one sentence for each image without an answer.
        ran: images that really went through the network in this go.
        ran_seconds: so long these took.
    """

    total: int = 0
    done: int = 0
    proposed: int = 0
    decided: int = 0
    failures: Sequence[str] = ()
    ran: int = 0
    ran_seconds: float = 0.0
    replaced: int = 0
    there: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class JobRow:
    """One job.

    Args:
        id: rises with time.
        project_id, model_key: what runs over what.
        state: where it stands.
        total: images to be run, as far as is known.
        done: of them so far.
        proposed: instances that are new, of all goes.
        decided: detections that were left out, as people had decided on that object; of all goes.
        replaced: open proposals of this model that made room; of all goes.
        there: proposals that were there already and stay, by the model that made them; of all goes.
        failed: images without an answer.
        failures: a sentence for each, up to :data:`FAILURES_KEPT`.
        message: for people: why it failed, or what the limits cut.
        worker: who does it or did it last; empty if nobody has it in hand.
        made_at, made_by: when, in UTC, and by whom.
        started_at: its present or last go.
        beat_at: the last sign of life of its worker.
        ended_at: of a job that is not open.
        ran, ran_seconds: images that the network really ran on in this go, and how long these took.
        stored_settings: as they lie in the database, unchecked; see :attr:`settings`.
    """

    id: int
    project_id: int
    model_key: str
    state: JobState
    total: int
    done: int
    proposed: int
    decided: int
    replaced: int
    there: Mapping[str, int]
    failed: int
    failures: tuple[str, ...]
    message: str
    worker: str
    made_at: datetime
    made_by: str
    started_at: datetime | None
    beat_at: datetime | None
    ended_at: datetime | None
    ran: int
    ran_seconds: float
    stored_settings: object = field(repr=False, default=None)

    @property
    def settings(self) -> JobSettings:
        """What it offers.

        Raises:
            StoreError: if the database holds something else: the job then cannot run, but be listed.
        """
        return JobSettings.from_json(self.stored_settings)

    @property
    def is_open(self) -> bool:
        """Whether it may still do something."""
        return self.state in OPEN_STATES

    @property
    def rate(self) -> float | None:
        """Images a second in this go, of those that really ran; ``None`` until one has."""
        return self.ran / self.ran_seconds if self.ran and self.ran_seconds > 0 else None

    @property
    def remaining_seconds(self) -> float | None:
        """What is left to do at that rate; ``None`` until it is known, and for a job that is over."""
        return (self.total - self.done) / self.rate if self.is_open and self.rate else None


# -- what there is ----------------------------------------------------------------------------------


def jobs_of(store: Store, project_id: int) -> list[JobRow]:
    """A project's jobs, the newest first."""
    return _read(store, select(JOB).where(JOB.c.project_id == project_id).order_by(JOB.c.id.desc()))


def open_jobs(store: Store) -> list[JobRow]:
    """All jobs that may still do something, the oldest first."""
    return _read(store, select(JOB).where(JOB.c.state.in_(OPEN_STATES)).order_by(JOB.c.id))


def job(store: Store, job_id: int) -> JobRow:
    """One job.

    Raises:
        StoreError: if there is none.
    """
    with store.reading() as connection:
        return _job(connection, job_id)


def has_work(store: Store) -> bool:
    """Whether a worker that asked now would be given a job."""
    with store.reading() as connection:
        return connection.execute(_claimable(_now(connection))).first() is not None


# -- what people do ---------------------------------------------------------------------------------


def add_job(store: Store, project_id: int, model_key: str, settings: JobSettings, who: str) -> JobRow:
    """Asks for a model to be run over a project; a worker does it.

    Raises:
        StoreError: if there is no such project, or an open job of this model in it.
        InputError: if ``who`` is nobody.
    """
    check_who(who)
    store.project(project_id)
    with _alone(store) as connection:
        same = select(JOB.c.state).where(
            JOB.c.project_id == project_id, JOB.c.model_key == model_key, JOB.c.state.in_(OPEN_STATES)
        )
        if (state := connection.execute(same).scalar()) is not None:
            help_ = "resume or cancel it" if state == "paused" else "wait for its end, or cancel it"
            raise StoreError(
                f"model {one_line(model_key)}: a job of it is {state} in this project already; {help_}"
            )
        images = select(func.count()).where(
            IMAGE.c.project_id == project_id, ~IMAGE.c.gone, IMAGE.c.digest != ""
        )
        values = {
            "project_id": project_id,
            "model_key": model_key,
            "settings": settings.to_json(),
            "state": "waiting",
            "message": "",
            "worker": "",
            "lost": 0,
            "made_at": _now(connection),
            "made_by": who,
            **_counts(Progress(total=connection.execute(images).scalar_one())),
        }
        id_ = connection.execute(insert(JOB).returning(JOB.c.id), values).scalar_one()
        return _job(connection, id_)


def pause_job(store: Store, job_id: int) -> JobRow:
    """Lets a job rest; its worker leaves it before the next image. What was proposed stays.

    Raises:
        StoreError: if there is none, or it neither waits nor runs.
    """
    return _turn(store, job_id, "paused", ("waiting", "running"), "pause")


def resume_job(store: Store, job_id: int) -> JobRow:
    """Lets a paused job wait for a worker; images that have an answer are not run again.

    Raises:
        StoreError: if there is none, or it is not paused.
    """
    return _turn(store, job_id, "waiting", ("paused",), "resume")


def cancel_job(store: Store, job_id: int) -> JobRow:
    """Ends a job before it is done; its worker leaves it before the next image. What was proposed stays.

    Raises:
        StoreError: if there is none, or it is over.
    """
    return _turn(store, job_id, "cancelled", OPEN_STATES, "cancel")


_SINCE: dict[JobState, str] = {
    "waiting": "it waits for a worker",
    "running": "it runs",
    "paused": "it is paused already",
    "cancelled": "it was cancelled; ask for a new one",
    "done": "it is done",
    "failed": "it has failed; ask for a new one",
}


def _turn(store: Store, job_id: int, to: JobState, allowed: Sequence[JobState], verb: str) -> JobRow:
    with _alone(store) as connection:
        row = _job(connection, job_id)
        if row.state not in allowed:
            raise StoreError(f"job {job_id}: cannot {verb} it: {_SINCE[row.state]}")
        ended = _now(connection) if to not in OPEN_STATES else None
        _set(connection, job_id, state=to, ended_at=ended)
        return _job(connection, job_id)


# -- what workers do --------------------------------------------------------------------------------


def claim_job(store: Store, worker: str) -> JobRow | None:
    """Gives a worker the oldest job that waits, or that runs without a sign of life; ``None`` if none does.

    No job is given to two, however many ask at once. A job that has cost :data:`LOST_ALLOWED` workers in a
    row without getting one image further is not given again: it has failed.

    Args:
        store: where.
        worker: a name that no other worker has.
    """
    # Asked once a second by every worker that has nothing to do: no writer need wait for that.
    while has_work(store):
        with _alone(store) as connection:
            now = _now(connection)
            found = connection.execute(_claimable(now).limit(1)).one_or_none()
            if found is None:
                return None
            lost = found.lost + (found.state == "running")
            if lost >= LOST_ALLOWED:
                _set(connection, found.id, state="failed", ended_at=now, worker="", message=_lost(found))
                continue
            _set(
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
            return _job(connection, found.id)
    return None


def _lost(row: Row[Any]) -> str:
    return (
        f"{LOST_ALLOWED} workers in a row ended without a word at the same image, after {row.done} of "
        f"{row.total}: perhaps memory does not suffice for it; run a smaller model, or 'project annotate', "
        "which names the image"
    )


def go_on(store: Store, job_id: int, worker: str) -> bool:
    """Whether a worker may begin its job's next image; asked before each.

    If not, as somebody paused or cancelled it or another worker has it, the job is out of this worker's
    hands.
    """
    with _alone(store) as connection:
        row = _job(connection, job_id)
        if row.worker != worker:
            return False
        if row.state == "waiting":  # paused and resumed while this worker was at an image
            _set(connection, job_id, state="running")
        elif row.state != "running":
            _set(connection, job_id, worker="")
            return False
        return True


def beat(store: Store, job_id: int, worker: str) -> bool:
    """A sign of life; ``False`` if the job is no longer this worker's."""
    with store.writing() as connection:
        return _set(connection, job_id, worker, beat_at=_now(connection))


def free_jobs(store: Store, prefix: str) -> int:
    """Takes jobs out of the hands of workers that are known to be dead, for the next one to go on at once.

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
    """Notes how far a worker is with its job.

    Args:
        store: where.
        before: the job as it was claimed, with the counts of earlier goes.
        worker: who has it.
        progress: of this go.

    Returns:
        Whether the job is still this worker's; if not, nothing was written.
    """
    counts = _counts(progress)
    counts["proposed"] += before.proposed
    counts["decided"] += before.decided
    counts["replaced"] += before.replaced
    counts["there"] = dict(Counter(before.there) + Counter(counts["there"]))
    if progress.ran:
        counts["lost"] = 0
    with store.writing() as connection:
        return _set(connection, before.id, worker, beat_at=_now(connection), **counts)


def leave_job(store: Store, job_id: int, worker: str) -> None:
    """Puts a job back, for the next worker to go on; what somebody made of it meanwhile stays."""
    with _alone(store) as connection:
        row = _job(connection, job_id)
        if row.worker == worker:
            _set(connection, job_id, worker="", state="waiting" if row.state == "running" else row.state)


def end_job(
    store: Store, job_id: int, worker: str, state: Literal["done", "failed"], message: str = ""
) -> bool:
    """Ends a worker's job, also one that was paused meanwhile; one that was cancelled stays so.

    Args:
        store: where.
        job_id: which.
        worker: who has it; nothing happens if that is another one by now.
        state: how it ended.
        message: for people.

    Returns:
        Whether it ended by this.
    """
    with _alone(store) as connection:
        row = _job(connection, job_id)
        if row.worker != worker:
            return False
        if not row.is_open:
            _set(connection, job_id, worker="")
            return False
        return _set(connection, job_id, worker="", state=state, message=message, ended_at=_now(connection))


# -- rows -------------------------------------------------------------------------------------------


def _claimable(now: datetime) -> Select[Any]:
    """Jobs for whoever asks, the oldest first."""
    other = JOB.alias("other")
    busy = exists().where(
        other.c.project_id == JOB.c.project_id, other.c.id != JOB.c.id, _is_in_hand(other, now)
    )
    return (
        select(JOB)
        .where(JOB.c.state.in_(("waiting", "running")), ~_is_in_hand(JOB, now), ~busy)
        .order_by(JOB.c.id)
    )


def _is_in_hand(table: Any, now: datetime) -> ColumnElement[bool]:
    """Whether a living worker is at it; also at its last image, after it was paused or cancelled."""
    span = timedelta(seconds=STALE_SECONDS)
    # A clock that was set back makes signs of life of the future: they count no longer than others.
    alive = func.coalesce(and_(table.c.beat_at > now - span, table.c.beat_at < now + span), false())
    return and_(table.c.worker != "", alive)


@contextmanager
def _alone(store: Store) -> Iterator[Connection]:
    """A transaction for looking at jobs and then changing one: one at a time, as SQLite has it for all."""
    with store.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_JOBS_LOCK})")
        yield connection


def _now(connection: Connection) -> datetime:
    """By one clock for all who use the database: workers on several machines share a server's."""
    if connection.dialect.name == "postgresql":
        at: datetime = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
        return at
    return datetime.now(UTC)


def _set(connection: Connection, job_id: int, held_by: str | None = None, /, **values: Any) -> bool:
    """Changes a job, where named only if this worker has it; whether it did."""
    change = update(JOB).where(JOB.c.id == job_id).values(**values)
    if held_by is not None:
        change = change.where(JOB.c.worker == held_by)
    return connection.execute(change).rowcount == 1


def _counts(progress: Progress) -> dict[str, Any]:
    return {
        "total": progress.total,
        "done": progress.done,
        "proposed": progress.proposed,
        "decided": progress.decided,
        "replaced": progress.replaced,
        "there": dict(progress.there),
        "failed": len(progress.failures),
        "failures": list(progress.failures[:FAILURES_KEPT]),
        "ran": progress.ran,
        "ran_seconds": progress.ran_seconds,
    }


def _read(store: Store, query: Select[Any]) -> list[JobRow]:
    with store.reading() as connection:
        return [_job_row(row) for row in connection.execute(query)]


def _job(connection: Connection, job_id: int) -> JobRow:
    row = connection.execute(select(JOB).where(JOB.c.id == job_id)).one_or_none()
    if row is None:
        raise StoreError(f"job {job_id}: there is no such job")
    return _job_row(row)


def _job_row(row: Row[Any]) -> JobRow:
    return JobRow(
        id=row.id,
        project_id=row.project_id,
        model_key=row.model_key,
        state=row.state,
        total=row.total,
        done=row.done,
        proposed=row.proposed,
        decided=row.decided,
        replaced=row.replaced,
        there={str(key): int(number) for key, number in row.there.items()},
        failed=row.failed,
        failures=tuple(map(str, row.failures)),
        message=row.message,
        worker=row.worker,
        made_at=row.made_at,
        made_by=row.made_by,
        started_at=row.started_at,
        beat_at=row.beat_at,
        ended_at=row.ended_at,
        ran=row.ran,
        ran_seconds=row.ran_seconds,
        stored_settings=row.settings,
    )
