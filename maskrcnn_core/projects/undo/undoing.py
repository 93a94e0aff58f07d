"""Undo and redo, each a decision of its own: they never get stuck, and overwrite nobody.

Everything that is decided lies on what was there before, field by field, like sheets on a pile. Undo lifts a
sheet off where nothing of anybody's lies on it; redo puts it back where the pile is as the undo left it. What
cannot be lifted, as somebody's later decision lies on it or needs it, is named and left, and the rest goes
on. Once nothing else of a person's is to be undone, what was left is tried again: so when everybody has taken
back all, in whatever order, all is as it was at first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Literal

from sqlalchemy import Connection, select

from maskrcnn_core.projects.db.tables import JOURNAL, PROJECT
from maskrcnn_core.projects.journal import check_places, entry_by_id, update_rows, write_entry
from maskrcnn_core.projects.records import Entry
from maskrcnn_core.projects.standing import MAKE_SNAPSHOT, STANDING_KINDS, check_stands
from maskrcnn_core.projects.undo.piles import Piles
from maskrcnn_core.projects.undo.plans import Plan, plan_of

__all__ = ["decision_of", "redo", "undo", "undoable"]

_PAGE = 200
_Turn = Literal["undo", "redo"]


def undo(
    connection: Connection,
    project_id: int,
    who: str,
    *,
    operation: str | None = None,
    only: Collection[str] | None = None,
) -> Entry | None:
    """Take back what can be taken back of a person's last decision that stands.

    Args:
        connection: in a writing transaction.
        project_id, who, operation: for the journal.
        only: the kinds of decisions that are meant: one of another kind, and what came before it, is left
            alone, as who reviews would not want an import undone.

    Returns:
        The journal's line, which names what had to be left, and may have changed nothing; ``None`` if nothing
        of theirs can be taken back.

    Raises:
        Refusal: if somebody decides in this very moment; the same again will not be refused.
    """
    _take_turn(connection, project_id)
    oldest = 0
    for entry, decision in _standing(connection, project_id, who):
        if only is not None and decision.kind not in only:
            oldest = entry.id
            break
        plan = plan_of(connection, project_id, decision, decision)
        if plan.lines or plan.skipped:
            return _carry_out(connection, project_id, who, "undo", entry, plan, operation)
    for decision in _left(connection, project_id, who, only):
        plan = plan_of(connection, project_id, decision, decision)
        if plan.lines and decision.id > oldest:
            return _carry_out(connection, project_id, who, "undo", decision, plan, operation)
    return None


def redo(
    connection: Connection,
    project_id: int,
    who: str,
    *,
    operation: str | None = None,
    only: Collection[str] | None = None,
) -> Entry | None:
    """Carry out again what a person has last taken back; ``None`` if there is nothing, or they went on since.

    The arguments are those of :func:`undo`. What an undo had to leave is not touched.

    Raises:
        Refusal: as for :func:`undo`.
    """
    _take_turn(connection, project_id)
    undone = _last_undone(connection, project_id, who)
    if undone is None or (only is not None and decision_of(connection, undone).kind not in only):
        return None
    plan = plan_of(connection, project_id, undone, decision_of(connection, undone))
    return _carry_out(connection, project_id, who, "redo", undone, plan, operation)


def undoable(
    connection: Connection, project_id: int, who: str, *, only: Collection[str] | None = None
) -> tuple[bool, bool]:
    """Return whether a person has something to undo, and something to redo.

    What an earlier undo had to leave does not count, though :func:`undo` tries it once nothing else is left.
    """
    undone = _last_undone(connection, project_id, who)
    can_undo = False
    for entry, decision in _standing(connection, project_id, who):
        if only is not None and decision.kind not in only:
            break
        can_undo = entry.id == decision.id or _has_standing(connection, project_id, decision)
        if can_undo:
            break
    return can_undo, undone is not None and (only is None or decision_of(connection, undone).kind in only)


def decision_of(connection: Connection, entry: Entry) -> Entry:
    """Return the decision that an entry is, or takes back, or makes again."""
    while entry.target_id is not None:
        entry = entry_by_id(connection, entry.target_id)
    return entry


def _has_standing(connection: Connection, project_id: int, decision: Entry) -> bool:
    keys = {(line["table"], line["id"]) for line in decision.changes}
    piles = Piles(connection, project_id, keys, decision.id)
    return any(not piles.is_lifted(key, decision.id) for key in keys)


def _take_turn(connection: Connection, project_id: int) -> None:
    """Let one undo or redo of a project run at a time: they lock many rows, and would wait for each other."""
    row = select(PROJECT.c.id).where(PROJECT.c.id == project_id)
    connection.execute(row.with_for_update(key_share=True))


def _carry_out(
    connection: Connection,
    project_id: int,
    who: str,
    kind: _Turn,
    entry: Entry,
    plan: Plan,
    operation: str | None,
) -> Entry:
    lines = list(plan.lines.values())
    # A name has to be free before another row takes it.
    update_rows(connection, sorted(lines, key=lambda line: not line["after"].get("gone", False)))
    check_places(connection, project_id, lines)
    check_stands(connection, project_id, lines)
    return write_entry(
        connection,
        project_id,
        who,
        kind,
        lines,
        image_id=entry.image_id,
        target_id=entry.id,
        operation=operation,
        skipped=plan.skipped,
    )


# -- whose turn it is -----------------------------------------------------------------------------


def _standing(connection: Connection, project_id: int, who: str) -> Iterator[tuple[Entry, Entry]]:
    """Yield what a person decided or made again and has not undone, the newest first.

    Each with its decision.
    """
    undone: set[int | None] = set()
    for row in _backwards(connection, project_id, who):
        if row.kind == "undo":
            undone.add(row.target_id)
        elif row.id not in undone and row.kind not in STANDING_KINDS:
            entry = entry_by_id(connection, row.id)
            yield entry, decision_of(connection, entry)


def _last_undone(connection: Connection, project_id: int, who: str) -> Entry | None:
    redone: set[int | None] = set()
    for row in _backwards(connection, project_id, who):
        if row.kind == "redo":
            redone.add(row.target_id)
        elif row.kind == MAKE_SNAPSHOT:
            continue  # it changed nothing
        elif row.kind != "undo":
            return None
        elif row.id not in redone:
            return entry_by_id(connection, row.id)
    return None


def _left(connection: Connection, project_id: int, who: str, only: Collection[str] | None) -> Iterator[Entry]:
    """Yield decisions of which an undo had to leave something, the newest first."""
    query = (
        select(JOURNAL.c.id)
        .where(
            JOURNAL.c.project_id == project_id,
            JOURNAL.c.who == who,
            JOURNAL.c.kind == "undo",
            JOURNAL.c.skipped.is_not(None),
            ~JOURNAL.c.is_refused,
        )
        .order_by(JOURNAL.c.id.desc())
    )
    found: dict[int, Entry] = {}
    for id_ in connection.execute(query).scalars():
        decision = decision_of(connection, entry_by_id(connection, id_))
        if only is None or decision.kind in only:
            found[decision.id] = decision
    yield from (found[id_] for id_ in sorted(found, reverse=True))


def _backwards(connection: Connection, project_id: int, who: str) -> Iterator[Any]:
    """Yield a person's decisions without their changes, which may be long, the newest first."""
    columns = select(JOURNAL.c.id, JOURNAL.c.kind, JOURNAL.c.target_id).where(
        JOURNAL.c.project_id == project_id, JOURNAL.c.who == who, ~JOURNAL.c.is_refused
    )
    before: int | None = None
    while True:
        query = columns if before is None else columns.where(JOURNAL.c.id < before)
        rows = connection.execute(query.order_by(JOURNAL.c.id.desc()).limit(_PAGE)).all()
        if not rows:
            return
        yield from rows
        before = rows[-1].id
