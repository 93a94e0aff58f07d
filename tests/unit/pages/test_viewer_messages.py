"""The viewer's Python side: messages, reports."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from streamlit.testing.v1 import AppTest

from maskrcnn_core.drawing.style import Style
from pages.components.viewer import (
    CocoRle,
    ViewerImage,
    ViewerInstance,
    ViewerMessage,
    ViewerState,
    _newest_state,
    read_report,
)

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data" / "viewer"


def make_instance(id=1, **changes):
    values = {
        "label": "person",
        "category_id": 1,
        "score": 0.75,
        "box": (2, 1, 5, 4),
        "rle": None,
        "color_instance": "#3cb44b",
        "color_category": "#4363d8",
    }
    return ViewerInstance(id=id, **{**values, **changes})


def make_message(**changes):
    """The message of ``message.json``."""
    hostile = "<img src=x onerror=alert(1)>"
    mask = np.zeros((4, 6), np.uint8)
    mask[:2, :3] = 1
    rle = coco_mask.encode(np.asfortranarray(mask))
    values = {
        "image": ViewerImage("sha256-5f1d", "/media/5f1d.jpg", 6, 4, "<b>Größe</b> ![x](http://x).jpg"),
        "instances": (
            make_instance(
                7,
                score=0.98,
                box=(0, 0, 3, 2.25),
                rle=CocoRle((4, 6), rle["counts"].decode()),
                color_instance="#e6194b",
            ),
            make_instance(3),
            make_instance(
                12,
                label=hostile,
                category_id=44,
                score=0.625,
                box=(4, 0, 6, 1),
                color_instance="#ffe119",
                color_category="#f58231",
            ),
            make_instance(
                40,
                label=hostile,
                category_id=44,
                score=0.0625,
                box=(4, 3, 6, 4),
                color_instance="#911eb4",
                color_category="#f58231",
            ),
        ),
        "own_threshold": 0.25,
        "ack": 4,
        "source": "shapes",
        "title": "<b>Größe</b>: 4 found",
    }
    return ViewerMessage(**{**values, **changes})


def sample(name):
    return json.loads((DATA / name).read_text("utf-8"))


def rle_samples():
    """Masks of every awkward kind in pycocotools' form, with what a decoder should find in them."""
    rng = np.random.default_rng(7)
    masks = {
        "empty": np.zeros((3, 4)),
        "full": np.ones((5, 3)),
        "one pixel": np.ones((1, 1)),
        "first pixel": np.eye(1, 12).reshape(3, 4),
        "last pixel": np.eye(1, 12, 11).reshape(3, 4),
        "one row": np.array([[0, 1, 1, 0, 1]]),
        "one column": np.array([[1], [0], [1]]),
        "hole": np.pad(np.zeros((2, 2)), 1, constant_values=1),
        "two parts": np.array([[1, 1, 0, 0], [0, 0, 0, 1]]),
        "diagonal": np.eye(5),
        "random": rng.random((40, 23)) < 0.5,
        "wide runs": np.repeat(np.repeat(rng.random((3, 4)) < 0.6, 300, 0), 50, 1),
    }
    samples = []
    for name, mask in masks.items():
        rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        edges = np.flatnonzero(np.diff(np.pad(mask.astype(bool).ravel("F").astype(np.int8), 1)))
        rows, columns = np.nonzero(mask)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if rows.size else [0] * 4
        samples.append(
            {
                "name": name,
                "rle": {"size": list(mask.shape), "counts": rle["counts"].decode()},
                "area": int(coco_mask.area(rle)),
                "box": [int(value) for value in box],
                "foreground": edges.reshape(-1, 2).tolist(),
            }
        )
    return samples


def test_the_rle_samples_are_what_pycocotools_writes():
    # To renew them: write json.dumps(rle_samples()) to the file.
    assert sample("rle_samples.json") == rle_samples()


def test_message_is_the_sample_both_sides_read():
    assert make_message().to_json() == sample("message.json")


def test_report_sample_is_read_into_a_state():
    assert read_report(sample("report.json"), make_message()) == ViewerState(
        image="sha256-5f1d",
        seq=5,
        score_threshold=0.62,
        selected=(3,),
        hidden_categories=(44,),
        display=Style(opacity=0.35, boxes=False, color_by="category", splash=True),
    )


def test_a_measured_length_may_come_with_a_report():
    report = sample("report.json")
    assert read_report(report, make_message()).measured is None
    assert read_report({**report, "measured": 42.5}, make_message()).measured == 42.5
    for bad in (0, -3, float("inf"), "42", [42]):
        with pytest.raises(ValueError, match="measured"):
            read_report({**report, "measured": bad}, make_message())


def test_report_about_another_image_is_nothing_wrong():
    assert read_report({**sample("report.json"), "image": "other"}, make_message()) is None


BAD_REPORTS = {
    "not a mapping": ([], "report: expected named fields"),
    "other version": ({"version": 2}, "version: expected 1, got 2"),
    "true is no version": ({"version": True}, "version: expected 1"),
    "image of another type": ({"image": 5}, "image: expected a text"),
    "threshold above one": ({"score_threshold": 1.5}, "score_threshold: expected a number up to 1"),
    "threshold not a number": ({"score_threshold": float("nan")}, "score_threshold"),
    "threshold a text": ({"score_threshold": "0.5"}, "score_threshold"),
    "threshold true": ({"score_threshold": True}, "score_threshold"),
    "seq zero": ({"seq": 0}, "seq: expected a whole number from 1"),
    "seq a float": ({"seq": 5.5}, "seq"),
    "seq beyond JavaScript": ({"seq": 2**60}, "seq"),
    "unknown id": ({"selected": [3, 99]}, r"selected\[1\]: expected the id of an instance, got 99"),
    "id a text": ({"selected": ["3"]}, r"selected\[0\]: expected a whole number"),
    "ids not a list": ({"selected": "3"}, "selected: expected a list"),
    "too many ids": ({"selected": [3] * 100_001}, "selected: expected at most 100,000"),
    "category a list": ({"hidden_categories": [[1]]}, r"hidden_categories\[0\]"),
    "display missing": ({"display": None}, "display: expected named fields"),
    "display without masks": ({"display": {"opacity": 1}}, "display.masks: missing"),
    "colour by evil": ({"display": {"color_by": "x" * 999}}, "display.color_by: expected one of"),
    "colour by a list": ({"display": {"color_by": []}}, "display.color_by"),
    "splash a text": ({"display": {"splash": "yes"}}, "display.splash: expected true or false"),
    "boxes a number": ({"display": {"boxes": 1}}, "display.boxes: expected true or false"),
}


@pytest.mark.parametrize(("changes", "reason"), BAD_REPORTS.values(), ids=BAD_REPORTS)
def test_bad_report_is_logged_and_leaves_the_old_state(changes, reason, caplog):
    good = sample("report.json")
    report = changes
    if isinstance(changes, dict):
        report = {**good, **changes}
        if isinstance(changes.get("display"), dict) and "opacity" not in changes["display"]:
            report["display"] = {**good["display"], **changes["display"]}
    message = make_message()
    with pytest.raises(ValueError, match=reason) as error:
        read_report(report, message)
    assert len(str(error.value)) < 200
    with caplog.at_level(logging.WARNING):
        assert _newest_state(message, report) == message.state
    assert "report left out" in caplog.text


@pytest.mark.parametrize("missing", sorted(sample("report.json")))
def test_every_field_of_a_report_is_needed(missing):
    report = sample("report.json")
    del report[missing]
    with pytest.raises(ValueError, match=f"{missing}: missing"):
        read_report(report, make_message())


def test_a_report_counts_once(caplog):
    report = sample("report.json")
    assert _newest_state(make_message(), report).score_threshold == 0.62
    assert _newest_state(make_message(ack=5, score_threshold=0.3), report).score_threshold == 0.3
    gone = {**report, "selected": [99]}
    assert _newest_state(make_message(ack=5), gone).selected == ()
    assert _newest_state(make_message(), None) == make_message().state
    assert caplog.text == ""


BAD_MESSAGES = {
    "score": (lambda: make_instance(score=float("nan")), "instance 1: score"),
    "box": (lambda: make_instance(box=(0, 0, 1, float("inf"))), "instance 1: box: expected 4 finite"),
    "colour": (lambda: make_instance(color_instance="red"), "color_instance: expected #rrggbb, got 'red'"),
    "id": (lambda: make_instance("7"), "id: expected a whole number"),
    "twins": (
        lambda: make_message(instances=(make_instance(), make_instance())),
        "instances: expected each id once",
    ),
    "selected": (
        lambda: make_message(selected=(8,)),
        r"selected: expected instances of the message, got \[8\]",
    ),
    "mask size": (
        lambda: make_message(instances=(make_instance(rle=CocoRle((6, 4), "h0")),)),
        r"mask of size \(6, 4\) on an image of size \(4, 6\)",
    ),
    "empty image": (lambda: ViewerImage("k", "u", 0, 4, "n"), "image.width: expected a whole number from 1"),
}


@pytest.mark.parametrize(("make", "reason"), BAD_MESSAGES.values(), ids=BAD_MESSAGES)
def test_a_wrong_value_is_refused_at_birth(make, reason):
    with pytest.raises(ValueError, match=reason):
        make()


def test_four_hundred_instances_are_sent_compactly():
    grid = np.indices((1500, 2000))
    instances = []
    for i in range(400):
        y, x = 50 + 70 * (i // 20), 50 + 95 * (i % 20)
        window = np.zeros((1500, 2000), np.uint8, "F")
        part = (slice(max(0, y - 45), y + 45), slice(max(0, x - 45), x + 45))
        window[part] = (grid[0][part] - y) ** 2 + (grid[1][part] - x) ** 2 < 40**2
        rle = CocoRle((1500, 2000), coco_mask.encode(window)["counts"].decode())
        box = (x - 40 / 3, y - 40 / 3, x + 40, y + 40)
        instances.append(make_instance(i, rle=rle, score=1 / (i + 1), box=box))
    image = ViewerImage("k", "u", 2000, 1500, "n")
    text = json.dumps(ViewerMessage(image, tuple(instances)).to_json())
    assert len(text) < 400 * 700


def page_with_viewer():
    import streamlit as st

    from pages.components.viewer import ViewerImage, ViewerInstance, ViewerMessage, media_url, viewer

    url = media_url(b"no picture, but bytes", "image/png", "test")
    instance = ViewerInstance(3, "person", 44, 0.75, (2, 1, 5, 4), None, "#3cb44b", "#4363d8")
    message = ViewerMessage(ViewerImage("sha256-5f1d", url, 6, 4, "a.png"), (instance,))
    state = viewer(message, key="v")
    st.text(f"{state.seq} {state.score_threshold} {state.selected} {url}")


def test_a_page_has_the_reported_state_in_the_same_run():
    app = AppTest.from_function(page_with_viewer).run()
    assert not app.exception
    assert app.text[0].value.startswith("0 0.5 () /")
    assert app.text[0].value.endswith(".png")
    app.session_state["v"] = {"view": sample("report.json")}
    assert app.run().text[0].value.startswith("5 0.62 (3,) ")
    app.session_state["v"] = {"view": {**sample("report.json"), "selected": [4]}}
    assert app.run().text[0].value.startswith("0 0.5 () ")


def test_images_that_streamlit_takes_for_the_same_have_urls_of_their_own():
    def page():
        import streamlit as st

        from pages.components.viewer import media_url

        one, other = bytearray(3_000_000), bytearray(3_000_000)
        other[500_000] = 1  # beyond the head, the middle and the tail, which are all that Streamlit hashes
        st.text(media_url(bytes(one), "image/png", "one") == media_url(bytes(other), "image/png", "other"))

    assert AppTest.from_function(page).run().text[0].value == "False"
