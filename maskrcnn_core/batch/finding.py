"""From what a person names (files, folders, globs) to a list of images with ids and file names."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.base import file_stem
from maskrcnn_core.images import IMAGE_SUFFIXES, one_line

__all__ = ["PlannedImage", "find_files", "plan_images"]

_LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
_MAX_ID = 2**53  # JSON readers that know only floats hold whole numbers up to here


@dataclass(frozen=True)
class PlannedImage:
    """One file that is to be annotated.

    Args:
        id: the image's, unique.
        path: absolute.
        file_name: relative to the folder that all files share, with ``/``; unique.
        stem: a safe file stem for what is written of this image, unique also where case is ignored.
    """

    id: int
    path: Path
    file_name: str
    stem: str


def find_files(named: Iterable[str | Path], *, outputs: Sequence[Path] = ()) -> list[Path]:
    """The files that are meant, as absolute paths, sorted, each file once (links are followed to tell).

    Args:
        named: files, which are taken whatever they look like, also if they are not there (then their
            turn tells why); folders, of which all sub-folders' files with an image's suffix are taken,
            hidden ones and the litter of operating systems left out; globs, which match as in a shell,
            ``**`` being any number of folders.
        outputs: folders that will be written into: what lies in them is not picked up from folders.

    Raises:
        InputError: if not one file is there, if a folder cannot be read, or is itself an output.
    """
    texts = [str(name) for name in named]
    skipped = {os.path.realpath(folder) for folder in outputs}
    found: set[Path] = set()
    for name in texts:
        # A file may be called "cat[1].jpg": what is there goes before what it could match.
        is_glob = glob.has_magic(name) and not os.path.lexists(name)
        for match in (glob.glob(name, recursive=True) if is_glob else []) or [name]:
            if os.path.isdir(match):
                found.update(_walk(_absolute(match), skipped))
            elif not (is_glob and _is_litter(os.path.basename(match))):
                found.add(_absolute(match))
    by_real_path: dict[str, Path] = {}
    for path in sorted(found):
        by_real_path.setdefault(os.path.realpath(path), path)
    files = list(by_real_path.values())
    if not any(os.path.lexists(path) for path in files):
        where = ", ".join(one_line(text) for text in texts[:3]) + (" ..." if len(texts) > 3 else "")
        raise InputError(
            f"no images found in {where or 'nothing'}, or there is no such file; name image files, "
            f"folders that hold some ({', '.join(sorted(IMAGE_SUFFIXES))}), or patterns in quotes"
        )
    return files


def plan_images(files: Sequence[Path]) -> tuple[PlannedImage, ...]:
    """Gives each file its image id, file name and stem.

    COCO names its files by their ids, as ``000000000139.jpg``: where the stems of all files are such
    numbers, all different, they are the ids. Else the files are counted from 1.
    """
    ids = [_number(path.stem) for path in files]
    if None in ids or len(set(ids)) < len(ids):
        ids = list(range(1, len(files) + 1))
    names = _names_below_common_folder(files)
    stems = [file_stem(name) for name in names]
    count = Counter(stem.casefold() for stem in stems)
    taken = {stem.casefold() for stem in stems}
    plan = []
    for image_id, path, name, stem in zip(ids, files, names, stems, strict=True):
        if count[stem.casefold()] > 1:
            stem = f"{stem}_{image_id}"
            while stem.casefold() in taken:
                stem += "_"
            taken.add(stem.casefold())
        plan.append(PlannedImage(image_id or 0, path, name, stem))
    return tuple(plan)


def _walk(folder: Path, skipped: set[str]) -> Iterator[Path]:
    if os.path.realpath(folder) in skipped:
        raise InputError(
            f"{one_line(str(folder))}: it would be read from and written into; choose another output folder"
        )
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [
            name
            for name in folders
            if not _is_litter(name) and os.path.realpath(os.path.join(parent, name)) not in skipped
        ]
        for name in files:
            path = Path(parent, name)
            # A pipe or a device in a folder may never end; named outright it is refused by name.
            if not _is_litter(name) and path.suffix.casefold() in IMAGE_SUFFIXES and path.is_file():
                yield path


def _refuse(error: OSError) -> None:
    raise InputError(
        f"{one_line(str(error.filename))}: cannot read this folder ({error.strerror}); "
        "give yourself the right to, or name the other folders"
    ) from error


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _LITTER


def _absolute(name: str) -> Path:
    path = Path(name)
    if path.name in ("", ".", ".."):
        return Path(os.path.realpath(path))
    # "link/../a.jpg" is beside where the link points to; the file's own name stays as it is.
    parent = os.path.realpath(path.parent) if ".." in path.parts else os.path.abspath(path.parent)
    return Path(parent, path.name)


def _names_below_common_folder(files: Sequence[Path]) -> list[str]:
    try:
        common = Path(os.path.commonpath([path.parent for path in files]))
    except ValueError:  # on several Windows drives
        return [path.as_posix() for path in files]
    return [path.relative_to(common).as_posix() for path in files]


def _number(stem: str) -> int | None:
    if not (stem.isascii() and stem.isdigit() and len(stem) <= 20):
        return None
    number = int(stem)
    return number if 0 < number < _MAX_ID else None
