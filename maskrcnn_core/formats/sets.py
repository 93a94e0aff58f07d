"""Data sets of any format among what was handed in: which files are of which, and what they become.

All but COCO's own become COCO JSON on the way, and are imported as that is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import ImageError
from maskrcnn_core.formats.coco_reading import is_results
from maskrcnn_core.formats.draft import Draft
from maskrcnn_core.formats.label_images import LABEL_IMAGE_READER
from maskrcnn_core.formats.packed import picture_of_bytes
from maskrcnn_core.formats.reader import GivenFile, Surroundings
from maskrcnn_core.formats.recognising import FoundSet, format_of, known_unread, read_sets, why_damaged
from maskrcnn_core.images.pools import PooledFile
from maskrcnn_core.images.reading import frames_in, image_size

__all__ = ["DataSet", "SetFile", "Sorted", "sort_sets", "why_unread"]

_JSON = ".json"


@dataclass(frozen=True)
class SetFile:
    """A file that may be annotations, as it was handed in.

    Args:
        place: where it lies.
        shown: what messages call it.
        data: its bytes.
    """

    place: PooledFile
    shown: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class DataSet:
    """A data set to be imported.

    Args:
        place: where it lies; images are named relative to it.
        shown: what messages call it.
        document: it as COCO JSON.
        draft: how it was read, if it was not COCO JSON before.
        title: of its format.
        has_ids: whether its ids are those of its files.
    """

    place: PooledFile
    shown: str
    document: bytes = field(repr=False)
    draft: Draft | None = None
    title: str = "COCO JSON"
    has_ids: bool = True


@dataclass
class Sorted:
    """What was found.

    Args:
        sets: the data sets.
        results: lists of detections, which are of images that a project has.
        masks: pictures that are masks: their source and path.
        unread: files that are annotations of no format that is read.
    """

    sets: list[DataSet] = field(default_factory=list)
    results: list[SetFile] = field(default_factory=list)
    masks: set[tuple[str, str]] = field(default_factory=set)
    unread: list[SetFile] = field(default_factory=list)


_Loads = Mapping[str, Callable[[], bytes]]
"""What gives the bytes of pictures, by their paths."""


def _slashed(place: PooledFile) -> str:
    return place.path.replace("\\", "/")


class _Pictures(Surroundings):
    """The pictures that a data set may be of, or consist of."""

    def __init__(self, paths: _Loads) -> None:
        self._paths = paths

    @property
    def images(self) -> Sequence[str]:
        return tuple(self._paths)

    def size(self, path: str) -> tuple[int, int] | None:
        load = self._paths.get(path)
        try:
            return None if load is None else image_size(load(), path)
        except ImageError:
            return None

    def values(self, path: str) -> npt.NDArray[np.int64] | None:
        load = self._paths.get(path)
        return None if load is None else picture_of_bytes(load())

    def frames(self, path: str) -> str:
        load = self._paths.get(path)
        try:
            return "" if load is None else frames_in(load(), path)
        except ImageError:
            return ""


def sort_sets(files: Iterable[SetFile], images: Iterable[tuple[PooledFile, Callable[[], bytes]]]) -> Sorted:
    """Tell files apart by their content, and read all data sets that are not COCO JSON.

    Args:
        files: those that may be annotations.
        images: with what gives their bytes.
    """
    found = Sorted()
    of_source: dict[str, list[SetFile]] = defaultdict(list)
    for file in files:
        given = GivenFile(_slashed(file.place), file.data)
        row = format_of(given)
        if row is not None and row.key == "coco":
            found.sets.append(DataSet(file.place, file.shown, file.data))
        elif row is not None:
            of_source[file.place.source].append(file)
        elif is_results(given):
            found.results.append(file)
        else:
            found.unread.append(file)
    pictures: dict[str, dict[str, Callable[[], bytes]]] = defaultdict(dict)
    for place, load in images:
        pictures[place.source][_slashed(place)] = load
    with_sets = {*of_source, *(one.place.source for one in found.sets)}
    # Pictures that came without a data set of their own are anybody's.
    alone = {
        path: load
        for source, paths in pictures.items()
        if source not in with_sets
        for path, load in paths.items()
    }
    for source in dict.fromkeys((*of_source, *pictures)):
        files = of_source.get(source, [])
        _read_source(source, files, {**(alone if files else {}), **pictures.get(source, {})}, found)
    _pair_across(pictures, found)
    return found


def _read_source(source: str, files: Sequence[SetFile], pictures: _Loads, found: Sorted) -> None:
    by_path = {_slashed(file.place): file for file in files}
    given = [GivenFile(path, file.data) for path, file in by_path.items()]
    above = next((file.place.above for file in files), "")
    for one in read_sets(given, _Pictures(pictures), source.rstrip("/")):
        found.masks |= {(source, path) for path in one.masks}
        found.sets.append(_data_set(one, by_path, source, above))


def _pair_across(pictures: Mapping[str, _Loads], found: Sorted) -> None:
    """Find label images that came in another folder than their images."""
    for source, own in pictures.items():
        homes: dict[str, tuple[str, str]] = {}
        loads: dict[str, Callable[[], bytes]] = {}
        for other, paths in pictures.items():
            if other == source or any(one == other for one, _ in found.masks):
                continue
            name = other.rstrip("/").rpartition("/")[2] or "files"
            for path, load in paths.items():
                homes[f"{name}/{path}"] = (other, path)
                loads[f"{name}/{path}"] = load
        photos = {path: load for path, load in own.items() if (source, path) not in found.masks}
        around = _Pictures({**loads, **photos})
        claimed = {path for path in LABEL_IMAGE_READER.claims((), around.images) if path in homes}
        if not claimed or not photos:
            continue
        only = _Pictures(
            {path: load for path, load in {**loads, **photos}.items() if path in claimed | set(photos)}
        )
        for one in read_sets([], only, source.rstrip("/")):
            of_masks = [homes[path] for path in sorted(one.masks) if path in homes]
            found.masks |= set(of_masks)
            shown = next((other.rstrip("/") for other, _ in of_masks if other), "")
            data_set = _data_set(one, {}, source, "")
            found.sets.append(replace(data_set, shown=shown) if shown else data_set)


def _data_set(one: FoundSet, by_path: Mapping[str, SetFile], source: str, above: str) -> DataSet:
    known = by_path.get(one.place)
    place = known.place if known else PooledFile(f"{one.row.key}{_JSON}", source, above)
    if known:
        shown = known.shown
    elif len(one.files) == 1:
        shown = by_path[one.files[0]].shown
    else:
        shown = source.rstrip("/") or one.row.title
    has_ids = {"category id", "image id"} <= one.row.kept
    return DataSet(place, shown, one.draft.document(), one.draft, one.row.title, has_ids)


def why_unread(file: SetFile) -> str:
    """Return what a file is that is annotations of a known kind and not read, or what is wrong with it.

    Empty if that is not known.
    """
    known = known_unread(file.data) or why_damaged(_slashed(file.place), file.data)
    return f"{one_line(file.shown)}: {known}" if known else ""
