"""Tags of images: words by which people find them again. Tagging is one decision, and can be undone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from maskrcnn_core.common.bounds import MAX_TAG, MAX_TAGS, is_storable
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.coco_fields import ours_of, with_ours
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.records import Entry, Extra, ImageRow
from maskrcnn_core.projects.store import Store

__all__ = ["TAGS", "are_tags", "is_tag", "tag_counts", "tag_images", "tags_extra", "tags_of"]

TAGS = "tags"
"""The key under ``maskdesk``, in a file and in what is kept beside an image's row."""

_FORBIDDEN = re.compile(r'[",\\\x00-\x1f\x7f]')
"""A comma parts tags; without quotes and backslashes a tag is found in JSON as it is written."""


def is_tag(text: object) -> bool:
    """Return whether a text can be a tag."""
    return (
        isinstance(text, str)
        and 0 < len(text) <= MAX_TAG
        and text == text.strip()
        and not _FORBIDDEN.search(text)
        and is_storable(text)
    )


def are_tags(value: object) -> bool:
    """Return whether a value of a file is a list of tags, each once."""
    return (
        isinstance(value, list)
        and len(value) <= MAX_TAGS
        and all(map(is_tag, value))
        and len(set(value)) == len(value)
    )


def tags_of(row: ImageRow) -> tuple[str, ...]:
    """Return an image's tags, sorted."""
    found = ours_of(row.extra).get(TAGS)
    return tuple(sorted(tag for tag in found if isinstance(tag, str))) if isinstance(found, list) else ()


def tag_counts(rows: Iterable[ImageRow]) -> Counter[str]:
    """Return how many images have each tag."""
    return Counter(tag for row in rows for tag in tags_of(row))


def tags_extra(extra: Extra, tags: Collection[str]) -> dict[str, Any]:
    """Return what is kept beside an image's row, with other tags."""
    return with_ours(extra, TAGS, sorted(tags) or None)


def tag_images(
    store: Store,
    project_id: int,
    who: str,
    rows: Collection[ImageRow],
    *,
    add: Collection[str] = (),
    remove: Collection[str] = (),
) -> Entry | None:
    """Give images tags, and take tags from them.

    Args:
        store, project_id, who: where, and for the journal.
        rows: the images as their author saw them.
        add: tags that they have afterwards.
        remove: tags that they do not have afterwards.

    Returns:
        The journal's line; ``None`` if everything was so already.

    Raises:
        InputError: for a text that can be no tag, or more tags than an image may have.
        ConflictError: if somebody changes one of the images at the same moment; then nothing is done.
    """
    add = {tag.strip() for tag in add}
    for tag in add:
        if not is_tag(tag):
            raise InputError(
                f"tag: expected up to {MAX_TAG} characters without commas, quotes and backslashes, got "
                f"{one_line(tag)!r}"
            )
    changes = []
    for row in rows:
        tags = (set(tags_of(row)) | add) - {tag.strip() for tag in remove}
        if len(tags) > MAX_TAGS:
            raise InputError(f"{one_line(row.file_name)}: expected at most {MAX_TAGS} tags, got {len(tags)}")
        if tags != set(tags_of(row)):
            changes.append(Change("image", row.id, row.version, {"extra": tags_extra(row.extra, tags)}))
    return store.decide(project_id, who, "tag images", changes) if changes else None
