"""What the reviewer answers: a log of operations.

Each has a number and stays in the browser's log until Python has acknowledged it; `read_operations` distrusts
it like any file. What an operation holds its type declares, in `maskrcnn_core.projects.review.operations`.
The same samples in ``tests/data/review`` are read by the tests of this module and by those of
``web/review/review_state.js``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from msgspec import Meta

from maskrcnn_core.common.bounds import (
    MAX_EDGE,
    MAX_EDITED,
    MAX_INSTANCES,
    MAX_MESSAGE_CORNERS,
    MAX_MESSAGE_COUNTS,
    MAX_MESSAGE_EDGE,
)
from maskrcnn_core.common.typed_json import read_as, shorten
from maskrcnn_core.geometry.polygons import edge_length
from maskrcnn_core.projects.mask_edits import Counts, MadeMask, MendedMask, Rings, check_rings
from maskrcnn_core.projects.records import Status
from maskrcnn_core.projects.review.operations import (
    AddComment,
    Approve,
    CutOut,
    DrawBox,
    Edit,
    EditName,
    Finish,
    Id,
    NewCategory,
    Propagate,
    Redo,
    Ref,
    Relabel,
    Reshape,
    ReturnImage,
    ReviewOperation,
    Seq,
    SetAttributes,
    SetCrowd,
    SetStatus,
    Undo,
    Version,
)
from pages.components.review_messages import MAX_TOKEN, clean_name
from pages.components.viewer_messages import ViewerState

__all__ = ["Go", "Operation", "ReviewReport", "Unreadable", "read_operations"]

MAX_OPERATIONS = 10_000


@dataclass(frozen=True)
class Go:
    """The browser is at another place of a queue."""

    kind: ClassVar[str] = "go"
    seq: Seq
    token: Annotated[str, Meta(min_length=1, max_length=MAX_TOKEN)]
    at: Id


@dataclass(frozen=True)
class Unreadable:
    """An operation that makes no sense here, as from a script of another version.

    Args:
        reason: what is wrong with it.
    """

    kind: ClassVar[str] = "unreadable"
    seq: int
    reason: str


Operation: TypeAlias = ReviewOperation | Go | Unreadable


@dataclass(frozen=True)
class ReviewReport:
    """What one browser tab has done that it does not yet know to be taken in.

    Args:
        client: the tab. Operations are told apart by client and number: carry each out once.
        operations: oldest first, in the order they have to be carried out.
        view: score, hidden categories and display, if they have changed since the message.
        names: whose decision each operation is, by its number, as the browser knew when it was made: a
            session may have begun since, and know another name or none. One without is nobody's yet.
    """

    client: str = ""
    operations: tuple[Operation, ...] = ()
    view: ViewerState | None = None
    names: Mapping[int, str] = field(default_factory=dict)

    def after(self, client: str, seq: int) -> tuple[Operation, ...]:
        """Return the operations that come after what has been taken in already."""
        if client != self.client:
            return self.operations
        return tuple(operation for operation in self.operations if operation.seq > seq)


# -- what comes from the browser ------------------------------------------------------------------


@dataclass(frozen=True)
class _Versioned:
    version: Literal[3]


@dataclass(frozen=True)
class _Report:
    client: Annotated[str, Meta(pattern=r"^[0-9a-zA-Z_-]{8,64}\Z", description="8 to 64 letters and digits")]
    ops: Annotated[list[Any], Meta(max_length=MAX_OPERATIONS)]


@dataclass(frozen=True)
class _Numbered:
    seq: Seq


@dataclass(frozen=True)
class _Head:
    kind: str
    seq: Seq
    who: str = ""

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ValueError(f"kind: expected one of {', '.join(_KINDS)}, got {shorten(self.kind)}")


@dataclass(frozen=True)
class _Change:
    """As `MendedMask`, but for what is gone."""

    id: Ref
    version: Version
    gone: bool = False
    status: Status | None = None
    counts: Counts | None = None
    polygons: Rings | None = None

    def __post_init__(self) -> None:
        for name in ("status", "counts"):
            if not self.gone and getattr(self, name) is None:
                raise ValueError(f"{name}: missing")
        check_rings(self.polygons)

    def mended(self) -> MendedMask[Ref]:
        if self.gone or self.status is None:
            return MendedMask(self.id, self.version, None)
        return MendedMask(self.id, self.version, self.counts, self.status, self.polygons)


@dataclass(frozen=True)
class _Edit:
    seq: Seq
    image_id: Id
    what: EditName
    changes: Annotated[tuple[_Change, ...], Meta(max_length=MAX_EDITED)]
    added: Annotated[tuple[MadeMask, ...], Meta(max_length=MAX_EDITED)]

    def __post_init__(self) -> None:
        if not self.changes and not self.added:
            raise ValueError("expected changes or added instances, got neither")
        self.operation()  # which names each instance once

    def operation(self) -> Edit:
        changes = tuple(change.mended() for change in self.changes)
        return Edit(self.seq, self.image_id, self.what, changes, self.added)


_Drawn: TypeAlias = DrawBox | CutOut | Propagate | _Edit | Reshape
_Sent: TypeAlias = (
    SetStatus
    | Relabel
    | SetCrowd
    | SetAttributes
    | NewCategory
    | AddComment
    | Approve
    | ReturnImage
    | _Drawn
    | Finish
    | Go
    | Undo
    | Redo
)

_KINDS: dict[str, type[_Sent]] = {
    SetStatus.kind: SetStatus,
    Relabel.kind: Relabel,
    SetCrowd.kind: SetCrowd,
    NewCategory.kind: NewCategory,
    SetAttributes.kind: SetAttributes,
    AddComment.kind: AddComment,
    Approve.kind: Approve,
    ReturnImage.kind: ReturnImage,
    DrawBox.kind: DrawBox,
    CutOut.kind: CutOut,
    Propagate.kind: Propagate,
    Edit.kind: _Edit,
    Reshape.kind: Reshape,
    Finish.kind: Finish,
    Go.kind: Go,
    Undo.kind: Undo,
    Redo.kind: Redo,
}


_OF_INSTANCES = SetStatus | Relabel | SetCrowd | SetAttributes | Approve | Reshape | Propagate


def read_operations(report: object, *, keeps_unreadable: bool = False) -> ReviewReport:
    """Read the operations of a report from the browser.

    Args:
        report: as it came.
        keeps_unreadable: give `Unreadable` for an operation with a number whose rest cannot be read, instead
            of nothing at all: it is to be refused, as it would come again for ever and hold up what follows.

    Raises:
        ValueError: names the field that is missing, has another type or is out of range. Whether ids are
            known is not decided here: rows may have gone since.
    """
    if not isinstance(report, Mapping):
        raise ValueError(f"report: expected named fields, got {shorten(report)}")
    read_as(report, _Versioned)
    sent = read_as(report, _Report)
    operations: list[Operation] = []
    names: dict[int, str] = {}
    last, instances = 0, 0
    left = _Left()
    for i, entry in enumerate(sent.ops):
        where = f"ops[{i}]"
        try:
            head = read_as(entry, _Head, where)
            operation = _read(entry, head, where)
            if name := clean_name(head.who):
                names[operation.seq] = name
        except ValueError as error:
            if not keeps_unreadable:
                raise
            operation = Unreadable(read_as(entry, _Numbered, where).seq, str(error))
        if operation.seq <= last:
            raise ValueError(f"{where}.seq: expected more than {last}, got {operation.seq}")
        last = operation.seq
        if isinstance(operation, _OF_INSTANCES):
            instances += len(operation.instances)
        elif isinstance(operation, Edit):
            instances += len(operation.changes) + len(operation.added)
        if isinstance(operation, Edit | CutOut) and (reason := left.refuses(operation)):
            if not keeps_unreadable:
                raise ValueError(f"{where}: {reason}")
            operation = Unreadable(operation.seq, f"{where}: {reason}")
        if instances > MAX_INSTANCES:
            raise ValueError(f"{where}.instances: more than {MAX_INSTANCES} in one report")
        operations.append(operation)
    return ReviewReport(client=sent.client, operations=tuple(operations), names=names)


def _read(entry: object, head: _Head, where: str) -> Operation:
    sent = read_as(entry, _KINDS[head.kind], where)
    return sent.operation() if isinstance(sent, _Edit) else sent


class _Left:
    """What the drawings of one report may still cost."""

    def __init__(self) -> None:
        self.counts, self.corners, self.edge = (
            MAX_MESSAGE_COUNTS,
            MAX_MESSAGE_CORNERS,
            float(MAX_MESSAGE_EDGE),
        )

    def refuses(self, operation: Edit | CutOut) -> str:
        """Say why what is drawn is too much; if it is not, charge its cost and return an empty text."""
        counts = 0
        outlines: list[Rings] = []
        if isinstance(operation, CutOut):
            outlines.append((operation.ring,))
        else:
            masks: tuple[MendedMask[Ref] | MadeMask, ...] = (*operation.changes, *operation.added)
            outlines += [one.polygons for one in masks if one.polygons]
            counts = sum(len(one.counts or "") for one in masks)
        corners = sum(len(ring) for rings in outlines for ring in rings)
        if counts > self.counts or corners > self.corners:
            return (
                f"expected at most {MAX_MESSAGE_COUNTS} characters of run lengths and {MAX_MESSAGE_CORNERS} "
                "numbers of polygons in one report"
            )
        # Those that are longer than one object's may be are not drawn.
        edge = sum(length for rings in outlines if (length := edge_length(rings)) <= MAX_EDGE)
        if edge > self.edge:
            return f"polygon edges are longer than {MAX_MESSAGE_EDGE} pixels in one report"
        self.counts, self.corners, self.edge = self.counts - counts, self.corners - corners, self.edge - edge
        return ""
