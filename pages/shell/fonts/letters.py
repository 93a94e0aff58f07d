"""The font of all texts, with the letters that a project's names and sentences are likely to have.

Latin with all of its accents, Greek, Cyrillic, punctuation, arrows and mathematical signs. Whatever else
somebody writes, the browser takes from the system's fonts, as it does for Chinese or Arabic in any case.
"""

from __future__ import annotations

from pathlib import Path

from pages.shell.fonts.small import FILES, keep_only, original

__all__ = ["BLOCKS", "NAME", "letters_of", "make_text_font"]

NAME = "SourceSansVF-Upright.ttf"
"""Streamlit's name of the font, without its hash."""

BLOCKS = (
    (0x0000, 0x024F),  # Latin
    (0x02C0, 0x036F),  # modifiers, combining accents
    (0x0370, 0x052F),  # Greek, Cyrillic
    (0x1E00, 0x1EFF),  # Latin, additional: Vietnamese
    (0x2000, 0x22FF),  # punctuation, currencies, arrows, mathematics
    (0xFB00, 0xFB06),  # ligatures
)
"""The first and the last code points of what is kept."""

_FEATURES = ("ccmp", "kern", "liga", "locl", "mark", "mkmk", "tnum")
"""What browsers apply by themselves, and figures of one width, which our styles ask for."""
_OWN_NAME = "MaskDesk Text"
"""A changed copy may not have the reserved name (SIL OFL 1.1, 3)."""
_NAMED = (1, 3, 4, 6, 16)


def letters_of(file: Path) -> set[int]:
    """Return the code points that a font has. Reading WOFF2 needs brotli, of ``requirements-dev.txt``."""
    from fontTools.ttLib import TTFont

    return set(TTFont(file).getBestCmap())


def make_text_font() -> Path:
    """Write the font, and remove those of other releases."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    source = original(NAME)
    font = TTFont(source)
    options = subset.Options(flavor="woff2", layout_features=list(_FEATURES), hinting=False)
    options.name_IDs = [*options.name_IDs, 13, 14]  # the licence
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[code for first, last in BLOCKS for code in range(first, last + 1)])
    subsetter.subset(font)
    for record in font["name"].names:
        if record.nameID in _NAMED:
            record.string = _OWN_NAME.replace(" ", "") if record.nameID == 6 else _OWN_NAME
    made = FILES / source.name
    font.flavor = "woff2"
    font.save(made)
    keep_only(made, NAME)
    return made
