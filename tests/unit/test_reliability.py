"""What docs/reliability.md says is tried by, is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reliability.md").read_text("utf-8")
ROWS = [line.split("|")[1:-1] for line in TEXT.splitlines() if re.match(r"\| (?!fault|---)", line)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip())
def test_what_tries_it_is_there(row):
    fault, holds, tried_by, often, result = (cell.strip() for cell in row)
    assert all((fault, holds, tried_by, often, result))
    folder = None
    for name in re.findall(r"`([^`]+\.py)`", tried_by):
        file = ROOT / name if "/" in name else folder / name
        assert file.is_file(), name
        folder = file.parent
    for module in re.findall(r"`python -m ([a-z_.]+)", tried_by):
        file = ROOT / module.replace(".", "/")
        assert file.is_dir() or file.with_suffix(".py").is_file(), module
