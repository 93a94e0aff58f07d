"""Bytes by content: images and candidates as files named by their SHA-256, in a folder or a bucket.

A file that is there is whole and never changes: it is written beside its place and renamed. Reading checks
the digest, so a damaged disk is noticed and never handed on.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import fsspec

from maskrcnn_core.errors import StoreError
from maskrcnn_core.files import replace_file
from maskrcnn_core.messages import one_line

__all__ = ["Blobs"]


class Blobs:
    """A place for bytes.

    Args:
        address: a folder, or an address that fsspec understands; its driver (``s3fs``, ``gcsfs`` ...) must
            be installed.

    Raises:
        StoreError: if the address cannot be used.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/") or address
        self.folder = None if "://" in address else Path(address)
        self._files: Any = None
        self.repaired = 0
        """Damaged files that the original has replaced."""
        if self.folder is None:
            try:
                self._files, self._root = fsspec.core.url_to_fs(self.address)
            except (ImportError, ValueError, OSError) as error:
                raise StoreError(f"{one_line(address)}: {one_line(str(error))}") from error

    def put(self, data: bytes) -> str:
        """Keeps bytes, unless they are there already, and returns their SHA-256 in hex.

        When it returns, they are on the disk. What lies in their place and is something else was damaged: it
        is replaced, and counted in :attr:`repaired`.

        Raises:
            StoreError: if they cannot be written; nothing half is left.
        """
        digest = hashlib.sha256(data).hexdigest()
        try:
            size = self._size(digest)
            if size == len(data) and hashlib.sha256(self._read(digest)).hexdigest() == digest:
                return digest
            if self.folder is None:
                self._files.pipe_file(self._place(digest), data)
            else:
                file = Path(self._place(digest))
                file.parent.mkdir(parents=True, exist_ok=True)
                replace_file(file, data)
            self.repaired += size is not None
        except OSError as error:
            raise StoreError(
                f"{one_line(self.address)}: cannot write ({error.strerror or error}); free some space or "
                "check the folder's rights, and try again"
            ) from error
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes of a digest.

        Raises:
            StoreError: if they are not there, cannot be read, or are no longer what they were.
        """
        place = self._place(digest)
        try:
            data = self._read(digest)
        except FileNotFoundError as error:
            raise StoreError(
                f"{one_line(place)}: this file of the project is gone; put back a copy of it, or hand "
                "in the original again"
            ) from error
        except OSError as error:
            raise StoreError(f"{one_line(place)}: cannot read ({error.strerror or error})") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise StoreError(
                f"{one_line(place)}: this file of the project is damaged; put back a copy of it, or hand in "
                "the original again"
            )
        return data

    def __contains__(self, digest: str) -> bool:
        return self._size(digest) is not None

    def _read(self, digest: str) -> bytes:
        place = self._place(digest)
        data: bytes = Path(place).read_bytes() if self.folder else self._files.cat_file(place)
        return data

    def _size(self, digest: str) -> int | None:
        place = self._place(digest)
        try:
            if self.folder:
                return os.stat(place).st_size
            return int(self._files.size(place))
        except FileNotFoundError:
            return None

    def _place(self, digest: str) -> str:
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ValueError(f"digest: wanted 64 hexadecimal digits, got {digest!r}")
        # Two digits of folders: file systems slow down with very many names in one.
        root = str(self.folder) if self.folder else self._root
        return f"{root}/{digest[:2]}/{digest}"
