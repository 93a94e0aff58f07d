import re
import tomllib
from pathlib import Path

import pytest
from sqlalchemy import make_url

from maskrcnn_core.common import extras
from maskrcnn_core.common.extras import EXTRAS, missing_extra
from maskrcnn_core.errors import StoreError
from maskrcnn_core.inference.engines.table import ENGINES
from maskrcnn_core.projects.db.engine import open_engine
from maskrcnn_core.projects.db.location import StorePlace

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements):
    return {re.split(r"[<>=\[]", line, maxsplit=1)[0] for line in requirements}


def pinned(file):
    lines = (ROOT / file).read_text().splitlines()
    return names(line for line in lines if line and not line.startswith(("#", "-")))


def without(monkeypatch, *modules):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name in modules else object())


@pytest.mark.parametrize("extra", EXTRAS)
def test_each_module_belongs_to_its_extra_and_to_no_plain_install(extra):
    assert set(EXTRAS[extra]) <= names(PROJECT["optional-dependencies"][extra])
    assert not set(EXTRAS[extra]) & names(PROJECT["dependencies"])


def test_the_pins_are_of_the_same_packages():
    optional = PROJECT["optional-dependencies"]
    # Engines, stores and clusters are for those who ask for them: `make run` does without their packages.
    asked_for = set(EXTRAS) - {engine.extra for engine in ENGINES} - {"ray", "stores"}
    run = names(PROJECT["dependencies"]).union(*(names(optional[extra]) for extra in asked_for))
    assert pinned("requirements.txt") == run | {"hatchling"}
    assert pinned("requirements-dev.txt") == names(optional["dev"]) - {"maskdesk"}


def test_what_is_missing_is_said_in_one_sentence(monkeypatch):
    assert missing_extra("app", "the app") == ""
    without(monkeypatch, "streamlit", "plotly")
    assert missing_extra("app", "the app") == (
        'the app needs packages that are not installed (streamlit, plotly): pip install "maskdesk[app]"'
    )


def test_a_team_without_the_driver_is_told_what_to_install(monkeypatch, tmp_path):
    without(monkeypatch, "psycopg")
    place = StorePlace(make_url("postgresql+psycopg://ann:secret@127.0.0.1:9/desk"), str(tmp_path))
    with pytest.raises(StoreError, match=r'\(psycopg\): pip install "maskdesk\[postgres\]"') as told:
        open_engine(place)
    assert "secret" not in str(told.value)
