"""The real Annotate page with a drawn crowd open: ``?count=400&width=4000&height=3000``.

Served by Streamlit for benchmarks and browser tests. The stand-in model has answered before the page is
drawn, so that what is waited for is the page itself.
"""

from __future__ import annotations

import time
from pathlib import Path

import streamlit as st

from benchmarks.crowd import CrowdPredictor, crowd_jpeg
from maskrcnn_core.detection.candidates import Thresholds
from pages.shared.session import get_state
from pages.shared.steady import keep_steady

ROOT = Path(__file__).resolve().parents[1]

st.set_page_config(page_title="A crowd", layout="wide")
keep_steady()
state = get_state()
if not state.custom:
    count, width, height = (
        int(st.query_params.get(name, default))
        for name, default in (("count", 400), ("width", 4000), ("height", 3000))
    )
    predictor = CrowdPredictor(count)
    state.custom[predictor.model.key] = predictor
    state.model_key = predictor.model.key
    state.look_at(state.workspace.add("crowd.jpg", crowd_jpeg(count, (height, width))).added[0])
    state.workspace.start(predictor, Thresholds())
    while state.workspace.state_of(state.current, predictor, Thresholds()).is_active:
        time.sleep(0.01)
st.navigation(
    [st.Page(ROOT / "pages" / "annotate" / "page.py", title="Annotate", url_path="annotate")],
    position="hidden",
).run()
