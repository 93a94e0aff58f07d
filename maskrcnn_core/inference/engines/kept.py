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
from dataclasses import asdict
from pathlib import Path

from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.inference.engines.equality import Equality

__all__ = ["keep_equality", "kept_equality", "place_of", "processor"]

_EQUALITY = "equality.json"


@functools.cache
def processor() -> str:
    """Return the processor's name: which instructions it has decides how sums are rounded."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def place_of(engine: str, digest: str, version: str) -> Path:
    """Return the folder of an engine made for a model; it need not be there.

    Args:
        engine: its key.
        digest: SHA-256 of the model's weights.
        version: of all else that its result depends on.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    made_by = hashlib.sha256(f"{version} {processor()}".encode()).hexdigest()[:12]
    return cache / "maskdesk" / "engines" / engine / f"{digest[:16]}-{made_by}"


def kept_equality(place: Path) -> Equality | None:
    """Return what was measured of an engine, if it is kept and whole."""
    try:
        return Equality(**json.loads((place / _EQUALITY).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def keep_equality(place: Path, equality: Equality) -> None:
    """Keep what was measured; where nothing can be written it is measured each time."""
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        replace_file(place / _EQUALITY, json.dumps(asdict(equality)).encode())
