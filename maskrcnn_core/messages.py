"""Outside text inside messages: file names, and what libraries say of a file."""

from __future__ import annotations

__all__ = ["one_line"]


def one_line(text: str) -> str:
    """``text`` for a one-line message: as it is, with invisible and undecodable characters escaped.

    A newline or a right-to-left mark in a file's name could otherwise make a message say something
    else, and a lone surrogate (a name that is not UTF-8) cannot be printed at all. The joiners
    within emoji and Indic or Arabic words are kept.
    """
    return "".join(
        c if c.isprintable() or c in "\u200c\u200d" else c.encode("unicode_escape").decode() for c in text
    )
