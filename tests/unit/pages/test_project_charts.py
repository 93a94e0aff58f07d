"""The charts of a project: what they leave out, and that words and colours say the same as the bars."""

from collections import Counter
from datetime import UTC, datetime

from maskrcnn_core.projects.proposals.pace import Done
from maskrcnn_core.projects.records import CategoryRow
from pages.project.charts import (
    STATUS_COLORS,
    category_chart,
    days_chart,
    legend,
    pace_chart,
    score_chart,
)


def categories(count):
    return [CategoryRow(n, n, f"category {n}", "", "", 1) for n in range(1, count + 1)]


def shown(figure):
    return list(figure.data[0].x)


def test_a_category_without_instances_has_no_bar_and_is_counted():
    counts = {2: Counter(accepted=1), 5: Counter(proposed=3)}
    figure = category_chart(counts, categories(80))
    assert shown(figure) == ["category 5", "category 2"]
    assert figure.layout.xaxis.title.text == "78 more have none"
    assert category_chart(counts, categories(6)).layout.xaxis.title.text == "4 more have none"


def test_more_categories_than_have_room_are_counted():
    counts = {n: Counter(accepted=n) for n in range(1, 41)}
    figure = category_chart(counts, categories(80))
    assert shown(figure)[:2] == ["category 40", "category 39"] and len(shown(figure)) == 30
    assert figure.layout.xaxis.title.text == "the 30 most frequent of 40"


def test_all_that_are_there_need_no_words():
    assert category_chart({1: Counter(accepted=1)}, categories(1)).layout.xaxis.title.text is None


def test_scores_are_told_where_they_have_room():
    figure = score_chart({19: Counter(proposed=2)})
    assert list(figure.layout.xaxis.tickvals) == ["0.00", "0.25", "0.50", "0.75"]
    assert figure.layout.xaxis.tickangle == 0


def test_the_words_have_the_colours_of_the_bars():
    for status, color in STATUS_COLORS.items():
        assert f'■]{{foreground="{color}"}}\N{NO-BREAK SPACE}{status}' in legend()


def test_one_day_is_no_wall():
    one = days_chart([("2026-12-01", "ann", 5)])
    week = days_chart([(f"2026-12-{n:02}", "ann", n) for n in range(1, 9)])
    assert one.layout.bargap > 0.8 > week.layout.bargap


def test_hosts_take_no_room_from_the_bars():
    now = datetime(2026, 12, 2, 10, tzinfo=UTC)
    heights = {
        count: pace_chart([Done(now, f"host {n}", 3) for n in range(count)], now).layout.height
        for count in (1, 2, 8, 24)
    }
    assert heights[1] < heights[2] < heights[8] == heights[24]
