"""The parts of a report that is one HTML file, and needs no script, no network and no other file.

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
from maskrcnn_core.explain.pictures.base import Picture
from maskrcnn_core.images.reading import encode_jpeg, encode_png

__all__ = ["document", "figure", "grid", "section", "table", "text"]

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

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


def document(title: str, lines: Iterable[str]) -> str:
    """Return a whole document; write it in UTF-8.

    Args:
        title: as text; it becomes part of the head only.
        lines: of the body, as HTML.
    """
    body = "\n".join(lines)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{text(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
{body}
</body>
</html>
"""


def section(key: str, title: str, lines: Iterable[str]) -> str:
    """Return a section with its heading.

    Args:
        key: the address within the document.
        title: as text.
        lines: of HTML; empty ones are left out.
    """
    head = [f'<section id="{key}" aria-labelledby="{key}-title">', f'<h2 id="{key}-title">{text(title)}</h2>']
    return "\n".join([*head, *filter(None, lines), "</section>"])


def figure(picture: Picture) -> str:
    """Return a picture with its title and caption."""
    height, width = picture.pixels.shape[:2]
    return (
        f'<figure><img src="{_data_address(picture.pixels)}" alt="{text(picture.title)}" '
        f'width="{width}" height="{height}">'
        f"<figcaption><strong>{text(picture.title)}.</strong> {text(picture.caption)}</figcaption></figure>"
    )


def table(caption: str, facts: Sequence[tuple[str, str]]) -> str:
    """Return names and values, a row each; nothing where there are none."""
    if not facts:
        return ""
    rows = "\n".join(
        f'<tr><th scope="row">{text(name)}</th><td>{text(value)}</td></tr>' for name, value in facts
    )
    return f"<table>\n<caption>{text(caption)}</caption>\n<tbody>\n{rows}\n</tbody>\n</table>"


def grid(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells below the names of their columns; the first cell names its row."""
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in columns)
    body = "\n".join(
        f'<tr><th scope="row">{text(row[0])}</th>'
        + "".join(f"<td>{text(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f"<table>\n<caption>{text(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>"
    )


def text(words: str) -> str:
    """Escape text for an HTML element or attribute; characters that would reorder or hide text are shown."""
    return escape(one_line(words), quote=True)


def _data_address(pixels: npt.NDArray[np.uint8]) -> str:
    """Return a data URL of the smaller of PNG and JPEG: flat colours pack better as PNG, photos as JPEG."""
    png, jpeg = encode_png(pixels), encode_jpeg(pixels, quality=90)
    kind, data = ("png", png) if len(png) <= len(jpeg) else ("jpeg", jpeg)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
