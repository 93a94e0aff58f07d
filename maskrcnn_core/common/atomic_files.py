"""Where a person's files go, and how they are written so that nobody ever finds half of one."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from platformdirs import user_data_path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = [
    "DATA_VARIABLE",
    "clear_scratch",
    "data_folder",
    "replace_file",
    "replacing_file",
    "scratch_folder",
]

DATA_VARIABLE = "MASKDESK_DATA"

_PREFIX = "maskdesk-"
_LOCK = ".lock"
_DAY = 24 * 3600  # seconds
_WRITERS = 16
"""This many processes can write one file at the same moment under names that are used again."""
_MOVES_OPEN_FILES = sys.platform != "win32"
"""Windows neither renames nor replaces a file that anybody has open."""


def data_folder() -> Path:
    """Return the folder of a person's data: what ``MASKDESK_DATA`` names, else the system's.

    Where ``MASKDESK_DATA`` is the address of a bucket, what must be a file lies in the system's folder.
    """
    named = os.environ.get(DATA_VARIABLE, "").strip()
    if not named or "://" in named:
        return user_data_path("maskdesk", appauthor=False)
    return Path(named).expanduser()


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that at any moment either the old or the whole new one is there.

    A symbolic link stays one: what it points to is replaced. What a writer that was killed left beside
    the file is used, and so gone, when the file is next written.

    Raises:
        OSError: as the system says; the old file is then untouched and nothing is left beside it.
    """
    with replacing_file(path) as (_, file):
        file.write(data)


@contextlib.contextmanager
def replacing_file(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Give the path and the stream of a file that takes another one's place at the end, if nothing is raised.

    For what is too large to be in memory as a whole; otherwise as :func:`replace_file`. What was written
    can be read at that path once it was flushed.
    """
    path = Path(os.path.realpath(path))
    with _part_of(path) as (part, file):
        try:
            yield part, file
            file.flush()
            os.fsync(file.fileno())
            if not _MOVES_OPEN_FILES:
                file.close()
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _part_of(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Create an empty file next to another one, which nobody else writes.

    Its name is one of a few, so that the next writer takes over what a dead one has left; a lock, which
    ends with its process, says which of them are in use. Where the lock has to be let go of before the file
    is renamed it would say nothing: each writer has a name of its own, and what a dead one left stays.
    """
    stem = f".{path.name[:200]}"
    for number in range(_WRITERS if _MOVES_OPEN_FILES else 0):
        part = path.with_name(f"{stem}.{number}.part")
        with open(os.open(part, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
            locked = _lock(file)
            if locked is None:
                part.unlink(missing_ok=True)
                break
            if locked and _is_still_at(file, part):
                file.truncate()
                yield part, file
                return
    part = path.with_name(f"{stem}.{os.getpid()}-{threading.get_ident()}.part")
    with part.open("wb") as file:
        yield part, file


def _lock(file: IO[bytes]) -> bool | None:
    """Take a lock that ends with the process.

    Returns:
        False where another process has it, None where the file system knows no locks.
    """
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the latter is what Windows says
        return False
    except OSError:
        return None
    return True


def _is_still_at(file: IO[bytes], path: Path) -> bool:
    """Return whether a path still means an open file: its writer may have renamed it before closing it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


# -- for a while ----------------------------------------------------------------------------------


class _Scratch:
    """The folder of what this process keeps for a while; it goes with the process."""

    def __init__(self) -> None:
        self.root: Path | None = None
        self.guard = threading.Lock()
        self.lock: IO[bytes] | None = None

    def folder(self) -> Path:
        """Return the folder; made when it is first asked for."""
        with self.guard:
            if self.root is None or not self.root.is_dir():  # systems clear their temporary folder, too
                clear_scratch()
                self.root = Path(tempfile.mkdtemp(prefix=_PREFIX))
                self.lock = _owned(self.root)
                atexit.register(shutil.rmtree, self.root, ignore_errors=True)
            return self.root


_scratch = _Scratch()


def scratch_folder() -> Path:
    """Return this process's folder for temporary files.

    It goes with the process, or, where that was killed, once another one asks for its own.
    """
    return _scratch.folder()


def clear_scratch() -> int:
    """Remove what processes that were killed have left in the system's temporary folder.

    Returns:
        How many folders.
    """
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if not folder.is_symlink() and folder.is_dir() and _is_abandoned(folder):
                shutil.rmtree(folder)
                removed += 1
    return removed


def _owned(folder: Path) -> IO[bytes] | None:
    """Mark a folder as in use until this process ends, however it ends."""
    early = folder / f"{_LOCK}.new"  # nobody sees the lock's file before it is locked
    file = (early if _MOVES_OPEN_FILES else folder / _LOCK).open("wb")
    atexit.register(file.close)
    if not _lock(file):
        return None
    if _MOVES_OPEN_FILES:
        early.rename(folder / _LOCK)
    return file


def _is_abandoned(folder: Path) -> bool:
    """Return whether no living process says that a folder is its own; without that mark, after a day."""
    try:
        with (folder / _LOCK).open("rb") as file:
            return bool(_lock(file))
    except FileNotFoundError:
        return time.time() - folder.stat().st_mtime > _DAY
