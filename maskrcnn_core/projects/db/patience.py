"""A database server that goes away and comes back: what may be tried again is, for some seconds.

A server that restarts ends the connections that it has, and for a moment takes no new ones. To connect can
always be tried again; and so can a transaction that was not committed, as nothing of it is left. Where the
connection was lost during the commit nobody knows, and only what does no harm twice is tried again.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, RootTransaction
from sqlalchemy.exc import DBAPIError, OperationalError

from maskrcnn_core.errors import AwayError

__all__ = ["again", "is_away", "transaction"]

PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Seconds between tries to connect: a server's restart takes one or two."""
TRIES = 4
"""How often a transaction whose connection was lost is begun."""

_KNOWN_SECONDS = 10.0
_AWAY: WeakKeyDictionary[Engine, float] = WeakKeyDictionary()
"""When each engine's server was last waited for in vain."""

_SHUTDOWNS = {"57P01", "57P02", "57P03"}  # by an administrator, by a crash, or not yet started
_NOT_SURE = "; it is not known whether the last change was saved: check before you repeat it"
_F = TypeVar("_F", bound=Callable[..., Any])


def is_away(error: DBAPIError) -> bool:
    """Return whether it is the server that is not there, and not a statement that it refused."""
    if error.connection_invalidated:
        return True
    # SQLite has no such codes; where PostgreSQL gives none there was no connection.
    code = getattr(error.orig, "sqlstate", "")
    return isinstance(error, OperationalError) and (code is None or code[:2] == "08" or code in _SHUTDOWNS)


@contextmanager
def transaction(engine: Engine, *, writes: bool) -> Iterator[Connection]:
    """Open a transaction as soon as the server is there.

    Raises:
        AwayError: if it is not after some seconds, or goes away.
        DBAPIError: for everything else that it refuses.
    """
    is_begun = is_committing = False
    try:
        connection, work = _begin(engine, writes)
        is_begun = True
        with connection:
            try:
                yield connection
            except BaseException:
                with suppress(DBAPIError):  # of a connection that is lost the server knows itself
                    work.rollback()
                raise
            is_committing = writes
            work.commit()
    except DBAPIError as error:
        if not is_away(error):
            raise
        # Not the driver's words: they may hold what the connection is made of.
        text = "the project database is not responding; MaskDesk tries again with your next action"
        raise AwayError(
            text + _NOT_SURE * is_committing, may_repeat=is_begun, is_sure=not is_committing
        ) from error


def _begin(engine: Engine, writes: bool) -> tuple[Connection, RootTransaction]:
    # Who has just waited in vain is not kept waiting by each of the next questions.
    is_known = time.monotonic() - _AWAY.get(engine, -math.inf) < _KNOWN_SECONDS
    for pause in (None,) if is_known else (*PAUSES, None):
        try:
            connection = engine.connect().execution_options(writes=writes)
            try:
                return connection, connection.begin()
            except BaseException:
                connection.close()
                raise
        except DBAPIError as error:
            if not is_away(error):
                raise
            if pause is None:
                _AWAY[engine] = time.monotonic()
                raise
            time.sleep(pause)
    raise AssertionError("unreachable: the last try returns or raises")


def again(*, twice_is_once: bool = False) -> Callable[[_F], _F]:
    """Make a method try again if its connection is lost on the way.

    Args:
        twice_is_once: it does no harm where it was carried out already. Else that is so for a call with the
            name of an ``operation``, which the journal knows.
    """

    def decorate(method: _F) -> _F:
        @functools.wraps(method)
        def tried(*args: Any, **options: Any) -> Any:
            args = tuple(list(arg) if isinstance(arg, Iterator) else arg for arg in args)
            options = {n: list(arg) if isinstance(arg, Iterator) else arg for n, arg in options.items()}
            does_no_harm = twice_is_once or options.get("operation") is not None
            for left in reversed(range(TRIES)):
                try:
                    return method(*args, **options)
                except AwayError as error:
                    if not left or not error.may_repeat or not (error.is_sure or does_no_harm):
                        raise
            raise AssertionError("unreachable: the last try returns or raises")

        return cast(_F, tried)

    return decorate
