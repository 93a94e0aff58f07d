"""Folders of images on disk: what lies in them, and which of it a data set's records mean.

Links are followed, to files and to folders, each folder once; so a folder may hold links to images elsewhere.
A name in a data set cannot reach outside: only what a walk through the folder comes upon is ever opened.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import ImageError, InputError
from maskrcnn_core.images.formats import IMAGE_SUFFIXES
from maskrcnn_core.images.kinds import HEAD, other_kind
from maskrcnn_core.images.pools import FoundImages, ImageFinder, ImagePool, PooledFile
from maskrcnn_core.images.spellings import as_written, joined

__all__ = ["FolderImages", "PassedOver", "is_litter", "tail_of", "walk_folder"]

_LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
_JSON = ".json"
_SIDECARS = frozenset({_JSON, ".csv", ".md", ".txt", ".xml", ".yaml", ".yml"})
"""Text beside images, whose first bytes say no more than the suffix."""
_MOST_KINDS = 12


class PassedOver(Counter[str]):
    """How many files of which suffix a walk passed over, each once; :attr:`litter` is counted apart."""

    def __init__(self) -> None:
        super().__init__()
        self.litter = 0
        self._seen: set[Path] = set()
        self._first: dict[str, Path] = {}

    def see(self, path: Path) -> None:
        if path in self._seen:
            return
        self._seen.add(path)
        if is_litter(path.name):
            self.litter += 1
            return
        suffix = path.suffix.casefold()
        self[suffix] += 1
        self._first.setdefault(suffix, path)

    def sentence(self, wanted: str) -> str:
        """Return what was left alone, with the kinds that first bytes tell; empty if that is nothing.

        Args:
            wanted: what the files are not, as ``no images``.
        """
        ordered = sorted(self.items(), key=lambda item: (-item[1], item[0]))
        parts = [self._part(suffix, count) for suffix, count in ordered[:_MOST_KINDS]]
        if ordered[_MOST_KINDS:]:
            parts.append(f"{sum(count for _, count in ordered[_MOST_KINDS:])} of other kinds")
        if self.litter:
            parts.append(f"{self.litter} hidden or the system's own")
        return (
            one_line(f"left alone in the folders because they are {wanted}: {', '.join(parts)}")
            if parts
            else ""
        )

    def _part(self, suffix: str, count: int) -> str:
        kind = None if suffix in _SIDECARS else other_kind(_head(self._first[suffix]))
        text = f"{count} {suffix or 'without a suffix'}"
        if kind is None:
            return text
        return f"{text} ({kind.name})" if count == 1 else f"{text} (the first is {kind.name})"


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError:  # it is named by its suffix alone
        return b""


def walk_folder(
    folder: Path,
    suffixes: Collection[str] = IMAGE_SUFFIXES,
    *,
    skipped: Collection[str] = (),
    others: PassedOver | None = None,
) -> Iterator[Path]:
    """Yield the files with one of these suffixes in a folder and its sub-folders.

    Hidden files and the litter of operating systems are left out, and so are pipes and devices, which may
    never end. Links are followed; a folder that several links lead to is walked once.

    Args:
        folder: absolute.
        suffixes: in lower case, with their dots.
        skipped: real paths of folders that are passed over.
        others: counts the files that are passed over, for their suffix or as litter.

    Raises:
        InputError: if a folder cannot be read.
    """
    seen = set(skipped)
    # Links come last: what lies in the folder itself goes by its own path.
    tops = deque([str(folder)])
    while tops:
        top = tops.popleft()
        if not _is_new(top, seen):
            continue
        for parent, folders, files in os.walk(top, onerror=_refuse):
            paths = [os.path.join(parent, name) for name in folders if not is_litter(name)]
            tops += [path for path in paths if os.path.islink(path)]
            folders[:] = [
                os.path.basename(path) for path in paths if not os.path.islink(path) and _is_new(path, seen)
            ]
            for name in files:
                path = Path(parent, name)
                if not path.is_file():
                    continue
                if path.suffix.casefold() in suffixes and not is_litter(name):
                    yield path
                elif others is not None:
                    others.see(path)


def _is_new(path: str, seen: set[str]) -> bool:
    real = os.path.realpath(path)
    if real in seen:
        return False
    seen.add(real)
    return True


def _refuse(error: OSError) -> None:
    raise InputError(
        f"{one_line(str(error.filename))}: cannot read this folder ({error.strerror}); "
        "change its permissions, or name the other folders"
    ) from error


def is_litter(name: str) -> bool:
    """Return whether a file or folder is hidden, or left there by an operating system."""
    return name.startswith(".") or name.casefold() in _LITTER


def tail_of(folder: Path) -> str:
    """Return the end of a folder's own path, for :attr:`maskrcnn_core.images.pools.PooledFile.above`."""
    return "/".join(folder.absolute().parts[1:][-3:])


class FolderImages(ImageFinder):
    """The images of one data set in the folder that was named for them.

    Args:
        folder: of the images.
        data_set: the data set's own file, in that folder or elsewhere.
    """

    def __init__(self, folder: Path, data_set: Path) -> None:
        self.folder = folder.absolute()
        self._data_set = data_set.absolute()
        self.paths: dict[str, Path] = {}

    def expect(self, names: Sequence[str]) -> FoundImages:
        """Pair names with files; :attr:`paths` then has a path for each name that has a file.

        Raises:
            InputError: if a sub-folder cannot be read.
        """
        self.paths = self._at_once(names)
        if len(self.paths) == len(names):
            return FoundImages({name: number for number, name in enumerate(names)})
        files: list[Path] = []
        data_sets: list[Path] = []
        for path in sorted(walk_folder(self.folder, IMAGE_SUFFIXES | {_JSON})):
            (data_sets if path.suffix.casefold() == _JSON else files).append(path)
        source, above = str(self.folder), tail_of(self.folder)

        def pooled(path: Path) -> PooledFile:
            return PooledFile(path.relative_to(self.folder).as_posix(), source, above)

        pool = ImagePool([pooled(path) for path in files], [pooled(path) for path in data_sets])
        is_inside = self._data_set.is_relative_to(self.folder)
        own = pooled(self._data_set) if is_inside else PooledFile(self._data_set.name)
        found = pool.find(names, own)
        self.paths = {name: files[number] for name, number in found.files.items()}
        return found

    def read(self, name: str) -> bytes | None:
        path = self.paths.get(name)
        if path is None:
            return None
        try:
            return path.read_bytes()
        except OSError as error:
            raise ImageError(
                f"{one_line(name)}: cannot read {one_line(str(path))} ({error.strerror or error})"
            ) from error

    def _at_once(self, names: Sequence[str]) -> dict[str, Path]:
        """Return all files if each is exactly where the data set says: then no walk is needed."""
        base = self._data_set.parent if self._data_set.is_relative_to(self.folder) else self.folder
        here = base.relative_to(self.folder).parts
        found: dict[str, Path] = {}
        for name in names:
            parts = joined(here, name, as_written)
            try:
                path = self.folder.joinpath(*parts) if parts else None
                if path is None or not path.is_file():
                    break
            except (OSError, ValueError):  # a name that no system takes
                break
            found[name] = path
        return found if len(set(found.values())) == len(names) else {}
