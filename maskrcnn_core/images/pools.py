"""The images of several data sets that came together, each kept to its own.

A source is a zip, a folder or a handful of loose files. A data set (its JSON file) finds its images by the
path relative to itself, then in the part of its source that is nearer to it than to any other data set,
then among files that came with no data set of their own. So ``train/0001.png`` is never the image of
``val/ann.json``, and two zips never share files.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.images.matching import Matches, NamedFile, match_names, told_apart
from maskrcnn_core.images.spellings import Parts, RecordFolders, Spelling, as_written, folded, joined, plain

__all__ = ["FoundImages", "ImageFinder", "ImagePool", "PooledFile"]

_TOKENS = re.compile(r"[^_\-. ]+")


@dataclass(frozen=True)
class PooledFile:
    """A file by name only.

    Args:
        path: within its source, with ``/`` or ``\\``.
        source: the zip or folder that it came in; empty for loose files.
        above: the path of the source itself, as far as it may say something (``data/train``).
    """

    path: str
    source: str = ""
    above: str = ""

    @cached_property
    def folder(self) -> Parts:
        """The folders that it lies in, within its source."""
        return as_written(self.path)[:-1]


@dataclass(frozen=True)
class FoundImages:
    """What a data set's records found.

    Args:
        files: from a record's file name to the number of its file.
        refused: sentences naming what fits equally well and is not taken.
        notes: what people should know of files that were taken.
        folder: what the records' names need before them so that they are paths within the source, with a
            ``/`` at its end; empty where the source has data sets in one folder only.
        fallback_folder: the same where that is only needed to keep two names apart.
    """

    files: Mapping[str, int] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    folder: str = ""
    fallback_folder: str = ""


class ImageFinder(ABC):
    """A data set's images, found once all of their names are known: one file never serves two records."""

    @abstractmethod
    def expect(self, names: Sequence[str]) -> FoundImages:
        """Look for the files of all records, each name once."""

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """Return the bytes of a record's image; ``None`` where it has none.

        Raises:
            ImageError: if it is there and cannot be read.
        """


class ImagePool:
    """All files of one hand-in.

    Args:
        files: the images.
        data_sets: the JSON files among them.
    """

    def __init__(self, files: Sequence[PooledFile], data_sets: Sequence[PooledFile] = ()) -> None:
        self.files = files
        self._folders_of_sets: dict[str, set[Parts]] = defaultdict(set)
        self._tokens: dict[str, set[str]] = defaultdict(set)
        self._paths: dict[tuple[str, Spelling], dict[Parts, list[int]]] = {}
        for data_set in data_sets:
            self._folders_of_sets[data_set.source].add(data_set.folder)
            self._tokens[data_set.source] |= _tokens(data_set)

    def find(self, names: Sequence[str], data_set: PooledFile) -> FoundImages:
        """Pair the records of one data set with files.

        Args:
            names: of the records' images, each once.
            data_set: where their JSON file lies.
        """
        found = self._by_relative_path(names, data_set)
        refused: list[str] = []
        twins: dict[str, tuple[int, str]] = {}
        moved: list[tuple[str, int]] = []
        left = [name for name in names if name not in found]
        used = set(found.values())
        named_folders = RecordFolders.of(names) if left else None
        for scope in self._scopes(data_set):
            if not left:
                break
            numbers = [number for number in scope if number not in used]
            matches = match_names(
                left,
                [NamedFile(self.files[n].path, self.files[n].above) for n in numbers],
                folders=self._known_folders,
                named_folders=named_folders,
            )
            found |= {left[record]: numbers[file] for record, file in matches.files.items()}
            used |= {numbers[file] for file in matches.files.values()}
            moved += [(left[record], numbers[file]) for record, file in matches.by_last_part]
            refused += matches.contests
            twins |= {left[record]: (numbers[file], why) for record, file, why in matches.twins}
            left = _still_left(left, matches)
        for name, (number, why) in twins.items():
            if name not in found and number not in used:
                refused.append(told_apart(name, self.files[number].path, why))
        return self._told(found, refused, moved, data_set)

    def _told(
        self, found: dict[str, int], refused: list[str], moved: list[tuple[str, int]], data_set: PooledFile
    ) -> FoundImages:
        notes: tuple[str, ...] = ()
        if moved:
            name, number = moved[0]
            notes = (
                f"{len(moved)} image{'s' if len(moved) > 1 else ''} found only by the end of the path, in a "
                f"folder of another name: {one_line(name)} is {one_line(self.files[number].path)}"
                + (" ..." if len(moved) > 1 else ""),
            )
        folder = "".join(f"{part}/" for part in data_set.folder)
        has_sisters = len(self._folders_of_sets.get(data_set.source, ())) > 1
        lies_beside = has_sisters and any(
            self.files[n].source == data_set.source
            and self.files[n].folder[: len(data_set.folder)] == data_set.folder
            for n in found.values()
        )
        return FoundImages(found, tuple(refused), notes, folder if lies_beside else "", folder)

    def _by_relative_path(self, names: Sequence[str], data_set: PooledFile) -> dict[str, int]:
        found: dict[str, int] = {}
        used: set[int] = set()
        for spelling in (as_written, plain):
            left = [name for name in names if name not in found]
            paths = self._paths_of(data_set.source, spelling) if left else {}
            for name in left:
                path = joined(data_set.folder, name, spelling)
                numbers = paths.get(path, []) if path else []
                if len(numbers) == 1 and numbers[0] not in used:
                    found[name] = numbers[0]
                    used.add(numbers[0])
        return found

    def _scopes(self, data_set: PooledFile) -> Iterator[list[int]]:
        """Yield where a data set's images may be, the nearest first; no file is in two of them."""
        here = data_set.folder
        groups = self._groups.get(data_set.source, {})
        for depth in range(len(here), -1, -1):
            yield from self._own_part(groups.get(here[:depth], []), data_set)
        for folder, numbers in groups.items():
            if len(folder) > len(here) and folder[: len(here)] == here:
                yield numbers
        alone: list[int] = []
        with_sets: list[int] = []
        for number, file in enumerate(self.files):
            if file.source != data_set.source:
                (with_sets if self._folders_of_sets.get(file.source) else alone).append(number)
        yield alone
        if not data_set.source:
            yield with_sets

    def _own_part(self, numbers: list[int], data_set: PooledFile) -> Iterator[list[int]]:
        """Yield a data set's part: ``instances_val.json`` looks into ``val/`` first, never ``train/``."""
        claimed = self._claimed_folders(data_set.source)
        own = _tokens(data_set) & claimed
        if not own:
            yield numbers
            return
        claims = {
            folder: claimed.intersection(map(_only, folder))
            for folder in {self.files[n].folder for n in numbers}
        }
        yield [n for n in numbers if claims[self.files[n].folder] & own]
        yield [n for n in numbers if not claims[self.files[n].folder]]

    def _claimed_folders(self, source: str) -> set[str]:
        folders = self._folder_names.get(source, set())
        shared = frozenset.intersection(*folders) if folders else frozenset()
        named: set[str] = set().union(*folders)
        return (named - shared) & self._tokens.get(source, set())

    @cached_property
    def _folder_names(self) -> dict[str, set[frozenset[str]]]:
        """The sets of folders, folded, that lie above the files of each source."""
        found: dict[str, set[frozenset[str]]] = defaultdict(set)
        for source, folder in {(file.source, file.folder) for file in self.files}:
            found[source].add(frozenset(map(_only, folder)))
        return found

    @cached_property
    def _known_folders(self) -> frozenset[str]:
        return frozenset(name for sets in self._folder_names.values() for folders in sets for name in folders)

    def _paths_of(self, source: str, spelling: Spelling) -> dict[Parts, list[int]]:
        paths = self._paths.get((source, spelling))
        if paths is None:
            paths = defaultdict(list)
            for number, file in enumerate(self.files):
                if file.source == source:
                    paths[spelling(file.path)].append(number)
            self._paths[source, spelling] = paths = dict(paths)
        return paths

    @cached_property
    def _groups(self) -> dict[str, dict[Parts, list[int]]]:
        """Each source's files by the deepest folder that they share with a data set of the source."""
        above = {
            source: {folder[:depth] for folder in folders for depth in range(len(folder) + 1)}
            for source, folders in self._folders_of_sets.items()
        }
        deepest = max((len(folder) for known in above.values() for folder in known), default=0)
        groups: dict[str, dict[Parts, list[int]]] = defaultdict(lambda: defaultdict(list))
        for number, file in enumerate(self.files):
            shared, known = file.folder[:deepest], above.get(file.source, set())
            while shared and shared not in known:
                shared = shared[:-1]
            groups[file.source][shared].append(number)
        return groups


def _still_left(names: list[str], matches: Matches) -> list[str]:
    return [name for n, name in enumerate(names) if n not in matches.files and n not in matches.ambiguous]


def _tokens(data_set: PooledFile) -> set[str]:
    stem = as_written(data_set.path)[-1].removesuffix(".json")
    return {_only(stem), *map(_only, _TOKENS.findall(stem))}


def _only(part: str) -> str:
    return "/".join(folded(part))
