"""``annotate --shards`` and ``merge``: any number of images, a shard at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol, TypeAlias

import typer

from maskrcnn_core.batch.finding import CLOSER, ENGINE, HasModel, description_of, settings_of
from maskrcnn_core.batch.resume_log import Header
from maskrcnn_core.batch.run import check_files
from maskrcnn_core.cli.options import QuietOption
from maskrcnn_core.cli.running import How, What, at_work
from maskrcnn_core.common.atomic_files import scratch_folder
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.common.terminal import bar_of, errors_told, shown_on, tell
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.coco import MAX_TOLERANCE
from maskrcnn_core.images.reading import Stretch, one_line
from maskrcnn_core.inference.engines.table import EXACT
from maskrcnn_core.models.spec import AskedCloser, LoadedModel
from maskrcnn_core.shards.entries import Reader
from maskrcnn_core.shards.facts import RunFacts, facts_of, keep_facts
from maskrcnn_core.shards.merge import Merged, Merger
from maskrcnn_core.shards.plan import Plan, make_plan, read_plan
from maskrcnn_core.shards.run import OnImage, ShardsReport, run_shards
from maskrcnn_core.shards.shard_files import ShardImage
from maskrcnn_core.shards.sources import Sources
from maskrcnn_core.shards.stores import Folder, is_address, last_part, put_file
from maskrcnn_core.tiling.choosing import Tiling

__all__ = ["AtShards", "RunsShards", "ShardsJob", "annotate_in_shards", "here", "merge_shards", "planned"]


class RunsShards(Protocol):
    """What annotates the shards of a plan."""

    def __call__(self, plan: Plan, settings: Header, *, on_image: OnImage) -> ShardsReport:
        """Annotate what is left, as :func:`~maskrcnn_core.shards.run.run_shards` does."""


AtShards: TypeAlias = AbstractContextManager[tuple[HasModel, RunsShards]]
"""Gives what there is to say of a model, and what runs it over shards, here or elsewhere."""

MODULE = "maskrcnn_core.shards.worker"
"""Of processes that read images by their entries."""


@dataclass(frozen=True)
class ShardsJob:
    """What ``annotate --shards`` is to do.

    Args:
        named: the sources.
        folder: for the shards.
        shard_size: images in each.
        column: of tables, that has the addresses.
        out, results: what the shards become in the end; the first may be an address.
        is_merged: whether they do.
        tolerance: in pixels, by which polygons may be simplified.
        resume: go on with a run that was broken off.
        stretch: whether deep images that use little of their range are stretched.
        domain: the kind of images that was asked for.
        tiling: how pictures are cut into tiles; ``None`` for not at all.
    """

    named: Sequence[str]
    folder: str
    shard_size: int
    column: str | None
    out: str
    results: Path | None
    is_merged: bool
    tolerance: float
    resume: bool
    stretch: Stretch
    domain: str | None
    tiling: Tiling | None = None


def planned(job: ShardsJob) -> tuple[Plan, str]:
    """Return the plan of a run, made or read, and the key of the engine that began it, if one did.

    Raises:
        InputError: if the folder holds a run that is not to be resumed, or another one than is meant.
    """
    folder = Folder(job.folder)
    if job.is_merged:  # not only after days
        _check_outputs(folder, _file_for(job.out), job.results)
    sources: dict[str, object] = {
        "named": [name if is_address(name) else os.path.abspath(name) for name in job.named],
        "column": job.column,
        "shard size": job.shard_size,
    }
    plan = read_plan(folder)
    if plan is not None and not job.resume:
        raise InputError(
            f"{folder.shown}: there are shards of a run already; --resume goes on with it, or choose another "
            "folder"
        )
    if plan is not None:
        for name, value in sources.items():
            if plan.sources.get(name) != value:
                begun = one_line(str(plan.sources.get(name)))
                raise InputError(
                    f"{folder.shown}: the interrupted run had {name} {begun}, "
                    f"this one has {one_line(str(value))}; use the same again, or another folder"
                )
        facts = facts_of(folder)
        return plan, "" if facts is None else str(facts.settings.get(ENGINE, EXACT.key))
    if job.resume:
        tell("there is no run to resume; this one starts from the beginning")
    found = Sources(job.named, job.column, [] if folder.path is None else [folder.path])
    plan = make_plan(found.entries(), folder, sources, job.shard_size)
    if left := found.others.sentence("not images"):
        tell(left)
    return plan, ""


def closer_of_shards(folder: str) -> AskedCloser:
    """Return whether a run over shards looked closer at objects; ``auto`` where none has begun."""
    facts = facts_of(Folder(folder))
    return "auto" if facts is None else "on" if facts.settings.get(CLOSER) else "off"


@contextmanager
def here(
    job: ShardsJob, plan: Plan, loaded: LoadedModel, thresholds: Thresholds, how: How
) -> Iterator[tuple[HasModel, RunsShards]]:
    """Give who runs a model over shards on this computer; see :func:`annotate_in_shards`."""
    reader = Reader()
    try:
        what = What(
            plan.images, thresholds, reader.bytes_of, MODULE, job.stretch, job.domain, tiling=job.tiling
        )
        with at_work(loaded, how, what) as (runner, made):

            def run(plan: Plan, settings: Header, *, on_image: OnImage) -> ShardsReport:
                return run_shards(plan, runner, settings, on_image=on_image)

            yield made, run
    finally:
        reader.close()


def annotate_in_shards(
    job: ShardsJob,
    plan: Plan,
    loaded: LoadedModel,
    thresholds: Thresholds,
    at: AtShards,
    *,
    quiet: bool,
) -> None:
    """Annotate what is left of a plan, and join the shards.

    Args:
        job, plan: what there is to do.
        loaded, thresholds: the model and what is kept of its detections.
        at: who does it.
        quiet: no bar.
    """
    for reason in plan.reasons:
        tell(f"refused: {reason}")
    with at as (made, run):
        facts = RunFacts(
            settings_of(thresholds, job.stretch, made, job.tiling),
            tuple(loaded.label_map.categories),
            description_of(thresholds, made, job.tiling),
        )
        facts = keep_facts(plan.folder, facts)
        report = _run_with_bar(plan, facts, run, quiet=quiet)
    for note in report.notes:
        tell(note)
    typer.echo(_run_line(plan, report))
    if not report.succeeded:
        tell("no image was annotated; nothing was merged")
        raise typer.Exit(1)
    if job.is_merged:
        _merge_to(plan, facts, job.out, job.results, job.tolerance, quiet=quiet)


def merge_shards(
    folder: Annotated[str, typer.Argument(help="The folder or address that 'annotate --shards' wrote into.")],
    out: Annotated[
        str, typer.Option(help="The COCO JSON file to write, or its address.")
    ] = "annotations.json",
    results: Annotated[Path | None, typer.Option(help="Also write COCO results to this file.")] = None,
    simplify: Annotated[
        float,
        typer.Option(help="How many pixels polygons may deviate from the mask's edge; 0 keeps every pixel."),
    ] = 0.0,
    quiet: QuietOption = False,
) -> None:
    """Join the shards of 'annotate --shards' into one COCO file, in bounded memory, and read it back."""
    with errors_told():
        if not 0 <= simplify <= MAX_TOLERANCE:
            raise InputError(f"--simplify: expected 0 to {MAX_TOLERANCE:g} pixels, got {simplify}")
        place = Folder(folder)
        _check_outputs(place, _file_for(out), results)
        plan, facts = read_plan(place), facts_of(place)
        if plan is None or facts is None:
            raise InputError(
                f"{place.shown}: expected the shards of a run, got none; name the folder that --shards named"
            )
        _merge_to(plan, facts, out, results, simplify, quiet=quiet)


def _file_for(out: str) -> Path:
    """Return where a file is written that may have to be copied to an address."""
    return scratch_folder() / (last_part(out) or "annotations.json") if is_address(out) else Path(out)


def _merge_to(
    plan: Plan, facts: RunFacts, out: str, results: Path | None, tolerance: float, *, quiet: bool
) -> None:
    file = _file_for(out)
    merger = Merger(plan, facts.categories, facts.description, tolerance)
    with bar_of(total=None, unit="shard", quiet=quiet) as bar:
        merged = merger.write(file, results, shown_on(bar))
    typer.echo(_merged_line(merged))
    if is_address(out):
        put_file(file, out)
        file.unlink()
        typer.echo(f"copied to {one_line(out)}")


def _check_outputs(folder: Folder, out: Path, results: Path | None) -> None:
    files = [file for file in (out, results) if file is not None]
    for file in files:
        shown = one_line(str(file))
        if ":/" in str(file):
            raise InputError(
                f"{shown}: expected a file on this computer, got an address; 'merge' writes shards to one"
            )
        inside = None if folder.path is None else os.path.realpath(folder.path)
        if inside is not None and os.path.dirname(os.path.realpath(file)) == inside:
            raise InputError(f"{shown}: this is among the shards; choose another place")
    check_files(files)


def _run_with_bar(plan: Plan, facts: RunFacts, run: RunsShards, *, quiet: bool) -> ShardsReport:
    with bar_of(total=plan.images, unit="image", quiet=quiet) as bar:

        def on_image(count: int, image: ShardImage | None) -> None:
            if image is None:
                bar.initial += count  # took no time, so it says nothing about the rate
            bar.update(count)
            if image is None:
                return
            for note in image.notes:
                tell(f"{one_line(image.file_name)}: {note}")
            if image.failed:
                tell(f"{one_line(image.file_name)}: {image.failed}")

        try:
            return run(plan, facts.settings, on_image=on_image)
        except KeyboardInterrupt:
            bar.close()
            tell(
                f"interrupted after {bar.n} of {counted(plan.images, 'image')}; the same command with "
                "--resume continues after the last whole shard"
            )
            raise typer.Exit(130) from None


def _run_line(plan: Plan, report: ShardsReport) -> str:
    counts = report.counts
    parts = [
        f"{report.succeeded:,} of {counted(report.total, 'image')} annotated",
        counted(counts.instances, "instance"),
        f"{counts.empty:,} without objects",
        f"{counts.failed:,} failed",
    ]
    if report.reused:
        parts.insert(1, f"{report.reused:,} of them before the run was resumed")
    if plan.refused:
        parts.append(counted(plan.refused, "file was refused", "files were refused"))
    parts.append(f"{counted(len(plan), 'shard')} in {plan.folder.shown}")
    return "; ".join(parts)


def _merged_line(merged: Merged) -> str:
    files = " and ".join(one_line(str(file)) for file in merged.files)
    return (
        f"merged {counted(merged.images, 'image')} with {counted(merged.instances, 'instance')}; lowest mask "
        f"IoU read back: {merged.least_iou:.6f}; wrote {files}"
    )
