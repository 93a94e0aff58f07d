"""Writes files so that nobody ever finds half of one."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["replace_file"]


def replace_file(path: Path, data: bytes) -> None:
    """Writes a file so that at any moment either the old or the whole new one is there.

    A symbolic link stays one: what it points to is replaced.

    Raises:
        OSError: as the system says; the old file is then untouched and nothing is left beside it.
    """
    path = Path(os.path.realpath(path))
    part = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
