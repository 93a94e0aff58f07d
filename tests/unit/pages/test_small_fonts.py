"""The small fonts have all icons, and all letters of their blocks, that can appear.

Where one is missing, run ``python -m pages.shell.fonts``, which makes them anew.
"""

import pytest

from pages.shell.fonts.icons import icons_named, icons_of, streamlit_icons
from pages.shell.fonts.letters import BLOCKS, NAME, letters_of
from pages.shell.fonts.small import FILES, original, small_font

ORIGINALS = [streamlit_icons(), original(NAME)]


@pytest.mark.parametrize("whole", ORIGINALS, ids=lambda file: file.name.partition(".")[0])
def test_they_are_made_of_the_fonts_that_streamlit_has_now(whole):
    assert small_font(f"/x/static/media/{whole.name}") == (FILES / whole.name).read_bytes()
    assert small_font(f"/x/media/{whole.name}") is None
    assert len(small_font(f"/static/media/{whole.name}")) < whole.stat().st_size * 0.6


def test_every_icon_that_is_named_anywhere_is_there():
    whole, has = icons_of(streamlit_icons()), icons_of(FILES / streamlit_icons().name)
    assert {name for name in icons_named() if name in whole} - set(has) == set()
    assert {"thumb_up", "keyboard_double_arrow_right"} & set(whole) and len(has) < len(whole) / 4


def test_every_letter_of_the_blocks_is_there():
    whole, has = letters_of(original(NAME)), letters_of(FILES / original(NAME).name)
    meant = {code for first, last in BLOCKS for code in range(first, last + 1)}
    assert whole & meant == has
    assert {ord(letter) for letter in "Aäßéłğőșżð–…€→≤×Ωжїѓ"} <= has


def test_a_changed_copy_has_neither_the_reserved_name_nor_lost_its_licence():
    from fontTools.ttLib import TTFont

    names = {record.nameID: str(record) for record in TTFont(FILES / original(NAME).name)["name"].names}
    assert "Source" not in "".join(names.get(number, "") for number in (1, 3, 4, 6, 16))
    assert "Reserved Font Name" in names[0] and "SIL Open Font License" in names[13]
