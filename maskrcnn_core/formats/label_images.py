"""Label images: each pixel has the number of its object, as Cellpose, StarDist and scikit-image have them.

They lie beside their images under names that add to theirs (``x_masks.tif``), or in a folder of their own
(``masks/x.tif`` for ``images/x.tif``).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.common.bounds import MAX_INSTANCES
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.formats.coco_fields import whole
from maskrcnn_core.formats.draft import Draft
from maskrcnn_core.formats.packed import picture_of_bytes
from maskrcnn_core.formats.reader import GivenFile, Reader, Surroundings, head_of, stem_of, text_of
from maskrcnn_core.geometry.rle import Rle

__all__ = ["LABEL_IMAGE_READER", "labels_in"]

_FLAT = 0.9
"""Pixels of label images that equal the one to their right: more than this share."""

_ENDINGS = re.compile(
    r"(?i)(?P<stem>.+?)[_\-. ](cp_masks?|seg_masks?|instances?|instance_ids|labels?|label_ids|masks?|seg)$"
)
_CATEGORIES = re.compile(r"(?i)(?P<stem>.+)_categories$")
_FOLDERS = frozenset(
    {
        "gt",
        "instance",
        "instances",
        "label",
        "label_images",
        "labels",
        "mask",
        "masks",
        "pedmasks",
        "segmentation",
    }
)
_EXACT = frozenset({".bmp", ".gif", ".png", ".tif", ".tiff"})
"""Kinds of pictures that keep every number."""

_FULL = (255, 65535)
"""The only value in a picture that says where objects are, but not which."""

_BACKGROUND = frozenset({"background", "unlabeled", "unlabelled"})

_MOST_COLOURS = 1000
"""Pictures of more colours are photographs, whatever their names say."""

_SOFT_VALUES = 8
_SOFT_SHARE = 0.6
"""A picture of at least so many values below 255 and of at least this share of 255 has smoothed edges."""


def _pairs(images: Sequence[str]) -> dict[str, str]:
    """Return of each picture of labels the image that it belongs to, by their names and folders."""
    by_place: dict[tuple[str, str], list[str]] = {}
    for path in images:
        by_place.setdefault((path.rpartition("/")[0], stem_of(path).casefold()), []).append(path)
    found: dict[str, str] = {}
    for path in images:
        if PurePosixPath(path).suffix.casefold() not in _EXACT:
            continue
        stem, folder = stem_of(path), path.rpartition("/")[0]
        ending = _ENDINGS.fullmatch(stem)
        parent = PurePosixPath(folder).name.casefold()
        in_folder = parent in _FOLDERS or parent.endswith(("masks", "labels"))
        stems = [ending["stem"]] if ending else []
        stems += [stem] if in_folder else []
        places = [folder]
        if in_folder:
            above = folder.rpartition("/")[0]
            sisters = {
                other for other, _ in by_place if other.rpartition("/")[0] == above and other != folder
            }
            places = sorted(place for place in sisters if _is_photos(place)) + (
                [above] if above != folder else []
            )
        for own in stems:
            homes = [p for place in places for p in by_place.get((place, own.casefold()), ()) if p != path]
            if homes:
                found[path] = homes[0]
                break
        else:
            # A name that says so finds its image in any folder, if there is only one.
            far = [
                p
                for (_, name), paths in by_place.items()
                for p in paths
                if ending and name == ending["stem"].casefold()
            ]
            if len(far) == 1:
                found[path] = far[0]
    # What is the image of another picture is no picture of labels itself.
    photos = set(found.values())
    return {path: home for path, home in found.items() if path not in photos}


def _is_photos(folder: str) -> bool:
    name = PurePosixPath(folder).name.casefold()
    return name not in _FOLDERS and not name.endswith(("masks", "labels"))


def _category_maps(images: Sequence[str]) -> dict[tuple[str, str], str]:
    """Return the pictures of category ids that our own export has beside those of instances."""
    found = {}
    for path in images:
        if named := _CATEGORIES.fullmatch(stem_of(path)):
            found[path.rpartition("/")[0], named["stem"]] = path
    return found


def _claims(_files: Sequence[GivenFile], images: Sequence[str]) -> Collection[str]:
    pairs = _pairs(images)
    categories = _category_maps(images)
    own = {
        categories[key]
        for path in pairs
        if (key := (path.rpartition("/")[0], re.sub(r"(?i)_instances$", "", stem_of(path)))) in categories
    }
    return [*pairs, *(path for path in own if path not in pairs)]


def _recognise(file: GivenFile) -> bool:
    """Return whether a file is the table of classes that Roboflow puts beside semantic masks."""
    return re.match(r"\s*pixel value\s*,\s*class", head_of(file), re.IGNORECASE) is not None


def _classes_in(file: GivenFile, draft: Draft) -> dict[int, str]:
    """Return the names of classes by their numbers, without the background."""
    names = {}
    for row in csv.reader(io.StringIO(text_of(file), newline="")):
        number = whole(row[0].strip(), 0, 2**16) if len(row) == 2 else None
        name = row[1].strip() if number is not None else ""
        if number is not None and name and name.casefold() not in _BACKGROUND:
            names[number] = name
            draft.category(name)
    return names


def _read_classes(
    path: str, image: int, values: npt.NDArray[np.int64], names: Mapping[int, str], draft: Draft
) -> None:
    """Take the parts of each class in a picture that says which class a pixel is of, but not which object."""
    labels = values[..., 0] if values.ndim == 3 else values
    draft.note(path, "it says classes, and no objects: each connected part of a class is taken as one")
    for number in np.unique(labels).tolist():
        if number not in names:
            if number:
                draft.refuse(path, f"there is no class {number} in the table beside it")
            continue
        parts, count = _separated(labels == number)
        if count > MAX_INSTANCES:
            draft.refuse(path, f"expected at most {MAX_INSTANCES:,} objects", f"{count:,} parts of a class")
            continue
        for part, (rows, columns) in _boxes(parts, range(1, count + 1)):
            crop = np.ascontiguousarray(parts[rows, columns] == part)
            mask = Rle.from_crop(crop, (rows.start, columns.start), labels.shape)
            draft.mask(f"{path}: {number}", image, draft.category(names[number]), mask)


def _read(files: Sequence[GivenFile], surroundings: Surroundings, draft: Draft) -> None:
    tables = {file.folder: _classes_in(file, draft) for file in files}
    pairs = _pairs(surroundings.images)
    categories = _category_maps(surroundings.images)
    used = {*pairs, *pairs.values()}
    for path in surroundings.images:
        is_exact = PurePosixPath(path).suffix.casefold() in _EXACT
        if path not in used and is_exact and _ENDINGS.fullmatch(stem_of(path)):
            draft.refuse(path, "expected an image that it is named after")
    for path, home in pairs.items():
        size = surroundings.size(home)
        values = surroundings.values(path)
        if size is None or values is None:
            draft.refuse(path, "expected a picture of numbers beside an image that can be read")
            continue
        if values.shape[:2] != size:
            got = "{} x {} pixels".format(*values.shape[1::-1])
            draft.refuse(path, f"expected the size of its image, {size[1]} x {size[0]} pixels", got)
            continue
        key = (path.rpartition("/")[0], re.sub(r"(?i)_instances$", "", stem_of(path)))
        classes = surroundings.values(categories[key]) if key in categories else None
        if key in categories and (classes is None or classes.shape != values.shape):
            draft.refuse(categories[key], "expected a picture of the categories' numbers; they are not known")
        elif classes is not None:
            draft.note(categories[key], "it has numbers of categories, and no names")
        if frames := surroundings.frames(path):
            draft.note(path, f"{frames} is read")
        image, names = draft.image(home, size), tables.get(path.rpartition("/")[0])
        if names:
            _read_classes(path, image, values, names, draft)
        else:
            _read_labels(path, image, values, classes, draft)


def _read_labels(
    path: str,
    image: int,
    values: npt.NDArray[np.int64],
    classes: npt.NDArray[np.int64] | None,
    draft: Draft,
) -> None:
    if values.ndim == 3:
        colours = values[..., :3]
        is_grey = (colours == colours[..., :1]).all()
        values = colours[..., 0] if is_grey else colours @ np.array([1, 256, 65536])
        if not is_grey:
            count = len(np.unique(values))
            if count > _MOST_COLOURS:
                draft.refuse(path, "expected a colour for each object", f"{count:,} colours, as in a photo")
                return
            draft.note(path, "a picture of colours; each colour but black is taken as an object")
    if _has_smooth_edges(values):
        draft.note(path, "its edges are smoothed; values from 128 on are taken as objects")
        values = np.where(values >= 128, 255, 0)
    numbers, places = np.unique(values, return_inverse=True)
    labels = places.reshape(values.shape)
    background = int(np.flatnonzero(numbers == 0)[0]) if (numbers == 0).any() else -1
    if len(numbers) - (background >= 0) > MAX_INSTANCES:
        draft.refuse(path, f"expected at most {MAX_INSTANCES:,} objects", f"{len(numbers):,} values")
        return
    found = [n for n in range(len(numbers)) if n != background]
    if len(found) == 1 and int(numbers[found[0]]) in _FULL and background >= 0:
        labels, count = _separated(labels == found[0])
        if count > 1:
            draft.note(path, f"one value for all objects; each of {counted(count, 'connected part')} is one")
        found = list(range(1, count + 1))
        numbers = np.arange(count + 1)
    for number, (rows, columns) in _boxes(labels, found):
        crop = labels[rows, columns] == number
        mask = Rle.from_crop(crop, (rows.start, columns.start), (values.shape[0], values.shape[1]))
        category = _category(classes, rows, columns, crop, draft)
        draft.mask(f"{path}: {int(numbers[number])}", image, category, mask)


def labels_in(data: bytes, pixels: Pixels) -> int | None:
    """Return the largest number in a picture that seems to hold labels; ``None`` if it seems to be an image.

    Args:
        data: the file.
        pixels: it as it is shown, uint8 ``[H, W, 3]``.
    """
    some = pixels[:: max(len(pixels) // 64, 1)]
    if (some[..., :1] != some[..., 1:]).any() or _flat_share(some[..., 0]) <= _FLAT:
        return None
    values = picture_of_bytes(data)
    if values is None or values.ndim != 2 or _flat_share(values) <= _FLAT:
        return None
    numbers = np.unique(values)
    # Numbers follow one another but for objects that were taken away; black and white is a drawing.
    is_counted = len(numbers) > 1 and numbers[0] in (0, 1) and len(numbers) > numbers[-1] // 2
    return int(numbers[-1]) if is_counted else None


def _flat_share(values: npt.NDArray[np.generic]) -> float:
    """Return the share of pixels that equal the one to their right."""
    return float((values[:, 1:] == values[:, :-1]).mean()) if values.shape[1] > 1 else 0.0


def _has_smooth_edges(values: npt.NDArray[np.int64]) -> bool:
    """Return whether a picture is one mask that was resized or drawn with soft edges."""
    if values.max(initial=0) != _FULL[0] or values.min(initial=0) < 0:
        return False
    counts = np.bincount(values.ravel(), minlength=_FULL[0] + 1)[1:]
    is_soft = np.count_nonzero(counts[:-1]) >= _SOFT_VALUES
    return bool(is_soft and counts[-1] >= _SOFT_SHARE * counts.sum())


def _category(
    classes: npt.NDArray[np.int64] | None,
    rows: slice,
    columns: slice,
    crop: npt.NDArray[np.bool_],
    draft: Draft,
) -> int:
    if classes is None or classes.ndim != 2 or classes[rows, columns].shape != crop.shape:
        return draft.category("object")
    value = int(np.bincount(np.clip(classes[rows, columns][crop], 0, 2**20)).argmax())
    return draft.category(f"category {value}", id=value)


def _separated(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], int]:
    """Return the 8-connected parts of a mask, numbered from 1."""
    import cv2

    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return labels.astype(np.int64), count - 1


def _boxes(labels: npt.NDArray[np.int64], wanted: Sequence[int]) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Yield each number with the rows and columns that its pixels lie in."""
    height, width = labels.shape
    most = int(labels.max(initial=0)) + 1
    top, left = np.full(most, height), np.full(most, width)
    bottom, right = np.zeros(most, np.int64), np.zeros(most, np.int64)
    flat = labels.ravel()
    rows, columns = np.divmod(np.arange(flat.size), width)
    np.minimum.at(top, flat, rows)
    np.minimum.at(left, flat, columns)
    np.maximum.at(bottom, flat, rows + 1)
    np.maximum.at(right, flat, columns + 1)
    for number in wanted:
        yield (
            number,
            (slice(int(top[number]), int(bottom[number])), slice(int(left[number]), int(right[number]))),
        )


LABEL_IMAGE_READER = Reader(
    suffixes=frozenset({".csv"}),
    recognise=_recognise,
    read=_read,
    recognised_as="pictures of numbers named after images: x_masks.tif, masks/x.png; classes in _classes.csv",
    claims=_claims,
)
