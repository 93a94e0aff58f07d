"""Outside text inside messages: file names, and what libraries say of a file."""

from __future__ import annotations

import errno

__all__ = ["NO_MEMORY", "about", "counted", "is_out_of_memory", "one_line", "quote_cell", "shortened"]

NO_MEMORY = (
    "not enough memory for this; close other programs, raise the limit of this process (ulimit -v), "
    "or give it smaller images or files"
)
"""What is said where memory ends, which can be anywhere."""

_SIGNS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "unable to allocate",
    "failed to map segment",
)
"""How torch, NumPy, CUDA and the loader of shared libraries say it."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error, of whatever library, says that there is no memory left."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    text = str(error).casefold()
    return isinstance(error, RuntimeError | ImportError | OSError) and any(sign in text for sign in _SIGNS)


def about(seconds: float) -> str:
    """Return an estimate: ``about 4 s``, ``about 2 min``, ``about 3 h``; never less than a second."""
    minutes = seconds / 60
    if seconds < 90:
        return f"about {max(round(seconds), 1)} s"
    return f"about {round(minutes)} min" if minutes < 90 else f"about {round(minutes / 60)} h"


def counted(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun: ``1 image``, ``2,000 images``, ``0 categories``.

    Args:
        count: at least 0.
        one, many: the noun for one, with its verb where there is one, and for more if that is not ``one``
            with an s.
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def one_line(text: str) -> str:
    """Return ``text`` for a one-line message: as it is, with invisible and undecodable characters escaped.

    A newline or a right-to-left mark in a file's name could otherwise make a message say something
    else, and a lone surrogate (a name that is not UTF-8) cannot be printed at all. The joiners
    within emoji and Indic or Arabic words are kept.
    """
    return "".join(
        c if c.isprintable() or c in "\u200c\u200d" else c.encode("unicode_escape").decode() for c in text
    )


def shortened(name: str, most: int) -> str:
    """Return a name of at most ``most`` characters, 3 or more: long ones lose their middle."""
    if len(name) <= most:
        return name
    end = (most - 1) // 2
    return f"{name[: most - 1 - end]}…{name[-end:]}"


_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def quote_cell(text: str) -> str:
    """Return text from outside as a cell that no spreadsheet takes for a formula.

    https://owasp.org/www-community/attacks/CSV_Injection: a cell that starts with one of ``= + - @``, tab or
    carriage return gets an apostrophe before it.
    """
    return "'" + text if text.startswith(_FORMULA_SIGNS) else text
