"""Stores for tests: each on SQLite and on a real PostgreSQL."""

import itertools

import pytest
from sqlalchemy import make_url

from maskrcnn_core.store.places import StorePlace
from maskrcnn_core.store.store import Store
from tests.store.postgres import PostgresServer, find_tools

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def postgres():
    tools = find_tools()
    if tools is None:
        pytest.skip("no PostgreSQL on this machine: install the system's package `postgresql`")
    server = PostgresServer(tools)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated(postgres, tmp_path_factory):
    """The name of a database without a project: a copy of it needs no way through the migrations."""
    name = "migrated"
    postgres.execute(f"CREATE DATABASE {name}")
    files = tmp_path_factory.mktemp("migrated")
    Store(StorePlace(make_url(postgres.url(name)), str(files))).close()
    return name


@pytest.fixture
def is_new():
    """Whether a test is about a place that no store was ever in; a module of such tests says so itself."""
    return False


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path, is_new):
    """A place without any project, of which nothing is left."""
    if request.param == "sqlite":
        yield StorePlace.in_folder(tmp_path / "data")
        return
    server = request.getfixturevalue("postgres")
    template = "template1" if is_new else request.getfixturevalue("migrated")
    name = f"test_{next(_NUMBERS)}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield StorePlace(make_url(server.url(name)), str(tmp_path / "files"))
    # hundreds of databases of 8 MB each would fill a small disk
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def store(place):
    store = Store(place)
    yield store
    store.close()
