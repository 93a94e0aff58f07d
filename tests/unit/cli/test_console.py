"""What commands say while they work, where nobody looks at it move."""

import pytest

from maskrcnn_core.common.terminal import bar_of, tell


@pytest.mark.parametrize("total", [None, 0, 3])
def test_a_bar_in_a_pipe_says_nothing_before_something_is_done(capsys, total):
    with bar_of(total=total, unit="row", quiet=False):
        assert capsys.readouterr().err == ""
        tell("a remark")
        assert capsys.readouterr().err == "a remark\n"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("initial", [0, 5])
def test_a_bar_in_a_pipe_ends_with_its_last_state(capsys, initial):
    with bar_of(total=None, unit="row", quiet=False, initial=initial) as bar:
        bar.total = initial + 2
        for _ in range(2):
            bar.update(1)
    log = capsys.readouterr().err
    last = log.splitlines()[-1]
    assert f"{initial + 2}/{initial + 2}" in last and "100%" in last
    assert log.count("100%") == 1 and log.endswith("\n")


def test_a_quiet_bar_is_quiet(capsys):
    with bar_of(total=2, unit="row", quiet=True) as bar:
        bar.update(2)
    assert capsys.readouterr().err == ""
