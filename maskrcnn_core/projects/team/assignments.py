"""Images given to people: by name, or evenly among several; and queues that keep to what is one's own.

Whom an image is given to is kept beside its row, so it is journalled, undone and sealed like all of it. It
belongs to the work on the project and not to the data set: no file that is exported has it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from maskrcnn_core.common.bounds import name_problem
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.coco_fields import ours_of, with_ours
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.records import Entry, Extra, ImageRow
from maskrcnn_core.projects.review.review_queue import QueueItem
from maskrcnn_core.projects.store import Store

__all__ = [
    "WHOSE",
    "Whose",
    "assign_evenly",
    "assign_images",
    "assignee_extra",
    "assignee_of",
    "left_to_share",
    "own_queue",
    "share_out",
    "workload",
]

Whose = Literal["all", "mine first", "only mine"]
WHOSE: tuple[Whose, ...] = get_args(Whose)
"""Which images of a queue one goes through."""

_ASSIGNEE = "assignee"


def assignee_of(row: ImageRow) -> str:
    """Return the name of the person whom an image is assigned to; empty for nobody."""
    found = ours_of(row.extra).get(_ASSIGNEE)
    return found if isinstance(found, str) else ""


def assign_images(
    store: Store, project_id: int, who: str, rows: Collection[ImageRow], to: str
) -> Entry | None:
    """Assign images to a person, whoever had them before.

    Args:
        store, project_id, who: where, and for the journal.
        rows: the images as their author saw them.
        to: the person's name; empty to take them away from everybody.

    Returns:
        The journal's line; ``None`` if everything was so already.

    Raises:
        InputError: if there are no images, or it is not a name.
        ConflictError: if somebody changes one of the images at the same moment; then nothing is done.
    """
    if not rows:
        raise InputError("images: expected one or more to assign, got none")
    return _assign(store, project_id, who, rows, dict.fromkeys((row.id for row in rows), to.strip()))


def assign_evenly(
    store: Store, project_id: int, who: str, rows: Sequence[ImageRow], people: Sequence[str], *, seed: int = 0
) -> Entry | None:
    """Assign images to several people, to each as many as to the others, or one more; one decision.

    The arguments and errors are those of :func:`assign_images` and :func:`share_out`.
    """
    if not rows:
        raise InputError("images: expected one or more to assign, got none")
    return _assign(store, project_id, who, rows, share_out([row.id for row in rows], people, seed=seed))


def share_out(image_ids: Sequence[int], people: Sequence[str], *, seed: int = 0) -> dict[int, str]:
    """Return for each image one of several people: the same for the same seed, images and people.

    Images next to each other are often alike, so they are shuffled first.

    Raises:
        InputError: if there is nobody, or somebody twice.
    """
    names = [name.strip() for name in people]
    if not names or not all(names):
        raise InputError("people: expected one name or more, got none")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(f"people: expected each once, got {one_line(twice[0])} twice")
    shuffled = list(image_ids)
    random.Random(seed).shuffle(shuffled)
    return {image: names[at % len(names)] for at, image in enumerate(shuffled)}


def left_to_share(rows: Iterable[ImageRow]) -> list[ImageRow]:
    """Return the images that are not reviewed yet and are nobody's."""
    return [row for row in rows if row.digest and row.status != "reviewed" and not assignee_of(row)]


def workload(rows: Iterable[ImageRow]) -> dict[str, tuple[int, int]]:
    """Return how many images each person has, and how many of these are not reviewed yet; by name, sorted."""
    given, rest = Counter[str](), Counter[str]()
    for row in rows:
        name = assignee_of(row)
        given[name] += 1
        rest[name] += row.status != "reviewed"
    return {name: (given[name], rest[name]) for name in sorted(given) if name}


def own_queue(
    queue: Sequence[QueueItem], assignees: Mapping[int, str], who: str, whose: Whose
) -> tuple[QueueItem, ...]:
    """Return a queue as a person wants it; what is alike stays in its order.

    Args:
        queue: of a project.
        assignees: names by image; images that are nobody's may be missing.
        who: the person.
        whose: ``"mine first"`` puts one's own images first, then nobody's, then those of others.
    """
    if whose == "all":
        return tuple(queue)

    def rank(item: QueueItem) -> int:
        name = assignees.get(item.image_id, "")
        return 1 if not name else 0 if name == who else 2

    if whose == "only mine":
        return tuple(item for item in queue if rank(item) == 0)
    return tuple(sorted(queue, key=rank))


def _assign(
    store: Store, project_id: int, who: str, rows: Iterable[ImageRow], names: Mapping[int, str]
) -> Entry | None:
    for name in set(names.values()):
        if name and (problem := name_problem(name)):
            raise InputError(f"person: {problem}")
    changes = [
        Change("image", row.id, row.version, {"extra": assignee_extra(row.extra, names[row.id])})
        for row in rows
        if names[row.id] != assignee_of(row)
    ]
    return store.decide(project_id, who, "assign images", changes) if changes else None


def assignee_extra(extra: Extra, name: str) -> dict[str, Any]:
    """Return what is kept beside an image's row that is somebody else's; an empty name is nobody's."""
    return with_ours(extra, _ASSIGNEE, name or None)
