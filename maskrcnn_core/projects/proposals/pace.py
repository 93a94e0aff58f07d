"""What workers are at, and how fast: read from what is stored, so a restart of whoever looks loses nothing.

Each image of a job says which worker did it and when. Rates are counts of these rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, cast, func, select
from sqlalchemy import Integer as WholeNumber

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.projects.db.tables import JOB, PROJECT, SHARE, WORKER
from maskrcnn_core.projects.proposals.job_rows import is_alive, utc_now
from maskrcnn_core.projects.proposals.workers import SHOWN_SECONDS
from maskrcnn_core.projects.store import Store

__all__ = ["MINUTES", "STEP_SECONDS", "Crew", "Done", "WorkerSight", "look_at_workers"]

MINUTES = 5
"""A worker's usual rate is that of so many minutes."""
STEP_SECONDS = 30
"""Images are counted in steps of this length."""
_STEPS = 60
_NOW = 60.0  # seconds that are now


@dataclass(frozen=True)
class WorkerSight:
    """A worker as others see it.

    Args:
        name: its own; no other has it.
        host, pid: where it runs.
        release: of its program.
        device, engine: what its network runs on, and how; empty until that is known.
        since, seen_at: when it began, and its last sign of life, in UTC.
        lives: whether that is recent, and nobody knows that it died.
        job_id, project, model_key: what it is at; ``None`` and empty where it waits.
        done: images since it began.
        rate_now, rate: images a minute, in the last one and in the last :data:`MINUTES`.
        note: why it leaves a job to others.
    """

    name: str
    host: str
    pid: int
    release: str
    device: str
    engine: str
    since: datetime
    seen_at: datetime
    lives: bool
    job_id: int | None
    project: str
    model_key: str
    done: int
    rate_now: float
    rate: float
    note: str

    @property
    def told(self) -> str:
        """What it does, in a word or two."""
        if not self.lives:
            return "died"
        return "works" if self.job_id is not None else "waits"


@dataclass(frozen=True)
class Done:
    """Images that a host's workers did in one step of time, which begins ``at``."""

    at: datetime
    host: str
    images: int


@dataclass(frozen=True)
class Crew:
    """All workers of a store.

    Args:
        at: when they were looked at, in UTC.
        workers: those that live, and then those that died a while ago.
        done: images by step, the oldest first.
        left: images that the jobs in hand still have to do.
    """

    at: datetime
    workers: tuple[WorkerSight, ...]
    done: tuple[Done, ...]
    left: int

    @property
    def living(self) -> tuple[WorkerSight, ...]:
        """Those that live."""
        return tuple(one for one in self.workers if one.lives)

    @property
    def rate(self) -> float:
        """Images a minute of all together, over the last minutes."""
        return sum(one.rate for one in self.living)

    @property
    def ends_at(self) -> datetime | None:
        """When the jobs in hand end at that rate; ``None`` where nobody knows."""
        if not self.left or not self.rate:
            return None
        return self.at + timedelta(minutes=self.left / self.rate)

    @property
    def told(self) -> str:
        """All of it in a sentence or two."""
        if not self.living:
            return "No worker is running."
        waiting = sum(one.job_id is None for one in self.living)
        parts = [counted(len(self.living), "worker")]
        if waiting:
            parts.append(f"{waiting} of them waiting for a job" if waiting < len(self.living) else "waiting")
        if self.rate:
            parts.append(f"{self.rate:,.1f} images a minute together")
        if (end := self.ends_at) is not None:
            day = "" if end.date() == self.at.date() else f"{end:%Y-%m-%d} "
            parts.append(f"{counted(self.left, 'image')} left, until about {day}{end:%H:%M} UTC")
        return f"{', '.join(parts)}."


def look_at_workers(store: Store) -> Crew:
    """Read who works, at what, and how fast."""
    with store.reading() as connection:
        now = utc_now(connection)
        rates = _rates(connection, now)
        rows = connection.execute(_workers(now)).all()
        sights = [_sight(row, rates.get(row.name, (0, 0)), now) for row in rows]
        sights.sort(key=lambda one: (not one.lives, one.host, one.since, one.name))
        at_work = sorted({one.job_id for one in sights if one.lives and one.job_id is not None})
        left = select(func.coalesce(func.sum(JOB.c.total - JOB.c.done), 0)).where(JOB.c.id.in_(at_work))
        return Crew(now, tuple(sights), _done(connection, now), connection.execute(left).scalar_one())


def _workers(now: datetime) -> Any:
    shown = now - timedelta(seconds=SHOWN_SECONDS)
    return (
        select(WORKER, is_alive(now).label("lives"), JOB.c.model_key, PROJECT.c.name.label("project"))
        .outerjoin(JOB, JOB.c.id == WORKER.c.job_id)
        .outerjoin(PROJECT, PROJECT.c.id == JOB.c.project_id)
        .where(func.coalesce(WORKER.c.ended_at, WORKER.c.seen_at) > shown)
    )


def _rates(connection: Connection, now: datetime) -> dict[str, tuple[int, int]]:
    """Return what each worker did in the last minute, and in the last minutes."""
    recent = func.sum(case((SHARE.c.done_at > now - timedelta(seconds=_NOW), 1), else_=0))
    query = select(SHARE.c.worker, recent, func.count()).where(
        SHARE.c.done_at > now - timedelta(minutes=MINUTES)
    )
    rows = connection.execute(query.group_by(SHARE.c.worker))
    return {name: (int(lately), int(count)) for name, lately, count in rows}


def _sight(row: Any, counts: tuple[int, int], now: datetime) -> WorkerSight:
    # Who began a moment ago is not as slow as the share of five minutes says.
    minutes = min(max((now - row.since).total_seconds() / 60, 1 / 6), MINUTES)
    lately, count = counts
    return WorkerSight(
        name=row.name,
        host=row.host,
        pid=row.pid,
        release=row.release,
        device=row.device,
        engine=row.engine,
        since=row.since,
        seen_at=row.seen_at,
        lives=bool(row.lives),
        job_id=row.job_id,
        project=row.project or "",
        model_key=row.model_key or "",
        done=row.done,
        rate_now=lately / min(minutes, _NOW / 60),
        rate=count / minutes,
        note=row.note,
    )


def _done(connection: Connection, now: datetime) -> tuple[Done, ...]:
    step = _step(connection)
    since = now - timedelta(seconds=STEP_SECONDS * _STEPS)
    query = select(step.label("step"), SHARE.c.worker, func.count().label("images"))
    counts: dict[tuple[int, str], int] = {}
    for row in connection.execute(query.where(SHARE.c.done_at > since).group_by("step", SHARE.c.worker)):
        host = row.worker.rpartition(":")[0].rpartition(":")[0] or row.worker
        counts[row.step, host] = counts.get((row.step, host), 0) + row.images
    return tuple(
        Done(datetime.fromtimestamp(at * STEP_SECONDS, UTC), host, count)
        for (at, host), count in sorted(counts.items())
    )


def _step(connection: Connection) -> ColumnElement[int]:
    at = SHARE.c.done_at
    if connection.dialect.name == "postgresql":
        seconds: ColumnElement[Any] = func.floor(func.extract("epoch", at) / STEP_SECONDS)
        return cast(seconds, WholeNumber)
    return cast(func.strftime("%s", at), WholeNumber).op("/")(STEP_SECONDS)
