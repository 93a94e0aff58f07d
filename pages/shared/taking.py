"""Operations of the reviewer into the store, each once, in their order."""

from __future__ import annotations

from functools import partial
from typing import Literal

from maskrcnn_core.errors import CategoryNeededError, CoreError, StoreError
from maskrcnn_core.projects.mask_edits import made_by
from maskrcnn_core.projects.review.executing import ReviewExecutor, is_refusal, subject_of
from maskrcnn_core.projects.review.operations import Redo, Undo
from maskrcnn_core.projects.review.outcomes import tell_outcome
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.undo_report import tell_turn
from pages.components.review import Go, Operation, Refusal, ReviewReport, Unreadable, waiting_operations
from pages.shared.cached import box_drawer, open_store
from pages.shared.session import REVIEWER, ProjectUi, Turned

__all__ = ["take_operations", "take_waiting"]

_TOLD = 1000  # refusals of one tab that are kept to be told
_MADE = 50  # operations of one tab whose new ids are told


def take_waiting(ui: ProjectUi, key: str = REVIEWER) -> str:
    """Carry out what the browser has sent and is not yet carried out.

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
    """Carry out what is new in a report, and note how far it got.

    It ends before the first decision that is nobody's; `TakenIn.nameless` says how many wait for a name.

    Args:
        store: where.
        ui: the session's; its acknowledgements and refusals move on.
        report: from the browser.

    Raises:
        StoreError: if the store cannot be written now. What came before is acknowledged; the rest stays with
            the browser, which says that it is not saved, and comes again.
    """
    client, taken = report.client, ui.taken
    fresh = report.after(client, taken.acks.get(client, 0))
    taken.nameless.pop(client, None)
    for n, operation in enumerate(fresh):
        who = report.names.get(operation.seq, "")
        if not who and not isinstance(operation, Go | Unreadable):
            # Never the session's: that may have begun since, and know nobody or somebody else.
            taken.nameless[client] = sum(not isinstance(one, Go) for one in fresh[n:])
            return
        if who and not ui.is_named:
            ui.call(who)  # the browser has said it: what can be undone is asked for this name at once
        try:
            _carry_out(store, ui, operation, client, who)
        except CoreError as error:
            if not is_refusal(error):
                raise  # it is not saved: the browser keeps it, and all after it
            _refuse(store, ui, client, operation, error)
        taken.acks[client] = operation.seq


def _refuse(store: Store, ui: ProjectUi, client: str, operation: Operation, error: CoreError) -> None:
    # A person may have gone to another project since; what is about no image was meant where they are.
    image_id: int | None = getattr(operation, "image_id", None)
    project_id = store.project_of(image_id) if image_id is not None else None
    told = ui.taken.refused.setdefault(client, [])
    subject = (
        f"{operation.kind}: " if isinstance(operation, Go | Unreadable) else subject_of(store, operation)
    )
    text = f"{subject}{error}"
    where = (ui.id or 0) if project_id is None else project_id
    needs: Literal["", "category"] = "category" if isinstance(error, CategoryNeededError) else ""
    told.append(Refusal(operation.seq, text, where, needs))
    del told[:-_TOLD]


def _remark(ui: ProjectUi, client: str, seq: int, text: str, project_id: int) -> None:
    told = ui.taken.remarks.setdefault(client, [])
    told.append(Refusal(seq, text, project_id))
    del told[:-_TOLD]


def _carry_out(store: Store, ui: ProjectUi, operation: Operation, client: str, who: str) -> None:
    taken = ui.taken
    if isinstance(operation, Unreadable):
        raise StoreError(f"{operation.reason}; reload the page")
    if isinstance(operation, Go):
        taken.moves.append(operation)
        return
    executor = ReviewExecutor(store, client, partial(box_drawer, ui.box_model), taken.made.get(client, {}))
    entry = executor.carry_out(operation, who, project_id=ui.id)
    if isinstance(operation, Undo | Redo):
        if entry is not None and ui.id is not None:
            if entry.image_id is not None:
                taken.moves.append(Turned(entry.image_id))
            _remark(ui, client, operation.seq, tell_turn(store, entry), ui.id)
        return
    project_id = store.project_of(operation.image_id)
    if project_id is not None and (outcome := tell_outcome(operation, entry)):
        _remark(ui, client, operation.seq, outcome, project_id)
    if ids := made_by(entry):
        known = taken.made.setdefault(client, {})
        known[operation.seq] = ids
        for seq in sorted(known)[:-_MADE]:
            del known[seq]
