"""The pages of projects without a browser: every section opens, and says what cannot be."""

import json
import os
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError
from streamlit.testing.v1 import AppTest

from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.projects import standing
from maskrcnn_core.projects.db import patience
from maskrcnn_core.projects.exchange.coco_in import import_coco
from maskrcnn_core.projects.exchange.images_in import import_images
from maskrcnn_core.projects.proposals import supervising
from maskrcnn_core.projects.removal import delete_project
from maskrcnn_core.projects.review.review_queue import QueueFilter, QueueItem
from maskrcnn_core.synthetic.scenes import draw_scene
from pages.components import review as review_component
from pages.components.review_messages import VERSION
from pages.project.pre_annotate import take_label
from pages.project.sections import SECTIONS
from pages.project.state import PageUi
from pages.review.state import ReviewUi
from pages.shared.away import AWAY
from pages.shared.purging import keep_purging
from pages.shared.session import REVIEWER
from pages.shared.texts import harmless
from tests.browser.conftest import ROOT
from tests.builders.projects import change, make_project
from tests.integration.projects.test_supervising import Stage
from tests.integration.projects.test_worker import add as add_job

CLIENT = "0123456789abcdef"


def page_ui(app):
    return app.session_state["maskdesk"].of_project(PageUi)


def review_ui(app):
    return app.session_state["maskdesk"].of_project(ReviewUi)


def open_page(name, who="ann"):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    if who:
        app.session_state["outbox"] = {"who": who}
    app.run()
    return app.switch_page(f"pages/{name}/page.py").run()


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
        page_ui(app).section = section
        app.run()
        assert not app.exception
        tables = [table.value for table in app.dataframe if set(columns) <= set(table.value)]
        assert [{name: list(dict.fromkeys(t[name])) for name in columns} for t in tables] == [columns]


def test_what_became_of_a_worker_is_told_where_its_job_is_shown(store, monkeypatch):
    project = make_project(store)
    add_job(store, project, "nuclei")
    stage = Stage(store)
    monkeypatch.setitem(supervising._SUPERVISORS, store.place, stage.supervisor)
    monkeypatch.setattr(stage.supervisor, "watch", lambda: None)
    stage.look_after(0)
    stage.fall()
    app = open_page("project")
    page_ui(app).section = "model"
    app.run()
    assert not app.exception and "restarting in 2 s" in app.warning[0].value
    assert "worker-again" not in [button.key for button in app.button]
    while not stage.supervisor.is_given_up:
        stage.look_after(supervising.MOST_PAUSE)
        stage.fall()
    app.run()
    assert "ended 5 times in a row" in app.warning[0].value and "killed" in app.warning[0].value
    count = len(stage.started)
    app.button(key="worker-again").click().run()
    assert not app.exception and not app.warning and len(stage.started) == count + 1


def test_without_a_project_both_pages_say_what_to_do(folder):
    app = open_page("project")
    assert not app.exception and app.title[0].value == "Create a project"
    app.switch_page("pages/review/page.py").run()
    assert not app.exception and "There is no project yet" in app.info[0].value


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.key)
@pytest.mark.parametrize("images", [0, 2])
def test_every_section_opens(store, section, images):
    project = make_project(store, images=0)
    pictures = [(f"{n} ![x](http://a).png", encode_png(draw_scene(n).pixels)) for n in range(images)]
    import_images(store, project, "ann", pictures)
    app = open_page("project")
    page_ui(app).section = section.key
    app.run()
    assert not app.exception and not app.error
    assert app.title[0].value == "Cells"


def test_a_project_is_renamed_and_described_and_whoever_looks_next_sees_it(store):
    project = make_project(store)
    other = open_page("project")
    app = open_page("project")
    page_ui(app).section = "settings"
    app.run()
    app.text_input(key=f"project-name-{project}-1").set_value("Zellen")
    next(button for button in app.button if button.label == "Rename").click().run()
    assert not app.error and app.title[0].value == "Zellen" and "Renamed to Zellen" in app.success[0].value
    app.text_area(key=f"project-description-{project}-2").set_value("*From* the north field")
    next(button for button in app.button if button.label == "Save").click().run()
    assert "*From* the north field" in [text.value for text in app.text]
    assert other.run().title[0].value == "Zellen"


def test_a_project_is_deleted_and_restored_and_its_links_say_so(store):
    project = make_project(store)
    app = open_page("project", "bob")
    page_ui(app).section = "settings"
    app.run()
    assert any("2 images, 6 instances and 3 decisions go" in text.value for text in app.text)
    app.button(key="delete-project").click().run()
    assert not app.error and app.title[0].value == "Create a project"
    assert "Deleted Cells; restore it under Deleted projects" in app.success[0].value.replace("\\", "")
    assert any("bob" in caption.value and "30 days left" in caption.value for caption in app.caption)
    review = open_page("review")
    review.query_params["project"] = str(project)
    review.run()
    assert "Project Cells: bob deleted it on" in review.error[0].value.replace("\\", "")
    make_project(store)
    link = open_page("project")
    link.query_params["project"] = str(project)
    link.run()
    assert "Project Cells: bob deleted it on" in link.error[0].value.replace("\\", "")
    app.run()
    assert app.text_input(key=f"restore-as-{project}").value == "Cells, restored"
    app.button(key=f"restore-{project}").click().run()
    assert not app.error and app.title[0].value == "Cells, restored"
    assert "Restored Cells" in app.success[0].value and store.deleted_projects() == []


def test_an_archived_project_is_out_of_the_menu_and_opened_to_be_looked_at(store):
    make_project(store, name="Other")
    project = make_project(store)
    app = open_page("project")
    menu = app.selectbox(key="project-choice")
    assert menu.options == ["Cells", "Other"], "the last used first"
    page_ui(app).section = "settings"
    app.run()
    app.button(key="archive-project").click().run()
    assert not app.error and "Cells is archived" in app.success[0].value
    assert "This project is archived" in app.info[0].value
    assert not any(text.label == "Name" for text in app.text_input)
    other = open_page("project")
    assert other.title[0].value == "Other" and other.selectbox(key="project-choice").options == ["Other"]
    other.button(key=f"open-archived-{project}").click().run()
    assert other.title[0].value == "Cells" and "This project is archived" in other.info[0].value
    assert "Cells, archived" in other.selectbox(key="project-choice").options
    app.button(key="archive-project").click().run()
    assert "Cells is back" in app.success[0].value and not store.project(project).is_archived


def test_chosen_images_are_removed_and_brought_back_under_history(store):
    project = make_project(store)
    app = open_page("project")
    (menu,) = [one for one in app.multiselect if one.label == "Images of this page"]
    assert menu.options == ["image 1.png", "image 2.png"]
    menu.select("image 2.png").run()
    assert any("3 instances on them would go along" in caption.value for caption in app.caption)
    app.button(key="remove-images").click().run()
    assert not app.error and "Removed 1 image with 3 instances" in app.success[0].value
    assert len(store.images(project)) == 1 and len(store.instances(project)) == 3
    page_ui(app).section = "history"
    app.run()
    app.button(key="history-Undo").click().run()
    assert len(store.images(project)) == 2 and len(store.instances(project)) == 6


def test_what_was_deleted_long_ago_goes_when_the_app_starts(store, monkeypatch):
    delete_project(store, "ann", store.project(make_project(store)))
    for file in Path(store.place.files).glob("*/*"):
        os.utime(file, (0, 0))
    monkeypatch.setattr(standing, "KEPT_DAYS", 0)

    class Enough(Exception):
        pass

    def stop(_):
        raise Enough

    with pytest.raises(Enough):
        keep_purging(store, stop)
    assert store.deleted_projects() == [] and list(Path(store.place.files).glob("*/*")) == []


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
    page_ui(app).report = report
    page_ui(app).section = "images"
    app.run()
    assert not app.exception
    assert any(f"{len(boxes)} annotations are boxes without a mask" in info.value for info in app.info)
    app.selectbox(key=f"fill-model-{project}-0").select("shapes").run()
    app.button(key="fill-boxes").click().run()
    assert not app.exception and not app.error
    rows = store.instances(project)
    assert 0 < len(rows) <= len(boxes) and {(row.status, row.source) for row in rows} == {
        ("proposed", "shapes")
    }
    told = page_ui(app).report
    assert told.boxes == () and f"{len(rows)} of {len(boxes)} boxes became proposals" in told.notes[-1]


def test_a_split_of_too_few_images_is_refused_in_a_sentence(store):
    project = make_project(store, images=0)
    import_images(store, project, "ann", [("a.png", encode_png(draw_scene(1).pixels))])
    app = open_page("project")
    page_ui(app).section = "out"
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
    page_ui(app).section = "out"
    app.run()
    proposed = sum(row.status == "proposed" for row in store.instances(project))
    shown = [caption.value for caption in app.caption]
    assert any(" 1 instance." in text for text in shown)
    assert any(
        text.startswith(f"{proposed} proposals that nobody has accepted are left out") for text in shown
    )
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
    app.switch_page("pages/review/page.py").run()
    assert review_ui(app).item == QueueItem(store.images(project)[0].id)
    app.query_params["image"] = "12345"
    app.run()
    assert "Image 12345 is not in this project" in app.warning[0].value


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
    page_ui(app).section = "images"
    app.run()
    app.toggle[0].set_value(False).run()
    assert not app.exception and "enter yours under" in app.error[0].value
    assert len(store.journal(project)) == before
    app.text_input(key="who").set_value("Ann").run()
    assert not app.error and store.journal(project)[0].who == "Ann", "what was expected is done"


def test_who_makes_the_first_project_is_asked_for_their_name_with_it(folder):
    app = open_page("project", who="")
    fields = {box.label: box for box in app.text_input}
    fields["New project's name"].set_value("First")
    app.button[0].click().run()
    assert not app.exception and "enter yours" in app.error[0].value
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
    review = review_ui(app)
    image = store.images(project)[0]
    assert review.queue == (QueueItem(image.id),)
    assert store.images(project)[0].status == "opened", "somebody has seen it"
    assert app.query_params["image"] == str(image.id)


def test_whoever_has_reviewed_all_is_led_to_the_export(store):
    project = make_project(store, images=0)
    import_images(store, project, "ann", [("a.png", encode_png(draw_scene(1).pixels))])
    store.decide(project, "ann", "finish", [change(store.images(project)[0], "image", status="reviewed")])
    app = open_page("project")
    assert page_ui(app).section == "overview"
    app.switch_page("pages/review/page.py").run()
    assert not app.exception and [one.value for one in app.success] == ["All reviewed: 1 image."]
    (link,) = app.get("page_link")
    assert link.proto.label == "Export"
    app.query_params["section"] = "out"
    app.switch_page("pages/project/page.py").run()
    assert page_ui(app).section == "out"
    page_ui(app).section = "overview"  # as a person chooses, while the address still has the old one
    app.run()
    assert page_ui(app).section == "overview"
    app.switch_page("pages/review/page.py").run()
    review_ui(app).make_of(QueueFilter(image_statuses=frozenset({"reviewed"}), least_score=0.99))
    app.run()
    assert "Nothing matches" in app.info[0].value


def test_a_store_that_cannot_be_used_is_named_and_other_pages_work(folder):
    folder.mkdir()
    (folder / "maskdesk.db").write_bytes(b"")
    app = open_page("project")
    assert not app.exception and "empty \\(0 bytes\\)" in app.error[0].value
    app.switch_page("pages/models/page.py").run()
    assert not app.exception and not app.error
    assert (folder / "maskdesk.db").read_bytes() == b"", "and left as it is"


def test_while_the_database_is_away_the_desk_stays_and_goes_on_when_it_is_back(store, monkeypatch):
    project = make_project(store, images=0)
    import_images(store, project, "ann", [("a.png", encode_png(draw_scene(1).pixels))])
    image, drawn = store.images(project)[0], []
    mount = review_component.mount

    def record(name, **what):
        drawn.append(what["data"])
        return mount(name, **what)

    def gone(*_):
        raise DBAPIError("", {}, Exception("gone"), connection_invalidated=True)

    monkeypatch.setattr(review_component, "mount", record)
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
        app.switch_page("pages/project/page.py").run()
        assert not app.exception and [warning.value for warning in app.warning] == [AWAY]
        app.switch_page("pages/review/page.py").run()
    app.session_state[REVIEWER] = {"ops": {"version": VERSION, "client": CLIENT, "ops": ops}}
    app.run()
    assert not app.exception and not app.warning
    assert (drawn[-1]["is_away"], drawn[-1]["ack_seq"]) == (False, 1)
    assert store.images(project)[0].status == "reviewed" and store.journal(project)[0].who == "Ann"


@pytest.mark.parametrize(
    ("missing", "has_some", "words"),
    [(80, False, "80 categories"), (1, False, "1 category"), (79, True, "79 other categories")],
)
def test_only_who_has_categories_is_offered_other_ones(missing, has_some, words):
    assert take_label(missing, has_some=has_some) == f"Add the model's {words} to the project"
