"""Addresses on the server for what a browser asks of an open slide: its tiles, and its instances.

An address has a word in it that nobody can guess, made for one session and one slide. It leads nowhere any
more once the session has closed the slide, or has ended: the table here keeps nothing alive.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from weakref import WeakValueDictionary

from maskrcnn_core.slides.pyramid import TilePyramid

__all__ = ["ROUTE", "ServedSlide", "serve_slide", "served_slide"]

ROUTE = "maskdesk-slides"
"""The first part of these addresses, after the server's root."""


@dataclass(eq=False)
class ServedSlide:
    """What is served of one slide to one session; it has to be kept by whoever wants it served.

    Args:
        word: in its addresses.
        tiles: of the slide.

    Attributes:
        instances: JSON that was compressed with gzip, by the names of the files that it is served as.
    """

    word: str
    tiles: TilePyramid

    def __post_init__(self) -> None:
        self.instances: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        """Where its files are, relative to the server's root, with a slash at its end."""
        return f"/{ROUTE}/{self.word}/"


_served: WeakValueDictionary[str, ServedSlide] = WeakValueDictionary()
_guard = threading.Lock()


def serve_slide(tiles: TilePyramid) -> ServedSlide:
    """Give a slide an address, as long as what is returned is kept."""
    served = ServedSlide(secrets.token_urlsafe(24), tiles)
    with _guard:
        _served[served.word] = served
    return served


def served_slide(word: str) -> ServedSlide | None:
    """Return what is served under a word."""
    with _guard:
        return _served.get(word)
