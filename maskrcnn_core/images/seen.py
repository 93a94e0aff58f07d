"""What a view of a stack says of itself in the description of its first page.

:mod:`maskrcnn_core.microscopy.seen_files` writes such files. For whatever decodes images they are images like
any other, whose further pages are no further pictures.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from maskrcnn_core.common.one_line import one_line

__all__ = ["MARK", "SeenFacts", "are_lengths", "seen_facts"]

MARK = "MaskDesk view "
"""What the description begins with; JSON follows."""

_LONGEST = 2**20
_SHOWN = 300
_MOST = 1e6  # micrometres: a metre


@dataclass(frozen=True)
class SeenFacts:
    """What a picture's file says of the stack that it is a view of.

    Args:
        view: as text.
        source_name: the stack's file.
        pixel_um: width and height of a pixel in micrometres, where that is known.
    """

    view: str
    source_name: str
    pixel_um: tuple[float, float] | None

    @property
    def note(self) -> str:
        """Say for people which view of which file it is."""
        return f"view of {one_line(self.source_name)[:_SHOWN]} ({one_line(self.view)[:_SHOWN]})"


def seen_facts(description: object) -> SeenFacts | None:
    """Return which view of which file a picture is; ``None`` if the description does not say."""
    if not isinstance(description, str) or not description.startswith(MARK) or len(description) > _LONGEST:
        return None
    try:
        facts = json.loads(description.removeprefix(MARK))
        name, view, pixel = facts["source"]["name"], facts["view"], facts["pixel_um"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    if not isinstance(name, str) or not isinstance(view, str) or not (pixel is None or are_lengths(pixel)):
        return None
    return SeenFacts(view, name, None if pixel is None else (float(pixel[0]), float(pixel[1])))


def are_lengths(value: object) -> bool:
    """Return whether a value of JSON is the width and height of a pixel in micrometres."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(
            isinstance(one, int | float) and not isinstance(one, bool) and 0 < one <= _MOST for one in value
        )
    )
