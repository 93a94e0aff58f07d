"""Folders and addresses: where inputs are read and shards are written, on this computer or in a store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec

from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.common.extras import missing_extra
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import CoreError, ExportError, InputError

__all__ = [
    "Folder",
    "file_system",
    "is_address",
    "last_part",
    "of_one_kind",
    "open_input",
    "put_file",
]

_DRIVERS = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
_EXTRA = "stores"


def is_address(named: str) -> bool:
    """Return whether a text is an address of a store, and no path."""
    return "://" in named


def last_part(named: str) -> str:
    """Return the last part of a path or of an address."""
    return named.replace("\\", "/").rstrip("/").rpartition("/")[2]


@contextmanager
def of_one_kind(named: str) -> Iterator[None]:
    """Turn the errors of a store's driver into one that files have, too.

    Each driver has errors of its own for what happens to everybody: no keys, no network, no such host.

    Args:
        named: the address that is used; nothing is done about a path.

    Raises:
        OSError: in place of the driver's.
    """
    try:
        yield
    except (OSError, CoreError):
        raise
    except Exception as error:
        if not is_address(named) or type(error).__module__ == "builtins":  # a mistake in a program
            raise
        raise OSError(
            f"{error or type(error).__name__}; check the network, and the keys and the address of its server "
            "in the environment"
        ) from error


def file_system(address: str) -> tuple[Any, str]:
    """Return fsspec's file system of an address, and the path in it.

    Raises:
        InputError: if its driver is not installed, or there is no such kind of address.
    """
    scheme, shown = address.partition("://")[0].casefold(), one_line(address)
    try:
        # What a store said of a folder once is not true for days, and takes much memory for large ones.
        files, path = fsspec.core.url_to_fs(address, use_listings_cache=False)
    except ImportError as error:
        if _DRIVERS.get(scheme) == "s3fs":
            raise InputError(missing_extra(_EXTRA, f"{shown}: this address")) from error
        driver = _DRIVERS.get(scheme)
        helps = f"pip install {driver}" if driver else one_line(str(error))
        raise InputError(f"{shown}: this address needs a driver that is not installed: {helps}") from error
    except (ValueError, OSError) as error:
        raise InputError(f"{shown}: expected the address of a store, got {one_line(str(error))}") from error
    return files, str(path)


def open_input(named: str) -> BinaryIO:
    """Open a file that can be moved about in, by its path or address.

    Raises:
        InputError: if it cannot be opened.
    """
    shown = one_line(named)
    try:
        if is_address(named):
            files, path = file_system(named)
            with of_one_kind(named):
                return cast(BinaryIO, files.open(path, "rb"))
        return Path(named).open("rb")
    except OSError as error:
        raise InputError(
            f"{shown}: cannot read this file ({_reason(error)}); check that it exists"
        ) from error


def put_file(file: Path, address: str) -> None:
    """Copy a file of this computer to an address, a piece at a time.

    Raises:
        InputError: if the address cannot be used.
        ExportError: if it cannot be written.
    """
    files, path = file_system(address)
    try:
        with of_one_kind(address):
            files.put_file(str(file), path)
    except OSError as error:
        raise ExportError(f"{one_line(address)}: cannot write ({_reason(error)})") from error


class Folder:
    """Where files of a run lie: each is written as a whole or not at all.

    Args:
        named: a path, or an address that fsspec understands.

    Raises:
        InputError: if the address cannot be used.
    """

    def __init__(self, named: str) -> None:
        self.named = named.rstrip("/") or named
        self.path = None if is_address(named) else Path(named)
        if named.startswith("file://"):
            self.path = Path(file_system(named)[1])
        self._files: Any = None
        self._root = ""
        if self.path is None:
            self._files, self._root = file_system(self.named)

    @property
    def shown(self) -> str:
        """What messages call it."""
        return one_line(self.named)

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, or ``None`` if there is none of this name.

        Raises:
            ExportError: if it is there and cannot be read.
        """
        try:
            if self.path is not None:
                return (self.path / name).read_bytes()
            with of_one_kind(self.named):
                return bytes(self._files.cat_file(self._place(name)))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ExportError(f"{self.shown}/{one_line(name)}: cannot read ({_reason(error)})") from error

    def write(self, name: str, data: bytes) -> None:
        """Write a file; a store shows it once it is whole, as a folder does.

        Raises:
            ExportError: if it cannot be written.
        """
        try:
            if self.path is not None:
                file = self.path / name
                file.parent.mkdir(parents=True, exist_ok=True)
                replace_file(file, data)
            else:
                with of_one_kind(self.named):
                    self._files.pipe_file(self._place(name), data)
        except OSError as error:
            raise ExportError(
                f"{self.shown}/{one_line(name)}: cannot write ({_reason(error)}); free some space, check the "
                "rights, or choose another place"
            ) from error

    def _place(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"


def _reason(error: OSError) -> str:
    return one_line(error.strerror or str(error) or os.strerror(error.errno or 0))
