"""The command line: annotate files, list, download and train models, evaluate detections.

Exit codes: 0 for success (for ``annotate``: at least one image was annotated), 1 if nothing was done or
something failed, 2 if the request cannot be met (an unknown model, a threshold out of range, no files), 130
after Ctrl-C. Results go to standard output, everything else to standard error. File names are escaped because
they could contain a terminal's control characters.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from maskrcnn_core.batch import BatchReport, BatchSettings, Outcome, find_files, journal_file
from maskrcnn_core.batch.finding import HasModel, model_run
from maskrcnn_core.batch.run import annotate_by as run_batch
from maskrcnn_core.batch.run import bytes_of, closer_of_run, engine_of_run, slide_of
from maskrcnn_core.batch.running import Runner
from maskrcnn_core.batch.sharing import check_sharing
from maskrcnn_core.batch.slides import TileWatch
from maskrcnn_core.batch.workers import MODULE
from maskrcnn_core.cli import project
from maskrcnn_core.cli.check_file import check_file
from maskrcnn_core.cli.cluster import (
    ClusterOption,
    check_cluster,
    number_of,
    on_cluster,
    places_of,
)
from maskrcnn_core.cli.console import load_named_model, load_row, thresholds_of
from maskrcnn_core.cli.convert import convert, write_beside
from maskrcnn_core.cli.engines import list_engines
from maskrcnn_core.cli.evaluate import evaluate
from maskrcnn_core.cli.explain import explain
from maskrcnn_core.cli.inspect_data import inspect_data
from maskrcnn_core.cli.measure import measure
from maskrcnn_core.cli.methods import write_methods
from maskrcnn_core.cli.options import (
    MODEL_KEYS,
    BatchSizeOption,
    ChannelsOption,
    ContrastOption,
    CustomNamesOption,
    DeviceOption,
    DomainOption,
    DownloadOption,
    EngineOption,
    LookCloserOption,
    MaskThresholdOption,
    MaxDetectionsOption,
    ModelOption,
    NmsThresholdOption,
    ObjectSizeOption,
    PageOption,
    QuietOption,
    ScoreThresholdOption,
    SliceOption,
    StretchOption,
    TileOverlapOption,
    TilesOption,
    WithImagesOption,
    WorkersOption,
    asked_view,
    format_named,
    parts_of,
)
from maskrcnn_core.cli.running import How, What, at_work
from maskrcnn_core.cli.scenes import draw_scenes
from maskrcnn_core.cli.service import serve
from maskrcnn_core.cli.serving import PASSES_ON, serve_app
from maskrcnn_core.cli.shards import (
    ShardsJob,
    annotate_in_shards,
    closer_of_shards,
    here,
    merge_shards,
    planned,
)
from maskrcnn_core.cli.train import train
from maskrcnn_core.common.one_line import NO_MEMORY, counted
from maskrcnn_core.common.terminal import bar_of, errors_told, table, tell
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import InputError, NamesMissing
from maskrcnn_core.formats import FORMATS
from maskrcnn_core.formats.coco import MAX_TOLERANCE
from maskrcnn_core.images.folders import PassedOver
from maskrcnn_core.images.reading import one_line
from maskrcnn_core.inference.engines.table import AUTO
from maskrcnn_core.models.catalog import all_models, model_by_key
from maskrcnn_core.models.domains import offered_names
from maskrcnn_core.models.spec import LoadedModel, ModelSpec
from maskrcnn_core.models.summary import summarise
from maskrcnn_core.models.trained import add_trained_model
from maskrcnn_core.models.weights_files import weights_file
from maskrcnn_core.shards.stores import is_address
from maskrcnn_core.tiling.choosing import OFF, OVERLAP, tiling_of

__all__ = ["app"]

_T = TypeVar("_T")

app = typer.Typer(
    help="Instance segmentation with Mask R-CNN, without a browser; 'app' starts MaskDesk in the browser.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain text, which also reads well in files and narrow terminals
    pretty_exceptions_enable=False,
)


# -- annotate ---------------------------------------------------------------------------------------


@app.command()
def annotate(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Image files, folders (with subfolders) and quoted patterns ('*.jpg'). With --shards also "
            "zips, tars, lists (.txt, .csv, .parquet) and addresses (s3://...)."
        ),
    ],
    out: Annotated[
        str, typer.Option(help="The COCO JSON file to write; with --cluster also its address.")
    ] = "annotations.json",
    model: ModelOption = None,
    names: CustomNamesOption = None,
    domain: DomainOption = None,
    results: Annotated[Path | None, typer.Option(help="Also write COCO results to this file.")] = None,
    segments: Annotated[
        Path | None, typer.Option(help="Also write each instance's segment and mask to this folder.")
    ] = None,
    overlays: Annotated[
        Path | None,
        typer.Option(help="Also write each image, with its instances drawn on it, to this folder."),
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Also write mask arrays (.npz) and label maps (.png) to this folder.")
    ] = None,
    splash: Annotated[
        Path | None,
        typer.Option(help="Also write each image, grey outside its instances, to this folder."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Also write these formats beside --out, separated by commas: "
            + ", ".join(row.key for row in FORMATS if row.key != "coco")
            + ".",
        ),
    ] = None,
    with_images: WithImagesOption = False,
    methods: Annotated[
        Path | None,
        typer.Option(help="Also write how objects were found, in sentences for a paper, to this file."),
    ] = None,
    score_threshold: ScoreThresholdOption = None,
    mask_threshold: MaskThresholdOption = 0.5,
    nms_threshold: NmsThresholdOption = None,
    max_detections: MaxDetectionsOption = None,
    categories: Annotated[
        str | None,
        typer.Option(help="Only these categories, separated by commas: person,car. [default: all]"),
    ] = None,
    simplify: Annotated[
        float,
        typer.Option(help="How many pixels polygons may deviate from the mask's edge; 0 keeps every pixel."),
    ] = 0.0,
    device: DeviceOption = "auto",
    engine: EngineOption = AUTO,
    workers: WorkersOption = AUTO,
    batch_size: BatchSizeOption = None,
    stretch: StretchOption = "auto",
    page: PageOption = None,
    z: SliceOption = None,
    channels: ChannelsOption = None,
    contrast: ContrastOption = None,
    tiles: TilesOption = OFF,
    tile_overlap: TileOverlapOption = OVERLAP,
    object_size: ObjectSizeOption = None,
    look_closer: LookCloserOption = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Resume an interrupted run.")] = False,
    shards: Annotated[
        str | None,
        typer.Option(help="For very many images: write shards to this folder or address, then merge them."),
    ] = None,
    shard_size: Annotated[int, typer.Option(help="With --shards: images in each.")] = 1000,
    column: Annotated[
        str | None, typer.Option(help="With --shards: the column of a table that has the addresses.")
    ] = None,
    merge: Annotated[bool, typer.Option(help="With --shards: join them into --out in the end.")] = True,
    cluster: ClusterOption = None,
    download: DownloadOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find objects in many images and write COCO JSON, read back with pycocotools.

    Each finished image is recorded at once in a run log next to the output file. After Ctrl-C, a crash or a
    power cut, the same command with --resume continues and produces exactly the same files.
    """

    def limits_for(loaded: LoadedModel) -> Thresholds:
        only = _labels(loaded, categories, domain)
        return thresholds_of(loaded, score_threshold, nms_threshold, max_detections, mask_threshold, only)

    with errors_told():
        # Values out of range are reported before anything is read; a model's own are always in range.
        thresholds_of(None, score_threshold, nms_threshold, max_detections, mask_threshold)
        if not 0 <= simplify <= MAX_TOLERANCE:
            raise InputError(f"--simplify: expected 0 to {MAX_TOLERANCE:g} pixels, got {simplify}")
        tiling = tiling_of(tiles, tile_overlap, object_size)
        view = asked_view(page, z, channels, contrast)
        if shards is not None and (view is not None or methods is not None):
            given = "--methods" if view is None else "--page, --z, --channels, --contrast"
            raise InputError(f"{given}: expected none of them with --shards")
        rows = [format_named(key) for key in parts_of(to or "")]
        if rows and shards is not None:
            raise InputError("--format: expected none with --shards; 'convert' the merged file")
        outputs = [folder for folder in (segments, overlays, masks, splash) if folder is not None]
        check_sharing(workers, batch_size)
        if cluster is not None:
            check_cluster(cluster, number_of(workers))
            if tiling is not None:
                raise InputError("--tiles: expected none with --cluster")
            if batch_size is not None:
                raise InputError("--batch-size: expected none with --cluster: each node takes what suits it")
            out, shards = places_of(out, shards)
        elif shards is not None and is_address(out):
            raise InputError(
                f"{one_line(out)}: expected a file on this computer, got an address; "
                "'merge' writes shards to one"
            )
        _check_sharding(paths, shards, column, outputs, out)
        if shards is not None:
            job = ShardsJob(
                paths,
                shards,
                shard_size,
                column,
                out,
                results,
                merge,
                simplify,
                resume,
                stretch,
                domain,
                tiling,
            )
            plan, begun = planned(job)
            loaded = load_named_model(model, names, download=download, quiet=quiet, domain=domain)
            thresholds = limits_for(loaded)
            key = begun if begun and engine == AUTO else engine
            if resume and look_closer == "auto":
                look_closer = closer_of_shards(shards)
            how = How(model, names, device, key, workers, batch_size, quiet, look_closer)
            at = here if cluster is None else partial(on_cluster, cluster)
            at_shards = at(job, plan, loaded, thresholds, how)
            annotate_in_shards(job, plan, loaded, thresholds, at_shards, quiet=quiet)
            return
        others = PassedOver()
        files = find_files(paths, outputs=outputs, others=others)
        if left := others.sentence("not images"):
            tell(left)
        loaded = load_named_model(model, names, download=download, quiet=quiet, domain=domain)
        thresholds = limits_for(loaded)
        settings = BatchSettings(
            tuple(files),
            Path(out),
            thresholds,
            results,
            segments,
            overlays,
            masks,
            splash,
            resume,
            simplify,
            stretch,
            domain,
            tiling,
            view,
        )
        if resume and engine == AUTO:  # what was begun goes on as it was
            engine = engine_of_run(Path(out)) or engine
        if resume and look_closer == "auto":
            look_closer = closer_of_run(Path(out))
        how = How(model, names, device, engine, workers, batch_size, quiet, look_closer)
        watch = TileWatch()
        what = What(
            len(files),
            thresholds,
            bytes_of,
            MODULE,
            stretch,
            domain,
            settings.folders,
            tiling,
            slide_of,
            watch,
            view,
        )
        with at_work(loaded, how, what) as (runner, run):
            report = _annotate_with_bar(runner, settings, run, watch, quiet=quiet)
    for note in report.notes:
        tell(note)
    typer.echo(_summary_line(report))
    if report.succeeded:
        with errors_told():
            for row in rows:
                write_beside(row, Path(out), files, with_images=with_images, quiet=quiet)
            if methods is not None:
                typer.echo(write_methods(methods, Path(out), model_run(thresholds, run, tiling)))
    if not report.succeeded:
        is_memory = bool(report.failed) and all("out of memory" in one.reason for one in report.failed)
        tell(f"no image was annotated; nothing was written{f': {NO_MEMORY}' if is_memory else ''}")
        raise typer.Exit(1)


def _check_sharding(
    paths: list[str], shards: str | None, column: str | None, outputs: list[Path], out: str
) -> None:
    if shards is not None and outputs:
        raise InputError(
            f"{one_line(str(outputs[0]))}: expected no folder of pictures with --shards, which writes COCO "
            "alone; annotate without --shards for them"
        )
    if shards is None and (column is not None or any(is_address(path) for path in (*paths, out))):
        what = "--column" if column is not None else "an address"
        raise InputError(f"{what}: expected a folder for shards with it, got none; name one with --shards")


app.command("merge")(merge_shards)
app.command("convert")(convert)
app.command("check-file")(check_file)
app.command()(measure)


def _labels(loaded: LoadedModel, categories: str | None, domain: str | None) -> frozenset[int] | None:
    """Return the labels of the requested categories, by name or as a domain's; ``None`` for all."""
    if categories is not None:
        return loaded.label_map.labels_of(_listed(categories))
    every = [category.name for category in loaded.label_map]
    offered = every if domain is None else offered_names(domain, every)
    return None if offered == every else loaded.label_map.labels_of(offered)


def _listed(categories: str) -> list[str]:
    listed = [name for name in categories.split(",") if name.strip()]
    if not listed:
        raise InputError("--categories: expected names separated by commas, got none")
    return listed


def _annotate_with_bar(
    runner: Runner, settings: BatchSettings, run: HasModel, watch: TileWatch, *, quiet: bool
) -> BatchReport:
    with bar_of(total=len(settings.files), unit="image", quiet=quiet) as bar:

        def on_tile(_name: str, done: int, total: int) -> None:
            bar.set_postfix_str(f"tile {done:,} of {total:,}" if done < total else "", refresh=False)
            bar.update(0)

        watch.on_tile = on_tile

        def on_progress(_done: int, _total: int, outcome: Outcome) -> None:
            if outcome.is_reused:
                bar.initial += 1  # took no time, so it says nothing about the rate
            bar.update(1)
            for note in outcome.notes:
                tell(f"{one_line(outcome.file_name)}: {note}")
            if outcome.status == "failed":
                tell(f"{one_line(outcome.file_name)}: {outcome.reason}")

        try:
            return run_batch(runner, settings, run, on_progress)
        except KeyboardInterrupt:
            bar.close()
            if journal_file(settings.out).exists():
                tell(
                    f"interrupted after {bar.n} of {counted(int(bar.total or 0), 'image')}; the same "
                    "command with --resume continues from there"
                )
            raise typer.Exit(130) from None


def _summary_line(report: BatchReport) -> str:
    parts = [
        f"{report.succeeded:,} of {counted(report.total, 'image')} annotated",
        counted(report.instances, "instance"),
        f"{report.empty} without objects",
        f"{len(report.failed)} failed",
    ]
    if report.reused:
        parts.insert(1, f"{report.reused} of them before the run was resumed")
    if report.least_iou is not None:
        parts.append(f"lowest mask IoU read back: {report.least_iou:.6f}")
    if report.files:
        parts.append(f"wrote {' and '.join(one_line(str(file)) for file in report.files)}")
    return "; ".join(parts)


# -- models -----------------------------------------------------------------------------------------


@app.command()
def models() -> None:
    """List the models: whether they are ready, how good they are, their licence and source."""
    head = ("key", "title", "for", "size", "ready")
    rows = [
        (s.key, s.title, ", ".join(s.domains), f"{s.size_bytes / 1e6:.0f} MB", _readiness(s))
        for s in all_models()
    ]
    for line in table([head, *rows], right=(3,)):
        typer.echo(line)
    for spec in all_models():
        typer.echo(f"\n{spec.key}: {spec.knows}")
        typer.echo(f"  speed    {spec.speed}")
        published = ", as published" if spec.is_published else ""
        # One line each, with what it was measured on: figures from different images cannot be compared.
        for row in spec.measured:
            typer.echo(f"  measured {row.text} (percent{published})")
        typer.echo(f"  licence  {spec.licence or 'unknown'}")
        typer.echo(f"  source   {spec.source}")
        file = weights_file(spec)
        place = one_line(str(file)) if file else f"not here; 'download {spec.key}' fetches {spec.url}"
        typer.echo(f"  weights  {place}")
        if spec.pinning:
            typer.echo(f"  check    {spec.pinning}")


def _readiness(spec: ModelSpec) -> str:
    return "yes" if weights_file(spec) else "no"


@app.command()
def add(
    file: Annotated[
        Path, typer.Argument(help="Weights (.safetensors) written by 'train', with their card next to them.")
    ],
) -> None:
    """Add a trained model to every menu by copying it into the weights folder."""
    with errors_told():
        spec = add_trained_model(file)
    typer.echo(f"{spec.key} now appears in every menu: {one_line(spec.file)}")


_Model = Annotated[str, typer.Argument(help=f"{MODEL_KEYS}, a trained one, or a .pth or .safetensors file.")]


@app.command()
def summary(
    model: _Model,
    names: Annotated[
        Path | None, typer.Option(help="For a model from a file: its categories, one per line.")
    ] = None,
) -> None:
    """Show a model's architecture, settings and origin."""
    with errors_told():
        loaded = load_named_model(model, names, download=False, quiet=True)
    rows = [*summarise(loaded).rows(), ("NMS threshold", f"{loaded.nms_threshold:g}")]
    rows += [("Weights (SHA-256)", loaded.digest), ("Licence", loaded.licence or "unknown")]
    rows += [("Source", loaded.source), *(("Note", note) for note in loaded.notes)]
    for line in table([(name, one_line(value)) for name, value in rows]):
        typer.echo(line)


@app.command()
def convert_model(
    file: Annotated[
        Path, typer.Argument(help="A checkpoint of Detectron2, mmdetection, Matterport or torchvision.")
    ],
    out: Annotated[Path, typer.Option(help="The .safetensors file to write; its card goes next to it.")],
    names: Annotated[
        Path | None, typer.Option(help="Its categories, one per line, if the file does not name them.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="The training's config. [default: one next to the file, such as config.yaml]"),
    ] = None,
    style: Annotated[
        str | None, typer.Option(help="pytorch or caffe, for an mmdetection file without a config.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="coco, balloon, nucleus or shapes, for a Matterport file of that sample."),
    ] = None,
    boxes_only: Annotated[
        bool,
        typer.Option("--boxes-only", help="Open a Faster R-CNN, which draws no masks: each box is its mask."),
    ] = False,
    title: Annotated[str, typer.Option(help="As menus show it. [default: the file's name]")] = "",
    licence: Annotated[str, typer.Option(help="Of the weights, such as Apache-2.0.")] = "",
) -> None:
    """Convert another project's checkpoint to MaskDesk's format, with a card."""
    from maskrcnn_core.models.foreign.converting import convert_checkpoint
    from maskrcnn_core.models.foreign.sidecar import Sidecar, preset_named, style_named

    with errors_told():
        sidecar = Sidecar(
            config,
            None if style is None else style_named(style),
            None if preset is None else preset_named(preset),
            boxes_only=boxes_only,
        )
        try:
            made = convert_checkpoint(file, out, names, sidecar, title=title, licence=licence)
        except NamesMissing as error:
            raise InputError(
                f"{one_line(str(file))}: {error}, in a file that --names names; or name one of Matterport's "
                "samples with --preset if it was trained as that"
            ) from error
    for note in made.notes:
        tell(f"{one_line(str(file))}: {one_line(note)}")
    count = counted(len(made.card.categories), "category", "categories")
    typer.echo(f"wrote {one_line(str(made.file))} and its card: {one_line(made.card.title)}, {count}")


@app.command()
def download(
    model: Annotated[str, typer.Argument(help=MODEL_KEYS)],
    quiet: QuietOption = False,
) -> None:
    """Download a model's weights; an interrupted download continues where it stopped."""
    with errors_told():
        spec = model_by_key(model)
        load_row(spec, download=True, quiet=quiet)
    typer.echo(f"{spec.key} is ready: {one_line(str(weights_file(spec)))}")


app.command("engines")(list_engines)


# -- evaluating and training -------------------------------------------------------------------------

app.command()(evaluate)
app.command()(train)
app.command()(inspect_data)
app.command()(draw_scenes)
app.add_typer(project.app, name="project")
app.command()(explain)
app.command("app", context_settings=PASSES_ON)(serve_app)
app.command()(serve)
