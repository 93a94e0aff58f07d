"""``evaluate``: how well detections, or a model, match a ground truth, and what explains each number."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from maskrcnn_core.cli.console import load_named_model
from maskrcnn_core.cli.engines import chosen_engine
from maskrcnn_core.cli.evaluate_files import EvaluateFiles, pixels_in
from maskrcnn_core.cli.evaluate_report import Compared, print_report, report_as_json
from maskrcnn_core.cli.options import (
    MODEL_KEYS,
    DeviceOption,
    EngineOption,
    LookCloserOption,
    ObjectSizeOption,
    QuietOption,
    StretchOption,
    TileOverlapOption,
    TilesOption,
)
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.refusals import Refusal
from maskrcnn_core.common.terminal import bar_of, errors_told, tell, tell_refusals
from maskrcnn_core.dataset.annotations import Dataset, Instance
from maskrcnn_core.dataset.category_maps import join_categories, listed
from maskrcnn_core.dataset.columns import Columns
from maskrcnn_core.detection.limits import LimitTally
from maskrcnn_core.errors import InputError
from maskrcnn_core.evaluation.coco_metrics import evaluate as compare
from maskrcnn_core.evaluation.notes import notes_on, unknown_note
from maskrcnn_core.evaluation.unlearned import Reading, Sorted, Unlearned, sort_out
from maskrcnn_core.formats.coco_file import boxes_refused
from maskrcnn_core.formats.coco_reader import CocoReader
from maskrcnn_core.formats.coco_results import read_results_file, result_lines
from maskrcnn_core.images.reading import Stretch, read_image
from maskrcnn_core.inference.engines.table import EXACT
from maskrcnn_core.models.spec import AskedCloser
from maskrcnn_core.tiling.choosing import OFF, OVERLAP, Tiling, tiling_of

__all__ = ["evaluate"]

_COCO_LIMIT = 100


class Crowds(StrEnum):
    """How to treat ground truth with ``iscrowd`` 1."""

    ignore = "ignore"
    objects = "objects"


def evaluate(
    ground_truth: Annotated[Path, typer.Option(help="COCO JSON with the ground truth.")],
    results: Annotated[
        Path | None, typer.Option(help="COCO results, or COCO JSON with the same file names.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Instead of --results: run a model over the images in this folder.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help=f"With --images: {MODEL_KEYS}, or a file. [default: the best that is ready]"),
    ] = None,
    names: Annotated[Path | None, typer.Option(help="For a .pth file: its categories, one per line.")] = None,
    max_detections: Annotated[
        int | None,
        typer.Option(help="Count only the best N per image and category. [default: the model's own, or 100]"),
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            help="Matching categories, such as pedestrian=person: the ground truth's, then the detections'. "
            "Repeatable; several may map to one. [default: equal names]",
        ),
    ] = None,
    crowds: Annotated[
        Crowds, typer.Option(help="Whether ground truth with iscrowd 1 is ignored or counts as objects.")
    ] = Crowds.ignore,
    save: Annotated[
        Path | None,
        typer.Option(help="Write the compared detections as COCO results, with the ground truth's ids."),
    ] = None,
    per_category: Annotated[bool, typer.Option("--per-category", help="Also print AP per category.")] = False,
    per_image: Annotated[
        Path | None,
        typer.Option(
            help="Write a CSV file with a row per image: right, missed and wrong at IoU .50, AP50 and AP. "
            "Also prints the mean AP of the images."
        ),
    ] = None,
    differences: Annotated[
        Path | None,
        typer.Option(
            help="Write a picture per image into this folder: ground truth green, detections red. Needs the "
            "images: --images, or --pictures."
        ),
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="With --results and --differences: the folder of the images.")
    ] = None,
    score_threshold: Annotated[
        float | None,
        typer.Option(
            help="For --differences and the counts of --per-image: only detections with scores above this. "
            "[default: the model's own; 0.5 for --results]"
        ),
    ] = None,
    curve: Annotated[
        Path | None,
        typer.Option(help="Write precision against recall of all images to this file, .png or .csv."),
    ] = None,
    device: DeviceOption = "auto",
    engine: EngineOption = EXACT.key,
    look_closer: LookCloserOption = "off",
    tiles: TilesOption = OFF,
    tile_overlap: TileOverlapOption = OVERLAP,
    object_size: ObjectSizeOption = None,
    stretch: StretchOption = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers and notes as JSON.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Compare detections with a ground truth: COCO's twelve numbers, for boxes and for masks.

    The detections come from a file (--results), or from a model that runs now (--images). The report says,
    with counts, what was left out and what makes a number differ from other tools'.
    """
    with errors_told():
        if max_detections is not None and max_detections < 1:
            raise InputError(f"--max-detections: expected 1 or more, got {max_detections}")
        if (results is None) == (images is None):
            raise InputError("evaluate: expected either --results or --images, got both or neither")
        if results is not None and engine != EXACT.key:
            raise InputError("--engine: expected --images with it, got --results, which no network makes")
        if results is not None and look_closer != "off":
            raise InputError("--look-closer: expected --images with it, got --results, which hold no images")
        tiling = tiling_of(tiles, tile_overlap, object_size)
        if results is not None and tiling is not None:
            raise InputError("--tiles: expected --images with it, got --results, which hold no images")
        if save is not None and os.path.lexists(save):
            raise InputError(f"{one_line(str(save))}: this file already exists; choose another --save")
        files = EvaluateFiles(per_image, differences, curve, score_threshold)
        files.check()
        _check_pictures(results, differences, pictures)
        if results is not None:
            limit = _COCO_LIMIT if max_detections is None else max_detections
            compared = _compare_file(ground_truth, results, map_ or [], crowds, save, limit)
            if pictures is not None:
                given = pixels_in(pictures, ground_truth, compared.truth, stretch)
                compared = replace(compared, pixels_of=given)
        elif images is not None:
            compared = _compare_model(
                truth=ground_truth,
                images=images,
                model=(model, names, device, engine),
                pairs=map_ or [],
                crowds=crowds,
                save=save,
                limit=max_detections,
                stretch=stretch,
                closer=look_closer,
                tiling=tiling,
                quiet=quiet,
            )
        means = None
        if not compared.is_empty:  # whoever mends the file can write to the same places
            means = files.write(
                compared.truth,
                compared.found,
                compared.evaluation,
                limit=compared.limit,
                own_score=compared.own_score,
                pixels_of=compared.pixels_of,
                quiet=quiet,
            )
    if as_json:
        typer.echo(json.dumps(report_as_json(compared, means), indent=2))
    else:
        print_report(compared, means, per_category=per_category)
    if compared.is_empty:
        raise typer.Exit(1)


def _check_pictures(results: Path | None, differences: Path | None, pictures: Path | None) -> None:
    if pictures is not None and (results is None or differences is None):
        raise InputError("--pictures: expected --results and --differences with it, got one or none of them")
    if differences is not None and results is not None and pictures is None:
        raise InputError(
            "--differences: expected the images, too, got only --results; --pictures DIR names their folder"
        )


def _compare_file(
    ground_truth: Path, results: Path, pairs: Sequence[str], crowds: Crowds, save: Path | None, limit: int
) -> Compared:
    truth, decided, refusals, mended = _read_truth(ground_truth, _reading(crowds))
    tell_refusals(ground_truth, refusals, mended)
    if refusals and not truth.instances:
        tell(f"{one_line(str(ground_truth))}: none of its instances can be used")
        raise typer.Exit(1)
    read = read_results_file(results, truth, pairs)
    tell_refusals(results, read.refusals, read.notes)
    joined = read.joined
    evaluation = compare(joined.truth, read.found, max_detections=limit)
    unknown = "" if not joined.ids else unknown_note(joined, list(joined.ids), "the results'")
    notes = [*joined.notes, *_undecided_notes(decided.unlearned, decided.rejected), *filter(None, [unknown])]
    notes += notes_on(joined.truth, read.found, evaluation, limit, read)
    _save(save, read.found, joined.truth)
    return Compared(joined.truth, read.found, evaluation, limit, notes, not len(read.found))


def _compare_model(
    *,
    truth: Path,
    images: Path,
    model: tuple[str | None, Path | None, str, str],
    pairs: Sequence[str],
    crowds: Crowds,
    save: Path | None,
    limit: int | None,
    stretch: Stretch,
    closer: AskedCloser,
    tiling: Tiling | None,
    quiet: bool,
) -> Compared:
    from maskrcnn_core.cli.train import read_with_bar
    from maskrcnn_core.evaluation.of_models import find_on
    from maskrcnn_core.inference.predictor import (
        Predictor,  # with torch, which a file's detections do without
    )

    read = read_with_bar(truth, images, _reading(crowds, stretch), quiet=quiet)
    tell_refusals(truth, read.refusals, read.notes)
    name, names, device, engine = model
    loaded = load_named_model(name, names, download=False, quiet=quiet)
    limit = loaded.max_detections if limit is None else limit
    known = [category.name for category in loaded.label_map.categories]
    joined = join_categories(read.dataset, known, pairs)
    if not joined.ids:
        raise InputError(
            f"categories: none of the ground truth's ({listed(list(joined.unknown))}) is one of the model's "
            f"({listed(known)}); --map pedestrian=person says which are the same"
        )
    made = chosen_engine(loaded, device, engine, count=len(read.dataset.images), quiet=quiet)
    predictor = Predictor(loaded, device, engine=made, looks_closer=loaded.looks_closer(closer))
    found, limits = [], LimitTally()
    with bar_of(total=len(read.dataset.images), unit="image", quiet=quiet) as bar:
        looked = find_on(predictor, read, joined.ids, max_detections=limit, limits=limits, tiling=tiling)
        for instances in looked:
            found += instances
            bar.update(1)
    columns = Columns.of(found)
    evaluation = compare(joined.truth, columns, max_detections=limit)
    notes = [*joined.notes, *_undecided_notes(read.unlearned, read.rejected)]
    notes += filter(None, [unknown_note(joined, known, "the model's"), made.description])
    notes += [*notes_on(joined.truth, columns, evaluation, limit), *limits.sentences()]
    notes += ["masks were mended by a closer look at objects"] if predictor.looks_closer else []
    notes += [f"images were seen in tiles ({tiling.told}) where cut so"] if tiling is not None else []
    _save(save, columns, joined.truth)
    return Compared(
        joined.truth,
        columns,
        evaluation,
        limit,
        notes,
        is_empty=False,
        own_score=loaded.score_threshold,
        pixels_of=lambda record: read_image(read.image_file(record), stretch=read.stretch).pixels,
    )


def _read_truth(file: Path, reading: Reading) -> tuple[Dataset, Sorted, list[Refusal], tuple[str, ...]]:
    """Return the ground truth, the rest of the file, and what to report about it."""
    shown, boxes = one_line(str(file)), 0
    try:
        reader = CocoReader(file.read_bytes())
    except OSError as error:
        raise InputError(
            f"{shown}: cannot read this file ({error.strerror}); check that it exists and may be read"
        ) from error
    except InputError as error:
        raise InputError(f"{shown}: {error}") from error

    def masks() -> Iterator[tuple[Instance, Mapping[str, Any]]]:
        """Yield a row at a time: rows as in the file take ten times the memory of what is compared."""
        nonlocal boxes
        for row in reader.annotations():
            if isinstance(row.value, Instance):
                yield row.value, row.raw
            else:
                boxes += 1

    decided = sort_out(masks(), reading)
    refusals = [*reader.refusals, *boxes_refused(boxes)]
    truth = Dataset(
        tuple(row.value for row in reader.images),
        tuple(row.value for row in reader.categories),
        decided.instances,
    )
    return truth, decided, refusals, reader.notes


def _reading(crowds: Crowds, stretch: Stretch = "auto") -> Reading:
    return Reading("objects" if crowds is Crowds.objects else "ignore", stretch=stretch)


def _undecided_notes(unlearned: Sequence[Unlearned], rejected: int) -> list[str]:
    """Say how much of a project's export nobody has accepted: it is not ground truth."""
    notes = []
    proposals = sum(one.reason == "proposal" for one in unlearned)
    if proposals:
        notes.append(
            f"{counted(proposals, 'open proposal is', 'open proposals are')} in the ground truth, "
            "and ignored, as crowds are"
        )
    if rejected:
        notes.append(
            f"{counted(rejected, 'rejected instance')} in the file {'does' if rejected == 1 else 'do'} not "
            "count as ground truth"
        )
    return notes


def _save(file: Path | None, found: Columns, truth: Dataset) -> None:
    if file is None:
        return
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.writelines(f"{line}\n" for line in result_lines(found, truth.images))
    except OSError as error:
        raise InputError(f"{one_line(str(file))}: cannot write this file ({error.strerror})") from error
    tell(f"{one_line(str(file))}: {counted(len(found), 'detection')}")
