"""The page that lists what the service answers: made from the schema, without a script or another host."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

__all__ = ["HEADERS", "docs_page"]

HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"}
"""The browser is to fetch nothing for it."""

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8884}"
    "code{font-family:ui-monospace,monospace}"
    ":root{color-scheme:light dark}"
)


def docs_page(schema: Mapping[str, Any]) -> str:
    """Return HTML of an OpenAPI schema."""
    info = schema["info"]
    parts = [f"<h1>{escape(info['title'])}</h1><p>{escape(info['description'])}</p>"]
    parts.append('<p>The whole schema, for tools: <a href="openapi.json">openapi.json</a></p>')
    for path, ways in schema["paths"].items():
        for method, way in ways.items():
            parts.append(f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2>")
            parts.append(f"<p>{escape(way.get('description') or way.get('summary', ''))}</p>")
            content = way.get("requestBody", {}).get("content", {})
            parts += [_fields(kind, body["schema"]) for kind, body in content.items()]
    head = f'<meta charset="utf-8"><title>{escape(info["title"])}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>'


def _fields(kind: str, schema: Mapping[str, Any]) -> str:
    needed = schema.get("required", [])
    rows = [
        f"<tr><td><code>{escape(name)}</code>{' (needed)' if name in needed else ''}</td>"
        f"<td>{escape(_type(one))}</td><td>{escape(one.get('description', ''))}</td></tr>"
        for name, one in schema["properties"].items()
    ]
    return f"<h3><code>{escape(kind)}</code></h3><table>{''.join(rows)}</table>"


def _type(one: Mapping[str, Any]) -> str:
    if "enum" in one:
        return ", ".join(map(str, one["enum"]))
    if "anyOf" in one:
        return " or ".join(_type(part) for part in one["anyOf"] if part.get("type") != "null")
    if one.get("type") == "array":
        return f"list of {_type(one['items'])}"
    return "file" if "contentMediaType" in one else str(one.get("type", ""))
