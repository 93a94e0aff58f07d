"""``project verify``, and what ``project export`` leaves out of what is damaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from maskrcnn_core.console import bar_of, tell
from maskrcnn_core.errors import StoreError
from maskrcnn_core.job_commands import open_store, project_named
from maskrcnn_core.messages import counted, one_line
from maskrcnn_core.store.damage import Damage, damaged_files, project_names
from maskrcnn_core.store.store import Store

__all__ = ["LeaveOutOption", "sound_part", "verify_projects"]

LeaveOutOption = Annotated[
    bool,
    typer.Option(
        "--leave-out-damaged",
        help="Write what is left where rows of the database are damaged, and name them.",
    ),
]

_SHOWN = 20


def verify_projects(
    names: Annotated[list[str] | None, typer.Argument(help="Of projects. [default: all]")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Compare all that projects hold with what was written: rows by their checksums, images by their digests.

    The exit code is 1 where something is damaged.
    """
    is_sound = True
    with open_store() as store:
        wanted = {project_named(store, name).id for name in names or ()}
        with store.reading() as connection:
            projects = [row for row in project_names(connection) if not names or row[0] in wanted]
        for id_, name in projects:
            found = _damage_of(store, id_, quiet=quiet)
            for damage in found[:_SHOWN]:
                tell(f"{damage.shown}: damaged" if damage.table != "file" else damage.shown)
            if len(found) > _SHOWN:
                tell(f"{len(found) - _SHOWN:,} more of {one_line(name)}")
            typer.echo(f"{one_line(name)}: {_verdict(found)}")
            is_sound = is_sound and not found
    if not is_sound:
        raise typer.Exit(1)


def _damage_of(store: Store, project_id: int, *, quiet: bool) -> list[Damage]:
    found = store.damaged_rows(project_id)
    images = store.leaving_out(found).images(project_id)
    with bar_of(total=len(images), unit="image", quiet=quiet) as bar:
        files = [(image.id, image.file_name, image.digest) for image in images]
        return [*found, *damaged_files(store.blobs, files, lambda: bar.update(1))]


def _verdict(found: Sequence[Damage]) -> str:
    if not found:
        return "all is as it was written"
    files = sum(damage.table == "file" for damage in found)
    return f"{counted(len(found) - files, 'damaged row')}, {counted(files, 'damaged or missing image file')}"


def sound_part(store: Store, project_id: int, leave_out: bool) -> Store:
    """The store as an export reads it: without what is damaged, where that is asked for, and says so.

    Raises:
        StoreError: if the project's own row is damaged.
    """
    if not leave_out:
        return store
    found = store.damaged_rows(project_id)
    for damage in found[:_SHOWN]:
        if damage.table == "project":
            raise StoreError(f"{damage.shown}: damaged itself, so nothing of it can be written")
        tell(f"{damage.shown}: damaged, left out")
    if len(found) > _SHOWN:
        tell(f"{len(found) - _SHOWN:,} more damaged rows are left out")
    return store.leaving_out(found)
