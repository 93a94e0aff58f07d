"""The reviewer's Python side: messages, operations, the page."""

import copy
import json
import logging
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from maskrcnn_core.common.bounds import MAX_INSTANCES, MAX_MASK_CORNERS, MAX_NAME
from maskrcnn_core.drawing.style import Style
from maskrcnn_core.projects.attributes import BUILT_IN, Attribute
from maskrcnn_core.projects.mask_edits import MadeMask, MendedMask
from maskrcnn_core.projects.review.operations import (
    AddComment,
    Approve,
    CutOut,
    DrawBox,
    Edit,
    Finish,
    NewCategory,
    Propagate,
    Redo,
    Relabel,
    Reshape,
    ReturnImage,
    SetAttributes,
    SetCrowd,
    SetStatus,
    Undo,
)
from pages.components.mounting import component_html
from pages.components.review import (
    Go,
    InstanceState,
    Person,
    Pin,
    QueueFacts,
    Refusal,
    ReviewCategory,
    ReviewFrame,
    ReviewMessage,
    ReviewReport,
    SecondLook,
    Unreadable,
    _newest_view,
    _with_view,
    read_operations,
)
from pages.components.review_messages import clean_name
from pages.components.review_protocol import MAX_OPERATIONS
from pages.components.viewer import ViewerImage, ViewerInstance, ViewerMessage

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data" / "review"

SCHEMA = (*BUILT_IN, Attribute("stage", "choice", ("early", "late")))
SAID = {"occluded": True, "stage": "late"}

OPERATIONS = (
    SetStatus(5, 70, "accepted", ((7, 2), (3, 1))),
    Relabel(6, 70, 44, ((7, 3),)),
    SetStatus(7, 70, "rejected", ((12, 1),)),
    Finish(8, 70, 4, "reviewed"),
    Go(9, "queue-1", 3),
    Undo(10),
    Redo(11),
    DrawBox(12, 80, (10.5, 20.0, 64.0, 48.25)),
    Edit(13, 80, "cut", (MendedMask(7, 2, "041O"),), (MadeMask(44, "441K"),)),
    Relabel(14, 80, 1, (((13, 0), 1),)),
    Edit(15, 80, "remove", (MendedMask((13, 0), 2, None),)),
    Reshape(16, 80, "threshold", 0.4, ((7, 3),)),
    SetCrowd(17, 80, True, ((12, 1),)),
    Edit(18, 80, "duplicate", (), (MadeMask(44, "441K", is_crowd=True),)),
    NewCategory(19, 80, "pallet jack"),
    Relabel(20, 80, "pallet jack", ((7, 4),)),
    DrawBox(21, 80, (1.0, 1.0, 5.0, 3.0), 44),
    Edit(22, 80, "draw outline", (), (MadeMask("pallet jack", "441K"),)),
    AddComment(23, 80, "is this one?", 3.5, 1.25),
    CutOut(24, 80, "pallet jack", (0.0, 0.0, 4.0, 0.0, 4.0, 3.5)),
    Propagate(25, 80, 81, (7, (13, 0))),
    SetAttributes(26, 80, {"occluded": True}, ((3, 1),)),
    AddComment(27, 80, "of a piece", 1.0, 1.0, (13, 0)),
    Approve(28, 70, ((3, 2), (7, 4), (12, 2), (40, 3))),
    ReturnImage(29, 70, "two cells", 3.0, 2.0, 7),
)


def make_frame(at, image_id, **changes):
    key = f"digest-{image_id}"
    instances = tuple(
        ViewerInstance(id_, label, category_id, score, box, None, "#e6194b", color)
        for id_, label, category_id, score, box, color in (
            (7, "person", 1, 0.98, (0, 0, 3, 2.25), "#4363d8"),
            (3, "person", 1, 1.0, (2, 1, 5, 4), "#4363d8"),
            (12, "<b>odd</b>", 44, 0.625, (4, 0, 6, 1), "#f58231"),
            (40, "<b>odd</b>", 44, 0.0625, (4, 3, 6, 4), "#f58231"),
        )
    )
    values = {
        "message": ViewerMessage(ViewerImage(key, f"/media/{key}.jpg", 6, 4, f"{image_id}.jpg"), instances),
        "image_id": image_id,
        "image_version": 4,
        "image_status": "opened",
        "states": {
            7: InstanceState(
                "proposed", 2, 1, "runner-up: bus 0.41; soft edge", source="shapes", attributes=SAID
            ),
            3: InstanceState("proposed", 1, 1, has_score=False),
            12: InstanceState("proposed", 1, 44),
            40: InstanceState("rejected", 3, 44),
        },
    }
    return ReviewFrame(at, **{**values, **changes})


def make_message(**changes):
    """The message of ``message.json``."""
    values = {
        "frames": (
            make_frame(1, 60),
            make_frame(2, 70),
            make_frame(
                3,
                80,
                focus=12,
                pins=(Pin(2, 3.5, 1.25, "Ann: is <b>this</b> one?", 12),),
                second_look=SecondLook("returned", "returned by Bob to <b>Ann</b>"),
            ),
        ),
        "queue": QueueFacts("queue-1", 120, 2),
        "categories": (
            ReviewCategory(1, "person", "#4363d8", SCHEMA),
            ReviewCategory(44, "<b>odd</b>", "#f58231"),
        ),
        "ack_client": "0123456789abcdef01234567",
        "ack_seq": 4,
        "project_id": 5,
        "refused": (Refusal(3, "7 has been changed by somebody else."),),
        "remarks": (Refusal(4, "taken back: accept, 1 instance in a.png"),),
        "made": {4: (40,)},
        "can_undo": True,
        "taken": {3: "Ann", 4: "<b>Bob</b>"},
        "here": ("Ann",),
        "people": (Person("Ann", True), Person("<b>Bob</b>", False)),
    }
    return ReviewMessage(**{**values, **changes})


def sample(name):
    return json.loads((DATA / name).read_text("utf-8"))


def test_message_is_the_sample_both_sides_read():
    assert make_message().to_json() == sample("message.json")


def test_a_refusal_says_what_it_needs_where_it_needs_something():
    assert Refusal(3, "no").to_json() == {"seq": 3, "text": "no"}
    assert Refusal(3, "no", needs="category").to_json() == {"seq": 3, "text": "no", "needs": "category"}


def test_places_that_others_have_are_places_of_the_queue():
    with pytest.raises(ValueError, match=r"taken: places \[120\] of 120"):
        make_message(taken={120: "Ann"})


def test_report_sample_is_read_into_operations():
    report = read_operations(sample("report.json"))
    assert report == ReviewReport(
        "0123456789abcdef01234567", OPERATIONS, names=dict.fromkeys(range(5, 30), "Ann")
    )
    assert [operation.kind for operation in report.operations] == [
        op["kind"] for op in sample("report.json")["ops"]
    ]


def test_whose_an_operation_is_is_cleaned_and_what_is_no_name_makes_it_unreadable():
    sent = sample("report.json")
    names = [" Bob \n", "", None, 7, "x" * 200]
    for entry, name in zip(sent["ops"], names, strict=False):
        entry["who"] = name
    del sent["ops"][2]["who"]
    report = read_operations(sent, keeps_unreadable=True)
    assert report.names == {5: "Bob \\n", 9: "x" * 80} | dict.fromkeys(range(10, 30), "Ann")
    assert report.operations[3] == Unreadable(8, "ops[3].who: expected a text, got 7")


@pytest.mark.parametrize("name", ["", "  ", " \n\t", "\u2003\u00a0"])
def test_a_name_of_blanks_is_nobodys(name):
    assert clean_name(name) == ""
    sent = sample("report.json")
    sent["ops"][0]["who"] = name
    assert 5 not in read_operations(sent).names


def test_only_operations_after_the_acknowledged_one_are_new():
    report = read_operations(sample("report.json"))
    assert report.after(report.client, 9) == OPERATIONS[5:]
    assert report.after("another-client", 9) == OPERATIONS


def test_a_report_without_operations_is_nothing_wrong():
    assert read_operations({**sample("report.json"), "ops": []}).operations == ()


BAD_REPORTS = {
    "crowd 1": (
        {"ops": [{"seq": 1, "kind": "set_crowd", "image_id": 1, "is_crowd": 1, "instances": [[1, 1]]}]},
        r"^ops\[0\].is_crowd: expected true or false, got 1",
    ),
    **{
        f"box {box}": (
            {"ops": [{"seq": 1, "kind": "draw_box", "image_id": 1, "box": box}]},
            r"^ops\[0\].box(\[\d\])?: expected",
        )
        for box in (
            [1, 2, 3],
            [1, 2, 3, 4, 5],
            "1234",
            [1, 2, True, 4],
            [1, 2, "3", 4],
            [3, 2, 1, 4],
            [1, 4, 3, 4],
            [1, 2, float("nan"), 4],
            [1, 2, 1e9, 4],
        )
    },
    "not a mapping": ([], "^report: expected named fields"),
    "other version": ({"version": 1}, "^version: expected 3, got 1"),
    "true is no version": ({"version": True}, "^version: expected 3"),
    "client a number": ({"client": 5}, "^client: expected a text"),
    "client with a path": ({"client": "../../../etc"}, "^client"),
    "client too long": ({"client": "a" * 65}, "^client"),
    "ops a text": ({"ops": "x" * 1000}, "^ops: expected a list"),
    "too many ops": (
        {"ops": [{"seq": 1, "kind": "undo"}] * (MAX_OPERATIONS + 1)},
        "^ops: expected at most 10,000, got 10,001",
    ),
    "op a list": ({"ops": [[]]}, r"^ops\[0\]: expected named fields"),
    "same number twice": ({"ops": [{"seq": 4, "kind": "undo"}] * 2}, r"^ops\[1\].seq: expected more than 4"),
}
BAD_OPERATIONS = {
    "no kind": (0, {"kind": ...}, r"^ops\[0\].kind: missing"),
    "unknown kind": (0, {"kind": "drop"}, r"^ops\[0\].kind: expected one of set_status, "),
    "kind a list": (0, {"kind": []}, r"^ops\[0\].kind"),
    "no number": (0, {"seq": ...}, r"^ops\[0\].seq: missing"),
    "number zero": (0, {"seq": 0}, r"^ops\[0\].seq: expected a whole number from 1"),
    "number a fraction": (0, {"seq": 5.5}, r"^ops\[0\].seq"),
    "number true": (0, {"seq": True}, r"^ops\[0\].seq"),
    "number beyond JavaScript": (0, {"seq": 2**60}, r"^ops\[0\].seq"),
    "unknown edit": (8, {"what": "explode"}, r"^ops\[8\].what: expected one of brush, "),
    "an edit of nothing": (
        8,
        {"changes": [], "added": []},
        r"^ops\[8\]: expected changes or added instances, got neither",
    ),
    "no mask": (
        8,
        {"changes": [{"id": 7, "version": 2, "status": "accepted"}]},
        r"changes\[0\].counts: missing",
    ),
    "a mask of numbers": (
        8,
        {"added": [{"category_id": 1, "counts": [1, 2]}]},
        r"added\[0\].counts: expected a text",
    ),
    "a mask of other letters": (8, {"added": [{"category_id": 1, "counts": "0é"}]}, r"added\[0\].counts"),
    "polygons of text": (
        8,
        {"added": [{"category_id": 1, "counts": "041O", "polygons": [["0", 1, 2, 3, 4, 5]]}]},
        r"added\[0\].polygons\[0\]\[0\]: expected a number",
    ),
    "polygons without end": (
        8,
        {"added": [{"category_id": 1, "counts": "041O", "polygons": [[0.0] * (MAX_MASK_CORNERS + 1)]}]},
        r"added\[0\].polygons\[0\]: expected at most",
    ),
    "one instance edited twice": (
        8,
        {"changes": [{"id": 7, "version": 2, "gone": True}] * 2},
        r"changes: 7 is named twice",
    ),
    "gone is no text": (
        8,
        {"changes": [{"id": 7, "version": 2, "gone": "yes"}]},
        r"changes\[0\].gone: expected true or false",
    ),
    "a name of three": (
        9,
        {"instances": [[[13, 0, 1], 1]]},
        r"instances\[0\]\[0\]: expected at most 2, got 3",
    ),
    "a name of nothing": (
        9,
        {"instances": [[[0, 0], 1]]},
        r"instances: expected an operation\'s number from 1",
    ),
    "a threshold of one": (11, {"threshold": 1}, r"threshold: expected a number below 1, got 1"),
    "a threshold that is none": (11, {"threshold": float("nan")}, r"threshold: expected a number"),
    "an unknown way": (11, {"how": "magic"}, r"how: expected one of closer, threshold, tighten"),
    "no image": (0, {"image_id": ...}, r"^ops\[0\].image_id: missing"),
    "image a text": (0, {"image_id": "70"}, r"^ops\[0\].image_id"),
    "unknown status": (0, {"status": "deleted"}, r"^ops\[0\].status: expected one of accepted, "),
    "status a list": (0, {"status": ["accepted"]}, r"^ops\[0\].status"),
    "no instances": (0, {"instances": ...}, r"^ops\[0\].instances: missing"),
    "nothing changed": (0, {"instances": []}, r"^ops\[0\].instances: expected at least 1, got 0"),
    "instances a mapping": (0, {"instances": {"7": 2}}, r"^ops\[0\].instances: expected a list"),
    "no version": (0, {"instances": [[7]]}, r"^ops\[0\].instances\[0\]: expected a list of 2, got 1"),
    "version a text": (0, {"instances": [[7, "2"]]}, r"^ops\[0\].instances\[0\]\[1\]"),
    "id negative": (0, {"instances": [[-7, 2]]}, r"^ops\[0\].instances\[0\]\[0\]"),
    "an instance twice": (
        0,
        {"instances": [[7, 2], [7, 2]]},
        r"^ops\[0\].instances: 7 is named twice",
    ),
    "category too long": (1, {"category_id": "x" * (MAX_NAME + 1)}, r"^ops\[1\].category_id"),
    "category without a name": (1, {"category_id": ""}, r"^ops\[1\].category_id: expected at least 1"),
    "category a list": (1, {"category_id": [13, 0]}, r"^ops\[1\].category_id"),
    "a new category too long": (14, {"name": "x" * (MAX_NAME + 1)}, r"^ops\[14\].name: expected at most"),
    "a new category of blanks": (14, {"name": "  "}, r"^ops\[14\].name: expected a name without blanks"),
    "a new category with blanks": (14, {"name": " a"}, r"^ops\[14\].name: expected a name without blanks"),
    "a new category with a NUL": (14, {"name": "a\0b"}, r"^ops\[14\].name: expected a name of whole"),
    "a new category without a name": (14, {"name": ...}, r"^ops\[14\].name: missing"),
    "a box of no category": (16, {"category_id": [1]}, r"^ops\[16\].category_id"),
    "no category": (1, {"category_id": ...}, r"^ops\[1\].category_id: missing"),
    "finished as new": (3, {"status": "new"}, r"^ops\[3\].status: expected one of opened, reviewed"),
    "no image version": (3, {"image_version": ...}, r"^ops\[3\].image_version: missing"),
    "a lasso of two corners": (19, {"ring": [0, 0, 4, 0]}, r"^ops\[19\].ring: expected at least 6, got 4"),
    "half a corner": (19, {"ring": [0, 0, 4, 0, 4, 4, 1]}, r"ring|polygons\[0\]: expected x and y"),
    "a lasso far away": (19, {"ring": [0, 0, 4, 0, 4, 1e9]}, r"^ops\[19\].ring\[5\]"),
    "a lasso without end": (
        19,
        {"ring": [0.0] * (MAX_MASK_CORNERS + 2)},
        r"^ops\[19\].ring: expected at most",
    ),
    "a lasso of no category": (19, {"category_id": None}, r"^ops\[19\].category_id"),
    "to the same image": (
        20,
        {"to_image_id": 80},
        r"^ops\[20\].to_image_id: expected another image than 80",
    ),
    "one propagated twice": (20, {"instances": [7, 7]}, r"^ops\[20\].instances: 7 is named twice"),
    "too many propagated": (
        20,
        {"instances": list(range(201))},
        r"^ops\[20\].instances: expected at most 200",
    ),
    "nothing propagated": (20, {"instances": []}, r"^ops\[20\].instances: expected at least 1"),
    "token a number": (4, {"token": 1}, r"^ops\[4\].token"),
    "token too long": (4, {"token": "x" * 201}, r"^ops\[4\].token"),
    "place negative": (4, {"at": -1}, r"^ops\[4\].at"),
}


@pytest.mark.parametrize(("changes", "reason"), BAD_REPORTS.values(), ids=BAD_REPORTS)
def test_bad_report_is_refused(changes, reason):
    report = {**sample("report.json"), **changes} if isinstance(changes, dict) else changes
    with pytest.raises(ValueError, match=reason) as error:
        read_operations(report)
    assert len(str(error.value)) < 250


@pytest.mark.parametrize(("at", "changes", "reason"), BAD_OPERATIONS.values(), ids=BAD_OPERATIONS)
def test_bad_operation_is_refused(at, changes, reason):
    report = sample("report.json")
    op = report["ops"][at]
    op.update(changes)
    for name in [name for name, value in changes.items() if value is ...]:
        del op[name]
    with pytest.raises(ValueError, match=reason) as error:
        read_operations(report)
    assert len(str(error.value)) < 250


@pytest.mark.parametrize("missing", ["version", "client", "ops"])
def test_every_field_of_a_report_is_needed(missing):
    report = sample("report.json")
    del report[missing]
    with pytest.raises(ValueError, match=f"^{missing}: missing"):
        read_operations(report)


def test_all_instances_of_a_report_are_counted_together():
    half = [[i, 1] for i in range(MAX_INSTANCES // 2 + 1)]
    report = sample("report.json")
    for op in report["ops"][:2]:
        op["instances"] = half
    with pytest.raises(ValueError, match=r"^ops\[1\].instances: more than"):
        read_operations(report)


BAD_MESSAGES = {
    "status": (lambda: InstanceState("maybe", 1, 1), "status: expected one of proposed"),
    "version": (lambda: InstanceState("proposed", -1, 1), "version: expected a whole number"),
    "missing state": (
        lambda: make_frame(1, 60, states={}),
        r"frame 1: states: expected the message's instances; these differ: \[3",
    ),
    "focus": (
        lambda: make_frame(1, 60, focus=99),
        "frame 1: focus: expected an instance of the message, got 99",
    ),
    "image status": (lambda: make_frame(1, 60, image_status="done"), "frame 1: image_status"),
    "place": (lambda: QueueFacts("t", 3, 3), "queue.at: 3 of 3"),
    "token": (lambda: QueueFacts("", 3, 0), "queue.token"),
    "unit": (lambda: QueueFacts("t", 3, 0, "project"), "queue.unit"),
    "twin places": (
        lambda: make_message(frames=(make_frame(1, 60), make_frame(1, 70))),
        "frames: expected each place once",
    ),
    "outside": (lambda: make_message(queue=QueueFacts("t", 2, 0)), r"frames: places \[2, 3\] of 2"),
    "colour": (lambda: ReviewCategory(1, "person", "red"), "category 1: color: expected #rrggbb"),
    "twin categories": (
        lambda: make_message(
            categories=(ReviewCategory(1, "a", "#000000"), ReviewCategory(1, "b", "#000000"))
        ),
        "categories: expected each id once",
    ),
}


@pytest.mark.parametrize(("make", "reason"), BAD_MESSAGES.values(), ids=BAD_MESSAGES)
def test_a_wrong_value_is_refused_at_birth(make, reason):
    with pytest.raises(ValueError, match=reason):
        make()


def test_an_empty_queue_is_a_queue():
    message = ReviewMessage((), QueueFacts("t", 0, 0))
    assert message.to_json()["frames"] == []


def view_report(**changes):
    values = {
        "version": 1,
        "seq": 5,
        "image": "digest-70",
        "score_threshold": 0.7,
        "selected": [7],
        "hidden_categories": [44],
        "display": Style(opacity=0.25).__dict__,
    }
    return {**values, **changes}


def test_a_view_that_was_chosen_on_one_image_holds_for_all_frames():
    view = _newest_view(make_message(), view_report())
    assert (view.score_threshold, view.hidden_categories, view.seq) == (0.7, (44,), 5)
    frame = _with_view(make_frame(1, 60), view)
    assert (frame.message.score_threshold, frame.message.ack) == (0.7, 5)
    assert frame.message.display.opacity == 0.25


def test_a_view_counts_once_and_only_for_images_of_the_message(caplog):
    assert _newest_view(make_message(), view_report(image="gone")) is None
    assert _newest_view(make_message(), view_report(seq=0)) is None
    message = make_message(
        frames=(_with_view(make_frame(2, 70), _newest_view(make_message(), view_report())),)
    )
    assert _newest_view(message, view_report()) is None
    assert _newest_view(make_message(), view_report(selected=[99])) is None
    assert caplog.text.count("view left out") == 2


def page_with_reviewer():
    import streamlit as st

    from pages.components.review import QueueFacts, ReviewMessage, reviewer, waiting_operations

    report = waiting_operations("r")
    acked = report.operations[-2].seq if report and report.operations else 0
    message = ReviewMessage(
        (), QueueFacts("t", 0, 0), ack_client=report.client if report else "", ack_seq=acked
    )
    answer = reviewer(message, key="r")
    st.text(f"{report and len(report.operations)} {answer and answer.operations}")


def test_a_page_has_the_operations_before_it_draws(caplog):
    app = AppTest.from_function(page_with_reviewer).run()
    assert not app.exception
    assert app.text[0].value == "None None"
    app.session_state["r"] = {"ops": sample("report.json")}
    assert app.run().text[0].value.startswith("25 (ReturnImage(seq=29, image_id=70")
    bad = copy.deepcopy(sample("report.json"))
    bad["ops"][0]["seq"] = "five"
    app.session_state["r"] = {"ops": bad}
    with caplog.at_level(logging.WARNING):
        assert app.run().text[0].value == "None None"
    assert "report left out: ops[0].seq" in caplog.text


def test_an_operation_that_cannot_be_read_does_not_hold_up_those_after_it():
    bad = sample("report.json")
    bad["ops"][8].update(changes=[], added=[])
    with pytest.raises(ValueError, match="expected changes or added instances, got neither"):
        read_operations(bad)
    operations = read_operations(bad, keeps_unreadable=True).operations
    assert operations[8] == Unreadable(13, "ops[8]: expected changes or added instances, got neither")
    assert operations[:8] + operations[9:] == OPERATIONS[:8] + OPERATIONS[9:]
    bad["ops"][8]["seq"] = 3
    with pytest.raises(ValueError, match="expected more than 12"):
        read_operations(bad, keeps_unreadable=True)


def test_the_page_has_bar_and_keys_in_their_places():
    html = component_html("review")
    assert html.index('data-part="stage"') < html.index('data-part="score"') < html.index('data-act="accept"')
    assert html.index('data-part="sheet"') < html.index("finish the image, go to the next")
    assert "<!-- more" in component_html("viewer")
    assert "<!-- more" not in html
