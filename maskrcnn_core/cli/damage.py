"""``project verify``, and the damaged rows that ``project export`` leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from maskrcnn_core.cli.jobs import open_store, project_named
from maskrcnn_core.cli.options import QuietOption
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.terminal import bar_of, tell
from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.db.damage import Damage, damaged_files, project_names
from maskrcnn_core.projects.snapshots.keeping import damaged_snapshots
from maskrcnn_core.projects.store import Store

__all__ = ["LeaveOutOption", "sound_part", "verify_projects"]

LeaveOutOption = Annotated[
    bool,
    typer.Option(
        "--leave-out-damaged",
        help="If database rows are damaged, leave them out, name them, and write the rest.",
    ),
]

_SHOWN = 20


def verify_projects(
    names: Annotated[list[str] | None, typer.Argument(help="Names of projects. [default: all]")] = None,
    quiet: QuietOption = False,
) -> None:
    """Check that projects still hold what was written: rows by their checksums, files by their digests.

    The exit code is 1 if anything is damaged.
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
        found += damaged_files(store.blobs, files, lambda: bar.update(1))
    return [*found, *damaged_snapshots(store, project_id)]


def _verdict(found: Sequence[Damage]) -> str:
    if not found:
        return "everything is as it was written"
    files = sum(damage.table == "file" for damage in found)
    return f"{counted(len(found) - files, 'damaged row')}, {counted(files, 'damaged or missing file')}"


def sound_part(store: Store, project_id: int, leave_out: bool) -> Store:
    """Return the store as an export reads it, without damaged rows if they are left out, and report them.

    Raises:
        StoreError: if the project's own row is damaged.
    """
    if not leave_out:
        return store
    found = store.damaged_rows(project_id)
    for damage in found[:_SHOWN]:
        if damage.table == "project":
            raise StoreError(f"{damage.shown}: the project's own row is damaged, so nothing can be written")
        tell(f"{damage.shown}: damaged, left out")
    if len(found) > _SHOWN:
        tell(f"{len(found) - _SHOWN:,} more damaged rows are left out")
    return store.leaving_out(found)
