"""What lies on each field of a row since an entry of the journal, and whose it is.

A decision lays a sheet on every field that it writes; an undo lifts it off, a redo puts it back. Between two
entries the sheets of a field are a word in which a sheet that is laid and lifted again cancels out: nothing
is left of the word exactly if the pile is as it was.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from maskrcnn_core.projects.db.tables import JOURNAL

__all__ = ["PROPOSE", "Key", "Piles", "Sheet"]

PROPOSE = "propose"
"""The journal's kind of what a model offers, in place of what it offered before."""

Key = tuple[str, int]
"""A row: the name of its table, and its id."""

_PAGE = 200


class Sheet(NamedTuple):
    """One turn of a field.

    Args:
        entry: id of the decision, or of the undo that took a proposal along with its image.
        is_laid: whether it was laid on; otherwise it was lifted off.
    """

    entry: int
    is_laid: bool


class Piles:
    """The sheets that were laid on, and lifted off, some rows.

    Args:
        connection: any; the rows should be held, so that no more can come.
        project_id: whose journal.
        keys: of which rows.
        since: id of the entry after which to look.
        of_categories: categories of which to keep which instances had or got them.
        of_names: tables of which to keep which rows came, went or got another name.
    """

    def __init__(
        self,
        connection: Connection,
        project_id: int,
        keys: Collection[Key],
        since: int,
        *,
        of_categories: Collection[int] = (),
        of_names: Mapping[str, str] | None = None,
    ) -> None:
        self._connection = connection
        self._words: dict[Key, dict[str, list[Sheet]]] = {}
        self._roots: dict[int, int] = {}
        self._of_categories, self._of_names = of_categories, of_names or {}
        self._uses: dict[int, Counter[tuple[Key, int]]] = defaultdict(Counter)
        self._named: Counter[tuple[Key, int]] = Counter()
        self._had_names: dict[Key, set[str]] = defaultdict(set)
        for row in _entries(connection, project_id, since):
            for line in row.changes:
                key = line["table"], line["id"]
                sheet = self._sheet(row, line)
                self._note(key, line, sheet)
                if key in keys and "made" not in line:  # what was made lies below all else
                    self._lay(key, line["after"], sheet)

    def _note(self, key: Key, line: Mapping[str, Any], sheet: Sheet) -> None:
        step = 1 if sheet.is_laid else -1
        before, after = line.get("before", {}), line.get("after", {})
        if key[0] == "instance" and "category_id" in after:
            for category in {before["category_id"], after["category_id"]} & set(self._of_categories):
                self._uses[category][key, sheet.entry] += step
        name = self._of_names.get(key[0])
        if name is not None and ("made" in line or after.keys() & {name, "gone"}):
            self._named[key, sheet.entry] += step
            self._had_names[key] |= {values[name] for values in (before, after) if name in values}

    def user_of(self, category: int) -> Sheet | None:
        """Return a decision that would go back to a category, or away from it, when it is taken back."""
        return next((Sheet(entry, True) for (_, entry), n in self._uses[category].items() if n > 0), None)

    def renamed(self, table: str) -> dict[Key, tuple[Sheet, set[str]]]:
        """Return rows that came, went or got another name since, by whom, and what they were called."""
        return {
            key: (Sheet(entry, True), self._had_names[key])
            for (key, entry), n in self._named.items()
            if n > 0 and key[0] == table
        }

    def removal(self, key: Key) -> Sheet | None:
        """Return a person's decision by which a row is gone, and by whose undo it would come back."""
        word = self._words.get(key, {}).get("gone")
        if not word or not word[-1].is_laid:
            return None
        query = select(JOURNAL.c.kind).where(JOURNAL.c.id == word[-1].entry)
        is_persons = self._connection.execute(query).scalar_one() not in ("undo", PROPOSE)
        return word[-1] if is_persons else None

    def _sheet(self, row: Any, line: Mapping[str, Any]) -> Sheet:
        if line.get("along"):
            return Sheet(row.id, True) if row.kind == "undo" else Sheet(row.target_id, False)
        return Sheet(self._root(row.id, row.target_id), row.kind != "undo")

    def _root(self, id_: int, target_id: int | None) -> int:
        """Return the decision that an entry is, or takes back, or makes again."""
        if target_id is None:
            return id_
        if target_id not in self._roots:
            query = select(JOURNAL.c.target_id).where(JOURNAL.c.id == target_id)
            self._roots[target_id] = self._root(target_id, self._connection.execute(query).scalar_one())
        return self._roots[target_id]

    def _lay(self, key: Key, columns: Collection[str], sheet: Sheet) -> None:
        words = self._words.setdefault(key, defaultdict(list))
        for column in columns:
            word = words[column]
            if word and word[-1] == sheet._replace(is_laid=not sheet.is_laid):
                word.pop()
            else:
                word.append(sheet)

    def top(self, key: Key, columns: Collection[str] | None = None) -> Sheet | None:
        """Return the last turn of a row's fields, of all if none are named.

        ``None`` if all are as they were.
        """
        words = self._words.get(key, {})
        found = [word[-1] for name, word in words.items() if word and (columns is None or name in columns)]
        return max(found, default=None)

    def is_lifted(self, key: Key, decision: int) -> bool:
        """Return whether a decision's sheets on a row have been lifted off and not put back."""
        return any(Sheet(decision, False) in word for word in self._words.get(key, {}).values())

    def why(self, sheet: Sheet) -> str:
        """Return whose turn it was and of which kind, as the end of a sentence."""
        query = select(JOURNAL.c.who, JOURNAL.c.kind).where(JOURNAL.c.id == sheet.entry)
        row = self._connection.execute(query).one()
        if row.kind == "undo":
            return (
                f"{row.who} took its image away since"
                if sheet.is_laid
                else f"{row.who} brought it back since"
            )
        return f"{row.who} {'decided' if sheet.is_laid else 'took back'} '{row.kind}' since"


def _entries(connection: Connection, project_id: int, since: int) -> Iterator[Any]:
    columns = select(JOURNAL.c.id, JOURNAL.c.kind, JOURNAL.c.target_id, JOURNAL.c.changes).where(
        JOURNAL.c.project_id == project_id, ~JOURNAL.c.is_refused
    )
    while True:
        query = columns.where(JOURNAL.c.id > since).order_by(JOURNAL.c.id).limit(_PAGE)
        rows = connection.execute(query).all()
        if not rows:
            return
        yield from rows
        since = rows[-1].id
