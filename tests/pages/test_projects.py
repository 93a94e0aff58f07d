"""The pages of projects without a browser: every section opens, and operations become decisions."""

import json
from dataclasses import replace

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError
from streamlit.testing.v1 import AppTest

from maskrcnn_core.categories import Category
from maskrcnn_core.errors import StoreError
from maskrcnn_core.images import encode_png
from maskrcnn_core.masks import Rle
from maskrcnn_core.scenes import draw_scene
from maskrcnn_core.store import patience
from maskrcnn_core.store.exchange import import_coco, import_images
from maskrcnn_core.store.places import DATA_VARIABLE, DATABASE_VARIABLE, StorePlace
from maskrcnn_core.store.queues import QueueFilter, QueueItem
from maskrcnn_core.store.store import Store
from pages.ui import cached
from pages.ui import review as review_component
from pages.ui.errors import harmless
from pages.ui.project.away import AWAY
from pages.ui.project.deciding import REVIEW_KINDS, take_operations
from pages.ui.project.pre_annotate import take_label
from pages.ui.project.queueing import keep_queue, look_at
from pages.ui.project.sections import SECTIONS
from pages.ui.review import (
    AddedInstance,
    ChangedInstance,
    Edit,
    Finish,
    Go,
    Redo,
    Relabel,
    ReviewReport,
    SetCrowd,
    SetStatus,
    Undo,
    Unreadable,
)
from pages.ui.review.messages import VERSION
from pages.ui.state import REVIEWER, ProjectUi
from tests.browser.conftest import ROOT
from tests.store.builders import change, make_project

CLIENT = "0123456789abcdef"


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    cached.open_store.clear()
    cached.pictures.clear()
    yield tmp_path / "data"
    cached.open_store.clear()
    cached.pictures.clear()


@pytest.fixture
def store(folder):
    store = Store(StorePlace.in_folder(folder))
    yield store
    store.close()


def open_page(name, who="ann"):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    if who:
        app.session_state["outbox"] = {"who": who}
    app.run()
    return app.switch_page(f"pages/{name}.py").run()


def test_tables_that_people_take_away_hold_no_formula(store):
    evil = ["=cmd|' /C calc'!A0", "+1", "-1", "@sum", "plain"]
    project = store.create_project("P", "=ann", categories=[Category(n, c, c) for n, c in enumerate(evil, 1)])
    image = encode_png(draw_scene(2).pixels)
    import_images(store, project.id, "=ann", [("=1+1.png", image)])
    quoted = [c if c == "plain" else f"'{c}" for c in evil]
    wanted = {
        "categories": {"name": quoted, "supercategory": quoted},
        "overview": {"image": ["'=1+1.png"]},
        "history": {"who": ["'=ann"]},
    }
    app = open_page("project")
    for section, columns in wanted.items():
        app.session_state["maskdesk"].project.section = section
        app.run()
        assert not app.exception
        tables = [table.value for table in app.dataframe if set(columns) <= set(table.value)]
        assert [{name: list(dict.fromkeys(t[name])) for name in columns} for t in tables] == [columns]


def test_without_a_project_both_pages_say_what_to_do(folder):
    app = open_page("project")
    assert not app.exception and app.title[0].value == "Make a project"
    app.switch_page("pages/review.py").run()
    assert not app.exception and "There is no project yet" in app.info[0].value


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.key)
@pytest.mark.parametrize("images", [0, 2])
def test_every_section_opens(store, section, images):
    project = make_project(store, images=0)
    pictures = [(f"{n} ![x](http://a).png", encode_png(draw_scene(n).pixels)) for n in range(images)]
    import_images(store, project, "ann", pictures)
    app = open_page("project")
    app.session_state["maskdesk"].project.section = section.key
    app.run()
    assert not app.exception and not app.error
    assert app.title[0].value == "Cells"


def test_boxes_without_masks_are_offered_to_a_network_and_become_proposals(store):
    project = make_project(store, images=0)
    scene = draw_scene(200_007)
    height, width = scene.pixels.shape[:2]
    boxes = [list(mask.box_xywh) for mask in scene.masks]
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": width, "height": height}],
        "categories": [{"id": 1, "name": "circle"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1, "bbox": box} for n, box in enumerate(boxes, start=1)
        ],
    }
    data, pictures = json.dumps(document).encode(), {"a.png": encode_png(scene.pixels)}
    report = import_coco(store, project, "ann", data, pictures.get, name="boxes.json")
    app = open_page("project")
    app.session_state["maskdesk"].project.report = report
    app.session_state["maskdesk"].project.section = "images"
    app.run()
    assert not app.exception
    assert any(f"{len(boxes)} annotations hold boxes only, no mask" in info.value for info in app.info)
    app.selectbox(key=f"fill-model-{project}-0").select("starter").run()
    app.button(key="fill-boxes").click().run()
    assert not app.exception and not app.error
    rows = store.instances(project)
    assert 0 < len(rows) <= len(boxes) and {(row.status, row.source) for row in rows} == {
        ("proposed", "starter")
    }
    told = app.session_state["maskdesk"].project.report
    assert told.boxes == () and f"{len(rows)} of {len(boxes)} boxes became proposals" in told.notes[-1]


def test_a_split_of_too_few_images_is_refused_in_a_sentence(store):
    project = make_project(store, images=0)
    import_images(store, project, "ann", [("a.png", encode_png(draw_scene(1).pixels))])
    app = open_page("project")
    app.session_state["maskdesk"].project.section = "out"
    app.run()
    app.checkbox(key="out-split").check().run()
    assert not app.exception and "at least 2 images" in app.error[0].value
    app.checkbox(key="out-split").uncheck().run()
    app.button(key="out-prepare").click().run()
    assert not app.exception and not app.error
    prepared = app.session_state["maskdesk"].project_file
    assert prepared.name == "Cells_coco.json" and prepared.notes


def test_an_export_holds_what_people_accepted_and_says_what_stays_out(store):
    project = make_project(store)
    first = store.instances(project)[0]
    store.decide(project, "ann", "accept", [change(first, status="accepted")])
    app = open_page("project")
    app.session_state["maskdesk"].project.section = "out"
    app.run()
    proposed = sum(row.status == "proposed" for row in store.instances(project))
    shown = [caption.value for caption in app.caption]
    assert any(" 1 instance." in text for text in shown)
    assert any(text.startswith(f"{proposed} proposals that nobody has accepted stay out") for text in shown)
    app.selectbox(key="out-statuses").select("accepted and proposed").run()
    shown = [caption.value for caption in app.caption]
    assert any(text.startswith(f"{proposed} of them are proposals") for text in shown)


def test_a_link_to_nothing_opens_nothing_else(store):
    project = make_project(store, images=0)
    import_images(store, project, "ann", [("a.png", encode_png(draw_scene(1).pixels))])
    app = open_page("project")
    app.query_params["project"] = "99"
    app.run()
    assert not app.exception and "no project 99" in app.error[0].value and not app.title
    next(button for button in app.button if button.key == "open-another").click().run()
    assert not app.error and app.title[0].value == "Cells"
    app.switch_page("pages/review.py").run()
    assert app.session_state["maskdesk"].project.review.item == QueueItem(store.images(project)[0].id)
    app.query_params["image"] = "12345"
    app.run()
    assert "no image 12345" in app.warning[0].value


def test_a_name_that_the_browser_remembers_is_taken_until_another_is_given(store):
    make_project(store)
    app = open_page("project", who="")
    assert app.text_input(key="who").value == "", "not the server's user"
    app.session_state["outbox"] = {"who": " Ann "}
    app.run()
    assert app.text_input(key="who").value == app.session_state["maskdesk"].project.who == "Ann"
    app.text_input(key="who").set_value("Bob").run()
    app.session_state["outbox"] = {"who": "Ann"}
    app.run()
    assert app.session_state["maskdesk"].project.who == "Bob"


def test_what_nobody_did_is_not_done_and_a_name_is_asked_for(store):
    project = make_project(store)
    before = len(store.journal(project))
    app = open_page("project", who="")
    app.session_state["maskdesk"].project.section = "images"
    app.run()
    app.toggle[0].set_value(False).run()
    assert not app.exception and "give yours under" in app.error[0].value
    assert len(store.journal(project)) == before
    app.text_input(key="who").set_value("Ann").run()
    assert not app.error and store.journal(project)[0].who == "Ann", "what was wanted is done"


def test_who_makes_the_first_project_is_asked_for_their_name_with_it(folder):
    app = open_page("project", who="")
    fields = {box.label: box for box in app.text_input}
    fields["Name of the new project"].set_value("First")
    app.button[0].click().run()
    assert not app.exception and "give yours" in app.error[0].value
    fields = {box.label: box for box in app.text_input if box.key != "who"}
    fields["Your name, for the journal"].set_value("Ann")
    app.button[0].click().run()
    assert not app.exception and not app.error and app.title[0].value == "First"
    assert app.text_input(key="who").value == app.session_state["maskdesk"].project.who == "Ann"


@pytest.mark.parametrize(("page", "key"), [("review", REVIEWER), ("models", "outbox")])
def test_decisions_without_a_name_wait_until_the_page_was_told_whose_they_are(store, page, key):
    project = make_project(store)
    image, row = store.images(project)[0], store.instances(project)[0]
    decision = {"seq": 1, "kind": "set_status", "image_id": image.id, "status": "accepted"}
    finish = {"image_id": image.id, "image_version": image.version, "status": "reviewed"}
    ops = [{**decision, "instances": [[row.id, row.version]]}, {"seq": 2, "kind": "finish", **finish}]
    sent = {"version": VERSION, "client": CLIENT, "ops": ops}
    app = open_page(page, who="")
    app.session_state[key] = {"ops": sent}
    app.run()
    assert any("2 decisions not saved yet" in warning.value for warning in app.warning)
    assert store.journal(project)[0].kind == "add instances"
    app.text_input(key="whose-name").set_value("Ann")
    next(b for b in app.button if b.label == "Save them under this name").click().run()
    assert app.session_state["maskdesk"].project.who == "Ann"
    for one in ops:
        one["who"] = "Ann"  # as the browser sends them, now that it was told
    app.session_state[key] = {"ops": sent}
    app.run()
    assert not app.warning and not app.exception
    done = [(one.who, one.kind) for one in store.journal(project)]
    assert done[:2] == [("Ann", "finish image"), ("Ann", "accept")]


def test_names_in_menus_keep_their_look_and_mean_nothing():
    assert harmless("a *b* é 🐈 x-1.png") == "a ＊b＊ é 🐈 x-1.png"
    assert harmless("24_8_k.jpg") == "24_8_k.jpg", "within a word it means nothing"
    assert harmless("_b_ __c__ _") == "＿b＿ ＿＿c＿＿ ＿"
    shown = harmless("![x](http://a) :smile: $x$ <b>`")
    assert not set(shown) & set("`*_[]()#+!|<>~$:&@/")


def test_the_review_page_opens_with_its_queue_and_progress(store):
    project = make_project(store, images=0)
    import_images(store, project, "ann", [("a.png", encode_png(draw_scene(1).pixels))])
    app = open_page("review")
    assert not app.exception and not app.error
    review = app.session_state["maskdesk"].project.review
    image = store.images(project)[0]
    assert review.queue == (QueueItem(image.id),)
    assert store.images(project)[0].status == "opened", "somebody has seen it"
    assert app.query_params["image"] == str(image.id)


def test_a_store_that_cannot_be_used_is_named_and_other_pages_work(folder):
    folder.mkdir()
    (folder / "maskdesk.db").write_bytes(b"")
    app = open_page("project")
    assert not app.exception and "empty \\(0 bytes\\)" in app.error[0].value
    app.switch_page("pages/models.py").run()
    assert not app.exception and not app.error
    assert (folder / "maskdesk.db").read_bytes() == b"", "and left as it is"


def test_while_the_database_is_away_the_desk_stays_and_goes_on_when_it_is_back(store, monkeypatch):
    project = make_project(store, images=0)
    import_images(store, project, "ann", [("a.png", encode_png(draw_scene(1).pixels))])
    image, drawn = store.images(project)[0], []
    mount = review_component._mount

    def record(**what):
        drawn.append(what["data"])
        return mount(**what)

    def gone(*_):
        raise DBAPIError("", {}, Exception("gone"), connection_invalidated=True)

    monkeypatch.setattr(review_component, "_mount", record)
    app = open_page("review")
    assert drawn[-1]["is_away"] is False
    finish = {"seq": 1, "kind": "finish", "image_id": image.id, "image_version": image.version}
    ops = [{**finish, "status": "reviewed", "who": "Ann"}]
    app.session_state[REVIEWER] = {"ops": {"version": VERSION, "client": CLIENT, "ops": ops}}
    with monkeypatch.context() as away:
        away.setattr(patience, "_begin", gone)
        app.run()
        assert not app.exception and not app.error
        assert [warning.value for warning in app.warning] == [AWAY]
        assert drawn[-1] == drawn[0] | {"is_away": True} and drawn[-1]["ack_seq"] == 0
        app.switch_page("pages/project.py").run()
        assert not app.exception and [warning.value for warning in app.warning] == [AWAY]
        app.switch_page("pages/review.py").run()
    app.session_state[REVIEWER] = {"ops": {"version": VERSION, "client": CLIENT, "ops": ops}}
    app.run()
    assert not app.exception and not app.warning
    assert (drawn[-1]["is_away"], drawn[-1]["ack_seq"]) == (False, 1)
    assert store.images(project)[0].status == "reviewed" and store.journal(project)[0].who == "Ann"


# -- operations -----------------------------------------------------------------------------------


@pytest.fixture
def ui(store):
    project = make_project(store)
    ui = ProjectUi(who="ann")
    ui.open(project)
    ui.review.queue = tuple(QueueItem(image.id) for image in store.images(project))
    ui.review.token = "queue"
    return ui


def report(*operations):
    return ReviewReport(CLIENT, operations, names={one.seq: "ann" for one in operations})


def seen(store, ui, count=1):
    rows = store.instances(ui.id)[:count]
    return rows[0].image_id, tuple((row.id, row.version) for row in rows)


def test_operations_are_carried_out_in_order_and_each_once(store, ui):
    image, rows = seen(store, ui, 2)
    (category,) = [c.id for c in store.categories(ui.id) if c.name == "nucleus"]
    log = report(
        SetStatus(1, image, "accepted", rows),
        Relabel(2, image, category, ((rows[0][0], rows[0][1] + 1),)),
        Finish(3, image, 1, "reviewed"),
        Go(4, "queue", 1),
    )
    for _ in range(2):  # sent again, as after a lost connection
        take_operations(store, ui, log)
    ui.review.acks.clear()
    take_operations(store, ui, log)  # also by a session that knows nothing of the first
    found = store.instances(ui.id)[:2]
    assert [row.status for row in found] == ["accepted"] * 2 and found[0].category_id == category
    assert store.images(ui.id)[0].status == "reviewed" and ui.review.at == 1
    kinds = [e.kind for e in store.journal(ui.id)][:3]
    assert kinds == ["finish image", "relabel", "accept"] and set(kinds) <= REVIEW_KINDS
    assert ui.review.acks == {CLIENT: 4} and ui.review.refused == {}


def test_what_an_operation_makes_is_named_by_it_also_in_another_session(store, ui):
    image, _ = seen(store, ui)
    row, other = store.instances(ui.id, image_id=image)[0], store.categories(ui.id)[1].id
    half = row.mask.to_mask()
    half[:, : half.shape[1] // 4] = False
    piece = Rle.from_mask(half).counts
    cut = Edit(
        1, image, "cut", (ChangedInstance(row.id, row.version, row.counts),), (AddedInstance(other, piece),)
    )
    take_operations(store, ui, report(cut))
    (made,) = ui.review.made[CLIENT][1]
    assert store.instances(ui.id, ids=[made])[0].counts == piece
    take_operations(store, ui, report(cut, SetStatus(2, image, "rejected", (((1, 0), 1),))))
    assert store.instances(ui.id, ids=[made])[0].status == "rejected"
    fresh = ProjectUi(id=ui.id, who="ann")
    again = report(
        cut,
        SetStatus(2, image, "rejected", (((1, 0), 1),)),
        Edit(3, image, "remove", (ChangedInstance((1, 0), 2, None),)),
    )
    take_operations(store, fresh, again)
    assert store.instances(ui.id, ids=[made]) == []
    assert fresh.review.refused == {}
    take_operations(store, fresh, report(SetStatus(4, image, "accepted", (((3, 0), 1),))))
    assert "has not been made" in fresh.review.refused[CLIENT][0].text
    for seq in (5, 6):
        take_operations(store, fresh, report(Undo(seq)))
    assert store.instances(ui.id, ids=[made])[0].status == "accepted"


def test_a_crowd_is_marked_in_one_decision_that_a_review_can_undo(store, ui):
    image, rows = seen(store, ui, 2)
    take_operations(store, ui, report(SetCrowd(1, image, True, rows)))
    assert [row.is_crowd for row in store.instances(ui.id)[:3]] == [True, True, False]
    assert [row.status for row in store.instances(ui.id)[:3]] == ["accepted", "accepted", "proposed"]
    again = tuple((id_, version + 1) for id_, version in rows[:1])
    take_operations(store, ui, report(SetCrowd(2, image, False, again)))
    assert [row.is_crowd for row in store.instances(ui.id)[:2]] == [False, True]
    kinds = [entry.kind for entry in store.journal(ui.id)][:2]
    assert kinds == ["mark as one object", "mark as crowd"] and set(kinds) <= REVIEW_KINDS
    take_operations(store, ui, report(Undo(3), Undo(4)))
    assert not any(row.is_crowd for row in store.instances(ui.id))
    assert {row.status for row in store.instances(ui.id)[:3]} == {"proposed"}
    take_operations(store, ui, report(SetCrowd(5, image, True, rows[:1])))  # of a version that has gone
    (refusal,) = ui.review.refused[CLIENT]
    assert refusal.text.startswith("mark as crowd 1, image 1.png: ")


def test_a_decision_is_whose_the_browser_says_whatever_the_session_knows(store, ui):
    image, rows = seen(store, ui)
    ui.who = "root"  # of a server that has begun anew
    log = report(SetStatus(1, image, "rejected", rows), Undo(2), Redo(3))
    take_operations(store, ui, replace(log, names=dict.fromkeys((1, 2, 3), "Ann")))
    assert [entry.who for entry in store.journal(ui.id)[:3]] == ["Ann"] * 3
    assert (ui.who, ui.is_named) == ("Ann", True), "so that the answer says what Ann can undo"
    assert ui.review.acks == {CLIENT: 3} and store.instances(ui.id)[0].status == "rejected"


def test_what_is_nobodys_is_not_acknowledged_nor_is_what_comes_after_it(store, ui):
    image, rows = seen(store, ui, 2)
    log = report(
        Go(1, "queue", 1),
        SetStatus(2, image, "rejected", rows[:1]),
        SetStatus(3, image, "accepted", rows[1:]),
    )
    before = len(store.journal(ui.id))
    take_operations(store, ui, replace(log, names={3: "Ann"}))
    assert ui.review.acks == {CLIENT: 1} and ui.nameless == {CLIENT: 2}
    assert len(store.journal(ui.id)) == before
    take_operations(store, ui, log)
    assert ui.review.acks == {CLIENT: 3} and ui.nameless == {}


def test_a_refusal_belongs_to_the_project_of_its_image(store, ui):
    image, rows = seen(store, ui)
    store.decide(ui.id, "bob", "reject", [change(store.instances(ui.id)[0], status="rejected")])
    here, other = ui.id, store.create_project("Other", "ann").id
    ui.open(other)
    take_operations(store, ui, report(SetStatus(1, image, "accepted", rows), Unreadable(2, "odd")))
    assert [refusal.project_id for refusal in ui.review.refused[CLIENT]] == [here, other]


def test_an_edit_that_cannot_be_is_refused_in_a_sentence_and_the_next_one_is_carried_out(store, ui):
    image, _ = seen(store, ui)
    row = store.instances(ui.id, image_id=image)[0]
    bad = Edit(1, image, "brush", (ChangedInstance(row.id, row.version, "0"),))
    good = Edit(2, image, "remove", (ChangedInstance(row.id, row.version, None),))
    take_operations(store, ui, report(bad, good))
    take_operations(store, ui, report(good, Unreadable(3, "ops[1]: odd")))
    refusal, odd = ui.review.refused[CLIENT]
    assert refusal.seq == 1
    assert refusal.text.startswith("brush, image 1.png: counts: ")
    assert (odd.seq, "ops[1]: odd" in odd.text, ui.review.acks[CLIENT]) == (3, True, 3)
    assert row.id not in {r.id for r in store.instances(ui.id)}


def test_a_refused_operation_is_told_and_the_next_ones_are_carried_out(store, ui):
    image, rows = seen(store, ui, 2)
    store.decide(ui.id, "bob", "reject", [change(store.instances(ui.id)[0], status="rejected")])
    take_operations(
        store,
        ui,
        report(SetStatus(1, image, "accepted", rows[:1]), SetStatus(2, image, "accepted", rows[1:])),
    )
    assert [row.status for row in store.instances(ui.id)[:2]] == ["rejected", "accepted"]
    (refusal,) = ui.review.refused[CLIENT]
    assert refusal.seq == 1 and "somebody else" in refusal.text
    take_operations(store, ui, report(SetStatus(3, 10**9, "accepted", ((1, 1),))))
    assert "no such image" in ui.review.refused[CLIENT][1].text and ui.review.acks[CLIENT] == 3


def test_what_the_disk_refuses_is_not_acknowledged_and_comes_again(store, ui, monkeypatch):
    image, rows = seen(store, ui, 2)
    log = report(SetStatus(1, image, "accepted", rows[:1]), SetStatus(2, image, "accepted", rows[1:]))
    decide, calls = store.decide, []

    def fail_second(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise StoreError("the disk is full") from OperationalError("", {}, Exception("full"))
        return decide(*arguments, **options)

    monkeypatch.setattr(store, "decide", fail_second)
    with pytest.raises(StoreError, match="disk is full"):
        take_operations(store, ui, log)
    assert ui.review.acks == {CLIENT: 1}
    take_operations(store, ui, log)
    assert [row.status for row in store.instances(ui.id)[:2]] == ["accepted"] * 2
    assert ui.review.acks == {CLIENT: 2}


def test_a_review_undoes_reviews_and_goes_where_it_happened(store, ui):
    image, rows = seen(store, ui)
    ui.review.at = 1
    take_operations(store, ui, report(SetStatus(1, image, "rejected", rows), Undo(2), Undo(3), Redo(4)))
    assert ui.review.at == 0
    assert store.instances(ui.id)[0].status == "rejected"
    told = [(remark.seq, remark.text.partition(",")[0]) for remark in ui.review.remarks[CLIENT]]
    assert told == [(2, "taken back: reject"), (4, "done again: reject")]
    assert len(store.instances(ui.id)) == 6, "what came before the review stands"


def test_decisions_of_another_project_go_where_they_belong(store, ui):
    image, rows = seen(store, ui)
    mine = ui.id
    ui.open(make_project(store, name="Other"))
    take_operations(store, ui, report(SetStatus(1, image, "accepted", rows)))
    assert store.journal(mine)[0].kind == "accept"
    assert [f.status for f in store.facts(ui.id)] == ["proposed"] * 6


def test_a_place_in_another_queue_means_nothing(store, ui):
    take_operations(store, ui, report(Go(1, "another", 1), Go(2, "queue", 7)))
    assert ui.review.at == 0 and ui.review.acks == {CLIENT: 2}


# -- the queue ------------------------------------------------------------------------------------


class Project:
    """What the queue asks of an open project."""

    def __init__(self, store, id_):
        self.row = store.project(id_)
        self.images, self.facts = tuple(store.images(id_)), tuple(store.facts(id_))
        self.categories = store.categories(id_)


def test_the_queue_stands_still_while_people_decide(store, ui):
    review = ui.review
    review.wanted = QueueFilter(statuses=frozenset({"proposed"}))
    keep_queue(Project(store, ui.id), review)
    before = review.queue, review.token
    rows = [r for r in store.instances(ui.id) if r.image_id == before[0][0].image_id]
    store.decide(ui.id, "ann", "accept", [change(row, status="accepted") for row in rows])
    keep_queue(Project(store, ui.id), review)
    assert (review.queue, review.token) == before
    review.made_of = None  # asked for anew
    keep_queue(Project(store, ui.id), review)
    assert review.queue == before[0][1:] and review.token != before[1]


def test_a_link_is_followed_once_and_brings_in_what_the_queue_has_not(store, ui):
    review, project = ui.review, Project(store, ui.id)
    review.wanted = QueueFilter(image_statuses=frozenset({"reviewed"}))
    keep_queue(project, review)
    assert review.queue == ()
    second = project.images[1].id
    look_at(project, review, second, None)
    assert review.item == QueueItem(second)
    review.address = (second, None)
    review.wanted = QueueFilter()
    keep_queue(project, review)
    review.at = 0 if review.queue[0].image_id != second else 1
    here = review.item
    look_at(project, review, second, None)
    assert review.item == here, "the page's own address is no link"
    look_at(project, review, 10**9, None)
    assert review.item == here, "nor is one to nothing"


@pytest.mark.parametrize(
    ("missing", "has_some", "words"),
    [(80, False, "80 categories"), (1, False, "1 category"), (79, True, "79 other categories")],
)
def test_only_who_has_categories_is_offered_other_ones(missing, has_some, words):
    assert take_label(missing, has_some=has_some) == f"Take the model's {words} into the project"
