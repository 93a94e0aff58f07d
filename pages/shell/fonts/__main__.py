"""Make the small fonts anew."""

from pages.shell.fonts.icons import icons_of, make_icon_font, streamlit_icons
from pages.shell.fonts.letters import letters_of, make_text_font

made = make_icon_font()
print(f"{made.name}: {len(icons_of(made))} of {len(icons_of(streamlit_icons()))} icons")
made = make_text_font()
print(f"{made.name}: {len(letters_of(made))} letters, {made.stat().st_size / 1000:.0f} kB")
