"""What can be wrong with a COCO file: one table, which the command, the page, the README and tests read.

:mod:`maskrcnn_core.formats.checking` finds it, and :mod:`maskrcnn_core.formats.repairing` puts it right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from maskrcnn_core.common.refusals import Refusal

__all__ = ["CHECKS", "NOT_FINITE", "SIZE_OFF", "Check", "Severity", "check_by_key", "key_of"]

SIZE_OFF = "size-off"
"""The one fault that is not repaired."""

Severity = Literal["error", "warning", "info"]
"""Whether readers fail or take something wrong, take it differently, or only a person should know."""


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong.

    Args:
        key: for programs.
        title: for people; what is counted.
        severity: see :data:`Severity`.
        readers: what those who read the file make of it.
        fix: what the repaired file has instead.
    """

    key: str
    title: str
    severity: Severity
    readers: str
    fix: str


CHECKS: tuple[Check, ...] = (
    Check(
        "not-json",
        "NaN or Infinity",
        "error",
        "JSON has neither: browsers and strict parsers refuse the whole file",
        "null, or the mask's own value",
    ),
    Check(
        "bad-row",
        "rows that cannot be used",
        "error",
        "most stop at the first of them",
        "left out",
    ),
    Check(
        "text-number",
        "numbers written as text, ids that are no numbers or too large ones",
        "error",
        "pycocotools does not find '1' where 1 is meant, and takes '0' for a crowd",
        "numbers; ids that are none get one, and are kept in the row, under maskdesk.id",
    ),
    Check(
        "odd-name",
        "names that are numbers, categories without a name",
        "error",
        "most stop: a name is a text",
        "the number as a text; a category without a name is called after its id",
    ),
    Check(
        "duplicate-id",
        "annotation ids used twice",
        "error",
        "the last row of an id replaces the others without a word; COCOeval halves AP",
        "the next free number; a row that is there twice stays once",
    ),
    Check(
        "row-id-twice",
        "images or categories with the id of another",
        "error",
        "the last row of an id replaces the others without a word",
        "the first one stays",
    ),
    Check(
        "annotation-id-0",
        "annotation id 0",
        "error",
        "COCOeval takes it for 'no match': a perfect detection counts as wrong",
        "the number after the file's largest",
    ),
    Check(
        "no-size",
        "images without width and height",
        "error",
        "masks cannot be drawn; most stop",
        "measured in the image file (--images) or taken from run lengths",
    ),
    Check(
        "size-unknown",
        "images whose width and height nothing tells",
        "error",
        "masks cannot be drawn; most stop",
        "left out with its annotations; --images FOLDER measures such images",
    ),
    Check(
        SIZE_OFF,
        "images whose file has another size (looked for with --images)",
        "error",
        "masks lie beside the objects: the file was turned, resized or replaced after it was annotated",
        "kept: only a person can tell which of the two is right",
    ),
    Check(
        "file-name-twice",
        "images that are listed twice",
        "error",
        "CVAT and others find images by name: one replaces the other",
        "joined with the first one",
    ),
    Check(
        "file-name-clash",
        "images with the file name of another, and another size",
        "error",
        "CVAT and others find images by name: one replaces the other",
        "left out with its annotations",
    ),
    Check(
        "orphan",
        "annotations of an unknown image or category",
        "error",
        "KeyError in most",
        "left out",
    ),
    Check(
        "no-mask",
        "annotations whose segmentation cannot be read",
        "error",
        "most stop; pycocotools can take the whole process with it",
        "left out",
    ),
    Check(
        "empty-mask",
        "masks without a pixel",
        "error",
        "division by zero, or an object that nobody can find",
        "left out",
    ),
    Check(
        "bad-part",
        "parts that are no polygon, beside good ones",
        "error",
        "pycocotools raises an exception; others skip the object",
        "left out; the good parts stay",
    ),
    Check(
        "odd-form",
        "segmentations in a form of another program",
        "error",
        "most stop or skip the object",
        "a list of polygons, an empty one for a mere box, or run lengths with a size",
    ),
    Check(
        "missing-field",
        "annotations without id, area, bbox or iscrowd",
        "error",
        "COCOeval needs id, area and iscrowd, many importers need bbox: KeyError",
        "the next free id; area and box of the mask; iscrowd 0",
    ),
    Check(
        "bad-field",
        "area, bbox, iscrowd or score that cannot be used",
        "error",
        "an exception, or an object that evaluators ignore",
        "area and box of the mask; iscrowd 0; no score",
    ),
    Check(
        "hole",
        "holes written as polygons of their own",
        "warning",
        "nearly all fill them",
        "one polygon with a cut from the outline to the hole; run lengths where that is not exact",
    ),
    Check(
        "crowd",
        "iscrowd 1 on most annotations",
        "warning",
        "evaluators and trainers ignore them all; CVAT marks every mask so",
        "iscrowd 0, and a polygon instead of run lengths where it is exact",
    ),
    Check(
        "area-of-box",
        "area that is the box's width times height",
        "warning",
        "evaluators sort objects into small, medium and large by it",
        "the mask's pixels",
    ),
    Check(
        "area-off",
        "area that differs much from the mask's pixels",
        "warning",
        "evaluators sort objects into small, medium and large by it",
        "the mask's pixels",
    ),
    Check(
        "bbox-corners",
        "bbox as two corners",
        "warning",
        "COCO has x, y, width, height: the box becomes too large",
        "the mask's own box",
    ),
    Check(
        "bbox-off",
        "bbox that does not fit the mask",
        "warning",
        "trainers learn the wrong box; box AP and mask AP disagree",
        "the mask's own box",
    ),
    Check(
        "duplicate-annotation",
        "annotations that repeat another one's image, category and mask",
        "warning",
        "each counts as an object that has to be found again",
        "the first one stays",
    ),
    Check(
        "outside",
        "polygons, or boxes without a mask, that reach out of the image",
        "warning",
        "some cut them off, some fail",
        "a polygon of the pixels within the image; the part of the box within it",
    ),
    Check(
        "empty-part",
        "parts that cover no pixel",
        "warning",
        "invisible in most, an exception in some",
        "left out; the mask stays as it is",
    ),
    Check(
        "category-name-twice",
        "categories with the name of another",
        "warning",
        "readers that go by name take them for one, or stop",
        "its id after the name",
    ),
    Check(
        "odd-text",
        "names with a NUL or half a character in them",
        "warning",
        "they cannot be stored or shown; some parsers refuse the whole file",
        "the sign for an unknown character",
    ),
    Check(
        "other",
        "values that nobody can use",
        "warning",
        "an exception in some",
        "left out, or null",
    ),
    Check(
        "tiny-part",
        "parts of less than 4 pixels",
        "info",
        "often a slip of the brush; simplifying exporters lose them",
        "kept",
    ),
    Check(
        "run-lengths",
        "objects as run lengths",
        "info",
        "right in pycocotools; Label Studio, sahi, ultralytics and others expect polygons",
        "kept; 'convert --to coco' writes polygons where they are exact",
    ),
    Check(
        "box-only",
        "annotations that are boxes without a mask",
        "info",
        "those that need masks stop at them; 'project import --boxes MODEL' fills such boxes",
        "kept",
    ),
    Check(
        "category-id-0",
        "category id 0",
        "info",
        "many models keep 0 for the background",
        "kept",
    ),
    Check("image-id-0", "image id 0", "info", "good with nearly all", "kept"),
    Check(
        "image-without-annotations",
        "images without annotations",
        "info",
        "some trainers leave them out: then nothing is learned from background",
        "kept",
    ),
    Check("category-unused", "categories without annotations", "info", "AP -1 in an evaluation", "kept"),
    Check(
        "category-order",
        "categories that are not sorted by id",
        "info",
        "those that number categories by their place and by their id disagree",
        "kept",
    ),
)
"""Worst first: the order of every table."""

_BY_KEY = {check.key: check for check in CHECKS}


def check_by_key(key: str) -> Check:
    """Return a row of :data:`CHECKS`; raises :class:`KeyError` if there is none."""
    return _BY_KEY[key]


_INDEX = re.compile(r"\[\d+\]")
NOT_FINITE = "JSON has no NaN"
"""How a reader's note on such a value begins."""

_AS_READ: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), key)
    for pattern, key in (
        (rf".*: {NOT_FINITE}", "not-json"),
        (r"annotations\[\]: an exact duplicate", "duplicate-annotation"),
        (r"\w+\[\]: an exact duplicate", "row-id-twice"),
        (r"\w+\[\]\.id: an id that another row", "row-id-twice"),
        (r"\w+\[\]\.id: a repeated id", "duplicate-id"),
        (r"annotations\[\]\.id: COCO's evaluators", "annotation-id-0"),
        (r"annotations\[\]\.id: no id", "missing-field"),
        (r"\w+\[\]\.id: (a text|a number written as text|a number that)", "text-number"),
        (r"annotations\[\]\.\w+: numbers written as text", "text-number"),
        (r"\w+\[\]\.(file_name|name): (a number as a name|no name)", "odd-name"),
        (r"images\[\]\.(width|height): expected a whole number", "size-unknown"),
        (r"images\[\]: no width and height", "no-size"),
        (r"images\[\]\.file_name: a second row", "file-name-twice"),
        (r"images\[\]\.file_name: a name that another", "file-name-clash"),
        (r"annotations\[\]\.(image_id|category_id): ", "orphan"),
        (r"annotations\[\]\.segmentation(\[\])?: left out next to good parts", "bad-part"),
        (r"annotations\[\]\.segmentation: (a flat list|a list of pairs)", "odd-form"),
        (r"annotations\[\]\.segmentation\.(size|counts): run lengths with", "odd-form"),
        (r"annotations\[\]\.segmentation", "no-mask"),
        (r"annotations\[\]\.(area|bbox|iscrowd|score): ", "bad-field"),
        (r"images\[\]|categories\[\]\.(id|name)|\w+\[\]: expected an object", "bad-row"),
        (r"", "other"),
    )
)


def key_of(said: Refusal) -> str:
    """Return the check that something belongs to which a reader refused or repaired."""
    text = f"{_INDEX.sub('[]', said.place)}: {said.reason}"
    return next(key for pattern, key in _AS_READ if pattern.match(text))
