"""What a person can do in viewer and editor: the table ``web/actions.json``, and the texts made of it.

A row is an action with its keys, its button's texts and its line in the list of keys. The scripts read the
same rows (``web/lib/actions.js``). Pages have places such as ``{{ title fit }}``, which `fill_in` fills.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

__all__ = ["ACTIONS", "PALETTE", "Action", "PaletteGroup", "fill_in", "key_name", "key_names", "lines_of"]

Part = Literal["viewer", "decide", "edit"]


class Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An action, or, without a name, something else that the list of keys tells of.

    Attributes:
        part: who it belongs to: the viewer, decisions in the review, or its editor.
        name: among all actions.
        keys: that do it and are told of, such as ``Shift+s``; with ``Ctrl``, or ``Cmd`` on a Mac.
        also: more keys that do it.
        when: ``picture`` means nothing before the picture is there.
        tool: stays in the hand: its button is pressed until it is put away.
        repeats: whether a key that is held down does it again and again; for the review's parts.
        label: on its button.
        icon: a Material symbol, for buttons that have no room for the label.
        title: of its button; ``{key}`` stands for the first key, ``{keys}`` for all.
        help: in the list of keys, with `` ` `` around keys; empty for no line.
        joins: shares the line of the action before.
        shown: the keys in the list of keys where they are others than `keys`.
        doc: in the README's table instead of `help`, for the whole line.
        journal: what the journal calls the edits that it makes.
        menu: in whose menu it is offered: that of the selected instances, or of the picture where nothing is.
        told: what people are told was done, where the journal, which never changes, calls it otherwise.
    """

    part: Part
    name: str = ""
    keys: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    when: Literal["always", "picture"] = "always"
    tool: bool = False
    repeats: bool = False
    label: str = ""
    icon: str = ""
    title: str = ""
    help: str = ""
    joins: bool = False
    menu: Literal["", "instances", "picture"] = ""
    shown: str = ""
    doc: str = ""
    journal: tuple[str, ...] = ()
    told: str = ""


class PaletteGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Buttons of the editor's palette under one heading, by the names of their actions."""

    title: str
    actions: tuple[str, ...]


class ActionTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    actions: tuple[Action, ...]
    palette: tuple[PaletteGroup, ...]


_TABLE = msgspec.json.decode(
    Path(__file__).with_name("web").joinpath("actions.json").read_bytes(), type=ActionTable
)
ACTIONS = _TABLE.actions
"""All actions, in the order of the list of keys."""
PALETTE = _TABLE.palette
"""The palette's groups, in its order."""

_BY_NAME = {action.name: action for action in ACTIONS if action.name}
_FIXED = frozenset({"escape", "relabel"})
"""Actions whose keys nobody may change: digits stay categories, and Escape always leaves."""
_SIGNS = {"ArrowRight": "→", "ArrowLeft": "←", "-": "−", "PageDown": "Page Down", "PageUp": "Page Up"}
_SPOKEN = {",": "comma", ".": "full stop"}
_SHORT = {"Delete": "Del", "Escape": "Esc"}
_PLACE = re.compile(r"\{\{ ([a-z]+)((?: [\w-]+)*) \}\}")


def key_name(key: str, *, short: bool = False) -> str:
    """Return what is written on a key, such as ``Shift+S``; ``short`` for buttons, such as ``⇧S``."""
    *held, last = key.split("+") if len(key) > 1 else [key]
    name = _SIGNS.get(last, last.upper() if len(last) == 1 else last)
    if short:
        return "".join(held).replace("Shift", "⇧") + _SHORT.get(name, name)
    return "+".join([*held, name])


def key_names(line: list[Action]) -> str:
    """Return the keys of actions that share a line, each between `` ` ``, as in the help and the README."""
    return " ".join(filter(None, (action.shown or " ".join(map(_ticked, action.keys)) for action in line)))


def _ticked(key: str) -> str:
    parts = key_name(key).split("+") if len(key) > 1 else [key_name(key)]
    return "+".join(f"`{_SHORT.get(part, part)}`" for part in parts)


def lines_of(*parts: Part) -> Iterator[list[Action]]:
    """Yield the lines of the list of keys: actions that stand together."""
    line: list[Action] = []
    for action in ACTIONS:
        if action.part in parts and (action.help or action.joins):
            if line and not action.joins:
                yield line
                line = []
            line.append(action)
    if line:
        yield line


def fill_in(page: str) -> str:
    """Fill a page's places.

    They are ``label``, ``title``, ``key``, ``icon``, ``button`` and ``tool`` (a button with an icon in place
    of its label) of an action, ``palette``, and ``sheet`` of parts.

    Raises:
        KeyError: for a place or an action that is not there.
    """
    fillers: dict[str, Callable[..., str]] = {
        "label": lambda name: html.escape(_BY_NAME[name].label),
        "title": lambda name: html.escape(_title(_BY_NAME[name])),
        "key": lambda name: html.escape(key_name(_BY_NAME[name].keys[0], short=True)),
        "icon": lambda name: _icon(_BY_NAME[name]),
        "button": lambda name: _button(_BY_NAME[name]),
        "tool": lambda name: _tool(_BY_NAME[name]),
        "palette": _palette,
        "sheet": _sheet,
    }
    return _PLACE.sub(lambda found: fillers[found[1]](*found[2].split()), page)


def _title(action: Action) -> str:
    spoken = [_SPOKEN.get(key, key_name(key)) for key in action.keys]
    return action.title.replace("{keys}", " or ".join(spoken)).replace("{key}", "".join(spoken[:1]))


def _icon(action: Action) -> str:
    """Return the action's symbol, or its key where it has none; Streamlit brings the font to every page."""
    if action.icon:
        return f'<span class="icon" aria-hidden="true">{action.icon}</span>'
    return f'<span aria-hidden="true">{html.escape(key_name(action.keys[0], short=True))}</span>'


def _pressed(action: Action) -> str:
    return ' aria-pressed="false"' if action.tool else ""


def _button(action: Action) -> str:
    label, title = html.escape(action.label), html.escape(_title(action))
    key = html.escape(key_name(action.keys[0], short=True))
    start = f'<button type="button" class="act" data-act="{action.name}"{_pressed(action)} title="{title}">'
    return f"{start}{label}<kbd>{key}</kbd></button>"


def _tool(action: Action) -> str:
    """Return a button with an icon: its name and key are in its tip, and its name is what is read out."""
    label, title = html.escape(action.label), html.escape(_tip(action))
    start = f'<button type="button" class="icon-button" data-act="{action.name}"{_pressed(action)}'
    return f'{start} aria-label="{label}" title="{title}">{_icon(action)}</button>'


def _tip(action: Action) -> str:
    """Return the title, after name and key where it does not begin with the name."""
    title = _title(action)
    return title if title.startswith(action.label) else f"{action.label}: {title}"


def _palette() -> str:
    groups = []
    for group in PALETTE:
        buttons = "\n        ".join(_tool(_BY_NAME[name]) for name in group.actions)
        title = html.escape(group.title)
        groups.append(
            f'<div class="tools" role="group" aria-label="{title}">\n        {buttons}\n      </div>'
        )
    return "\n      ".join(groups)


def _sheet(*parts: Part) -> str:
    rows = []
    for line in lines_of(*parts):
        keys = " ".join(filter(None, map(_changeable, line)))
        told = ", ".join(action.help for action in line if action.help)
        rows.append(f"<dt>{keys}</dt><dd>{_marked(told)}</dd>")
    return "\n          ".join(rows)


def _changeable(action: Action) -> str:
    """Return an action's keys for the list, as a button by which a person gives it another one."""
    if action.shown or not action.keys or action.name in _FIXED:
        return _marked(key_names([action]))
    return (
        f'<button type="button" class="key" data-keys-of="{action.name}" aria-pressed="false">'
        f"{_marked(key_names([action]))}</button>"
    )


def _marked(text: str) -> str:
    return re.sub("`([^`]+)`", r"<kbd>\1</kbd>", html.escape(text, quote=False))
