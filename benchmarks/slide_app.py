"""The real Slides page with a drawn slide open, whose nuclei are known: ``?side=20000&count=20000``.

Served by Streamlit for benchmarks and browser tests, with the app's layers around its server; the slide is
drawn into the folder that ``SLIDE_FOLDER`` names when it is first asked for.
"""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.starlette import App

ROOT = Path(__file__).resolve().parents[1]

if get_script_run_ctx(suppress_warning=True) is None:
    from pages.shell.delivery import MIDDLEWARE

    app = App(__file__, middleware=MIDDLEWARE)
else:
    from benchmarks.slide_drawing import NUCLEUS, annotated, draw_slide
    from maskrcnn_core.workspace.slide_runs import FoundInSlide
    from pages.shared.session import get_state
    from pages.shared.slides import SlidesUi
    from pages.shared.steady import keep_steady

    @st.cache_resource(show_spinner=False)
    def drawn(side: int, count: int) -> tuple[Path, FoundInSlide]:
        """Return a slide's file and what is in it."""
        path = Path(os.environ["SLIDE_FOLDER"]) / f"slide-{side}-{count}.svs"
        found = annotated(draw_slide(path, side, count)).instances
        return path, FoundInSlide(found, (NUCLEUS,), "drawn", 0.05)

    st.set_page_config(page_title="A slide", layout="wide")
    keep_steady()
    slides = get_state().of(SlidesUi)
    if not slides.desk.slides:
        path, found = drawn(*(int(st.query_params.get(name, 20_000)) for name in ("side", "count")))
        opened = slides.desk.open(path)
        opened.found = found
        slides.look_at(opened.key)
    st.navigation(
        [st.Page(ROOT / "pages" / "slides" / "page.py", title="Slides", url_path="slides")],
        position="hidden",
    ).run()
