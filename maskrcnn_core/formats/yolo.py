"""YOLO's segments, a text file beside each image, and ``data.yaml`` (https://docs.ultralytics.com/datasets/segment/).

A line is a class and the points of one ring, as shares of the image's width and height; holes and further
parts are joined to it by cuts. Lines of four shares are a box: its centre, width and height.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import yaml

from maskrcnn_core.common.bounds import MAX_CATEGORIES
from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.formats.base import Export, Format, Member, named_images
from maskrcnn_core.formats.draft import Draft
from maskrcnn_core.formats.image_files import image_member
from maskrcnn_core.formats.reader import GivenFile, Reader, Surroundings, stem_of, text_of
from maskrcnn_core.formats.shapes import one_ring
from maskrcnn_core.geometry.polygons import Ring

__all__ = ["YOLO"]

_LINE = re.compile(rb"\s*\d{1,6}(?:\s+-?\d*\.?\d+(?:[eE][+-]?\d+)?){4,}\s*")
_NAMES_FILES = ("classes.txt", "obj.names", "_darknet.labels", "classes.names")
_FARTHEST = 4.0
"""Shares of the image's side beyond which a number is no share."""


def _members(export: Export) -> Iterator[Member]:
    numbers = {category.id: number for number, category in enumerate(export.categories)}
    for place, (stem, _, image) in enumerate(named_images(export)):
        part = export.part(image.record.id)
        sides = np.array([image.record.width, image.record.height], np.float64)
        lines = [
            f"{numbers[instance.category_id]} "
            + " ".join(f"{share:.6f}" for share in _shares(one_ring(instance, export.tolerance), sides))
            for instance in image.instances
        ]
        yield Member(
            f"labels/{part}/{stem}.txt", "".join(f"{line}\n" for line in lines).encode("ascii"), image=place
        )
        if export.has_images:
            yield replace(image_member(image, f"images/{part}/{stem}"), image=place)
    used = {export.part(record.id) for record in export.records} or {"train"}
    order: tuple[str, ...] = ("train", "val", "test")
    folders = {part: f"images/{part}" for part in order if part in used}
    # Ultralytics wants both of the first two, whatever is in them.
    first = next(iter(folders.values()))
    folders = {"train": first, "val": first} | folders
    names = {numbers[category.id]: category.name for category in export.categories}
    document = {**folders, "names": names}
    text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    yield Member("data.yaml", text.encode("utf-8", "replace"))


def _shares(ring: Ring, sides: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a ring's points as shares of six digits, rounded up.

    Ultralytics and others cut off the decimals of a point in pixels: 0.083333 of 60 would be 4, not 5.
    """
    # What lies above a digit by no more than floats err stays there.
    return np.ceil(np.round(ring / sides * 1e6, 4)).ravel() / 1e6


def _recognise(file: GivenFile) -> bool:
    name = PurePosixPath(file.path).name.casefold()
    if file.suffix in (".yaml", ".yml"):
        return re.search(rb"^\s*['\"]?names['\"]?\s*:", file.data, re.MULTILINE) is not None
    if name in _NAMES_FILES:
        return True
    lines = file.data[:65536].splitlines()[: 20 if len(file.data) > 65536 else None]
    wanted = [line for line in lines if line.strip(b" \t\xef\xbb\xbf")]
    # An empty file says of the image beside it that there is nothing in it. A bad line must not cost the
    # others: it is named when it is read.
    right = sum(_LINE.fullmatch(line.removeprefix(b"\xef\xbb\xbf")) is not None for line in wanted)
    is_among_labels = any(part.casefold() == "labels" for part in file.folder.split("/"))
    return 2 * right >= len(wanted) or is_among_labels


def _read(files: Sequence[GivenFile], surroundings: Surroundings, draft: Draft) -> None:
    labels = [
        file
        for file in files
        if file.suffix == ".txt" and PurePosixPath(file.path).name.casefold() not in _NAMES_FILES
    ]
    by_stem: dict[str, list[str]] = {}
    for path in surroundings.images:
        by_stem.setdefault(stem_of(path), []).append(path)
    told = {file.folder: _names(file, draft) for file in files if file not in labels}
    names_of = {folder: names for folder, names in told.items() if names}
    if not any(file.data.strip() for file in labels):
        labels = []
    for listed in names_of.values():
        for number, name in listed.items():
            draft.category(name, id=number)
    for file in sorted(labels, key=lambda file: file.path):
        found = _image_of(file, by_stem.get(stem_of(file.path), ()))
        size = surroundings.size(found) if found else None
        if found is None or size is None:
            if file.data.strip():
                what = "there is no image of that name" if found is None else "its image cannot be read"
                draft.refuse(file.path, f"expected shares of an image beside it, but {what}")
            continue
        image = draft.image(found, size)
        names = _nearest(names_of, file.folder)
        for row, line in enumerate(text_of(file).splitlines(), start=1):
            if line.strip():
                _read_line(f"{file.path}: line {row}", line.split(), size, image, names, draft)


def _read_line(
    place: str,
    words: Sequence[str],
    size: tuple[int, int],
    image: int,
    names: Mapping[int, str],
    draft: Draft,
) -> None:
    try:
        number = int(words[0])
        shares = np.array(words[1:], np.float64)
    except (ValueError, IndexError):
        draft.refuse(place, "expected a class and shares of the image's width and height")
        return
    if not 0 <= number < MAX_CATEGORIES:
        draft.refuse(place, f"expected a class from 0 to {MAX_CATEGORIES - 1}", words[0][:20])
        return
    if not (np.abs(shares) <= _FARTHEST).all():
        draft.refuse(place, "expected shares of the image's width and height, from 0 to 1", "larger numbers")
        return
    category = draft.category(names.get(number, f"class {number}"), id=number)
    score = None
    if shares.size % 2:  # predictions of a model end with its score
        score, shares = float(shares[-1]), shares[:-1]
    sides = np.array([size[1], size[0]], np.float64)
    points = shares.reshape(-1, 2) * sides
    if len(points) == 2:
        (x, y), (width, height) = points
        box = (float(x - width / 2), float(y - height / 2), float(x + width / 2), float(y + height / 2))
        draft.box(place, image, category, box, score=score)
    else:
        # Six digits of a share are less than a hundredth of a pixel: whole numbers are meant as such.
        near = np.rint(points)
        points = np.where(np.abs(points - near) <= 1e-6 * sides, near, points)
        draft.rings(place, image, category, [points], score=score)


def _names(file: GivenFile, draft: Draft) -> dict[int, str]:
    """Return the classes' names by number."""
    if file.suffix not in (".yaml", ".yml"):
        lines = text_of(file).splitlines()
        return {number: line.strip() for number, line in enumerate(lines) if line.strip()}
    try:
        document: Json = yaml.safe_load(text_of(file))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        draft.refuse(file.path, f"this is not YAML ({str(error).splitlines()[0]})")
        return {}
    names = document.get("names") if isinstance(document, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        return {}
    return {
        number: str(name)
        for number, name in names.items()
        if isinstance(number, int) and 0 <= number < MAX_CATEGORIES and isinstance(name, str | int | float)
    }


def _nearest(names_of: Mapping[str, Mapping[int, str]], folder: str) -> Mapping[int, str]:
    """Return the names that lie nearest above a folder; the only ones there are, wherever they lie."""
    while True:
        if folder in names_of:
            return names_of[folder]
        if not folder:
            break
        folder = folder.rpartition("/")[0]
    return next(iter(names_of.values())) if len(names_of) == 1 else {}


def _image_of(file: GivenFile, paths: Sequence[str]) -> str | None:
    """Return which image of its stem a file is of: in ``images`` for ``labels``, beside it, or the only."""
    folders = [file.folder]
    parts = file.folder.split("/")
    for place, part in enumerate(parts):
        if part.casefold().startswith("label"):
            folders.insert(0, "/".join([*parts[:place], "images" + part[6:], *parts[place + 1 :]]))
    for folder in folders:
        for path in paths:
            if path.rpartition("/")[0] == folder:
                return path
    return paths[0] if len(paths) == 1 else None


YOLO = Format(
    key="yolo",
    title="YOLO segments",
    suffix=".zip",
    mime="application/zip",
    holds="A text file for each image, in folders by part, and data.yaml: one ring an object, with cuts to "
    "holes and between parts.",
    loses="Scores, ids, crowds' mark.",
    members=_members,
    count=lambda export: len(export.images) * (2 if export.has_images else 1) + 1,
    kept=frozenset({"mask", "overlap", "category name", "order"}),
    reader=Reader(
        suffixes=frozenset({".txt", ".yaml", ".yml", ".names", ".labels"}),
        recognise=_recognise,
        read=_read,
        recognised_as="text files of a class and shares, with data.yaml or classes.txt",
    ),
    used_by="Ultralytics, Roboflow, CVAT, Label Studio",
    brings_images=True,
    judge="ultralytics, supervision, datumaro",
)
