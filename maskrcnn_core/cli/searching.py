"""``project images``: the images of a project, all or those that a query means, a page at a time."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Annotated

import typer

from maskrcnn_core.cli.jobs import open_store, project_named
from maskrcnn_core.cli.options import ProjectArgument
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.terminal import table
from maskrcnn_core.projects.image_search import HELP, parse_query, search_images
from maskrcnn_core.projects.image_tags import tags_of
from maskrcnn_core.projects.records import STATUSES
from maskrcnn_core.projects.team.approvals import standing_approvals, told_verdict, verdict_of

__all__ = ["SearchOption", "list_images"]

SearchOption = Annotated[str, typer.Option(help=f"{HELP}. [default: all images]")]


def list_images(
    name: ProjectArgument,
    search: SearchOption = "",
    page: Annotated[int, typer.Option(min=1, help="Which page, from 1.")] = 1,
    per_page: Annotated[int, typer.Option(min=1, max=10_000, help="Images on a page.")] = 50,
) -> None:
    """List a project's images, or find some of them."""
    with open_store() as store:
        project = project_named(store, name)
        query = parse_query(search)
        found = search_images(store, project.id, query, offset=(page - 1) * per_page, limit=per_page)
        counts: dict[int, Counter[str]] = defaultdict(Counter)
        for image in found.images:
            counts[image.id].update(row.status for row in store.instances(project.id, image_id=image.id))
        with_verdicts = [image.id for image in found.images if verdict_of(image)]
        approved = standing_approvals(store, project.id, with_verdicts)
        rows = [("image", "status", *STATUSES, "second look", "tags")]
        rows += [
            (
                one_line(image.file_name),
                image.status if image.digest else "file missing",
                *(f"{counts[image.id][status]:,}" for status in STATUSES),
                told_verdict(image, stands=image.id in approved),
                one_line(", ".join(tags_of(image))),
            )
            for image in found.images
        ]
        for line in table(rows, right=range(2, 5)):
            typer.echo(line)
        pages = max(-(-found.total // per_page), 1)
        typer.echo(f"{counted(found.total, 'image')}, page {page} of {pages}")
