"""Options that several commands share, each defined once, and commands that take theirs as one object."""

from __future__ import annotations

import functools
import getpass
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.detection.candidates import SCORE_FLOOR
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats import FORMATS, Format, format_by_key
from maskrcnn_core.formats.coco import MAX_TOLERANCE
from maskrcnn_core.images.reading import Stretch
from maskrcnn_core.inference.engines.table import AUTO, ENGINES
from maskrcnn_core.microscopy.views import COLORS, MAX, View, view_of
from maskrcnn_core.models.catalog import MODELS
from maskrcnn_core.models.domains import DOMAINS
from maskrcnn_core.models.spec import AskedCloser
from maskrcnn_core.tiling.choosing import OFF

__all__ = [
    "MODEL_KEYS",
    "BatchSizeOption",
    "ChannelsOption",
    "ContrastOption",
    "CustomNamesOption",
    "DeviceOption",
    "DomainOption",
    "DownloadOption",
    "EngineOption",
    "FormatOption",
    "LookCloserOption",
    "MaskThresholdOption",
    "MaxDetectionsOption",
    "ModelOption",
    "NmsThresholdOption",
    "ObjectSizeOption",
    "PageOption",
    "ProjectArgument",
    "QuietOption",
    "ScoreThresholdOption",
    "SimplifyOption",
    "SliceOption",
    "StretchOption",
    "TileOverlapOption",
    "TilesOption",
    "ToOption",
    "WhoOption",
    "WithImagesOption",
    "WorkersOption",
    "asked_view",
    "format_named",
    "grouped",
    "name_for_journal",
    "parts_of",
]

MODEL_KEYS = ", ".join(spec.key for spec in MODELS)
_OWN_LIMITS = ", ".join(f"{spec.key} {spec.max_detections}" for spec in MODELS)
_OWN_SCORES = ", ".join(f"{spec.key} {spec.score_threshold:g}" for spec in MODELS)
_CLOSER = ", ".join(spec.key for spec in MODELS if spec.looks_closer("auto"))
_OWN_NMS = ", ".join(f"{spec.key} {spec.nms_threshold:g}" for spec in MODELS)

ModelOption = Annotated[
    str | None,
    typer.Option(help=f"{MODEL_KEYS}, or a .pth or .safetensors file. [default: the best that is ready]"),
]
CustomNamesOption = Annotated[
    Path | None,
    typer.Option(help="For a model from a file: its categories, one per line, without the background."),
]
_FORMAT_KEYS = "The format to write: " + ", ".join(row.key for row in FORMATS) + "."
FormatOption = Annotated[str, typer.Option("--format", help=_FORMAT_KEYS)]
ToOption = Annotated[str, typer.Option("--to", help=_FORMAT_KEYS)]
WithImagesOption = Annotated[
    bool,
    typer.Option(
        "--with-images", help="Bring the images along, turned upright, where the format lies beside them."
    ),
]
SimplifyOption = Annotated[
    float,
    typer.Option(
        min=0,
        max=MAX_TOLERANCE,
        help="How many pixels polygons may deviate from the mask's edge; 0 keeps every pixel.",
    ),
]
DomainOption = Annotated[
    str | None,
    typer.Option(
        help=f"The kind of images: {', '.join(domain.key for domain in DOMAINS)}. Uses the best ready model "
        "for them, and only their categories."
    ),
]
ScoreThresholdOption = Annotated[
    float | None,
    typer.Option(
        help=f"Keep detections with scores above this, {SCORE_FLOOR:g} to 1. [default: the model's own: "
        f"{_OWN_SCORES}]"
    ),
]
MaskThresholdOption = Annotated[
    float, typer.Option(help="A pixel belongs to a mask above this probability, 0 to below 1.")
]
NmsThresholdOption = Annotated[
    float | None,
    typer.Option(
        help="If two boxes of a category have an IoU above this (0 to 1), drop the lower-scoring one. "
        f"[default: the model's own: {_OWN_NMS}]"
    ),
]
MaxDetectionsOption = Annotated[
    int | None,
    typer.Option(help=f"Keep at most N detections per image. [default: the model's own: {_OWN_LIMITS}]"),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
EngineOption = Annotated[
    str,
    typer.Option(
        help=f"How the network is run: {', '.join(spec.key for spec in ENGINES)}, or {AUTO}, the fastest "
        "that many images are worth and that finds the same; 'engines' lists them."
    ),
]
LookCloserOption = Annotated[
    AskedCloser,
    typer.Option(
        help="Mend masks by a closer look at each small or medium object: auto (for models of which it was "
        f"measured to help: {_CLOSER}), on or off. Each takes about a third of an image's time.",
    ),
]
WorkersOption = Annotated[
    str,
    typer.Option(
        help="Processes that run the network: auto (one for each GPU; on the CPU one for each core, if there "
        "are images enough), or a number. The files are the same."
    ),
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        help="On a GPU: how many images of like size go through the network together. [default: 8, 1 on the "
        "CPU]"
    ),
]
StretchOption = Annotated[
    Stretch,
    typer.Option(
        help="Stretch 16-bit and floating-point images that use a small part of their range (auto), or "
        "leave them dark (off)."
    ),
]
PageOption = Annotated[
    str | None,
    typer.Option(
        help="Of a stack (TIFF): see this page or time point, from 1, or the largest value of all (max).",
        metavar=f"N|{MAX}",
    ),
]
SliceOption = Annotated[
    str | None,
    typer.Option(
        "--z",
        help="Of a stack: see this slice, from 1, or the largest value of all (max).",
        metavar=f"N|{MAX}",
    ),
]
ChannelsOption = Annotated[
    str | None,
    typer.Option(
        help="Of a stack: see these channels, by number or name, in these colours "
        f"({', '.join(COLORS)}, #rrggbb): 1:blue,GFP:green. [default: all in the file's own]"
    ),
]
ContrastOption = Annotated[
    str | None,
    typer.Option(
        help="Of a stack: black and white, as percentiles (0.1%..99.9%), values (100..4000), full or "
        "auto; of each channel with its number or name before: 1:100..4000,2:auto."
    ),
]
TilesOption = Annotated[
    str,
    typer.Option(
        help=f"See large pictures in overlapping tiles of N pixels, joined at the pixel; {AUTO} cuts only "
        "what the network would see much smaller than what it was trained on.",
        metavar=f"{AUTO}|N|{OFF}",
    ),
]
TileOverlapOption = Annotated[
    float,
    typer.Option(
        help="How much neighbouring tiles overlap, as a share of their side, 0 to 0.5. Smaller objects are "
        "whole in one of them."
    ),
]
ObjectSizeOption = Annotated[
    float | None,
    typer.Option(
        help="How large the objects are in the pictures: the usual square root of their area, in pixels. "
        "Tiles are then as large as makes the network see them as it learned them, without --tiles.",
        metavar="PX",
    ),
]
DownloadOption = Annotated[
    bool, typer.Option("--download", help="Download the model's weights if they are missing.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
ProjectArgument = Annotated[str, typer.Argument(help="The project's name.")]
WhoOption = Annotated[
    str | None, typer.Option("--who", help="Your name for the journal. [default: your user name]")
]


def asked_view(page: str | None, z: str | None, channels: str | None, contrast: str | None) -> View | None:
    """Return what is to be seen of stacks; ``None`` if none of the options was given.

    Raises:
        InputError: for a value that says nothing of the kind.
    """
    if page is None and z is None and channels is None and contrast is None:
        return None
    return view_of(page or "1", z or "1", channels or "", contrast or "auto")


def format_named(key: str) -> Format:
    """Return the format of a key.

    Raises:
        InputError: if there is none.
    """
    try:
        return format_by_key(key.strip().casefold())
    except KeyError:
        known = ", ".join(row.key for row in FORMATS)
        raise InputError(f"format: expected one of {known}, got {one_line(key)!r}") from None


def name_for_journal(who: str | None) -> str:
    """Return the name that ``--who`` gave, or else the user's.

    Raises:
        InputError: if the system has no name for the user.
    """
    if who:
        return who
    try:
        return getpass.getuser()
    except (
        ImportError,
        KeyError,
        OSError,
    ) as error:  # in a container, for example; the last is Python 3.13's
        raise InputError(
            "--who: expected your name for the journal, as the system has no user name"
        ) from error


def parts_of(text: str) -> list[str]:
    """Return what stands between the commas of an option's value."""
    return [part.strip() for part in text.split(",") if part.strip()]


def grouped(command: Callable[[Any], None]) -> Callable[..., None]:
    """Return a command of one options object, a dataclass: each of its fields is an option.

    Args:
        command: its one argument is annotated with the dataclass, whose fields are annotated as options.
    """
    (name,) = inspect.signature(command).parameters
    kind: Callable[..., Any] = get_type_hints(command)[name]
    hints = get_type_hints(kind, include_extras=True)
    parameters = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(kind)  # type: ignore[arg-type]
    ]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        command(kind(**given))

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del run.__wrapped__
    return run
