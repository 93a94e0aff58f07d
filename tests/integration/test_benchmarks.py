"""The benchmarks run, and what they compare is equal. No timing is judged here.

`make test` runs one of them, the quickest: all of them take minutes, and `make test-all` has them.
"""

import sys

import pytest

from benchmarks import after_network, end_to_end
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.memory import peak_extra_bytes
from benchmarks.report import Claim, Report, seconds

SMOKE = "after_network"


@pytest.mark.parametrize(
    "benchmark",
    [pytest.param(b, marks=[pytest.mark.only_all] if b.name != SMOKE else (), id=b.name) for b in BENCHMARKS],
)
def test_a_quick_run_prints_a_table_and_finds_everything_equal(benchmark, tmp_path, capsys):
    output = tmp_path / "results.md"
    assert main([benchmark.name, "--quick", "--output", str(output)]) == 0
    text = output.read_text(encoding="utf-8")
    assert text.strip() in capsys.readouterr().out
    assert f"## {benchmark.title}" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) >= 3
    assert len({line.count("|") for line in table}) == 1
    assert "- Held: " in text and "Not held" not in text


@pytest.mark.parametrize("module", [after_network, pytest.param(end_to_end, marks=pytest.mark.only_all)])
def test_stock_is_left_out_where_its_memory_does_not_suffice(module, monkeypatch):
    monkeypatch.setattr(module, "has_memory_for", lambda expected_bytes: False)
    report = next(b for b in BENCHMARKS if b.name == module.__name__.split(".")[1]).run(True)
    assert "left out: needs" in report.markdown()
    assert not report.claims


def test_a_claim_that_does_not_hold_is_shown():
    report = Report(("what", "time"), (("this", seconds(0.0312)),), (Claim("fast", False, "cost"),))
    assert report.markdown().splitlines() == [
        "| what | time |",
        "| --- | ---: |",
        "| this | 31.2 ms |",
        "",
        "- **Not held**: fast",
    ]


def test_a_row_has_one_cell_for_each_column():
    with pytest.raises(ValueError, match="expected 2 cells, got 1"):
        Report(("what", "time"), (("this",),))


def test_an_unknown_name_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        main(["pasting"])
    assert "after_network" in capsys.readouterr().err


def prepare_block(megabytes):
    return lambda: bytearray(b"x") * (megabytes * 1_000_000)


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_peak_memory_is_that_of_the_call():
    assert 50e6 <= peak_extra_bytes(prepare_block, 50) < 80e6
