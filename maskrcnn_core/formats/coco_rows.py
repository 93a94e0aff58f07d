"""Single rows of COCO JSON: an image, a category, an annotation, each with what had to be repaired in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import TypeVar

from maskrcnn_core.common.bounds import (
    MAX_EXTRA_ROW_VALUES,
    MAX_EXTRA_VALUES,
    MAX_IMAGE_PIXELS,
    MAX_NAME,
    is_name,
)
from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.common.refusals import Groups, kind
from maskrcnn_core.dataset.annotations import ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.coco_fields import (
    FieldError,
    Ids,
    clean,
    id_key,
    is_storable,
    is_turned,
    number,
    numbers_of_texts,
    ours_of,
    read_area,
    read_box,
    read_crowd,
    required_name,
    whole,
)
from maskrcnn_core.formats.coco_file import GivenBox
from maskrcnn_core.formats.coco_plain import Annotation, read_plain
from maskrcnn_core.formats.coco_segmentation import holds_nothing, read_segmentation
from maskrcnn_core.geometry.polygons import EdgeBudget
from maskrcnn_core.images.guards import MAX_MEGAPIXELS_SETTING, pixel_limit
from maskrcnn_core.images.seen import are_lengths
from maskrcnn_core.microscopy.views import View
from maskrcnn_core.slides.opening import WINDOW_SUFFIXES

__all__ = ["Rows", "SizeOf"]


SizeOf = Callable[[str], tuple[int, int] | None]
"""Gives height and width of an image file by its name; ``None`` where it is not at hand."""

_T = TypeVar("_T")

_NOTHING: Mapping[str, Json] = {}
_LARGEST = 2**16
"""Pixels of an image's side."""
_LISTS = ("bbox", "segmentation")
"""Fields that hold numbers in lists."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
# Evaluators ignore an object of negative size.
_TURNED = "its width or height is negative; it is the mask's own"


class Rows:
    """A reader of one document's rows.

    Args:
        size_of: asked for the size of an image of which the file does not tell it.
        budget: for the edges of all polygons of the import.
    """

    def __init__(self, size_of: SizeOf, budget: EdgeBudget) -> None:
        self.size_of, self.budget = size_of, budget
        self._most_pixels = min(pixel_limit(), MAX_IMAGE_PIXELS)
        self.mends = Groups()
        self._images: dict[int | str, ImageRecord] = {}
        self._categories: dict[int | str, Category] = {}

    def refer_to(self, images: Iterable[ImageRecord], categories: Iterable[Category]) -> None:
        """Make rows known, by number or by text, to the annotations that refer to them."""
        for image in images:
            self._images[image.id] = image
            if image.text_id:
                self._images[image.text_id] = image
        for category in categories:
            self._categories[category.id] = category
            if category.text_id:
                self._categories[category.text_id] = category

    def join(self, image: ImageRecord, first: ImageRecord) -> None:
        """Take annotations of an image's second row for those of its first one."""
        self._images[image.id] = first
        if image.text_id:
            self._images[image.text_id] = first

    def text_id(self, name: str, index: int, row: Mapping[str, Json], key: int | str) -> str:
        """Return the text that a row's id is in the file, or was in one before MaskDesk wrote this."""
        if isinstance(key, str):
            reason = (
                "a text: it gets a number here, and is kept next to it"
                if isinstance(row["id"], str)
                else "a number that other programs round: it gets another here, and is kept next to it"
            )
            self.mends.count(name, index, ".id", reason, key)
            return key
        if isinstance(row["id"], str):
            self.mends.count(name, index, ".id", "a number written as text; read as the number", row["id"])
        kept = ours_of(row).get("id", "")
        if isinstance(kept, str) and is_name(kept):
            return kept
        self.mends.count(
            name, index, ".maskdesk.id", f"expected a text of up to {MAX_NAME} characters; left out", kept
        )
        return ""

    def image(self, index: int, row: dict[str, Json], id_: int, text_id: str) -> ImageRecord:
        """Return an image's facts; raises :class:`FieldError` if it has no name or no size."""
        if row.get("file_name") is None and (told := _name_in_address(row.get("coco_url"))):
            self.mends.count("images", index, "", "no file_name; it is the end of coco_url, as in LVIS", None)
            row["file_name"] = told
        self._name_texts("images", index, row, "file_name", "")
        name, digest = required_name(row, "file_name"), row.get("sha256")
        width, height = (whole(row.get(side), 1, _LARGEST) for side in ("width", "height"))
        if width is None or height is None:
            size = self.size_of(name)
            if size is None:
                side = "width" if width is None else "height"
                got = f"{kind(row.get(side))}, and the image is not available to measure"
                raise FieldError(side, f"expected a whole number from 1 to {_LARGEST}", got)
            self.mends.count("images", index, "", "no width and height; measured in the image file", None)
            height, width = size
        by_windows = PurePosixPath(name).suffix.casefold() in WINDOW_SUFFIXES
        most = MAX_IMAGE_PIXELS if by_windows else self._most_pixels
        if width * height > most:
            setting = "" if by_windows else f" (the setting {MAX_MEGAPIXELS_SETTING})"
            raise FieldError(
                "width",
                f"expected an image of at most {most / 1e6:g} megapixels{setting}",
                f"{width} x {height} pixels",
            )
        return ImageRecord(
            id_,
            name,
            width,
            height,
            digest if isinstance(digest, str) and is_name(digest) else "",
            text_id,
            _view(row),
            self._pixel_um(index, row),
        )

    def _pixel_um(self, index: int, row: Mapping[str, Json]) -> tuple[float, float] | None:
        given = row.get("pixel_um")
        if given is None:
            return None
        if are_lengths(given):
            return float(given[0]), float(given[1])
        reason = "expected the width and height of a pixel in micrometres; not used"
        self.mends.count("images", index, ".pixel_um", reason, given)
        return None

    def category(self, index: int, row: dict[str, Json], id_: int, text_id: str) -> Category:
        """Return a category, which is called after its id where it has no name.

        Raises:
            FieldError: if its name cannot be used.
        """
        self._name_texts("categories", index, row, "name", f"category {text_id or id_}")
        above, name = row.get("supercategory", ""), required_name(row, "name")
        if isinstance(above, str) and not is_name(above):
            reason = f"expected at most {MAX_NAME} characters; left out"
            self.mends.count("categories", index, ".supercategory", reason, above)
            row["supercategory"] = above = ""
        return Category(id_, name, above if _is_word(above) else "", text_id)

    def _name_texts(self, name: str, index: int, row: dict[str, Json], field: str, instead: str) -> None:
        """Make a number that is used as a name a text, and give a name where there is none and may be one."""
        given = row.get(field)
        if number(given) is not None:
            self.mends.count(name, index, f".{field}", "a number as a name; read as a text", given)
            row[field] = str(given)
        elif instead and given in (None, ""):
            self.mends.count(name, index, f".{field}", "no name; it is called after its id", given)
            row[field] = instead

    def annotation_id(self, name: str, index: int, row: dict[str, Json], ids: Ids) -> tuple[int, str]:
        """Return the number of an annotation, which nothing refers to: any that is free will do."""
        given = row.get("id")
        key = id_key(given)
        if isinstance(key, str):
            return ids.following(), self.text_id(name, index, row, key)
        if key and ids.take(key):
            return key, self.text_id(name, index, row, key)
        if key == 0:
            reason = "COCO's evaluators ignore this id; it gets the number after the file's largest"
        elif key is None:
            reason = "no id; it gets the number after the file's largest"
        else:
            reason = "a repeated id; it gets the number after the file's largest"
        self.mends.count(name, index, ".id", reason, given)
        return ids.following(), ""

    def plain(self, batch: Sequence[Json]) -> dict[int, Annotation]:
        """Return the annotations of the data set form that need no repair, by their index."""
        return read_plain(batch, self._images, self._categories, self.budget)

    def annotation(
        self, name: str, index: int, row: dict[str, Json], score_wanted: bool
    ) -> Annotation | GivenBox:
        """Return an instance with its mask, or a box.

        Raises:
            FieldError: if it is neither.
        """
        image = _referred(row, "image_id", self._images, "image")
        category = _referred(row, "category_id", self._categories, "category")
        self._number_texts(name, index, row)
        score = number(row.get("score"))
        if score is None and score_wanted:
            raise FieldError("score", "expected a finite number", kind(row.get("score")))
        box = read_box(row.get("bbox"))
        given = row.get("segmentation")
        if box is not None and holds_nothing(given) and _is_within(box, image.size):
            _, is_crowd = (None, False) if score_wanted else self._area_and_crowd(name, index, row)
            return GivenBox(image.id, category.id, box, score, is_crowd)
        read = read_segmentation(given, image.size, self.budget)
        # Of a row that is refused, nothing is said of its side fields.
        for field, reason, got in read.mends:
            self.mends.count(name, index, f".segmentation{field}", reason, got)
        if score is None and row.get("score") is not None:
            self.mends.count(name, index, ".score", "expected a number; it has none here", row["score"])
        if box is not None and is_turned(box) and not score_wanted:
            self.mends.count(name, index, ".bbox", _TURNED, None)
            box = None
        elif box is None and "bbox" in row:
            self.mends.count(
                name, index, ".bbox", "expected 4 finite numbers; it is the mask's own", row["bbox"]
            )
        # A detection has neither in the results form: loadRes sets them whatever is there.
        area, is_crowd = (None, False) if score_wanted else self._area_and_crowd(name, index, row)
        instance = Instance(image.id, category.id, read.mask, score, box, area, is_crowd)
        return Annotation(instance, read.polygons, read.is_listed)

    def _number_texts(self, name: str, index: int, row: dict[str, Json]) -> None:
        """Make numbers of texts that are such, in the fields that hold numbers."""
        for field in ("score", "area", *_LISTS):
            given = row.get(field)
            holds_numbers = isinstance(given, list | str) and isinstance(given, list) == (field in _LISTS)
            found = numbers_of_texts(given) if holds_numbers else given
            if found is not given:
                reason = "numbers written as text; read as the numbers"
                self.mends.count(name, index, f".{field}", reason, given)
                row[field] = found

    def _area_and_crowd(self, name: str, index: int, row: dict[str, Json]) -> tuple[float | None, bool]:
        area = read_area(row.get("area"))
        if area is None and "area" in row:
            what = "a number" if number(row["area"]) is None else "a number above 0"
            self.mends.count(name, index, ".area", f"expected {what}; it is the mask's own", row["area"])
        is_crowd = read_crowd(row.get("iscrowd", 0))
        if is_crowd is None:
            self.mends.count(name, index, ".iscrowd", "expected 0 or 1; it is 0 here", row["iscrowd"])
        return area, bool(is_crowd)

    def extra(
        self, name: str, index: int | None, row: Mapping[str, Json], known: frozenset[str]
    ) -> Mapping[str, Json]:
        """Return a row's other keys, in a form that can be written again."""
        if known.issuperset(row):
            return _NOTHING

        def count(key: str, reason: str, got: Json) -> None:
            self.mends.count(name, index, f".{key}", reason, got)

        most = MAX_EXTRA_VALUES if index is None else MAX_EXTRA_ROW_VALUES
        return {key: clean(row[key], partial(count, key), most=most) for key in row if key not in known}


def _view(row: Mapping[str, Json]) -> str:
    """Return what of a stack an image is; empty for a word of another program's."""
    given = row.get("view", "")
    try:
        return View.of_text(given).text if given and isinstance(given, str) else ""
    except InputError:
        return ""


def _name_in_address(address: Json) -> str:
    """Return the folder and the name that LVIS's images are known by: the last two parts of their address."""
    return "/".join(address.split("/")[-2:]) if isinstance(address, str) and is_name(address) else ""


def _is_word(value: Json) -> bool:
    return isinstance(value, str) and is_storable(value)


def _referred(row: Mapping[str, Json], field: str, rows: Mapping[int | str, _T], what: str) -> _T:
    """Return the row that another one refers to."""
    given = row.get(field)
    key = id_key(given)
    if key is None:
        raise FieldError(field, "expected a whole number or a text", kind(given))
    found = rows.get(key)
    if found is None:
        raise FieldError(field, f"there is no {what} with id {{}}", kind(given))
    return found


def _is_within(box: tuple[float, float, float, float], size: tuple[int, int]) -> bool:
    """Return whether a pixel or more of a box lies within an image."""
    x1, y1, x2, y2 = box
    return min(x2, size[1]) - max(x1, 0) >= 1 and min(y2, size[0]) - max(y1, 0) >= 1
