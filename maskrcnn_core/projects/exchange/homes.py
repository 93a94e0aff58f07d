"""Which image of a project a record or a file is: by content, by name, or a new one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.dataset.annotations import UniqueNames
from maskrcnn_core.images.matching import NamedFile, match_names, told_apart
from maskrcnn_core.images.pools import FoundImages
from maskrcnn_core.images.spellings import RecordFolders, folded
from maskrcnn_core.projects.records import Extra, ImageRow

__all__ = ["RecordHomes", "TakenImage", "waiting_rows"]

Size = tuple[int, int]


class RecordHomes:
    """The rows that a data set's records are, and the names of those that are new.

    Args:
        rows: the project's images.
        names: of the records, as the data set calls them.
        found: what is known of their files.
    """

    def __init__(self, rows: Sequence[ImageRow], names: Sequence[str], found: FoundImages) -> None:
        self._folders = found.folder, found.fallback_folder
        self._by_digest: dict[str, list[ImageRow]] = defaultdict(list)
        for row in rows:
            if row.digest:
                self._by_digest[row.digest].append(row)
        self._taken = {row.file_name for row in rows}
        self._unique = UniqueNames(self._taken)
        self._given: set[int] = set()
        matches = match_names(
            [found.folder + name for name in names], [NamedFile(row.file_name) for row in rows]
        )
        self._namesakes = {names[record]: rows[file] for record, file in matches.files.items()}
        self._otherwise: list[tuple[str, str]] = []
        self._placed: list[str] = []

    def row_of(self, name: str, size: Size, digest: str) -> ImageRow | None:
        """Return the row that a record is.

        Args:
            name: the record's.
            size: its height and width in pixels.
            digest: of its file; empty where there is none.
        """
        namesake = self._namesakes.get(name)
        alike = [row for row in self._by_digest.get(digest, ()) if row.id not in self._given]
        row = next((row for row in alike if row is namesake), alike[0] if alike else None)
        if row is None and namesake is not None and namesake.id not in self._given:
            is_same_size = (namesake.height, namesake.width) == size
            if is_same_size and not (digest and namesake.digest):
                row = namesake
                if not digest and row.digest and row.file_name not in (name, self._folders[0] + name):
                    self._otherwise.append((name, row.file_name))
        if row is not None:
            self._given.add(row.id)
        return row

    def new_name(self, name: str) -> str:
        """Return what a record is called that no row is: as the data set says, unless that name is taken."""
        here, fallback = self._folders
        fresh = next((n for n in (here + name, fallback + name) if n not in self._taken), None)
        fresh = self._unique.take(here + name if fresh is None else fresh)
        self._taken.add(fresh)
        if here and fresh == here + name:
            self._placed.append(fresh)
        return fresh

    def notes(self) -> list[str]:
        """Return what people should know."""
        notes = []
        if self._placed:
            count, first = len(self._placed), one_line(self._placed[0])
            whose = "its" if count == 1 else "their"
            notes.append(
                f"{counted(count, 'image')} named with the folder of {whose} data set here, because data "
                f"sets from several folders were combined: {first}" + (" ..." if count > 1 else "")
            )
        if self._otherwise:
            count, (name, other) = len(self._otherwise), self._otherwise[0]
            notes.append(
                f"{counted(count, 'image')} without a file matched to the project's own of nearly the same "
                f"name and the same size: {one_line(name)} is {one_line(other)}"
                + (" ..." if count > 1 else "")
            )
        return notes


@dataclass(frozen=True)
class TakenImage:
    """A file that was decoded and stored.

    Args:
        name: its path, as it is to be called.
        above: the path of the folder in which that lies, as far as it is known.
        digest: of its bytes.
        size: height and width in pixels.
        extra: what is kept beside it.
    """

    name: str
    above: str
    digest: str
    size: Size
    extra: Extra = field(default_factory=dict)


def waiting_rows(
    rows: Sequence[ImageRow], files: Sequence[TakenImage], fillable: Collection[int] | None = None
) -> tuple[dict[int, ImageRow], list[str]]:
    """Return the records that wait for these files.

    Args:
        rows: the project's images.
        files: what has come.
        fillable: ids of the only rows that may be filled; all that have no pixels where ``None``.

    Returns:
        From a file's place in ``files`` to the row that it fills, and sentences about those that do not
        fit.
    """
    waiting = [row for row in rows if not row.digest and (fillable is None or row.id in fillable)]
    if not waiting:
        return {}, []
    homes: dict[str, list[ImageRow]] = defaultdict(list)
    for row in rows:
        homes[row.digest].append(row)
    matches = match_names(
        [row.file_name for row in waiting],
        [NamedFile(file.name, file.above) for file in files],
        named_folders=RecordFolders.of(row.file_name for row in rows),
    )
    filled, notes = {}, list(matches.contests)
    notes += [
        told_apart(waiting[record].file_name, files[file].name, why) for record, file, why in matches.twins
    ]
    for record, number in matches.files.items():
        row, file = waiting[record], files[number]
        if file.size != (row.height, row.width):
            notes.append(
                f"{one_line(row.file_name)}: expected {row.width} x {row.height} pixels, got "
                f"{one_line(file.name)} of {file.size[1]} x {file.size[0]}, which is another image"
            )
        elif not any(_are_apart(row.file_name, other.file_name) for other in homes[file.digest]):
            filled[number] = row
    return filled, notes


def _are_apart(one: str, other: str) -> bool:
    """Return whether two paths have one name in different folders, ``train/a.png`` and ``val/a.png``."""
    parts = list(zip(folded(one)[::-1], folded(other)[::-1], strict=False))
    return parts[0][0] == parts[0][1] and any(a != b for a, b in parts) if parts else False
