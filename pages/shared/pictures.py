"""Stored images as browsers show them, made ahead."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from cachetools import LRUCache

from maskrcnn_core.images.browser_pictures import BrowserPicture, browser_picture
from maskrcnn_core.images.reading import Stretch, decode_image
from maskrcnn_core.projects.store import Store

__all__ = ["Pictures"]

_BYTES_KEPT = 128 * 10**6  # those of a thousand photos of 640 x 480, or of forty of 12 MP

_Key = tuple[str, Stretch]


class Pictures:
    """Stored images as upright JPEGs for browsers, at their full size, made ahead by a few threads.

    Shared by all sessions: what an image looks like depends on its bytes and the stretch alone.

    Args:
        store: whose images.
        bytes_kept: of pictures that were made; those last used stay.
    """

    def __init__(self, store: Store, bytes_kept: int = _BYTES_KEPT) -> None:
        self._store = store
        self._makers = ThreadPoolExecutor(2, thread_name_prefix="pictures")
        self._making: dict[_Key, Future[BrowserPicture]] = {}
        self._made: LRUCache[_Key, BrowserPicture] = LRUCache(bytes_kept, getsizeof=_size)
        self._lock = threading.Lock()

    def ask(self, digest: str, stretch: Stretch = "auto") -> Future[BrowserPicture]:
        """Ask for an image's picture; its ``result`` raises ``CoreError`` if it cannot be read."""
        key = (digest, stretch)
        with self._lock:
            if (picture := self._made.get(key)) is not None:
                ready: Future[BrowserPicture] = Future()
                ready.set_result(picture)
                return ready
            making = self._making.get(key)
            if making is None:
                making = self._making[key] = self._makers.submit(self._make, key)
            return making

    def _make(self, key: _Key) -> BrowserPicture:
        """Make a picture and keep it; what could not be made is tried again when it is asked for again."""
        digest, stretch = key
        picture = None
        try:
            data = self._store.blobs.get(digest)
            picture = browser_picture(data, lambda: decode_image(data, digest, stretch=stretch).pixels)
        finally:
            with self._lock:
                del self._making[key]
                if picture is not None and picture.size <= self._made.maxsize:
                    self._made[key] = picture
        return picture


def _size(picture: BrowserPicture) -> int:
    return picture.size
