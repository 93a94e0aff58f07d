"""The small icon font has all icons that can appear.

Where one is missing, run ``python -m pages.shell.icon_font``, which makes it anew.
"""

from pages.shell.icon_font import icon_font, icons_named, icons_of, streamlit_font


def test_it_is_made_of_the_font_that_streamlit_has_now():
    assert icon_font(f"/static/media/{streamlit_font().name}") is not None


def test_it_has_every_icon_that_is_named_anywhere(tmp_path):
    small = tmp_path / "small.woff2"
    small.write_bytes(icon_font(f"/static/media/{streamlit_font().name}"))
    whole, has = icons_of(streamlit_font()), icons_of(small)
    assert {name for name in icons_named() if name in whole} - set(has) == set()
    assert {"thumb_up", "keyboard_double_arrow_right"} & set(whole) and len(has) < len(whole) / 4
