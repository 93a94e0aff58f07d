"""MaskDesk's entry point. Run it with ``maskdesk app``, ``make run`` or ``streamlit run app.py``."""

from pages.shell.navigation import run_app

run_app()
