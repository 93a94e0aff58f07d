"""The command ``train``.

Its options do not need torch: the training code is imported when training begins.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from maskrcnn_core.cli.console import check_named, download_bar, load_named_model
from maskrcnn_core.cli.options import grouped
from maskrcnn_core.cli.train_options import LearningOptions, TrainOptions
from maskrcnn_core.common.atomic_files import DATA_VARIABLE
from maskrcnn_core.common.extras import missing_extra
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.common.terminal import bar_of, errors_told, tell, tell_refusals
from maskrcnn_core.dataset.annotations import unique_names
from maskrcnn_core.errors import ExportError, InputError
from maskrcnn_core.models.backbones import backbone_by_key, backbone_weights
from maskrcnn_core.models.trained import add_trained_model, trained_model_of
from maskrcnn_core.models.weights_files import own_models_folder
from maskrcnn_core.networks.configs import SlimConfig
from maskrcnn_core.networks.families import architecture_as_json

if TYPE_CHECKING:
    from maskrcnn_core.dataset.categories import Category
    from maskrcnn_core.evaluation.ground_truth import GroundTruth
    from maskrcnn_core.evaluation.unlearned import Reading
    from maskrcnn_core.training.artifacts import Keeper
    from maskrcnn_core.training.loading import TrainingImages
    from maskrcnn_core.training.settings import TrainingSettings
    from maskrcnn_core.training.starting import Beginning

__all__ = ["Prepared", "check_beginning", "prepare", "read_with_bar", "train"]

_Choice = TypeVar("_Choice", bound=str)


@grouped
def train(options: TrainOptions) -> None:
    """Train a model on COCO ground truth.

    Next to the weights it writes a model card, a log (CSV) and its curves (PNG). The same command with
    --resume continues an interrupted run, or extends a finished one if --epochs is larger. What is not ground
    truth (crowds, open proposals, refused rows) is not learned, and not learned as background either.
    """
    from maskrcnn_core.inference.predictor import pick_device
    from maskrcnn_core.training.artifacts import curves_file, log_file

    with errors_told():
        if missing := missing_extra("train", "train"):
            raise InputError(missing)
        out, settings = options.place, options.settings()
        _check_place(out, options.inputs, resume=options.resume)
        if options.menu:
            _check_name(out)
        # What is not there is told before anything is read.
        pick_device(options.device)
        check_beginning(options)
        _tell_place(out)
        _train(options, settings)
        typer.echo(f"wrote {one_line(str(out))}, its card, {log_file(out).name} and {curves_file(out).name}")
        if options.menu:
            spec = add_trained_model(out)
            typer.echo(f"it now appears in every menu: --model {spec.key}")


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a run learns from and begins with, as its options say.

    Args:
        settings: with what the model it starts from decides.
        training: the ground truths.
        reading: what counts as ground truth in them.
        beginning: the network.
        samples: of the ground truths, as the network sees them.
    """

    settings: TrainingSettings
    training: tuple[GroundTruth, ...]
    reading: Reading
    beginning: Beginning
    samples: TrainingImages


def prepare(options: LearningOptions, settings: TrainingSettings) -> Prepared:
    """Read what there is to learn, and report what is not learned."""
    from maskrcnn_core.cli.train_report import tell_crops, tell_unlearned
    from maskrcnn_core.evaluation.ground_truth import renumbered
    from maskrcnn_core.evaluation.unlearned import CROWDS, Reading
    from maskrcnn_core.training.loading import TrainingImages
    from maskrcnn_core.training.views import view_of

    reading = Reading(_one_of("--crowds", options.crowds, CROWDS), options.with_proposals, options.stretch)
    training = _read_all(options.ground_truth, options.images, "--images", reading, quiet=options.quiet)
    beginning = _beginning(options, training)
    if options.rois is None:
        settings = replace(settings, rois=beginning.model.rois_per_image)
    for truth in training:
        tell_unlearned(truth, reading)
    for sentence in (*renumbered(training, beginning.model.label_map.categories), *beginning.notes):
        tell(sentence)
    samples = TrainingImages(
        training,
        beginning.model.label_map,
        settings.augmentation,
        view_of(beginning.model.network),
        options.seed,
    )
    tell_crops(samples)
    return Prepared(settings, training, reading, beginning, samples)


def _train(options: TrainOptions, settings: TrainingSettings) -> None:
    """Read what there is to learn and to measure on, and train."""
    from maskrcnn_core.cli.train_report import tell_crowded, tell_unknown, tell_unlearned
    from maskrcnn_core.training.artifacts import Keeper, Words

    if options.val_images and not options.val_ground_truth:
        raise InputError("--val-images: expected --val-ground-truth with it, got none")
    prepared = prepare(options, settings)
    settings, beginning = prepared.settings, prepared.beginning
    validation = _read_all(
        options.val_ground_truth or [],
        options.val_images or options.images,
        "--val-images",
        prepared.reading,
        quiet=options.quiet,
    )
    if options.max_detections is None and options.from_ is not None:
        settings = replace(settings, max_detections=beginning.model.max_detections)
    for truth in validation:
        tell_unlearned(truth, prepared.reading)
    tell_crowded([*prepared.training, *validation], settings.max_detections)
    tell_unknown(validation, beginning)
    words = Words(options.title or settings.out.stem, options.knows, options.licence, options.half)
    keeper = Keeper(settings, beginning, prepared.training, validation, words)
    _train_with_bar(
        settings,
        beginning,
        prepared.samples,
        validation,
        keeper,
        prepared.reading,
        device=options.device,
        resume=options.resume,
        quiet=options.quiet,
    )


def _check_place(out: Path, inputs: Sequence[Path], *, resume: bool) -> None:
    """Refuse to overwrite any file a user has: neither the inputs nor anything else."""
    from maskrcnn_core.training.artifacts import written_files
    from maskrcnn_core.training.checkpoint import state_file

    ours = written_files(out)
    read = {os.path.realpath(file) for file in inputs}
    for file in ours:
        if os.path.realpath(file) in read:
            raise InputError(
                f"{one_line(str(file))}: training would overwrite a file it reads; choose another --out"
            )
    if resume and state_file(out).exists():
        return
    for file in (state_file(out), *ours):
        if os.path.lexists(file):
            help_ = (
                "--resume continues it, or choose another" if file == state_file(out) else "choose another"
            )
            raise InputError(f"{one_line(str(file))}: this already exists; {help_} --out")


def _tell_place(out: Path) -> None:
    if out.parent == own_models_folder():
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ExportError(
                f"{one_line(str(out.parent))}: cannot be created ({error.strerror or error}); choose "
                f"another place with --out or {DATA_VARIABLE}"
            ) from error
    tell(f"writes {one_line(str(out.absolute()))}, and everything else next to it")


def _check_name(out: Path) -> None:
    """Refuse now what the menu would refuse after hours."""
    taken = trained_model_of(out)
    if taken is not None and out.absolute().parent == own_models_folder():
        raise InputError(
            f"{out.stem}: the menus already have a model of this name ({one_line(taken.file)}); choose "
            "another --title or --out"
        )
    if taken is not None:
        tell(
            f"{out.stem}: the menus already have a model of this name; this one replaces it once trained "
            "(--no-menu leaves the menus alone)"
        )


def _read_all(
    files: Sequence[Path], folders: Sequence[Path], option: str, reading: Reading, *, quiet: bool
) -> tuple[GroundTruth, ...]:
    if len(folders) != len(files) and (len(folders) != 1 or not files):
        if not files:
            return ()
        raise InputError(
            f"{option}: expected one folder for each of {len(files)} ground truths, got {len(folders)}"
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
    """Read ground truth, decoding each of its images once, with a bar."""
    from maskrcnn_core.evaluation.ground_truth import read_ground_truth
    from maskrcnn_core.evaluation.unlearned import Reading

    with bar_of(total=None, unit="image", quiet=quiet) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.set_description("reading", refresh=False)
            bar.update(done - bar.n)

        return read_ground_truth(file, folder, reading=reading or Reading(), on_progress=show)


def check_beginning(options: LearningOptions) -> None:
    """Refuse what a run cannot begin with; nothing large is read for it.

    Raises:
        InputError: naming the options that do not go together, or what there is not.
        WeightsError: if a backbone's weights are not on this computer and are not to be downloaded.
    """
    if options.from_ is not None and options.backbone is not None:
        raise InputError("expected either --from, a whole model, or --backbone, a new one; got both")
    if options.backbone is None and (options.from_nothing or options.download):
        given = "--from-nothing" if options.from_nothing else "--download"
        raise InputError(
            f"{given}: expected --backbone with it, whose weights it is about, got none; a run without "
            "--from and --backbone begins with random values anyway"
        )
    if options.from_ is None and options.names is not None:
        raise InputError(
            "--names: expected a model from a file with it, got none; name that file with --from"
        )
    if options.backbone is not None:
        backbone = backbone_by_key(options.backbone)
        if not options.from_nothing and not options.download:
            backbone_weights(backbone, download=False)
    if options.from_ is not None:
        check_named(options.from_)


def _beginning(options: LearningOptions, training: Sequence[GroundTruth]) -> Beginning:
    from maskrcnn_core.evaluation.ground_truth import joint_categories
    from maskrcnn_core.training.starting import begin_from, begin_from_nothing

    categories = joint_categories(training)
    if options.backbone is not None:
        return _on_backbone(options, options.backbone, categories)
    if options.from_ is None:
        return begin_from_nothing(SlimConfig(), categories, options.seed)
    model = load_named_model(options.from_, options.names, download=False, quiet=options.quiet)
    return begin_from(model, categories, options.seed)


def _on_backbone(options: LearningOptions, key: str, categories: Sequence[Category]) -> Beginning:
    from maskrcnn_core.training.starting import begin_from_backbone

    backbone, weights = backbone_by_key(key), None
    if not options.from_nothing:
        with download_bar(quiet=options.quiet) as on_progress:
            weights = backbone_weights(backbone, download=options.download, on_progress=on_progress)
    return begin_from_backbone(backbone, weights, categories, options.seed)


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
    from maskrcnn_core.cli.train_report import show_progress, tell_outcome
    from maskrcnn_core.training.checkpoint import state_file
    from maskrcnn_core.training.loop import train as run_training

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
                tell("interrupted; the same command with --resume continues from the last checkpoint")
            raise typer.Exit(130) from None
        except OSError as error:
            raise ExportError(
                f"{one_line(str(settings.out))}: cannot write ({error.strerror or error}); free some space, "
                "then --resume continues from the last checkpoint"
            ) from error
    tell_outcome(outcome)
