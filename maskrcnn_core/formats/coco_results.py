"""Reads detections to compare with a ground truth, by the hundred thousand.

Rows of the results form are read some at a time. Those that are as they should be, which is nearly all, are
checked as columns; the others one by one by :mod:`~maskrcnn_core.formats.coco_reader`, which finds what can
be used of them and says what cannot.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.json_rows import Json, JsonRows, read_json_rows
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.common.refusals import Groups
from maskrcnn_core.dataset.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.dataset.category_maps import Joined, join_categories
from maskrcnn_core.dataset.columns import Columns
from maskrcnn_core.errors import DatasetError, InputError
from maskrcnn_core.formats.coco_fields import FAR, NUMBERS
from maskrcnn_core.formats.coco_file import CocoFile, GivenBox
from maskrcnn_core.formats.coco_reader import Refusal, read_coco_file, read_result_rows
from maskrcnn_core.geometry.polygons import EdgeBudget
from maskrcnn_core.geometry.rle_codes import measure
from maskrcnn_core.images.matching import NamedFile, match_names

__all__ = ["Results", "read_results_file", "result_lines"]


@dataclass(frozen=True, eq=False)
class Results:
    """Detections for a data set.

    Args:
        joined: the ground truth that they are compared with, its categories joined with theirs.
        found: those that can be compared, in the file's order; of a data set file, boxes without a mask last.
        refusals: what cannot be compared, by name; in the file's order.
        rows: all that the file holds.
        strangers: well-formed rows of images or categories that the ground truth does not have, or with a
            mask of another size than their image; without masks. Only of the results form.
        unknown_images: detections by the id, or file name, of an image that the ground truth does not have.
        unknown_categories: likewise of categories.
        other_sizes: how many have a mask of another size than their image.
        has_boxes: whether the first row has a box, which is what makes stock ``loadRes`` size by boxes.
        notes: what had to be repaired: one sentence with a count for each kind.
    """

    joined: Joined
    found: Columns
    refusals: tuple[Refusal, ...]
    rows: int
    strangers: Columns
    unknown_images: Mapping[str, int]
    unknown_categories: Mapping[str, int]
    other_sizes: int = 0
    has_boxes: bool = False
    notes: tuple[str, ...] = ()


def read_results_file(file: Path, dataset: Dataset, pairs: Sequence[str] = ()) -> Results:
    """Read detections for a data set: the results form, or a data set file whose names match.

    Images of a data set file are matched by their names as :mod:`maskrcnn_core.images.matching` tells,
    categories by name, as the two files may number them differently.

    Args:
        file: to read.
        dataset: the ground truth.
        pairs: categories that are the same, as :func:`~maskrcnn_core.dataset.category_maps.join_categories`
            takes them. Detections in the results form have the ground truth's names, and the ids of others.

    Raises:
        InputError: if the file cannot be read, or is neither; if a pair names no category.
    """
    shown = one_line(str(file))
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(
            f"{shown}: cannot read this file ({error.strerror}); check that it exists and may be read"
        ) from error
    try:
        document = read_json_rows(data)
        if isinstance(document, JsonRows):
            budget = EdgeBudget()
            budget.earn(len(data))
            return _read_list(document.batches(), dataset, pairs, budget)
        other = read_coco_file(data)
    except DatasetError as error:
        raise InputError(f"{shown}: {error}") from error
    names = [row.value.name for row in other.categories]
    return _translate(other, join_categories(dataset, names, pairs))


def _read_list(
    batches: Iterator[list[Json]], truth: Dataset, pairs: Sequence[str], budget: EdgeBudget
) -> Results:
    dataset = _with_numbers(truth, pairs)
    table = _Table(dataset)
    parts, strangers = [], []
    refusals: list[Refusal] = []
    mends, done, other_sizes, has_boxes = Groups(), 0, 0, False
    for batch in batches:
        if not done:
            has_boxes = isinstance(batch[0], dict) and bool(batch[0].get("bbox"))
        checked = _Checked(batch, table)
        slow = np.flatnonzero(~checked.good).tolist()
        parts.append(checked.columns)
        if slow:
            kept, boxes, refused, mended = read_result_rows([batch[index] for index in slow], dataset, budget)
            moved = partial(_renumbered, rows=slow, before=done)
            refusals += map(moved, refused)
            mends.take_in(mended, moved)
            places = [slow[index] for index, _ in (*kept, *boxes)]
            parts[-1] = _merged(checked, places, [one for _, one in kept], [one for _, one in boxes])
            strangers.append(checked.strangers)
            used = set(places)
            strangers += _listed_strangers([batch[n] for n in slow if n not in used], table)
            other_sizes += checked.other_sizes
        done += len(batch)
    joined = join_categories(truth, [category.name for category in dataset.categories], pairs)
    found, unknown = Columns.joined(parts), Columns.joined(strangers)
    # Without pairs ids stay: two categories may have one name.
    ids = {c.id: joined.ids[c.name] if pairs else c.id for c in dataset.categories}
    found = found.with_ids(found.image_ids, _translated(found.category_ids, ids))
    return Results(
        joined,
        found,
        tuple(refusals),
        done,
        unknown,
        _unknown(unknown.image_ids, [image.id for image in dataset.images]),
        _unknown(unknown.category_ids, list(ids)),
        other_sizes,
        has_boxes,
        mends.sentences(),
    )


def _with_numbers(truth: Dataset, pairs: Sequence[str]) -> Dataset:
    """Return the ground truth with one more category for each foreign id whose meaning a pair gives."""
    known = {text for category in truth.categories for text in (category.name, str(category.id))}
    numbers = {part.strip() for pair in pairs for part in pair.split("=")} - known
    more = tuple(Category(int(text), text) for text in sorted(numbers) if text.isdecimal())
    return replace(truth, categories=truth.categories + more)


def _translated(ids: npt.NDArray[np.int64], new: Mapping[int, int]) -> npt.NDArray[np.int64]:
    if all(old == now for old, now in new.items()):
        return ids
    kinds, places = np.unique(ids, return_inverse=True)
    return np.array([new[id_] for id_ in kinds.tolist()], np.int64)[places]


def _unknown(ids: npt.NDArray[np.int64], known: Sequence[int]) -> dict[str, int]:
    kinds, numbers = np.unique(ids[~np.isin(ids, known)], return_counts=True)
    return {str(id_): number for id_, number in zip(kinds.tolist(), numbers.tolist(), strict=True)}


def _translate(file: CocoFile, joined: Joined) -> Results:
    """Return detections of a data set file under the ground truth's ids."""
    other = file.dataset()
    ones: list[Instance | GivenBox] = [*other.instances, *(row.value for row in file.boxes)]
    matches = match_names(
        [image.file_name for image in other.images],
        [NamedFile(image.file_name) for image in joined.truth.images],
    )
    places = {other.images[theirs].id: joined.truth.images[ours] for theirs, ours in matches.files.items()}
    images = {image.id: image for image in other.images}
    names = {category.id: category.name for category in other.categories}
    found: list[Instance] = []
    boxes: list[GivenBox] = []
    refused = list(file.refusals)
    unknown_images, unknown_categories, other_sizes = Counter[str](), Counter[str](), 0
    for index, one in enumerate(ones):
        file_name, name = images[one.image_id].file_name, names[one.category_id]
        image, category_id = places.get(one.image_id), joined.ids.get(name)
        if image is None or category_id is None:
            what = "image" if image is None else "category"
            (unknown_categories if image else unknown_images).update([name if image else file_name])
            refused.append(Refusal(f"annotations[{index}]", f"its {what} is not in the ground truth"))
        elif isinstance(one, GivenBox):
            boxes.append(replace(one, image_id=image.id, category_id=category_id))
        elif image.size != one.mask.size:
            other_sizes += 1
            reason = f"expected a mask of {image.size}, got {one.mask.size}"
            refused.append(Refusal(f"annotations[{index}]", reason))
        else:
            found.append(replace(one, image_id=image.id, category_id=category_id, is_crowd=False))
    return Results(
        joined,
        Columns.joined([Columns.of(found), _columns_of(boxes)]),
        tuple(refused),
        len(ones) + len(file.refusals),
        Columns.of(()),
        unknown_images,
        unknown_categories,
        other_sizes,
        notes=file.notes,
    )


class _Table:
    """A data set's images and categories, to look up many ids at once."""

    def __init__(self, dataset: Dataset) -> None:
        images = sorted(dataset.images, key=lambda image: image.id)
        self.image_ids = np.array([image.id for image in images], np.int64)
        self.sizes = np.array([image.size for image in images], np.int64).reshape(-1, 2)
        self.category_ids = np.sort(np.array([category.id for category in dataset.categories], np.int64))

    def sizes_of(self, image_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return int64 ``[N, 2]``, height and width of each image; 0 of those that are not there."""
        if not self.image_ids.size:
            return np.zeros((image_ids.size, 2), np.int64)
        place = np.minimum(np.searchsorted(self.image_ids, image_ids), self.image_ids.size - 1)
        return np.where((self.image_ids[place] == image_ids)[:, None], self.sizes[place], 0)


class _Checked:
    """Some rows of the results form, those that are as they should be as columns.

    ``good`` tells for each row whether it is one of them; ``places`` are the indices of those that are.
    """

    def __init__(self, batch: Sequence[Json], table: _Table) -> None:
        plain = [(index, values) for index, row in enumerate(batch) if (values := _plain(row))]
        self.good = np.zeros(len(batch), np.bool_)
        self.other_sizes = 0
        try:
            integers, numbers = _arrays(plain)
        except OverflowError:  # whole numbers of JSON have no bounds
            plain = [(n, v) for n, v in plain if not any(abs(x) > 2**53 for x in (*v[:4], *v[4]))]
            integers, numbers = _arrays(plain)
        image_ids, category_ids, heights, widths = integers
        texts = [values[5] for _, values in plain]
        places = np.array([index for index, _ in plain], np.intp)
        # A missing box is NaN in all places, and is the mask's.
        has_box = np.isnan(numbers[:, 1:]).sum(axis=1) < 4
        given = np.column_stack([numbers[:, 0], np.where(has_box[:, None], numbers[:, 1:], 0)])
        bounded = (np.abs(given) < FAR).all(axis=1)
        given[~bounded] = 0  # their areas may be beyond all floats
        sized = (np.minimum(heights, widths) > 0) & (np.maximum(heights, widths) < 2**16)
        is_mask, areas, own_boxes = measure(texts, np.where(sized, heights, 1), np.where(sized, widths, 1))
        is_box = np.array([not text for text in texts], np.bool_)
        fine = bounded & np.where(is_box, (numbers[:, 3:] > 0).all(axis=1), sized & is_mask)
        sizes = table.sizes_of(image_ids)
        known = (sizes[:, 0] > 0) & np.isin(category_ids, table.category_ids)
        fits = is_box | ((sizes[:, 0] == heights) & (sizes[:, 1] == widths))
        self.other_sizes = int((known & ~fits).sum())
        rows = Columns(
            image_ids,
            category_ids,
            numbers[:, 0],
            np.where(has_box[:, None], numbers[:, 1:], own_boxes),
            np.where(is_box, given[:, 3] * given[:, 4], areas),
            np.full(len(plain), np.nan),
            np.zeros(len(plain), np.bool_),
            texts,
        )
        chosen, strange = fine & known & fits, fine & ~(known & fits)
        self.columns = rows.take(chosen)
        self.places = places[chosen]
        self.good[self.places] = True
        self.strangers = replace(rows.take(strange), counts=[""] * int(strange.sum()))


def _listed_strangers(refused: Sequence[Json], table: _Table) -> tuple[Columns, Columns]:
    """Return the boxes of refused rows whose run lengths are a list, whatever image they fit."""
    listed = [row for row in refused if isinstance(row, dict) and isinstance(row.get("segmentation"), dict)]
    listed = [row for row in listed if isinstance(row["segmentation"].get("counts"), list)]
    boxes = _Checked([row | {"segmentation": None} for row in listed], table)
    return boxes.columns, boxes.strangers


def _arrays(plain: Sequence[tuple[int, _Plain]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    integers = np.array([values[:4] for _, values in plain], np.int64).reshape(-1, 4).T
    return integers, np.array([values[4] for _, values in plain], np.float64).reshape(-1, 5)


_Plain = tuple[int, int, int, int, tuple[float, ...], str]
_NO_BOX = (float("nan"),) * 4


def _plain(row: Json) -> _Plain | None:
    """Return image, category, height, width; score and box; run lengths: of a row as nearly all are.

    Of a box without a mask the run lengths are empty, and height and width 1.
    """
    try:
        mask, box = row.get("segmentation"), row.get("bbox")
        is_box = box is not None and (mask is None or mask == [])
        (height, width), counts = ((1, 1), "") if is_box else (mask["size"], mask["counts"])
        if not (counts or is_box):
            return None
        numbers = (row["score"], *(_NO_BOX if box is None else box))
        values = (row["image_id"], row["category_id"], height, width, numbers, counts)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    kinds = (*map(type, values[:4]), type(values[5]))
    is_plain = kinds == _KINDS and len(numbers) == 5 and NUMBERS.issuperset(map(type, numbers))
    return values if is_plain else None


_KINDS = (int, int, int, int, str)


def _merged(
    checked: _Checked, places: Sequence[int], instances: Sequence[Instance], boxes: Sequence[GivenBox]
) -> Columns:
    """Return the rows checked as columns, and those read one by one at their places, in the file's order."""
    joined = Columns.joined([checked.columns, Columns.of(instances), _columns_of(boxes)])
    return joined.take(np.argsort(np.concatenate([checked.places, np.array(places, np.intp)]), kind="stable"))


def _columns_of(boxes: Sequence[GivenBox]) -> Columns:
    corners = np.array([one.box for one in boxes], np.float64).reshape(-1, 4)
    sides = corners[:, 2:] - corners[:, :2]
    return Columns(
        np.array([one.image_id for one in boxes], np.int64),
        np.array([one.category_id for one in boxes], np.int64),
        np.array([1.0 if one.score is None else one.score for one in boxes], np.float64),
        np.hstack([corners[:, :2], sides]),
        sides.prod(axis=1),
        np.full(len(boxes), np.nan),
        np.zeros(len(boxes), np.bool_),
        [""] * len(boxes),
    )


def _renumbered(refusal: Refusal, rows: Sequence[int], before: int) -> Refusal:
    """Return a refusal that names its row in the file, not in the rows that were read one by one."""
    start, bracket, rest = refusal.place.partition("[")
    number, closed, end = rest.partition("]")
    if not closed or not number.isdigit():
        return refusal
    return replace(refusal, place=f"{start}{bracket}{before + rows[int(number)]}{closed}{end}")


def result_lines(found: Columns, images: Sequence[ImageRecord]) -> Iterator[str]:
    """Yield detections in the results form, a line for each.

    Boxes without a mask have no ``segmentation``.
    """
    sizes = {image.id: list(image.size) for image in images}
    values = zip(
        found.image_ids.tolist(),
        found.category_ids.tolist(),
        found.counts,
        found.boxes.tolist(),
        found.scores.tolist(),
        strict=True,
    )
    yield "["
    for number, (image_id, category_id, counts, box, score) in enumerate(values, start=1):
        row = {
            "image_id": image_id,
            "category_id": category_id,
            **({"segmentation": {"size": sizes[image_id], "counts": counts}} if counts else {}),
            "bbox": box,
            "score": score,
        }
        yield json.dumps(row) + ("," if number < len(found) else "")
    yield "]"
