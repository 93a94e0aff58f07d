"""`serve` before it starts anything: what it refuses, and with what sentence."""

import pytest

from maskrcnn_core.common import extras
from tests.builders.cli import invoke


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in ("MASKDESK_TOKEN", "MASKDESK_ALLOWED_HOSTS"):
        monkeypatch.delenv(name, raising=False)


def test_without_its_packages_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "fastapi" else object())
    result = invoke("serve")
    assert result.exit_code == 2
    assert 'pip install "maskdesk[serve]"' in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--address", "0.0.0.0"), "MASKDESK_TOKEN"),
        (("--allow-host", "https://x.example"), "allowed hosts: expected a host"),
        (("--model", "nothing"), "nothing"),
        (("--engine", "steam"), "steam"),
        (("--port", "0"), "--port"),
    ],
)
def test_what_it_cannot_do_is_refused_before_it_listens(options, said):
    result = invoke("serve", *options)
    assert result.exit_code == 2
    assert said in result.stderr


def test_it_listens_where_and_for_whom_it_was_told(monkeypatch):
    told = []
    monkeypatch.setattr("maskrcnn_core.service.running.run_service", lambda *given: told.append(given))
    monkeypatch.setenv("MASKDESK_TOKEN", "a-token-of-somebody")
    monkeypatch.setenv("MASKDESK_ALLOWED_HOSTS", "a.example")
    options = ("--address", "0.0.0.0", "--port", "8700", "--allow-host", "b.example:81")
    assert invoke("serve", *options).exit_code == 0
    ((_, address, port, token, allowed),) = told
    assert (address, port, token) == ("0.0.0.0", 8700, "a-token-of-somebody")
    assert allowed.has("https", "a.example", 443) and allowed.has("http", "b.example", 81)
    assert len(allowed) == 2
