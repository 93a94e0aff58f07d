"""A traced image as one HTML file, stage by stage, that needs no script, no network and no other file."""

from __future__ import annotations

from maskrcnn_core.explain.glossary import GLOSSARY, PAPERS
from maskrcnn_core.explain.html_parts import document, figure, section, table, text
from maskrcnn_core.explain.pictures import PICTURES
from maskrcnn_core.explain.stages import STAGES, Fact, Stage
from maskrcnn_core.explain.traced_image import TracedImage

__all__ = ["html_report"]

_TITLE = "Mask R-CNN, explained on one image"
_TIMED = "weights"  # the stage that speaks of parameters and time


def html_report(traced: TracedImage, *, title: str = _TITLE) -> str:
    """Return all stages as a file to keep: sentences, numbers, pictures, glossary and sources.

    Args:
        traced: a traced image.
        title: of the report; any text.

    Returns:
        An HTML document; write it in UTF-8.

    Raises:
        InputError: if the box of the traced image is none, or lies outside of the image.
        InferenceError: if a mask or crop cannot be made.
    """
    lines = [
        "<header>",
        f"<h1>{text(title)}</h1>",
        table("This run", _run_facts(traced)),
        "</header>",
        '<nav aria-label="Stages">',
        "<ol>",
        _contents(),
        "</ol>",
        "</nav>",
        "<main>",
        *(_stage(traced, number, stage) for number, stage in enumerate(STAGES, start=1)),
        "</main>",
        _glossary(),
        _papers(),
    ]
    return document(f"{title}: {traced.name}", lines)


def _run_facts(traced: TracedImage) -> tuple[Fact, ...]:
    model, thresholds = traced.predictor.model, traced.thresholds
    height, width = traced.trace.input.image_size
    shown = "all" if thresholds.labels is None else ", ".join(map(traced.name_of, sorted(thresholds.labels)))
    return (
        ("Image", traced.name),
        ("Size", f"{width} × {height} pixels (width × height)"),
        ("Model", model.title),
        ("Backbone", model.backbone),
        ("Weights (SHA-256)", model.digest),
        ("Licence of the weights", model.licence or "unknown"),
        ("Score threshold", f"{thresholds.score_threshold:g}"),
        ("NMS threshold", f"{thresholds.nms_threshold:g}"),
        ("Mask threshold", f"{thresholds.mask_threshold:g}"),
        ("Maximum detections", f"{thresholds.max_detections:,}"),
        ("Categories shown", shown),
        ("Detections", traced.counts()),
    )


def _contents() -> str:
    return "\n".join(f'<li><a href="#{stage.key}">{text(stage.title)}</a></li>' for stage in STAGES)


def _stage(traced: TracedImage, number: int, stage: Stage) -> str:
    pictures = PICTURES[stage.key](traced) if stage.key in PICTURES else ()
    parts = [
        f"<p>{' '.join(map(text, stage.sentences))}</p>",
        table("In numbers, for this image", stage.facts(traced.trace)),
        _times(traced) if stage.key == _TIMED else "",
        *(figure(picture) for picture in pictures),
        f'<p class="source">Source: {text(stage.source)}</p>',
    ]
    return section(stage.key, f"{number}. {stage.title}", parts)


def _times(traced: TracedImage) -> str:
    rows = [(f"{part.group}: {part.name}", f"{part.seconds * 1000:.1f} ms") for part in traced.trace.times]
    total = sum(part.seconds for part in traced.trace.times)
    return table("Time per part, measured once", [*rows, ("together", f"{total * 1000:.1f} ms")])


def _glossary() -> str:
    rows = "\n".join(f"<dt>{text(term)}</dt><dd>{text(meaning)}</dd>" for term, meaning in GLOSSARY)
    return section("glossary", "Glossary", ["<dl>", rows, "</dl>"])


def _papers() -> str:
    rows = "\n".join(f"<li>{text(p.key)}: {text(p.title)}. {text(p.where)}.</li>" for p in PAPERS)
    return section("papers", "Papers", ["<ul>", rows, "</ul>"])
