"""Stores for tests: on SQLite and, with the mark ``both_databases`` or ``--all``, on a real PostgreSQL."""

import itertools
import shutil

import pytest
from sqlalchemy import make_url

from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.store import Store
from tests.integration.postgres import start_postgres

_NUMBERS = itertools.count(1)


def pytest_generate_tests(metafunc):
    """Names the databases of each test with a place, where it does not say so itself."""
    own = any("place" in mark.args for mark in metafunc.definition.iter_markers("parametrize"))
    if own or "place" not in metafunc.fixturenames:
        return
    both = metafunc.config.option.all or metafunc.definition.get_closest_marker("both_databases")
    metafunc.parametrize("place", ["sqlite", "postgresql"] if both else ["sqlite"], indirect=True)


@pytest.fixture(scope="session")
def postgres():
    server = start_postgres()
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


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory):
    """The same on SQLite: migrations take ten times as long as most tests."""
    place = StorePlace.in_folder(tmp_path_factory.mktemp("migrated"))
    Store(place).close()
    return place.sqlite_file


@pytest.fixture
def is_new():
    """Whether a test is about a place that no store was ever in; a module of such tests says so itself."""
    return False


@pytest.fixture
def place(request, tmp_path, is_new):
    """A place without any project, of which nothing is left."""
    if request.param == "sqlite":
        place = StorePlace.in_folder(tmp_path / "data")
        if not is_new:
            place.sqlite_file.parent.mkdir()
            shutil.copyfile(request.getfixturevalue("migrated_file"), place.sqlite_file)
        yield place
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
