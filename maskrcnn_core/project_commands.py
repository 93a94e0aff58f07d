"""The commands ``project ...`` of the command line: what the store can do, without a browser."""

from __future__ import annotations

import getpass
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, cast

import typer

from maskrcnn_core.categories import Category
from maskrcnn_core.console import DomainOption, bar_of, load_named_model, shown_on, table, tell
from maskrcnn_core.damage_commands import LeaveOutOption, sound_part, verify_projects
from maskrcnn_core.detections import Thresholds
from maskrcnn_core.errors import DatasetError, ExportError, InputError
from maskrcnn_core.files import replace_file
from maskrcnn_core.folders import FolderImages
from maskrcnn_core.gathering import gather
from maskrcnn_core.images import Stretch
from maskrcnn_core.job_commands import add_background_job, named_for, offered_for, open_store, project_named
from maskrcnn_core.job_commands import app as job_app
from maskrcnn_core.messages import counted, one_line
from maskrcnn_core.models import LoadedModel
from maskrcnn_core.run_limits import LimitTally
from maskrcnn_core.store.exchange import ImportReport, import_coco, read_for_import
from maskrcnn_core.store.exporting import Selection, checked_coco, proposals_note, select, split_images
from maskrcnn_core.store.import_report import BoxToFill
from maskrcnn_core.store.intake import HandedIn, import_files
from maskrcnn_core.store.journal import Change
from maskrcnn_core.store.looking import Fit
from maskrcnn_core.store.places import DATA_VARIABLE, DATABASE_VARIABLE
from maskrcnn_core.store.proposing import category_mapping, offered_before, propose, told_counts
from maskrcnn_core.store.queues import QueueFilter
from maskrcnn_core.store.records import STATUSES, Entry, ProjectRow, Status
from maskrcnn_core.store.seeing import set_stretch
from maskrcnn_core.store.store import Store
from maskrcnn_core.store.telling import NOTHING, kinds_of, tell_turn

__all__ = ["app"]

_SHOWN = 20
_SEEN = {"auto": "stretched", "off": "left dark"}

app = typer.Typer(
    no_args_is_help=True,
    help="Projects: data sets that stay, with a journal of every decision. They lie where "
    f"{DATA_VARIABLE} and {DATABASE_VARIABLE} say, by default in your data folder.",
)

_Name = Annotated[str, typer.Argument(help="The project's name.")]
_Who = Annotated[str | None, typer.Option("--who", help="Who decides, for the journal. [default: you]")]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]


def _me(who: str | None) -> str:
    return who or getpass.getuser()


@app.command("list")
def list_projects() -> None:
    """List the projects with what is in them."""
    with open_store() as store:
        rows = [("project", "images", "reviewed", "instances", "accepted", "proposed", "rejected")]
        for project in store.projects():
            images, counts = store.counts(project.id)
            numbers = (
                images.total(),
                images["reviewed"],
                counts.total(),
                *(counts[status] for status in ("accepted", "proposed", "rejected")),
            )
            rows.append((one_line(project.name), *map(str, numbers)))  # type: ignore[arg-type]
        for line in table(rows, right=range(1, 7)):
            typer.echo(line)


@app.command("new")
def new_project(
    name: _Name,
    categories: Annotated[str, typer.Option(help="Their names, with commas: cell,nucleus.")] = "",
    who: _Who = None,
) -> None:
    """Make a project."""
    names = _parts(categories)
    with open_store() as store:
        made = store.create_project(
            name, _me(who), categories=[Category(n, c) for n, c in enumerate(names, start=1)]
        )
        typer.echo(
            f"made {one_line(made.name)} with {counted(len(names), 'category', 'categories')} in "
            f"{one_line(store.place.shown)}"
        )


@app.command("add")
def add_images(
    name: _Name,
    paths: Annotated[
        list[str],
        typer.Argument(help="Images, folders, patterns in quotes, zips, and COCO JSON (also in folders)."),
    ],
    who: _Who = None,
    quiet: _Quiet = False,
) -> None:
    """Take images into a project. What it has already is not taken twice."""
    with open_store() as store:
        project = project_named(store, name)
        files, others = gather(paths)
        with bar_of(total=len(files), unit="file", quiet=quiet) as bar:

            def read() -> Iterator[HandedIn]:
                for one in files:
                    try:
                        data = one.file.read_bytes()
                        yield HandedIn(one.path, data, one.source, one.above, one.name, one.shown)
                    except OSError as error:
                        tell(f"{one_line(str(one.file))}: cannot read this file ({error.strerror or error})")
                    bar.update(1)

            report = import_files(store, project.id, _me(who), read())
        if left := others.sentence("neither images nor JSON"):
            tell(left)
        _tell_report(report)
        if report.boxes:
            tell(_boxes_sentence(len(report.boxes), "'project import' of the file"))
        if report.refused and report.is_empty:
            raise typer.Exit(1)


@app.command("import")
def import_ground_truth(
    name: _Name,
    ground_truth: Annotated[Path, typer.Option(help="COCO JSON.")],
    images: Annotated[Path, typer.Option(help="The folder of its images.")],
    boxes: Annotated[
        str | None,
        typer.Option(
            help="Fill annotations that are boxes only by the heads of this model, of the menu or a file: "
            "they become proposals."
        ),
    ] = None,
    who: _Who = None,
    quiet: _Quiet = False,
) -> None:
    """Take a COCO file with its images into a project; the project is made if there is none of the name."""
    with open_store() as store:
        if not images.is_dir():
            raise InputError(f"--images: expected a folder, got {one_line(str(images))}, which is none")
        model = None if boxes is None else load_named_model(boxes, None, download=False, quiet=quiet)
        try:
            data = ground_truth.read_bytes()
        except OSError as error:
            raise InputError(
                f"{one_line(str(ground_truth))}: cannot read this file ({error.strerror or error})"
            ) from error
        shown = one_line(str(ground_truth))
        find = FolderImages(images, ground_truth)
        try:
            file = read_for_import(data, find)
        except DatasetError as error:
            tell(f"{shown}: {error}")
            raise typer.Exit(1) from None
        with _project_for(store, name, _me(who)) as project:
            with bar_of(total=None, unit="row", quiet=quiet) as bar:
                report = import_coco(
                    store,
                    project.id,
                    _me(who),
                    file,
                    find,
                    name=ground_truth.name,
                    on_progress=shown_on(bar),
                )
            _tell_report(report)
            filled = 0
            if model is not None:
                filled = _fill(store, project, _me(who), report.boxes, model, quiet=quiet)
            elif report.boxes:
                tell(_boxes_sentence(len(report.boxes)))
            if (report.is_empty and report.refused) or (report.has_no_instance and not filled):
                raise typer.Exit(1)


@contextmanager
def _project_for(store: Store, name: str, who: str) -> Iterator[ProjectRow]:
    """The project of a name; one that is made for it goes again if that fails and no image came into it."""
    is_new = name not in {project.name for project in store.projects()}
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


@app.command("annotate")
def annotate_project(
    name: _Name,
    model: Annotated[
        str | None,
        typer.Option(
            help="Of the menu, or a file. [default: the ready one that knows most of its categories, or "
            "that its images look like]"
        ),
    ] = None,
    domain: DomainOption = None,
    score_threshold: Annotated[
        float | None, typer.Option(help="Offer scores above this. [default: the model's own]")
    ] = None,
    map_: Annotated[
        str,
        typer.Option(
            "--map",
            help="From the model's categories to the project's: car=vehicle,bus=vehicle; all others are off. "
            "[default: equal names, of those that the images look like]",
        ),
    ] = "",
    max_detections: Annotated[
        int | None, typer.Option(help="Offer at most so many in an image. [default: the model's own]")
    ] = None,
    stretch: Annotated[
        Stretch | None,
        typer.Option(
            help="From now on dim 16-bit and floating-point images of the project are stretched (auto) or "
            "left dark (off). [default: as the project has it]"
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    background: Annotated[
        bool,
        typer.Option("--background", help="Only note it down: the app or 'project work' does it."),
    ] = False,
    who: _Who = None,
    quiet: _Quiet = False,
) -> None:
    """Run a model over a project and offer what it finds. What people decided stays.

    Stopped at any moment, the same command goes on from there.
    """
    with open_store() as store:
        project = project_named(store, name)
        given = dict(_pair(part) for part in map_.split(",") if part.strip()) or None
        if stretch is not None and set_stretch(store, project.id, _me(who), stretch):
            tell(f"dim images of the project are {_SEEN[stretch]} from now on; 'undo' takes it back")
        if background:
            add_background_job(
                store, project, model, score_threshold, given, _me(who), max_detections, domain
            )
            return
        from maskrcnn_core.inference import Predictor

        fit = Fit(store, project.id, domain)
        loaded = load_named_model(model or named_for(fit), None, download=False, quiet=quiet)
        predictor = Predictor(loaded, device)
        only = offered_for(store, project, fit, loaded, given, _me(who))
        mapping = category_mapping(store, project.id, predictor, given, only)
        try:
            thresholds = Thresholds(
                loaded.score_threshold if score_threshold is None else score_threshold,
                loaded.nms_threshold,
                loaded.max_detections if max_detections is None else max_detections,
            )
        except ValueError as error:
            raise InputError(str(error)) from error
        limits = LimitTally()
        there, decided = offered_before(store, project.id, predictor, thresholds, mapping)
        with bar_of(total=None, unit="image", quiet=quiet) as bar:

            def show(done: int, total: int, _: str) -> None:
                bar.total = total
                bar.update(done - bar.n)

            try:
                report = propose(
                    store, project.id, predictor, thresholds, mapping, on_image=show, limits=limits
                )
            except KeyboardInterrupt:
                bar.close()
                tell("interrupted; the same command goes on from there")
                raise typer.Exit(130) from None
        for sentence in (*report.failed, *limits.sentences()):
            tell(sentence)
        kept = Counter(report.there) + Counter({loaded.key: there})
        typer.echo(
            f"{counted(report.images, 'image has', 'images have')} an answer, {report.ran:,} of them new; "
            f"{told_counts(report.proposed, report.replaced, kept, report.decided + decided)}, "
            f"{counted(len(report.failed), 'image')} failed"
        )


def _pair(part: str) -> tuple[str, str]:
    name, equals, category = part.partition("=")
    if not (equals and name.strip() and category.strip()):
        raise InputError(f"--map: wanted model=project with commas between, found {one_line(part)!r}")
    return name.strip(), category.strip()


@app.command("export")
def export_project(
    name: _Name,
    out: Annotated[Path, typer.Option(help="The COCO JSON file to write.")],
    status: Annotated[
        str, typer.Option(help=f"Of the instances to write, with commas: {', '.join(STATUSES)}.")
    ] = "accepted",
    only_reviewed: Annotated[
        bool, typer.Option("--only-reviewed", help="Leave out images that nobody has called finished.")
    ] = False,
    category: Annotated[
        str, typer.Option(help="Only instances of these categories, and images with one: car,bus.")
    ] = "",
    split: Annotated[
        float | None,
        typer.Option(help="Share of images for validation: writes OUT.train.json and OUT.val.json."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the split; the same seed parts the images alike.")] = 1,
    leave_out_damaged: LeaveOutOption = False,
    quiet: _Quiet = False,
) -> None:
    """Write a project as COCO JSON, read back with pycocotools."""
    statuses = _parts(status)
    with open_store() as store:
        unknown = [s for s in statuses if s not in STATUSES]
        if unknown or not statuses:
            raise InputError(f"--status: wanted some of {', '.join(STATUSES)}, found {one_line(status)!r}")
        project = project_named(store, name)
        store = sound_part(store, project.id, leave_out_damaged)
        wanted = QueueFilter(
            image_statuses=frozenset({"reviewed"}) if only_reviewed else frozenset(),
            categories=_category_ids(store, project, _parts(category)),
        )
        selection = select(
            store.images(project.id),
            store.facts(project.id),
            wanted,
            statuses=cast(list[Status], statuses),
        )
        files = {out: selection.images}
        if split is not None:
            train, val = split_images(selection.images, split, seed)
            files = {
                out.with_suffix(f".{part}{out.suffix}"): tuple(images)
                for part, images in (("train", train), ("val", val))
            }
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


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _category_ids(store: Store, project: ProjectRow, names: list[str]) -> frozenset[int]:
    rows = {row.name: row.id for row in store.categories(project.id)}
    for name in names:
        if name not in rows:
            known = ", ".join(map(one_line, rows)) or "none"
            raise InputError(f"--category: wanted some of {known}, found {one_line(name)!r}")
    return frozenset(rows[name] for name in names)


@app.command("journal")
def show_journal(
    name: _Name, limit: Annotated[int, typer.Option(help="The newest so many lines.")] = 20
) -> None:
    """Show who decided what, the newest first."""
    with open_store() as store:
        rows = [("when (UTC)", "who", "what", "rows", "")]
        entries = store.journal(project_named(store, name).id, limit=max(limit, 1))
        for entry, kind in zip(entries, kinds_of(store, entries), strict=True):
            refused = "refused, somebody else was first" if entry.is_refused else ""
            when = f"{entry.at:%Y-%m-%d %H:%M:%S}"
            rows.append((when, one_line(entry.who), kind, str(len(entry.changes)), refused))
        for line in table(rows, right=(3,)):
            typer.echo(line)


app.command("verify")(verify_projects)


@app.command("undo")
def undo_decision(name: _Name, who: _Who = None) -> None:
    """Take back your last decision; what somebody's later decision needs is named and left."""
    with open_store() as store:
        _tell_turn(store, "undo", store.undo(project_named(store, name).id, _me(who)))


@app.command("redo")
def redo_decision(name: _Name, who: _Who = None) -> None:
    """Carry out again what you have last taken back."""
    with open_store() as store:
        _tell_turn(store, "redo", store.redo(project_named(store, name).id, _me(who)))


def _tell_turn(store: Store, kind: str, entry: Entry | None) -> None:
    typer.echo(tell_turn(store, entry) if entry else NOTHING[kind])
    if entry and not entry.changes:
        raise typer.Exit(1)


def _tell_report(report: ImportReport) -> None:
    for sentences in (report.refused, report.notes):
        for sentence in sentences[:_SHOWN]:
            tell(sentence)
        if len(sentences) > _SHOWN:
            tell(f"{len(sentences) - _SHOWN} more of these")
    parts = [
        f"{counted(report.images, 'image')}, {counted(report.categories, 'category', 'categories')} and "
        f"{counted(report.instances, 'instance')} taken in"
    ]
    if report.changed:
        parts.append(f"{counted(report.changed, 'instance')} changed as the file says")
    if report.filled:
        have = "has got its file" if len(report.filled) == 1 else "have got their files"
        parts.append(f"{counted(len(report.filled), 'image')} listed before {have}")
    if report.known:
        were = "was" if len(report.known) == 1 else "were"
        parts.append(f"{counted(len(report.known), 'image')} {were} there already")
    if report.missing:
        are, them = (
            ("is listed and was", "it") if len(report.missing) == 1 else ("are listed and were", "them")
        )
        parts.append(f"{counted(len(report.missing), 'image')} {are} not found; 'project add' brings {them}")
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
    """Has boxes filled, and says what became of them; how many have a mask."""
    from maskrcnn_core.inference import Predictor
    from maskrcnn_core.store.box_filling import fill_boxes

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
        f"{report.proposals:,} of {counted(len(boxes), 'box', 'boxes')} filled by {model.key}: they are "
        "proposals"
    )
    return report.proposals


def _boxes_sentence(count: int, command: str = "the same command") -> str:
    what = "1 annotation holds a box" if count == 1 else f"{count} annotations hold boxes"
    return (
        f"{what} only, no mask: {command} with --boxes MODEL makes proposals of such boxes, filled by "
        "the heads of that network"
    )


app.add_typer(job_app)  # last: in the help its commands come last
