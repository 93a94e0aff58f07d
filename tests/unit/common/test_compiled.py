"""How much address space is left for compiling; only Linux limits and tells it."""

import sys
from pathlib import Path

import pytest

from maskrcnn_core.common import compiled


def test_without_a_limit_there_is_room():
    assert compiled._room() == float("inf")


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_a_limit_counts_only_where_the_system_tells_what_is_taken(monkeypatch):
    monkeypatch.setattr(compiled.resource, "getrlimit", lambda kind: (1 << 50, 1 << 50))
    if Path("/proc/self/statm").exists():
        assert 0 < compiled._room() < 1 << 50
    monkeypatch.setattr(Path, "exists", lambda path: False)  # as on macOS
    assert compiled._room() == float("inf")
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(compiled, "resource")
    assert compiled._room() == float("inf")
