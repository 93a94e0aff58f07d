"""The commands ``project ...`` for jobs: runs of a model over a project in the background."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer

from maskrcnn_core.cli.options import ProjectArgument
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.terminal import errors_told, table, tell
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import InputError
from maskrcnn_core.inference.engines.table import AUTO
from maskrcnn_core.models.catalog import model_by_key
from maskrcnn_core.models.choice import best_of, check_domain
from maskrcnn_core.models.domains import OWN, offered_names
from maskrcnn_core.models.spec import AskedCloser, LoadedModel, ModelSpec
from maskrcnn_core.projects.category_edits import add_categories
from maskrcnn_core.projects.db.damage import refuse_damage
from maskrcnn_core.projects.proposals import job_rows, jobs
from maskrcnn_core.projects.proposals.category_matching import match_categories
from maskrcnn_core.projects.proposals.fit import Fit
from maskrcnn_core.projects.proposals.job_rows import JobRow, JobSettings, JobState
from maskrcnn_core.projects.proposals.pace import look_at_workers
from maskrcnn_core.projects.proposals.worker import StopAsked, only_worker, serve_parent, work_off
from maskrcnn_core.projects.records import ProjectRow
from maskrcnn_core.projects.store import Store
from maskrcnn_core.tiling.choosing import Tiling

__all__ = [
    "add_background_job",
    "app",
    "job_asked_for",
    "named_for",
    "offered_for",
    "open_store",
    "project_named",
    "tell_with_time",
]

_SHOWN = 20
_NAMES = 5

app = typer.Typer()

_Model = Annotated[str | None, typer.Option(help="The job's model, if the project has several jobs.")]


@contextmanager
def open_store() -> Iterator[Store]:
    """Open the store that the environment names, for one command."""
    with errors_told():
        store = Store()
        try:
            yield store
        finally:
            store.close()


def project_named(store: Store, name: str) -> ProjectRow:
    """Return the project of this name.

    Raises:
        InputError: with the names that exist.
        DamageError: if its own row is damaged, or a row that may have been it.
    """
    projects, damaged = store.sound_projects()
    for project in projects:
        if project.name == name:
            return project
    if damaged:
        refuse_damage(damaged)
    for row, _ in store.deleted_projects():
        if row.name == name:
            raise InputError(store.absence(row.id))
    known = ", ".join(one_line(p.name) for p in projects[:_SHOWN]) or "none yet; make one with 'project new'"
    raise InputError(f"project {one_line(name)!r}: there is no such project; projects: {known}")


def named_for(fit: Fit) -> str:
    """Return the key of the model that fits a project if none is named, and report it."""
    spec = fit.model()
    why = fit.told(spec) if "looks" in vars(fit) else ""
    tell(f"no model given: using {spec.key}{f' because {why}' if why else ''}. {spec.knows}")
    return spec.key


def offered_for(
    store: Store,
    project: ProjectRow,
    fit: Fit,
    model: ModelSpec | LoadedModel,
    given: Mapping[str, str] | None,
    who: str,
) -> list[str]:
    """Return the model's categories to propose for a project; report what does not fit, and what is off.

    A project without categories gets those of the requested domain.

    Raises:
        InputError: if the model is not for the requested domain, or the project has no category.
    """
    if fit.domain is not None:
        check_domain(model, fit.domain)
    for sentence in fit.misfits(model):
        tell(sentence)
    offered = fit.offered(model)
    if given is not None:
        return offered
    ours = {row.name.casefold() for row in store.categories(project.id)}
    if not ours and fit.domain is not None:
        add_categories(store, project.id, who, offered)
        tell(f"the project had no categories: added {_few(offered)}; 'project undo' removes them")
    elif not ours and (looks_like := OWN not in model.domains and fit.looks.domain):
        names = offered_names(looks_like, [c.name for c in best_of(looks_like).label_map])
        raise InputError(
            f"categories: the project has none; {fit.looks.told(looks_like)}: --domain {looks_like} adds "
            f"{_few(names)} to it; or make the project with 'project new NAME --categories a,b'"
        )
    known = [category.name for category in model.label_map if category.name.casefold() in ours]
    on, off = ([n for n in known if (n in offered) is is_on] for is_on in (True, False))
    if on and off:
        why = fit.told(model) or f"--domain {fit.domain}"
        tell(f"{why}: only {_few(on)} is proposed, not {_few(off)}; --map asks for others")
    return offered


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(one_line(name) for name in names[:_NAMES])
    return shown if len(names) <= _NAMES else f"{shown} and {len(names) - _NAMES} more"


def add_background_job(
    store: Store,
    project: ProjectRow,
    model: str | None,
    score_threshold: float | None,
    given: Mapping[str, str] | None,
    who: str,
    max_detections: int | None = None,
    domain: str | None = None,
    engine: str = AUTO,
    closer: AskedCloser = "auto",
    tiling: Tiling | None = None,
) -> None:
    """Queue a run of a model from the menu, by default the one that fits the project best, and report it.

    Raises:
        InputError: if the model, the threshold, the categories or the engine cannot be used.
        StoreError: if a job of this model is open in the project.
    """
    spec, settings = job_asked_for(
        store, project, model, score_threshold, given, who, max_detections, domain, engine, closer, tiling
    )
    job = jobs.add_job(store, project.id, spec.key, settings, who)
    typer.echo(
        f"job {job.id}: {spec.key} over {counted(job.total, 'image')} of {one_line(project.name)}; it "
        "starts when the app opens, or with 'project work'"
    )


def job_asked_for(
    store: Store,
    project: ProjectRow,
    model: str | None,
    score_threshold: float | None,
    given: Mapping[str, str] | None,
    who: str,
    max_detections: int | None,
    domain: str | None,
    engine: str,
    closer: AskedCloser,
    tiling: Tiling | None = None,
) -> tuple[ModelSpec, JobSettings]:
    """Return the model from the menu and the settings of a job that the options ask for.

    Raises:
        InputError: if the model, the threshold or the categories cannot be used.
    """
    fit = Fit(store, project.id, domain)
    spec = model_by_key(model or named_for(fit))
    only = offered_for(store, project, fit, spec, given, who)
    mapping = match_categories(store, project.id, spec.label_map, given, only)
    try:
        settings = JobSettings(
            spec.score_threshold if score_threshold is None else score_threshold,
            spec.nms_threshold,
            Thresholds().mask_threshold,
            spec.max_detections if max_detections is None else max_detections,
            mapping,
            engine,
            closer,
            tiling,
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    return spec, settings


@app.command("work")
def work(
    once: Annotated[bool, typer.Option("--once", help="Exit when there is nothing left to do.")] = False,
    idle: Annotated[
        float | None,
        typer.Option(min=0.0, help="Exit after this many seconds without a job. [default: never]"),
    ] = None,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Run the jobs of all projects, one after another, and wait for new ones.

    Workers on several machines share each job's images, where MASKDESK_DATABASE names the same PostgreSQL
    database and MASKDESK_DATA the same bucket. Ctrl-C stops it after the current image. Stopped or killed,
    the same command continues from there.
    """
    stop = StopAsked()
    if with_parent:
        serve_parent(stop)
    with open_store() as store, only_worker(store.place), stop.by_signals(tell_with_time):
        store.blobs.check()
        try:
            count = work_off(store, on_event=tell_with_time, stop=stop, idle_seconds=0.0 if once else idle)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        typer.echo(f"{counted(count, 'job was', 'jobs were')} at work")
        if stop.is_asked and not with_parent:
            raise typer.Exit(130)


def tell_with_time(text: str) -> None:
    """Tell what a worker tells, each line with the time."""
    for line in text.splitlines():
        tell(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {line}")
    sys.stderr.flush()


@app.command("jobs")
def show_jobs(name: ProjectArgument) -> None:
    """Show a project's jobs, newest first."""
    with open_store() as store:
        found = jobs.jobs_of(store, project_named(store, name).id)
        rows: list[tuple[str, ...]] = [
            ("job", "added (UTC)", "model", "state", "images", "failed", "rate", "left", "proposed")
        ]
        rows += [_row(job) for job in found]
        for line in table(rows, right=(0, 4, 5, 6, 7, 8)):
            typer.echo(line)
        for job in found:
            if job.engine:
                typer.echo(f"job {job.id}: {job.engine}")
            if job.message:
                typer.echo(f"job {job.id}: {job.message}")
            for sentence in job.failures[:_SHOWN] if job is found[0] else ():
                typer.echo(f"job {job.id}: {sentence}")


@app.command("workers")
def show_workers() -> None:
    """Show the workers of all projects, on whatever machine: what each is at, and how fast."""
    with open_store() as store:
        crew = look_at_workers(store)
        rows: list[tuple[str, ...]] = [
            (
                "host",
                "process",
                "state",
                "job",
                "project",
                "device",
                "images",
                "per min",
                "since (UTC)",
                "seen",
            )
        ]
        rows += [
            (
                one_line(one.host),
                str(one.pid),
                one.told,
                "" if one.job_id is None else str(one.job_id),
                one_line(one.project),
                one_line(one.device),
                f"{one.done:,}",
                f"{one.rate:.1f}",
                f"{one.since:%Y-%m-%d %H:%M}",
                f"{max(0, round((crew.at - one.seen_at).total_seconds()))} s ago",
            )
            for one in crew.workers
        ]
        for line in table(rows, right=(1, 3, 6, 7)) if crew.workers else ():
            typer.echo(line)
        typer.echo(crew.told)
        for one in crew.workers:
            if one.note:
                typer.echo(f"{one_line(one.host)}, process {one.pid}: {one.note}")


def _row(job: JobRow) -> tuple[str, ...]:
    rate, left = job.rate, job.remaining_seconds
    return (
        str(job.id),
        f"{job.made_at:%Y-%m-%d %H:%M}",
        one_line(job.model_key),
        job.state,
        f"{job.done}/{job.total}",
        str(job.failed),
        "" if rate is None else f"{rate:.2f}/s" if rate >= 0.1 else f"{60 * rate:.2f}/min",
        "" if left is None else _duration(left),
        str(job.proposed),
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


@app.command("pause")
def pause(name: ProjectArgument, model: _Model = None) -> None:
    """Pause a project's job after its current image. Its proposals stay."""
    with open_store() as store:
        job = jobs.pause_job(store, _one(store, name, model, ("waiting", "running"), "pause").id)
        typer.echo(f"job {job.id}: paused after {job.done} of {counted(job.total, 'image')}")


@app.command("resume")
def resume(name: ProjectArgument, model: _Model = None) -> None:
    """Resume a paused job. Images already done are not run again."""
    with open_store() as store:
        job = jobs.resume_job(store, _one(store, name, model, ("paused",), "resume").id)
        typer.echo(f"job {job.id}: continues with the app, or with 'project work'")


@app.command("cancel")
def cancel(name: ProjectArgument, model: _Model = None) -> None:
    """Cancel a project's job after its current image. Its proposals stay."""
    with open_store() as store:
        job = jobs.cancel_job(store, _one(store, name, model, job_rows.OPEN_STATES, "cancel").id)
        typer.echo(f"job {job.id}: cancelled after {job.done} of {counted(job.total, 'image')}")


def _one(store: Store, name: str, model: str | None, states: Sequence[JobState], verb: str) -> JobRow:
    """Return the one job of a project that is meant.

    Raises:
        InputError: if there is none or more than one.
    """
    project = project_named(store, name)
    found = [
        job
        for job in jobs.jobs_of(store, project.id)
        if job.state in states and model in (None, job.model_key)
    ]
    if not found:
        raise InputError(f"{one_line(name)}: there is no job to {verb}; 'project jobs' lists them")
    if len(found) > 1:
        keys = ", ".join(one_line(job.model_key) for job in found)
        raise InputError(f"{one_line(name)}: there are several jobs; choose one with --model: {keys}")
    return found[0]
