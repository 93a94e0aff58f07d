"""The rows of jobs: what they hold, and how they are read and written."""

from __future__ import annotations

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
    select,
    update,
)

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import StoreError
from maskrcnn_core.inference.engines.table import AUTO, EXACT
from maskrcnn_core.projects.db.engine import APPLICATION_ID
from maskrcnn_core.projects.db.tables import JOB
from maskrcnn_core.projects.store import Store

__all__ = [
    "FAILURES_KEPT",
    "JOB_STATES",
    "OPEN_STATES",
    "STALE_SECONDS",
    "JobRow",
    "JobSettings",
    "JobState",
    "Progress",
    "alone_with_jobs",
    "claimable_jobs",
    "progress_columns",
    "read_jobs",
    "row_of",
    "set_columns",
    "utc_now",
]

JobState = Literal["waiting", "running", "paused", "cancelled", "done", "failed"]
JOB_STATES: tuple[JobState, ...] = get_args(JobState)
OPEN_STATES: tuple[JobState, ...] = ("waiting", "running", "paused")

STALE_SECONDS = 30.0
"""A worker that has given no sign of life for this long is taken for dead."""

FAILURES_KEPT = 200
"""Sentences on images without a run; all of them are counted."""

_JOBS_LOCK = APPLICATION_ID + 1


@dataclass(frozen=True)
class JobSettings:
    """What a run over a project offers.

    Args:
        score_threshold, nms_threshold, mask_threshold, max_detections: as in
            :class:`~maskrcnn_core.detection.candidates.Thresholds`.
        mapping: the store's category id by the model's name of each category that is on.
        engine: how the network is to be run: a key of the table of engines, or ``auto``.

    Raises:
        ValueError: naming the value that is out of range.
    """

    score_threshold: float
    nms_threshold: float
    mask_threshold: float
    max_detections: int
    mapping: Mapping[str, int]
    engine: str = AUTO

    def __post_init__(self) -> None:
        _ = self.thresholds  # which checks the four
        if not self.mapping:
            raise ValueError("mapping: expected one category or more, got none")
        for name, id_ in self.mapping.items():
            if not name or id_ < 1:
                raise ValueError(f"mapping: expected a name and the id of a category, got {name!r}: {id_}")
        object.__setattr__(self, "mapping", MappingProxyType(dict(self.mapping)))

    @property
    def thresholds(self) -> Thresholds:
        """The same for a predictor."""
        return Thresholds(self.score_threshold, self.nms_threshold, self.max_detections, self.mask_threshold)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as they are stored."""
        return {
            "score_threshold": self.score_threshold,
            "nms_threshold": self.nms_threshold,
            "mask_threshold": self.mask_threshold,
            "max_detections": self.max_detections,
            "mapping": dict(self.mapping),
            "engine": self.engine,
        }

    @classmethod
    def from_json(cls, value: object) -> JobSettings:
        """Read what :meth:`to_json` gave.

        Raises:
            StoreError: naming what is not as it should be.
        """
        if not isinstance(value, Mapping):
            raise StoreError(f"job settings: expected an object, got {type(value).__name__}")
        numbers = [_number(value, name) for name in ("score_threshold", "nms_threshold", "mask_threshold")]
        limit, mapping = value.get("max_detections"), value.get("mapping")
        if not isinstance(limit, int) or isinstance(limit, bool):
            raise StoreError(f"job settings.max_detections: expected a whole number, got {limit!r}")
        if not isinstance(mapping, Mapping) or not all(
            isinstance(name, str) and isinstance(id_, int) and not isinstance(id_, bool)
            for name, id_ in mapping.items()
        ):
            raise StoreError("job settings.mapping: expected category ids by name, got something else")
        engine = value.get("engine", EXACT.key)  # the only one when older jobs were made
        if not isinstance(engine, str):
            raise StoreError(f"job settings.engine: expected a text, got {engine!r}")
        try:
            return cls(numbers[0], numbers[1], numbers[2], limit, mapping, engine)
        except ValueError as error:
            raise StoreError(f"job settings: {error}") from error


def _number(value: Mapping[Any, Any], name: str) -> float:
    number = value.get(name)
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise StoreError(f"job settings.{name}: expected a number, got {number!r}")
    return float(number)


@dataclass(frozen=True)
class Progress:
    """How far a job is in its present go, from one start of a worker to its end.

    Args:
        total: images to be run.
        done: of them with a run, of whatever go, or without one for good.
        proposed, decided: instances that are new; detections left out as people had decided. Of this go.
        replaced, there: proposals that made room; those that were there already, by model. Of this go.
        failures: one sentence for each image without a run.
        ran: images that really went through the network in this go.
        ran_seconds: how long these took.
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
        failed: images without a run.
        failures: a sentence for each, up to :data:`FAILURES_KEPT`.
        message: for people: why it failed, or what the limits cut.
        engine: for people: what runs the network, and why not another; empty until that is known.
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
    engine: str
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
        """Images per second in this go, of those that really ran; ``None`` until one has."""
        return self.ran / self.ran_seconds if self.ran and self.ran_seconds > 0 else None

    @property
    def remaining_seconds(self) -> float | None:
        """What is left to do at that rate; ``None`` until it is known, and for a job that is over."""
        return (self.total - self.done) / self.rate if self.is_open and self.rate else None


# -- rows -------------------------------------------------------------------------------------------


def claimable_jobs(now: datetime) -> Select[Any]:
    """Return jobs for whoever asks, the oldest first."""
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
    """Return whether a living worker is at it; also at its last image, after it was paused or cancelled."""
    span = timedelta(seconds=STALE_SECONDS)
    # A clock that was set back makes signs of life of the future: they count no longer than others.
    alive = func.coalesce(and_(table.c.beat_at > now - span, table.c.beat_at < now + span), false())
    return and_(table.c.worker != "", alive)


@contextmanager
def alone_with_jobs(store: Store) -> Iterator[Connection]:
    """Open a transaction to look at jobs and then change one: one at a time, as SQLite has it for all."""
    with store.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_JOBS_LOCK})")
        yield connection


def utc_now(connection: Connection) -> datetime:
    """Return the time by one clock for all who use a database: several machines share a server's."""
    if connection.dialect.name == "postgresql":
        at: datetime = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
        return at
    return datetime.now(UTC)


def set_columns(connection: Connection, job_id: int, held_by: str | None = None, /, **values: Any) -> bool:
    """Change a job, only if the named worker has it; return whether it did."""
    change = update(JOB).where(JOB.c.id == job_id).values(**values)
    if held_by is not None:
        change = change.where(JOB.c.worker == held_by)
    return connection.execute(change).rowcount == 1


def progress_columns(progress: Progress) -> dict[str, Any]:
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


def read_jobs(store: Store, query: Select[Any]) -> list[JobRow]:
    with store.reading() as connection:
        return [_job_row(row) for row in connection.execute(query)]


def row_of(connection: Connection, job_id: int) -> JobRow:
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
        engine=row.engine,
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
