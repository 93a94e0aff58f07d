"""``project add``, ``project import`` and ``project export``: files into a project, and out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from tqdm import tqdm

from maskrcnn_core.cli.console import load_named_model
from maskrcnn_core.cli.convert import write_with_bar
from maskrcnn_core.cli.damage import LeaveOutOption, sound_part
from maskrcnn_core.cli.gathering import Gathered, gather, refuse_pipe
from maskrcnn_core.cli.jobs import open_store, project_named
from maskrcnn_core.cli.options import (
    ChannelsOption,
    ContrastOption,
    FormatOption,
    PageOption,
    ProjectArgument,
    QuietOption,
    SliceOption,
    WhoOption,
    WithImagesOption,
    asked_view,
    format_named,
    name_for_journal,
    parts_of,
)
from maskrcnn_core.cli.searching import SearchOption
from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.refusals import Groups
from maskrcnn_core.common.terminal import bar_of, shown_on, table, tell
from maskrcnn_core.errors import DatasetError, ExportError, InputError
from maskrcnn_core.formats.base import Format
from maskrcnn_core.formats.coco_reading import is_results
from maskrcnn_core.formats.reader import GivenFile
from maskrcnn_core.formats.recognising import format_of, known_unread
from maskrcnn_core.formats.writing import write_members
from maskrcnn_core.images.folders import FolderImages
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.projects.db.damage import project_names
from maskrcnn_core.projects.exchange.coco_in import import_coco, read_for_import
from maskrcnn_core.projects.exchange.exporting import (
    Part,
    Selection,
    checked_coco,
    coco_members,
    other_format,
    proposals_note,
    select,
)
from maskrcnn_core.projects.exchange.import_report import BoxToFill, ImportReport
from maskrcnn_core.projects.exchange.intake import HandedIn, import_files
from maskrcnn_core.projects.exchange.splitting import PartCounts, PartName, count_parts, split_parts
from maskrcnn_core.projects.image_search import found_ids, parse_query
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.records import STATUSES, ImageRow, ProjectRow, Status
from maskrcnn_core.projects.review.review_queue import QueueFilter
from maskrcnn_core.projects.store import Store

__all__ = ["add_images", "export_project", "import_ground_truth"]

_SHOWN = 20


def add_images(
    name: ProjectArgument,
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Images, folders, quoted patterns, zips, and annotations of any format (also in folders)."
        ),
    ],
    page: PageOption = None,
    z: SliceOption = None,
    channels: ChannelsOption = None,
    contrast: ContrastOption = None,
    who: WhoOption = None,
    quiet: QuietOption = False,
) -> None:
    """Add images to a project. Images it already holds are not added twice.

    What is chosen of stacks stays with their images; the stacks themselves are not kept.
    """
    with open_store() as store:
        project = project_named(store, name)
        view = asked_view(page, z, channels, contrast)
        files, others = gather(paths)
        with bar_of(total=len(files), unit="file", quiet=quiet) as bar:
            read = _read_each(files, bar)
            report = import_files(store, project.id, name_for_journal(who), read, view=view)
        if left := others.sentence("neither images nor annotations"):
            tell(left)
        _tell_report(report)
        if report.boxes:
            tell(_boxes_sentence(len(report.boxes), "'project import' of the file"))
        if report.refused and report.is_empty:
            raise typer.Exit(1)


def import_ground_truth(
    name: ProjectArgument,
    ground_truth: Annotated[
        Path, typer.Option(help="The annotations: a file, a folder or a zip of any format that is read.")
    ],
    images: Annotated[Path, typer.Option(help="The folder of their images.")],
    boxes: Annotated[
        str | None,
        typer.Option(
            help="Fill annotations without masks with this model's heads (a menu key or a file); they "
            "become proposals."
        ),
    ] = None,
    who: WhoOption = None,
    quiet: QuietOption = False,
) -> None:
    """Import annotations with their images into a project, which is created if it does not exist.

    COCO JSON comes in with all that is in it; what other annotations are is told by their content.
    """
    with open_store() as store:
        if not images.is_dir():
            raise InputError(f"--images: expected a folder, got {one_line(str(images))}")
        model = None if boxes is None else load_named_model(boxes, None, download=False, quiet=quiet)
        data = _coco_data(ground_truth)
        if data is None:
            with _project_for(store, name, name_for_journal(who)) as project:
                report = _import_other(store, project.id, name_for_journal(who), ground_truth, images, quiet)
                _finish_import(store, project, name_for_journal(who), report, model, quiet=quiet)
            return
        shown = one_line(str(ground_truth))
        find = FolderImages(images, ground_truth)
        try:
            file = read_for_import(data, find)
        except DatasetError as error:
            tell(f"{shown}: {error}")
            raise typer.Exit(1) from None
        with _project_for(store, name, name_for_journal(who)) as project:
            with bar_of(total=None, unit="row", quiet=quiet) as bar:
                report = import_coco(
                    store,
                    project.id,
                    name_for_journal(who),
                    file,
                    find,
                    name=ground_truth.name,
                    on_progress=shown_on(bar),
                )
            _finish_import(store, project, name_for_journal(who), report, model, quiet=quiet)


def _coco_data(path: Path) -> bytes | None:
    """Return a file that is COCO JSON, or looks like nothing else; ``None`` for all other annotations."""
    if path.is_dir():
        return None
    refuse_pipe(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{one_line(str(path))}: cannot read this file ({error.strerror or error})"
        ) from error
    row = format_of(GivenFile(path.name, data))
    is_other = row is not None and row.key != "coco"
    is_other = is_other or data[:4] == b"PK\x03\x04" or is_results(GivenFile(path.name, data))
    return None if is_other or (row is None and known_unread(data)) else data


def _import_other(
    store: Store, project_id: int, who: str, annotations: Path, images: Path, quiet: bool
) -> ImportReport:
    """Import annotations of another format with the images that they list."""
    files, _ = gather([str(annotations), str(images)])
    with bar_of(total=len(files), unit="file", quiet=quiet) as bar:
        return import_files(store, project_id, who, _read_each(files, bar), only_listed=True)


def _read_each(files: Sequence[Gathered], bar: tqdm[Any]) -> Iterator[HandedIn]:
    """Yield files that were named, with their bytes."""
    for one in files:
        try:
            refuse_pipe(one.file)
            data = one.file.read_bytes()
            yield HandedIn(one.path, data, one.source, one.above, one.name, one.shown)
        except InputError as error:
            tell(str(error))
        except OSError as error:
            tell(f"{one_line(str(one.file))}: cannot read this file ({error.strerror or error})")
        bar.update(1)


def _finish_import(
    store: Store,
    project: ProjectRow,
    who: str,
    report: ImportReport,
    model: LoadedModel | None,
    *,
    quiet: bool,
) -> None:
    """Say what became of an import, and fill its boxes if a model is named for that."""
    _tell_report(report)
    filled = 0
    if model is not None:
        filled = _fill(store, project, who, report.boxes, model, quiet=quiet)
    elif report.boxes:
        tell(_boxes_sentence(len(report.boxes)))
    if (report.is_empty and report.refused) or (report.has_no_instance and not filled):
        raise typer.Exit(1)


@contextmanager
def _project_for(store: Store, name: str, who: str) -> Iterator[ProjectRow]:
    """Return the project of a name; one created for it is removed if the import fails and added no image."""
    with store.reading() as connection:
        is_new = name not in {known for _, known in project_names(connection)}
    if is_new:
        store.create_project(name, who)
    project = project_named(store, name)
    try:
        yield project
    except BaseException:  # also an interrupt: nobody asked for an empty project
        if is_new and not store.images(project.id):
            latest = store.project(project.id)
            gone = Change("project", latest.id, latest.version, {"gone": True})
            store.decide(project.id, who, "remove project", [gone])
        raise


def _tell_report(report: ImportReport) -> None:
    for sentences in (report.refused, report.notes):
        for sentence in sentences[:_SHOWN]:
            tell(sentence)
        if len(sentences) > _SHOWN:
            tell(f"{len(sentences) - _SHOWN} more of these")
    parts = [
        f"{counted(report.images, 'image')}, {counted(report.categories, 'category', 'categories')} and "
        f"{counted(report.instances, 'instance')} added"
    ]
    if report.changed:
        parts.append(f"{counted(report.changed, 'instance')} changed as the file says")
    if report.filled:
        have = "now has its file" if len(report.filled) == 1 else "now have their files"
        parts.append(f"{counted(len(report.filled), 'image')} listed before {have}")
    if report.known:
        were = "was" if len(report.known) == 1 else "were"
        parts.append(f"{counted(len(report.known), 'image')} {were} already in the project")
    if report.missing:
        are, them = (
            ("is listed and was", "it") if len(report.missing) == 1 else ("are listed and were", "them")
        )
        parts.append(f"{counted(len(report.missing), 'image')} {are} not found; 'project add' adds {them}")
    if report.refused:
        parts.append(f"{report.refused_count} refused")
    typer.echo("; ".join(parts))


def _fill(
    store: Store,
    project: ProjectRow,
    who: str,
    boxes: Sequence[BoxToFill],
    model: LoadedModel,
    *,
    quiet: bool,
) -> int:
    """Fill boxes, report what became of them, and return how many have a mask."""
    from maskrcnn_core.inference.predictor import Predictor
    from maskrcnn_core.projects.exchange.box_filling import fill_boxes

    if not boxes:
        return 0
    with bar_of(total=None, unit="image", quiet=quiet) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        report = fill_boxes(store, project.id, who, boxes, Predictor(model), on_image=show)
    for note in report.notes:
        tell(note)
    typer.echo(
        f"{report.proposals:,} of {counted(len(boxes), 'box', 'boxes')} filled by {model.key} as proposals"
    )
    return report.proposals


def _boxes_sentence(count: int, command: str = "the same command") -> str:
    what = (
        "1 annotation is a box without a mask"
        if count == 1
        else f"{count} annotations are boxes without masks"
    )
    return (
        f"{what}: {command} with --boxes MODEL fills such boxes with that network's heads and "
        "makes them proposals"
    )


def export_project(
    name: ProjectArgument,
    out: Annotated[Path, typer.Option(help="The file, folder or zip (.zip) to write.")],
    to: FormatOption = "coco",
    with_images: WithImagesOption = False,
    status: Annotated[
        str,
        typer.Option(help=f"Statuses of the instances to write, separated by commas: {', '.join(STATUSES)}."),
    ] = "accepted",
    only_reviewed: Annotated[
        bool, typer.Option("--only-reviewed", help="Leave out images that nobody has marked as finished.")
    ] = False,
    only_approved: Annotated[
        bool,
        typer.Option("--only-approved", help="Leave out images that nobody has approved as they are now."),
    ] = False,
    category: Annotated[
        str, typer.Option(help="Only instances of these categories, and images with one: car,bus.")
    ] = "",
    search: SearchOption = "",
    split: Annotated[
        float | None,
        typer.Option(help="Share of images for validation: OUT.train.json and OUT.val.json for COCO JSON."),
    ] = None,
    test: Annotated[
        float | None, typer.Option(help="Share of images for the test: OUT.test.json as well.")
    ] = None,
    balance: Annotated[
        bool, typer.Option("--balance", help="Give each part its share of each category's images.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the split; the same seed gives the same split.")] = 1,
    leave_out_damaged: LeaveOutOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a project, and read it back: COCO JSON with pycocotools, other formats with their own reader."""
    statuses, row = parts_of(status), format_named(to)
    with open_store() as store:
        unknown = [s for s in statuses if s not in STATUSES]
        if unknown or not statuses:
            raise InputError(f"--status: expected some of {', '.join(STATUSES)}, got {one_line(status)!r}")
        project = project_named(store, name)
        store = sound_part(store, project.id, leave_out_damaged)
        wanted = QueueFilter(
            image_statuses=frozenset({"reviewed"}) if only_reviewed else frozenset(),
            categories=_category_ids(store, project, parts_of(category)),
        )
        selection = select(
            _searched(store, project, f"{search} stage:approved" if only_approved else search),
            store.facts(project.id),
            wanted,
            statuses=cast(list[Status], statuses),
        )
        files = {out: selection.images}
        shares: dict[PartName, float] = {} if split is None else {"val": split}
        shares |= {} if test is None else {"test": test}
        if shares:
            facts = [fact for fact in store.facts(project.id) if fact.id in selection.instance_ids]
            parts = split_parts(selection.images, shares, seed, balanced_by=facts if balance else None)
            files = {out.with_suffix(f".{part}{out.suffix}"): tuple(images) for part, images in parts.items()}
            _tell_parts(store, project, count_parts(parts, facts))
        elif balance:
            raise InputError("--balance: expected --split or --test with it")
        if row.key != "coco" or with_images:
            named = [Part(part, tuple(images)) for part, images in parts.items()] if shares else []
            _write_format(store, project, row, selection, named, out, with_images, quiet)
            files = {}
        for file, images in files.items():
            with bar_of(total=None, unit="instance", quiet=quiet) as bar:
                part = Selection(images, selection.instance_ids)
                data, note = checked_coco(store, project.id, part, on_progress=shown_on(bar))
            try:
                replace_file(file, data)
            except OSError as error:
                raise ExportError(
                    f"{one_line(str(file))}: cannot write ({error.strerror or error})"
                ) from error
            typer.echo(f"{counted(len(images), 'image')}; {note}; wrote {one_line(str(file))}")
        if note := proposals_note(selection, "--status accepted,proposed"):
            tell(note)


def _write_format(
    store: Store,
    project: ProjectRow,
    row: Format,
    selection: Selection,
    parts: Sequence[Part],
    out: Path,
    with_images: bool,
    quiet: bool,
) -> None:
    """Write a project in any format, or as COCO JSON with its images."""
    if row.key == "coco":
        members = coco_members(
            store, project.id, selection, parts or [Part("instances", selection.images)], with_images=True
        )
        notes = write_members(members, out)
        typer.echo(
            f"{counted(len(selection.images), 'image')}; {'; '.join(notes)}; wrote {one_line(str(out))}"
        )
        return
    mends = Groups()
    export = other_format(store, project.id, selection, mends=mends, parts=parts, with_images=with_images)
    if lacking := len(selection.images) - len(export.images):
        tell(f"{counted(lacking, 'image')} without a file left out")
    typer.echo(write_with_bar(row, export, out, quiet=quiet))
    for sentence in mends.sentences():
        tell(sentence)


def _tell_parts(store: Store, project: ProjectRow, parts: Mapping[PartName, PartCounts]) -> None:
    """Say what is in each part, and which share of all that is."""
    rows = [("", *parts)]
    rows.append(("images", *(f"{part.images:,} ({part.share:.0%})" for part in parts.values())))
    for category in store.categories(project.id):
        if any(part.instances[category.id] for part in parts.values()):
            numbers = (
                f"{part.instances[category.id]:,} ({part.instance_shares[category.id]:.0%})"
                for part in parts.values()
            )
            rows.append((one_line(category.name), *numbers))
    for line in table(rows, right=range(1, len(parts) + 1)):
        tell(line)


def _searched(store: Store, project: ProjectRow, search: str) -> list[ImageRow]:
    images = store.images(project.id)
    if not search.strip():
        return images
    found = found_ids(store, project.id, parse_query(search))
    return [image for image in images if image.id in found]


def _category_ids(store: Store, project: ProjectRow, names: list[str]) -> frozenset[int]:
    rows = {row.name: row.id for row in store.categories(project.id)}
    for name in names:
        if name not in rows:
            known = ", ".join(map(one_line, rows)) or "none"
            raise InputError(f"--category: expected some of {known}, got {one_line(name)!r}")
    return frozenset(rows[name] for name in names)
