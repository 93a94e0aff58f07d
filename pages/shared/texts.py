"""Show the core's errors, in one place, as plain text.

Names of files and categories come from outside, and Streamlit renders most texts as Markdown: an image link
in a file name would make the viewer's browser call a foreign host. So outside text goes through ``plain``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from maskrcnn_core.common.one_line import NO_MEMORY, quote_cell
from maskrcnn_core.errors import CoreError
from maskrcnn_core.images.reading import one_line

__all__ = ["cell", "harmless", "plain", "show_core_errors"]

_MEANT = r"[\\`*{}\[\]()#+!|<>~$:&@/]|(?<![^\W_])_|_(?![^\W_])"
_WIDE = 0xFEE0
"""From a sign of ASCII to its form in Unicode's Halfwidth and Fullwidth Forms."""


def plain(text: str) -> str:
    """Escape every sign in outside text that Markdown, Streamlit's icons and colors or LaTeX know."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:&@/])", r"\\\1", one_line(text))


def cell(text: str) -> str:
    """Make outside text safe for tables, which people save as CSV: no spreadsheet takes it for a formula."""
    return quote_cell(one_line(text))


def harmless(text: str) -> str:
    """Make outside text safe for menus, which show escapes in one place and not in another.

    Signs that Markdown, Streamlit's icons and colors or LaTeX know become their wide forms, which look alike.
    An underscore within a word means nothing to them.
    """
    return re.sub(_MEANT, lambda sign: chr(ord(sign[0]) + _WIDE), one_line(text))


@contextmanager
def show_core_errors() -> Iterator[None]:
    """Show what the core raises on purpose, and that memory ran out; all else is a bug and shows as one."""
    try:
        yield
    except CoreError as error:
        st.error(plain(str(error)), icon=":material/error:")
    except MemoryError:
        st.error(plain(NO_MEMORY), icon=":material/error:")
