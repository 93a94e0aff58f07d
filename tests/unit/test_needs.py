"""What is missing is skipped and said, and no skip in CI."""

import pytest

from tests.needs import find_node, lacks, skipped_line


@pytest.fixture(autouse=True)
def outside_ci(monkeypatch):
    monkeypatch.delenv("CI", raising=False)


def test_what_is_missing_is_a_skip_with_its_reason():
    with pytest.raises(pytest.skip.Exception, match="no Chromium"):
        lacks("no Chromium")


@pytest.mark.parametrize("value", ["true", "1", "yes"])
def test_in_ci_it_is_a_failure(monkeypatch, value):
    monkeypatch.setenv("CI", value)
    with pytest.raises(pytest.fail.Exception, match="no Chromium"):
        lacks("no Chromium")


@pytest.mark.parametrize("value", ["", "0", "false", "No"])
def test_a_variable_that_says_no_is_not_ci(monkeypatch, value):
    monkeypatch.setenv("CI", value)
    with pytest.raises(pytest.skip.Exception):
        lacks("no Chromium")


def test_node_is_looked_for_on_the_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="no Node"):
        find_node()
    (tmp_path / "node").touch(0o755)
    assert find_node() == str(tmp_path / "node")


def test_skips_are_counted_by_reason():
    reasons = [
        "Skipped: shared data absent: no weights under MASKDESK_SHARED",
        "Skipped: no CUDA GPU on this machine",
        "Skipped: shared data absent: no cases under MASKDESK_SHARED",
    ]
    assert skipped_line(reasons) == "skipped 3: 2 shared data absent, 1 no CUDA GPU on this machine"
    assert skipped_line([]) == "nothing was skipped"
