"""Each judge sees what was measured of it, no less and no more, and docs/interop.md says so."""

from pathlib import Path

import pytest

from maskrcnn_core.formats import FORMATS
from tests.interop.judges import JUDGES
from tests.interop.running import verdict_of
from tests.interop.table import rows_of_table

_PAGE = Path(__file__).parents[2] / "docs" / "interop.md"
_WITHOUT_MASKS = {"segments", "overlay", "splash", "table"}
"""Pictures for people, and a table of numbers."""


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.key)
def test_a_judge_sees_what_was_measured(judge):
    verdict = verdict_of(judge)
    if judge.fails:
        assert verdict.error.split(":")[0].split(".")[-1] == judge.fails, verdict
        return
    assert verdict.error == ""
    assert verdict.count == verdict.expected - judge.misses
    assert verdict.images == ({"street"} if verdict.count else set())
    assert (verdict.least, verdict.least_large) == (judge.least, judge.least_large)
    if verdict.count:
        assert (verdict.has_names, verdict.has_scores) == (judge.has_names, judge.has_scores)


def test_every_format_with_masks_has_a_judge():
    assert {judge.format for judge in JUDGES} == {row.key for row in FORMATS} - _WITHOUT_MASKS


@pytest.mark.parametrize(
    "row", [row for row in FORMATS if row.key not in _WITHOUT_MASKS], ids=lambda row: row.key
)
def test_a_format_names_its_judges(row):
    readers = [judge.reader.split(",")[0] for judge in JUDGES if judge.format == row.key]
    assert row.judge == ", ".join(dict.fromkeys(readers))


def test_each_judge_has_a_key_of_its_own():
    assert len({judge.key for judge in JUDGES}) == len(JUDGES)


def test_the_page_says_what_the_run_found():
    written = [line for line in _PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    rows = rows_of_table()
    assert written[1 : 1 + len(rows)] == rows, "run `python -m tests.interop.table > docs/interop.md`"
