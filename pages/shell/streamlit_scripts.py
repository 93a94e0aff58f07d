"""Streamlit's own scripts: which of them its elements need beyond those that its page names.

Streamlit loads an element's script when the first one is drawn, which is after a browser has started it,
connected, and waited for the server; the scripts that this one imports come after that.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path

import streamlit

__all__ = ["element_scripts"]

_STATIC = Path(streamlit.__file__).parent / "static"
_IMPORT = re.compile(r"""(?:\bfrom|\bimport)["']\./([\w.-]+\.js)["']""")
_NAMED = re.compile(r"static/js/([\w.-]+\.js)")


@functools.cache
def element_scripts(elements: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scripts' paths on the server, those first that no other imports.

    Args:
        elements: names of Streamlit's scripts, such as ``Slider``; one that this release does not have is
            left out, and loaded as Streamlit does.
    """
    folder = _STATIC / "static" / "js"
    told = set(_NAMED.findall((_STATIC / "index.html").read_text("utf-8")))
    found: dict[str, None] = {}
    waiting = [file.name for element in elements for file in folder.glob(f"{element}.*.js")]
    while waiting:
        name = waiting.pop(0)
        if name not in found and name not in told:
            found[name] = None
            waiting += _imported(folder / name)
    return tuple(f"static/js/{name}" for name in found)


def _imported(script: Path) -> Iterable[str]:
    return _IMPORT.findall(script.read_text("utf-8")) if script.is_file() else ()
