"""What others do appears by itself: one thread for all pages of this process that show a project.

A page that looked once a second would cost its session a run each time: with twenty of them a core has little
else to do. So one thread looks at each project's last decisions and visitors, and draws again only the part
of those pages that shows what has changed. It also says for all of them that they are still there.

What a session shows is told by its run (`TeamWatch.show`), which writes nothing and waits for nothing.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from maskrcnn_core.errors import CoreError
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.team.presence import (
    Decision,
    Visitor,
    claimed_images,
    glance,
    leave,
    others_of,
    renew,
    visit,
)

__all__ = ["Screens", "Shows", "TeamWatch", "names_of", "near_claims"]

_LOOK_SECONDS = 1.0
"""Between two looks: with a redraw, others' decisions are seen within two seconds."""
_LEAST_SECONDS = 0.1
"""Between two looks where pages ask for them, as their people go from image to image."""
_RENEW_SECONDS = 30.0
_ELSEWHERE_SECONDS = 10.0
"""Decisions on images that a page does not show change its counts alone, which may be so old."""
_LIST_SECONDS = 3.0
"""The list of people is drawn at most so often: with twenty, somebody always moves."""
_ASKED_AGAIN = 2.0
"""A part that was asked for and not drawn since is asked for again."""
_KNOWN = 2000
_LOG = logging.getLogger(__name__)


class Screens(Protocol):
    """The sessions of this process, as far as browsers show them."""

    def is_shown(self, session: str, part: str) -> bool:
        """Return whether a browser shows a part of a page."""

    def draw(self, session: str, parts: Collection[str]) -> None:
        """Draw parts of a page again, unless something runs in its session just now."""


@dataclass(frozen=True)
class Shows:
    """What a session's page shows.

    Args:
        project_id, who, image_id: where its person is, and who it is.
        near: images that it shows or may show next.
        claims: which of these others have open, as it shows that.
        known: the project's last decisions that it contains.
        activity: changes with whatever the person does there.
        people: names of the others, as it shows them.
    """

    project_id: int
    who: str
    image_id: int | None
    near: frozenset[int]
    claims: Mapping[int, str]
    known: frozenset[int]
    activity: object
    people: frozenset[str] = frozenset()

    @property
    def place(self) -> tuple[object, ...]:
        """What others are told."""
        return self.project_id, self.who, self.image_id

    def takes(self, decision: Decision) -> bool:
        """Return whether a decision is later than what is shown."""
        return decision.id not in self.known and (not self.known or decision.id > min(self.known))


@dataclass
class _Session:
    visitor: str
    part: str
    shows: Shows
    acted_at: float
    drawn_at: float
    told: tuple[object, ...] | None = None
    is_stale: bool = False
    has_news: bool = False
    list_part: str = ""
    listed: tuple[Visitor, ...] = ()
    listed_for: int | None = None
    listed_at: float = -math.inf
    asked_at: float = -math.inf


class TeamWatch:
    """What the pages of this process show of projects, and the thread that keeps it up to date.

    Args:
        store: of the projects.
        screens: the sessions.
        clock: seconds that pass.
    """

    def __init__(
        self, store: Store, screens: Screens, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._screens, self._clock = store, screens, clock
        self._lock = threading.Lock()
        self._sessions: dict[str, _Session] = {}
        self._visitors: dict[int, tuple[Visitor, ...]] = {}
        self._known: dict[int, deque[int]] = {}
        self._renewed_at = clock()
        self._wake = threading.Event()

    # -- what pages say and ask --------------------------------------------------------------------

    def show(self, session: str, part: str, shows: Shows) -> None:
        """Note what a session's page shows; others learn of it at once.

        Args:
            session: the session's id.
            part: of its page that is to be drawn again when others change that.
            shows: what.
        """
        now = self._clock()
        with self._lock:
            one = self._sessions.get(session)
            if one is None:
                one = self._sessions[session] = _Session(uuid.uuid4().hex, part, shows, now, now)
            elif one.shows.activity != shows.activity:
                one.acted_at = now
            one.part, one.shows, one.drawn_at = part, shows, now
            one.is_stale = one.has_news = False
            one.asked_at = -math.inf
            is_news = one.told != shows.place
        if is_news:
            self._wake.set()

    def list_people(self, session: str, part: str, project_id: int, who: str) -> tuple[Visitor, ...]:
        """Return the others in a project; the part that lists them is drawn again when they change."""
        others = self.others(session, project_id, who)
        with self._lock:
            if (one := self._sessions.get(session)) is not None:
                one.list_part, one.listed, one.listed_at = part, others, self._clock()
                one.listed_for = one.shows.image_id
        return others

    def others(self, session: str, project_id: int, who: str) -> tuple[Visitor, ...]:
        """Return who else is in a project, as last seen; without the pages that have just been closed.

        Raises:
            StoreError: if that is not known yet and cannot be read.
        """
        with self._lock:
            seen = self._visitors.get(project_id)
            mine = self._sessions.get(session)
            ours = {one.visitor: (id_, one.part) for id_, one in self._sessions.items()}
        if seen is None:
            seen = glance(self._store, project_id, _NO_DECISIONS).visitors
        return tuple(
            one
            for one in others_of(seen, mine.visitor if mine else "", who)
            if one.id not in ours or self._screens.is_shown(*ours[one.id])
        )

    # -- the thread --------------------------------------------------------------------------------

    def run(self) -> None:
        """Look once a second, and whenever a page tells something new, without end."""
        while True:
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()
            pause = _LEAST_SECONDS
            try:
                self.look()
            except CoreError as error:  # a database that is away now is there again later
                _LOG.info("team: %s", error)
                pause = _LOOK_SECONDS
            except Exception:
                # Whatever it is: without this thread nobody would see anything of others any more.
                _LOG.exception("team: a look has failed")
                pause = 10 * _LOOK_SECONDS
            time.sleep(pause)

    def look(self) -> None:
        """Tell the store what is shown here, learn what others show and have decided, and draw that.

        Raises:
            StoreError: if the store cannot be read or written now.
        """
        self._forget_closed()
        with self._lock:
            sessions = dict(self._sessions)
        self._tell(sessions)
        for project_id in {one.shows.project_id for one in sessions.values()}:
            self._learn(project_id)
        now = self._clock()
        for id_, one in sessions.items():
            if now - one.asked_at >= _ASKED_AGAIN and (parts := self._due(one, now)):
                one.asked_at = now
                self._screens.draw(id_, parts)

    def _forget_closed(self) -> None:
        """Forget the pages that were left; one that comes back is drawn, and so tells of itself."""
        looked_at = self._clock()
        with self._lock:
            parts = {id_: one.part for id_, one in self._sessions.items()}
        closed = [id_ for id_, part in parts.items() if not self._screens.is_shown(id_, part)]
        with self._lock:
            gone = [self._sessions.pop(id_) for id_ in closed if self._sessions[id_].drawn_at <= looked_at]
            watched = {one.shows.project_id for one in self._sessions.values()}
            for project_id in self._visitors.keys() - watched:
                del self._visitors[project_id]
                self._known.pop(project_id, None)
        leave(self._store, [one.visitor for one in gone])

    def _tell(self, sessions: Mapping[str, _Session]) -> None:
        for one in sessions.values():
            shows = one.shows
            if one.told != shows.place:
                visit(self._store, shows.project_id, one.visitor, shows.who, shows.image_id)
                one.told = shows.place
        now = self._clock()
        if sessions and now - self._renewed_at >= _RENEW_SECONDS:
            self._renewed_at = now
            renew(self._store, {one.visitor: now - one.acted_at for one in sessions.values()})

    def _learn(self, project_id: int) -> None:
        known = self._known.setdefault(project_id, deque(maxlen=_KNOWN))
        seen = glance(self._store, project_id, max(known, default=0))
        told = set(known)
        fresh = [one for one in seen.decisions if one.id not in told]
        known.extend(one.id for one in fresh)
        with self._lock:
            self._visitors[project_id] = seen.visitors
            for one in self._sessions.values():
                if one.shows.project_id == project_id:
                    later = [decision for decision in fresh if one.shows.takes(decision)]
                    near = one.shows.near
                    one.has_news |= bool(later)
                    one.is_stale |= any(d.image_id is None or d.image_id in near for d in later)

    def _due(self, one: _Session, now: float) -> list[str]:
        with self._lock:
            others = others_of(self._visitors.get(one.shows.project_id, ()), one.visitor, one.shows.who)
            is_old = one.has_news and now - one.drawn_at >= _ELSEWHERE_SECONDS
            claims = near_claims(others, one.shows.near)
            have_come_or_gone = names_of(others) != one.shows.people and now - one.drawn_at >= _LIST_SECONDS
            is_due = one.is_stale or is_old or have_come_or_gone or claims != one.shows.claims
            parts = [one.part] if is_due else []
            # Who has gone on from an image where others are, or to one, is told so at once.
            moved = {one.listed_for, one.shows.image_id} if one.listed_for != one.shows.image_id else set()
            has_met = any(other.image_id in moved for other in others if other.image_id is not None)
            is_other = others != one.listed and now - one.listed_at >= _LIST_SECONDS
            if one.list_part and (has_met or is_other):
                parts.append(one.list_part)
        return parts


_NO_DECISIONS = 2**62
"""As the last decision that is known, where none is asked for."""


def near_claims(others: Collection[Visitor], near: Collection[int]) -> dict[int, str]:
    """Return which of some images others have open, each with a name."""
    return {image: who for image, who in claimed_images(others).items() if image in near}


def names_of(others: Collection[Visitor]) -> frozenset[str]:
    """Return what others are called."""
    return frozenset(one.name for one in others)
