"""The charts of a project. Each bar's ``customdata`` says which images are behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime, timedelta

import plotly.graph_objects as go

from maskrcnn_core.projects.people.tables import Cell
from maskrcnn_core.projects.proposals.pace import STEP_SECONDS, Done
from maskrcnn_core.projects.records import CategoryRow, Status
from maskrcnn_core.projects.review.review_queue import SIZES
from maskrcnn_core.projects.review.statistics import SCORE_BINS, CutPoint

__all__ = [
    "STATUS_COLORS",
    "accept_chart",
    "category_chart",
    "cut_chart",
    "days_chart",
    "escaped",
    "legend",
    "pace_chart",
    "score_chart",
    "size_chart",
]

# From the bottom of a bar to its top.
STATUS_COLORS: dict[Status, str] = {"accepted": "#2e9e5b", "proposed": "#e0a526", "rejected": "#9a9a9a"}
_MOST_CATEGORIES = 30
_HOST_HEIGHT = 20  # pixels: a line of the legend
_HOSTS_AT_ONCE = 8  # with more of them the chart grows no further
_SIZE_TITLES = {"small": "small (< 32²)", "medium": "medium", "large": "large (≥ 96²)"}

Counts = dict[Hashable, Counter[Status]]


def escaped(text: str) -> str:
    """Escape what Plotly takes for HTML in labels: outside names are shown as they are."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _stacked(counts: Counts, keys: Sequence[Hashable], titles: Sequence[str], what: str) -> list[go.Bar]:
    return [
        go.Bar(
            name=status,
            showlegend=False,
            x=list(titles),
            y=[counts.get(key, Counter())[status] for key in keys],
            customdata=[[what, key, status] for key in keys],
            marker_color=STATUS_COLORS[status],
            hovertemplate=f"%{{x}}<br>%{{y}} {status}<extra></extra>",
        )
        for status in STATUS_COLORS
    ]


def category_chart(counts: Counts, categories: Sequence[CategoryRow]) -> go.Figure:
    """Draw instances per category by status, most frequent first; without those that nothing belongs to."""
    present = [row for row in categories if counts.get(row.id, Counter()).total()]
    rows = sorted(present, key=lambda row: -counts[row.id].total())
    shown = rows[:_MOST_CATEGORIES]
    bars = _stacked(counts, [r.id for r in shown], [escaped(r.name) for r in shown], "category")
    figure = go.Figure(bars)
    # Below the chart: a title has no room for it.
    if len(rows) > len(shown):
        figure.update_xaxes(title=f"the {_MOST_CATEGORIES} most frequent of {len(rows)}")
    elif unused := len(categories) - len(rows):
        figure.update_xaxes(title=f"{unused} more {'has' if unused == 1 else 'have'} none")
    return _laid_out(figure, "Instances per category")


def legend() -> str:
    """Say what the colours of the bars mean, as Markdown."""
    return " ".join(
        f':color[■]{{foreground="{color}"}}\N{NO-BREAK SPACE}{status}'
        for status, color in STATUS_COLORS.items()
    )


def size_chart(counts: Counts) -> go.Figure:
    """Draw instances by COCO size."""
    bars = _stacked(counts, SIZES, [_SIZE_TITLES[size] for size in SIZES], "size")
    return _laid_out(go.Figure(bars), "Area by COCO size")


def score_chart(counts: Counts) -> go.Figure:
    """Draw instances by score."""
    bins = list(range(SCORE_BINS))
    titles = [f"{b / SCORE_BINS:.2f}" for b in bins]
    figure = go.Figure(_stacked(counts, bins, titles, "score"))
    # So few that they have room without being turned.
    figure.update_xaxes(
        title="score, from", type="category", tickvals=titles[:: SCORE_BINS // 4], tickangle=0
    )
    return _laid_out(figure, "Scores")


def accept_chart(
    rates: dict[Hashable, tuple[int, int]], what: str, titles: dict[Hashable, str], title: str
) -> go.Figure:
    """Draw accepted of decided, for each key that has decisions."""
    keys = [key for key in titles if key in rates]
    figure = go.Figure(
        go.Bar(
            x=[titles[key] for key in keys],
            y=[rates[key][0] / rates[key][1] for key in keys],
            customdata=[[what, key, ""] for key in keys],
            text=[f"{rates[key][0]} of {rates[key][1]}" for key in keys],
            marker_color=STATUS_COLORS["accepted"],
            hovertemplate="%{x}<br>%{y:.0%} accepted (%{text})<extra></extra>",
        )
    )
    figure.update_yaxes(range=[0, 1], tickformat=".0%")
    figure.update_xaxes(type="category")
    return _laid_out(figure, title)


def days_chart(rows: Iterable[tuple[Cell, ...]]) -> go.Figure:
    """Draw decisions on each day, by person; rows are those of a table of days."""
    of_person: dict[str, dict[str, Cell]] = {}
    for day, who, count in rows:
        of_person.setdefault(str(who), {})[str(day)] = count
    figure = go.Figure(
        [go.Bar(x=list(days), y=list(days.values()), name=escaped(who)) for who, days in of_person.items()]
    )
    figure.update_xaxes(type="category", categoryorder="category ascending")
    days = {day for of_day in of_person.values() for day in of_day}
    # One day alone is a bar, not a wall.
    return _laid_out(figure, "Decisions per day (UTC)").update_layout(bargap=max(0.2, 1 - 0.1 * len(days)))


def pace_chart(done: Sequence[Done], now: datetime) -> go.Figure:
    """Draw images a minute over the last half hour, by host."""
    start = now - timedelta(minutes=30)
    hosts: dict[str, list[Done]] = {}
    for one in done:
        hosts.setdefault(one.host, []).append(one)
    half = timedelta(seconds=STEP_SECONDS / 2)
    figure = go.Figure(
        [
            go.Bar(
                name=escaped(host),
                x=[(one.at + half).replace(tzinfo=None) for one in steps],
                y=[one.images * 60 / STEP_SECONDS for one in steps],
                width=STEP_SECONDS * 1000 * 0.9,
                hovertemplate="%{x|%H:%M:%S}<br>%{y:.0f} images a minute<extra></extra>",
            )
            for host, steps in hosts.items()
        ]
    )
    figure.update_xaxes(type="date", range=[start.replace(tzinfo=None), now.replace(tzinfo=None)])
    several = len(hosts) > 1
    # Names of machines are long: a phone has a line for each. Above the plot they would run into the title.
    return _laid_out(figure, "Images a minute (UTC)").update_layout(
        barmode="stack",
        showlegend=several,
        height=260 + several * _HOST_HEIGHT * min(len(hosts), _HOSTS_AT_ONCE),
        legend={"yref": "container", "y": 0, "yanchor": "bottom"},
    )


def cut_chart(points: Sequence[CutPoint]) -> go.Figure:
    """Draw precision, recall and their mean over score thresholds, with the best one marked."""
    x = [point.score_threshold for point in points]
    best = max(points, key=lambda point: point.f1)
    # Where nothing was rejected every threshold is as good as none.
    is_known = any(point.precision not in (None, 1.0) for point in points)
    figure = go.Figure(
        [
            go.Scatter(x=x, y=[p.precision for p in points], name="precision"),
            go.Scatter(x=x, y=[p.recall for p in points], name="recall"),
            go.Scatter(x=x, y=[p.f1 for p in points], name="F1", line_dash="dot"),
        ]
    )
    if is_known:
        figure.add_vline(
            best.score_threshold,
            line_dash="dash",
            line_color="#888888",
            annotation_text=f"best at {best.score_threshold:.2f}",
            annotation_position="bottom right",
        )
    figure.update_xaxes(title="score threshold", range=[0, 1])
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%")
    # Room for a legend of two lines, which a narrow window makes of it.
    return _laid_out(figure, "Where to set the threshold").update_layout(margin_t=70)


def _laid_out(figure: go.Figure, title: str) -> go.Figure:
    return figure.update_layout(
        title={"text": title, "y": 0.98, "yanchor": "top", "font_size": 14},
        barmode="stack",
        height=310,
        clickmode="event+select",
        margin={"l": 10, "r": 10, "t": 50, "b": 40},
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "traceorder": "normal",
            "font_size": 11,
        },
    )
