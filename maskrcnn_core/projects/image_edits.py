"""Images out of a project, with what is on them: one decision, which undo takes back whole."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.errors import InputError
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.records import ImageRow
from maskrcnn_core.projects.store import Store

__all__ = ["Removed", "images_named", "remove_images"]

_SHOWN = 5


@dataclass(frozen=True)
class Removed:
    """What was removed.

    Args:
        images, instances: how many; the instances were on the images.
    """

    images: int
    instances: int

    @property
    def told(self) -> str:
        """The numbers in words."""
        return f"{counted(self.images, 'image')} with {counted(self.instances, 'instance')}"


def remove_images(store: Store, project_id: int, who: str, rows: Collection[ImageRow]) -> Removed:
    """Remove images from a project, with all instances on them; their files stay, for undo.

    Args:
        store, project_id, who: where, and for the journal.
        rows: the images as their author saw them.

    Raises:
        InputError: if there are none.
        ConflictError: if somebody changes one of them, or an instance on them, at the same moment; then
            nothing is done.
    """
    ids = {row.id for row in rows}
    if not ids:
        raise InputError("images: expected one or more to remove, got none")
    changes = [Change("image", row.id, row.version, {"gone": True}) for row in rows]
    on_them = [fact for fact in store.facts(project_id) if fact.image_id in ids]
    changes += [Change("instance", fact.id, fact.version, {"gone": True}) for fact in on_them]
    store.decide(project_id, who, "remove images", changes)
    return Removed(len(rows), len(on_them))


def images_named(store: Store, project_id: int, names: Sequence[str]) -> list[ImageRow]:
    """Return a project's images with these file names, in the order in which they came.

    Raises:
        InputError: naming those that it does not have.
    """
    wanted = set(names)
    found = [row for row in store.images(project_id) if row.file_name in wanted]
    missing = sorted(wanted - {row.file_name for row in found})
    if missing:
        more = f" and {len(missing) - _SHOWN:,} more" if len(missing) > _SHOWN else ""
        shown = ", ".join(one_line(name) for name in missing[:_SHOWN])
        raise InputError(f"images: expected file names of the project, got {shown}{more}; nothing was done")
    return found
