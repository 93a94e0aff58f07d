"""A data set of another program, on its way to COCO JSON, which is then read as distrustfully as any.

A reader of a format says what it found: images by the paths of their files, categories by name, objects as
rings, masks or boxes, each with its place in the file that it came from. What it cannot take it refuses with
that place. Everything else (ids, sizes, ids that occur twice, images that are missing) is then one story for
all formats, told by :mod:`maskrcnn_core.formats.coco_reader`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.bounds import MAX_KINDS, is_name, is_storable
from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.formats.coco_fields import FAR, OURS
from maskrcnn_core.formats.json_writing import WrittenRows, dump_json, join_members
from maskrcnn_core.geometry.cuts import cut_holes
from maskrcnn_core.geometry.polygons import Polygons
from maskrcnn_core.geometry.rle import Rle

__all__ = ["Draft"]

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_OTHER_REASONS = "more of other kinds"
_PLACE = re.compile(r"annotations\[(\d+)\]")
_Points = Sequence[Sequence[float]] | npt.NDArray[np.float64]


class _Told:
    """What is to be said of many places, each reason once: with its count and its first place."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[str, str]] = {}
        self._counts = Counter[str]()

    def add(self, place: str, reason: str, got: str = "") -> None:
        """Count one place; ``{}`` in the reason stands for what was found there."""
        if reason not in self._first and len(self._first) >= MAX_KINDS:
            reason, got = _OTHER_REASONS, ""
        self._first.setdefault(reason, (place, got))
        self._counts[reason] += 1

    def __len__(self) -> int:
        return self._counts.total()

    def sentences(self) -> tuple[str, ...]:
        """Return one sentence for each reason, in the order in which they came up."""
        found = []
        for reason, (place, got) in self._first.items():
            said = reason.replace("{}", got) if "{}" in reason else f"{reason}, got {got}" if got else reason
            count = self._counts[reason]
            more = f" ({count:,} times, here first)" if count > 1 else ""
            found.append(one_line(f"{place}: {said}{more}"))
        return tuple(found)


class Draft:
    """A data set that is being read.

    Args:
        name: what messages call it: the file, or the folder of its files.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.refusals = _Told()
        self.notes = _Told()
        self.places: list[str] = []
        """Where each annotation came from."""
        self._images: dict[str, dict[str, Json]] = {}
        self._categories: dict[str, dict[str, Json]] = {}
        self._category_ids: set[int] = set()
        self._image_ids: set[int] = set()
        self._annotations = WrittenRows()
        self._whole: bytes | None = None
        self._ids: set[int] = set()

    def __len__(self) -> int:
        return len(self._annotations)

    @property
    def image_names(self) -> tuple[str, ...]:
        """The paths of the images, in the order in which they came up."""
        return tuple(self._images)

    def image(
        self,
        path: str,
        size: tuple[int, int] | None = None,
        *,
        id: int | None = None,
        extra: Mapping[str, Json] | None = None,
    ) -> int:
        """Return the id of the image at a path; it is new unless that came up before.

        Args:
            path: relative to where the data set lies.
            size: height and width, if the file tells them.
            id: in the file; else the next free one.
            extra: what else the file says of it, to be written again.
        """
        row = self._images.get(path)
        if row is None:
            row = {"id": _given_or_free(id, self._image_ids), "file_name": path, **(extra or {})}
            self._images[path] = row
        if size and "width" not in row:
            row["height"], row["width"] = map(int, size)
        return int(row["id"])

    def category(self, name: str, *, id: int | None = None, color: str = "", supercategory: str = "") -> int:
        """Return the id of the category of a name; it is new unless that came up before.

        Args:
            name: as the file has it; a category without a name is "object".
            id: in the file; else the next free one.
            color: ``#rrggbb``; anything else is none.
            supercategory: of a new one.
        """
        name = name if name and is_name(name) and is_storable(name) else "object"
        row = self._categories.get(name)
        if row is None:
            id_ = _given_or_free(id, self._category_ids)
            row = self._categories[name] = {"id": id_, "name": name, "supercategory": supercategory}
            if _COLOR.fullmatch(color):
                row[OURS] = {"colour": color.lower()}
        return int(row["id"])

    def rings(
        self,
        place: str,
        image: int,
        category: int,
        parts: Sequence[_Points],
        *,
        holes: Sequence[_Points] = (),
        **facts: Json,
    ) -> None:
        """Add an object with outlines in float pixels, corners being whole numbers.

        Args:
            place: in its file, for messages.
            image, category: their ids.
            parts: each ``[[x, y], ...]``.
            holes: likewise, of any part.
            facts: as :meth:`mask` takes them.
        """
        flat: list[list[float]] = []
        try:
            outer = [_ring(part) for part in parts]
            inner = [_ring(hole) for hole in holes]
            outer = [ring for ring in outer if len(ring) >= 3]
            inner = [ring for ring in inner if len(ring) >= 3]
            if not outer:
                raise ValueError("expected at least 3 points")
            if any(abs(ring).max() >= FAR or np.isnan(ring).any() for ring in (*outer, *inner)):
                raise ValueError("expected finite coordinates")
        except (TypeError, ValueError) as error:
            text = str(error)
            self.refuse(place, text if text.startswith("expected") else "expected points of two numbers each")
            return
        cut = cut_holes(Polygons(tuple(outer), tuple(inner)))
        if cut is None:
            self.note(place, "a hole outside of its outline; it is left out")
            cut = tuple(outer)
        flat = [ring.reshape(-1).tolist() for ring in cut]
        self._add(place, image, category, {"segmentation": flat}, facts)

    def mask(self, place: str, image: int, category: int, mask: Rle, **facts: Json) -> None:
        """Add an object with its pixels.

        Args:
            place, image, category: as :meth:`rings` takes them.
            mask: of the image's size.
            facts: ``score`` in [0, 1], ``id`` of the annotation, ``iscrowd``, ``is_proposal`` where a model
                offers it, and ``attributes``, which are kept.
        """
        if not mask.area:
            self.refuse(place, "expected a mask with pixels, got an empty one")
            return
        rows = {"segmentation": {"size": list(mask.size), "counts": mask.counts}}
        self._add(place, image, category, rows, facts)

    def box(
        self, place: str, image: int, category: int, box: tuple[float, float, float, float], **facts: Json
    ) -> None:
        """Add an object of which only the box is known, x1 y1 x2 y2: a network's heads may fill it."""
        x1, y1, x2, y2 = box
        self._add(place, image, category, {"segmentation": [], "bbox": [x1, y1, x2 - x1, y2 - y1]}, facts)

    def take(self, document: bytes) -> None:
        """Take a file that is COCO JSON already: it is the document."""
        self._whole = document

    def refuse(self, place: str, reason: str, got: str = "") -> None:
        """Count something that cannot be taken."""
        self.refusals.add(place, reason, got)

    def note(self, place: str, reason: str, got: str = "") -> None:
        """Count something that was taken otherwise than it stands there, or left out of what was taken."""
        self.notes.add(place, reason, got)

    def document(self) -> bytes:
        """Return it as COCO JSON."""
        if self._whole is not None:
            return self._whole
        return join_members(
            {
                "images": [dump_json(list(self._images.values()))],
                "annotations": self._annotations.pieces,
                "categories": [dump_json(list(self._categories.values()))],
            }
        )

    def told(self, sentence: str, shown: str = "") -> str:
        """Return a sentence on annotations of :meth:`document` with their places in the original files.

        Args:
            sentence: as it was told of the document.
            shown: what the sentence calls the document, where it begins with that.
        """
        if shown and _PLACE.search(sentence):
            sentence = sentence.removeprefix(f"{shown}: ")

        def place(found: re.Match[str]) -> str:
            number = int(found[1])
            return self.places[number] if number < len(self.places) else found[0]

        return _PLACE.sub(place, sentence)

    def _add(
        self, place: str, image: int, category: int, row: dict[str, Json], facts: Mapping[str, Json]
    ) -> None:
        given = facts.get("id")
        id_ = _given_or_free(given if isinstance(given, int) and given > 0 else None, self._ids)
        row = {"id": id_, "image_id": image, "category_id": category, **row}
        row["iscrowd"] = int(bool(facts.get("iscrowd")))
        if (score := facts.get("score")) is not None:
            row["score"] = score
        if attributes := facts.get("attributes"):
            row["attributes"] = attributes
        if (is_proposal := facts.get("is_proposal")) is not None:
            row[OURS] = {"status": "proposed" if is_proposal else "accepted"}
        self.places.append(one_line(place))
        self._annotations.add(row)


def _given_or_free(given: int | None, taken: set[int]) -> int:
    """Take and return an id: the given one if there is one and it is free, else the next."""
    number = given
    if number is None or number < 0 or number in taken:
        number = len(taken) + 1
        while number in taken:
            number += 1
    taken.add(number)
    return number


def _ring(points: _Points) -> npt.NDArray[np.float64]:
    ring = np.asarray(points, np.float64)
    if ring.size == 0:
        return np.empty((0, 2))
    if ring.ndim == 1:
        ring = ring.reshape(-1, 2)
    if ring.ndim != 2 or ring.shape[1] < 2:
        raise ValueError("expected points of two numbers each")
    ring = ring[:, :2]
    # Formats that close their rings repeat the first point.
    return ring[:-1] if len(ring) > 1 and np.array_equal(ring[0], ring[-1]) else ring
