"""A traced image as one HTML file, stage by stage, that needs no script, no network and no other file.

Pictures are ``data:`` addresses. What comes from outside (names of files, models and categories) is escaped
wherever it stands, and a content security policy forbids the rest: should an escape ever be forgotten, a
browser still loads and runs nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.explain.glossary import GLOSSARY, PAPERS
from maskrcnn_core.explain.law_sentences import sentences_of
from maskrcnn_core.explain.pictures import PICTURES
from maskrcnn_core.explain.pictures.base import Picture
from maskrcnn_core.explain.stages import STAGES, Fact, Stage
from maskrcnn_core.explain.traced_image import TracedImage
from maskrcnn_core.images.reading import encode_jpeg, encode_png

__all__ = ["html_report"]

_TITLE = "Mask R-CNN, explained on one image"
_TIMED = "weights"  # the stage that speaks of parameters and time

_STYLE = """
:root { color-scheme: light dark; --ground: #fdfdfb; --ink: #23262d; --soft: #5b616e; --line: #d9dade;
  --panel: #f2f3f1; --accent: #0b6e99; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #16181d; --ink: #e6e7ea; --soft: #a2a8b4; --line: #3a3e48; --panel: #20232a;
    --accent: #7cc7ee; }
  figure img { filter: brightness(.88); }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; background: var(--ground);
  color: var(--ink); font: 1rem/1.6 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 .75rem; }
a { color: var(--accent); }
section { border-top: 1px solid var(--line); margin-top: 2.5rem; padding-top: 1.5rem; }
nav ol { columns: 2 18rem; column-gap: 3rem; padding-left: 1.8rem; }
nav li { break-inside: avoid; padding-left: .3rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); font-size: .9rem; padding-bottom: .25rem;
  white-space: nowrap; }
th, td { text-align: left; vertical-align: top; padding: .25rem .9rem .25rem 0;
  border-bottom: 1px solid var(--line); font-weight: normal; }
th { color: var(--soft); }
figure { margin: 1.5rem 0; padding: .75rem; background: var(--panel); border-radius: .5rem; }
figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; border-radius: .25rem; }
figcaption { margin-top: .6rem; font-size: .92rem; color: var(--soft); }
figcaption strong { color: var(--ink); }
.source { color: var(--soft); font-size: .9rem; }
dt { font-weight: 600; margin-top: .6rem; }
dd { margin: 0 0 0 1.25rem; }
@media print {
  :root { --ground: #fff; --ink: #000; --soft: #444; --line: #bbb; --panel: #fff; --accent: #000; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  figure { padding: 0; break-inside: avoid; }
  figure img { max-height: 20cm; width: auto; filter: none; }
  h2, figcaption, tr { break-after: avoid; break-inside: avoid; }
  nav { display: none; }
}
"""


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
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
    stages = "\n".join(_stage(traced, number, stage) for number, stage in enumerate(STAGES, start=1))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{_text(title)}: {_text(traced.name)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{_text(title)}</h1>
{_table("This run", _run_facts(traced))}
</header>
<nav aria-label="Stages">
<ol>
{_contents()}
</ol>
</nav>
<main>
{stages}
</main>
{_glossary()}
{_papers()}
</body>
</html>
"""


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
    return "\n".join(f'<li><a href="#{stage.key}">{_text(stage.title)}</a></li>' for stage in STAGES)


def _stage(traced: TracedImage, number: int, stage: Stage) -> str:
    pictures = PICTURES[stage.key](traced) if stage.key in PICTURES else ()
    parts = [
        f'<section id="{stage.key}" aria-labelledby="{stage.key}-title">',
        f'<h2 id="{stage.key}-title">{number}. {_text(stage.title)}</h2>',
        f"<p>{' '.join(map(_text, sentences_of(stage, traced.trace.laws)))}</p>",
        _table("In numbers, for this image", stage.facts(traced.trace)),
        _times(traced) if stage.key == _TIMED else "",
        *(_figure(picture) for picture in pictures),
        f'<p class="source">Source: {_text(stage.source)}</p>',
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _times(traced: TracedImage) -> str:
    rows = [(f"{part.group}: {part.name}", f"{part.seconds * 1000:.1f} ms") for part in traced.trace.times]
    total = sum(part.seconds for part in traced.trace.times)
    return _table("Time per part, measured once", [*rows, ("together", f"{total * 1000:.1f} ms")])


def _figure(picture: Picture) -> str:
    height, width = picture.pixels.shape[:2]
    return (
        f'<figure><img src="{_data_address(picture.pixels)}" alt="{_text(picture.title)}" '
        f'width="{width}" height="{height}">'
        f"<figcaption><strong>{_text(picture.title)}.</strong> {_text(picture.caption)}</figcaption></figure>"
    )


def _data_address(pixels: npt.NDArray[np.uint8]) -> str:
    """Return a data URL of the smaller of PNG and JPEG: flat colours pack better as PNG, photos as JPEG."""
    png, jpeg = encode_png(pixels), encode_jpeg(pixels, quality=90)
    kind, data = ("png", png) if len(png) <= len(jpeg) else ("jpeg", jpeg)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _table(caption: str, facts: Sequence[Fact]) -> str:
    if not facts:
        return ""
    rows = "\n".join(
        f'<tr><th scope="row">{_text(name)}</th><td>{_text(value)}</td></tr>' for name, value in facts
    )
    return f"<table>\n<caption>{_text(caption)}</caption>\n<tbody>\n{rows}\n</tbody>\n</table>"


def _glossary() -> str:
    rows = "\n".join(f"<dt>{_text(term)}</dt><dd>{_text(meaning)}</dd>" for term, meaning in GLOSSARY)
    return _closing("glossary", "Glossary", ["<dl>", rows, "</dl>"])


def _papers() -> str:
    rows = "\n".join(f"<li>{_text(p.key)}: {_text(p.title)}. {_text(p.where)}.</li>" for p in PAPERS)
    return _closing("papers", "Papers", ["<ul>", rows, "</ul>"])


def _closing(key: str, title: str, lines: Iterable[str]) -> str:
    head = f'<section id="{key}" aria-labelledby="{key}-title">\n<h2 id="{key}-title">{title}</h2>'
    return "\n".join([head, *lines, "</section>"])


def _text(text: str) -> str:
    """Escape text for an HTML element or attribute; characters that would reorder or hide text are shown."""
    return escape(one_line(text), quote=True)
