"""Two buttons that go through a list, whose presses Streamlit cannot lose; see ``web/stepper/stepper.js``.

What is said to Python is how many steps were made since the session began, not that a button was pressed: so
of several quick presses each counts, also when Streamlit hears of some of them together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import uuid4

import streamlit as st

from pages.components.mounting import mount

__all__ = ["Steps", "stepper"]

_MOST_STEPS = 2**31


@dataclass
class Steps:
    """What a session has taken in of its stepper.

    Attributes:
        session: its name; a browser that has counted for another one starts again.
        taken: steps forward, less steps back.
    """

    session: str = field(default_factory=lambda: uuid4().hex)
    taken: int = 0

    def take(self, moved: object) -> int:
        """Return how many steps are new in what the browser says; 0 for what is not ours or no count."""
        if not isinstance(moved, Mapping) or moved.get("session") != self.session:
            return 0
        steps = moved.get("steps")
        if type(steps) is not int or abs(steps) > _MOST_STEPS:
            return 0
        new, self.taken = steps - self.taken, steps
        return new


def stepper(
    steps: Steps, at: int, count: int, go: Callable[[int], None], *, key: str, back: str, forward: str
) -> None:
    """Show the buttons between the places ``at`` (from 0) of ``count``.

    Args:
        steps: what has been taken in.
        go: called before the page is drawn, with the steps forward (more than 0) or back (less) that are new.
        key: unique on the page.
        back, forward: names of the buttons.
    """

    def move() -> None:
        stored = st.session_state.get(key)
        if new := steps.take(stored.get("moved") if isinstance(stored, Mapping) else None):
            go(new)

    data = {
        "session": steps.session,
        "taken": steps.taken,
        "at": at,
        "count": count,
        "back": back,
        "forward": forward,
    }
    mount("stepper", key=key, data=data, on_moved_change=move)
