"""The table of what can be done in viewer and editor, and what is made of it or held to it."""

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from maskrcnn_core.projects.review.operations import EDITS_TOLD, EditName
from pages.components.actions import ACTIONS, PALETTE, Action, fill_in, key_name, key_names, lines_of
from pages.components.mounting import WEB, component_html

README = Path(__file__).parents[3] / "README.md"
NAMES = [action.name for action in ACTIONS if action.name]
ONLY_KEYS = {"attributes", "first", "last", "save"}
"""Actions without a button."""


def readme_table(part):
    """The README's table of a part, made of the rows."""
    rows = ["| key | does |", "|---|---|"]
    for line in lines_of(part):
        told = line[0].doc or ", ".join(action.help for action in line if action.help)
        rows.append(f"| {key_names(line).replace('`+`', '+')} | {told} |")
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("part", ["decide", "edit"])
def test_the_readme_has_the_table(part):
    assert readme_table(part) in re.sub("(?m)^ +", "", README.read_text("utf-8"))


def test_the_journal_knows_the_edits_and_no_others():
    named = [name for action in ACTIONS for name in action.journal]
    assert sorted(named) == sorted(get_args(EditName))


def test_people_are_told_of_an_edit_by_its_button():
    named = {name: action.told for action in ACTIONS if action.told for name in action.journal}
    assert named == EDITS_TOLD


def test_names_are_there_once_and_keys_mean_one_thing_each():
    assert len(set(NAMES)) == len(NAMES)
    for parts in (("viewer",), ("decide", "edit")):
        keys = [key for action in ACTIONS if action.part in parts for key in (*action.keys, *action.also)]
        assert len(set(keys)) == len(keys)


def test_the_palette_has_what_the_editor_can_do():
    offered = [name for group in PALETTE for name in group.actions]
    assert sorted(offered) == sorted(
        action.name for action in ACTIONS if action.part == "edit" and action.name
    )


def test_every_button_of_the_pages_is_of_the_table():
    page = component_html("review")
    named = set(re.findall(r'data-act="([\w-]+)"', page))
    assert named == {a.name for a in ACTIONS if a.part != "viewer" and a.name} - ONLY_KEYS
    assert not {"{{", "}}"} & set(re.findall(r"\{\{|\}\}", page))


def test_the_list_of_keys_tells_all_that_has_a_key():
    page = component_html("review")
    for line in lines_of("decide", "edit", "viewer"):
        *before, last = (action.help for action in line if action.help)
        assert last.split("`")[0] in page and all(f"{text}, " in page for text in before)
    keys = " ".join(
        f'<button type="button" class="key" data-keys-of="{name}" aria-pressed="false">'
        f"<kbd>Shift</kbd>+<kbd>{key}</kbd></button>"
        for name, key in (("fill-holes", "F"), ("drop-specks", "S"), ("smooth", "M"))
    )
    assert f"<dt>{keys}</dt><dd>fill holes, drop specks, smooth</dd>" in page
    assert "<dt><kbd>1</kbd> to <kbd>9</kbd></dt>" in page, "digits stay categories"
    assert 'data-keys-of="escape"' not in page
    assert "<dd>draw boxes" not in component_html("viewer")


@pytest.mark.parametrize(
    ("key", "long", "short"),
    [
        ("a", "A", "A"),
        ("Shift+s", "Shift+S", "⇧S"),
        ("Delete", "Delete", "Del"),
        ("-", "−", "−"),
        ("+", "+", "+"),
        ("PageDown", "Page Down", "Page Down"),
        ("Ctrl+Shift+z", "Ctrl+Shift+Z", "Ctrl⇧Z"),
    ],
)
def test_keys_have_the_names_that_are_written_on_them(key, long, short):
    assert key_name(key) == long
    assert key_name(key, short=True) == short


def test_places_are_filled_with_escaped_texts():
    assert fill_in('<b title="{{ title undo }}">{{ label done }}</b>') == (
        '<b title="Undo the last decision (U or Ctrl+Z)">Done &amp; next</b>'
    )
    assert "(comma or Page Up)" in fill_in("{{ title previous }}")
    assert 'data-act="brush" aria-pressed="false"' in fill_in("{{ button brush }}")
    assert "aria-pressed" not in fill_in("{{ button smooth }}")


@pytest.mark.parametrize("place", ["{{ title nothing }}", "{{ nothing undo }}"])
def test_a_place_that_nothing_fills_is_named(place):
    with pytest.raises(KeyError, match="nothing"):
        fill_in(place)


def test_a_row_with_a_field_of_another_name_is_refused():
    with pytest.raises(msgspec.ValidationError, match="unknown field `hepl`"):
        msgspec.json.decode(b'{"part": "edit", "hepl": "x"}', type=Action)


def test_the_table_is_one_file_for_both_sides():
    assert '"../actions.json" with' in (WEB / "lib" / "actions.js").read_text("utf-8")
