"""Open the app if Streamlit takes this folder for pages of its older kind; see `through_app`."""

from pages.shell.navigation import through_app

through_app()
