"""The commands ``project ...``: what the store can do, without a browser."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from maskrcnn_core.cli.approving import approve, return_, second_stage
from maskrcnn_core.cli.assigning import assign
from maskrcnn_core.cli.cluster import ClusterOption, WorkersOption, check_cluster
from maskrcnn_core.cli.cluster_jobs import work_on_cluster
from maskrcnn_core.cli.comments import list_comments
from maskrcnn_core.cli.console import load_named_model
from maskrcnn_core.cli.copies import duplicate, merge
from maskrcnn_core.cli.damage import verify_projects
from maskrcnn_core.cli.engines import chosen_engine
from maskrcnn_core.cli.exchange import add_images, export_project, import_ground_truth
from maskrcnn_core.cli.jobs import (
    add_background_job,
    job_asked_for,
    named_for,
    offered_for,
    open_store,
    project_named,
)
from maskrcnn_core.cli.jobs import app as job_app
from maskrcnn_core.cli.labelling import attributes, set_values, tag
from maskrcnn_core.cli.methods import show_methods
from maskrcnn_core.cli.options import (
    DeviceOption,
    DomainOption,
    EngineOption,
    LookCloserOption,
    ObjectSizeOption,
    ProjectArgument,
    QuietOption,
    TileOverlapOption,
    TilesOption,
    WhoOption,
    name_for_journal,
    parts_of,
)
from maskrcnn_core.cli.removal import archive, bring_back, delete, list_deleted, purge_projects, restore
from maskrcnn_core.cli.running import TOLD_CLOSER
from maskrcnn_core.cli.searching import list_images
from maskrcnn_core.cli.snapshots import app as snapshot_app
from maskrcnn_core.cli.stats import show_stats
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.terminal import bar_of, table, tell
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.detection.limits import LimitTally
from maskrcnn_core.errors import InputError
from maskrcnn_core.images.reading import Stretch
from maskrcnn_core.inference.engines.table import AUTO, EXACT
from maskrcnn_core.projects.db.damage import refuse_damage
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE
from maskrcnn_core.projects.image_edits import images_named, remove_images
from maskrcnn_core.projects.project_edits import describe_project, rename_project
from maskrcnn_core.projects.proposals.category_matching import category_mapping
from maskrcnn_core.projects.proposals.fit import Fit
from maskrcnn_core.projects.proposals.proposing import offered_before, propose, told_counts
from maskrcnn_core.projects.records import Entry
from maskrcnn_core.projects.seeing import seen_as, set_stretch, stretch_of
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.undo_report import NOTHING, kinds_of, tell_turn
from maskrcnn_core.tiling.choosing import OFF, OVERLAP, cut_as, tiling_of

__all__ = ["app"]

_SEEN = {"auto": "stretched", "off": "left dark"}

app = typer.Typer(
    no_args_is_help=True,
    help=f"Projects: data sets that stay, with a journal of every decision. {DATA_VARIABLE} and "
    f"{DATABASE_VARIABLE} say where they are; the default is your data folder.",
)


@app.command("list")
def list_projects(
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Only those that can be restored, and for how long.")
    ] = False,
    archived: Annotated[bool, typer.Option("--archived", help="Only those that are archived.")] = False,
) -> None:
    """List the projects and their contents, the last used first."""
    with open_store() as store:
        if deleted:
            list_deleted(store)
            return
        projects, damaged = store.sound_projects()
        rows = [("project", "images", "reviewed", "instances", "accepted", "proposed", "rejected")]
        others = sum(project.is_archived != archived for project in projects)
        for project in projects:
            if project.is_archived != archived:
                continue
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
        if others and not archived:
            tell(f"{counted(others, 'archived project')}: 'project list --archived'")
        refuse_damage(damaged)


@app.command("new")
def new_project(
    name: ProjectArgument,
    categories: Annotated[str, typer.Option(help="Category names, separated by commas: cell,nucleus.")] = "",
    who: WhoOption = None,
) -> None:
    """Create a project."""
    names = parts_of(categories)
    with open_store() as store:
        made = store.create_project(
            name, name_for_journal(who), categories=[Category(n, c) for n, c in enumerate(names, start=1)]
        )
        typer.echo(
            f"made {one_line(made.name)} with {counted(len(names), 'category', 'categories')} in "
            f"{one_line(store.place.shown)}"
        )


@app.command("rename")
def rename(
    name: ProjectArgument,
    new_name: Annotated[str, typer.Argument(help="What it is called from now on.")],
    who: WhoOption = None,
) -> None:
    """Give a project another name."""
    with open_store() as store:
        row = project_named(store, name)
        entry = rename_project(store, name_for_journal(who), row, new_name)
        now = one_line(store.project(row.id).name)
        typer.echo(f"{one_line(name)} is called {now} now" if entry else f"it is called {now} already")


@app.command("describe")
def describe(
    name: ProjectArgument,
    text: Annotated[str, typer.Argument(help='What it is about; "" takes the description away.')],
    who: WhoOption = None,
) -> None:
    """Say what a project is about."""
    with open_store() as store:
        entry = describe_project(store, name_for_journal(who), project_named(store, name), text)
        told = "the description is saved" if text.strip() else "the description is gone"
        typer.echo(told if entry else "nothing has changed: it says so already")


app.command("add")(add_images)
app.command("import")(import_ground_truth)


@app.command("remove")
def remove(
    name: ProjectArgument,
    images: Annotated[list[str], typer.Argument(help="File names of images, as the project has them.")],
    who: WhoOption = None,
) -> None:
    """Remove images from a project, with all that is on them; 'project undo' brings both back."""
    with open_store() as store:
        project = project_named(store, name)
        rows = images_named(store, project.id, images)
        removed = remove_images(store, project.id, name_for_journal(who), rows)
        typer.echo(f"removed {removed.told}; 'project undo' brings them back")


@app.command("annotate")
def annotate_project(
    name: ProjectArgument,
    model: Annotated[
        str | None,
        typer.Option(
            help="A menu key or a file. [default: the ready model that knows most of the project's "
            "categories, or fits its images]"
        ),
    ] = None,
    domain: DomainOption = None,
    score_threshold: Annotated[
        float | None,
        typer.Option(help="Propose detections with scores above this. [default: the model's own]"),
    ] = None,
    map_: Annotated[
        str,
        typer.Option(
            "--map",
            help="From the model's categories to the project's: car=vehicle,bus=vehicle; all others are "
            "off. [default: equal names, among those that fit the images]",
        ),
    ] = "",
    max_detections: Annotated[
        int | None, typer.Option(help="Propose at most N per image. [default: the model's own]")
    ] = None,
    stretch: Annotated[
        Stretch | None,
        typer.Option(
            help="Stretch the project's dim 16-bit and floating-point images from now on (auto), or leave "
            "them dark (off). [default: the project's setting]"
        ),
    ] = None,
    device: DeviceOption = "auto",
    engine: EngineOption = AUTO,
    look_closer: LookCloserOption = "auto",
    tiles: TilesOption = OFF,
    tile_overlap: TileOverlapOption = OVERLAP,
    object_size: ObjectSizeOption = None,
    background: Annotated[
        bool,
        typer.Option("--background", help="Only queue the job; the app or 'project work' runs it."),
    ] = False,
    cluster: ClusterOption = None,
    workers: WorkersOption = None,
    who: WhoOption = None,
    quiet: QuietOption = False,
) -> None:
    """Run a model over a project and propose what it finds. What people decided stays.

    If it is stopped at any moment, the same command continues from there.
    """
    with open_store() as store:
        project = project_named(store, name)
        given = dict(_pair(part) for part in map_.split(",") if part.strip()) or None
        if stretch is not None and set_stretch(store, project.id, name_for_journal(who), stretch):
            tell(f"dim images of the project are {_SEEN[stretch]} from now on; 'project undo' reverts this")
        check_cluster(cluster, workers)
        tiling = tiling_of(tiles, tile_overlap, object_size)
        if tiling is not None and cluster is not None:
            raise InputError("--tiles: expected it or --cluster, got both; a cluster sees images whole")
        if background and cluster is not None:
            raise InputError(
                "--background: expected it or --cluster, got both; the job runs with the command"
            )
        if cluster is not None:
            asked = job_asked_for(
                store,
                project,
                model,
                score_threshold,
                given,
                name_for_journal(who),
                max_detections,
                domain,
                engine,
                look_closer,
            )
            work_on_cluster(
                store, project, *asked, name_for_journal(who), cluster, workers, device, quiet=quiet
            )
            return
        if background:
            add_background_job(
                store,
                project,
                model,
                score_threshold,
                given,
                name_for_journal(who),
                max_detections,
                domain,
                engine,
                look_closer,
                tiling,
            )
            return
        from maskrcnn_core.inference.predictor import Predictor

        fit = Fit(store, project.id, domain)
        loaded = load_named_model(model or named_for(fit), None, download=False, quiet=quiet)
        seen = cut_as(seen_as(loaded.digest, stretch_of(store.project(project.id))), tiling)
        count = store.images_to_run(project.id, seen)
        made = chosen_engine(loaded, device, engine, count=count, quiet=quiet)
        looks_closer = loaded.looks_closer(look_closer)
        if looks_closer and not quiet:
            tell(TOLD_CLOSER)
        predictor = Predictor(loaded, device, engine=made, looks_closer=looks_closer)
        exact_only = engine == EXACT.key
        only = offered_for(store, project, fit, loaded, given, name_for_journal(who))
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
        there, decided = offered_before(
            store, project.id, predictor, thresholds, mapping, exact_only=exact_only, tiling=tiling
        )
        with bar_of(total=None, unit="image", quiet=quiet) as bar:

            def show(done: int, total: int, _: str) -> None:
                bar.total = total
                bar.update(done - bar.n)

            try:
                report = propose(
                    store,
                    project.id,
                    predictor,
                    thresholds,
                    mapping,
                    on_image=show,
                    limits=limits,
                    exact_only=exact_only,
                    tiling=tiling,
                )
            except KeyboardInterrupt:
                bar.close()
                tell("interrupted; the same command continues from there")
                raise typer.Exit(130) from None
        for sentence in (*report.failed, *limits.sentences()):
            tell(sentence)
        kept = Counter(report.there) + Counter({loaded.key: there})
        typer.echo(
            f"{counted(report.images, 'image')} done, {report.ran:,} of them new; "
            f"{told_counts(report.proposed, report.replaced, kept, report.decided + decided)}, "
            f"{counted(len(report.failed), 'image')} failed"
        )


def _pair(part: str) -> tuple[str, str]:
    name, equals, category = part.partition("=")
    if not (equals and name.strip() and category.strip()):
        raise InputError(f"--map: expected model=project pairs separated by commas, got {one_line(part)!r}")
    return name.strip(), category.strip()


app.command("export")(export_project)


@app.command("journal")
def show_journal(
    name: ProjectArgument,
    limit: Annotated[int, typer.Option(help="How many of the latest entries to show.")] = 20,
) -> None:
    """Show who decided what, newest first."""
    with open_store() as store:
        rows = [("when (UTC)", "who", "what", "rows", "")]
        entries = store.journal(project_named(store, name).id, limit=max(limit, 1))
        for entry, kind in zip(entries, kinds_of(store, entries), strict=True):
            refused = "refused: somebody else was first" if entry.is_refused else ""
            when = f"{entry.at:%Y-%m-%d %H:%M:%S}"
            rows.append((when, one_line(entry.who), kind, str(len(entry.changes)), refused))
        for line in table(rows, right=(3,)):
            typer.echo(line)


app.command("images")(list_images)
app.command("tag")(tag)
app.command("attributes")(attributes)
app.command("set")(set_values)
app.command("stats")(show_stats)
app.command("methods")(show_methods)
app.command("verify")(verify_projects)
app.command("assign")(assign)
app.command("second-stage")(second_stage)
app.command("approve")(approve)
app.command("return")(return_)
app.command("duplicate")(duplicate)
app.command("merge")(merge)
app.command("comments")(list_comments)
app.command("archive")(archive)
app.command("bring-back")(bring_back)
app.command("delete")(delete)
app.command("restore")(restore)
app.command("purge")(purge_projects)


@app.command("undo")
def undo_decision(name: ProjectArgument, who: WhoOption = None) -> None:
    """Undo your last decision; anything a later decision by somebody else depends on is named and left."""
    with open_store() as store:
        _tell_turn(store, "undo", store.undo(project_named(store, name).id, name_for_journal(who)))


@app.command("redo")
def redo_decision(name: ProjectArgument, who: WhoOption = None) -> None:
    """Redo your last undone decision."""
    with open_store() as store:
        _tell_turn(store, "redo", store.redo(project_named(store, name).id, name_for_journal(who)))


def _tell_turn(store: Store, kind: str, entry: Entry | None) -> None:
    typer.echo(tell_turn(store, entry) if entry else NOTHING[kind])
    if entry and not entry.changes:
        raise typer.Exit(1)


app.add_typer(snapshot_app, name="snapshot")
app.add_typer(job_app)  # last: in the help its commands come last
