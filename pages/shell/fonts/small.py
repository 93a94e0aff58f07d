"""The small fonts as they lie here, by the names of those that they stand for."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit

__all__ = ["FILES", "keep_only", "original", "small_font"]

FILES = Path(__file__).with_name("files")
"""Where the small fonts are."""

_MEDIA = "/static/media/"
_ORIGINALS = Path(streamlit.__file__).parent / "static" / "static" / "media"


def small_font(path: str) -> bytes | None:
    """Return the font for a path on the server; ``None`` if it is not that of a small font's original."""
    _, found, name = path.rpartition(_MEDIA)
    return _fonts().get(name) if found else None


@cache
def _fonts() -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in FILES.glob("*.woff2")}


def original(name: str) -> Path:
    """Return Streamlit's own file, by its name without the hash.

    Raises:
        ValueError: if there is none, or more than one.
    """
    (file,) = _ORIGINALS.glob(f"{name}.*.woff2")
    return file


def keep_only(made: Path, name: str) -> None:
    """Remove a small font's versions for other releases of Streamlit."""
    for old in set(FILES.glob(f"{name}.*.woff2")) - {made}:
        old.unlink()
