"""The command ``project comments``: what people have said of images."""

from __future__ import annotations

from typing import Annotated

import typer

from maskrcnn_core.cli.jobs import open_store, project_named
from maskrcnn_core.cli.options import ProjectArgument
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.projects.team.comments import comments_of

__all__ = ["list_comments"]


def list_comments(
    name: ProjectArgument,
    all_: Annotated[bool, typer.Option("--all", help="Those that are resolved, too.")] = False,
) -> None:
    """List the open comments on a project's images, with their answers."""
    with open_store() as store:
        rows = store.images(project_named(store, name).id)
    open_ones = resolved = 0
    for row in rows:
        for one in comments_of(row):
            open_ones += not one.is_resolved
            resolved += one.is_resolved
            if one.is_resolved and not all_:
                continue
            mark = " (resolved)" if one.is_resolved else ""
            about = "" if one.instance is None else f", instance {one.instance}"
            where = f"{one_line(row.file_name)} at {one.x:g}, {one.y:g}{about}"
            typer.echo(f"{where}: {one_line(one.who)}{mark}: {one_line(one.text)}")
            for answer in one.answers:
                typer.echo(f"    {one_line(answer.who)}: {one_line(answer.text)}")
    typer.echo(f"{counted(open_ones, 'comment')} open, {resolved} resolved")
