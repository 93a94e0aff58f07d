"""The commands that say more than masks: tags of images, attributes of categories and instances."""

from __future__ import annotations

from typing import Annotated

import typer

from maskrcnn_core.cli.jobs import open_store, project_named
from maskrcnn_core.cli.options import ProjectArgument, WhoOption, name_for_journal
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.terminal import table
from maskrcnn_core.errors import InputError
from maskrcnn_core.projects.attribute_edits import declare_attributes, set_attributes
from maskrcnn_core.projects.attributes import (
    ATTRIBUTE_KINDS,
    Attribute,
    AttributeKind,
    AttributeValue,
    declared_by,
    fitting_schema,
    values_of,
)
from maskrcnn_core.projects.image_edits import images_named
from maskrcnn_core.projects.image_tags import tag_counts, tag_images
from maskrcnn_core.projects.records import CategoryRow, InstanceRow, ProjectRow
from maskrcnn_core.projects.store import Store

__all__ = ["attributes", "set_values", "tag"]


def tag(
    name: ProjectArgument,
    images: Annotated[
        list[str] | None,
        typer.Argument(help="File names of images, as the project has them. [default: show all tags]"),
    ] = None,
    add: Annotated[list[str] | None, typer.Option(help="A tag to give them; repeat it for more.")] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="A tag to take from them; repeat it for more.")
    ] = None,
    who: WhoOption = None,
) -> None:
    """Tag images, or show which tags there are; 'project images --search tag:...' finds them again."""
    with open_store() as store:
        project = project_named(store, name)
        if not images:
            if add or remove:
                raise InputError("images: expected file names to tag, got none")
            rows = [("tag", "images")]
            rows += [(one_line(t), f"{n:,}") for t, n in sorted(tag_counts(store.images(project.id)).items())]
            for line in table(rows, right=(1,)):
                typer.echo(line)
            return
        if not add and not remove:
            raise InputError("--add, --remove: expected a tag, got none")
        found = images_named(store, project.id, images)
        entry = tag_images(
            store, project.id, name_for_journal(who), found, add=add or (), remove=remove or ()
        )
        changed = len(entry.changes) if entry else 0
        typer.echo(f"{counted(changed, 'image')} of {len(found)} changed; 'project undo' takes it back")


def attributes(
    name: ProjectArgument,
    category: Annotated[str | None, typer.Argument(help="A category. [default: show those of all]")] = None,
    add: Annotated[
        list[str] | None,
        typer.Option(
            help=f"An attribute to declare: NAME=KIND, with one of {', '.join(ATTRIBUTE_KINDS)}; a choice "
            "names its options: 'stage=choice:early|late'. An attribute of this name is declared anew."
        ),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(help="An attribute that is no longer declared; the values that instances have stay."),
    ] = None,
    who: WhoOption = None,
) -> None:
    """Declare what can be said of a category's instances, or show it."""
    with open_store() as store:
        project = project_named(store, name)
        rows = store.categories(project.id)
        if category is None:
            if add or remove:
                raise InputError("category: expected one to declare attributes for, got none")
            _show(rows)
            return
        row = _category(rows, category)
        if not add and not remove:
            _show([row])
            return
        schema = {one.name: one for one in declared_by(row)}
        for gone in remove or ():
            if schema.pop(gone, None) is None:
                known = ", ".join(map(one_line, schema)) or "none"
                raise InputError(f"--remove: expected one of {known}, got {one_line(gone)!r}")
        for text in add or ():
            one = _declared(text)
            schema[one.name] = one
        entry = declare_attributes(store, project.id, name_for_journal(who), row, tuple(schema.values()))
        declares = f"{one_line(row.name)} declares {counted(len(schema), 'attribute')}"
        typer.echo(f"{declares}; 'project undo' takes it back" if entry else f"{declares} already")


def set_values(
    name: ProjectArgument,
    instances: Annotated[list[int], typer.Argument(help="Ids of instances, as in the project's files.")],
    values: Annotated[
        list[str],
        typer.Option("--value", help="ATTRIBUTE=VALUE; yes or no for yes-no. 'ATTRIBUTE=' takes it away."),
    ],
    who: WhoOption = None,
) -> None:
    """Set attributes of instances, in one decision."""
    with open_store() as store:
        project = project_named(store, name)
        rows = _instances(store, project, instances)
        categories = {row.id: row for row in store.categories(project.id)}
        given = dict(_assignment("--value", text) for text in values)
        said: dict[str, AttributeValue | None] = {}
        for key, text in given.items():
            said[key] = None if not text else _parsed(categories[rows[0].category_id], key, text)
        entry = set_attributes(store, project.id, name_for_journal(who), rows, said)
        changed = len(entry.changes) if entry else 0
        typer.echo(f"{counted(changed, 'instance')} of {len(rows)} changed; 'project undo' takes it back")
        for row in _instances(store, project, instances):
            now = ", ".join(f"{one_line(str(k))}={one_line(str(v))}" for k, v in values_of(row).items())
            crowd = "crowd" if row.is_crowd else ""
            typer.echo(f"{row.coco_id}: {', '.join(filter(None, (now, crowd))) or 'nothing'}")


def _show(rows: list[CategoryRow]) -> None:
    lines = [("category", "attribute", "values")]
    for row in rows:
        lines += [(one_line(row.name), one_line(a.name), a.told) for a in fitting_schema(row).values()]
    for line in table(lines):
        typer.echo(line)


def _category(rows: list[CategoryRow], name: str) -> CategoryRow:
    for row in rows:
        if row.name == name:
            return row
    known = ", ".join(one_line(row.name) for row in rows) or "none"
    raise InputError(f"category: expected one of {known}, got {one_line(name)!r}")


def _assignment(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise InputError(f"{option}: expected NAME=..., got {one_line(text)!r}")
    return name.strip(), value.strip()


def _declared(text: str) -> Attribute:
    name, rest = _assignment("--add", text)
    kind, _, options = rest.partition(":")
    parts = tuple(part.strip() for part in options.split("|")) if options else ()
    try:
        return Attribute(name, _kind(kind.strip()), parts)
    except ValueError as error:
        raise InputError(f"--add: {error}") from error


def _kind(text: str) -> AttributeKind:
    for kind in ATTRIBUTE_KINDS:
        if kind == text:
            return kind
    raise ValueError(f"expected a kind of {', '.join(ATTRIBUTE_KINDS)}, got {one_line(text)!r}")


def _parsed(category: CategoryRow, name: str, text: str) -> AttributeValue:
    attribute = fitting_schema(category).get(name)
    if attribute is None:
        return text  # the decision names those that there are
    try:
        return attribute.parsed(text)
    except ValueError as error:
        raise InputError(f"--value: {error}") from error


def _instances(store: Store, project: ProjectRow, ids: list[int]) -> list[InstanceRow]:
    wanted = set(ids)
    found = [row for row in store.each_instance(project.id) if row.coco_id in wanted]
    if missing := sorted(wanted - {row.coco_id for row in found}):
        shown = ", ".join(map(str, missing[:5])) + (" ..." if len(missing) > 5 else "")
        raise InputError(f"instances: expected ids of the project's files, got {shown}; nothing was done")
    return found
