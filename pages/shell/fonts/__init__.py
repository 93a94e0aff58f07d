"""Streamlit's fonts in small: with what can appear, and nothing else.

``python -m pages.shell.fonts`` makes them anew from Streamlit's own files, under these files' names.
Streamlit's names have a hash of what is in them: of another release, a font is another name, and goes to
browsers as it is until this has been run.

- Material Symbols Rounded (Google, Apache-2.0): `pages.shell.fonts.icons`.
- Source Sans 3 (Adobe, SIL Open Font License 1.1): `pages.shell.fonts.letters`.
"""
