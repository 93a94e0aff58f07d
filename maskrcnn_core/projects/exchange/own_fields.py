"""What a file says for MaskDesk alone, checked like all else: anybody can write it.

What is wrong or unknown is left out, counted and said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from maskrcnn_core.common.bounds import MAX_NAME, is_name
from maskrcnn_core.common.refusals import Groups
from maskrcnn_core.formats.coco_fields import OURS, is_storable
from maskrcnn_core.projects.attributes import ATTRIBUTES, read_schema
from maskrcnn_core.projects.image_tags import TAGS, are_tags
from maskrcnn_core.projects.records import IMAGE_STATUSES, STATUSES
from maskrcnn_core.projects.team.comments import COMMENTS, are_comments

__all__ = ["checked_ours"]

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_MARK = re.compile(r"[0-9a-f]{16}")

_Key = tuple[str, Callable[[Any], bool]]
"""What is expected of a value, and whether it is that."""


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and is_name(value) and is_storable(value)


def _matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and bool(pattern.fullmatch(value))


def _is_schema(value: Any) -> bool:
    try:
        read_schema(value)
    except ValueError:
        return False
    return True


_TEXT: _Key = (f"expected a text of up to {MAX_NAME} whole characters", _is_text)
_MARKED: _Key = ("expected 16 hexadecimal digits", _matches(_MARK))

_KEYS: Mapping[str, Mapping[str, _Key]] = {
    "COCO file": {"project": _MARKED},
    "categories": {
        "id": _TEXT,
        "colour": ("expected #rrggbb", lambda value: value == "" or _matches(_COLOR)(value)),
        ATTRIBUTES: ("expected a list of attributes, each with a name of its own and a kind", _is_schema),
    },
    "images": {
        "id": _TEXT,
        "status": (f"expected one of {', '.join(IMAGE_STATUSES)}", lambda value: value in IMAGE_STATUSES),
        TAGS: ("expected a list of short texts, each once", are_tags),
        COMMENTS: ("expected a list of comments, each with a number of its own", are_comments),
    },
    "annotations": {
        "id": _TEXT,
        "source": _TEXT,
        "mark": _MARKED,
        "status": (f"expected one of {', '.join(STATUSES)}", lambda value: value in STATUSES),
    },
}


def checked_ours(rows: str, index: int | None, raw: Mapping[str, Any], mends: Groups) -> Mapping[str, Any]:
    """Return what can be used of what a row says for MaskDesk alone.

    Args:
        rows: the list that it is in: ``images``, ``categories``, ``annotations``, or ``COCO file``.
        index: of the row in its list; ``None`` for the file.
        raw: the row as it is in the file.
        mends: counts what is left out.
    """
    given = raw.get(OURS)
    if given is None:
        return {}
    if not isinstance(given, dict):
        mends.count(rows, index, f".{OURS}", "expected an object; left out", given)
        return {}
    known, good = _KEYS[rows], {}
    for key, value in given.items():
        if key not in known:
            mends.count(rows, index, f".{OURS}", "unknown keys; left out", key)
        elif known[key][1](value):
            good[key] = value
        else:
            mends.count(rows, index, f".{OURS}.{key}", f"{known[key][0]}; left out", value)
    return good
