"""From what a user names for a project (files, folders, globs) to files with their places in a data set."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from maskrcnn_core.batch.planning import absolute, matches_of, refuse_nothing, shown_name
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.imagej import holds_rois
from maskrcnn_core.formats.recognising import ANNOTATION_SUFFIXES
from maskrcnn_core.images.folders import PassedOver, is_litter, tail_of, walk_folder
from maskrcnn_core.images.formats import IMAGE_SUFFIXES

__all__ = ["Gathered", "gather", "refuse_pipe"]

_ZIP = ".zip"
_SUFFIXES = IMAGE_SUFFIXES | ANNOTATION_SUFFIXES


@dataclass(frozen=True)
class Gathered:
    """A file to add to a project.

    Args:
        file: absolute.
        path: relative to the folder that was named, or to the one that all loose files share.
        source: that folder, if a folder was named; else empty.
        above: the end of the path of the folder that ``path`` is relative to.
        name: the image's name in the project: unique.
    """

    file: Path
    path: str
    source: str
    above: str
    name: str

    @property
    def shown(self) -> str:
        """The name that messages use."""
        return shown_name(self.file, self.path)


def gather(named: Iterable[str]) -> tuple[list[Gathered], PassedOver]:
    """Return the files meant, each once: images and annotations in folders, and any file named directly.

    Args:
        named: files, folders (with their sub-folders) and patterns, as
            :func:`maskrcnn_core.batch.find_files` takes them.

    Returns:
        The files, sorted within each folder, and what else is in the folders.

    Raises:
        InputError: if there are no files, or a folder cannot be read.
    """
    texts = list(named)
    folders: list[Path] = []
    loose: list[Path] = []
    for text in texts:
        for match, is_glob in matches_of(text):
            path = absolute(match)
            if os.path.isdir(match):
                folders.append(path)
            elif not (is_glob and is_litter(path.name)):
                loose.append(path)
    folders, loose = list(dict.fromkeys(folders)), list(dict.fromkeys(loose))
    others = PassedOver()
    found = [*_loose(loose)]
    prefixes = _prefixes(folders)
    for folder, prefix in zip(folders, prefixes, strict=True):
        found += _in_folder(folder, prefix, others)
    files = list({one.file: one for one in reversed(found)}.values())[::-1]
    if not any(os.path.lexists(one.file) for one in files):
        refuse_nothing(texts, others.sentence("neither images nor annotations"))
    return files, others


def refuse_pipe(path: Path) -> None:
    """Raise :class:`InputError` for what is there and neither file nor folder: reading it may never end."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(f"{one_line(str(path))}: expected a file or a folder, got a pipe or device")


def _in_folder(folder: Path, prefix: str, others: PassedOver) -> Iterator[Gathered]:
    source, above = str(folder), tail_of(folder)
    for file in sorted(walk_folder(folder, _SUFFIXES, others=others)):
        if file.suffix.casefold() == _ZIP and zipfile.is_zipfile(file) and not holds_rois(file):
            others.see(file)  # it may be as large as all else together: whoever means it names it
            continue
        path = file.relative_to(folder).as_posix()
        yield Gathered(file, path, source, above, prefix + path)


def _loose(files: Sequence[Path]) -> Iterator[Gathered]:
    top = _common([file.parent for file in files])
    counts = Counter(file.name for file in files)
    for file in files:
        path = file.relative_to(top).as_posix() if top else file.as_posix()
        yield Gathered(
            file, path, "", tail_of(top) if top else "", file.name if counts[file.name] == 1 else path
        )


def _prefixes(folders: Sequence[Path]) -> list[str]:
    """Return the prefixes that keep names from several folders apart."""
    if len(folders) == 1:
        return [""]
    if len({folder.name for folder in folders}) == len(folders):
        return [f"{folder.name}/" for folder in folders]
    top = _common([folder.parent for folder in folders])
    return [f"{(folder.relative_to(top) if top else folder).as_posix().lstrip('/')}/" for folder in folders]


def _common(folders: Sequence[Path]) -> Path | None:
    try:
        return Path(os.path.commonpath(folders))
    except ValueError:  # none, or on several Windows drives
        return None
