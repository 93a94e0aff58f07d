"""``project snapshot ...``: named versions of a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maskrcnn_core.cli.jobs import open_store, project_named
from maskrcnn_core.cli.options import ProjectArgument, WhoOption, name_for_journal
from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.common.terminal import table
from maskrcnn_core.errors import ExportError
from maskrcnn_core.projects.exchange.exporting import checked_coco, select
from maskrcnn_core.projects.records import STATUSES
from maskrcnn_core.projects.review.review_queue import QueueFilter
from maskrcnn_core.projects.snapshots.comparing import CHANGES, Comparison, compare_contents
from maskrcnn_core.projects.snapshots.keeping import (
    make_snapshot,
    present_contents,
    snapshot_contents,
    snapshot_named,
    snapshots_of,
)
from maskrcnn_core.projects.snapshots.reading import SnapshotStore
from maskrcnn_core.projects.snapshots.restoring import restore_snapshot

__all__ = ["app"]

_SHOWN = 50
_SnapshotArgument = Annotated[str, typer.Argument(help="The snapshot's name.")]

app = typer.Typer(
    no_args_is_help=True, help="Named versions of a project: make, list, compare, restore, export."
)


@app.command("make")
def make(name: ProjectArgument, snapshot: _SnapshotArgument, who: WhoOption = None) -> None:
    """Keep a project as it is, under a name."""
    with open_store() as store:
        row = make_snapshot(store, project_named(store, name).id, name_for_journal(who), snapshot)
        typer.echo(f"kept {one_line(row.name)} with {row.told}")


@app.command("list")
def list_snapshots(name: ProjectArgument) -> None:
    """List a project's snapshots, the newest first."""
    with open_store() as store:
        rows = [("snapshot", "made (UTC)", "by", "images", "instances", "categories")]
        rows += [
            (
                one_line(row.name),
                f"{row.made_at:%Y-%m-%d %H:%M}",
                one_line(row.made_by),
                f"{row.images:,}",
                f"{row.instances:,}",
                f"{row.categories:,}",
            )
            for row in snapshots_of(store, project_named(store, name).id)
        ]
        for line in table(rows, right=range(3, 6)):
            typer.echo(line)


@app.command("compare")
def compare(
    name: ProjectArgument,
    snapshot: _SnapshotArgument,
    other: Annotated[
        str | None, typer.Argument(help="A later snapshot. [default: the project as it is now]")
    ] = None,
) -> None:
    """Say what changed since a snapshot, or from one to another: per image and per category."""
    with open_store() as store:
        project = project_named(store, name)
        first = snapshot_contents(store, snapshot_named(store, project.id, snapshot))
        second = (
            present_contents(store, project.id)
            if other is None
            else snapshot_contents(store, snapshot_named(store, project.id, other))
        )
        _show(compare_contents(first, second))


def _show(found: Comparison) -> None:
    typer.echo(found.told)
    for title, counts in (("category", found.per_category), ("image", found.per_image)):
        if not counts:
            continue
        rows = [(title, *CHANGES)]
        rows += [
            (one_line(name), *(f"{of[change]:,}" for change in CHANGES))
            for name, of in sorted(counts.items())[:_SHOWN]
        ]
        for line in table(rows, right=range(1, len(CHANGES) + 1)):
            typer.echo(line)
        if len(counts) > _SHOWN:
            typer.echo(f"and {len(counts) - _SHOWN:,} more")


@app.command("restore")
def restore(name: ProjectArgument, snapshot: _SnapshotArgument, who: WhoOption = None) -> None:
    """Bring a project back to a snapshot; 'project undo' takes that back."""
    with open_store() as store:
        row = snapshot_named(store, project_named(store, name).id, snapshot)
        entry, found = restore_snapshot(store, row, name_for_journal(who))
        done = f"restored {one_line(row.name)}: {found.told}; 'project undo' takes it back"
        typer.echo(done if entry else f"the project is as it was at {one_line(row.name)} already")


@app.command("export")
def export(
    name: ProjectArgument,
    snapshot: _SnapshotArgument,
    out: Annotated[Path, typer.Option(help="The COCO JSON file to write.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Also proposals and rejected instances. [default: accepted ones]")
    ] = False,
) -> None:
    """Write a snapshot as COCO JSON, read back with pycocotools."""
    with open_store() as store:
        project = project_named(store, name)
        then = SnapshotStore(store, snapshot_named(store, project.id, snapshot))
        images, facts = then.images(project.id), then.facts(project.id)
        selection = select(images, facts, QueueFilter(), statuses=STATUSES if everything else ("accepted",))
        data, note = checked_coco(then, project.id, selection)
        try:
            replace_file(out, data)
        except OSError as error:
            raise ExportError(f"{one_line(str(out))}: cannot write ({error.strerror or error})") from error
        typer.echo(f"{note}; wrote {one_line(str(out))}")
