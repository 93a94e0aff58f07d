"""What the reviewer answers: a log of operations.

Each has a number and stays in the browser's log until Python has acknowledged it; `read_operations` distrusts
it like any file. The same samples in ``tests/data/review`` are read by the tests of this module and by those
of ``frontend/review_state.js``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias, cast, get_args

from maskrcnn_core.bounds import MAX_EDGE, MAX_MESSAGE_CORNERS, MAX_MESSAGE_COUNTS, MAX_MESSAGE_EDGE
from maskrcnn_core.polygons import edge_length
from maskrcnn_core.store.records import Status
from pages.ui.checks import MAX_INT, check_choice, check_int, check_list, check_mapping, shorten, take
from pages.ui.review.messages import MAX_TOKEN, VERSION, clean_name
from pages.ui.viewer.messages import ViewerState

__all__ = [
    "AddedInstance",
    "ChangedInstance",
    "DrawBox",
    "Edit",
    "EditName",
    "Finish",
    "Go",
    "Operation",
    "Redo",
    "Ref",
    "Relabel",
    "Reshape",
    "ReviewReport",
    "SetCrowd",
    "SetStatus",
    "Undo",
    "Unreadable",
    "read_operations",
]

FinishStatus = Literal["reviewed", "opened"]

MAX_OPERATIONS = 10_000
MAX_INSTANCES = 100_000
"""Of one report, in all of its operations together."""
MAX_SIDE = 1_000_000
"""Pixels; a NaN fails the comparison with it."""
MAX_MADE = 1000
"""Instances that one operation makes."""
MAX_COUNTS = 8_000_000
"""Characters of one mask."""
MAX_RINGS = 1000
MAX_CORNERS = 100_000
"""Numbers in the polygons of one instance."""

EditName = Literal[
    "outline",
    "draw outline",
    "brush",
    "eraser",
    "fill holes",
    "drop specks",
    "smooth",
    "nudge",
    "cut",
    "split parts",
    "merge",
    "subtract",
    "give up shared pixels",
    "duplicate",
    "remove",
]
"""What people do to masks, as the journal calls it."""

ReshapeWay = Literal["threshold", "tighten"]
Ref: TypeAlias = int | tuple[int, int]
"""An instance: by its id, or, before the browser knows that, as ``(seq, k)``: the k-th that ``seq`` made."""

_CLIENT = re.compile(r"[0-9a-zA-Z_-]{8,64}")


@dataclass(frozen=True)
class SetStatus:
    """A decision on instances of one image.

    Args:
        instances: ids with the versions that the browser saw.
    """

    kind: ClassVar[str] = "set_status"
    seq: int
    image_id: int
    status: Status
    instances: tuple[tuple[Ref, int], ...]


@dataclass(frozen=True)
class Relabel:
    """Another category for instances of one image; their status stays."""

    kind: ClassVar[str] = "relabel"
    seq: int
    image_id: int
    category_id: int
    instances: tuple[tuple[Ref, int], ...]


@dataclass(frozen=True)
class SetCrowd:
    """Instances of one image are crowds (COCO's ``iscrowd``), or each one object; they are accepted so."""

    kind: ClassVar[str] = "set_crowd"
    seq: int
    image_id: int
    is_crowd: bool
    instances: tuple[tuple[Ref, int], ...]


@dataclass(frozen=True)
class DrawBox:
    """A box around an object that was missed, which the network is to fill.

    Args:
        box: x1 y1 x2 y2 in pixels of the image, x1 < x2 and y1 < y2.
    """

    kind: ClassVar[str] = "draw_box"
    seq: int
    image_id: int
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class ChangedInstance:
    """What an edit makes of an instance.

    Args:
        ref, version: which, and as the browser saw it.
        counts: its new mask in COCO's compressed form; ``None`` if it goes.
        status: its new one.
        polygons: as a person drew them, flat x y in pixel corners, if they are what the mask was filled from.
    """

    ref: Ref
    version: int
    counts: str | None
    status: Status = "accepted"
    polygons: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True)
class AddedInstance:
    """An instance that an edit makes; the arguments are those of :class:`ChangedInstance`.

    Args:
        is_crowd: whether it is a region of many objects, as what is cut off one.
    """

    category_id: int
    counts: str
    polygons: tuple[tuple[float, ...], ...] | None = None
    is_crowd: bool = False


@dataclass(frozen=True)
class Edit:
    """Masks of one image mended by hand: all of it is carried out, or nothing."""

    kind: ClassVar[str] = "edit"
    seq: int
    image_id: int
    what: EditName
    changes: tuple[ChangedInstance, ...]
    added: tuple[AddedInstance, ...] = ()


@dataclass(frozen=True)
class Reshape:
    """The network is to make the masks of instances again.

    Args:
        how: ``"threshold"`` in the instance's box with another threshold, ``"tighten"`` in the box that the
            network finds around the present mask.
        threshold: of the mask's probabilities, in (0, 1).
    """

    kind: ClassVar[str] = "reshape"
    seq: int
    image_id: int
    how: ReshapeWay
    threshold: float
    instances: tuple[tuple[Ref, int], ...]


@dataclass(frozen=True)
class Finish:
    """An image is finished, or is not."""

    kind: ClassVar[str] = "finish"
    seq: int
    image_id: int
    image_version: int
    status: FinishStatus


@dataclass(frozen=True)
class Go:
    """The browser is at another place of a queue."""

    kind: ClassVar[str] = "go"
    seq: int
    token: str
    at: int


@dataclass(frozen=True)
class Undo:
    """Take back the last decision that stands."""

    kind: ClassVar[str] = "undo"
    seq: int


@dataclass(frozen=True)
class Redo:
    """Carry out again what was taken back last."""

    kind: ClassVar[str] = "redo"
    seq: int


@dataclass(frozen=True)
class Unreadable:
    """An operation that makes no sense here, as from a script of another version.

    Args:
        reason: what is wrong with it.
    """

    kind: ClassVar[str] = "unreadable"
    seq: int
    reason: str


Operation: TypeAlias = (
    SetStatus | Relabel | SetCrowd | DrawBox | Edit | Reshape | Finish | Go | Undo | Redo | Unreadable
)


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
        """The operations that come after what has been taken in already."""
        if client != self.client:
            return self.operations
        return tuple(operation for operation in self.operations if operation.seq > seq)


def read_operations(report: object, *, keeps_unreadable: bool = False) -> ReviewReport:
    """The operations of a report from the browser.

    Args:
        report: as it came.
        keeps_unreadable: give `Unreadable` for an operation with a number whose rest cannot be read, instead
            of nothing at all: it is to be refused, as it would come again for ever and hold up what follows.

    Raises:
        ValueError: names the field that is missing, has another type or is out of range. Whether ids are
            known is not decided here: rows may have gone since.
    """
    fields = check_mapping("report", report)
    version = take(fields, "version")
    if type(version) is not int or version != VERSION:
        raise ValueError(f"version: wanted {VERSION}, got {shorten(version)}")
    client = take(fields, "client")
    if not isinstance(client, str) or not _CLIENT.fullmatch(client):
        raise ValueError(f"client: wanted 8 to 64 letters and digits, got {shorten(client)}")
    entries = check_list("ops", take(fields, "ops"), MAX_OPERATIONS)
    operations: list[Operation] = []
    names: dict[int, str] = {}
    last, instances = 0, 0
    left = _Left()
    for i, entry in enumerate(entries):
        try:
            operation = _read_operation(f"ops[{i}]", entry)
            if name := _read_who(f"ops[{i}]", cast(Mapping[str, Any], entry)):
                names[operation.seq] = name
        except ValueError as error:
            if not keeps_unreadable:
                raise
            where = f"ops[{i}]"
            seq = _read_int(check_mapping(where, entry), where, "seq", least=1)
            operation = Unreadable(seq, str(error))
        if operation.seq <= last:
            raise ValueError(f"ops[{i}].seq: wanted more than {last}, got {operation.seq}")
        last = operation.seq
        if isinstance(operation, SetStatus | Relabel | SetCrowd | Reshape):
            instances += len(operation.instances)
        elif isinstance(operation, Edit):
            instances += len(operation.changes) + len(operation.added)
            if reason := left.refuses(operation):
                if not keeps_unreadable:
                    raise ValueError(f"ops[{i}]: {reason}")
                operation = Unreadable(operation.seq, f"ops[{i}]: {reason}")
        if instances > MAX_INSTANCES:
            raise ValueError(f"ops[{i}].instances: more than {MAX_INSTANCES} in one report")
        operations.append(operation)
    return ReviewReport(client=client, operations=tuple(operations), names=names)


def _read_who(where: str, fields: Mapping[str, Any]) -> str:
    who = fields.get("who", "")
    if not isinstance(who, str):
        raise ValueError(f"{where}.who: wanted a name, got {shorten(who)}")
    return clean_name(who)


class _Left:
    """What the edits of one report may still cost."""

    def __init__(self) -> None:
        self.counts, self.corners, self.edge = (
            MAX_MESSAGE_COUNTS,
            MAX_MESSAGE_CORNERS,
            float(MAX_MESSAGE_EDGE),
        )

    def refuses(self, edit: Edit) -> str:
        """Why an edit is too much; empty, and what it costs is taken, where it is not."""
        masks = (*edit.changes, *edit.added)
        outlines = [one.polygons for one in masks if one.polygons]
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


def _read_operation(where: str, entry: object) -> Operation:
    fields = check_mapping(where, entry)
    kind = take(fields, "kind", f"{where}.")
    seq = _read_int(fields, where, "seq", least=1)
    if not isinstance(kind, str) or kind not in _READERS:
        raise ValueError(f"{where}.kind: wanted one of {', '.join(_READERS)}, got {shorten(kind)}")
    return _READERS[kind](where, fields, seq)


def _read_set_status(where: str, fields: Mapping[str, Any], seq: int) -> SetStatus:
    status = take(fields, "status", f"{where}.")
    check_choice(f"{where}.status", status, get_args(Status))
    return SetStatus(seq, _read_int(fields, where, "image_id"), status, _read_instances(where, fields))


def _read_relabel(where: str, fields: Mapping[str, Any], seq: int) -> Relabel:
    category_id = _read_int(fields, where, "category_id", least=-MAX_INT)
    return Relabel(seq, _read_int(fields, where, "image_id"), category_id, _read_instances(where, fields))


def _read_set_crowd(where: str, fields: Mapping[str, Any], seq: int) -> SetCrowd:
    is_crowd = _read_bool(where, "is_crowd", take(fields, "is_crowd", f"{where}."))
    return SetCrowd(seq, _read_int(fields, where, "image_id"), is_crowd, _read_instances(where, fields))


def _read_draw_box(where: str, fields: Mapping[str, Any], seq: int) -> DrawBox:
    name = f"{where}.box"
    corners = check_list(name, take(fields, "box", f"{where}."), 4)
    if len(corners) != 4:
        raise ValueError(f"{name}: wanted x1 y1 x2 y2, got {shorten(corners)}")
    _check_coordinates(name, corners)
    x1, y1, x2, y2 = map(float, corners)
    if not (x1 < x2 and y1 < y2):
        raise ValueError(f"{name}: wanted x1 < x2 and y1 < y2, got {shorten(corners)}")
    return DrawBox(seq, _read_int(fields, where, "image_id"), (x1, y1, x2, y2))


def _read_edit(where: str, fields: Mapping[str, Any], seq: int) -> Edit:
    what = take(fields, "what", f"{where}.")
    check_choice(f"{where}.what", what, get_args(EditName))
    changes: list[ChangedInstance] = []
    for i, entry in enumerate(check_list(f"{where}.changes", take(fields, "changes", f"{where}."), MAX_MADE)):
        changes.append(_read_change(f"{where}.changes[{i}]", check_mapping(f"{where}.changes[{i}]", entry)))
    refs = [change.ref for change in changes]
    if len(set(refs)) != len(refs):
        raise ValueError(f"{where}.changes: an instance is named twice")
    added: list[AddedInstance] = []
    for i, entry in enumerate(check_list(f"{where}.added", take(fields, "added", f"{where}."), MAX_MADE)):
        name = f"{where}.added[{i}]"
        one = check_mapping(name, entry)
        category_id = _read_int(one, name, "category_id", least=-MAX_INT)
        is_crowd = _read_bool(name, "is_crowd", one.get("is_crowd", False))
        polygons = _read_polygons(name, one)
        added.append(AddedInstance(category_id, _read_counts(name, one), polygons, is_crowd))
    if not changes and not added:
        raise ValueError(f"{where}: neither changes nor added")
    return Edit(seq, _read_int(fields, where, "image_id"), what, tuple(changes), tuple(added))


def _read_change(where: str, fields: Mapping[str, Any]) -> ChangedInstance:
    ref = _read_ref(f"{where}.id", take(fields, "id", f"{where}."))
    version = _read_int(fields, where, "version")
    if fields.get("gone", False) is True:
        return ChangedInstance(ref, version, None)
    status = take(fields, "status", f"{where}.")
    check_choice(f"{where}.status", status, get_args(Status))
    return ChangedInstance(ref, version, _read_counts(where, fields), status, _read_polygons(where, fields))


def _read_counts(where: str, fields: Mapping[str, Any]) -> str:
    counts = take(fields, "counts", f"{where}.")
    if not isinstance(counts, str) or not 0 < len(counts) <= MAX_COUNTS or not counts.isascii():
        raise ValueError(f"{where}.counts: wanted run lengths as a text, got {shorten(counts)}")
    return counts


def _read_polygons(where: str, fields: Mapping[str, Any]) -> tuple[tuple[float, ...], ...] | None:
    name, given = f"{where}.polygons", fields.get("polygons")
    if given is None:
        return None
    rings, left = check_list(name, given, MAX_RINGS), MAX_CORNERS
    for i, ring in enumerate(rings):
        numbers = check_list(f"{name}[{i}]", ring, left)
        left -= len(numbers)
        _check_coordinates(f"{name}[{i}]", numbers)
        if len(numbers) % 2:
            raise ValueError(f"{name}[{i}]: wanted x and y of each corner, got {len(numbers)} numbers")
    return tuple(tuple(map(float, ring)) for ring in rings)


def _check_coordinates(name: str, numbers: list[Any]) -> None:
    for number in numbers:
        if type(number) not in (int, float) or not -MAX_SIDE <= number <= MAX_SIDE:
            raise ValueError(f"{name}: wanted numbers from -{MAX_SIDE} to {MAX_SIDE}, got {shorten(number)}")


def _read_reshape(where: str, fields: Mapping[str, Any], seq: int) -> Reshape:
    how, threshold = take(fields, "how", f"{where}."), take(fields, "threshold", f"{where}.")
    check_choice(f"{where}.how", how, get_args(ReshapeWay))
    if type(threshold) not in (int, float) or not 0 < threshold < 1:
        raise ValueError(f"{where}.threshold: wanted a number between 0 and 1, got {shorten(threshold)}")
    image_id, rows = _read_int(fields, where, "image_id"), _read_instances(where, fields)
    return Reshape(seq, image_id, how, float(threshold), rows)


def _read_finish(where: str, fields: Mapping[str, Any], seq: int) -> Finish:
    status = take(fields, "status", f"{where}.")
    check_choice(f"{where}.status", status, get_args(FinishStatus))
    image_id, version = _read_int(fields, where, "image_id"), _read_int(fields, where, "image_version")
    return Finish(seq, image_id, version, status)


def _read_go(where: str, fields: Mapping[str, Any], seq: int) -> Go:
    token = take(fields, "token", f"{where}.")
    if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN:
        raise ValueError(f"{where}.token: wanted 1 to {MAX_TOKEN} characters, got {shorten(token)}")
    return Go(seq, token, _read_int(fields, where, "at"))


_READERS: dict[str, Callable[[str, Mapping[str, Any], int], Operation]] = {
    "set_status": _read_set_status,
    "relabel": _read_relabel,
    "set_crowd": _read_set_crowd,
    "draw_box": _read_draw_box,
    "edit": _read_edit,
    "reshape": _read_reshape,
    "finish": _read_finish,
    "go": _read_go,
    "undo": lambda where, fields, seq: Undo(seq),
    "redo": lambda where, fields, seq: Redo(seq),
}


def _read_instances(where: str, fields: Mapping[str, Any]) -> tuple[tuple[Ref, int], ...]:
    name = f"{where}.instances"
    pairs = check_list(name, take(fields, "instances", f"{where}."), MAX_INSTANCES)
    if not pairs:
        raise ValueError(f"{name}: empty")
    found: dict[Ref, int] = {}
    for i, pair in enumerate(pairs):
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError(f"{name}[{i}]: wanted id and version, got {shorten(pair)}")
        ref, version = _read_ref(f"{name}[{i}][0]", pair[0]), pair[1]
        check_int(f"{name}[{i}][1]", version)
        if ref in found:
            raise ValueError(f"{name}[{i}][0]: {ref} is named twice")
        found[ref] = version
    return tuple(found.items())


def _read_ref(name: str, value: object) -> Ref:
    if not isinstance(value, list):
        check_int(name, value)
        return cast(int, value)
    if len(value) != 2:
        raise ValueError(f"{name}: wanted an id, or an operation's number and a place, got {shorten(value)}")
    seq, place = value
    check_int(f"{name}[0]", seq, least=1)
    check_int(f"{name}[1]", place)
    return (seq, place)


def _read_bool(where: str, name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{where}.{name}: expected true or false, got {shorten(value)}")
    return value


def _read_int(fields: Mapping[str, Any], where: str, name: str, *, least: int = 0) -> int:
    value = take(fields, name, f"{where}.")
    check_int(f"{where}.{name}", value, least=least)
    return value
