"""``project stats``: what is in a project, who did what, and how far people agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maskrcnn_core.cli.jobs import open_store, project_named
from maskrcnn_core.cli.options import ProjectArgument
from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.terminal import table
from maskrcnn_core.errors import ExportError
from maskrcnn_core.projects.people.tables import (
    Cell,
    StatsTable,
    agreement_of_projects,
    agreement_table,
    csv_members,
    project_tables,
)

__all__ = ["show_stats"]

_NOT_SHOWN = ("images", "days")
"""Tables that are as long as a project: they are in the files alone."""


def show_stats(
    name: ProjectArgument,
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="A copy of the project that somebody else worked on, to compare; repeat it for more.",
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="A folder for all tables as CSV files, which replace those of their names there."),
    ] = None,
) -> None:
    """Count what is in a project and what each person did, and say how far people agree."""
    with open_store() as store:
        project = project_named(store, name)
        tables = project_tables(store, project.id)
        if with_:
            ids = {one: project_named(store, one).id for one in (name, *with_)}
            between = agreement_table(agreement_of_projects(store, ids))
            tables.append(StatsTable("agreement_of_projects", between.columns, between.rows))
        for one in tables:
            if one.name not in _NOT_SHOWN:
                _show(one)
        if csv is not None:
            try:
                csv.mkdir(parents=True, exist_ok=True)
                for member in csv_members(tables):
                    replace_file(csv / member.name, member.data)
            except OSError as error:
                raise ExportError(
                    f"{one_line(str(csv))}: cannot write ({error.strerror or error})"
                ) from error
            typer.echo(f"wrote {counted(len(tables), 'file')} into {one_line(str(csv))}")


def _show(one: StatsTable) -> None:
    if not one.rows:
        return
    numbers = [n for n, cell in enumerate(one.rows[0]) if not isinstance(cell, str)]
    rows = [tuple(column.replace("_", " ") for column in one.columns)]
    rows += [tuple(_cell(cell) for cell in row) for row in one.rows]
    typer.echo(f"{one.name.replace('_', ' ')}:")
    for line in table(rows, right=numbers):
        typer.echo(line)


def _cell(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.3f}" if abs(cell) <= 1 else f"{cell:,.1f}"
    return one_line(cell) if isinstance(cell, str) else f"{cell:,}"
