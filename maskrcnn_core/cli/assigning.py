"""The command ``project assign``: which images are whose."""

from __future__ import annotations

from typing import Annotated

import typer

from maskrcnn_core.cli.jobs import open_store, project_named
from maskrcnn_core.cli.options import ProjectArgument, WhoOption, name_for_journal, parts_of
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.terminal import table
from maskrcnn_core.errors import InputError
from maskrcnn_core.projects.image_edits import images_named
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.team.assignments import assign_evenly, assign_images, left_to_share, workload

__all__ = ["assign"]


def assign(
    name: ProjectArgument,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            help="File names in the project; without any, all images that are nobody's and not reviewed yet."
        ),
    ] = None,
    to: Annotated[str | None, typer.Option(help='Whose they become; "" makes them nobody\'s.')] = None,
    evenly: Annotated[
        str, typer.Option(help="People, separated by commas, to each as many: Ann,Bob,Eve.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Of the shuffle before they are shared out.")] = 0,
    who: WhoOption = None,
) -> None:
    """Assign images to people, or list whose they are."""
    with open_store() as store:
        project = project_named(store, name)
        if to is None and not evenly:
            if images:
                raise InputError("images: expected --to or --evenly with them, got neither")
            _list(store, project.id)
            return
        if to is not None and evenly:
            raise InputError("options: expected --to or --evenly, got both")
        rows = images_named(store, project.id, images) if images else left_to_share(store.images(project.id))
        author = name_for_journal(who)
        if to is not None:
            entry = assign_images(store, project.id, author, rows, to)
        else:
            entry = assign_evenly(store, project.id, author, rows, parts_of(evenly), seed=seed)
        changed = counted(len(entry.changes), "image") if entry else "no image"
        typer.echo(f"assigned {changed} anew")
        _list(store, project.id)


def _list(store: Store, project_id: int) -> None:
    rows = store.images(project_id)
    shares = workload(rows)
    lines = [("person", "images", "not reviewed")]
    lines += [(one_line(name), str(all_), str(left)) for name, (all_, left) in shares.items()]
    lines.append(("nobody", str(len(rows) - sum(all_ for all_, _ in shares.values())), ""))
    for line in table(lines, right=range(1, 3)):
        typer.echo(line)
