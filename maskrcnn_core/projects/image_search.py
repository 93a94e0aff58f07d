"""Images found by name, tag, category, status, stage, reviewer and date, in the database, a page at a time.

A query is one line of words: ``north tag:night category:nucleus status:new by:ann since:2026-11-01``. Words
without a key are looked for in file names; ``"two words"`` and ``tag:"two words"`` are one. All words, tags
and categories have to be there; of several statuses or reviewers one is enough.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

import orjson
from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.coco_fields import OURS
from maskrcnn_core.projects.db.tables import CATEGORY, IMAGE, INSTANCE, JOURNAL
from maskrcnn_core.projects.image_tags import TAGS
from maskrcnn_core.projects.records import IMAGE_STATUSES, ImageRow, ImageStatus
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.team.approvals import STAGES, Stage, in_stage, returned_to

__all__ = ["HELP", "FoundImages", "ImageQuery", "found_ids", "parse_query", "search_images"]

HELP = (
    "Words of the file name, and tag:night, category:nucleus, status:reviewed, by:ann, since:2026-11-01, "
    "until:2026-11-30; stage:to-approve, approved, returned or lapsed, and returned:ann; quote what has "
    'blanks: tag:"north field"'
)
"""What a query may hold, for people."""

_T = TypeVar("_T")
_MOST_TERMS = 50
_TERM = re.compile(r'(?:(?P<key>[a-z]+):)?(?:"(?P<quoted>[^"]*)"|(?P<bare>\S+))', re.IGNORECASE)


@dataclass(frozen=True)
class ImageQuery:
    """Which images are meant; an empty field means all.

    Args:
        words: each is part of the file name; case does not matter (in SQLite, that of ASCII letters).
        tags: the image has all of them.
        categories: names; for each, the image has an instance that nobody has rejected.
        statuses: the image has one of them.
        reviewers: one of them made a decision about the image that is in the journal.
        stages: the image is at one of them.
        returned_to: the image was returned to one of them, and is not finished again.
        since, until: some decision about the image was made in these days, both included, in UTC; if there
            are reviewers, by one of them.
    """

    words: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    statuses: frozenset[ImageStatus] = frozenset()
    reviewers: tuple[str, ...] = ()
    stages: frozenset[Stage] = frozenset()
    returned_to: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class FoundImages:
    """One page of what was found.

    Args:
        total: how many images the query means, on all pages.
        images: of this page, in the order in which they came.
    """

    total: int
    images: tuple[ImageRow, ...]


def parse_query(text: str) -> ImageQuery:
    """Return the query that a line of words stands for.

    Raises:
        InputError: for a key that there is not, or a value that is none of its key.
    """
    query = ImageQuery()
    terms = list(_TERM.finditer(text))
    if len(terms) > _MOST_TERMS:
        raise InputError(f"search: expected at most {_MOST_TERMS} words, got {len(terms)}")
    for term in terms:
        key = (term["key"] or "").lower()
        value = term["quoted"] if term["quoted"] is not None else term["bare"]
        query = replace(query, **_added(query, key, value))
    return query


def _added(query: ImageQuery, key: str, value: str) -> Mapping[str, Any]:
    match key:
        case "":
            return {"words": (*query.words, value)} if value else {}
        case "tag":
            return {"tags": (*query.tags, value)}
        case "category":
            return {"categories": (*query.categories, value)}
        case "by":
            return {"reviewers": (*query.reviewers, value)}
        case "returned":
            return {"returned_to": (*query.returned_to, value)}
        case "status":
            return {"statuses": query.statuses | {_one_of(IMAGE_STATUSES, key, value)}}
        case "stage":
            return {"stages": query.stages | {_one_of(STAGES, key, value)}}
        case "since" | "until":
            try:
                return {key: date.fromisoformat(value)}
            except ValueError:
                raise InputError(
                    f"search: expected a date such as 2026-11-30 after {key}:, got {one_line(value)!r}"
                ) from None
        case _:
            raise InputError(
                "search: expected tag:, category:, status:, stage:, returned:, by:, since: or until:, got "
                f"{one_line(key)}:; quote a word that has a colon"
            )


def _one_of(known: Sequence[_T], key: str, value: str) -> _T:
    for one in known:
        if one == value.lower():
            return one
    raise InputError(f"search: expected a {key} of {', '.join(map(str, known))}, got {one_line(value)!r}")


def search_images(
    store: Store, project_id: int, query: ImageQuery, *, offset: int = 0, limit: int = 50
) -> FoundImages:
    """Return one page of the images that a query means.

    Args:
        store, project_id: where.
        query: see :func:`parse_query`.
        offset: how many are on the pages before.
        limit: how many are on a page.

    Raises:
        DamageError: if the row of an image of the page is damaged.
    """
    wanted = _ids(project_id, query)
    with store.reading() as connection:
        total = connection.execute(select(func.count()).select_from(wanted.subquery())).scalar_one()
        page = connection.execute(wanted.order_by(IMAGE.c.id).offset(offset).limit(limit)).scalars().all()
    return FoundImages(total, tuple(store.images(project_id, ids=page)) if page else ())


def found_ids(store: Store, project_id: int, query: ImageQuery) -> frozenset[int]:
    """Return the store's ids of all images that a query means."""
    with store.reading() as connection:
        return frozenset(connection.execute(_ids(project_id, query)).scalars())


def _ids(project_id: int, query: ImageQuery) -> Select[int]:
    c = IMAGE.c
    wanted = select(c.id).where(c.project_id == project_id, ~c.gone)
    for word in query.words:
        wanted = wanted.where(c.file_name.icontains(word, autoescape=True))
    for tag in query.tags:
        wanted = wanted.where(_has_tag(tag))
    for name in query.categories:
        wanted = wanted.where(_has_category(name))
    if query.statuses:
        wanted = wanted.where(c.status.in_(sorted(query.statuses)))
    if query.stages:
        wanted = wanted.where(or_(*map(in_stage, sorted(query.stages))))
    if query.returned_to:
        wanted = wanted.where(or_(*map(returned_to, query.returned_to)))
    if query.reviewers or query.since or query.until:
        wanted = wanted.where(_was_decided(project_id, query))
    return wanted


def _has_tag(tag: str) -> ColumnElement[bool]:
    tags = IMAGE.c.extra[(OURS, TAGS)].as_string()
    # A tag has no quotes, so it is found between them; databases hold what is not ASCII in either spelling.
    spellings = {json.dumps(tag), orjson.dumps(tag).decode()}
    return or_(*(tags.contains(spelling, autoescape=True) for spelling in sorted(spellings)))


def _has_category(name: str) -> ColumnElement[bool]:
    return exists(
        select(INSTANCE.c.id)
        .join(CATEGORY, CATEGORY.c.id == INSTANCE.c.category_id)
        .where(
            INSTANCE.c.image_id == IMAGE.c.id,
            ~INSTANCE.c.gone,
            INSTANCE.c.status != "rejected",
            CATEGORY.c.name == name,
        )
    )


def _was_decided(project_id: int, query: ImageQuery) -> ColumnElement[bool]:
    """Return whether somebody decided something about an image; decisions name the image they are about."""
    c = JOURNAL.c
    line = [c.project_id == project_id, c.image_id == IMAGE.c.id, ~c.is_refused]
    if query.reviewers:
        line.append(c.who.in_(query.reviewers))
    if query.since:
        line.append(c.at >= _begin(query.since))
    if query.until:
        line.append(c.at < _begin(query.until + timedelta(days=1)))
    return exists(select(c.id).where(and_(*line)))


def _begin(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
