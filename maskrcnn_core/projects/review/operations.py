"""What a person does in a review: operations, each with a number, for the executor to carry out in a store.

They say what was wanted, and of which versions of the rows. They know neither screen nor database, so a page,
a command and a test make the same ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, TypeAlias, get_args

from msgspec import Meta

from maskrcnn_core.common.bounds import (
    MAX_ATTRIBUTES,
    MAX_INSTANCES,
    MAX_INT,
    MAX_MASK_CORNERS,
    MAX_NAME,
    MAX_PROPAGATED,
)
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.common.typed_json import shorten
from maskrcnn_core.projects.attributes import SET_ATTRIBUTES, AttributeValue
from maskrcnn_core.projects.category_edits import NEW_CATEGORY, CategoryName, CategoryRef, check_new_name
from maskrcnn_core.projects.drawn_shapes import SCISSORS
from maskrcnn_core.projects.mask_edits import Coordinate, MadeMask, MendedMask, check_rings
from maskrcnn_core.projects.proposals.network_edits import DRAW_BOX, RESHAPE, ReshapeWay
from maskrcnn_core.projects.proposals.propagating import PROPAGATE
from maskrcnn_core.projects.records import PASTED, RECTANGLE, Status
from maskrcnn_core.projects.team.approvals import APPROVAL_KINDS, APPROVE, FINISH_IMAGE, RETURN
from maskrcnn_core.projects.team.comments import COMMENT_KINDS, CommentText

__all__ = [
    "ACCEPT_ALL",
    "EDITS_TOLD",
    "REVIEW_KINDS",
    "SOURCES",
    "AddComment",
    "Approve",
    "CutOut",
    "DrawBox",
    "Edit",
    "EditName",
    "Finish",
    "FinishStatus",
    "Id",
    "NewCategory",
    "Propagate",
    "Redo",
    "Ref",
    "Relabel",
    "Reshape",
    "ReturnImage",
    "ReviewOperation",
    "Seq",
    "SetAttributes",
    "SetCrowd",
    "SetStatus",
    "Undo",
    "Version",
    "Versions",
]

FinishStatus = Literal["reviewed", "opened"]

EditName = Literal[
    "outline",
    "draw outline",
    "brush",
    "eraser",
    "fill holes",
    "drop specks",
    "smooth",
    "nudge",
    "draw rectangle",
    "paste",
    "cut",
    "split parts",
    "merge",
    "subtract",
    "give up shared pixels",
    "duplicate",
    "remove",
]
"""What people do to masks, as the journal calls it."""

EDITS_TOLD: Mapping[str, str] = {
    "subtract": "bring to front",
    "give up shared pixels": "send behind",
}
"""What people are told of edits which their buttons call otherwise: what is in the journal stays as it is."""

SOURCES: Mapping[str, str] = {"draw rectangle": RECTANGLE, "paste": PASTED}
"""Of what edits make, where it is more than a person's."""

AttributeName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Seq: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_INT)]
Id: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INT)]
Version: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INT)]

# A tuple of any length that has to be two: msgspec crashes at a union of a bounded number and a tuple of two.
Ref: TypeAlias = Id | Annotated[tuple[Id, ...], Meta(min_length=2, max_length=2)]
"""An instance: by its id, or, before its author knows that, as ``(seq, k)``: the k-th that ``seq`` made."""

Versions: TypeAlias = Annotated[tuple[tuple[Ref, Version], ...], Meta(min_length=1, max_length=MAX_INSTANCES)]
"""Instances, each named once, with the version that the person saw."""

_STATUS_KINDS: dict[Status, str] = {"accepted": "accept", "rejected": "reject", "proposed": "reopen"}
_CROWD_KINDS = {True: "mark as crowd", False: "mark as one object"}
_RELABEL = "relabel"
_FINISH_KINDS: dict[FinishStatus, str] = {"reviewed": FINISH_IMAGE, "opened": "reopen image"}
ACCEPT_ALL = "accept all"
"""The journal's kind of a decision on all that a queue means."""


def check_once(name: str, refs: Sequence[Ref]) -> None:
    """Refuse to name an instance twice.

    Raises:
        ValueError: naming the field and the first.
    """
    seen: set[Ref] = set()
    for ref in refs:
        if isinstance(ref, tuple) and not ref[0]:
            raise ValueError(f"{name}: expected an operation's number from 1, got 0")
        if ref in seen:
            raise ValueError(f"{name}: {ref} is named twice")
        seen.add(ref)


class _OfInstances(ABC):
    """What decisions on instances of one image have in common."""

    instances: Versions

    def __post_init__(self) -> None:
        check_once("instances", [ref for ref, _ in self.instances])

    @property
    @abstractmethod
    def journal_kind(self) -> str: ...

    @property
    def title(self) -> str:
        return f"{self.journal_kind} {len(self.instances)}"


@dataclass(frozen=True)
class SetStatus(_OfInstances):
    """A decision on instances of one image."""

    kind: ClassVar[str] = "set_status"
    seq: Seq
    image_id: Id
    status: Status
    instances: Versions

    @property
    def journal_kind(self) -> str:
        return _STATUS_KINDS[self.status]


@dataclass(frozen=True)
class Relabel(_OfInstances):
    """Another category for instances of one image; their status stays."""

    kind: ClassVar[str] = "relabel"
    seq: Seq
    image_id: Id
    category_id: CategoryRef
    instances: Versions

    @property
    def journal_kind(self) -> str:
        return _RELABEL


@dataclass(frozen=True)
class SetCrowd(_OfInstances):
    """Instances of one image are crowds (COCO's ``iscrowd``), or each one object; they are accepted so."""

    kind: ClassVar[str] = "set_crowd"
    seq: Seq
    image_id: Id
    is_crowd: bool
    instances: Versions

    @property
    def journal_kind(self) -> str:
        return _CROWD_KINDS[self.is_crowd]


@dataclass(frozen=True)
class NewCategory:
    """A category that the image's project does not have yet.

    Later operations name it by its name until their author knows its id.
    """

    kind: ClassVar[str] = "new_category"
    seq: Seq
    image_id: Id
    name: CategoryName

    def __post_init__(self) -> None:
        check_new_name(self.name)

    @property
    def title(self) -> str:
        return f"{NEW_CATEGORY} {one_line(self.name)!r}"


@dataclass(frozen=True)
class SetAttributes(_OfInstances):
    """Something is said of instances of one image.

    Args:
        attributes: by name, as their categories have them; ``None`` takes a value away.
    """

    kind: ClassVar[str] = "set_attributes"
    seq: Seq
    image_id: Id
    attributes: Annotated[
        Mapping[AttributeName, AttributeValue | None], Meta(min_length=1, max_length=MAX_ATTRIBUTES)
    ]
    instances: Versions

    @property
    def journal_kind(self) -> str:
        return SET_ATTRIBUTES


@dataclass(frozen=True)
class AddComment:
    """A comment, pinned to a place of the image, and to an instance.

    Args:
        text: never markup.
        x, y: in pixels of the image.
        instance: which instance it is about; ``None`` for the place alone.
    """

    kind: ClassVar[str] = "comment"
    seq: Seq
    image_id: Id
    text: CommentText
    x: Coordinate
    y: Coordinate
    instance: Ref | None = None

    @property
    def title(self) -> str:
        return self.kind


@dataclass(frozen=True)
class Approve:
    """An image is good as it is.

    Args:
        instances: all that the person saw on it, each with its version.
    """

    kind: ClassVar[str] = "approve"
    seq: Seq
    image_id: Id
    instances: Annotated[tuple[tuple[Ref, Version], ...], Meta(max_length=MAX_INSTANCES)]

    def __post_init__(self) -> None:
        check_once("instances", [ref for ref, _ in self.instances])

    @property
    def title(self) -> str:
        return APPROVE


@dataclass(frozen=True)
class ReturnImage:
    """An image goes back to whoever annotated it, with a comment; the fields are :class:`AddComment`'s."""

    kind: ClassVar[str] = "return"
    seq: Seq
    image_id: Id
    text: CommentText
    x: Coordinate
    y: Coordinate
    instance: Ref | None = None

    @property
    def title(self) -> str:
        return f"{RETURN}, {one_line(self.text)!r}"  # so that no text is lost where it is refused


@dataclass(frozen=True)
class DrawBox:
    """A box around an object that was missed, which the network is to fill.

    Args:
        box: x1 y1 x2 y2 in pixels of the image, x1 < x2 and y1 < y2.
        category_id: the category that the person has chosen; ``None`` leaves it to the network.
    """

    kind: ClassVar[str] = "draw_box"
    seq: Seq
    image_id: Id
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate]
    category_id: CategoryRef | None = None

    def __post_init__(self) -> None:
        x1, y1, x2, y2 = self.box
        if not (x1 < x2 and y1 < y2):
            raise ValueError(f"box: expected x1 < x2 and y1 < y2, got {shorten(list(self.box))}")

    @property
    def title(self) -> str:
        return DRAW_BOX


@dataclass(frozen=True)
class CutOut:
    """A lasso around an object, which is to be cut out along its edges.

    Args:
        category_id: of the object.
        ring: the lasso, flat x y in pixel corners.
    """

    kind: ClassVar[str] = "cut_out"
    seq: Seq
    image_id: Id
    category_id: CategoryRef
    ring: Annotated[tuple[Coordinate, ...], Meta(min_length=6, max_length=MAX_MASK_CORNERS)]

    def __post_init__(self) -> None:
        check_rings((self.ring,))

    @property
    def title(self) -> str:
        return SCISSORS


@dataclass(frozen=True)
class Propagate:
    """Instances of one image are to be found again by the network on another one.

    Args:
        to_image_id: the other one.
        instances: each once.
    """

    kind: ClassVar[str] = "propagate"
    seq: Seq
    image_id: Id
    to_image_id: Id
    instances: Annotated[tuple[Ref, ...], Meta(min_length=1, max_length=MAX_PROPAGATED)]

    def __post_init__(self) -> None:
        check_once("instances", self.instances)
        if self.image_id == self.to_image_id:
            raise ValueError(f"to_image_id: expected another image than {self.image_id}, got the same")

    @property
    def title(self) -> str:
        return f"{PROPAGATE} {len(self.instances)}"


@dataclass(frozen=True)
class Edit:
    """Masks of one image edited by hand: all of it is carried out, or nothing.

    Args:
        what: the tool.
        changes: what becomes of instances that are there.
        added: instances that it makes.
    """

    kind: ClassVar[str] = "edit"
    seq: Seq
    image_id: Id
    what: EditName
    changes: tuple[MendedMask[Ref], ...]
    added: tuple[MadeMask, ...] = ()

    def __post_init__(self) -> None:
        check_once("changes", [one.ref for one in self.changes])

    @property
    def title(self) -> str:
        return self.what


@dataclass(frozen=True)
class Reshape:
    """The network is to make the masks of instances again.

    Args:
        how: ``"threshold"`` in the instance's box with another threshold, ``"tighten"`` in the box that the
            network finds around the present mask, ``"closer"`` in the instance's box on an enlarged crop.
        threshold: of the mask's probabilities, in (0, 1).
    """

    kind: ClassVar[str] = "reshape"
    seq: Seq
    image_id: Id
    how: ReshapeWay
    threshold: Annotated[float, Meta(gt=0, lt=1)]
    instances: Versions

    def __post_init__(self) -> None:
        check_once("instances", [ref for ref, _ in self.instances])

    @property
    def title(self) -> str:
        return RESHAPE[self.how]


@dataclass(frozen=True)
class Finish:
    """An image is finished, or is not."""

    kind: ClassVar[str] = "finish"
    seq: Seq
    image_id: Id
    image_version: Version
    status: FinishStatus

    @property
    def journal_kind(self) -> str:
        return _FINISH_KINDS[self.status]

    @property
    def title(self) -> str:
        return self.journal_kind


@dataclass(frozen=True)
class Undo:
    """Take back the last decision that stands."""

    kind: ClassVar[str] = "undo"
    seq: Seq

    @property
    def title(self) -> str:
        return self.kind


@dataclass(frozen=True)
class Redo:
    """Carry out again what was taken back last."""

    kind: ClassVar[str] = "redo"
    seq: Seq

    @property
    def title(self) -> str:
        return self.kind


ReviewOperation: TypeAlias = (
    SetStatus
    | Relabel
    | SetCrowd
    | SetAttributes
    | NewCategory
    | AddComment
    | Approve
    | ReturnImage
    | DrawBox
    | CutOut
    | Propagate
    | Edit
    | Reshape
    | Finish
    | Undo
    | Redo
)

REVIEW_KINDS: frozenset[str] = frozenset(
    {
        *_STATUS_KINDS.values(),
        *_CROWD_KINDS.values(),
        *_FINISH_KINDS.values(),
        *RESHAPE.values(),
        *get_args(EditName),
        *COMMENT_KINDS,
        *APPROVAL_KINDS,
        ACCEPT_ALL,
        DRAW_BOX,
        NEW_CATEGORY,
        SET_ATTRIBUTES,
        PROPAGATE,
        SCISSORS,
        _RELABEL,
    }
)
"""What a review may undo: keys that are pressed often must not take back an import."""
