"""Who is in a project, and on which image: rows that end by themselves, and are in no journal.

A visitor is one page of one browser. Whoever serves it says what it shows (:func:`visit`), and that it is
still there (:func:`renew`); a visitor of whom nobody has said so for :data:`LEASE_SECONDS` is gone, even if
its server was killed. The image that a visitor shows is claimed: others pass over it, and are told who is
there if they open it on purpose. It is no lock: nobody can hold up anybody's work, and a claim ends once
nothing was done for :data:`IDLE_SECONDS`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from maskrcnn_core.projects.db.tables import IMAGE, JOURNAL, PRESENCE
from maskrcnn_core.projects.proposals.job_rows import utc_now
from maskrcnn_core.projects.store import Store

__all__ = [
    "IDLE_SECONDS",
    "LEASE_SECONDS",
    "Decision",
    "Glance",
    "Visitor",
    "claimed_images",
    "glance",
    "leave",
    "others_of",
    "renew",
    "visible_decisions",
    "visit",
]

LEASE_SECONDS = 90.0
"""A visitor that gave no sign of life for this long is gone."""

IDLE_SECONDS = 600.0
"""Who did nothing for this long holds no image any more."""

_DECISIONS_TOLD = 500
_LATE = 30
"""So many of the last decisions are compared one by one: of two that are made at once, that with the smaller
number may be on disk later."""


@dataclass(frozen=True)
class Visitor:
    """A page that looks at a project.

    Args:
        id: its own; no other has it.
        who: the person's name; empty where they have not given it.
        image_id, file_name: what it shows; ``None`` and empty for no image.
        since: from when on it shows that, in UTC.
        is_idle: nothing was done there for :data:`IDLE_SECONDS`.
    """

    id: str
    who: str
    image_id: int | None
    file_name: str
    since: datetime
    is_idle: bool

    @property
    def name(self) -> str:
        """What others are told."""
        return self.who or "somebody"


@dataclass(frozen=True)
class Decision:
    """A line of the journal: its id, and which image it is about; ``None`` for several, or for none."""

    id: int
    image_id: int | None


@dataclass(frozen=True)
class Glance:
    """What those who look at a project should know of one another.

    Args:
        decisions: later ones than was asked for, the oldest first.
        visitors: who is there, in the order in which they opened what they show.
    """

    decisions: tuple[Decision, ...] = ()
    visitors: tuple[Visitor, ...] = ()


def visit(store: Store, project_id: int, visitor: str, who: str, image_id: int | None) -> None:
    """Say what a visitor shows, and that somebody has just done something there."""
    with store.writing() as connection:
        now = utc_now(connection)
        here = PRESENCE.c.visitor == visitor
        before = connection.execute(select(PRESENCE.c.image_id, PRESENCE.c.since).where(here)).one_or_none()
        since = before.since if before is not None and before.image_id == image_id else now
        values = {
            "project_id": project_id,
            "image_id": image_id,
            "who": who,
            "since": since,
            "acted_at": now,
            "seen_at": now,
        }
        if before is None:
            connection.execute(insert(PRESENCE), values | {"visitor": visitor})
        else:
            connection.execute(update(PRESENCE).where(here).values(values))


def renew(store: Store, idle: Mapping[str, float]) -> None:
    """Say that visitors are still there; and drop those of whom nobody says so any more.

    Args:
        store: where.
        idle: seconds since something was last done, by visitor.
    """
    with store.writing() as connection:
        now = utc_now(connection)
        rows = [
            {"of": visitor, "acted": now - timedelta(seconds=seconds), "seen": now}
            for visitor, seconds in idle.items()
        ]
        if rows:
            there = update(PRESENCE).where(PRESENCE.c.visitor == bindparam("of"))
            acted, seen = PRESENCE.c.acted_at.type, PRESENCE.c.seen_at.type
            values = {"acted_at": bindparam("acted", type_=acted), "seen_at": bindparam("seen", type_=seen)}
            connection.execute(there.values(values), rows)
        connection.execute(delete(PRESENCE).where(PRESENCE.c.seen_at < _still_there(now)))


def leave(store: Store, visitors: Collection[str]) -> None:
    """Say that visitors have gone: what they had open is given back at once."""
    if visitors:
        with store.writing() as connection:
            connection.execute(delete(PRESENCE).where(PRESENCE.c.visitor.in_(list(visitors))))


def glance(store: Store, project_id: int, after: int) -> Glance:
    """Look at what has changed in a project: two short queries, as this is asked once a second.

    Args:
        store: where.
        project_id: which project.
        after: the last decision that is known; the few before it are told once more, see
            :func:`visible_decisions`.
    """
    lines = (
        select(JOURNAL.c.id, JOURNAL.c.image_id)
        .where(JOURNAL.c.project_id == project_id, JOURNAL.c.id > after - _LATE, ~JOURNAL.c.is_refused)
        .order_by(JOURNAL.c.id.desc())
        .limit(_DECISIONS_TOLD)
    )
    with store.reading() as connection:
        decisions = [Decision(row.id, row.image_id) for row in connection.execute(lines)]
        visitors = _visitors(connection, project_id)
    return Glance(tuple(reversed(decisions)), visitors)


def visible_decisions(store: Store, project_id: int) -> frozenset[int]:
    """Return the ids of a project's last decisions: what is read after this contains them."""
    lines = select(JOURNAL.c.id).where(JOURNAL.c.project_id == project_id)
    with store.reading() as connection:
        last = connection.execute(lines.order_by(JOURNAL.c.id.desc()).limit(2 * _LATE))
        return frozenset(last.scalars())


def _visitors(connection: Connection, project_id: int) -> tuple[Visitor, ...]:
    now = utc_now(connection)
    query = (
        select(PRESENCE, IMAGE.c.file_name)
        .outerjoin(IMAGE, IMAGE.c.id == PRESENCE.c.image_id)
        .where(PRESENCE.c.project_id == project_id, PRESENCE.c.seen_at >= _still_there(now))
        .order_by(PRESENCE.c.since, PRESENCE.c.visitor)
    )
    idle_before = now - timedelta(seconds=IDLE_SECONDS)
    return tuple(
        Visitor(
            row.visitor, row.who, row.image_id, row.file_name or "", row.since, row.acted_at < idle_before
        )
        for row in connection.execute(query)
    )


def _still_there(now: datetime) -> datetime:
    return now - timedelta(seconds=LEASE_SECONDS)


def others_of(visitors: Iterable[Visitor], visitor: str, who: str) -> tuple[Visitor, ...]:
    """Return the visitors that are somebody else.

    Pages of one name are one person's. Of two who gave no name nobody knows that: they are two.
    """
    return tuple(one for one in visitors if one.id != visitor and (not who or one.who != who))


def claimed_images(others: Iterable[Visitor]) -> dict[int, str]:
    """Return the images that others have open and work on, each with the name of who was first."""
    claims: dict[int, str] = {}
    for one in others:
        if one.image_id is not None and not one.is_idle:
            claims.setdefault(one.image_id, one.name)
    return claims
