"""The tables of a store.

Every row that people can change has a ``version``, which rises by one with each change, and is not deleted
but marked as ``gone``, as long as its project can be restored: so whatever was done can be undone, and of two
people who change the same row the second one notices. Migrations (``migrations/versions``) bring an older
database to this form; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

__all__ = [
    "ANSWER",
    "CATEGORY",
    "CHANGEABLE",
    "IMAGE",
    "INSTANCE",
    "JOB",
    "JOURNAL",
    "METADATA",
    "PRESENCE",
    "PROJECT",
    "SEAL",
    "SHARE",
    "SNAPSHOT",
    "THUMBNAIL",
    "WORKER",
    "UtcTime",
    "chunks",
]


class UtcTime(TypeDecorator[datetime]):
    """An instant; stored in UTC, also where the database knows no time zones."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"time: expected one with a time zone, got {value.isoformat()}")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=UTC)


METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


SEAL = "seal"
"""The column of a row's checksum."""


def _key() -> Column[int]:
    # SQLite counts up by itself only in a column declared exactly INTEGER.
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


def _of(table: str, *, nullable: bool = False, index: bool = False) -> Column[int]:
    reference = ForeignKey(f"{table}.id", ondelete="CASCADE")
    return Column(f"{table}_id", BigInteger, reference, nullable=nullable, index=index)


def _changeable() -> tuple[Column[Any], ...]:
    return (
        Column("version", Integer, nullable=False, server_default=text("1")),
        Column("gone", Boolean, nullable=False, server_default=text("false")),
        # Keys of an imported file that MaskDesk does not know, to be written again.
        Column("extra", JSON, nullable=False),
        Column(SEAL, BigInteger),  # see maskrcnn_core.projects.db.seals
    )


_PRESENT = text("NOT gone")

PROJECT = Table(
    "project",
    METADATA,
    _key(),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("made_at", UtcTime, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("archived", Boolean, nullable=False, server_default=text("false")),
    *_changeable(),
)
Index("uq_project_name", PROJECT.c.name, unique=True, sqlite_where=_PRESENT, postgresql_where=_PRESENT)

CATEGORY = Table(
    "category",
    METADATA,
    _key(),
    _of("project"),
    Column("coco_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("supercategory", Text, nullable=False),
    Column("colour", Text, nullable=False),
    *_changeable(),
    UniqueConstraint("project_id", "coco_id"),
)
Index(
    "uq_category_name",
    CATEGORY.c.project_id,
    CATEGORY.c.name,
    unique=True,
    sqlite_where=_PRESENT,
    postgresql_where=_PRESENT,
)

IMAGE = Table(
    "image",
    METADATA,
    _key(),
    _of("project"),
    Column("coco_id", BigInteger, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("status", Text, nullable=False),
    *_changeable(),
    UniqueConstraint("project_id", "coco_id"),
    Index(
        "uq_image_file_name",
        "project_id",
        "file_name",
        unique=True,
        sqlite_where=_PRESENT,
        postgresql_where=_PRESENT,
    ),
    Index("ix_image_digest", "project_id", "digest"),
    CheckConstraint("status IN ('new', 'opened', 'reviewed')", name="status"),
)

INSTANCE = Table(
    "instance",
    METADATA,
    _key(),
    _of("project"),
    _of("image", index=True),
    _of("category", index=True),
    Column("coco_id", BigInteger, nullable=False),
    Column("counts", Text, nullable=False),
    Column("polygons", JSON(none_as_null=True)),
    Column("area", BigInteger, nullable=False),
    Column("box", JSON, nullable=False),
    Column("score", Float(53)),
    Column("status", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("is_crowd", Boolean, nullable=False),
    Column("given_box", JSON(none_as_null=True)),
    Column("given_area", Float(53)),
    Column("candidate", Integer),
    Column("doubt", JSON(none_as_null=True)),
    *_changeable(),
    UniqueConstraint("project_id", "coco_id"),
    Index("ix_instance_status", "project_id", "status"),
    CheckConstraint("status IN ('proposed', 'accepted', 'rejected')", name="status"),
)

ANSWER = Table(
    "answer",
    METADATA,
    _key(),
    _of("image"),
    Column("model_key", Text, nullable=False),
    Column("model_digest", Text, nullable=False),
    Column("candidates", Text, nullable=False),
    Column("failure", Text, nullable=False),
    Column("offered", Text, nullable=False, server_default=text("''")),
    Column("engine", Text, nullable=False, server_default=text("''")),
    Column("made_at", UtcTime, nullable=False),
    UniqueConstraint("image_id", "model_digest"),
)
"""A run of an image: the digest of its candidates' file, or why there is none; how what it found has last
been offered as instances, empty where it has not; and what ran it, empty for the exact engine."""

JOURNAL = Table(
    "journal",
    METADATA,
    _key(),
    _of("project"),
    _of("image", nullable=True, index=True),
    Column("at", UtcTime, nullable=False),
    Column("who", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("target_id", BigInteger, ForeignKey("journal.id")),
    Column("is_refused", Boolean, nullable=False),
    Column("changes", JSON, nullable=False),
    Column("operation", Text),
    Column("skipped", JSON(none_as_null=True)),
    Index("ix_journal_project_id_id", "project_id", "id"),
    Index("ix_journal_who", "project_id", "who", "id"),
    Index("uq_journal_operation", "project_id", "operation", unique=True),
)
"""Every decision; ``target_id`` is the entry that an undo or redo is about, ``operation`` a name that the one
who asked for it gave it, so that asking twice does it once, ``skipped`` what an undo or redo had to leave."""

JOB = Table(
    "job",
    METADATA,
    _key(),
    _of("project", index=True),
    Column("model_key", Text, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("proposed", Integer, nullable=False),
    Column("decided", Integer, nullable=False),
    Column("replaced", Integer, nullable=False, server_default=text("0")),
    Column("there", JSON, nullable=False, server_default=text("'{}'")),
    Column("failed", Integer, nullable=False),
    Column("failures", JSON, nullable=False),
    Column("message", Text, nullable=False),
    Column("engine", Text, nullable=False, server_default=text("''")),
    Column("weights", Text, nullable=False, server_default=text("''")),
    Column("card", Text, nullable=False, server_default=text("''")),
    Column("limits", JSON, nullable=False, server_default=text("'{}'")),
    Column("lost", Integer, nullable=False),
    Column("ran", Integer, nullable=False),
    Column("ran_seconds", Float(53), nullable=False),
    Column("made_at", UtcTime, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Index("ix_job_state", "state"),
    CheckConstraint("state IN ('waiting', 'running', 'paused', 'cancelled', 'done', 'failed')", name="state"),
)
"""Runs of a model over a project, in the background. ``engine`` says what runs the network, ``weights`` is
the SHA-256 of its weights and ``card`` that of its card where both lie with the store's files: empty until
that is known. ``limits`` counts what the limits cut, ``lost`` the workers that died since one was done."""

_OPEN = text("done_at IS NULL")
WORKER = Table(
    "worker",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("release", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("job_id", BigInteger, ForeignKey("job.id", ondelete="SET NULL"), index=True),
    Column("done", Integer, nullable=False),
    Column("unable", JSON, nullable=False),
    Column("note", Text, nullable=False),
)
"""Processes that do jobs, on whatever machine, and the job that each is at; ``unable`` names jobs that it has
to leave to others, and ``note`` says why. ``ended_at`` is when one is known to have died."""

SHARE = Table(
    "share",
    METADATA,
    Column("image_id", BigInteger, ForeignKey("image.id", ondelete="CASCADE"), primary_key=True),
    Column("job_id", BigInteger, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("worker", Text, nullable=False),
    Column("lost", Integer, nullable=False),
    Column("done_at", UtcTime, index=True),
    Index("ix_share_open", "job_id", "image_id", sqlite_where=_OPEN, postgresql_where=_OPEN),
)
"""The images of jobs: which worker has each in hand, or has done it and when, and how many died at it."""

SNAPSHOT = Table(
    "snapshot",
    METADATA,
    _key(),
    _of("project"),
    Column("name", Text, nullable=False),
    Column("made_at", UtcTime, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("categories", Integer, nullable=False),
    Column("images", Integer, nullable=False),
    Column("instances", Integer, nullable=False),
    UniqueConstraint("project_id", "name"),
)
"""Named versions of projects: the digest of the file that holds the rows of then, and how many they are."""

THUMBNAIL = Table(
    "thumbnail",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("jpeg", LargeBinary, nullable=False),
)
"""Thumbnails of images, by the digest of the image's bytes."""

PRESENCE = Table(
    "presence",
    METADATA,
    Column("visitor", Text, primary_key=True),
    _of("project", index=True),
    _of("image", nullable=True),
    Column("who", Text, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("acted_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
)
"""Pages that look at a project, and the image that each shows ``since`` then; they end by themselves, see
:mod:`maskrcnn_core.projects.team.presence`."""

CHANGEABLE: dict[str, Table] = {table.name: table for table in (PROJECT, CATEGORY, IMAGE, INSTANCE)}
"""Tables whose rows people change, by name."""

_CHUNK = 10_000  # ids in one statement; SQLite and PostgreSQL take 32,766 and more
_T = TypeVar("_T")


def chunks(items: Iterable[_T]) -> Iterator[list[_T]]:
    """Yield lists of at most as many as one statement takes."""
    remaining = iter(items)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk
