"""Where a store lives: the person's data folder, unless the environment names another place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from maskrcnn_core.common.atomic_files import DATA_VARIABLE, data_folder
from maskrcnn_core.errors import StoreError

__all__ = ["DATABASE_VARIABLE", "DATA_VARIABLE", "StorePlace", "find_place"]

DATABASE_VARIABLE = "MASKDESK_DATABASE"

_DRIVERS = ("sqlite", "postgresql+psycopg")


@dataclass(frozen=True)
class StorePlace:
    """A database, and where the bytes lie that are too large for one.

    Args:
        database: SQLAlchemy's URL.
        files: a folder, or an address that fsspec understands, as ``s3://bucket/maskdesk``.
    """

    database: URL
    files: str

    @property
    def sqlite_file(self) -> Path | None:
        """The database's file, where it is one."""
        if self.database.get_backend_name() != "sqlite":
            return None
        return Path(str(self.database.database))

    @property
    def shown(self) -> str:
        """The database for messages: never with its password."""
        file = self.sqlite_file
        return str(file) if file else self.database.render_as_string(hide_password=True)

    @classmethod
    def in_folder(cls, folder: Path) -> StorePlace:
        """Return a place with SQLite and files in one folder."""
        return cls(URL.create("sqlite", database=str(folder / "maskdesk.db")), str(folder / "files"))


def find_place() -> StorePlace:
    """Return the place that the environment names.

    ``MASKDESK_DATA`` is the folder, or an fsspec address of a bucket, in which files lie, and the SQLite
    database where it is a folder; without it, it is the system's folder for a person's data.
    ``MASKDESK_DATABASE`` is the URL of a PostgreSQL database for a team.

    Raises:
        StoreError: if a variable cannot be used.
    """
    data = os.environ.get(DATA_VARIABLE, "").strip()
    database = os.environ.get(DATABASE_VARIABLE, "").strip()
    if "://" in data:
        if not database:
            raise StoreError(
                f"{DATA_VARIABLE}={data}: a bucket holds files, not a database; "
                f"name a database with {DATABASE_VARIABLE}, too"
            )
        return StorePlace(_url(database), data.rstrip("/") + "/files")
    place = StorePlace.in_folder(data_folder().absolute())
    return StorePlace(_url(database), place.files) if database else place


def _url(text: str) -> URL:
    # The text may hold a password: no message repeats it.
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise StoreError(
            f"{DATABASE_VARIABLE}: expected a database URL such as postgresql+psycopg://user@host/name, got "
            "something else"
        ) from error
    if url.drivername not in _DRIVERS or not url.database:
        raise StoreError(
            f"{DATABASE_VARIABLE}: expected {' or '.join(_DRIVERS)} and the name of a database, "
            f"got {url.drivername} and {url.database or 'no name'}"
        )
    return url
