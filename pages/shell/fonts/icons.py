"""The icon font with those icons that can appear, in place of Streamlit's with all 4,000: a seventh of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import streamlit

from pages.components.mounting import WEB
from pages.shell.fonts.small import FILES, keep_only, original

__all__ = ["icons_named", "icons_of", "make_icon_font", "streamlit_icons"]

_NAME = "MaterialSymbols-Rounded"
_PAGES = Path(__file__).parents[2]
_STREAMLIT = Path(streamlit.__file__).parent
# Scripts name icons in many ways: each string that is an icon's name counts, whatever it is there.
_STRING = re.compile(r"""["'`](?::material/)?([a-z][a-z0-9_]+):?["'`]""")
_ICON = re.compile(r":material/(\w+):")
_COMMENT = re.compile(r"/\*.*?\*/|<!--.*?-->|^\s*//[^\n]*|\s//\s[^\n]*", re.DOTALL | re.MULTILINE)
_WORD = re.compile(r"\b[a-z][a-z0-9_]+\b")
_OWN_KINDS = ("*.js", "*.json", "*.html", "*.css")
_LISTS_ALL = "material_icon_names.py"


def streamlit_icons() -> Path:
    """Return Streamlit's own file."""
    return original(_NAME)


def icons_named() -> set[str]:
    """Return all that may be an icon's name, in Streamlit and in the app; most of it is none.

    Of the app's components each word counts that is in no comment: icons are in the table of actions, in
    scripts and in pages.
    """
    streamlit_scripts = (_STREAMLIT / "static" / "static" / "js").glob("*.js")
    streamlit_modules = (file for file in _STREAMLIT.rglob("*.py") if file.name != _LISTS_ALL)
    places = (
        (streamlit_scripts, _STRING),
        (streamlit_modules, _ICON),
        (_PAGES.rglob("*.py"), _STRING),
        (_PAGES.rglob("*.py"), _ICON),
        ((file for kind in _OWN_KINDS for file in WEB.rglob(kind)), _WORD),
    )
    return {
        name
        for files, names in places
        for file in files
        for name in names.findall(_text_of(file) if names is _WORD else file.read_text("utf-8"))
    }


def _text_of(file: Path) -> str:
    return _COMMENT.sub(" ", file.read_text("utf-8"))


def icons_of(file: Path) -> dict[str, str]:
    """Return the glyphs of a font's icons by the names that stand for them.

    Reading WOFF2 needs brotli, of ``requirements-dev.txt``.
    """
    from fontTools.ttLib import TTFont

    font = TTFont(file)
    letters = {glyph: chr(code) for code, glyph in font.getBestCmap().items()}
    return {
        "".join(letters[glyph] for glyph in (first, *ligature.Component)): ligature.LigGlyph
        for table in _tables(font["GSUB"].table)
        for first, ligatures in table.ligatures.items()
        for ligature in ligatures
    }


def _tables(substitutions: Any) -> Iterator[Any]:
    """Yield the tables of ligatures: a name is written as its letters, which become one glyph."""
    for lookup in substitutions.LookupList.Lookup:
        for table in lookup.SubTable:
            table = getattr(table, "ExtSubTable", table)
            if hasattr(table, "ligatures"):
                yield table


def make_icon_font() -> Path:
    """Write the font, and remove those of other releases."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    source = streamlit_icons()
    glyphs, named, font = icons_of(source), icons_named(), TTFont(source)
    letters = [glyph for code, glyph in font.getBestCmap().items() if code < 128]
    # No closure: else the letters would bring every icon whose name they spell.
    options = subset.Options(flavor="woff2", layout_features=["*"], layout_closure=False, notdef_outline=True)
    subsetter = subset.Subsetter(options)
    subsetter.populate(glyphs=[*letters, *(glyph for name, glyph in glyphs.items() if name in named)])
    subsetter.subset(font)
    made = FILES / source.name
    font.flavor = "woff2"
    font.save(made)
    keep_only(made, _NAME)
    return made
