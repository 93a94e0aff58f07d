"""The log of a run that is under way: JSON lines next to the output file.

Its first line says what the run is (model, thresholds, where it writes); then comes one line for each
image, which is on the disk before the next image begins. A run that is killed at any moment loses no
more than the image in hand: a last line that is torn is cut off when the run is resumed. What a
line holds (run lengths, and floats with all their digits) gives back the very same instances.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.errors import DatasetError, ExportError, InputError
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import one_line

__all__ = [
    "FinishedImage",
    "Header",
    "Journal",
    "difference_of",
    "header_of",
    "instance_of",
    "instance_rows",
    "journal_file",
    "open_journal",
    "writing",
]

Header = Mapping[str, object]
"""What a run is: name, in words for people, to a value that JSON keeps."""

_VERSION = "journal version"
_VERSION_NUMBER = 1


def journal_file(out: Path) -> Path:
    """Return the path of the log of a run that writes ``out``."""
    return out.with_name(out.name + ".journal")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write into an :class:`ExportError` that names the file."""
    try:
        yield
    except OSError as error:
        raise ExportError(
            f"{one_line(str(path))}: cannot write ({error.strerror or error}); "
            "free some space or choose another place"
        ) from error


@dataclass(frozen=True)
class FinishedImage:
    """One image as the journal keeps it.

    Args:
        path: its real path.
        digest: SHA-256 of its bytes in hex.
        size: ``(height, width)`` in pixels.
        instances: by descending score; their ``image_id`` is 0, as that is the plan's to say.
        view, pixel_um: as of a :class:`~maskrcnn_core.images.reading.SourceImage`.
    """

    path: str
    digest: str
    size: tuple[int, int]
    instances: tuple[Instance, ...]
    view: str = ""
    pixel_um: tuple[float, float] | None = None


class Journal:
    """A journal that is open for writing; :func:`open_journal` makes one."""

    def __init__(self, file: Path, finished: Mapping[str, FinishedImage]) -> None:
        self.file = file
        self.finished = finished
        self._stream = file.open("ab")

    def add_finished(self, image: FinishedImage) -> None:
        """Keep what was found in an image."""
        row = {
            "path": image.path,
            "sha256": image.digest,
            "size": image.size,
            "instances": instance_rows(image.instances),
        }
        # Left out where there is none, as it was before there were any.
        row |= {"view": image.view} if image.view else {}
        self._add(row | ({"pixel_um": image.pixel_um} if image.pixel_um else {}))

    def add_failed(self, path: str, reason: str) -> None:
        """Keep why an image gave nothing; it will be tried again."""
        self._add({"path": path, "failed": reason})

    def add_header(self, header: Header) -> None:
        """Write the first line."""
        self._add({_VERSION: _VERSION_NUMBER, **header})

    def remove(self) -> None:
        """Delete the log once the output files are in place."""
        self._stream.close()
        self.file.unlink(missing_ok=True)

    def close(self) -> None:
        self._stream.close()

    def _add(self, row: Mapping[str, object]) -> None:
        with writing(self.file):
            self._stream.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())


def instance_rows(found: Sequence[Instance]) -> list[dict[str, object]]:
    """Return what JSON keeps of instances that a network found."""
    return [
        {"category_id": i.category_id, "counts": i.mask.counts, "score": i.score, "box": i.given_box}
        for i in found
    ]


def instance_of(row: Mapping[str, Any], size: tuple[int, int], image_id: int = 0) -> Instance:
    """Return an instance as :func:`instance_rows` wrote it, its mask checked.

    Raises:
        DatasetError, KeyError, TypeError, ValueError: if that is no such row.
    """
    x1, y1, x2, y2 = map(float, row["box"])
    return Instance(
        image_id=image_id,
        category_id=int(row["category_id"]),
        mask=Rle.from_counts(str(row["counts"]), size),
        score=float(row["score"]),
        given_box=(x1, y1, x2, y2),
    )


def header_of(file: Path) -> Header | None:
    """Return what a run's log says of the run; ``None`` if there is no log that can be read."""
    try:
        with file.open("rb") as stream:
            header = json.loads(stream.readline())
    except (OSError, ValueError, RecursionError):
        return None
    return header if isinstance(header, dict) else None


@contextmanager
def open_journal(file: Path, header: Header, *, resume: bool) -> Iterator[tuple[Journal, list[str]]]:
    """Open a run's log, new or resumed, and return it with notes on what became of an old one.

    The file is locked meanwhile, as two runs would write into each other's lines.

    Raises:
        InputError: if the run that is to be resumed was another one, naming the first difference; or if
            another process is at it.
        ExportError: if it cannot be written.
    """
    lock = FileLock(file.with_name(f".{file.name}.lock"))
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise InputError(
                f"{one_line(str(file))}: another run is writing it; wait until it ends, or choose another "
                "output file"
            ) from error
    try:
        journal, notes = _take_up(file, header) if resume else _begin(file, header)
        try:
            yield journal, notes
        finally:
            journal.close()
    finally:
        lock.release()
        with contextlib.suppress(OSError):
            Path(lock.lock_file).unlink(missing_ok=True)


def _begin(file: Path, header: Header) -> tuple[Journal, list[str]]:
    notes = []
    with writing(file):
        if file.exists():
            old = file.with_name(file.name + ".old")
            os.replace(file, old)
            notes.append(
                f"an interrupted run left its run log; it is kept as {one_line(str(old))}, "
                "and this run starts from the beginning (resuming would have continued it)"
            )
        journal = Journal(file, {})
    journal.add_header(header)
    return journal, notes


def _take_up(file: Path, header: Header) -> tuple[Journal, list[str]]:
    if not file.exists():
        journal, _ = _begin(file, header)
        return journal, ["there is no run to resume; this one starts from the beginning"]
    with writing(file):
        data = file.read_bytes()
    first, newline, rest = data.partition(b"\n")
    if not newline:  # killed before its first line was whole
        with writing(file):
            file.unlink()
        return _begin(file, header)
    _refuse_difference(file, first, header)
    finished, good = _read_lines(rest)
    with writing(file):
        # Before anything is added: it would go on in the middle of a torn line.
        os.truncate(file, len(first) + 1 + good)
        return Journal(file, finished), []


def _refuse_difference(file: Path, first: bytes, header: Header) -> None:
    shown = one_line(str(file))
    start_again = "or start again without resuming"
    try:
        old = json.loads(first)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{shown}: expected a run log, got something else; resume another run, {start_again}"
        ) from error
    if not isinstance(old, dict) or old.get(_VERSION) != _VERSION_NUMBER:
        raise InputError(
            f"{shown}: expected a run log of version {_VERSION_NUMBER}, got another; resume with the "
            f"MaskDesk that wrote it, {start_again}"
        )
    old.pop(_VERSION)
    if difference := difference_of(old, header):
        raise InputError(f"{shown}: {difference}; use the same again, {start_again}")


def difference_of(old: Header, header: Header) -> str:
    """Return in which setting a run that was interrupted differs from this one; empty where in none."""
    new = json.loads(json.dumps(header))  # as it would have been read back
    for name in [*new, *(name for name in old if name not in new)]:
        if old.get(name) != new.get(name):
            return (
                f"the interrupted run had {name} {_shown(old.get(name))}, this one has "
                f"{_shown(new.get(name))}"
            )
    return ""


def _shown(value: object) -> str:
    text = "none" if value is None else one_line(str(value))
    return text if len(text) <= 100 else f"{text[:100]} ..."


def _read_lines(data: bytes) -> tuple[dict[str, FinishedImage], int]:
    """Return what is finished, by real path, and how many bytes are whole lines that make sense."""
    finished: dict[str, FinishedImage] = {}
    good = 0
    for line in data.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        try:
            row = json.loads(line)
            path = str(row["path"])
            finished.pop(path, None)  # a later line says what is true now
            if "failed" not in row:
                finished[path] = _finished_image(row)
        except (ValueError, TypeError, KeyError, DatasetError, RecursionError):
            break  # what follows damage is run again
        good += len(line)
    return finished, good


def _finished_image(row: dict[str, Any]) -> FinishedImage:
    height, width = map(int, row["size"])
    return FinishedImage(
        path=str(row["path"]),
        digest=str(row["sha256"]),
        size=(height, width),
        instances=tuple(instance_of(found, (height, width)) for found in row["instances"]),
        view=str(row.get("view", "")),
        pixel_um=(float(row["pixel_um"][0]), float(row["pixel_um"][1])) if "pixel_um" in row else None,
    )
