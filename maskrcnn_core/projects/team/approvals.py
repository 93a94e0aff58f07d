"""A second look: somebody approves an image that was annotated, or returns it with a comment.

What was said is kept beside the image's row, so it is journalled, undone and sealed with it. An approval is
of what its author saw. It holds how often instances of the image had been changed by then: their versions
rise with every change, whoever makes it and in whatever way, so no part of MaskDesk has to take an approval
back. It lapses by itself when something is changed afterwards, or the image is reopened, and in a copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, case, func, not_, select

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import ConflictError, InputError, StoreError
from maskrcnn_core.formats.coco_fields import OURS, ours_of, with_ours
from maskrcnn_core.projects import journal
from maskrcnn_core.projects.db.patience import again
from maskrcnn_core.projects.db.tables import IMAGE, INSTANCE, JOURNAL, chunks
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.records import Entry, Extra, ImageRow, ProjectRow
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.team.amending import amend_image
from maskrcnn_core.projects.team.assignments import assignee_extra
from maskrcnn_core.projects.team.comments import checked_text, commented, instance_number, now

__all__ = [
    "APPROVAL_KINDS",
    "APPROVE",
    "FINISH_IMAGE",
    "RETURN",
    "STAGES",
    "Stage",
    "Verdict",
    "approve_image",
    "approve_images",
    "has_second_stage",
    "in_stage",
    "return_image",
    "returned_to",
    "set_second_stage",
    "stage_counts",
    "standing_approvals",
    "told_verdict",
    "verdict_of",
]

FINISH_IMAGE = "finish image"
"""The journal's kind of a decision by which an image is annotated."""

APPROVE, RETURN = "approve image", "return image"
APPROVAL_KINDS = frozenset({APPROVE, RETURN})
"""The journal's kinds of what the second look comes to."""

Stage = Literal["to-approve", "approved", "returned", "lapsed"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""Where images are: annotated, and nobody's approval of them stands; approved as they are; returned, and not
finished again; once approved, and changed or reopened since."""

_VERDICT, _SETTING = "verdict", "approval"


@dataclass(frozen=True)
class Verdict:
    """What somebody has said of an image that was annotated.

    Args:
        said: what.
        who, at: whose it is, and when it was made, as ``2026-12-01T08:00:00+00:00``.
        annotator: who had finished the image; empty where nobody knows.
        image: the store's id of the image; that of another one in a copy.
        changes: how often its instances had been changed, removed and brought back, and made, by then.
    """

    said: Literal["approved", "returned"]
    who: str
    at: str
    annotator: str
    image: int
    changes: int


def verdict_of(row: ImageRow) -> Verdict | None:
    """Return what was said of an image last, whether or not it still stands."""
    return _read(row.extra)


def told_verdict(row: ImageRow, *, stands: bool) -> str:
    """Return in a few words what was said of an image, and what has become of that; empty for nothing.

    Args:
        row: the image.
        stands: whether it is approved as it is now; see :func:`standing_approvals`.
    """
    verdict = _read(row.extra)
    if verdict is None:
        return ""
    if verdict.said == "returned":
        to = f" to {verdict.annotator}" if verdict.annotator else ""
        again = "; finished again" if row.status == "reviewed" else ""
        return one_line(f"returned by {verdict.who}{to}{again}")
    if stands:
        return one_line(f"approved by {verdict.who}")
    if verdict.image != row.id:
        why = "the image that this is a copy of"
    else:
        why = "it before it was changed" if row.status == "reviewed" else "it before it was reopened"
    return one_line(f"approval lapsed: {verdict.who} approved {why}")


# -- the project's setting ------------------------------------------------------------------------


def has_second_stage(project: ProjectRow) -> bool:
    """Return whether images of a project are to be approved after they are annotated."""
    return ours_of(project.extra).get(_SETTING) is True


def set_second_stage(store: Store, who: str, project: ProjectRow, *, is_wanted: bool) -> Entry | None:
    """Say whether images of a project are to be approved; what was said of them stays.

    Returns:
        The journal's line; ``None`` if it was so already.

    Raises:
        ConflictError: if somebody else has changed the project meanwhile.
    """
    values = {"extra": with_ours(project.extra, _SETTING, True if is_wanted else None)}
    change = Change("project", project.id, project.version, values)
    return store.decide(project.id, who, "second stage", [change])


# -- what the second look comes to ----------------------------------------------------------------


def approve_image(
    store: Store, image_id: int, who: str, seen: Mapping[int, int], *, operation: str | None = None
) -> Entry | None:
    """Approve an image as somebody saw it.

    Args:
        store, image_id, who: where, and for the journal.
        seen: the version of each of its instances, by the store's id.
        operation: a name for it; asked for again under the same name it is not done twice.

    Returns:
        The journal's line; ``None`` if an approval of it stands already.

    Raises:
        ConflictError: if it is another one by now.
        InputError: if it is not finished.
        StoreError: if there is no such image, or the store cannot be written.
    """

    def values(connection: Connection, row: Mapping[str, Any]) -> Mapping[str, Any] | None:
        _check_finished(row)
        there, changes = _instances(connection, [image_id]).get(image_id, ({}, 0))
        if there != dict(seen):
            raise ConflictError(
                "somebody changed this image in the meantime, and nothing was approved: look at it again"
            )
        return _approved(connection, row, who, changes)

    return amend_image(store, image_id, who, APPROVE, values, operation=operation)


@again()
def approve_images(store: Store, project_id: int, who: str, rows: Collection[ImageRow]) -> Entry | None:
    """Approve images as they are now, in one decision.

    Args:
        store, project_id, who: where, and for the journal.
        rows: which.

    Returns:
        The journal's line; ``None`` if all were approved already.

    Raises:
        InputError: if there are none, or one is not finished; then nothing is done.
        StoreError: if one is not there, or the store cannot be written.
    """
    if not rows:
        raise InputError("images: expected one or more to approve, got none")
    ids = [row.id for row in rows]
    changes = []
    with store.writing() as connection:
        held = journal.held_rows(connection, project_id, {"image": ids})
        found = _instances(connection, ids)
        for image_id in ids:
            row = held.get(("image", image_id))
            if row is None or row["gone"]:
                raise StoreError(f"image {image_id}: there is no such image in this project")
            _check_finished(row)
            values = _approved(connection, row, who, found.get(image_id, ({}, 0))[1])
            if values is not None:
                changes.append(Change("image", image_id, row["version"], values))
        return journal.decide(connection, project_id, who, APPROVE, changes)


def return_image(
    store: Store,
    image_id: int,
    who: str,
    text: str,
    *,
    place: tuple[float, float] | None = None,
    instance_id: int | None = None,
    operation: str | None = None,
) -> Entry | None:
    """Return an image to whoever annotated it, with a comment; it is reopened, and theirs again.

    Args:
        store, image_id, who: where, and for the journal.
        text: what is to be done, as a comment on the image.
        place: of the comment, x and y in pixels of the image; by default its middle.
        instance_id: which instance it is about; see
            :func:`~maskrcnn_core.projects.team.comments.add_comment`.
        operation: a name for it; asked for again under the same name it is not done twice.

    Raises:
        InputError: if the image is not finished, the text is none that a comment may have, or there are too
            many comments.
        StoreError: if there is no such image, or the store cannot be written.
    """
    text = checked_text(text)

    def values(connection: Connection, row: Mapping[str, Any]) -> Mapping[str, Any]:
        _check_finished(row)
        where = (row["width"] / 2, row["height"] / 2) if place is None else place
        instance = instance_number(connection, image_id, instance_id)
        extra = commented(row["extra"], who, text, where, instance)
        annotator = _annotators(connection, [image_id]).get(image_id, "")
        if annotator:
            extra = assignee_extra(extra, annotator)
        verdict = Verdict("returned", who, now(), annotator, image_id, 0)
        return {"status": "opened", "extra": with_ours(extra, _VERDICT, asdict(verdict))}

    return amend_image(store, image_id, who, RETURN, values, operation=operation)


def _check_finished(row: Mapping[str, Any]) -> None:
    if row["status"] != "reviewed":
        raise InputError(
            f"{one_line(row['file_name'])}: expected an image that is finished, got one that is "
            f"{row['status']}; finish it first"
        )


def _approved(
    connection: Connection, row: Mapping[str, Any], who: str, changes: int
) -> Mapping[str, Any] | None:
    before = _read(row["extra"])
    if before and (before.said, before.image, before.changes) == ("approved", row["id"], changes):
        return None
    annotator = _annotators(connection, [row["id"]]).get(row["id"], "")
    verdict = Verdict("approved", who, now(), annotator, row["id"], changes)
    return {"extra": with_ours(row["extra"], _VERDICT, asdict(verdict))}


def _read(extra: Extra) -> Verdict | None:
    found = ours_of(extra).get(_VERDICT)
    try:
        return None if found is None else msgspec.convert(found, Verdict)
    except msgspec.ValidationError:
        return None


def _instances(connection: Connection, image_ids: Collection[int]) -> dict[int, tuple[dict[int, int], int]]:
    """Return of each image the versions of the instances that are there, and the sum of all versions."""
    c = INSTANCE.c
    found: dict[int, tuple[dict[int, int], int]] = {}
    for chunk in chunks(image_ids):
        for row in connection.execute(
            select(c.image_id, c.id, c.version, c.gone).where(c.image_id.in_(chunk))
        ):
            there, changes = found.get(row.image_id, ({}, 0))
            if not row.gone:
                there[row.id] = row.version
            found[row.image_id] = there, changes + row.version
    return found


def _annotators(connection: Connection, image_ids: Collection[int]) -> dict[int, str]:
    """Return who finished each image last, as the journal has it."""
    c = JOURNAL.c
    found: dict[int, str] = {}
    for chunk in chunks(image_ids):
        query = select(c.image_id, c.who).where(c.image_id.in_(chunk), c.kind == FINISH_IMAGE, ~c.is_refused)
        found.update((row.image_id, row.who) for row in connection.execute(query.order_by(c.id)))
    return found


# -- which images are at which stage --------------------------------------------------------------


def in_stage(stage: Stage) -> ColumnElement[bool]:
    """Return the condition of a row of images that is at a stage; see :data:`STAGES`."""
    is_finished = IMAGE.c.status == "reviewed"
    stands = and_(_said("approved"), is_finished, _is_as_it_was())
    conditions: Mapping[Stage, ColumnElement[bool]] = {
        "to-approve": and_(is_finished, not_(stands)),
        "approved": stands,
        "returned": and_(_said("returned"), not_(is_finished)),
        "lapsed": and_(_said("approved"), not_(stands)),
    }
    return conditions[stage]


def returned_to(annotator: str) -> ColumnElement[bool]:
    """Return the condition of a row of images that were returned to a person and are not finished again."""
    return and_(in_stage("returned"), _text("annotator") == annotator)


def standing_approvals(store: Store, project_id: int, image_ids: Collection[int]) -> frozenset[int]:
    """Return which of some images are approved as they are now."""
    found: set[int] = set()
    with store.reading() as connection:
        for chunk in chunks(image_ids):
            query = select(IMAGE.c.id).where(
                IMAGE.c.project_id == project_id, IMAGE.c.id.in_(chunk), in_stage("approved")
            )
            found.update(connection.execute(query).scalars())
    return frozenset(found)


def stage_counts(store: Store, project_id: int) -> Counter[Stage]:
    """Return how many images of a project are at each stage; those that lapsed may be to approve, too."""
    sums = [func.sum(case((in_stage(stage), 1), else_=0)).label(stage) for stage in STAGES]
    query = select(*sums).where(IMAGE.c.project_id == project_id, ~IMAGE.c.gone)
    with store.reading() as connection:
        row = connection.execute(query).one()
    return Counter({stage: count or 0 for stage, count in zip(STAGES, row, strict=True)})


def _text(field: str) -> ColumnElement[str]:
    # Never NULL, so that "not" is the contrary.
    return func.coalesce(IMAGE.c.extra[(OURS, _VERDICT, field)].as_string(), "")


def _number(field: str) -> ColumnElement[int]:
    return func.coalesce(IMAGE.c.extra[(OURS, _VERDICT, field)].as_integer(), -1)


def _said(what: str) -> ColumnElement[bool]:
    return _text("said") == what


def _is_as_it_was() -> ColumnElement[bool]:
    changes = select(func.coalesce(func.sum(INSTANCE.c.version), 0)).where(INSTANCE.c.image_id == IMAGE.c.id)
    return and_(
        _number("image") == IMAGE.c.id, _number("changes") == changes.correlate(IMAGE).scalar_subquery()
    )
