"""An inspection as one HTML file: what looks wrong, numbers, and samples step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.explain.html_parts import document, figure, grid, section, table, text
from maskrcnn_core.training.inspection.findings import findings_of
from maskrcnn_core.training.inspection.inspecting import InspectedSample, Inspection
from maskrcnn_core.training.inspection.numbers import (
    facts_of,
    rows_of_levels,
    rows_of_losses,
    rows_of_recall,
)
from maskrcnn_core.training.inspection.pictures import (
    draw_again,
    draw_anchors,
    draw_in_use,
    draw_masks,
    draw_rois,
    draw_sample,
)
from maskrcnn_core.training.inspection.recall import ENOUGH

__all__ = ["html_of"]

_TITLE = "What training sees"


def html_of(inspection: Inspection, data: Sequence[str]) -> str:
    """Return an inspection as a file to keep.

    Args:
        inspection: of a run's first samples.
        data: names of the ground truths.

    Returns:
        An HTML document without scripts; write it in UTF-8.
    """
    sections = (
        ("findings", "What looks wrong", _findings(inspection)),
        ("numbers", "In numbers", _numbers(inspection)),
        *(
            (f"sample-{number}", f"Sample {number}: {sample.record.file_name}", _sample(sample, inspection))
            for number, sample in enumerate(inspection.samples, start=1)
        ),
    )
    lines = [
        "<header>",
        f"<h1>{text(_TITLE)}</h1>",
        table("This run", _run_facts(inspection, data)),
        "</header>",
        '<nav aria-label="Sections">',
        "<ol>",
        *(f'<li><a href="#{key}">{text(title)}</a></li>' for key, title, _ in sections),
        "</ol>",
        "</nav>",
        "<main>",
        *(section(key, title, lines) for key, title, lines in sections),
        "</main>",
    ]
    return document(f"{_TITLE}: {', '.join(data)}", lines)


def _run_facts(inspection: Inspection, data: Sequence[str]) -> tuple[tuple[str, str], ...]:
    settings, augmentation = inspection.settings, inspection.settings.augmentation
    low, high = augmentation.scales
    crop = "whole images" if augmentation.crop is None else f"squares of {augmentation.crop} pixels"
    return (
        ("Ground truth", ", ".join(data)),
        ("Images", f"{inspection.data.images:,}"),
        ("Begins with", inspection.title),
        ("Samples", f"{crop}, {low:g} to {high:g} times the network's own scale"),
        (
            "Turned",
            "by quarters, and mirrored both ways" if augmentation.turns else "mirrored left and right",
        ),
        ("Colours changed by", f"{augmentation.colour:g}"),
        ("Samples of a step", f"{settings.batch_size}"),
        ("Regions of a sample", f"{settings.rois}"),
        ("Seed", f"{settings.seed}"),
    )


def _findings(inspection: Inspection) -> Iterator[str]:
    found = findings_of(inspection)
    where = f"in {counted(len(inspection.counts), 'sample')}"
    if not found:
        yield f"<p>Nothing looks wrong {where}.</p>"
        return
    yield f"<p>{text(counted(len(found), 'thing'))} {where}:</p>"
    yield "<ul>"
    for sentence in found:
        yield f"<li>{text(sentence)}</li>"
    yield "</ul>"


def _numbers(inspection: Inspection) -> Iterator[str]:
    yield table("Objects, anchors and regions", facts_of(inspection))
    yield grid(
        "Anchors of each level of the pyramid, the finest first",
        ("Level", "Of objects", "Of background", "Neither", "Of objects in a sample"),
        rows_of_levels(inspection),
    )
    if recall := inspection.recall:
        yield grid(
            f"Objects that a proposal reaches at an IoU of {ENOUGH:g}, in {counted(recall.images, 'image')} "
            f"as in use ({recall.proposals:.0f} proposals in the mean); sizes are COCO's",
            ("Size", "Objects", "Reached", "Recall"),
            rows_of_recall(inspection),
        )
    instances = sorted(inspection.data.instances.items(), key=lambda row: -row[1])
    listed = ", ".join(f"{name} {count:,}" for name, count in instances)
    yield f"<p>{text(f'Instances of each category: {listed}.')}</p>"
    yield grid(
        "Losses before anything is learned",
        ("Loss", "First step", "Mean of all steps"),
        rows_of_losses(inspection),
    )


def _sample(sample: InspectedSample, inspection: Inspection) -> Iterator[str]:
    pictures = (
        draw_sample(sample, inspection.label_map),
        draw_in_use(sample),
        draw_again(sample, inspection.label_map),
        *draw_anchors(sample.seen),
        draw_rois(sample.seen),
        draw_masks(sample.seen, inspection.label_map),
    )
    for picture in pictures:
        if picture is not None:
            yield figure(picture)
