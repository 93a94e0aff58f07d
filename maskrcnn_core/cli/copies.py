"""``project duplicate`` and ``project merge``."""

from __future__ import annotations

from typing import Annotated

import typer

from maskrcnn_core.cli.jobs import open_store, project_named
from maskrcnn_core.cli.options import ProjectArgument, WhoOption, name_for_journal
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.common.terminal import tell
from maskrcnn_core.projects.copying.duplicating import duplicate_project
from maskrcnn_core.projects.copying.merging import carry_out_merge, plan_merge
from maskrcnn_core.projects.removal import contents_of

__all__ = ["duplicate", "merge"]


def duplicate(
    name: ProjectArgument,
    new_name: Annotated[str, typer.Argument(help="What the copy is called.")],
    who: WhoOption = None,
) -> None:
    """Copy a project: images, categories, instances and models' runs, but not its journal."""
    with open_store() as store:
        row = project_named(store, name)
        copy = duplicate_project(store, row.id, name_for_journal(who), new_name)
        typer.echo(f"made {one_line(copy.name)} with {contents_of(store, copy.id).told}")


def merge(
    name: Annotated[str, typer.Argument(help="The project that is taken in; it stays as it is.")],
    into: Annotated[str, typer.Option(help="The project that takes it in.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    who: WhoOption = None,
) -> None:
    """Take one project into another: images by content, categories by name. 'project undo' takes it back."""
    with open_store() as store:
        source, target = project_named(store, name), project_named(store, into)
        plan = plan_merge(store, source.id, target.id)
        report = plan.report if dry_run else carry_out_merge(store, plan, name_for_journal(who))
        for sentence in (*report.conflicts, *report.notes):
            tell(sentence)
        typer.echo(f"{'would merge' if dry_run else 'merged'} {report.told}")
