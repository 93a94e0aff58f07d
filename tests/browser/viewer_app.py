"""A page with nothing but the viewer, over drawn instances.

Query: ``width``, ``height``, ``count`` of instances, ``broken`` for a picture that cannot be loaded.
"""

import json

import streamlit as st

from maskrcnn_core.drawing.style import Style
from pages.components.viewer import ViewerImage, ViewerMessage, media_url, viewer
from tests.browser.drawings import HOSTILE, flowers, landscape

st.set_page_config(layout="wide")
query = st.query_params
width, height = int(query.get("width", 1200)), int(query.get("height", 800))
count = int(query.get("count", 41))
kept = st.session_state.setdefault(
    "kept", {"seq": 0, "score_threshold": 0.5, "selected": (), "display": Style()}
)
left, middle, right = st.columns(3)
if left.button("Select the last"):
    kept["selected"] = (100 + count - 1,)
if middle.button("Rerun"):
    pass
other = right.checkbox("Other image")
url = media_url(landscape(width, height), "image/jpeg", "test")
if query.get("broken"):
    url = "/media/none.jpg"
message = ViewerMessage(
    ViewerImage("b" if other else "a", url, width, height, HOSTILE),
    flowers(width, height, count),
    score_threshold=kept["score_threshold"],
    selected=kept["selected"],
    display=kept["display"],
    ack=kept["seq"],
    message="No objects found",
)
state = viewer(message, key="viewer")
kept.update(vars(state))
# Before the state: whoever sees that, then counts, has counted the run that it is from.
st.session_state["runs"] = st.session_state.get("runs", 0) + 1
st.text("runs=" + str(st.session_state["runs"]))
st.text(
    "state="
    + json.dumps(
        {
            "seq": state.seq,
            "score": state.score_threshold,
            "selected": state.selected,
            "hidden": state.hidden_categories,
            **{name: getattr(state.display, name) for name in ("masks", "contours", "boxes", "labels")},
            "color_by": state.display.color_by,
            "splash": state.display.splash,
            "opacity": state.display.opacity,
        }
    )
)
