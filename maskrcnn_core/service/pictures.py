"""Images of requests: on the disk while they wait, and decoded in memory as far as there is room."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.common.bounds import name_problem
from maskrcnn_core.common.one_line import one_line, shortened
from maskrcnn_core.dataset.annotations import ImageRecord
from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.reading import decode_image
from maskrcnn_core.service.settings import Limits

__all__ = ["Picture", "Room"]

_SHOWN = 200


class Room:
    """Memory for decoded pixels that wait. Safe to use from several threads.

    Args:
        most: bytes, of all together.
    """

    def __init__(self, most: int) -> None:
        self._left = most
        self._lock = threading.Lock()

    def take(self, count: int) -> bool:
        """Take so many bytes, if they are free."""
        with self._lock:
            if count > self._left:
                return False
            self._left -= count
            return True

    def give_back(self, count: int) -> None:
        """Give bytes back."""
        with self._lock:
            self._left += count


class Picture:
    """One image of a request.

    Args:
        name: as it was given, for people.
        file: its bytes; closed with the picture.
        room: for its pixels while they wait.

    Attributes:
        notes: what happened to its pixels on the way.
    """

    def __init__(self, name: str, file: BinaryIO, room: Room) -> None:
        self.name, self.file, self._room = name, file, room
        self.notes: tuple[str, ...] = ()
        self._kept: Pixels | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    def open(self, id_: int, limits: Limits) -> ImageRecord:
        """Decode it, and keep its pixels if there is room.

        Raises:
            ImageError: if it is none that can be used.
        """
        shown = one_line(shortened(self.name, _SHOWN))
        if problem := name_problem(self.name):
            raise ImageError(f"{shown}: {problem}")
        with self._held():
            self.file.seek(0, 2)
            if self.file.tell() > limits.image_bytes:
                raise ImageError(f"{shown}: expected at most {limits.image_bytes / 2**20:g} MiB, got more")
            image = decode_image(self._bytes(), self.name)
            self.notes = image.notes
            if self._room.take(image.pixels.nbytes):
                self._kept = image.pixels
        height, width = image.size
        return ImageRecord(id_, self.name, width, height, image.digest)

    def pixels(self) -> Pixels:
        """Return its pixels, uint8 ``[H, W, 3]`` RGB, upright."""
        with self._held():
            return decode_image(self._bytes(), self.name).pixels if self._kept is None else self._kept

    def _bytes(self) -> bytes:
        if self._is_closed:
            raise ImageError(f"{one_line(shortened(self.name, _SHOWN))}: nobody waits for it any more")
        self.file.seek(0)
        return self.file.read()

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._lock:
            yield
        if self._is_closed:
            self.close()

    def close(self) -> None:
        """Let go of everything, at once or when whoever reads it has done so."""
        self._is_closed = True
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._kept is not None:
                self._room.give_back(self._kept.nbytes)
            self._kept = None
            self.file.close()
        finally:
            self._lock.release()
