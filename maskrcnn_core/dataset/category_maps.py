"""Which categories of a ground truth and of detections are the same: by name, and as a person says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.dataset.annotations import Dataset
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import InputError

__all__ = ["Joined", "join_categories", "listed"]

_Side = tuple[str, str]
"""``truth`` or ``found``, and a category's name."""


@dataclass(frozen=True)
class Joined:
    """A ground truth whose categories are those that detections are compared under.

    Args:
        truth: the ground truth; categories that were joined are one, under the id of the first of them.
        ids: its category id by the name of each category of the detections that has one.
        unknown: objects, crowds left out, by name of each category that the detections do not have.
        notes: which categories were joined other than by equal names.
    """

    truth: Dataset
    ids: Mapping[str, int]
    unknown: Mapping[str, int]
    notes: tuple[str, ...]


def join_categories(truth: Dataset, names: Sequence[str], pairs: Iterable[str] = ()) -> Joined:
    """Find which categories are compared with which.

    Args:
        truth: the ground truth.
        names: of the detections' categories.
        pairs: as ``pedestrian=person``: a category of the ground truth and one of the detections, or the
            other way round where only that can be meant. Several may be joined to one.

    Raises:
        InputError: for a pair that names no category, with names that look alike.
    """
    ours = {category.name: category for category in truth.categories}
    group = {("truth", name): {("truth", name)} for name in ours}
    group |= {("found", name): {("found", name)} for name in names}
    said = [_pair(text, ours, names) for text in pairs]
    for left, right in [*((name, name) for name in names if name in ours), *said]:
        both = group["truth", left] | group["found", right]
        for member in both:
            group[member] = both
    targets = {name: _first(group["truth", name], truth.categories) for name in ours}
    by_name = {name: members for (side, name), members in group.items() if side == "found"}
    firsts = {name: _first(members, truth.categories) for name, members in by_name.items()}
    ids = {name: first.id for name, first in firsts.items() if first}
    merged = _merged(truth, {ours[name].id: target for name, target in targets.items() if target})
    counts = Counter(i.category_id for i in merged.instances if not i.is_crowd)
    unknown = {c.name: counts[c.id] for c in merged.categories if c.id not in set(ids.values())}
    return Joined(merged, ids, unknown, tuple(_notes(group, said)))


def _pair(text: str, ours: Mapping[str, Category], names: Sequence[str]) -> tuple[str, str]:
    left, equals, right = (part.strip() for part in text.partition("="))
    if not (equals and left and right):
        raise InputError(f"--map: expected NAME=NAME, such as pedestrian=person, got {one_line(text)!r}")
    if left in ours and right in names:
        return left, right
    if right in ours and left in names:
        return right, left
    sides = (("detections'", names), ("ground truth's", list(ours)))
    if left in ours or right in names:
        wrong, (side, known) = (right, sides[0]) if left in ours else (left, sides[1])
    elif right in ours or left in names:
        wrong, (side, known) = (left, sides[0]) if right in ours else (right, sides[1])
    else:
        wrong, (side, known) = left, sides[1]
    raise InputError(
        f"--map {one_line(text)}: expected one of the {side} categories ({listed(known)}), "
        f"got {one_line(wrong)!r}{_alike(wrong, known)}"
    )


def _alike(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=3)
    return f"; did you mean {' or '.join(repr(one_line(one)) for one in close)}?" if close else ""


def listed(names: Sequence[str], most: int = 8) -> str:
    """Return names as a list for people; of many, only the first."""
    shown = ", ".join(map(one_line, names[:most]))
    return (f"{shown} and {len(names) - most} more" if len(names) > most else shown) or "none"


def _first(members: Iterable[_Side], categories: Sequence[Category]) -> Category | None:
    names = {name for side, name in members if side == "truth"}
    return next((category for category in categories if category.name in names), None)


def _merged(truth: Dataset, targets: Mapping[int, Category]) -> Dataset:
    if all(id_ == target.id for id_, target in targets.items()):
        return truth
    new = {id_: target.id for id_, target in targets.items()}
    joined: dict[int, list[str]] = {}
    for category in truth.categories:
        joined.setdefault(targets.get(category.id, category).id, []).append(category.name)
    return Dataset(
        truth.images,
        tuple(replace(c, name="+".join(joined[c.id])) for c in truth.categories if c.id in joined),
        tuple(replace(i, category_id=new.get(i.category_id, i.category_id)) for i in truth.instances),
    )


def _notes(group: Mapping[_Side, set[_Side]], said: Sequence[tuple[str, str]]) -> Iterable[str]:
    seen: list[set[_Side]] = []
    for left, _ in said:
        members = group["truth", left]
        if members not in seen:
            seen.append(members)
            truth, found = (sorted(n for s, n in members if s == side) for side in ("truth", "found"))
            yield f"compared as one: {listed(truth)} of the ground truth, {listed(found)} of the detections"
