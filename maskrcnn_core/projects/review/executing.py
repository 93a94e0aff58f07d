"""Carries out the operations of a review in a store, each once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import assert_never

from sqlalchemy.exc import IntegrityError

from maskrcnn_core.common.arrays import Box
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import ConflictError, CoreError, InferenceError, StoreError, WeightsError
from maskrcnn_core.projects.attribute_edits import attribute_changes
from maskrcnn_core.projects.category_edits import CategoryRef, find_category, make_category
from maskrcnn_core.projects.drawn_shapes import cut_out_object, keep_rectangle
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.mask_edits import (
    MendedMask,
    crowd_values,
    edit_masks,
    made_by,
    was_asked_for,
)
from maskrcnn_core.projects.proposals.network_edits import BoxDrawer
from maskrcnn_core.projects.proposals.propagating import propagate
from maskrcnn_core.projects.records import PERSON, Entry
from maskrcnn_core.projects.review.operations import (
    REVIEW_KINDS,
    SOURCES,
    AddComment,
    Approve,
    CutOut,
    DrawBox,
    Edit,
    Finish,
    NewCategory,
    Propagate,
    Redo,
    Ref,
    Relabel,
    Reshape,
    ReturnImage,
    ReviewOperation,
    SetAttributes,
    SetCrowd,
    SetStatus,
    Undo,
    Versions,
)
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.team.approvals import approve_image, return_image
from maskrcnn_core.projects.team.comments import add_comment

__all__ = ["ReviewExecutor", "is_refusal", "subject_of"]

_NOTHING_MADE: Mapping[int, tuple[int, ...]] = MappingProxyType({})


class ReviewExecutor:
    """The executor of one author's operations.

    Args:
        store: where.
        client: whose numbers they have, as a browser's tab; an operation of the same client and number is
            carried out once, however often it is asked for.
        drawer: gives what fills boxes with masks, asked for when an operation needs the network.
        made: ids that operations of this client are known to have made, by number; the journal is asked for
            the others.
    """

    def __init__(
        self,
        store: Store,
        client: str,
        drawer: Callable[[], BoxDrawer],
        made: Mapping[int, tuple[int, ...]] = _NOTHING_MADE,
    ) -> None:
        self._store, self._client, self._drawer, self._made = store, client, drawer, made

    def carry_out(
        self, operation: ReviewOperation, who: str, *, project_id: int | None = None
    ) -> Entry | None:
        """Carry out an operation, wholly or not at all.

        Args:
            operation: what is wanted.
            who: for the journal.
            project_id: in which project an undo or redo is meant; all others are where their image is.

        Returns:
            The journal's line; ``None`` if everything was so already, or nothing was there to undo.

        Raises:
            ConflictError: if somebody else changed one of the rows meanwhile.
            InputError: if a box is none.
            ImageError: if the image cannot be read.
            WeightsError: if no model is ready, which a drawn box does without.
            StoreError: if something of it is not there, or the store cannot be written; see
                :func:`is_refusal`.
        """
        store, name = self._store, f"{self._client}:{operation.seq}"
        match operation:
            case SetStatus(image_id=image_id, instances=rows):
                changes = self._changes(image_id, rows, status=operation.status)
                return self._decide(operation, who, changes)
            case Relabel(image_id=image_id, instances=rows):
                category_id = self._category(image_id, operation.category_id, name)
                changes = self._changes(image_id, rows, category_id=category_id)
                return self._decide(operation, who, changes)
            case SetCrowd(image_id=image_id, instances=rows):
                changes = self._changes(image_id, rows, **crowd_values(operation.is_crowd))
                return self._decide(operation, who, changes)
            case SetAttributes():
                return self._decide(operation, who, self._attribute_changes(operation))
            case Finish(image_id=image_id, image_version=version, status=status):
                return self._decide(operation, who, [Change("image", image_id, version, {"status": status})])
            case DrawBox(image_id=image_id, box=box, category_id=category):
                return self._draw(image_id, box, who, category, name)
            case AddComment(image_id=image_id, text=text, x=x, y=y):
                about = self._about(image_id, operation.instance)
                return add_comment(store, image_id, who, text, (x, y), instance_id=about, operation=name)
            case ReturnImage(image_id=image_id, text=text, x=x, y=y):
                about = self._about(image_id, operation.instance)
                return return_image(
                    store, image_id, who, text, place=(x, y), instance_id=about, operation=name
                )
            case Approve(image_id=image_id, instances=rows):
                seen = dict(self._known(image_id, rows))
                return approve_image(store, image_id, who, seen, operation=name)
            case NewCategory(image_id=image_id):
                project_id = self._project_of(image_id)
                return make_category(
                    store, project_id, who, operation.name, image_id=image_id, operation=name
                )
            case CutOut(image_id=image_id, category_id=category, ring=ring):
                return cut_out_object(store, image_id, ring, who, category=category, operation=name)
            case Propagate(image_id=image_id, to_image_id=target, instances=refs):
                ids = [self._id_of(image_id, ref) for ref in refs]
                return propagate(store, self._drawer(), image_id, target, ids, who, operation=name)
            case Reshape(image_id=image_id, how=how, threshold=threshold, instances=rows):
                known = dict(self._known(image_id, rows))
                return self._drawer().reshape(
                    image_id, known, who, how=how, threshold=threshold, operation=name
                )
            case Edit(image_id=image_id, what=what, added=added):
                mended = [
                    MendedMask(
                        self._id_of(image_id, one.ref), one.version, one.counts, one.status, one.polygons
                    )
                    for one in operation.changes
                ]
                source = SOURCES.get(what, PERSON)
                return edit_masks(store, image_id, who, what, mended, added, source=source, operation=name)
            case Undo():
                if project_id is None:
                    return None
                return store.undo(project_id, who, operation=name, only=REVIEW_KINDS)
            case Redo():
                if project_id is None:
                    return None
                return store.redo(project_id, who, operation=name, only=REVIEW_KINDS)
            case _:
                assert_never(operation)

    def _draw(
        self, image_id: int, box: Box, who: str, category: CategoryRef | None, operation: str
    ) -> Entry | None:
        """Fill a box by the network; where none is ready, or it fails, the box stays as a rectangle."""
        try:
            drawer = self._drawer()
            return drawer.draw(image_id, box, who, category=category, operation=operation)
        except (WeightsError, InferenceError):
            return keep_rectangle(self._store, image_id, box, who, category=category, operation=operation)

    def _decide(
        self,
        operation: SetStatus | Relabel | SetCrowd | SetAttributes | Finish,
        who: str,
        changes: Sequence[Change],
    ) -> Entry | None:
        # The image's project, which need not be the one on the screen: a person may have gone to another one.
        image_id = operation.image_id
        project_id = self._project_of(image_id)
        name = f"{self._client}:{operation.seq}"
        return self._store.decide(
            project_id, who, operation.journal_kind, changes, image_id=image_id, operation=name
        )

    def _project_of(self, image_id: int) -> int:
        project_id = self._store.project_of(image_id)
        if project_id is None:
            raise StoreError(f"image {image_id}: there is no such image")
        return project_id

    def _category(self, image_id: int, wanted: CategoryRef, operation: str) -> int:
        if isinstance(wanted, int):
            return wanted
        project_id = self._project_of(image_id)
        if was_asked_for(self._store, project_id, operation):
            return 0  # its line in the journal stands, whatever has become of the name since
        return find_category(self._store, project_id, wanted)

    def _changes(self, image_id: int, rows: Versions, **values: object) -> list[Change]:
        return [Change("instance", id_, version, values) for id_, version in self._known(image_id, rows)]

    def _attribute_changes(self, operation: SetAttributes) -> list[Change]:
        """Return the changes of what is said, each in the version that its author saw."""
        store, image_id = self._store, operation.image_id
        project_id = self._project_of(image_id)
        seen = dict(self._known(image_id, operation.instances))
        rows = store.instances(project_id, image_id=image_id, ids=seen)
        if len(rows) < len(seen):
            raise StoreError(f"instances: expected {len(seen)} of this image, got {len(rows)}")
        categories = {row.id: row for row in store.categories(project_id)}
        changes = attribute_changes(categories, rows, operation.attributes)
        return [replace(change, version=seen[change.id]) for change in changes]

    def _known(self, image_id: int, rows: Versions) -> list[tuple[int, int]]:
        """Return ids for what the author could only name by the operation that made it."""
        return [(self._id_of(image_id, ref), version) for ref, version in rows]

    def _about(self, image_id: int, ref: Ref | None) -> int | None:
        """Return the id of what a comment is about; no text is lost for an instance that never was."""
        try:
            return None if ref is None else self._id_of(image_id, ref)
        except StoreError as error:
            if not is_refusal(error):
                raise
            return None

    def _id_of(self, image_id: int, ref: Ref) -> int:
        if isinstance(ref, int):
            return ref
        seq, place = ref
        ids = self._made.get(seq)
        if ids is None:  # made in another session of this client: the journal knows
            project_id = self._store.project_of(image_id)
            entry = None if project_id is None else self._store.entry_of(project_id, f"{self._client}:{seq}")
            ids = made_by(entry)
        if place >= len(ids):
            raise StoreError("the instance this refers to was never created")
        return ids[place]


def is_refusal(error: CoreError) -> bool:
    """Return whether an operation that failed with this error would fail again.

    The other errors are the disk's or the database's, which may come back: the operation should wait.
    """
    if isinstance(error, ConflictError) or not isinstance(error, StoreError):
        return True  # a box that is none, an image that cannot be read, no model
    # Without a cause it is a row that is not there; the database itself refuses what breaks its rules.
    return error.__cause__ is None or isinstance(error.__cause__, IntegrityError)


def subject_of(store: Store, operation: ReviewOperation) -> str:
    """Return what was wanted, and in which image, as the beginning of a sentence."""
    image_id: int | None = getattr(operation, "image_id", None)
    name = None if image_id is None else store.image_name(image_id)
    return f"{operation.title}, {one_line(name)}: " if name else f"{operation.title}: "
