"""Operations of the reviewer into the store, each once, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from maskrcnn_core.errors import ConflictError, CoreError, StoreError
from maskrcnn_core.messages import one_line
from maskrcnn_core.store.drawing import DRAW_BOX, RESHAPE
from maskrcnn_core.store.editing import MadeMask, MendedMask, crowd_values, edit_masks, made_by
from maskrcnn_core.store.journal import Change
from maskrcnn_core.store.records import Entry
from maskrcnn_core.store.store import Store
from maskrcnn_core.store.telling import tell_turn
from pages.ui.cached import box_drawer, open_store
from pages.ui.review import (
    DrawBox,
    Edit,
    EditName,
    Finish,
    Go,
    Operation,
    Redo,
    Ref,
    Refusal,
    Relabel,
    Reshape,
    ReviewReport,
    SetCrowd,
    SetStatus,
    Undo,
    Unreadable,
    waiting_operations,
)
from pages.ui.state import REVIEWER, ProjectUi, ReviewUi

__all__ = ["ACCEPT_ALL", "REVIEW_KINDS", "take_operations", "take_waiting"]

ACCEPT_ALL = "accept all"
_KINDS = {"accepted": "accept", "rejected": "reject", "proposed": "reopen"}
_CROWD_KINDS = {True: "mark as crowd", False: "mark as one object"}
REVIEW_KINDS = frozenset(
    {
        *_KINDS.values(),
        *_CROWD_KINDS.values(),
        ACCEPT_ALL,
        "relabel",
        "finish image",
        "reopen image",
        DRAW_BOX,
        *RESHAPE.values(),
    }
) | frozenset(get_args(EditName))
"""What a review may undo: keys that are pressed often must not take back an import."""

_TOLD = 1000  # refusals of one tab that are kept to be told
_MADE = 50  # operations of one tab whose new ids are told


def take_waiting(ui: ProjectUi, key: str = REVIEWER) -> str:
    """Carries out what the browser has sent and is not yet carried out.

    Args:
        ui: the session's.
        key: of the reviewer, or of the outbox that sends for it on other pages.

    Returns:
        The browser tab that the operations came from; empty if there are none.

    Raises:
        StoreError: as for :func:`take_operations`.
    """
    report = waiting_operations(key)
    if report is None:
        return ""
    take_operations(open_store(), ui, report)
    return report.client


def take_operations(store: Store, ui: ProjectUi, report: ReviewReport) -> None:
    """Carries out what is new in a report, and notes how far it got.

    It ends before the first decision that is nobody's; `ProjectUi.nameless` says how many wait for a name.

    Args:
        store: where.
        ui: the session's; the place, acknowledgements and refusals of its review move on.
        report: from the browser.

    Raises:
        StoreError: if the store cannot be written now. What came before is acknowledged; the rest stays with
            the browser, which says that it is not saved, and comes again.
    """
    client, review = report.client, ui.review
    fresh = report.after(client, review.acks.get(client, 0))
    ui.nameless.pop(client, None)
    for n, operation in enumerate(fresh):
        who = report.names.get(operation.seq, "")
        if not who and not isinstance(operation, Go | Unreadable):
            # Never the session's: that may have begun since, and know nobody or somebody else.
            ui.nameless[client] = sum(not isinstance(one, Go) for one in fresh[n:])
            return
        if who and not ui.is_named:
            ui.call(who)  # the browser has said it: what can be undone is asked for this name at once
        try:
            _carry_out(store, ui, operation, client, who)
        except ConflictError as error:
            _refuse(store, ui, client, operation, error)
        except StoreError as error:
            # With a cause it is the disk or the database, which may come back; without one it is a row that
            # is not there, and trying again would not help.
            if error.__cause__ is not None:
                raise
            _refuse(store, ui, client, operation, error)
        except CoreError as error:
            # A box that is none, an image that cannot be read, no model: the same another time.
            _refuse(store, ui, client, operation, error)
        review.acks[client] = operation.seq


def _where(store: Store, operation: Operation) -> str:
    """What was wanted, and in which image, as the beginning of a sentence."""
    match operation:
        case SetStatus(image_id=image_id, status=status, instances=rows):
            what = f"{_KINDS[status]} {len(rows)}"
        case Relabel(image_id=image_id, instances=rows):
            what = f"relabel {len(rows)}"
        case SetCrowd(image_id=image_id, is_crowd=is_crowd, instances=rows):
            what = f"{_CROWD_KINDS[is_crowd]} {len(rows)}"
        case DrawBox(image_id=image_id):
            what = DRAW_BOX
        case Edit(image_id=image_id, what=name):
            what = name
        case Reshape(image_id=image_id, how=how):
            what = RESHAPE[how]
        case Finish(image_id=image_id):
            what = "finish image"
        case _:
            return f"{operation.kind}: "
    file_name = store.image_name(image_id)
    return f"{what}, {one_line(file_name)}: " if file_name else f"{what}: "


def _refuse(store: Store, ui: ProjectUi, client: str, operation: Operation, error: CoreError) -> None:
    # A person may have gone to another project since; what is about no image was meant where they are.
    image_id: int | None = getattr(operation, "image_id", None)
    project_id = store.project_of(image_id) if image_id is not None else None
    told = ui.review.refused.setdefault(client, [])
    text = f"{_where(store, operation)}{error}"
    told.append(Refusal(operation.seq, text, (ui.id or 0) if project_id is None else project_id))
    del told[:-_TOLD]


def _carry_out(store: Store, ui: ProjectUi, operation: Operation, client: str, who: str) -> None:
    review, name = ui.review, f"{client}:{operation.seq}"
    entry: Entry | None = None
    match operation:
        case SetStatus(image_id=image_id, status=status, instances=rows):
            known = _resolved(store, review, client, image_id, rows)
            _decide(store, who, _KINDS[status], image_id, _changes("instance", known, status=status), name)
        case Relabel(image_id=image_id, category_id=category_id, instances=rows):
            known = _resolved(store, review, client, image_id, rows)
            _decide(
                store, who, "relabel", image_id, _changes("instance", known, category_id=category_id), name
            )
        case SetCrowd(image_id=image_id, is_crowd=is_crowd, instances=rows):
            known = _resolved(store, review, client, image_id, rows)
            values = crowd_values(is_crowd)
            _decide(store, who, _CROWD_KINDS[is_crowd], image_id, _changes("instance", known, **values), name)
        case DrawBox(image_id=image_id, box=box):
            entry = box_drawer(review.box_model).draw(image_id, box, who, operation=name)
        case Reshape(image_id=image_id, how=how, threshold=threshold, instances=rows):
            known = _resolved(store, review, client, image_id, rows)
            drawer = box_drawer(review.box_model)
            drawer.reshape(image_id, dict(known), who, how=how, threshold=threshold, operation=name)
        case Edit():
            entry = _edit(store, review, operation, who, client, name)
        case Finish(image_id=image_id, image_version=version, status=status):
            kind = "finish image" if status == "reviewed" else "reopen image"
            _decide(store, who, kind, image_id, _changes("image", [(image_id, version)], status=status), name)
        case Undo() | Redo() if ui.id is not None:
            act = store.undo if isinstance(operation, Undo) else store.redo
            turned = act(ui.id, who, operation=name, only=REVIEW_KINDS)
            _look_at(review, turned)
            if turned is not None:
                review.remarks.setdefault(client, []).append(
                    Refusal(operation.seq, tell_turn(store, turned), ui.id)
                )
                del review.remarks[client][:-_TOLD]
        case Unreadable(reason=reason):
            raise StoreError(f"{reason}; reload the page")
        case Go(token=token, at=at):
            # A place in a queue that is no longer there means nothing.
            if token == review.token and at < len(review.queue):
                review.at = at
    if ids := made_by(entry):
        told = review.made.setdefault(client, {})
        told[operation.seq] = ids
        for seq in sorted(told)[:-_MADE]:
            del told[seq]


def _edit(store: Store, review: ReviewUi, edit: Edit, who: str, client: str, name: str) -> Entry | None:
    rows = [(change.ref, change.version) for change in edit.changes]
    known = _resolved(store, review, client, edit.image_id, rows)
    mended = [
        MendedMask(id_, version, change.counts, change.status, change.polygons)
        for (id_, version), change in zip(known, edit.changes, strict=True)
    ]
    made = [MadeMask(one.category_id, one.counts, one.polygons, one.is_crowd) for one in edit.added]
    return edit_masks(store, edit.image_id, who, edit.what, mended, made, operation=name)


def _resolved(
    store: Store, review: ReviewUi, client: str, image_id: int, rows: Sequence[tuple[Ref, int]]
) -> list[tuple[int, int]]:
    """Ids for what the browser could only name by the operation that made it."""
    return [(_id_of(store, review, client, image_id, ref), version) for ref, version in rows]


def _id_of(store: Store, review: ReviewUi, client: str, image_id: int, ref: Ref) -> int:
    if isinstance(ref, int):
        return ref
    seq, place = ref
    ids = review.made.get(client, {}).get(seq)
    if ids is None:  # made in another session of this tab: the journal knows
        project_id = store.project_of(image_id)
        ids = made_by(store.entry_of(project_id, f"{client}:{seq}")) if project_id is not None else ()
    if place >= len(ids):
        raise StoreError("what this was about has not been made")
    return ids[place]


def _decide(store: Store, who: str, kind: str, image_id: int, changes: list[Change], name: str) -> None:
    # Not the project that is on the screen: a person may have gone to another one meanwhile.
    project_id = store.project_of(image_id)
    if project_id is None:
        raise StoreError(f"image {image_id}: there is no such image")
    store.decide(project_id, who, kind, changes, image_id=image_id, operation=name)


def _changes(table: str, rows: Sequence[tuple[int, int]], **values: object) -> list[Change]:
    return [Change(table, id_, version, values) for id_, version in rows]


def _look_at(review: ReviewUi, entry: Entry | None) -> None:
    """Goes where something was taken back, so that people see what happened."""
    if entry is None or entry.image_id is None:
        return
    here = review.item
    if here is not None and here.image_id == entry.image_id:
        return
    places = (n for n, item in enumerate(review.queue) if item.image_id == entry.image_id)
    review.at = next(places, review.at)
