"""Mount the components: a table of what each is made of, and one function that puts any of them on a page.

Their scripts are ES modules that the browser loads as they lie under ``web``, and several components share
them. For that Streamlit wants a manifest, which it looks for in installed packages at its start. Here the
manifest is handed to its component manager when the first component is mounted: then the checkout, the wheel
and a small app in a test need nothing of their own.

A browser keeps a module under its URL as long as a page is open, and the URL of a nested module says nothing
of its text. So `VERSION`, a hash of all files, is part of the name under which the components are registered,
and with that of every URL: a page that outlives an upgrade of MaskDesk reloads all modules, and never has
old and new ones side by side. ``web/lib/mount.js`` takes down what the old ones have put there.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import posixpath
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2.bidi_component import ComponentResult
from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager
from streamlit.components.v2.manifest_scanner import ComponentConfig, ComponentManifest
from streamlit.components.v2.types import ComponentRenderer

from pages.components.actions import fill_in

__all__ = [
    "COMPONENTS",
    "VERSION",
    "WEB",
    "Component",
    "component_html",
    "file_of_path",
    "full_name",
    "module_paths",
    "mount",
    "packed_page",
    "read_files",
    "web_version",
]

WEB = Path(__file__).with_name("web")
"""The folder of all scripts, styles and pages of the components."""


@dataclass(frozen=True)
class Component:
    """What a component is made of; files are named by their paths under `WEB`.

    Attributes:
        name: among the components.
        js: the module whose default export Streamlit calls.
        css: styles, which apply in this order.
        html: the page; empty for a component without a screen.
        slots: files of markup, by the comment in the page whose place they take.
        is_packed: whether page and styles go to the browser compressed, and its module unpacks them
            (``lib/unpack.js``): worth it from some kilobytes, as every message to the component has them.
    """

    name: str
    js: str
    css: tuple[str, ...] = ()
    html: str = ""
    slots: Mapping[str, str] = field(default_factory=dict)
    is_packed: bool = False


COMPONENTS = (
    Component(
        "viewer",
        "viewer/mount.js",
        ("viewer/viewer.css", "viewer/desk.css", "viewer/instance_list.css"),
        "viewer/viewer.html",
        {"<!-- instance list -->": "viewer/instance_list.html"},
        is_packed=True,
    ),
    Component(
        "review",
        "review/review_mount.js",
        (
            "viewer/viewer.css",
            "viewer/desk.css",
            "viewer/instance_list.css",
            "review/review.css",
            "review/categories.css",
            "review/panel.css",
        ),
        "viewer/viewer.html",
        {
            "<!-- instance list -->": "viewer/instance_list.html",
            "<!-- second look -->": "review/second_look.html",
            "<!-- attributes -->": "review/attributes.html",
            "<!-- beside the picture -->": "review/palette.html",
            "<!-- decisions -->": "review/review_decisions.html",
            "<!-- way -->": "review/review_way.html",
            "<!-- categories -->": "review/review_categories.html",
            "<!-- state -->": "review/review_status.html",
            "<!-- below the picture -->": "review/refusals.html",
            "<!-- more keys -->": "review/keys.html",
        },
        is_packed=True,
    ),
    Component(
        "stage_view", "stage_view/stage_view.js", ("stage_view/stage_view.css",), "stage_view/stage_view.html"
    ),
    Component("stepper", "stepper/stepper.js", ("stepper/stepper.css",), "stepper/stepper.html"),
    Component("uploads", "uploads/uploads.js", ("uploads/uploads.css",), "uploads/uploads.html"),
    Component("outbox", "review/outbox.js"),
)
"""All components; one more is a row here."""

_BY_NAME = {component.name: component for component in COMPONENTS}
_HASH_LENGTH = 12


def read_files(folder: Path) -> dict[str, bytes]:
    """Read all files in a folder, by their paths in it."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def web_version(files: Mapping[str, bytes]) -> str:
    """Hash the names and bytes of files: 12 hexadecimal digits."""
    hashed = hashlib.sha256()
    for name, data in files.items():
        hashed.update(b"%d %d " % (len(name.encode()), len(data)) + name.encode() + data)
    return hashed.hexdigest()[:_HASH_LENGTH]


_FILES = read_files(WEB)
VERSION = web_version(_FILES)
"""Of the files under `WEB`, as they are when the app starts."""

_ROUTE = "_stcore/bidi-components"
_IMPORT = re.compile(r'^(?:import|export)\b[^;"]*\bfrom "([^"]+)"', re.MULTILINE)
_PACKAGE = f"maskdesk-{VERSION}"
_MANIFEST = ComponentManifest(_PACKAGE, VERSION, [ComponentConfig(row.name, WEB.name) for row in COMPONENTS])
_registering = threading.Lock()


def full_name(name: str) -> str:
    """Return the component's name for Streamlit, which is also a part of its files' URLs."""
    return f"{_PACKAGE}.{name}"


def file_of_path(path: str) -> bytes | None:
    """Return the file under `WEB` that a path on the server names, as it was when the app started.

    ``None`` if the path is none of this version's: only these have a hash of what they are in their address.
    """
    _, found, rest = path.partition(f"/{_ROUTE}/{_PACKAGE}.")
    return _FILES.get(rest.partition("/")[2]) if found else None


@functools.cache
def module_paths(name: str) -> tuple[str, ...]:
    """Return the paths on the server of a component's module and of all scripts that it imports."""
    found: dict[str, None] = {}
    waiting = [_BY_NAME[name].js]
    while waiting:
        module = waiting.pop(0)
        if module not in found and module.endswith(".js"):
            found[module] = None
            imported = _IMPORT.findall(_FILES[module].decode())
            waiting += [posixpath.normpath(f"{posixpath.dirname(module)}/{one}") for one in imported]
    return tuple(f"{_ROUTE}/{full_name(name)}/{module}" for module in found)


def component_html(name: str) -> str:
    """Return the component's page, slots and texts filled in. A new version of any file changes the text.

    Raises:
        ValueError: if a slot's comment is not in the page once.
    """
    row = _BY_NAME[name]
    if not row.html:
        return ""
    html = _read(row.html)
    for place, file in row.slots.items():
        if html.count(place) != 1:
            raise ValueError(f"{row.html}: expected {place} once, got it {html.count(place)} times")
        html = html.replace(place, _read(file))
    html = fill_in(html)
    # Streamlit rebuilds elements if their text changes: new scripts find a page without listeners.
    return f"{html}<!-- {VERSION} -->\n"


def mount(name: str, *, key: str, data: Mapping[str, Any], **callbacks: Any) -> ComponentResult:
    """Put a component on the page.

    Args:
        name: of a row of `COMPONENTS`.
        key: of this one, unique on the page.
        data: what its script is given, as JSON.
        callbacks: ``on_<state>_change`` names a state that the script may set.
    """
    manager = get_bidi_component_manager()
    with _registering:  # registered twice, a component would be without its script for a moment
        if manager.get_component_asset_root(full_name(name)) is None:
            manager.register_from_manifest(_MANIFEST, WEB.parent)
    return _renderer(name)(key=key, data=data, **callbacks)


@functools.cache
def _renderer(name: str) -> ComponentRenderer:
    row = _BY_NAME[name]
    html, css = component_html(name), "\n".join(map(_read, row.css))
    if row.is_packed:
        html, css = packed_page(html, css), ""
    return st.components.v2.component(full_name(name), html=html or None, css=css or None, js=row.js)


def packed_page(html: str, css: str) -> str:
    """Return a page and its styles as ``lib/unpack.js`` reads them: gzip in base64, in a hidden element."""
    page = gzip.compress(f"{html}<style>\n{css}</style>\n".encode(), mtime=0)
    return f"<div data-packed hidden>{base64.b64encode(page).decode()}</div>"


def _read(name: str) -> str:
    return (WEB / name).read_text("utf-8")
