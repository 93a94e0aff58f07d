"""What the page says of models that the app fetches, and how one takes over, without a browser."""

import shutil
import threading
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models import fetching
from maskrcnn_core.models.catalog import model_by_key
from maskrcnn_core.models.downloads import DownloadFailed
from maskrcnn_core.models.fetching import (
    FETCH_VARIABLE,
    Fetcher,
    FetchFailure,
    FetchStatus,
    forbidden_by,
    set_fetching,
)
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.store import Store
from maskrcnn_core.synthetic.samples import SAMPLES
from pages.shared.images_project import project_of_open_images
from tests.builders.projects import change
from tests.shared_data import shared_path

ROOT = Path(__file__).parents[3]
MOBILE, BEST = model_by_key("mobile"), model_by_key("coco-v2")


@pytest.fixture
def weights(monkeypatch, tmp_path):
    """A fresh machine that may fetch; gives the folder of weights."""
    for name in ("MASKDESK_WEIGHTS", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "weights"))
    monkeypatch.setenv("MASKDESK_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv(FETCH_VARIABLE, "")
    return tmp_path / "weights"


@pytest.fixture
def fetcher(weights, monkeypatch):
    """A fetcher that each hub refuses; tests say themselves where it stands."""

    def refuse(*_, **__):
        raise DownloadFailed("refused once more", "refused")

    one = Fetcher(refuse, lambda key: None)
    monkeypatch.setattr("pages.shared.fetching.fetcher", lambda: one)
    return one


def open_app(page="pages/annotate/page.py"):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    return app.switch_page(page).run() if page != "pages/annotate/page.py" else app


def state_of(app):
    return app.session_state["maskdesk"]


def said(app):
    assert not app.exception and not app.error
    return " | ".join(row.value.replace("\\", "") for row in app.caption)


def wait_for_answers(app):
    for queued in list(state_of(app).workspace._queued.values()):
        assert queued.wait(120)
    return app.run()


def test_a_test_of_a_page_fetches_nothing(weights):
    app = open_app()
    said(app)
    assert fetching.fetcher().status == FetchStatus()


def test_progress_names_size_and_licence_and_what_comes_then(fetcher):
    app = open_app()
    app.button(key=f"sample-{SAMPLES[0].key}").click().run()
    wait_for_answers(app)
    fetcher._status = FetchStatus("fetching", MOBILE, 1_000_000, MOBILE.size_bytes, (BEST,))
    app.run()
    words = said(app)
    assert "A rough result after " in words and " s, by Photos (COCO, in the box)." in words
    assert f"Next: {BEST.title}, 186 MB, BSD-3-Clause" in words
    (bar,) = [row for row in app.get("progress") if "Fetching" in row.proto.text]
    assert "1.0 of 3.8 MB, Apache" in bar.proto.text
    app.button(key="fetch-cancel").click().run()
    assert fetcher.status.stage == "cancelled"
    assert f"Stopped fetching {MOBILE.title} at 1.0 of 3.8 MB" in said(app)
    app.button(key="fetch-retry").click().run()
    assert fetcher.wait(10)
    assert [(f.spec, f.trouble) for f in fetcher.status.failures] == [(MOBILE, "refused"), (BEST, "refused")]


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("no network", "No network, so no better model: using the small built-in model."),
        ("cut", "was not fetched: the connection was interrupted"),
        ("wrong file", "was not fetched: the file was wrong or damaged, and was deleted"),
        ("no room", "was not fetched: no room on the disk"),
    ],
)
def test_one_quiet_line_says_why_nothing_came_and_offers_another_try(fetcher, trouble, words):
    fetcher._status = FetchStatus("done", failures=(FetchFailure(MOBILE, trouble, "the whole story"),))
    app = open_app()
    assert words in said(app)
    app.button(key="fetch-retry").click().run()
    assert fetcher.wait(10)
    words_now = said(app.run())
    assert words not in words_now
    assert words_now.count("was not fetched: refused") == 2
    assert words_now.count("Tried again at ") == 1, "and what came of it is said"


def test_a_try_is_seen_before_anything_comes(fetcher, weights, monkeypatch):
    fetcher._status = FetchStatus("done", failures=(FetchFailure(MOBILE, "no network", "the whole story"),))
    app = open_app()
    assert "Tried again" not in said(app)
    asked, answer = threading.Event(), threading.Event()

    def wait_and_refuse(*_, **__):
        asked.set()
        assert answer.wait(60)
        raise DownloadFailed("still none", "no network")

    monkeypatch.setattr(fetcher, "_fetch", wait_and_refuse)
    app.button(key="fetch-retry").click().run()
    assert asked.wait(60)
    said(app)
    (bar,) = [row.proto.text.replace("\\", "") for row in app.get("progress")]
    assert bar == f"Trying to fetch {MOBILE.title}, 3.8 MB, Apache-2.0 ..."
    answer.set()
    assert fetcher.wait(60)
    assert "No network" in said(app.run()) and "Tried again at " in said(app)


def test_who_has_chosen_a_model_is_not_told_that_no_other_came(fetcher):
    fetcher._status = FetchStatus("done", failures=(FetchFailure(MOBILE, "no network", "the whole story"),))
    app = open_app()
    assert "No network" in said(app)
    app.button(key="domain-drawings").click().run()
    assert "No network" not in said(app)
    assert "fetch-retry" not in {button.key for button in app.button}
    app.button(key="domain-photos").click().run()
    assert "No network" in said(app), "the model in the box is used as no other came"
    app.selectbox(key=state_of(app).model_widget).set_value("shapes").run()
    app.selectbox(key=state_of(app).model_widget).set_value("photos").run()
    assert "No network" not in said(app), "this one was chosen"


def test_who_has_switched_fetching_off_is_not_told_that_nothing_came(fetcher):
    fetcher._status = FetchStatus("done", failures=(FetchFailure(MOBILE, "no network", "the whole story"),))
    app = open_app()
    assert app.button(key="fetch-retry")
    set_fetching(False)
    assert "No network" not in said(app.run())
    assert "fetch-retry" not in {button.key for button in app.button}


def test_a_better_model_takes_over_once_it_has_answered_and_can_be_switched_back(fetcher, weights):
    app = open_app()
    app.button(key=f"sample-{SAMPLES[0].key}").click().run()
    wait_for_answers(app)
    state = state_of(app)
    assert state.model_key == "photos" and state.took_over is None
    state.selected = (0,)

    shutil.copytree(shared_path("weights", "maskrcnn2go"), weights / "maskrcnn2go")
    fetcher._status = FetchStatus("done", ready=("mobile",))
    app.run()
    words = said(app)
    assert state.model_key == "photos", "its answers stay until the better one has its own"
    assert "has taken over" not in words and "A rough result" in words
    wait_for_answers(app)
    assert state.model_key == "mobile" and app.selectbox(key=state.model_widget).value == "mobile"
    assert state.selected == () and state.thresholds.score_threshold == MOBILE.score_threshold
    assert f"{MOBILE.title} has taken over from Photos (COCO, in the box)." in said(app)
    assert app.toast[0].value.replace("\\", "") == f"{MOBILE.title} has taken over"
    app.run()
    assert not app.toast, "it is said once"

    app.button(key="fetch-switch-back").click().run()
    assert state.model_key == "photos" and "has taken over" not in said(app)
    assert state.thresholds.score_threshold == model_by_key("photos").score_threshold
    app.run()
    assert state.model_key == "photos", "who has switched back is not asked again"


def test_what_people_decided_in_a_project_stays_when_a_better_model_takes_over(fetcher, weights, tmp_path):
    app = open_app()
    app.button(key=f"sample-{SAMPLES[0].key}").click().run()
    wait_for_answers(app)
    state = state_of(app)
    state.project.call("ann")
    store = Store(StorePlace.in_folder(tmp_path / "projects"))
    try:
        project = project_of_open_images(store, state, Predictor(get_model("photos")))
        first = store.instances(project)[0]
        store.decide(project, "ann", "accept", [change(first, status="accepted")])
        decided = store.instances(project)
        assert "accepted" in {row.status for row in decided}

        shutil.copytree(shared_path("weights", "maskrcnn2go"), weights / "maskrcnn2go")
        fetcher._status = FetchStatus("done", ready=("mobile",))
        app.run()
        wait_for_answers(app)
        assert state.model_key == "mobile" and "Projects stay as they are." in said(app)
        assert project_of_open_images(store, state, Predictor(get_model("mobile"))) == project
        assert store.instances(project) == decided
    finally:
        store.close()


def test_a_model_that_a_person_chose_stays(fetcher, weights):
    app = open_app()
    app.selectbox(key="model-choice").set_value("shapes").run()
    app.selectbox(key="model-choice").set_value("photos").run()
    shutil.copytree(shared_path("weights", "maskrcnn2go"), weights / "maskrcnn2go")
    fetcher._status = FetchStatus("done", ready=("mobile",))
    app.run()
    assert state_of(app).model_key == "photos" and "has taken over" not in said(app)


def test_the_switch_on_the_models_page_is_kept_and_stops_what_is_under_way(fetcher):
    fetcher._status = FetchStatus("fetching", MOBILE, 5, 10, (BEST,))
    app = open_app("pages/models/page.py")
    assert app.toggle(key="fetch-setting").value is True
    assert f"Better models not fetched yet: {MOBILE.title}, 3.8 MB, Apache-2.0" in said(app)
    app.toggle(key="fetch-setting").set_value(False).run()
    assert forbidden_by() == "switched off in the app" and fetcher.status.stage == "cancelled"
    app.toggle(key="fetch-setting").set_value(True).run()
    assert forbidden_by() == ""
    said(app)


def test_where_a_variable_has_decided_the_switch_is_dead(fetcher, monkeypatch):
    monkeypatch.setenv(FETCH_VARIABLE, "no")
    app = open_app("pages/models/page.py")
    switch = app.toggle(key="fetch-setting")
    assert switch.disabled and switch.value is False
    assert f"This is switched off: {FETCH_VARIABLE}=no." in said(app)


def test_the_message_of_a_failure_is_there_to_be_read(fetcher):
    story = str(DownloadFailed("model_init.pb: hub stopped after 5 of 9 bytes", "cut"))
    fetcher._status = FetchStatus("done", failures=(FetchFailure(MOBILE, "cut", story),))
    app = open_app()
    (line,) = [row for row in app.caption if "was not fetched" in row.value]
    assert "hub stopped" in line.help.replace("\\", "")
