"""MaskDesk's entry point. Run it with ``make run``, or ``streamlit run app.py``."""

from pages.ui.navigation import run_app

run_app()
