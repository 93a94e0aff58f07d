"""A store and a project for whatever is brought."""

import pytest

from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.store import Store


@pytest.fixture
def store(tmp_path):
    store = Store(StorePlace.in_folder(tmp_path / "data"))
    yield store
    store.close()


@pytest.fixture
def project(store):
    return store.create_project("Cells", "ann").id
