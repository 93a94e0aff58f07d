"""The commands of the second stage: ``project second-stage``, ``approve`` and ``return``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from maskrcnn_core.cli.jobs import open_store, project_named
from maskrcnn_core.cli.options import ProjectArgument, WhoOption, name_for_journal
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.projects.image_edits import images_named
from maskrcnn_core.projects.image_search import found_ids, parse_query
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.team.approvals import (
    approve_images,
    has_second_stage,
    return_image,
    set_second_stage,
    stage_counts,
    verdict_of,
)

__all__ = ["approve", "return_", "second_stage"]


def second_stage(
    name: ProjectArgument,
    wanted: Annotated[
        Literal["on", "off"] | None, typer.Argument(help="Without it, the command says how it is.")
    ] = None,
    who: WhoOption = None,
) -> None:
    """Have images approved after they are annotated, or no longer; and count them by stage."""
    with open_store() as store:
        project = project_named(store, name)
        if wanted is not None:
            set_second_stage(store, name_for_journal(who), project, is_wanted=wanted == "on")
        typer.echo(f"second stage: {'on' if has_second_stage(store.project(project.id)) else 'off'}")
        _tell_counts(store, project.id)


def approve(
    name: ProjectArgument,
    images: Annotated[
        list[str] | None,
        typer.Argument(help="File names in the project; without any, all that are to be approved."),
    ] = None,
    who: WhoOption = None,
) -> None:
    """Approve images that are finished, as they are now; one decision, which undo takes back."""
    with open_store() as store:
        project = project_named(store, name)
        if images:
            rows = images_named(store, project.id, images)
        else:
            waiting = found_ids(store, project.id, parse_query("stage:to-approve"))
            rows = [row for row in store.images(project.id) if row.id in waiting]
        author = name_for_journal(who)
        entry = approve_images(store, project.id, author, rows) if rows else None
        typer.echo(f"approved {counted(len(entry.changes), 'image') if entry else 'no image'}")
        _tell_counts(store, project.id)


def return_(
    name: ProjectArgument,
    image: Annotated[str, typer.Argument(help="The image's file name in the project.")],
    comment: Annotated[str, typer.Option(help="What is to be done: a comment on the image.")],
    who: WhoOption = None,
) -> None:
    """Return a finished image, with a comment, to whoever annotated it."""
    with open_store() as store:
        project = project_named(store, name)
        (row,) = images_named(store, project.id, [image])
        return_image(store, row.id, name_for_journal(who), comment)
        verdict = verdict_of(store.images(project.id, ids=[row.id])[0])
        to = f" to {one_line(verdict.annotator)}" if verdict and verdict.annotator else ""
        typer.echo(f"returned {one_line(row.file_name)}{to}")


def _tell_counts(store: Store, project_id: int) -> None:
    counts = stage_counts(store, project_id)
    typer.echo(
        f"{counts['to-approve']} to approve, {counts['approved']} approved, {counts['returned']} returned; "
        f"{counts['lapsed']} changed or reopened since they were approved"
    )
