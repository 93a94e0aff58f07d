"""Where what was made for engines is kept: the person's cache, by engine, model, version and processor.

Everything in it can be made again; deleting it costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.inference.engines.equality import Equality

__all__ = [
    "alone_with",
    "keep_equality",
    "keep_refusal",
    "kept_equality",
    "kept_refusal",
    "mark_used",
    "place_of",
    "processor",
    "root",
]

_EQUALITY = "equality.json"
_REFUSAL = "refused.txt"


@functools.cache
def processor() -> str:
    """Return the processor's name: which instructions it has decides how sums are rounded."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def root() -> Path:
    """Return the folder of all that is kept for engines; it need not be there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "maskdesk" / "engines"


def place_of(engine: str, digest: str, version: str) -> Path:
    """Return the folder of an engine made for a model; it need not be there.

    Args:
        engine: its key.
        digest: SHA-256 of the model's weights.
        version: of all else that its result depends on.
    """
    made_by = hashlib.sha256(f"{version} {processor()}".encode()).hexdigest()[:12]
    return root() / engine / f"{digest[:16]}-{made_by}"


def kept_equality(place: Path) -> Equality | None:
    """Return what was measured of an engine, if it is kept and whole."""
    try:
        return Equality(**json.loads((place / _EQUALITY).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def keep_equality(place: Path, equality: Equality) -> None:
    """Keep what was measured; where nothing can be written it is measured each time."""
    _keep(place, _EQUALITY, json.dumps(asdict(equality)))


def kept_refusal(place: Path) -> str:
    """Return why an engine cannot be made for a model, if that was found out before; else nothing."""
    try:
        return (place / _REFUSAL).read_text("utf-8")
    except (OSError, UnicodeError):
        return ""


def keep_refusal(place: Path, reason: str) -> None:
    """Keep why an engine cannot be made; where nothing can be written it is tried each time."""
    _keep(place, _REFUSAL, reason)


def _keep(place: Path, name: str, text: str) -> None:
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        replace_file(place / name, text.encode("utf-8", "replace"))


def mark_used(place: Path) -> None:
    """Note that a folder is of use now: of those that are too many, the one least lately used goes first."""
    with contextlib.suppress(OSError):
        os.utime(place)


@contextlib.contextmanager
def alone_with(place: Path, timeout: float = -1) -> Iterator[bool]:
    """Hold others off while a folder is read, made or removed; give whether that could be done.

    Args:
        place: the folder; the lock lies beside it.
        timeout: seconds to wait for others; negative for as long as it takes.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place.with_name(f"{place.name}.lock"))
        lock.acquire(timeout=timeout)
    except (OSError, Timeout):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
