"""Where a person's files go, and how they are written so that nobody ever finds half of one."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path

__all__ = ["DATA_VARIABLE", "data_folder", "replace_file"]

DATA_VARIABLE = "MASKDESK_DATA"


def data_folder() -> Path:
    """The folder of a person's data: what ``MASKDESK_DATA`` names, else the system's.

    Where ``MASKDESK_DATA`` is the address of a bucket, what must be a file lies in the system's folder.
    """
    named = os.environ.get(DATA_VARIABLE, "").strip()
    if not named or "://" in named:
        return user_data_path("maskdesk", appauthor=False)
    return Path(named).expanduser()


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
