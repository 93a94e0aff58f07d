"""Runs judges, each in a process of its own, and measures what they see of the scene."""

from __future__ import annotations

import math
import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from tests.interop.judging import Judge, Seen, load_seen
from tests.interop.scene import LARGE, expected, write_scene

__all__ = ["Verdict", "find_interpreter", "verdict_of"]

_ROOT = Path(__file__).parents[2]
_SECONDS = 300
_SETTINGS = {
    "FIFTYONE_DO_NOT_TRACK": "true",
    "HF_HUB_OFFLINE": "1",
    "MPLBACKEND": "Agg",
    "OMP_NUM_THREADS": "1",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_OFFLINE": "true",
}
"""So that no judge fetches, installs or reports anything."""


@dataclass(frozen=True)
class Verdict:
    """What a judge saw of the scene.

    Args:
        release: of the reader.
        least: the least mask IoU over all objects, never rounded up.
        least_large: the same over the large ones.
        count: how many objects it saw.
        expected: how many there are for it.
        images: the stems of the images in which it saw one.
        has_names: whether every object has its category's name.
        has_scores: whether every object has its score.
        error: the last line of what it ended with, if it did not read.
    """

    release: str = ""
    least: float = 0.0
    least_large: float = 0.0
    count: int = 0
    expected: int = 0
    images: frozenset[str] = frozenset()
    has_names: bool = False
    has_scores: bool = False
    error: str = ""


def find_interpreter() -> Path:
    """Return the interpreter of the judges' environment.

    Raises:
        FileNotFoundError: if it was not set up.
    """
    path = _ROOT / ".venv-interop" / "bin" / "python"
    if not (path.parents[1] / "interop.stamp").exists():
        raise FileNotFoundError("the judges are not installed: run `make test-interop`")
    return path


@cache
def verdict_of(judge: Judge) -> Verdict:
    """Let a judge read the scene, and compare."""
    with tempfile.TemporaryDirectory(prefix="judge-") as place:
        folder, out = Path(place) / "export", Path(place) / "seen.npz"
        folder.mkdir()
        write_scene(judge.format, folder)
        homes = {"HOME": place, "YOLO_CONFIG_DIR": place, "FIFTYONE_DATABASE_DIR": f"{place}/database"}
        run = subprocess.run(
            [find_interpreter(), "-W", "ignore", "-m", "tests.interop.judging", judge.key, folder, out],
            cwd=_ROOT,
            env=os.environ | _SETTINGS | homes,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
        # A judge writes which release it is before it reads.
        release, seen = load_seen(out) if out.exists() else ("", [])
        if run.returncode:
            said = run.stderr.strip().splitlines()
            return Verdict(release, error=said[-1] if said else "nothing was said")
    return _compared(release, seen, expected(judge.sees))


def _compared(release: str, seen: list[Seen], wanted: list[Seen]) -> Verdict:
    ious = np.array([[_iou(one.mask, other.mask) for other in seen] for one in wanted])
    ious = ious.reshape(len(wanted), len(seen))
    # Each object with one that it overlaps most, no one twice; what stays alone has an IoU of 0.
    pairs = dict(zip(*(place.tolist() for place in linear_sum_assignment(-ious)), strict=True))
    found = [float(ious[n, pairs[n]]) if n in pairs else 0.0 for n in range(len(wanted))]
    large = [iou for iou, one in zip(found, wanted, strict=True) if np.count_nonzero(one.mask) >= LARGE]
    both = [(one, seen[pairs[n]]) for n, one in enumerate(wanted) if n in pairs]
    return Verdict(
        release,
        _floored(min(found)),
        _floored(min(large)),
        len(seen),
        len(wanted),
        frozenset(one.image for one in seen),
        all(one.category == other.category for one, other in both),
        all(_is_score(one.score, other.score) for one, other in both),
    )


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    return np.count_nonzero(one & other) / max(np.count_nonzero(one | other), 1)


def _floored(iou: float) -> float:
    return math.floor(iou * 1000) / 1000


def _is_score(one: float | None, other: float | None) -> bool:
    # Some keep 32 bits of a score.
    return one is not None and other is not None and math.isclose(one, other, rel_tol=1e-6)
