"""The app on a machine that is slow between two runs of a page, and before it knows which page to draw.

Where ``runner.postScriptGC`` is on, as it is by default, Streamlit collects garbage between a run and the one
that it asks for with ``st.rerun``. With much in memory and other work on the machine that takes a second or
more; here it always does.
"""

import gc
import time

from pages.shell.navigation import run_app

if not hasattr(gc, "quick_collect"):
    gc.quick_collect = gc.collect

    def collect(generation=2):
        time.sleep(1.0)  # the slowness that this app is for
        return gc.quick_collect(generation)

    gc.collect = collect

time.sleep(0.8)  # and before the page is chosen, so that the two overlap
run_app()
