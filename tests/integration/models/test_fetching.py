"""Fetching in the background: in order, once for all, and honest about what kept a model from coming."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models import fetching
from maskrcnn_core.models.catalog import MODELS, model_by_key
from maskrcnn_core.models.downloads import DownloadCancelled, DownloadFailed
from maskrcnn_core.models.fetching import (
    FETCH_VARIABLE,
    FETCHED,
    Fetcher,
    fetch_notice,
    forbidden_by,
    is_better,
    models_to_fetch,
    set_fetching,
)


@pytest.fixture(autouse=True)
def fresh_machine(monkeypatch, tmp_path):
    """No weights, no network, no word about fetching; gives the folder of weights."""
    for name in ("MASKDESK_WEIGHTS", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "weights"))
    monkeypatch.setenv("MASKDESK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MASKDESK_MIRROR", "http://127.0.0.1:9")
    for name in (FETCH_VARIABLE, "CI"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "weights"


class Hub:
    """Brings models as it is told: each call takes the next of ``answers`` for its key, or brings it all."""

    def __init__(self, **answers):
        self.answers = {key.replace("_", "-"): list(rows) for key, rows in answers.items()}
        self.asked, self.loaded = [], []
        self.gate = threading.Event()
        self.gate.set()
        self.reached = threading.Event()

    def fetch(self, spec, *, on_progress, cancelled):
        self.asked.append(spec.key)
        rows = self.answers.get(spec.key, [])
        done, error = rows.pop(0) if rows else (spec.size_bytes, None)
        on_progress(done, spec.size_bytes)
        self.reached.set()
        assert self.gate.wait(10)
        if cancelled():
            raise DownloadCancelled("stopped")
        if error:
            raise error

    def load(self, key):
        self.loaded.append(key)


def run(hub):
    one = Fetcher(hub.fetch, hub.load, pause=0.0)
    one.begin()
    assert one.wait(10)
    return one.status


def test_the_small_one_comes_first_and_both_are_loaded():
    hub = Hub()
    status = run(hub)
    assert hub.asked == hub.loaded == list(FETCHED) == ["mobile", "coco-v2"]
    assert (status.stage, status.ready, status.failures) == ("done", tuple(FETCHED), ())


def test_what_is_fetched_is_better_than_what_is_here(fresh_machine):
    assert [spec.key for spec in models_to_fetch()] == ["mobile", "coco-v2"]
    fresh_machine.mkdir()
    for key, left in (("mobile", ["coco-v2"]), ("coco-v1", ["coco-v2"]), ("coco-v2", [])):
        file = fresh_machine / model_by_key(key).file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"weights")
        assert [spec.key for spec in models_to_fetch()] == left
    assert run(hub := Hub()).stage == "done" and hub.asked == []
    assert "nothing will be fetched" in fetch_notice()


def test_better_is_what_stands_above_in_the_table():
    photos, shapes_model = model_by_key("photos"), model_by_key("shapes")
    assert all(is_better(model_by_key(key), photos) for key in FETCHED)
    assert (
        is_better(photos, shapes_model)
        and not is_better(photos, photos)
        and not is_better(shapes_model, photos)
    )
    assert all(model_by_key(key).url and model_by_key(key) in MODELS for key in FETCHED)


def test_without_a_network_it_stops_at_the_first_and_says_so():
    status = Fetcher(load=lambda key: None, pause=0.0)
    status.begin()  # the real download, from a port at which nobody listens
    assert status.wait(60)
    now = status.status
    assert now.is_offline and now.stage == "done" and now.ready == ()
    assert [failure.spec.key for failure in now.failures] == ["mobile"]
    assert "127.0.0.1 cannot be reached" in now.failures[0].message


@pytest.mark.parametrize(
    ("trouble", "asked"),
    [
        ("wrong file", ["mobile", "coco-v2"]),
        ("refused", ["mobile", "coco-v2"]),
        ("no room", ["mobile"]),
        ("cannot write", ["mobile"]),
    ],
)
def test_a_failure_is_kept_by_its_kind_and_the_next_is_tried_where_that_helps(trouble, asked):
    hub = Hub(mobile=[(5, DownloadFailed("no", trouble))])
    status = run(hub)
    assert [(f.spec.key, f.trouble, f.message) for f in status.failures] == [("mobile", trouble, "no")]
    assert hub.asked == asked and status.ready == tuple(asked[1:]) and not status.is_offline


def test_a_file_that_cannot_be_loaded_is_no_ready_model():
    hub = Hub()

    def load(key):
        if key == "mobile":
            raise WeightsError("another network's")

    one = Fetcher(hub.fetch, load, pause=0.0)
    one.begin()
    assert one.wait(10)
    assert one.status.ready == ("coco-v2",)
    assert [(f.spec.key, f.trouble) for f in one.status.failures] == [("mobile", "unusable")]


def test_a_connection_that_breaks_off_is_taken_up_again_as_long_as_it_brings_something():
    cut = DownloadFailed("broke off", "cut")
    hub = Hub(mobile=[(1000, cut), (2000, cut)])
    assert run(hub).ready == ("mobile", "coco-v2") and hub.asked == ["mobile"] * 3 + ["coco-v2"]
    hub = Hub(mobile=[(1000, cut), (1000, cut)], coco_v2=[(n * 1000, cut) for n in range(1, 9)])
    status = run(hub)
    assert hub.asked == ["mobile"] * 2 + ["coco-v2"] * 3
    assert [f.trouble for f in status.failures] == ["cut", "cut"] and status.ready == ()


def test_who_cancels_stops_it_and_may_go_on_later():
    hub = Hub(mobile=[(7, None)])
    hub.gate.clear()
    one = Fetcher(hub.fetch, hub.load, pause=0.0)
    one.begin()
    assert hub.reached.wait(10)
    assert (one.status.stage, one.status.spec.key, one.status.done) == ("fetching", "mobile", 7)
    assert [spec.key for spec in one.status.then] == ["coco-v2"]
    one.retry()  # under way already: nothing begins twice
    one.cancel()
    hub.gate.set()
    assert one.wait(10)
    assert one.status.stage == "cancelled" and hub.loaded == []
    one.begin()
    assert one.status.stage == "cancelled", "pages say begin each time: it is no second beginning"
    one.retry()
    assert one.wait(10)
    assert one.status.ready == ("mobile", "coco-v2") and hub.asked == ["mobile", "mobile", "coco-v2"]


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({}, ""),
        ({FETCH_VARIABLE: "no"}, f"{FETCH_VARIABLE}=no"),
        ({FETCH_VARIABLE: "0"}, f"{FETCH_VARIABLE}=0"),
        ({FETCH_VARIABLE: "perhaps"}, f"{FETCH_VARIABLE}=perhaps"),
        ({FETCH_VARIABLE: "Yes"}, ""),
        ({"CI": "true"}, "CI is set"),
        ({"CI": "true", FETCH_VARIABLE: "yes"}, ""),
    ],
)
def test_variables_forbid_it(monkeypatch, variables, reason):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert forbidden_by() == reason
    hub = Hub()
    status = run(hub)
    assert (hub.asked == []) == bool(reason) and (status.stage == "idle") == bool(reason)
    assert (reason in fetch_notice()) and ("3.8 MB, Apache-2.0" in fetch_notice()) != bool(reason)


def test_the_switch_in_the_app_is_remembered_and_a_damaged_note_means_no(tmp_path):
    set_fetching(False)
    assert forbidden_by() == "switched off in the app" and run(Hub()).stage == "idle"
    set_fetching(True)
    assert forbidden_by() == ""
    (tmp_path / "data" / "fetching.json").write_bytes(b"\xff{")
    assert forbidden_by() == "switched off in the app"


def test_a_switch_that_cannot_be_kept_is_said(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(WeightsError, match=r"fetching.json: cannot be written .*MASKDESK_FETCH=no"):
        set_fetching(False)


def test_no_import_and_no_library_call_begins_it(tmp_path):
    code = (
        "import threading, maskrcnn_core.cli.app\n"
        "from maskrcnn_core.models import catalog, fetching, loading\n"
        "loading.get_model(catalog.default_model().key)\n"
        "print(fetching.fetcher().status.stage, [t.name for t in threading.enumerate()])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("idle") and "fetching" not in done.stdout
    assert fetching.fetcher().status.stage == "idle"
