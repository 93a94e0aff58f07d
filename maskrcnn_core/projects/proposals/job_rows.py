"""The rows of jobs: what they hold, and how they are read and written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    or_,
    select,
    update,
)

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import InputError, StoreError
from maskrcnn_core.inference.engines.table import AUTO, EXACT
from maskrcnn_core.models.spec import AskedCloser
from maskrcnn_core.projects.db.engine import APPLICATION_ID
from maskrcnn_core.projects.db.tables import JOB, SHARE, WORKER
from maskrcnn_core.projects.store import Store
from maskrcnn_core.tiling.choosing import AUTO as TILES_AUTO
from maskrcnn_core.tiling.choosing import OFF, OVERLAP, Tiling, tiling_of

__all__ = [
    "FAILURES_KEPT",
    "JOB_STATES",
    "OPEN_STATES",
    "STALE_SECONDS",
    "JobRow",
    "JobSettings",
    "JobState",
    "alone_with_jobs",
    "free_shares",
    "is_alive",
    "joinable_jobs",
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
        closer: whether a closer look at objects mends their masks.
        tiling: how large images are cut for the network; ``None`` for not at all.

    Raises:
        ValueError: naming the value that is out of range.
    """

    score_threshold: float
    nms_threshold: float
    mask_threshold: float
    max_detections: int
    mapping: Mapping[str, int]
    engine: str = AUTO
    closer: AskedCloser = "auto"
    tiling: Tiling | None = None

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
            "closer": self.closer,
            "tiles": OFF if self.tiling is None else str(self.tiling.side or TILES_AUTO),
            "tile_overlap": OVERLAP if self.tiling is None else self.tiling.overlap,
            "object_size": None if self.tiling is None else self.tiling.object_size,
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
        closer = value.get("closer", "off")  # older jobs did without
        if closer not in get_args(AskedCloser):
            raise StoreError(f"job settings.closer: expected auto, on or off, got {closer!r}")
        try:
            # Older jobs saw images whole.
            tiling = tiling_of(
                str(value.get("tiles", OFF)),
                _number({"tile_overlap": OVERLAP, **value}, "tile_overlap"),
                None if value.get("object_size") is None else _number(value, "object_size"),
            )
        except InputError as error:
            raise StoreError(f"job settings.{error}") from error
        try:
            return cls(numbers[0], numbers[1], numbers[2], limit, mapping, engine, closer, tiling)
        except ValueError as error:
            raise StoreError(f"job settings: {error}") from error


def _number(value: Mapping[Any, Any], name: str) -> float:
    number = value.get(name)
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise StoreError(f"job settings.{name}: expected a number, got {number!r}")
    return float(number)


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
        weights: SHA-256 of the model's weights; empty until that is known.
        card: digest of the model's card, where card and weights lie with the store's files; else empty.
        made_at, made_by: when, in UTC, and by whom.
        started_at: its present or last go, from the first worker that took it up.
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
    weights: str
    card: str
    made_at: datetime
    made_by: str
    started_at: datetime | None
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


def joinable_jobs(now: datetime) -> Select[Any]:
    """Return jobs in which a worker that asks would find something to do, the oldest first.

    Of one project's jobs only one runs at a time. Whoever comes to a job that others are at waits until its
    images are laid out as shares, and until one of them is free.
    """
    other = JOB.alias("other")
    busy = exists().where(other.c.project_id == JOB.c.project_id, other.c.id != JOB.c.id, _at(other, now))
    free = exists().where(SHARE.c.job_id == JOB.c.id, free_shares(now))
    return (
        select(JOB)
        .where(JOB.c.state.in_(("waiting", "running")), ~busy, or_(~_at(JOB, now), free))
        .order_by(JOB.c.id)
    )


def free_shares(now: datetime) -> ColumnElement[bool]:
    """Return whether an image is still to be done and in no living worker's hands."""
    held = exists().where(WORKER.c.name == SHARE.c.worker, is_alive(now))
    return and_(SHARE.c.done_at.is_(None), or_(SHARE.c.worker == "", ~held))


def is_alive(now: datetime) -> ColumnElement[bool]:
    """Return whether a worker gave a sign of life a moment ago."""
    span = timedelta(seconds=STALE_SECONDS)
    # A clock that was set back makes signs of life of the future: they count no longer than others.
    seen_at = WORKER.c.seen_at
    return and_(WORKER.c.ended_at.is_(None), seen_at > now - span, seen_at < now + span)


def _at(job: Any, now: datetime) -> ColumnElement[bool]:
    """Return whether a living worker is at a job; also at its last image, after it was paused."""
    return exists().where(WORKER.c.job_id == job.c.id, is_alive(now))


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


def set_columns(connection: Connection, job_id: int, /, **values: Any) -> None:
    """Change a job."""
    connection.execute(update(JOB).where(JOB.c.id == job_id).values(**values))


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
        weights=row.weights,
        card=row.card,
        made_at=row.made_at,
        made_by=row.made_by,
        started_at=row.started_at,
        ended_at=row.ended_at,
        ran=row.ran,
        ran_seconds=row.ran_seconds,
        stored_settings=row.settings,
    )
