"""How a project stands: counts, charts whose bars lead to their images, and the gallery."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from maskrcnn_core.common.bounds import MAX_NAME
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.images.reading import one_line
from maskrcnn_core.projects.image_edits import remove_images
from maskrcnn_core.projects.image_search import HELP
from maskrcnn_core.projects.image_tags import tags_of
from maskrcnn_core.projects.records import IMAGE_STATUSES, Fact, ImageRow, Status
from maskrcnn_core.projects.review.review_queue import QueueFilter
from maskrcnn_core.projects.review.statistics import SCORE_BINS, accept_rates, counts_by, cut_points, overview
from maskrcnn_core.projects.seeing import stretch_of
from maskrcnn_core.projects.team.assignments import assignee_of
from maskrcnn_core.projects.thumbnails import thumbnails_of
from maskrcnn_core.workspace import data_url
from pages.project.assigning import draw_assigning
from pages.project.charts import (
    accept_chart,
    category_chart,
    cut_chart,
    escaped,
    legend,
    score_chart,
    size_chart,
)
from pages.project.second_look import draw_second_look, verdicts_column
from pages.project.state import PageUi
from pages.project.tagging import draw_tagging
from pages.shared.open_project import OpenProject
from pages.shared.pressing import pressed
from pages.shared.progress import draw_progress
from pages.shared.session import get_state
from pages.shared.texts import cell, harmless, plain, show_core_errors

__all__ = ["draw_overview"]

_PER_PAGE = 50
_LATER = 1.0  # seconds: the gallery is there by then
_CHART_HEIGHT = 320  # pixels
_REVIEW = "pages/review/page.py"


def draw_overview(project: OpenProject, ui: PageUi) -> None:
    """Draw numbers, charts and gallery."""
    if not project.images:
        st.info("There are no images yet: add some, and run a model over them.", icon=":material/info:")
        if pressed("Add images", icon=":material/add_photo_alternate:", type="primary", key="first-images"):
            ui.section = "images"
            st.rerun()
        return
    draw_progress(*project.store.counts(project.row.id))
    _draw_numbers(project, ui)
    draw_second_look(project, partial(_want, ui))
    _draw_charts_in_turn(project, ui)
    _draw_gallery(project, ui)


def _draw_numbers(project: OpenProject, ui: PageUi) -> None:
    found = overview(project.images, project.facts)
    columns = st.columns([1, 1, 1, 1, 2])
    numbers = (
        ("Images", found.images.total()),
        ("Accepted", found.instances["accepted"]),
        ("Proposed", found.instances["proposed"]),
        ("Rejected", found.instances["rejected"]),
    )
    for column, (title, number) in zip(columns, numbers, strict=False):
        column.metric(title, f"{number:,}")
    with columns[-1]:
        st.metric("Images without objects", f"{found.empty:,}")
        if found.empty and pressed("Show them", key="show-empty", icon=":material/filter_alt:"):
            _want(ui, QueueFilter(is_empty=True), "images without objects")
            st.rerun()
    if found.missing:
        st.caption(
            f"{counted(found.missing, 'image is', 'images are')} listed in a COCO file but missing: add the "
            f"files under Add images."
        )


def _want(ui: PageUi, wanted: QueueFilter, by: str) -> None:
    ui.wanted, ui.wanted_by, ui.gallery_page = wanted, by, 0
    ui.chart_round += 1


# -- charts -----------------------------------------------------------------------------------------


def _draw_charts_in_turn(project: OpenProject, ui: PageUi) -> None:
    """Draw the charts; in a session's first look at a project, after everything else is on the screen.

    A browser needs two seconds for Plotly's script, and draws nothing meanwhile.
    """
    if ui.has_charts or not project.facts:
        _draw_charts(project, ui)
        return
    ui.has_charts = True
    is_first = iter([True])

    @st.fragment(run_every=_LATER)
    def draw() -> None:
        if not next(is_first, False):
            st.rerun()
        with st.container(height=_CHART_HEIGHT, border=False):
            st.caption("Loading charts ...")

    draw()


def _draw_charts(project: OpenProject, ui: PageUi) -> None:
    facts = project.facts
    if not facts:
        return
    st.caption(f"Click a bar to see the images behind it. {legend()}")
    names = {row.id: row.name for row in project.categories}
    left, middle, right = st.columns(3)
    with left:
        _chart(ui, "categories", category_chart(counts_by(facts, "category"), project.categories), names)
    with middle:
        _chart(ui, "sizes", size_chart(counts_by(facts, "size")), names)
    with right:
        if by_score := counts_by(facts, "score"):
            _chart(ui, "scores", score_chart(by_score), names)
        else:
            st.caption("No instance has a score: run a model under Pre-annotate.")
    by_category = accept_rates(facts, "category")
    if not by_category:
        st.caption("Agreement between model and reviewers appears here once somebody has decided something.")
        return
    left, middle, right = st.columns(3)
    with left:
        titles: dict[Hashable, str] = {row.id: escaped(row.name) for row in project.categories}
        _chart(ui, "agreed", accept_chart(by_category, "category", titles, "Accepted per category"), names)
    with middle:
        bins: dict[Hashable, str] = {b: f"{b / SCORE_BINS:.2f}" for b in range(SCORE_BINS)}
        by_score = accept_chart(accept_rates(facts, "score"), "score", bins, "Accepted per score")
        _chart(ui, "agreed-scores", by_score, names)
    with right:
        st.plotly_chart(cut_chart(cut_points(facts)), key="cut")
        st.caption(
            "Precision: the share of detections above the threshold that people accepted. Recall: the share "
            "of accepted instances above the threshold."
        )


def _chart(ui: PageUi, name: str, figure: go.Figure, names: dict[int, str]) -> None:
    key = f"chart-{name}-{ui.chart_round}"

    def choose() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points:
            _want(ui, *_filter_of(points[0]["customdata"], names))

    st.plotly_chart(figure, key=key, on_select=choose, selection_mode="points")


def _filter_of(clicked: list[Any], names: dict[int, str]) -> tuple[QueueFilter, str]:
    """Return the filter behind a bar, and what it is called."""
    what, value, status = clicked
    statuses: frozenset[Status] = frozenset({status} if status else {"accepted", "rejected"})
    said = status or "decided"
    if what == "category":
        wanted = QueueFilter(categories=frozenset({int(value)}), statuses=statuses)
        return wanted, f"{said} {names.get(int(value), '')}"
    if what == "size":
        return QueueFilter(sizes=frozenset({value}), statuses=statuses), f"{said}, {value}"
    low, high = int(value) / SCORE_BINS, (int(value) + 1) / SCORE_BINS
    wanted = QueueFilter(least_score=low, most_score=high, statuses=statuses)
    return wanted, f"{said} with scores from {low:.2f} to {high:.2f}"


# -- gallery ----------------------------------------------------------------------------------------


def _draw_gallery(project: OpenProject, ui: PageUi) -> None:
    of_image: dict[int, list[Fact]] = defaultdict(list)
    for fact in project.facts:
        of_image[fact.image_id].append(fact)
    left, middle, right = st.columns([3, 2, 2], vertical_alignment="bottom")
    chosen = left.pills(
        "Images",
        IMAGE_STATUSES,
        selection_mode="multi",
        default=sorted(ui.wanted.image_statuses, key=IMAGE_STATUSES.index),
        key=f"image-statuses-{ui.chart_round}",
    )
    search = st.text_input(
        "Search",
        ui.wanted.search,
        max_chars=MAX_NAME,
        icon=":material/search:",
        placeholder="file name, tag:night, category:nucleus, status:new, by:ann, since:2026-11-01",
        help=f"{HELP}.",
        key=f"image-search-{project.row.id}-{ui.chart_round}",
    )
    ui.wanted = replace(ui.wanted, image_statuses=frozenset(chosen), search=search.strip())
    found: Sequence[ImageRow] = ()
    with show_core_errors():
        found = project.searched(ui.wanted.search)
    shown = [image for image in found if ui.wanted.takes_image(image, of_image[image.id])]
    if ui.filter_told and pressed(
        f"Only {plain(ui.filter_told)}",
        draw=middle.button,
        icon=":material/filter_alt_off:",
        key="clear-filter",
        help="Show all",
    ):
        _want(ui, QueueFilter(), "")
        st.rerun()
    if pressed(
        f"Review these {len(shown):,}",
        draw=right.button,
        icon=":material/rate_review:",
        type="primary",
        disabled=not shown,
        width="stretch",
        key="review-these",
    ):
        get_state().project.to_review = ui.wanted
        st.switch_page(_REVIEW, query_params={"project": str(project.row.id)})
    pages = max(-(-len(shown) // _PER_PAGE), 1)
    ui.gallery_page = min(ui.gallery_page, pages - 1)
    if pages > 1:
        number = st.number_input(
            f"Page (of {pages})", 1, pages, ui.gallery_page + 1, key=f"page-{pages}", width=160
        )
        ui.gallery_page = number - 1
    part = shown[ui.gallery_page * _PER_PAGE : (ui.gallery_page + 1) * _PER_PAGE]
    _draw_table(project, part, of_image)
    if part and not project.row.is_archived:
        with st.container(horizontal=True):
            _draw_removal(project, ui, part, of_image)
            draw_tagging(project, ui, part)
            draw_assigning(project, ui, part)


def _draw_removal(
    project: OpenProject, ui: PageUi, images: list[ImageRow], of_image: dict[int, list[Fact]]
) -> None:
    by_id = {image.id: image for image in images}
    with st.popover("Remove images", icon=":material/delete:", key=f"removal-{project.row.id}"):
        chosen = st.multiselect(
            "Images of this page",
            list(by_id),
            format_func=lambda id_: harmless(by_id[id_].file_name),
            key=f"remove-{project.row.id}-{ui.gallery_page}-{project.revision}",
        )
        on_them = counted(sum(len(of_image[id_]) for id_ in chosen), "instance")
        along = f"{on_them} on them would go along" if chosen else "The instances on them go along"
        st.caption(f"{along}. Undo brings both back.")
        asked = pressed("Remove these", icon=":material/delete:", disabled=not chosen, key="remove-images")
    if asked:
        with show_core_errors():
            rows = [by_id[id_] for id_ in chosen]
            removed = remove_images(project.store, project.row.id, project.who, rows)
            ui.notice.say(f"Removed {removed.told}; undo it under History.")
            st.rerun()


def _draw_table(project: OpenProject, images: list[ImageRow], of_image: dict[int, list[Fact]]) -> None:
    pictures = thumbnails_of(project.store, images, stretch_of(project.row))
    names = {row.id: row.name for row in project.categories}
    key = f"project-gallery-{hash(tuple(image.id for image in images))}"
    st.dataframe(
        pd.DataFrame(
            {
                "": [
                    data_url(pictures[image.digest], "image/jpeg") if image.digest in pictures else None
                    for image in images
                ],
                "image": [cell(image.file_name) for image in images],
                "status": [image.status if image.digest else "file missing" for image in images],
                **{
                    status: [sum(f.status == status for f in of_image[image.id]) for image in images]
                    for status in ("accepted", "proposed", "rejected")
                },
                **verdicts_column(project, images),
                "assigned to": [cell(assignee_of(image)) for image in images],
                "tags": [cell(", ".join(tags_of(image))) for image in images],
                "categories": [cell(_categories(of_image[image.id], names)) for image in images],
                "lowest score": [
                    min((f.score for f in of_image[image.id] if f.score is not None), default=None)
                    for image in images
                ],
            }
        ),
        key=key,
        hide_index=True,
        row_height=64,
        height=min(40 + 64 * max(len(images), 1), 680),
        on_select="rerun",
        selection_mode="single-row",
        placeholder="–",
        column_config={
            "": st.column_config.ImageColumn(width=90),
            "image": st.column_config.TextColumn(width="medium"),
            "categories": st.column_config.TextColumn(width="medium"),
            "lowest score": st.column_config.NumberColumn(format="%.2f"),
        },
        alt="The project's images; choose a row to review that image",
    )
    rows = st.session_state.get(key, {}).get("selection", {}).get("rows", [])
    if rows and rows[0] < len(images) and images[rows[0]].digest:
        where = {"project": str(project.row.id), "image": str(images[rows[0]].id)}
        st.switch_page(_REVIEW, query_params=where)


def _categories(facts: list[Fact], names: dict[int, str]) -> str:
    counts = Counter(names.get(f.category_id, "?") for f in facts if f.status != "rejected")
    return one_line(", ".join(f"{count} {name}" for name, count in counts.most_common()))
