"""Starting the server, and what it makes ready before anybody asks."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from maskrcnn_core.models import loading
from maskrcnn_core.models.catalog import default_model
from pages.shell import warming
from tests.browser.conftest import free_port

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("no", "no better one will be fetched (MASKDESK_FETCH=no)"),
        ("yes", "When the page opens, it fetches"),
    ],
)
def test_the_server_starts_and_says_in_one_line_what_it_will_fetch(tmp_path, wish, words):
    port = free_port()
    nowhere = dict.fromkeys(
        ("MASKDESK_WEIGHTS", "XDG_CACHE_HOME", "TORCH_HOME", "MASKDESK_DATA"), str(tmp_path)
    )
    environment = {**os.environ, **nowhere, "MASKDESK_FETCH": wish, "MASKDESK_MIRROR": "http://127.0.0.1:9"}
    server = subprocess.Popen(
        [sys.executable, "-m", "pages.shell.serve", "--server.port", str(port)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wanted, said = {f"http://127.0.0.1:{port}", words}, []
        for line in server.stdout:
            said.append(line)
            wanted = {one for one in wanted if one not in line}
            if not wanted:
                break
        assert not wanted, said
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=60) as answer:
            assert answer.status == 200
    finally:
        server.terminate()
        server.wait(30)
        server.stdout.close()


def test_the_default_model_is_loaded_for_all(monkeypatch):
    monkeypatch.setattr(loading, "_LOADED", {})
    monkeypatch.setattr(
        warming, "keep_house", lambda: type("Keeper", (), {"freeze_soon": lambda self: None})()
    )
    warming._load()
    assert list(loading._LOADED) == [default_model().key]


def test_a_test_of_a_page_begins_nothing(monkeypatch):
    monkeypatch.setattr(warming, "_begin", lambda: pytest.fail("no server is running"))
    warming.warm_up()
