"""Opens a store's database: checks before anything is written, migrates, and never overwrites.

SQLite runs with a write-ahead log, so readers never wait, and every writing transaction begins with ``BEGIN
IMMEDIATE``: one that began as a reader and wants to write later is refused at once when another writer was
faster, whatever the timeout (https://www.sqlite.org/lang_transaction.html). ``synchronous=FULL`` flushes each
commit to the disk before it counts as saved.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from maskrcnn_core.common.atomic_files import scratch_folder
from maskrcnn_core.common.extras import missing_extra
from maskrcnn_core.common.json_rows import parse_json
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.db.seals import seal_unsealed
from maskrcnn_core.projects.db.tables import METADATA

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["APPLICATION_ID", "open_engine", "reading", "writing"]

APPLICATION_ID = 0x4D44534B
"""``MDSK``, in the SQLite file's header: tells our files from those of other programs."""

BUSY_SECONDS = 10.0
"""How long a writer waits for another one before it gives up."""

_MAGIC = b"SQLite format 3\x00"
_FRESH = ".new-"
_HOUR = 3600  # seconds
_MIGRATIONS = Path(__file__).with_name("migrations")
_ONE_AT_A_TIME = threading.Lock()
"""Alembic keeps what it works on in its modules, for all threads."""


def open_engine(place: StorePlace) -> Engine:
    """Return an engine on a database of the present form; made if there is none, migrated if it is older.

    Before an SQLite database is migrated, a copy is put beside it.

    Raises:
        StoreError: if the database belongs to another program, is empty, damaged, locked, newer than this
            program, or cannot be reached or written. It is then as it was before.
    """
    file = place.sqlite_file
    with told(place):
        if file is None:
            if missing := missing_extra("postgres", f"{one_line(place.shown)}: PostgreSQL"):
                raise StoreError(missing)
            engine = _postgresql(place.database)
        else:
            if not os.path.lexists(file):
                _make(file, place)
            _check_file(file)
            engine = _sqlite(file)
            if not _can_be_used(engine):
                # On a disk that is full or read-only, reading must go on: it is how people get at their work.
                engine.dispose()
                engine = _sqlite_to_read(file)
        try:
            if file is None:
                with writing(engine) as connection:
                    # Of several programs that start at once, one migrates and the others wait.
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({APPLICATION_ID})")
                    _refuse_without_form(connection, _revision(connection), place)
                    _migrate(connection, place)
            else:
                _check_and_migrate(engine, file, place)
        except BaseException:
            engine.dispose()
            raise
        return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that sees one state of the database throughout."""
    with engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that may write; when the block has ended, what it wrote is on disk."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def told(place: StorePlace) -> Iterator[None]:
    """Turn a database's refusal into an error in a person's words."""
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"{one_line(place.shown)}: {_reason(error, place)}") from error
    except sqlite3.Error as error:
        raise StoreError(f"{one_line(place.shown)}: {_advice(str(error))}") from error
    except UnicodeDecodeError as error:  # in what SQLite says of a damaged name
        raise StoreError(f"{one_line(place.shown)}: {_advice('malformed text')}") from error
    except OSError as error:
        raise StoreError(
            f"{one_line(place.shown)}: the project database cannot be used ({error.strerror or error}); "
            "check the folder's rights and free space, or name another folder with MASKDESK_DATA"
        ) from error


def _reason(error: DBAPIError, place: StorePlace) -> str:
    reason, password = one_line(str(error.orig).strip()), place.database.password
    # A driver that cannot read a connection's string repeats it.
    return _advice(reason.replace(str(password), "***") if password else reason)


_DISK = ("disk I/O error", "unable to open", "readonly", "disk is full")
"""What SQLite says where the disk lets it make or write nothing."""

_ADVICE = (
    ("locked", "another program is writing to it; try again, and close the other one if this continues"),
    ("disk is full", "the disk is full, nothing was saved; free some space and try again"),
    ("readonly", "it cannot be written; check the rights of its file and folder, and the disk's free space"),
    ("I/O error", "the disk is full or not responding, nothing was saved; fix that and try again"),
    ("unable to open", "it cannot be opened; check the rights of its folder"),
    ("decode to UTF-8", "a text in it is damaged; `project verify` names the row"),
    ("malformed", "it is damaged; restore a copy, or save what is left with `sqlite3 FILE .recover`"),
    ("not a database", "this file is not a database; restore a copy, or move it away to start again"),
)


def _advice(reason: str) -> str:
    for part, advice in _ADVICE:
        if part in reason:
            return f"{advice} ({reason})"
    return f"the project database refused this ({reason})"


# -- SQLite ---------------------------------------------------------------------------------------


def _sqlite(file: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(file)),
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        json_deserializer=parse_json,
        hide_parameters=True,  # what people annotate is in no log
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions begin where we say, see ``begin``
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _can_be_used(engine: Engine) -> bool:
    """Return whether a file's database can be read and written as usual, as far as the disk is concerned."""
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_schema")
    except DBAPIError as error:
        return not any(part in str(error.orig) for part in _DISK)
    return True


def _sqlite_to_read(file: Path) -> Engine:
    """Return an engine that only reads, and needs nothing of the file's folder.

    What a log beside the file holds is not in the file yet: both are then read from copies of our own.
    """
    log = file.with_name(f"{file.name}-wal")
    if log.exists() and log.stat().st_size:
        folder = Path(tempfile.mkdtemp(dir=scratch_folder()))
        for name in (file.name, log.name):
            shutil.copyfile(file.with_name(name), folder / name)
        address = f"{(folder / file.name).as_uri()}?mode=rw"
    else:
        address = f"{file.absolute().as_uri()}?mode=ro&immutable=1"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA query_only=ON")
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=QueuePool, json_deserializer=parse_json)


def _make(file: Path, place: StorePlace) -> None:
    """Make a new database next to its place and link it in; whoever comes second uses the first one's."""
    file.parent.mkdir(parents=True, exist_ok=True)
    for left in file.parent.glob(f"{_FRESH}*"):  # by a process that was killed while it made one
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _HOUR:
                shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=_FRESH, dir=file.parent) as folder:
        fresh = Path(folder) / "maskdesk.db"
        connection = sqlite3.connect(fresh)
        try:
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        finally:
            connection.close()
        engine = _sqlite(fresh)
        try:
            with writing(engine) as work:
                _migrate(work, place)
            # What is in the log must be in the file before the file stands alone.
            with engine.connect() as connected:
                connected.exec_driver_sql("COMMIT")
                connected.exec_driver_sql("PRAGMA journal_mode=DELETE")
        finally:
            engine.dispose()
        _put_in_place(fresh, file)


def _put_in_place(fresh: Path, file: Path) -> None:
    """Give a new database its name, unless another one has it by now."""
    try:
        os.link(fresh, file)
    except FileExistsError:
        return
    except OSError:  # disks with exFAT, and some of other computers, know no hard links
        with FileLock(file.with_name(f".{file.name}.lock"), timeout=BUSY_SECONDS):
            if not os.path.lexists(file):
                os.replace(fresh, file)


def _check_file(file: Path) -> None:
    """Check what can be told without SQLite, which would take an empty file for a new database."""
    with file.open("rb") as stream:
        head = stream.read(100)
    if not head:
        raise StoreError(
            f"{one_line(str(file))}: the project database is empty (0 bytes), so something went wrong; "
            "restore a copy, or move the file away to start again"
        )
    if head[:16] != _MAGIC:
        raise StoreError(
            f"{one_line(str(file))}: this is not an SQLite database; restore a copy, or move the file away "
            "to start again"
        )
    found = int.from_bytes(head[68:72], "big")
    if found != APPLICATION_ID:
        raise StoreError(
            f"{one_line(str(file))}: this database belongs to another program (application id {found:#x}); "
            "name another folder with MASKDESK_DATA"
        )


def _check_and_migrate(engine: Engine, file: Path, place: StorePlace) -> None:
    with reading(engine) as connection:
        problems = connection.exec_driver_sql("PRAGMA quick_check(3)").scalars().all()
        if problems != ["ok"]:
            raise StoreError(
                f"{one_line(str(file))}: the project database is damaged ({one_line('; '.join(problems))}); "
                "restore a copy, or save what is left with `sqlite3 FILE .recover`"
            )
        revision = _revision(connection)
        _refuse_without_form(connection, revision, place)
    if revision == _newest():
        return
    _refuse_unknown(revision, place)
    copy = file.with_name(f"{file.name}.before-{_newest()}")
    if not copy.exists():
        with engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")  # VACUUM runs outside transactions
            connection.exec_driver_sql("VACUUM INTO ?", (str(copy),))
    with writing(engine) as connection:
        _migrate(connection, place)


# -- PostgreSQL -----------------------------------------------------------------------------------


def _postgresql(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"connect_timeout": 10},
        json_deserializer=parse_json,
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("writes"):
            # A reader sees one state throughout, as with SQLite.
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    return engine


# -- migrations -----------------------------------------------------------------------------------


# Alembic is imported where a store is opened: pages that open none need not wait for it.


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


@cache
def _revisions() -> tuple[str, ...]:
    """Return all forms that this program knows, the newest first."""
    from alembic.script import ScriptDirectory

    return tuple(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def _newest() -> str:
    return _revisions()[0]


def _revision(connection: Connection) -> str | None:
    from alembic.migration import MigrationContext

    heads = MigrationContext.configure(connection).get_current_heads()
    if len(heads) > 1:
        raise StoreError(
            f"{one_line(str(connection.engine.url.database))}: expected one record of its schema version (a "
            f"row of alembic_version), got {len(heads)}; it is damaged: restore a copy"
        )
    return heads[0] if heads else None


def _refuse_without_form(connection: Connection, revision: str | None, place: StorePlace) -> None:
    """Refuse to migrate tables of unknown form: that could turn people's work into something else."""
    there = set(METADATA.tables) & set(inspect(connection).get_table_names()) if revision is None else set()
    if there:
        raise StoreError(
            f"{one_line(place.shown)}: expected a record of its schema version (a row of alembic_version), "
            f"got {len(there)} tables and none; it is damaged, or another program's: restore a copy, or "
            "name another database"
        )


def _refuse_unknown(revision: str | None, place: StorePlace) -> None:
    if revision is not None and revision not in _revisions():
        raise StoreError(
            f"{one_line(place.shown)}: this project database was made by a newer MaskDesk (schema "
            f"{one_line(revision)}, this one knows {_newest()}); use that one"
        )


def _migrate(connection: Connection, place: StorePlace) -> None:
    """Bring the database of a connection to the newest form, in the connection's transaction."""
    from alembic import command

    revision = _revision(connection)
    if revision == _newest():
        return
    _refuse_unknown(revision, place)
    config = _config()
    config.attributes["connection"] = connection
    with _ONE_AT_A_TIME:
        command.upgrade(config, _newest())
    if _newest() == _revisions()[0]:  # older forms have no seals
        seal_unsealed(connection)
