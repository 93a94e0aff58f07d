"""Stores for tests: each on SQLite and on a real PostgreSQL."""

import itertools

import pytest
from sqlalchemy import create_engine, make_url

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


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """An empty place."""
    if request.param == "sqlite":
        return StorePlace.in_folder(tmp_path / "data")
    server = request.getfixturevalue("postgres")
    name = f"test_{next(_NUMBERS)}"
    engine = create_engine(server.url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return StorePlace(make_url(server.url(name)), str(tmp_path / "files"))


@pytest.fixture
def store(place):
    store = Store(place)
    yield store
    store.close()
