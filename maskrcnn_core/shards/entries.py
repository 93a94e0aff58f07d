"""One image of a large run: where its bytes are, as a line of JSON keeps it, and how they are read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from maskrcnn_core.batch.running import Task
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import ArchiveError, ImageError, InputError
from maskrcnn_core.images.archives import ZipImages, ZipLimits
from maskrcnn_core.images.reading import MAX_FILE_BYTES, read_file
from maskrcnn_core.shards.stores import file_system, is_address, of_one_kind, open_input

__all__ = ["LIMITS", "Entry", "Kind", "Reader"]

Kind = Literal["file", "zip", "tar"]

LIMITS = ZipLimits(max_entries=200_000, max_total_bytes=2**50)
"""Of one zip: it is gone through a member at a time, so that only its directory is in memory."""

_MOST_OPEN = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """An image that is to be annotated.

    Args:
        file_name: as the output has it, with ``/``.
        kind: how it is read.
        place: path or address of the file, or of the archive that it is in.
        at: its number in a zip, or where its bytes begin in a tar.
        size: of its bytes in a tar.
    """

    file_name: str
    kind: Kind
    place: str
    at: int = 0
    size: int = 0

    @property
    def address(self) -> str:
        """The one text that means this image."""
        return self.place if self.kind == "file" else f"{self.place}::{self.file_name}"

    @property
    def shown(self) -> str:
        """What messages call it."""
        return self.file_name

    def row(self) -> list[str | int]:
        """Return what JSON keeps of it."""
        return [self.file_name, self.kind, self.place, self.at, self.size]

    @classmethod
    def of_row(cls, row: list[str | int]) -> Entry:
        """Return what :meth:`row` kept.

        Raises:
            ValueError: if it is something else.
        """
        match row:
            case [str(name), "file" | "zip" | "tar" as kind, str(place), int(at), int(size)]:
                return cls(name, kind, place, at, size)
        raise ValueError(f"expected an image's place, got {row!r}")


class Reader:
    """Reads images' files by their entries, from several threads; a few archives stay open meanwhile."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._open: OrderedDict[str, ZipImages | BinaryIO] = OrderedDict()

    def data_of(self, entry: Entry) -> bytes:
        """Return the bytes of an image's file.

        Raises:
            ImageError: if it cannot be read.
        """
        if entry.kind == "file" and not is_address(entry.place):
            return read_file(Path(entry.place), entry.shown)
        return self._bytes(entry)

    def bytes_of(self, task: Task) -> bytes:
        """Return the bytes of a task whose place is an entry's row; otherwise as :meth:`data_of`."""
        return self.data_of(Entry.of_row(list(task.place)))

    def close(self) -> None:
        """Close what is open."""
        with self._guard:
            for archive in self._open.values():
                archive.close()
            self._open.clear()

    def _bytes(self, entry: Entry) -> bytes:
        shown = one_line(entry.shown)
        try:
            if entry.kind == "file":
                with of_one_kind(entry.place):
                    return _fetched(entry.place, shown)
            with self._guard, of_one_kind(entry.place):  # both kinds of archive have one position
                archive = self._archive(entry)
                if isinstance(archive, ZipImages):
                    return archive.read(entry.at)
                archive.seek(entry.at)
                data = archive.read(entry.size)
        except ImageError:
            raise
        except ArchiveError as error:
            raise ImageError(str(error)) from error
        except (OSError, InputError) as error:
            raise ImageError(
                f"{shown}: cannot read this file ({one_line(str(error))}); check that it exists"
            ) from error
        if len(data) < entry.size:
            raise ImageError(
                f"{shown}: expected {entry.size:,} bytes, got {len(data):,}: the archive is cut short; "
                "copy it again"
            )
        return data

    def _archive(self, entry: Entry) -> ZipImages | BinaryIO:
        found = self._open.get(entry.place)
        if found is None:
            file = open_input(entry.place)
            found = ZipImages(file, entry.place, LIMITS) if entry.kind == "zip" else file
            self._open[entry.place] = found
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(entry.place)
        return found


def _fetched(address: str, shown: str) -> bytes:
    files, path = file_system(address)
    with files.open(path, "rb", cache_type="none") as file:
        data = bytes(file.read(MAX_FILE_BYTES + 1)) if file.size is None else _whole(file, shown)
    return data


def _whole(file: BinaryIO, shown: str) -> bytes:
    size = int(file.size)  # type: ignore[attr-defined]
    if size > MAX_FILE_BYTES:
        raise ImageError(
            f"{shown}: expected a file of at most {MAX_FILE_BYTES / 2**30:g} GiB, got {size / 2**30:.1f} GiB"
            "; save it smaller or compressed"
        )
    return file.read()
