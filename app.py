"""MaskDesk's entry point. Run it with ``maskdesk app``, ``make run`` or ``streamlit run app.py``.

Streamlit imports this file once, for the server, and runs it for each look of a page.
"""

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.starlette import App

if get_script_run_ctx(suppress_warning=True) is None:
    from pages.shell.delivery import MIDDLEWARE

    app = App(__file__, middleware=MIDDLEWARE)
else:
    from pages.shell.navigation import run_app

    run_app()
