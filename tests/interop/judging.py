"""What a judge is: another program's reader, which says what it sees in an export of ours.

A judge runs in a process of its own, with the interpreter of the judges' environment: some change warnings,
threads or numpy's settings for all that is imported after them. So this module imports nothing of MaskDesk.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Literal

import numpy as np

__all__ = ["Judge", "Read", "Seen", "Sees", "load_seen", "main"]


@dataclass(frozen=True)
class Seen:
    """One instance as a reader sees it.

    Args:
        image: the image's file name; its stem counts.
        mask: ``[H, W]``; what is not 0 is of the instance.
        category: its name, where the reader tells it.
        score: where the reader tells it.
    """

    image: str
    mask: np.ndarray
    category: str | None = None
    score: float | None = None


Read = Callable[[Path], Iterable[Seen]]
"""Reads the export in a folder. Only in it may a judge's program be imported."""

Sees = Literal["mask", "visible", "parts", "categories"]
"""What a reader makes an object of: a whole mask, what is visible of it where there is one object a pixel,
each part of it, or all that is visible of a category."""


@dataclass(frozen=True)
class Judge:
    """One row of the table of judges.

    Args:
        format: the format's key.
        reader: what reads it, as the table calls it.
        package: whose release the table tells.
        read: makes the reader read.
        least: the least mask IoU over all objects, rounded to three digits, as measured; 1.0 is exact.
        least_large: the same over objects of 100 pixels or more.
        loses: what the reader loses or gets wrong, in words; empty if nothing.
        sees: what it makes an object of.
        has_names: whether it tells each object's category.
        has_scores: whether it tells each object's score.
        misses: how many objects it leaves out.
        fails: the error that it ends with instead of reading.
    """

    format: str
    reader: str
    package: str
    read: Read
    least: float = 1.0
    least_large: float = 1.0
    loses: str = ""
    sees: Sees = "mask"
    has_names: bool = True
    has_scores: bool = False
    misses: int = 0
    fails: str = ""

    @property
    def key(self) -> str:
        """A name for the tests and for the process that runs it."""
        return f"{self.format}/" + "-".join(re.findall(r"\w+", self.reader.replace("'", "")))


def save_seen(seen: Sequence[Seen], release: str, path: Path) -> None:
    """Write what was seen, and the release that saw it, for :func:`load_seen`."""
    rows = [
        [PurePath(one.image).stem, one.category, None if one.score is None else float(one.score)]
        for one in seen
    ]
    masks = {f"mask{n}": np.asarray(one.mask) != 0 for n, one in enumerate(seen)}
    np.savez_compressed(path, rows=np.array(json.dumps([release, rows])), **masks)


def load_seen(path: Path) -> tuple[str, list[Seen]]:
    """Return the release that a judge is of, and what it saw."""
    with np.load(path) as found:
        release, rows = json.loads(str(found["rows"]))
        return release, [
            Seen(image, found[f"mask{n}"], category, score) for n, (image, category, score) in enumerate(rows)
        ]


def main(key: str, folder: Path, out: Path) -> None:
    """Let one judge read a folder."""
    from tests.interop.judges import JUDGES

    judge = next(judge for judge in JUDGES if judge.key == key)
    # For which processor torchvision was built is no matter.
    release = version(judge.package).partition("+")[0]
    save_seen([], release, out)
    save_seen(list(judge.read(folder)), release, out)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
