"""A project's statistics as tables, which are CSV files and what the Project page shows."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from maskrcnn_core.common.one_line import quote_cell
from maskrcnn_core.formats.base import Member
from maskrcnn_core.projects.image_tags import tags_of
from maskrcnn_core.projects.people.agreement import Agreement, SaidOfImages, agreement
from maskrcnn_core.projects.people.saying import said_by_people, said_in_project
from maskrcnn_core.projects.people.work import PersonWork, deeds_of, work_by_person
from maskrcnn_core.projects.records import STATUSES, Fact
from maskrcnn_core.projects.review.statistics import counts_by
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.team.approvals import (
    APPROVE,
    RETURN,
    standing_approvals,
    told_verdict,
    verdict_of,
)

__all__ = [
    "Cell",
    "StatsTable",
    "agreement_of_people",
    "agreement_of_projects",
    "agreement_table",
    "csv_members",
    "days_table",
    "people_table",
    "project_tables",
]

Cell = str | int | float | None


@dataclass(frozen=True)
class StatsTable:
    """One table.

    Args:
        name: of its file, without suffix.
        columns: their titles.
        rows: cells in that order; texts as they are, ``None`` for what is not known.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def project_tables(store: Store, project_id: int) -> list[StatsTable]:
    """Return all tables of a project: categories, images, people, days, agreement."""
    work = work_by_person(deeds_of(store, project_id))
    facts = store.facts(project_id)
    return [
        _categories_table(store, project_id, facts),
        _images_table(store, project_id, facts),
        people_table(work),
        days_table(work),
        agreement_table(agreement_of_people(store, project_id)),
    ]


def _categories_table(store: Store, project_id: int, facts: Sequence[Fact]) -> StatsTable:
    counts = counts_by(facts, "category")
    images: dict[int, set[int]] = defaultdict(set)
    areas: dict[int, list[int]] = defaultdict(list)
    for fact in facts:
        if fact.status != "rejected":
            images[fact.category_id].add(fact.image_id)
            areas[fact.category_id].append(fact.area)
    rows: list[tuple[Cell, ...]] = []
    for row in store.categories(project_id):
        of, sizes = counts.get(row.id, Counter()), areas[row.id]
        mean = sum(sizes) / len(sizes) if sizes else None
        rows.append((row.name, row.supercategory, *(of[s] for s in STATUSES), len(images[row.id]), mean))
    columns = ("category", "supercategory", *STATUSES, "images", "mean_area_px")
    return StatsTable("categories", columns, tuple(rows))


def _images_table(store: Store, project_id: int, facts: Iterable[Fact]) -> StatsTable:
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for fact in facts:
        counts[fact.image_id][fact.status] += 1
    images = store.images(project_id)
    approved = standing_approvals(store, project_id, [row.id for row in images if verdict_of(row)])
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            row.file_name,
            row.width,
            row.height,
            row.status,
            *(counts[row.id][status] for status in STATUSES),
            told_verdict(row, stands=row.id in approved),
            ", ".join(tags_of(row)),
        )
        for row in images
    )
    columns = ("image", "width", "height", "status", *STATUSES, "second_look", "tags")
    return StatsTable("images", columns, rows)


def people_table(work: Iterable[PersonWork]) -> StatsTable:
    """Return who did how much, in how much time."""
    columns = (
        "person",
        "decisions",
        "undone",
        "accepts",
        "rejects",
        "relabels",
        "images",
        "finished",
        "approvals",
        "returns",
        "minutes",
        "seconds_per_decision",
        "first_utc",
        "last_utc",
    )
    rows = tuple(
        (
            one.who,
            one.decisions,
            one.undone,
            one.kinds["accept"],
            one.kinds["reject"],
            one.kinds["relabel"],
            one.images,
            one.finished,
            one.kinds[APPROVE],
            one.kinds[RETURN],
            round(one.seconds / 60, 1),
            None if one.seconds_per_decision is None else round(one.seconds_per_decision, 1),
            f"{one.first:%Y-%m-%d %H:%M:%S}",
            f"{one.last:%Y-%m-%d %H:%M:%S}",
        )
        for one in work
    )
    return StatsTable("people", columns, rows)


def days_table(work: Iterable[PersonWork]) -> StatsTable:
    """Return how many decisions each person made on each day."""
    rows = [(day.isoformat(), one.who, count) for one in work for day, count in one.by_day.items()]
    return StatsTable("days", ("day_utc", "person", "decisions"), tuple(sorted(rows)))


def agreement_of_people(store: Store, project_id: int) -> dict[tuple[str, str], Agreement]:
    """Return how far each two people agree who worked on the same images of a project."""
    return _of_pairs(said_by_people(store, project_id))


def agreement_of_projects(store: Store, project_ids: Mapping[str, int]) -> dict[tuple[str, str], Agreement]:
    """Return how far projects agree, as when copies of one were given to several people.

    Args:
        store: where they are.
        project_ids: by their names.
    """
    return _of_pairs({name: said_in_project(store, id_) for name, id_ in project_ids.items()})


def _of_pairs(said: Mapping[str, SaidOfImages]) -> dict[tuple[str, str], Agreement]:
    found = {
        (first, second): agreement(said[first], said[second])
        for first, second in combinations(sorted(said), 2)
    }
    return {pair: one for pair, one in found.items() if one.images}


def agreement_table(found: Mapping[tuple[str, str], Agreement]) -> StatsTable:
    """Return how far each pair agrees."""
    columns = (
        "first",
        "second",
        "images",
        "matched",
        "only_first",
        "only_second",
        "mean_iou",
        "same_decisions",
        "kappa_decisions",
        "same_categories",
        "kappa_categories",
    )
    rows = tuple(
        (
            *pair,
            one.images,
            one.matched,
            one.only_first,
            one.only_second,
            one.mean_iou,
            one.same_decisions,
            one.decisions,
            one.same_categories,
            one.categories,
        )
        for pair, one in found.items()
    )
    return StatsTable("agreement", columns, rows)


def csv_members(tables: Iterable[StatsTable]) -> Iterator[Member]:
    """Yield a CSV file of each table; no spreadsheet takes a text of it for a formula."""
    for table in tables:
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer)
        writer.writerow(table.columns)
        for row in table.rows:
            writer.writerow([_written(cell) for cell in row])
        # With its byte order mark spreadsheets read it as UTF-8; surrogates of odd file names become "?".
        yield Member(f"{table.name}.csv", buffer.getvalue().encode("utf-8-sig", "replace"))


def _written(cell: Cell) -> str | int:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.6g}"
    return quote_cell(cell) if isinstance(cell, str) else cell
