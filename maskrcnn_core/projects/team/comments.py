"""Comments on images, each pinned to a place: a flat thread with answers, open until somebody resolves it.

They are kept beside the image's row, so they are journalled, undone and sealed like all of it, and go with
the image into the project's own files and back. A comment never conflicts with another: the row is read and
written in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta
from sqlalchemy import Connection, select

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import InputError, StoreError
from maskrcnn_core.formats.coco_fields import is_storable, ours_of, with_ours
from maskrcnn_core.projects.db.tables import INSTANCE
from maskrcnn_core.projects.records import Entry, Extra, ImageRow
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.team.amending import amend_image

__all__ = [
    "COMMENTS",
    "COMMENT_KINDS",
    "MOST_COMMENTS",
    "MOST_OF_A_COMMENT",
    "Answer",
    "Comment",
    "CommentText",
    "add_answer",
    "add_comment",
    "are_comments",
    "checked_text",
    "commented",
    "comments_extra",
    "comments_of",
    "instance_number",
    "now",
    "open_comments",
    "resolve_comment",
]

COMMENTS = "comments"
MOST_OF_A_COMMENT = 2000
"""Characters."""
MOST_COMMENTS = 500
"""On one image, and answers to one comment."""

COMMENT_KIND, ANSWER_KIND = "comment", "answer comment"
_RESOLVE_KINDS = {True: "resolve comment", False: "reopen comment"}
COMMENT_KINDS = frozenset({COMMENT_KIND, ANSWER_KIND, *_RESOLVE_KINDS.values()})
"""What the journal calls what is done with comments."""

CommentText: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MOST_OF_A_COMMENT)]
_Name: TypeAlias = Annotated[str, Meta(max_length=1000)]
_Place: TypeAlias = Annotated[float, Meta(ge=-1e7, le=1e7)]


@dataclass(frozen=True)
class Answer:
    """What somebody has answered to a comment.

    Args:
        who, at: whose it is, and when it was made, as ``2026-12-01T08:00:00+00:00``.
        text: of at most :data:`MOST_OF_A_COMMENT` characters; never markup.
    """

    who: _Name
    at: _Name
    text: CommentText


@dataclass(frozen=True)
class Comment:
    """A comment on an image.

    Args:
        id: its number on the image.
        x, y: the place in pixels of the image.
        who, at, text: as for :class:`Answer`.
        is_resolved: somebody has said that it is dealt with.
        answers: the oldest first.
        instance: the number in files of the instance that it is about, which may be gone since; the place
            is where that was.
    """

    id: Annotated[int, Meta(ge=1)]
    x: _Place
    y: _Place
    who: _Name
    at: _Name
    text: CommentText
    is_resolved: bool = False
    answers: Annotated[tuple[Answer, ...], Meta(max_length=MOST_COMMENTS)] = ()
    instance: Annotated[int, Meta(ge=0)] | None = None


_Comments: TypeAlias = Annotated[tuple[Comment, ...], Meta(max_length=MOST_COMMENTS)]


def are_comments(value: object) -> bool:
    """Return whether a value of a file is a list of comments, each with a number of its own."""
    try:
        comments = msgspec.convert(value, _Comments)
    except msgspec.ValidationError:
        return False
    texts = (text for one in comments for text in (one.text, *(answer.text for answer in one.answers)))
    return len({one.id for one in comments}) == len(comments) and all(map(is_storable, texts))


def comments_of(row: ImageRow) -> tuple[Comment, ...]:
    """Return an image's comments, the oldest first; what can be no comments is none."""
    return _read(row.extra)


def open_comments(rows: Iterable[ImageRow]) -> dict[int, int]:
    """Return how many open comments each image has that has any, by the store's id."""
    counts = {row.id: sum(not one.is_resolved for one in comments_of(row)) for row in rows if row.extra}
    return {id_: count for id_, count in counts.items() if count}


def add_comment(
    store: Store,
    image_id: int,
    who: str,
    text: str,
    place: tuple[float, float],
    *,
    instance_id: int | None = None,
    operation: str | None = None,
) -> Entry | None:
    """Pin a comment to a place of an image, and to an instance.

    Args:
        store, image_id, who: where, and for the journal.
        text: of the comment; blanks around it do not count.
        place: x and y in pixels of the image.
        instance_id: of the image, the store's; the comment is about the place alone if it is not there.
        operation: a name for it; asked for again under the same name it is not done twice.

    Raises:
        InputError: if the text is empty or too long, or there are too many.
        StoreError: if there is no such image, or the store cannot be written.
    """
    text = checked_text(text)

    def values(connection: Connection, row: Mapping[str, Any]) -> Mapping[str, Any]:
        instance = instance_number(connection, image_id, instance_id)
        return {"extra": commented(row["extra"], who, text, place, instance)}

    return amend_image(store, image_id, who, COMMENT_KIND, values, operation=operation)


def instance_number(connection: Connection, image_id: int, instance_id: int | None) -> int | None:
    """Return the number in files of an instance of an image; ``None`` if the image has no such instance."""
    if instance_id is None:
        return None
    c = INSTANCE.c
    query = select(c.coco_id).where(c.id == instance_id, c.image_id == image_id, ~c.gone)
    return connection.execute(query).scalar_one_or_none()


def commented(
    extra: Extra, who: str, text: str, place: tuple[float, float], instance: int | None
) -> dict[str, Any]:
    """Return what is kept beside an image's row, with one more comment.

    Args:
        extra: as it is.
        who, text, place: of the comment.
        instance: its number in files.

    Raises:
        InputError: if there are too many.
    """
    comments = _read(extra)
    if len(comments) >= MOST_COMMENTS:
        raise InputError(f"comments: expected at most {MOST_COMMENTS} on an image; resolve some")
    number = max((one.id for one in comments), default=0) + 1
    x, y = place
    made = Comment(number, round(x, 2), round(y, 2), who, now(), text, instance=instance)
    return comments_extra(extra, [*comments, made])


def add_answer(store: Store, image_id: int, who: str, comment_id: int, text: str) -> Entry | None:
    """Answer a comment; the arguments and errors are those of :func:`add_comment`."""
    text = checked_text(text)

    def answered(one: Comment) -> Comment:
        if len(one.answers) >= MOST_COMMENTS:
            raise InputError(f"answers: expected at most {MOST_COMMENTS} to a comment")
        return replace(one, answers=(*one.answers, Answer(who, now(), text)))

    return _amend(store, image_id, who, ANSWER_KIND, lambda all_: _changed(all_, comment_id, answered))


def resolve_comment(
    store: Store, image_id: int, who: str, comment_id: int, *, is_resolved: bool = True
) -> Entry | None:
    """Say that a comment is dealt with, or that it is not; the errors are those of :func:`add_comment`.

    Returns:
        The journal's line; ``None`` if it was so already.
    """

    def resolved(all_: tuple[Comment, ...]) -> Sequence[Comment]:
        return _changed(all_, comment_id, lambda one: replace(one, is_resolved=is_resolved))

    return _amend(store, image_id, who, _RESOLVE_KINDS[is_resolved], resolved)


def _changed(
    comments: tuple[Comment, ...], comment_id: int, change: Callable[[Comment], Comment]
) -> list[Comment]:
    if not any(one.id == comment_id for one in comments):
        raise StoreError(f"comment {comment_id}: there is no such comment on this image any more")
    return [change(one) if one.id == comment_id else one for one in comments]


def checked_text(text: str) -> str:
    """Return a comment's text without blanks around it.

    Raises:
        InputError: if nothing is left, or it is too long or none that a database keeps.
    """
    text = text.strip()
    if not 0 < len(text) <= MOST_OF_A_COMMENT or not is_storable(text):
        raise InputError(
            f"comment: expected 1 to {MOST_OF_A_COMMENT} characters of text, got {len(text)} "
            f"({one_line(text[:20])!r})"
        )
    return text


def now() -> str:
    """Return the time as comments have it, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _amend(
    store: Store,
    image_id: int,
    who: str,
    kind: str,
    change: Callable[[tuple[Comment, ...]], Sequence[Comment]],
    operation: str | None = None,
) -> Entry | None:
    def values(_: Connection, row: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"extra": comments_extra(row["extra"], change(_read(row["extra"])))}

    return amend_image(store, image_id, who, kind, values, operation=operation)


def _read(extra: Extra) -> tuple[Comment, ...]:
    found = ours_of(extra).get(COMMENTS)
    return msgspec.convert(found, _Comments) if found and are_comments(found) else ()


def comments_extra(extra: Mapping[str, Any], comments: Sequence[Comment]) -> dict[str, Any]:
    """Return what is kept beside an image's row, with other comments."""
    # Decoded again: lists, as they come back from a database.
    return with_ours(extra, COMMENTS, msgspec.json.decode(msgspec.json.encode(comments)) or None)
