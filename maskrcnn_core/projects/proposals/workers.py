"""Workers as rows: who they are, which job each is at, and whether it lives.

A worker writes itself down when it begins (:func:`sign_on`) and says every few seconds that it is there
(:func:`beat`). When it ends, its row goes (:func:`sign_off`). One that was killed says nothing: it counts as
dead once its signs of life are old, or as soon as somebody on its machine knows (:func:`bury`). Its row stays
for :data:`SHOWN_SECONDS`, to be seen.
"""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from maskrcnn_core.common.release import __version__
from maskrcnn_core.projects.db.tables import WORKER
from maskrcnn_core.projects.proposals.job_rows import is_alive, utc_now
from maskrcnn_core.projects.store import Store

__all__ = ["SHOWN_SECONDS", "beat", "bury", "note", "put_worker", "sign_off", "sign_on", "worker_prefix"]

SHOWN_SECONDS = 600.0
"""For so long a worker that died is shown."""


def worker_prefix(pid: int) -> str:
    """Return what the names of a process's workers begin with, if it is one of this computer."""
    return f"{socket.gethostname()}:{pid}:"


def sign_on(store: Store, name: str) -> None:
    """Write a worker down; and as dead those of this computer whose process is gone."""
    with store.writing() as connection:
        put_worker(connection, name)
        now = utc_now(connection)
        here = (WORKER.c.host == socket.gethostname(), is_alive(now))
        pids = set(connection.execute(select(WORKER.c.pid).where(*here)).scalars())
        gone = [pid for pid in pids if not _is_running(pid)]
        connection.execute(update(WORKER).where(*here, WORKER.c.pid.in_(gone)).values(ended_at=now))


def _is_running(pid: int) -> bool:
    if os.name != "posix":  # asking would be ending it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def put_worker(connection: Connection, name: str, **values: Any) -> None:
    """Write that a worker is there, and what is new about it."""
    now = utc_now(connection)
    values |= {"seen_at": now, "ended_at": None}
    if connection.execute(update(WORKER).where(WORKER.c.name == name).values(**values)).rowcount:
        return
    host, _, rest = name.rpartition(":")[0].rpartition(":")
    row: dict[str, Any] = {
        "name": name,
        "host": host or socket.gethostname(),
        "pid": int(rest) if rest.isdecimal() else os.getpid(),
        "release": __version__,
        "since": now,
        "job_id": None,
        "done": 0,
        "unable": [],
        **dict.fromkeys(("device", "engine", "note"), ""),
    }
    connection.execute(insert(WORKER), row | values)


def beat(store: Store, name: str) -> None:
    """Give a sign of life; and let those go that died some time ago."""
    with store.writing() as connection:
        put_worker(connection, name)
        last = func.coalesce(WORKER.c.ended_at, WORKER.c.seen_at)
        shown_since = utc_now(connection) - timedelta(seconds=SHOWN_SECONDS)
        connection.execute(delete(WORKER).where(last < shown_since))


def sign_off(store: Store, name: str) -> None:
    """Take a worker off that has put back what it had in hand."""
    with store.writing() as connection:
        connection.execute(delete(WORKER).where(WORKER.c.name == name))


def note(store: Store, name: str, **values: Any) -> None:
    """Write down what runs a worker's network, or what it cannot do."""
    with store.writing() as connection:
        put_worker(connection, name, **values)


def bury(store: Store, prefix: str) -> int:
    """Note that workers are known to be dead: what they had in hand goes to others at once.

    Args:
        store: where.
        prefix: what the names of these workers begin with.

    Returns:
        How many of them had not signed off.
    """
    with store.writing() as connection:
        theirs = and_(WORKER.c.name.startswith(prefix, autoescape=True), WORKER.c.ended_at.is_(None))
        return connection.execute(update(WORKER).where(theirs).values(ended_at=utc_now(connection))).rowcount
