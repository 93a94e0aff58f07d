"""Leaves out of a script what only those need who read it."""

from __future__ import annotations

import re

__all__ = ["without_comments"]

# Only those with whole lines to themselves: inside a line, what looks like one may be a part of a text.
_COMMENT = re.compile(rb"^[ \t]*(?://[^\n]*|/\*(?:[^*]|\*(?!/))*\*/[ \t]*)$", re.MULTILINE)


def without_comments(script: bytes) -> bytes:
    """Return an ES module without the comments that have lines to themselves.

    Each line keeps its number, so that what a browser says of an error is true of the file as well.
    """
    return _COMMENT.sub(lambda found: b"\n" * found[0].count(b"\n"), script)
