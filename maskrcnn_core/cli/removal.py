"""The commands that archive and delete a project, bring it back, and let its files go."""

from __future__ import annotations

from typing import Annotated

import typer

from maskrcnn_core.cli.jobs import open_store, project_named
from maskrcnn_core.cli.options import ProjectArgument, WhoOption, name_for_journal
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.terminal import table
from maskrcnn_core.errors import InputError, StoreError
from maskrcnn_core.projects.records import ProjectRow
from maskrcnn_core.projects.removal import (
    archive_project,
    bring_back_project,
    contents_of,
    delete_project,
    purge,
    purge_now,
    restore_project,
)
from maskrcnn_core.projects.standing import KEPT_DAYS, Deletion
from maskrcnn_core.projects.store import Store

__all__ = ["archive", "bring_back", "delete", "list_deleted", "purge_projects", "restore"]


def archive(name: ProjectArgument, who: WhoOption = None) -> None:
    """Archive a project: out of the menus, and read-only until it is brought back."""
    with open_store() as store:
        is_new = archive_project(store, name_for_journal(who), project_named(store, name))
        told = "is archived; 'project bring-back' ends that" if is_new else "is archived already"
        typer.echo(f"{one_line(name)} {told}")


def bring_back(name: ProjectArgument, who: WhoOption = None) -> None:
    """Bring an archived project back to work."""
    with open_store() as store:
        was = bring_back_project(store, name_for_journal(who), project_named(store, name))
        typer.echo(f"{one_line(name)} is {'back' if was else 'not archived'}")


def delete(
    name: ProjectArgument,
    now: Annotated[
        bool,
        typer.Option("--now", help="Let its rows and files go at once; asks for the project's name first."),
    ] = False,
    who: WhoOption = None,
) -> None:
    """Delete a project; it can be restored for 30 days, then its files go."""
    with open_store() as store:
        author, row = name_for_journal(who), project_named(store, name)
        contents = contents_of(store, row.id).told
        if now:
            _confirm(row, f"{one_line(name)} with {contents} goes for good.")
        delete_project(store, author, row)
        if now:
            _purge_now(store, author, row)
        else:
            typer.echo(
                f"deleted {one_line(name)} with {contents}; for {KEPT_DAYS} days 'project restore' brings it "
                "back, then its files go"
            )


def list_deleted(store: Store) -> None:
    """Print the deleted projects, and how long each can be restored."""
    rows = [("number", "project", "deleted (UTC)", "by", "days left")]
    for row, deletion in store.deleted_projects():
        when = f"{deletion.at:%Y-%m-%d %H:%M}"
        days = str(deletion.days_left())
        rows.append((f"#{row.id}", one_line(row.name), when, one_line(deletion.who), days))
    for line in table(rows, right=(0, 4)):
        typer.echo(line)


def restore(
    name: Annotated[str, typer.Argument(help="The deleted project's name, or its number: #12.")],
    new_name: Annotated[
        str | None, typer.Option("--as", help="Give it another name, where its own has been taken.")
    ] = None,
    who: WhoOption = None,
) -> None:
    """Restore a deleted project as it was."""
    with open_store() as store:
        row, _ = _deleted_named(store, name)
        restored = restore_project(store, name_for_journal(who), row, new_name)
        typer.echo(f"restored {one_line(restored.name)} with {contents_of(store, row.id).told}")


def purge_projects(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A deleted project, or its number: it goes at once. [default: those whose time is over]"
        ),
    ] = None,
    who: WhoOption = None,
) -> None:
    """Let deleted projects go for good, with the files that no other project needs."""
    with open_store() as store:
        if name is not None:
            row, _ = _deleted_named(store, name)
            _confirm(row, f"{one_line(row.name)} goes for good.")
            _purge_now(store, name_for_journal(who), row)
            return
        done = purge(store)
        for one in done:
            typer.echo(one.told)
        typer.echo(f"{counted(len(done), 'project')} whose time was over")
        if any(one.problem for one in done):
            raise typer.Exit(1)


def _confirm(row: ProjectRow, told: str) -> None:
    typed = typer.prompt(f"{told} Type its name to go on", err=True)
    if typed.strip() != row.name:
        raise InputError(
            f"expected the name {one_line(row.name)!r}, got {one_line(typed)!r}; nothing was done"
        )


def _purge_now(store: Store, who: str, row: ProjectRow) -> None:
    done = purge_now(store, who, row)
    if done.problem:
        raise StoreError(done.told)
    typer.echo(done.told)


def _deleted_named(store: Store, name: str) -> tuple[ProjectRow, Deletion]:
    deleted = store.deleted_projects()
    found = [pair for pair in deleted if pair[0].name == name] or [
        pair for pair in deleted if f"#{pair[0].id}" == name
    ]
    if not found:
        known = ", ".join(one_line(row.name) for row, _ in deleted[:20]) or "none"
        raise InputError(
            f"project {one_line(name)!r}: there is no such deleted project; deleted projects: {known}"
        )
    if len(found) > 1:
        numbers = ", ".join(f"#{row.id}" for row, _ in found)
        raise InputError(
            f"project {one_line(name)!r}: expected one deleted project of this name, got {len(found)}; give "
            f"the number of one: {numbers}"
        )
    return found[0]
