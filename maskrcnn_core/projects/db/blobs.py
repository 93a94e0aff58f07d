"""Bytes by content: images and candidates as files named by their SHA-256, in a folder or a bucket.

A file that is there is whole and never changes: it is written beside its place and renamed. Reading checks
the digest, so a damaged disk is noticed and never handed on.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import FilesAwayError, StoreError

__all__ = ["Blobs"]

_MOST = 2**32
"""Bytes of a file that are read to see whether it is what was written; images have a quarter at most."""
_WITHOUT_BUCKETS = ("memory", "file", "local", ("file", "local"))
"""Drivers whose addresses begin with no bucket."""
_GOING = ".going"
"""What the name of a file ends with while it is being deleted."""
_NO_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""For what has become a pipe: to open one waits for whoever writes."""


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
        """Keep bytes, unless they are there already, and return their SHA-256 in hex.

        When it returns, they are on the disk, and new to :meth:`discard`. What lies in their place and is
        something else was damaged: it is replaced, and counted in :attr:`repaired`.

        Raises:
            StoreError: if they cannot be written; nothing half is left.
        """
        digest = hashlib.sha256(data).hexdigest()
        try:
            size = self._size(digest)
            is_whole = size == len(data) and hashlib.sha256(self._read(digest)).hexdigest() == digest
            if is_whole and self._renew(digest):
                return digest
            if self.folder is None:
                with self._bucket():
                    self._files.pipe_file(self._place(digest), data)
            else:
                file = Path(self._place(digest))
                file.parent.mkdir(parents=True, exist_ok=True)
                if file.is_symlink() and not file.exists():  # it leads nowhere
                    file.unlink()
                replace_file(file, data)
            self.repaired += size is not None and not is_whole
        except OSError as error:
            raise StoreError(
                f"{one_line(self.address)}: cannot write ({error.strerror or error}); free some space or "
                "check the folder's rights, and try again"
            ) from error
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of a digest.

        Raises:
            StoreError: if they are not there, cannot be read, or are no longer what they were.
        """
        place = self._place(digest)
        try:
            data = self._read(digest)
        except FileNotFoundError as error:
            raise StoreError(
                f"{one_line(place)}: this file of the project is gone; restore a copy of it, or add the "
                "original again"
            ) from error
        except OSError as error:
            raise StoreError(f"{one_line(place)}: cannot read ({error.strerror or error})") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise StoreError(
                f"{one_line(place)}: this file of the project is damaged; restore a copy of it, or add the "
                "original again"
            )
        return data

    def discard(self, digest: str, *, older_than: float) -> bool:
        """Delete the bytes of a digest that nothing refers to, unless somebody may be about to refer to them.

        Args:
            digest: of the bytes.
            older_than: seconds since they were last kept; an import keeps files before it names them.

        Returns:
            Whether they are gone, or were not there.

        Raises:
            StoreError: if they cannot be deleted, or nobody can say for how long they have been kept.
        """
        place = self._place(digest)
        try:
            if self.folder is None:
                return self._discard_in_bucket(place, older_than)
            return _discard_file(place, older_than)
        except FileNotFoundError:
            return True
        except OSError as error:
            raise StoreError(f"{one_line(place)}: cannot delete ({error.strerror or error})") from error
        except NotImplementedError as error:
            raise StoreError(
                f"{one_line(place)}: cannot delete, as the bucket does not say when a file was written"
            ) from error

    def _discard_in_bucket(self, place: str, older_than: float) -> bool:
        kept_at = self._files.modified(place)
        if time.time() - kept_at.timestamp() < older_than:
            return False
        self._files.rm_file(place)
        return True

    def _renew(self, digest: str) -> bool:
        """Make bytes that are there count as kept just now; return whether they are still there."""
        if self.folder is None:
            return False  # buckets know no other way than to write them again
        try:
            os.utime(self._place(digest))
        except FileNotFoundError:
            return False
        except OSError:  # another's file, or a disk that takes no writes: nobody deletes from it, either
            pass
        return True

    def check(self) -> None:
        """See whether a bucket is there and answers; what is wrong with a folder is said of its files.

        Raises:
            FilesAwayError: if not.
        """
        if self.folder is not None:
            return
        if self._files.protocol in _WITHOUT_BUCKETS:
            return
        try:
            with self._bucket():
                self._files.info(self._root.split("/", 1)[0])
        except FileNotFoundError as error:
            raise FilesAwayError(
                f"{one_line(self.address)}: there is no such bucket; check the address in MASKDESK_DATA, and "
                "the keys and the address of its server in the environment"
            ) from error

    @contextmanager
    def _bucket(self) -> Iterator[None]:
        """Tell a bucket that does not answer from a file that is not there."""
        try:
            yield
        except (FileNotFoundError, NotImplementedError):
            raise
        except Exception as error:  # each driver has errors of its own
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise FilesAwayError(
                f"{one_line(self.address)}: the bucket with the files cannot be reached "
                f"({one_line(reason)[:300]}); check the network, and the keys and the address "
                "of its server in the environment"
            ) from error

    def __contains__(self, digest: str) -> bool:
        return self._size(digest) is not None

    def _read(self, digest: str) -> bytes:
        place = self._place(digest)
        if not self.folder:
            with self._bucket():
                data: bytes = self._files.cat_file(place)
            return data
        with open(os.open(place, os.O_RDONLY | _NO_WAITING), "rb") as file:
            facts = os.fstat(file.fileno())
            # A damaged file system can make anything of a file: what nobody has written is not read, either.
            if not stat.S_ISREG(facts.st_mode):
                raise OSError(errno.EINVAL, "it is no longer a file")
            return file.read() if facts.st_size <= _MOST else b""

    def _size(self, digest: str) -> int | None:
        place = self._place(digest)
        try:
            if self.folder:
                return os.stat(place).st_size
            with self._bucket():
                return int(self._files.size(place))
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                return None
            raise

    def _place(self, digest: str) -> str:
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ValueError(f"digest: expected 64 hexadecimal digits, got {digest!r}")
        # Two digits of folders: file systems slow down with very many names in one.
        root = str(self.folder) if self.folder else self._root
        return f"{root}/{digest[:2]}/{digest}"


def _discard_file(place: str, older_than: float) -> bool:
    aside = f"{place}{_GOING}"
    if not os.path.lexists(place):
        os.unlink(aside)  # of a process that was killed in between
        return True
    if _age(place) < older_than:
        return False
    # Out of sight, then looked at again: whoever keeps the same bytes from now on writes them anew.
    os.replace(place, aside)
    try:
        if _age(aside) >= older_than:
            os.unlink(aside)
            return True
    except OSError:
        os.replace(aside, place)
        raise
    os.replace(aside, place)
    return False


def _age(file: str) -> float:
    """Return for how many seconds a file has been as it is."""
    return time.time() - os.lstat(file).st_mtime
