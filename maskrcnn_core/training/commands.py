"""The commands ``train`` and ``draw-scenes`` of the command line.

Their options are known without torch: what trains is imported when training begins.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from maskrcnn_core.annotations import unique_names
from maskrcnn_core.architectures import architecture_as_json
from maskrcnn_core.console import StretchOption, bar_of, errors_told, load_named_model, tell, tell_refusals
from maskrcnn_core.errors import ExportError, InputError
from maskrcnn_core.files import DATA_VARIABLE
from maskrcnn_core.messages import counted, one_line
from maskrcnn_core.models import MODELS, add_trained_model, own_models_folder, trained_model_of
from maskrcnn_core.network_facts import SlimConfig
from maskrcnn_core.scenes import SCENE_KINDS, write_scenes

if TYPE_CHECKING:
    from maskrcnn_core.training.beginning import Beginning
    from maskrcnn_core.training.data import GroundTruth
    from maskrcnn_core.training.keeping import Keeper
    from maskrcnn_core.training.loading import TrainingImages
    from maskrcnn_core.training.settings import TrainingSettings
    from maskrcnn_core.training.unlearned import Reading

__all__ = ["draw_scenes", "train"]

_KEYS = ", ".join(spec.key for spec in MODELS)

_KINDS = ", ".join(kind.key for kind in SCENE_KINDS)

_RATE_FROM_NOTHING, _RATE_FROM_MODEL = 1e-3, 1e-4
_LIMIT = 100

_Choice = TypeVar("_Choice", bound=str)


def train(
    ground_truth: Annotated[
        list[Path], typer.Option(help="COCO JSON to learn from. May be given several times.")
    ],
    images: Annotated[list[Path], typer.Option(help="The folder of its images, one for each ground truth.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The weights to write, .safetensors; all else goes beside it. [default: in the folder of "
            "your own models, named after --title or the ground truth]"
        ),
    ] = None,
    val_ground_truth: Annotated[
        list[Path] | None, typer.Option(help="COCO JSON to measure on; never learned from.")
    ] = None,
    val_images: Annotated[
        list[Path] | None, typer.Option(help="The folders of those images. [default: those of --images]")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            help=f"Begin from {_KEYS}, a trained one, or a file. [default: random values, a slim network]",
        ),
    ] = None,
    names: Annotated[
        Path | None, typer.Option(help="For --from a .pth file: its categories, one a line.")
    ] = None,
    epochs: Annotated[int, typer.Option(help="How often every image is seen.")] = 30,
    batch_size: Annotated[int, typer.Option(help="Samples of one step.")] = 4,
    rate: Annotated[
        float | None,
        typer.Option(
            help=f"The highest learning rate. [default: {_RATE_FROM_NOTHING:g} from random values, "
            f"{_RATE_FROM_MODEL:g} from a model]"
        ),
    ] = None,
    warm_up: Annotated[
        int, typer.Option(help="Steps in which the rate rises from nothing; at most a tenth of the run.")
    ] = 200,
    crop: Annotated[
        int | None,
        typer.Option(
            help="Train on squares of this side, in pixels of the network's input; objects are cut at their "
            "edges. [default: whole images]"
        ),
    ] = None,
    smallest: Annotated[float, typer.Option(help="Images are scaled by a random factor from this")] = 0.6,
    largest: Annotated[float, typer.Option(help="to this, on top of the network's own scale.")] = 1.5,
    turns: Annotated[
        bool,
        typer.Option("--turns", help="Also turn and mirror images: where no side is up, as in microscopy."),
    ] = False,
    colour: Annotated[float, typer.Option(help="Strength of colour changes, 0 to 1.")] = 0.3,
    freeze_norms: Annotated[
        bool | None,
        typer.Option(
            help="Batch norm keeps the statistics that it has. [default: yes from a model, no from nothing]"
        ),
    ] = None,
    stop_after: Annotated[
        int | None,
        typer.Option(help="End after so many epochs, the rate still high: a first stage for another run."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes that prepare samples.")] = 1,
    evaluate_every: Annotated[int, typer.Option(help="Epochs between two evaluations.")] = 1,
    checkpoint_every: Annotated[
        int, typer.Option(help="Steps between two checkpoints, beside those at the end of each epoch.")
    ] = 100,
    max_detections: Annotated[
        int | None,
        typer.Option(
            help="The best so many of an image count, and are kept by the model afterwards. "
            f"[default: as the model of --from; {_LIMIT} from random values]"
        ),
    ] = None,
    rois: Annotated[
        int | None,
        typer.Option(
            help="Regions of an image that the heads learn from in a step. [default: the model's own]"
        ),
    ] = None,
    crowds: Annotated[
        str,
        typer.Option(
            help="ignore regions with iscrowd 1, which are neither background nor object then, or take each "
            "as one of the objects, as CVAT's masks are meant: ignore or objects."
        ),
    ] = "ignore",
    with_proposals: Annotated[
        bool,
        typer.Option("--with-proposals", help="Also learn what a model proposed and nobody has decided on."),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with a run that was broken off, or extend it with more --epochs."
        ),
    ] = False,
    title: Annotated[str | None, typer.Option(help="Shown in menus. [default: the file's name]")] = None,
    knows: Annotated[
        str, typer.Option(help="One sentence on what it finds. [default: made from the categories]")
    ] = "",
    licence: Annotated[str, typer.Option(help="Of the weights, for the model card.")] = "",
    half: Annotated[
        bool, typer.Option("--half", help="Store the weights in half precision: half the size.")
    ] = False,
    menu: Annotated[bool, typer.Option(help="Put the finished model into every menu.")] = True,
    stretch: StretchOption = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Train a model on COCO ground truth.

    Beside the weights come a model card, a log (CSV) and its curves (PNG). A run that was broken off at
    any moment goes on with the same command and --resume; one that has ended is extended by a larger
    --epochs with it. What is no ground truth (crowds, open proposals, refused rows) is not learned, and
    not learned as background either.
    """
    from maskrcnn_core.inference import pick_device
    from maskrcnn_core.training.augmentation import Augmentation
    from maskrcnn_core.training.data import renumbered
    from maskrcnn_core.training.keeping import Keeper, Words, curves_file, log_file
    from maskrcnn_core.training.loading import TrainingImages
    from maskrcnn_core.training.settings import TrainingSettings
    from maskrcnn_core.training.telling import tell_crops, tell_crowded, tell_unknown, tell_unlearned
    from maskrcnn_core.training.unlearned import CROWDS, Reading

    if rate is None:
        rate = _RATE_FROM_NOTHING if from_ is None else _RATE_FROM_MODEL
    with errors_told():
        out = _default_out(title, ground_truth) if out is None else out
        settings = TrainingSettings(
            out=out,
            epochs=epochs,
            batch_size=batch_size,
            peak_rate=rate,
            warm_up=warm_up,
            freeze_norms=from_ is not None if freeze_norms is None else freeze_norms,
            stop_after=stop_after,
            seed=seed,
            workers=workers,
            evaluate_every=evaluate_every,
            checkpoint_every=checkpoint_every,
            max_detections=_LIMIT if max_detections is None else max_detections,
            **({} if rois is None else {"rois": rois}),
            augmentation=Augmentation(
                crop=crop,
                scales=(smallest, largest),
                turns=turns,
                colour=colour,
            ),
        )
        inputs = [*ground_truth, *(val_ground_truth or []), *([Path(from_)] if from_ else []), names]
        _check_place(out, [file for file in inputs if file], resume=resume)
        if menu:
            _check_name(out)
        pick_device(device)  # one that is not there is told before anything is read
        _tell_place(out)
        if val_images and not val_ground_truth:
            raise InputError("--val-images: wanted --val-ground-truth with it, found none")
        reading = Reading(_one_of("--crowds", crowds, CROWDS), with_proposals, stretch)
        training = _read_all(ground_truth, images, "--images", reading, quiet=quiet)
        validation = _read_all(
            val_ground_truth or [], val_images or images, "--val-images", reading, quiet=quiet
        )
        beginning = _beginning(from_, names, training, seed, quiet=quiet)
        if max_detections is None and from_ is not None:
            settings = replace(settings, max_detections=beginning.model.max_detections)
        if rois is None:
            settings = replace(settings, rois=beginning.model.rois_per_image)
        for truth in (*training, *validation):
            tell_unlearned(truth, reading)
        for sentence in renumbered(training, beginning.model.label_map.categories):
            tell(sentence)
        tell_crowded([*training, *validation], settings.max_detections)
        for note in beginning.notes:
            tell(note)
        tell_unknown(validation, beginning)
        transform = beginning.model.network.transform
        samples = TrainingImages(
            training,
            beginning.model.label_map,
            settings.augmentation,
            (transform.min_size[-1], transform.max_size),
            seed,
        )
        tell_crops(samples)
        keeper = Keeper(
            settings, beginning, training, validation, Words(title or out.stem, knows, licence, half)
        )
        _train_with_bar(
            settings,
            beginning,
            samples,
            validation,
            keeper,
            reading,
            device=device,
            resume=resume,
            quiet=quiet,
        )
        typer.echo(f"wrote {one_line(str(out))}, its card, {log_file(out).name} and {curves_file(out).name}")
        if menu:
            spec = add_trained_model(out)
            typer.echo(f"it is a choice in every menu now: --model {spec.key}")


def _check_place(out: Path, inputs: Sequence[Path], *, resume: bool) -> None:
    """Nothing that a person has is ever written over: not what they learn from, nor anything else."""
    from maskrcnn_core.training.checkpoint import state_file
    from maskrcnn_core.training.keeping import written_files

    ours = written_files(out)
    read = {os.path.realpath(file) for file in inputs}
    for file in ours:
        if os.path.realpath(file) in read:
            raise InputError(
                f"{one_line(str(file))}: the run would read this file and write over it; choose another --out"
            )
    if resume and state_file(out).exists():
        return
    for file in (state_file(out), *ours):
        if os.path.lexists(file):
            help_ = "--resume goes on with it, another" if file == state_file(out) else "another"
            raise InputError(f"{one_line(str(file))}: this is there already; {help_} --out leaves it alone")


def _default_out(title: str | None, ground_truth: Sequence[Path]) -> Path:
    """Weights in the folder of a person's own models; the same for the same command, as --resume needs."""
    name = re.sub(r"[^\w.]+", "-", title or ground_truth[0].stem).strip("-.") or "model"
    return own_models_folder() / f"{name}.safetensors"


def _tell_place(out: Path) -> None:
    if out.parent == own_models_folder():
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ExportError(
                f"{one_line(str(out.parent))}: cannot be made ({error.strerror or error}); --out or "
                f"{DATA_VARIABLE} names another place"
            ) from error
    tell(f"writes {one_line(str(out.absolute()))}, and all else beside it")


def _check_name(out: Path) -> None:
    """What the menu would refuse after hours is refused now."""
    taken = trained_model_of(out)
    if taken is not None and out.absolute().parent == own_models_folder():
        raise InputError(
            f"{out.stem}: a model of this name is in the menus ({one_line(taken.file)}); another --title or "
            "--out leaves it alone"
        )
    if taken is not None:
        tell(
            f"{out.stem}: a model of this name is in the menus; this one takes its place when it is ready "
            "(--no-menu leaves the menus alone)"
        )


def _read_all(
    files: Sequence[Path], folders: Sequence[Path], option: str, reading: Reading, *, quiet: bool
) -> tuple[GroundTruth, ...]:
    if len(folders) != len(files) and (len(folders) != 1 or not files):
        if not files:
            return ()
        raise InputError(
            f"{option}: wanted one folder for each of {len(files)} ground truths, found {len(folders)}"
        )
    folders = list(folders) * len(files) if len(folders) == 1 else list(folders)
    truths = []
    for file, folder in zip(files, folders, strict=True):
        truth = read_with_bar(file, folder, reading, quiet=quiet)
        tell_refusals(file, truth.refusals, truth.notes)
        truths.append(truth)
    names = unique_names([truth.name for truth in truths])
    return tuple(replace(truth, name=name) for truth, name in zip(truths, names, strict=True))


def _one_of(option: str, value: str, choices: Sequence[_Choice]) -> _Choice:
    for choice in choices:
        if value == choice:
            return choice
    raise InputError(f"{option}: expected one of {', '.join(choices)}, got {one_line(value)!r}")


def read_with_bar(file: Path, folder: Path, reading: Reading | None = None, *, quiet: bool) -> GroundTruth:
    """Ground truth whose images are all decoded once, with a bar."""
    from maskrcnn_core.training.data import read_ground_truth
    from maskrcnn_core.training.unlearned import Reading

    with bar_of(total=None, unit="image", quiet=quiet) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.set_description("reading", refresh=False)
            bar.update(done - bar.n)

        return read_ground_truth(file, folder, reading=reading or Reading(), on_progress=show)


def _beginning(
    model: str | None, names: Path | None, training: Sequence[GroundTruth], seed: int, *, quiet: bool
) -> Beginning:
    from maskrcnn_core.training.beginning import begin_from, begin_from_nothing
    from maskrcnn_core.training.data import joint_categories

    categories = joint_categories(training)
    if model is None:
        if names is not None:
            raise InputError("--names: it belongs to a model from a file; name that file with --from")
        return begin_from_nothing(SlimConfig(), categories, seed)
    return begin_from(load_named_model(model, names, download=False, quiet=quiet), categories, seed)


def _train_with_bar(
    settings: TrainingSettings,
    beginning: Beginning,
    samples: TrainingImages,
    validation: Sequence[GroundTruth],
    keeper: Keeper,
    reading: Reading,
    *,
    device: str,
    resume: bool,
    quiet: bool,
) -> None:
    from maskrcnn_core.training.checkpoint import state_file
    from maskrcnn_core.training.run import train as run_training
    from maskrcnn_core.training.telling import show_progress, tell_outcome

    start: dict[str, Any] = {
        "data": [truth.digest for truth in keeper.training],
        "validation": [truth.digest for truth in keeper.validation],
        "beginning": beginning.origin,
        "architecture": architecture_as_json(beginning.architecture),
        "reading": asdict(reading),
    }
    steps = samples.count() // settings.batch_size * (settings.stop_after or settings.epochs)
    with bar_of(total=steps, unit="step", quiet=quiet) as bar:
        try:
            outcome = run_training(
                beginning.model,
                samples,
                validation,
                settings,
                start=json.dumps(start, sort_keys=True),
                keep=keeper,
                device=device,
                resume=resume,
                measure_start=beginning.knows,
                on_progress=lambda progress: show_progress(bar, progress),
                on_note=tell,
            )
        except KeyboardInterrupt:
            bar.close()
            if state_file(settings.out).exists():
                tell("interrupted; the same command with --resume goes on from the last checkpoint")
            raise typer.Exit(130) from None
        except OSError as error:
            raise ExportError(
                f"{one_line(str(settings.out))}: cannot write ({error.strerror or error}); free some space, "
                "then --resume goes on from the last checkpoint"
            ) from error
    tell_outcome(outcome)


def draw_scenes(
    out: Annotated[Path, typer.Argument(help="The folder to write images/ and instances.json into.")],
    count: Annotated[int, typer.Option(help="How many scenes.")] = 300,
    first_seed: Annotated[int, typer.Option(help="Scenes have this seed and the following ones.")] = 0,
    over: Annotated[bool, typer.Option("--over", help="Write over the scenes that are there.")] = False,
    kind: Annotated[str, typer.Option(help=f"What is on them: {_KINDS}.")] = SCENE_KINDS[0].key,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Draw scenes, of shapes or of nuclei, with their exact COCO ground truth."""
    with errors_told():
        if not 1 <= count <= 1_000_000 or not 0 <= first_seed < 2**31:
            raise InputError(
                f"draw-scenes: wanted a count above 0 and a seed of 0 or more, found {count} and {first_seed}"
            )
        if kind not in {row.key for row in SCENE_KINDS}:
            raise InputError(f"--kind: wanted one of {_KINDS}, found {one_line(kind)!r}")
        there = next((f for f in (out / "instances.json", out / "images") if os.path.lexists(f)), None)
        if there is not None and not over:
            raise InputError(
                f"{one_line(str(there))}: this is there already; choose another folder, or --over to "
                "write over it"
            )
        with bar_of(total=count, unit="scene", quiet=quiet) as bar:
            try:
                dataset = write_scenes(
                    out,
                    range(first_seed, first_seed + count),
                    lambda done, total: bar.update(1),
                    kind=kind,
                )
            except OSError as error:
                raise ExportError(
                    f"{one_line(str(out))}: cannot write ({error.strerror or error}); free some space "
                    "or choose another place"
                ) from error
    typer.echo(
        f"{counted(len(dataset.images), 'scene')} with {counted(len(dataset.instances), 'instance')} in "
        f"{one_line(str(out))}"
    )
