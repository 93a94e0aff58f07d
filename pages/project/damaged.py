"""Damaged rows in the Export section: what they are, and the rest of the project for who asks for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import streamlit as st

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.errors import DamageError
from maskrcnn_core.projects.db.damage import Damage
from maskrcnn_core.projects.records import Fact, ImageRow
from pages.project.state import PageUi
from pages.shared.open_project import OpenProject
from pages.shared.texts import plain

__all__ = ["SoundPart", "draw_damage", "is_as_shown", "noticing_damage"]

_SHOWN = 20
_PLURALS = {"category": "categories"}


@dataclass
class SoundPart(OpenProject):
    """A project without its damaged rows, nor what needs them; never of the lists that others share.

    Args:
        damage: what is left out, as the store is told, too.
    """

    damage: tuple[Damage, ...]

    @cached_property
    def images(self) -> tuple[ImageRow, ...]:
        return tuple(self.store.images(self.row.id))

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(self.store.facts(self.row.id))

    @property
    def left_out_note(self) -> str:
        """Say what its file does not hold, to show next to the download."""
        named = "; ".join(damage.shown for damage in self.damage[:_SHOWN])
        more = f"; and {more:,} more" if (more := len(self.damage) - _SHOWN) > 0 else ""
        return f"left out as damaged: {_kinds(self.damage)} ({named}{more})"


@contextmanager
def noticing_damage(project: OpenProject, ui: PageUi) -> Iterator[None]:
    """Read a project to export it: damage that is met is shown by a new run of the page."""
    try:
        yield
    except DamageError:
        found = tuple(project.store.damaged_rows(project.row.id))
        if found and found != ui.damage:
            ui.damage = found
            st.rerun()
        if isinstance(project, SoundPart):
            raise  # else `draw_damage` has said it


def is_as_shown(project: OpenProject, ui: PageUi) -> bool:
    """Check again before something is left out: exactly what was shown is, and restored rows are not."""
    if (found := tuple(project.store.damaged_rows(project.row.id))) == ui.damage:
        return True
    ui.damage = found
    if not found:
        ui.notice.say("Nothing is damaged any more: prepare the whole project.")
    return False


def draw_damage(project: OpenProject, ui: PageUi) -> OpenProject:
    """Name the known damaged rows, and ask whether to export the rest without them.

    Returns:
        The project, or the sound part of it where that is asked for.
    """
    if not ui.damage:
        return project
    with st.container(border=True, key="out-damage"):
        st.warning(plain(_sentence(ui.damage, _taken_along(project, ui.damage))), icon=":material/warning:")
        lines = [damage.shown for damage in ui.damage[:_SHOWN]]
        if (more := len(ui.damage) - _SHOWN) > 0:
            lines.append(f"and {more:,} more; the command project verify lists all")
        st.text("\n".join(lines))
        # The key holds what is shown: who has asked to leave that out has not asked for anything else.
        key = f"out-without-damaged-{hash(ui.damage)}"
        is_asked = st.checkbox("Leave these out and export the rest", key=key)
    if not is_asked:
        return project
    store = project.store.leaving_out(ui.damage)
    return SoundPart(store, project.row, project.who, project.revision, ui.damage)


def _taken_along(project: OpenProject, found: Sequence[Damage]) -> int:
    """Count the sound instances that go with damaged images and categories."""
    damaged = project.store.leaving_out(d for d in found if d.table == "instance")
    rest = project.store.leaving_out(found)
    return len(damaged.facts(project.row.id)) - len(rest.facts(project.row.id))


def _kinds(found: Sequence[Damage]) -> str:
    counts = Counter(damage.table for damage in found)
    return ", ".join(counted(count, table, _PLURALS.get(table, "")) for table, count in counts.items())


def _sentence(found: Sequence[Damage], taken_along: int) -> str:
    along = ""
    if taken_along:
        left = counted(taken_along, "sound instance is", "sound instances are")
        along = f" {left} left out with a damaged image or category."
    return (
        f"Damaged: {_kinds(found)}. The project database no longer holds what was written here, so nothing "
        f"is exported. Restore a copy of the database, or export the rest without it.{along}"
    )
