"""The options of ``train``, and those of them that decide what it sees: one field per option."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskrcnn_core.cli.options import MODEL_KEYS, DeviceOption, QuietOption, StretchOption
from maskrcnn_core.models.backbones import BACKBONES
from maskrcnn_core.models.weights_files import own_models_folder

if TYPE_CHECKING:
    from maskrcnn_core.training.settings import TrainingSettings

__all__ = ["LearningOptions", "TrainOptions"]

_RATE_FROM_NOTHING, _RATE_FROM_MODEL = 1e-3, 1e-4
_LIMIT = 100


@dataclass(frozen=True, kw_only=True)
class LearningOptions:
    """What decides which samples a network learns from, and how it sees them, in the order of the help."""

    ground_truth: Annotated[list[Path], typer.Option(help="COCO JSON to learn from. Repeatable.")]
    images: Annotated[list[Path], typer.Option(help="The folder of its images, one for each ground truth.")]
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            help=f"Start from {MODEL_KEYS}, a trained one, or a file. "
            "[default: random values, a slim network]",
        ),
    ] = None
    backbone: Annotated[
        str | None,
        typer.Option(
            help="Start a new Mask R-CNN on a ResNet that knows ImageNet, in place of --from: "
            f"{', '.join(row.key for row in BACKBONES)}."
        ),
    ] = None
    from_nothing: Annotated[
        bool, typer.Option("--from-nothing", help="With --backbone: random values instead of ImageNet's.")
    ] = False
    download: Annotated[
        bool, typer.Option("--download", help="Download the backbone's weights if they are missing.")
    ] = False
    names: Annotated[
        Path | None, typer.Option(help="For --from a .pth file: its categories, one per line.")
    ] = None
    batch_size: Annotated[int, typer.Option(help="Samples per step.")] = 4
    crop: Annotated[
        int | None,
        typer.Option(
            help="Train on squares of this side, in pixels of the network's input; objects are cut at their "
            "edges. [default: whole images]"
        ),
    ] = None
    smallest: Annotated[
        float, typer.Option(help="Smallest random scale factor, on top of the network's own scale.")
    ] = 0.6
    largest: Annotated[float, typer.Option(help="Largest random scale factor.")] = 1.5
    turns: Annotated[
        bool,
        typer.Option(
            "--turns",
            help="Also rotate and mirror images, for images without an upright side, as in microscopy.",
        ),
    ] = False
    colour: Annotated[float, typer.Option(help="Strength of colour changes, 0 to 1.")] = 0.3
    freeze_norms: Annotated[
        bool | None,
        typer.Option(
            help="Keep batch norm's statistics fixed. [default: yes from a model, no from random values]"
        ),
    ] = None
    seed: Annotated[int, typer.Option(help="Seed for everything random.")] = 0
    workers: Annotated[int, typer.Option(help="Processes that prepare samples.")] = 1
    rois: Annotated[
        int | None,
        typer.Option(
            help="Regions per image that the heads learn from in a step. [default: the model's own]"
        ),
    ] = None
    crowds: Annotated[
        str,
        typer.Option(
            help="Ignore iscrowd 1 regions (neither background nor object), or take each as an object, as "
            "CVAT means it: ignore or objects."
        ),
    ] = "ignore"
    with_proposals: Annotated[
        bool,
        typer.Option("--with-proposals", help="Also learn a model's proposals that nobody has decided on."),
    ] = False
    device: DeviceOption = "auto"
    stretch: StretchOption = "auto"
    quiet: QuietOption = False

    @property
    def knows_something(self) -> bool:
        """Return whether the network begins with more than random values."""
        return self.from_ is not None or (self.backbone is not None and not self.from_nothing)

    def settings_with(self, out: Path, **others: Any) -> TrainingSettings:
        """Return a run's settings, except those that the model it starts from decides.

        Raises:
            InputError: if a value is out of range.
        """
        from maskrcnn_core.training.augmentation import Augmentation
        from maskrcnn_core.training.settings import TrainingSettings

        return TrainingSettings(
            out=out,
            batch_size=self.batch_size,
            freeze_norms=self.knows_something if self.freeze_norms is None else self.freeze_norms,
            seed=self.seed,
            workers=self.workers,
            **({} if self.rois is None else {"rois": self.rois}),
            augmentation=Augmentation(
                crop=self.crop,
                scales=(self.smallest, self.largest),
                turns=self.turns,
                colour=self.colour,
            ),
            **others,
        )


@dataclass(frozen=True, kw_only=True)
class TrainOptions(LearningOptions):
    """The options of ``train``: those above come first."""

    out: Annotated[
        Path | None,
        typer.Option(
            help="The weights to write (.safetensors); everything else goes next to it. [default: in the "
            "folder of your own models, named after --title or the ground truth]"
        ),
    ] = None
    val_ground_truth: Annotated[
        list[Path] | None, typer.Option(help="COCO JSON to measure on; never learned from.")
    ] = None
    val_images: Annotated[
        list[Path] | None, typer.Option(help="The folders of those images. [default: those of --images]")
    ] = None
    epochs: Annotated[int, typer.Option(help="How many times training sees each image.")] = 30
    rate: Annotated[
        float | None,
        typer.Option(
            help=f"The highest learning rate. [default: {_RATE_FROM_NOTHING:g} from random values, "
            f"{_RATE_FROM_MODEL:g} from a model or ImageNet]"
        ),
    ] = None
    warm_up: Annotated[
        int, typer.Option(help="Steps during which the rate rises from zero; at most a tenth of the run.")
    ] = 200
    stop_after: Annotated[
        int | None,
        typer.Option(help="Stop after N epochs while the rate is still high: a first stage for another run."),
    ] = None
    evaluate_every: Annotated[int, typer.Option(help="Epochs between two evaluations.")] = 1
    checkpoint_every: Annotated[
        int, typer.Option(help="Steps between checkpoints, in addition to one at the end of each epoch.")
    ] = 100
    max_detections: Annotated[
        int | None,
        typer.Option(
            help="How many detections per image count; the model keeps this limit. "
            f"[default: the limit of the model given with --from; {_LIMIT} from random values]"
        ),
    ] = None
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Resume an interrupted run, or extend a finished one with more --epochs."
        ),
    ] = False
    title: Annotated[
        str | None, typer.Option(help="The model's title in menus. [default: the file's name]")
    ] = None
    knows: Annotated[
        str, typer.Option(help="One sentence on what it finds. [default: written from the categories]")
    ] = ""
    licence: Annotated[str, typer.Option(help="Licence of the weights, for the model card.")] = ""
    half: Annotated[
        bool, typer.Option("--half", help="Store the weights in half precision: half the size.")
    ] = False
    menu: Annotated[bool, typer.Option(help="Add the finished model to every menu.")] = True

    @property
    def place(self) -> Path:
        """Return the weights' path, by default in the folder of the user's own models.

        It is the same for the same command, because ``--resume`` needs that.
        """
        if self.out is not None:
            return self.out
        name = re.sub(r"[^\w.]+", "-", self.title or self.ground_truth[0].stem).strip("-.") or "model"
        return own_models_folder() / f"{name}.safetensors"

    @property
    def inputs(self) -> list[Path]:
        """Return the files that are read."""
        begun_from = [Path(self.from_)] if self.from_ else []
        given = (*self.ground_truth, *(self.val_ground_truth or []), *begun_from, self.names)
        return [file for file in given if file]

    def settings(self) -> TrainingSettings:
        """Return the run's settings, except those that the model it starts from decides.

        Raises:
            InputError: if a value is out of range.
        """
        usual_rate = _RATE_FROM_MODEL if self.knows_something else _RATE_FROM_NOTHING
        return self.settings_with(
            self.place,
            epochs=self.epochs,
            peak_rate=usual_rate if self.rate is None else self.rate,
            warm_up=self.warm_up,
            stop_after=self.stop_after,
            evaluate_every=self.evaluate_every,
            checkpoint_every=self.checkpoint_every,
            max_detections=_LIMIT if self.max_detections is None else self.max_detections,
        )
