"""The report of ``evaluate``: for people, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import typer

from maskrcnn_core.cli.evaluate_files import ImageMeans, PixelsOf
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.terminal import table, tell
from maskrcnn_core.dataset.annotations import Dataset
from maskrcnn_core.dataset.columns import Columns
from maskrcnn_core.evaluation.coco_metrics import Evaluation

__all__ = ["Compared", "print_report", "report_as_json"]


@dataclass(frozen=True, eq=False)
class Compared:
    """What was compared, and what the report says of it.

    Args:
        truth, found: the two sides.
        evaluation: COCO's numbers.
        limit: how many detections of an image and category count.
        notes: what explains the numbers.
        is_empty: whether no detection in a file could be compared.
        own_score: the score threshold of the model that ran.
        pixels_of: gives the images, if there are any.
    """

    truth: Dataset
    found: Columns
    evaluation: Evaluation
    limit: int
    notes: Sequence[str]
    is_empty: bool
    own_score: float | None = None
    pixels_of: PixelsOf | None = None


def print_report(compared: Compared, means: ImageMeans | None, *, per_category: bool) -> None:
    """Print the numbers, and tell the notes.

    Args:
        compared: of the command.
        means: over images, if they were asked for.
        per_category: whether AP of each category is printed, too.
    """
    evaluation = compared.evaluation
    typer.echo(
        f"{counted(evaluation.images, 'image')}, {counted(evaluation.ground_truths, 'object')} in the "
        f"ground truth, {counted(evaluation.detections, 'detection')}; the best {compared.limit} per image "
        "and category count\n"
    )
    rows = [(name, _shown(box), _shown(mask), meaning) for name, meaning, box, mask in evaluation.rows()]
    for line in table([("metric", "box", "mask", ""), *rows], right=(1, 2)):
        typer.echo(line)
    if per_category:
        typer.echo("")
        lines = [
            (_shown(c.box_AP), _shown(c.mask_AP), str(c.ground_truths), str(c.detections), one_line(c.name))
            for c in evaluation.categories
        ]
        heading = ("box AP", "mask AP", "objects", "detections", "category")
        for line in table([heading, *lines], right=(0, 1, 2, 3)):
            typer.echo(line)
    if any(box < 0 or mask < 0 for _, _, box, mask in evaluation.rows()):
        typer.echo("\n-1: the ground truth has no such objects")
    if means is not None:
        typer.echo(f"\n{means.sentence()}")
    for note in compared.notes:
        tell(note)


def _shown(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value


def report_as_json(compared: Compared, means: ImageMeans | None) -> dict[str, object]:
    """Return the same as JSON has it; what is not known is ``null``."""
    evaluation = compared.evaluation
    rows = evaluation.rows()
    return {
        "images": evaluation.images,
        "ground_truths": evaluation.ground_truths,
        "detections": evaluation.detections,
        "max_detections": compared.limit,
        "box": {name: _or_null(box) for name, _, box, _ in rows},
        "mask": {name: _or_null(mask) for name, _, _, mask in rows},
        "categories": [
            {
                "name": c.name,
                "ground_truths": c.ground_truths,
                "detections": c.detections,
                "box_AP": _or_null(c.box_AP),
                "mask_AP": _or_null(c.mask_AP),
            }
            for c in evaluation.categories
        ],
        "notes": list(compared.notes),
    } | ({} if means is None else {"mean_of_images": _means_as_json(means)})


def _means_as_json(means: ImageMeans) -> dict[str, object]:
    return {
        "compared": "masks" if means.kind == "segm" else "boxes",
        "images": means.images,
        "AP50": _or_null(means.AP50),
        "AP": _or_null(means.AP),
    }
