"""How objects were found, in sentences for a paper: of files that were annotated, and of a project."""

from __future__ import annotations

from pathlib import Path

import typer

from maskrcnn_core.batch.resume_log import writing
from maskrcnn_core.cli.jobs import open_store, project_named
from maskrcnn_core.cli.options import ProjectArgument
from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.measuring.methods import ModelRun, methods_statement, seen_images

__all__ = ["show_methods", "write_methods"]


def write_methods(file: Path, annotations: Path, run: ModelRun) -> str:
    """Write the statement of a run beside its COCO file, and return what to say of it.

    Args:
        file: to write.
        annotations: COCO JSON that the run has written.
        run: the model with its settings.

    Raises:
        ExportError: if it cannot be written.
    """
    dataset, _ = read_coco(annotations.read_bytes())
    text = methods_statement(seen_images(dataset.images), [run], len(dataset.instances))
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, text.encode("utf-8", "replace"))
    return f"methods: wrote {one_line(str(file))}"


def show_methods(name: ProjectArgument) -> None:
    """Say how a project's objects were found and corrected, in sentences for a paper."""
    from maskrcnn_core.projects.people.methods import project_methods

    with open_store() as store:
        typer.echo(project_methods(store, project_named(store, name).id), nl=False)
