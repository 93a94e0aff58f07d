"""Each person's work in a project, as the journal has it: decisions, images, and time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise

from sqlalchemy import select

from maskrcnn_core.projects.db.tables import JOURNAL
from maskrcnn_core.projects.standing import STANDING_KINDS
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.team.approvals import FINISH_IMAGE
from maskrcnn_core.projects.undo.piles import PROPOSE

__all__ = ["LONGEST_PAUSE", "Deed", "PersonWork", "deeds_of", "work_by_person"]

LONGEST_PAUSE = timedelta(minutes=5)
"""Between two decisions of one stretch of work: whoever decides nothing for longer was elsewhere."""

_TURNS = ("undo", "redo")


@dataclass(frozen=True)
class Deed:
    """One line of the journal, without what it changed.

    Args:
        who, at, kind, image_id: as in :class:`~maskrcnn_core.projects.records.Entry`.
    """

    who: str
    at: datetime
    kind: str
    image_id: int | None


@dataclass(frozen=True)
class PersonWork:
    """What one person did.

    Args:
        who: their name in the journal.
        decisions: how many, without undo and redo.
        undone: how many times they took something back.
        kinds: decisions of each kind.
        images: how many images some decision was about.
        finished: how often they finished an image.
        first, last: when, in UTC.
        seconds: of work: all pauses of at most :data:`LONGEST_PAUSE`; nobody knows what a single one took.
        by_day: decisions on each day, in UTC.
    """

    who: str
    decisions: int
    undone: int
    kinds: Counter[str]
    images: int
    finished: int
    first: datetime
    last: datetime
    seconds: float
    by_day: Counter[date] = field(repr=False)

    @property
    def seconds_per_decision(self) -> float | None:
        """How long a decision took on average; ``None`` where no time is known."""
        return self.seconds / self.decisions if self.decisions and self.seconds else None


def deeds_of(store: Store, project_id: int) -> list[Deed]:
    """Return what people decided in a project, the oldest first; models' proposals are not among it."""
    c = JOURNAL.c
    query = (
        select(c.who, c.at, c.kind, c.image_id)
        .where(c.project_id == project_id, ~c.is_refused, c.kind.not_in((*STANDING_KINDS, PROPOSE)))
        .order_by(c.id)
    )
    with store.reading() as connection:
        return [Deed(row.who, row.at, row.kind, row.image_id) for row in connection.execute(query)]


def work_by_person(deeds: Iterable[Deed]) -> list[PersonWork]:
    """Return each person's work, the one with the most decisions first."""
    of_person: dict[str, list[Deed]] = {}
    for deed in deeds:
        of_person.setdefault(deed.who, []).append(deed)
    found = [_work(who, theirs) for who, theirs in of_person.items()]
    return sorted(found, key=lambda work: (-work.decisions, work.who))


def _work(who: str, deeds: list[Deed]) -> PersonWork:
    decisions = [deed for deed in deeds if deed.kind not in _TURNS]
    times = sorted(deed.at for deed in deeds)
    pauses = (after - before for before, after in pairwise(times))
    kinds = Counter(deed.kind for deed in decisions)
    return PersonWork(
        who,
        len(decisions),
        sum(deed.kind == "undo" for deed in deeds),
        kinds,
        len({deed.image_id for deed in decisions} - {None}),
        kinds[FINISH_IMAGE],
        times[0],
        times[-1],
        sum(pause.total_seconds() for pause in pauses if pause <= LONGEST_PAUSE),
        Counter(deed.at.date() for deed in decisions),
    )
