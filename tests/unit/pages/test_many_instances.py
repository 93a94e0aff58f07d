"""Hundreds of instances on the Annotate page, without a browser."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from streamlit.testing.v1 import AppTest

from benchmarks.crowd import CrowdPredictor, crowd_pixels
from maskrcnn_core.detection.candidates import MOST_DETECTIONS, Thresholds
from pages.annotate.image_panel import _chosen_sentence, _limit_notes

ROOT = Path(__file__).parents[3]


def crowd_page(count=300):
    app = AppTest.from_file(str(ROOT / "benchmarks" / "crowd_app.py"), default_timeout=120)
    app.query_params.update({"count": str(count), "height": "600", "width": "800"})
    return app.run()


def captions(app):
    return [caption.value for caption in app.caption]


def test_the_table_has_a_row_and_a_cut_out_for_each_and_names_the_chosen_ones():
    app = crowd_page()
    assert not app.exception
    table = next(frame for frame in app.dataframe if "segment" in frame.value).value
    assert len(table) == 300
    assert table["segment"].str.startswith("data:image/png;base64,").all()
    assert "300 rows, none selected" in captions(app)
    app.session_state["maskdesk"].selected = (2, 250)
    assert "300 rows, selected: no. 3, 251" in captions(app.run())


def test_a_model_may_keep_as_many_as_its_card_may_say():
    crowd = CrowdPredictor(3)
    crowd.model = replace(crowd.model, max_detections=MOST_DETECTIONS)
    app = AppTest.from_file(str(ROOT / "benchmarks" / "crowd_app.py"), default_timeout=120)
    app.query_params.update({"count": "3", "height": "60", "width": "80"})
    with patch("benchmarks.crowd.CrowdPredictor", lambda count: crowd):
        app.run()
    assert not app.exception
    assert app.number_input(key=f"max-detections-{crowd.model.key}").value == MOST_DETECTIONS


def test_cut_outs_are_made_once():
    app = crowd_page()
    kept = dict(app.session_state["maskdesk"].cut_outs)
    app.run()
    again = app.session_state["maskdesk"].cut_outs
    assert len(again) == 300 and all(again[key] is picture for key, picture in kept.items())


@pytest.mark.parametrize(
    ("numbers", "count", "sentence"),
    [
        ([], 0, "0 rows, none selected"),
        ([1], 1, "1 row, selected: no. 1"),
        (list(range(1, 13)), 400, "400 rows, selected: no. 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more"),
    ],
)
def test_the_sentence_stays_short(numbers, count, sentence):
    assert _chosen_sentence(numbers, count) == sentence


def test_what_the_limit_leaves_out_is_said():
    (run,) = CrowdPredictor(120).run([crowd_pixels(120, (300, 400))])
    assert _limit_notes(run, Thresholds(max_detections=120)) == ()
    (note,) = _limit_notes(run, Thresholds(max_detections=100))
    assert note == "20 more pass these thresholds but exceed the limit of 100 detections per image."
    assert _limit_notes(run, Thresholds(0.9, max_detections=100)) == ()
