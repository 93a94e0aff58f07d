"""A store in a folder of its own, and what a session knows of a project there."""

import pytest

from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE, StorePlace
from maskrcnn_core.projects.review.review_queue import QueueItem
from maskrcnn_core.projects.store import Store
from pages.review.state import ReviewUi
from pages.shared import cached
from pages.shared.session import ProjectUi
from tests.builders.projects import make_project


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


@pytest.fixture
def ui(store):
    project = make_project(store)
    ui = ProjectUi(who="ann")
    ui.open(project)
    return ui


@pytest.fixture
def review(store, ui):
    return ReviewUi(queue=tuple(QueueItem(image.id) for image in store.images(ui.id)), token="queue")
