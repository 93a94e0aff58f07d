"""What a store hands out: its rows, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, get_args

from maskrcnn_core.common.arrays import Box
from maskrcnn_core.common.json_rows import parse_json
from maskrcnn_core.geometry.rle import Rle

__all__ = [
    "IMAGE_STATUSES",
    "PASTED",
    "PERSON",
    "PERSONAL_SOURCES",
    "PROPAGATED",
    "RECTANGLE",
    "STATUSES",
    "CategoryRow",
    "Doubts",
    "Entry",
    "Extra",
    "Fact",
    "ImageRow",
    "ImageStatus",
    "InstanceRow",
    "ProjectRow",
    "Status",
]

Status = Literal["proposed", "accepted", "rejected"]
"""Of an instance: what the network or a file offered, and what a person said of it."""

ImageStatus = Literal["new", "opened", "reviewed"]
"""Of an image: nobody has seen it, somebody has, somebody has said that it is finished."""

STATUSES: tuple[Status, ...] = get_args(Status)
IMAGE_STATUSES: tuple[ImageStatus, ...] = get_args(ImageStatus)

PERSON = "person"
RECTANGLE = "rectangle"
"""Drawn as one, or a box that the network made no mask of: to be mended."""
PASTED = "pasted"
PROPAGATED = "propagated"
"""Taken over from another image, where the network found it again."""

PERSONAL_SOURCES = frozenset({PERSON, "file", RECTANGLE, PASTED, PROPAGATED})
"""Of instances that come from people, and not from a model that ran over a project: no job replaces them."""

Extra = Mapping[str, Any]
"""Keys of an imported file that MaskDesk does not know, with their JSON values, to be written again."""


@dataclass(frozen=True)
class ProjectRow:
    """One project.

    Args:
        id: the store's own; it never changes.
        name: unique among the projects that are there.
        description: for people.
        made_at, made_by: when, in UTC, and by whom.
        version: rises by one with every change.
        is_archived: out of the menus, and read-only until it is brought back.
    """

    id: int
    name: str
    description: str
    made_at: datetime
    made_by: str
    version: int
    extra: Extra = field(default_factory=dict)
    is_archived: bool = False


@dataclass(frozen=True)
class CategoryRow:
    """One category of a project.

    Args:
        id: the store's own.
        coco_id: as in the data set's files; unique in the project and never given twice.
        name: unique among the project's present categories.
        supercategory: COCO's grouping, or empty.
        color: ``#rrggbb``, or empty for the palette's.
        version: rises by one with every change.
    """

    id: int
    coco_id: int
    name: str
    supercategory: str
    color: str
    version: int
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True)
class ImageRow:
    """One image of a project.

    Args:
        id: the store's own.
        coco_id: as in the data set's files.
        file_name: as it was given, unique among the project's present images.
        width, height: of the upright image in pixels.
        digest: SHA-256 of the file's bytes; empty where a data set names an image that nobody has brought.
        status: how far review is.
        version: rises by one with every change.
    """

    id: int
    coco_id: int
    file_name: str
    width: int
    height: int
    digest: str
    status: ImageStatus
    version: int
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True)
class Doubts:
    """What speaks against a detection; :mod:`maskrcnn_core.projects.review.doubts` measures it.

    Args:
        runner_up: the best score of another category on the same object, or 0.
        runner_up_name: that category, as the model calls it.
        soft_edge: cells of the network's own mask that are neither in nor out, to those that are in.
        twin: how far another detection of the image is the same object, in [0, 1].
    """

    runner_up: float = 0.0
    runner_up_name: str = ""
    soft_edge: float = 0.0
    twin: float = 0.0


@dataclass(frozen=True)
class Fact:
    """An instance without its mask: what lists, queues and statistics of thousands need.

    Args:
        id, image_id, category_id, area, score, status, source, version, doubts: as in :class:`InstanceRow`.
    """

    id: int
    image_id: int
    category_id: int
    area: int
    score: float | None
    status: Status
    source: str
    version: int
    doubts: Doubts | None


@dataclass(frozen=True)
class InstanceRow:
    """One instance of an image.

    Args:
        id: the store's own.
        image_id, category_id: the store's ids.
        coco_id: as in the data set's files; unique in the project.
        size: height and width of its image in pixels.
        counts: the mask's run lengths in COCO's compressed form.
        polygons_json: JSON of :attr:`polygons`, which most who ask for instances do without.
        area: the mask's pixels.
        box_xywh: the mask's tight box in pixels.
        score: the model's, or ``None`` for what people drew and ground truth.
        status: what a person said of it.
        source: a model's key, or one of :data:`PERSONAL_SOURCES`.
        is_crowd: a region of many objects, which evaluators leave out.
        given_box: x1 y1 x2 y2 as regressed or as a file says; ``None`` for the mask's own.
        given_area: as a file says.
        candidate: its row among the network's candidates.
        version: rises by one with every change.
        doubts: what speaks against it; ``None`` for what no network found.
    """

    id: int
    image_id: int
    category_id: int
    coco_id: int
    size: tuple[int, int]
    counts: str
    polygons_json: str | None
    area: int
    box_xywh: tuple[int, int, int, int]
    score: float | None
    status: Status
    source: str
    is_crowd: bool
    given_box: Box | None
    given_area: float | None
    candidate: int | None
    version: int
    extra: Extra = field(default_factory=dict)
    doubts: Doubts | None = None

    @cached_property
    def polygons(self) -> list[list[float]] | None:
        """Rings as flat x y, as a person drew them or a file gave them; ``None`` for masks."""
        return None if self.polygons_json is None else parse_json(self.polygons_json)

    @cached_property
    def mask(self) -> Rle:
        """The instance's mask."""
        return Rle.from_counts(self.counts, self.size)


@dataclass(frozen=True)
class Entry:
    """One line of the journal.

    Args:
        id: rises with time within a project.
        at, who: when, in UTC, and who.
        kind: what was decided, as ``accept``; ``undo`` and ``redo`` are entries, too.
        target_id: the entry that an undo or redo is about.
        image_id: where it is about one image.
        is_refused: it came second and was not carried out; what was wanted is kept in ``changes``.
        changes: for each row ``table``, ``id``, and ``before`` and ``after`` of what changed, or ``made`` for
            a new row; ``along`` for a proposal that went with its image; ``wanted`` and ``coco_id`` for a new
            row whose own id in files had been given before, and the one that it got.
        operation: the name that the one who asked for it gave it, or ``None``.
        skipped: what an undo or redo had to leave: for each row ``table``, ``id`` and ``why``.
    """

    id: int
    at: datetime
    who: str
    kind: str
    target_id: int | None
    image_id: int | None
    is_refused: bool
    changes: tuple[Mapping[str, Any], ...]
    operation: str | None = None
    skipped: tuple[Mapping[str, Any], ...] = ()
