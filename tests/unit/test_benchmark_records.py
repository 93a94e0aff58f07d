"""What benchmarks keep: records from which one page is made, and a plot of each table."""

import xml.etree.ElementTree as ET

import pytest

from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.kept import about_machine, keep, kept_page
from benchmarks.plots import Bars, bars_of, write_plot
from benchmarks.report import NOT_MEASURED, Claim, Report, megabytes, seconds, times

REPORT = Report(
    ("image", "engine", "ours", "stock", "ratio", "memory"),
    (
        ("2 MP", "exact", seconds(0.25), seconds(4.0), times(4.0, 0.25), megabytes(3e6)),
        ("12 MP", "exact", seconds(1.5), NOT_MEASURED, NOT_MEASURED, megabytes(2e9)),
    ),
    (Claim("as fast as stock", True, "cost"),),
    ("A note.",),
)


def test_the_leading_numbers_of_one_unit_are_drawn():
    assert bars_of(REPORT) == Bars(
        "seconds", ("ours", "stock"), (("2 MP, exact", (0.25, 4.0)), ("12 MP, exact", (1.5, None)))
    )


@pytest.mark.parametrize(
    ("cells", "unit", "values"),
    [
        (("450 ms", "2 min"), "seconds", (0.45, 120.0)),
        (("800 MB (peak)", "1.5 GB"), "MB", (800.0, 1500.0)),
        (("1,500", ".5"), "", (1500.0, 0.5)),
        (("75 %", "yes"), "%", (75.0, None)),
    ],
)
def test_cells_are_read_with_their_units(cells, unit, values):
    bars = bars_of(Report(("what", "number"), tuple((str(n), cell) for n, cell in enumerate(cells))))
    assert bars == Bars(unit, ("number",), tuple((str(n), (value,)) for n, value in enumerate(values)))


def test_a_column_of_several_units_is_not_drawn():
    rows = (("a", "3 s", "4"), ("b", "3 MB", "5"))
    assert bars_of(Report(("what", "mixed", "count"), rows)).columns == ("count",)


@pytest.mark.parametrize("rows", [(), (("this", "that"),)])
def test_a_table_without_numbers_has_no_plot(rows):
    assert bars_of(Report(("what", "how"), rows)) is None


def test_a_plot_shows_the_words_and_is_the_same_each_time(tmp_path):
    bars = bars_of(REPORT)
    for name in ("a.svg", "b.svg"):
        write_plot(bars, "engines", tmp_path / name)
    drawn = (tmp_path / "a.svg").read_bytes()
    assert drawn == (tmp_path / "b.svg").read_bytes()
    words = "".join(ET.fromstring(drawn).itertext())
    assert all(one in words for one in ("2 MP, exact", "12 MP, exact", "ours", "stock", "seconds", "engines"))


def test_a_page_is_made_of_what_was_kept(tmp_path):
    folder = tmp_path / "results"
    keep("engines", REPORT, folder, took=12.4)
    page = kept_page([("engines", "Engines", "They differ."), ("team", "A team", "It is one.")], folder)
    assert REPORT.markdown() in page and about_machine() in page and " 12 s" in page
    assert "![Engines](results/engines.svg)" in page and (folder / "engines.svg").is_file()
    assert "Not measured yet: `python -m benchmarks team --keep`." in page


def test_a_plot_goes_with_its_numbers(tmp_path):
    keep("engines", REPORT, tmp_path, took=1)
    keep("engines", Report(("what", "how"), (("this", "that"),)), tmp_path, took=1)
    assert not (tmp_path / "engines.svg").exists()
    assert "engines.svg" not in kept_page([("engines", "Engines", "")], tmp_path)


def test_times_of_a_quick_run_are_not_kept(capsys):
    with pytest.raises(SystemExit):
        main([BENCHMARKS[0].name, "--quick", "--keep"])
    assert "leave one of both out" in capsys.readouterr().err
