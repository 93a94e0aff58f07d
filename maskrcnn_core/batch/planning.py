"""From what a person names (files, folders, globs) to a list of images with ids and file names."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from maskrcnn_core.dataset.annotations import ids_from_names
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.base import file_stem
from maskrcnn_core.images.folders import PassedOver, is_litter, walk_folder
from maskrcnn_core.images.reading import IMAGE_SUFFIXES, one_line
from maskrcnn_core.slides.opening import SLIDE_SUFFIXES

__all__ = [
    "PlannedImage",
    "absolute",
    "find_files",
    "matches_of",
    "plan_images",
    "refuse_nothing",
    "shown_name",
]


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

    @property
    def shown(self) -> str:
        """What messages call it."""
        return shown_name(self.path, self.file_name)


def find_files(
    named: Iterable[str | Path], *, outputs: Sequence[Path] = (), others: PassedOver | None = None
) -> list[Path]:
    """Return the files meant, as sorted absolute paths, each file once (links are followed to tell).

    Args:
        named: files, which are taken whatever they look like, also if they are not there (then their
            turn tells why); folders, of which all sub-folders' files with an image's suffix are taken,
            hidden ones and the litter of operating systems left out; globs, which match as in a shell,
            ``**`` being any number of folders.
        outputs: folders that will be written into: what lies in them is not picked up from folders.
        others: counts what lies in the folders and is left alone.

    Raises:
        InputError: if not one file is there, if a folder cannot be read, or is itself an output.
    """
    texts = [str(name) for name in named]
    skipped = {os.path.realpath(folder) for folder in outputs}
    found: set[Path] = set()
    others = PassedOver() if others is None else others
    for name in texts:
        for match, is_glob in matches_of(name):
            if os.path.isdir(match):
                found.update(_walk(absolute(match), skipped, others))
            elif not (is_glob and is_litter(os.path.basename(match))):
                found.add(absolute(match))
    by_real_path: dict[str, Path] = {}
    for path in sorted(found):
        by_real_path.setdefault(os.path.realpath(path), path)
    files = list(by_real_path.values())
    if not any(os.path.lexists(path) for path in files):
        refuse_nothing(texts, others.sentence("not images"))
    return files


def matches_of(name: str) -> Iterator[tuple[str, bool]]:
    """Return what a name or a pattern matches, and whether it is a pattern.

    One without a match stands for itself.
    """
    # A file may be called "cat[1].jpg": what is there goes before what it could match.
    is_glob = glob.has_magic(name) and not os.path.lexists(name)
    for match in (glob.glob(name, recursive=True) if is_glob else []) or [name]:
        yield match, is_glob


def shown_name(path: Path, name: str) -> str:
    """Return what messages call a file of this absolute path, which is named below a folder that files share.

    Where they share no more than the root, that name would read as one below the present folder: then it is
    the whole path.
    """
    return str(path) if f"{Path(path.anchor).as_posix()}{name}" == path.as_posix() else name


def refuse_nothing(texts: Sequence[str], left: str = "") -> NoReturn:
    """Raise an error: there is nothing at the places that were named.

    Args:
        texts: what was said.
        left: a sentence on what is there and was left alone.

    Raises:
        InputError: always.
    """
    suffixes = ", ".join(sorted(IMAGE_SUFFIXES | SLIDE_SUFFIXES))
    where = ", ".join(one_line(text) for text in texts[:3]) + (" ..." if len(texts) > 3 else "")
    raise InputError(
        f"no images found in {where or 'nothing'}{f'; {left}' if left else ', or there is no such file'}; "
        f"name image files, folders that contain some ({suffixes}), or patterns in quotes"
    )


def plan_images(files: Sequence[Path]) -> tuple[PlannedImage, ...]:
    """Give each file its image id, file name and stem.

    COCO names its files by their ids, as ``000000000139.jpg``: where the stems of all files are such
    numbers, all different, they are the ids. Else the files are counted from 1.
    """
    ids = ids_from_names([path.name for path in files]) or range(1, len(files) + 1)
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
        plan.append(PlannedImage(image_id, path, name, stem))
    return tuple(plan)


def _walk(folder: Path, skipped: set[str], others: PassedOver) -> Iterator[Path]:
    if os.path.realpath(folder) in skipped:
        raise InputError(
            f"{one_line(str(folder))}: this folder would be both read and written; choose another output "
            "folder"
        )
    yield from walk_folder(folder, IMAGE_SUFFIXES | SLIDE_SUFFIXES, skipped=skipped, others=others)


def absolute(name: str) -> Path:
    """Return a path from the root on, with the file's own name as it is."""
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
