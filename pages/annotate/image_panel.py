"""The image that is looked at: viewer, detection table and charts, which share selection and thresholds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from maskrcnn_core.common.one_line import counted, shortened
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.detection.limits import limit_note, resolution_note
from maskrcnn_core.detection.runs import Run
from maskrcnn_core.drawing.instances import colors_of, cut_out_thumbnail
from maskrcnn_core.drawing.palette import category_color, hex_color
from maskrcnn_core.images.reading import encode_png, one_line
from maskrcnn_core.tiling.running import tile_limit_note
from maskrcnn_core.workspace import Answer, OpenImage, Shown, data_url
from pages.components.viewer import (
    ViewerImage,
    ViewerInstance,
    ViewerMessage,
    ViewerState,
    picture_urls,
    viewer,
)
from pages.components.viewer_messages import square_micrometres
from pages.shared.session import UiState
from pages.shared.texts import cell, plain, show_core_errors

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["detection_table", "draw_image"]

_Figure = dict[str, object]

_CUT_OUT = 40  # pixels, in the table
_NUMBERS_NAMED = 10
_LONG_NAME = 32
_MESSAGES = {
    "not run": "This image has not been run yet: choose a model that is ready.",
    "waiting": "In the queue: {}.",
    "running": "Running the network on this image ...",
    "cancelled": "Cancelled before it ran.",
    "failed": "{}",
    "none": "These thresholds and categories leave nothing: lower the score threshold, or choose all "
    "categories.",
    "found": "",
}


def draw_image(state: UiState, predictor: Predictor | None) -> None:
    """Draw viewer, table and charts of the current image."""
    image = state.workspace.images.get(state.current or "")
    if image is None:
        return
    with show_core_errors():
        shown = state.workspace.shown(image.digest, predictor, state.thresholds) if predictor else None
        shown = _draw_viewer(state, predictor, image, shown)
        if shown is None or predictor is None:
            return
        visible = tuple(i for i in shown.kept if i.category_id not in state.hidden_categories)
        _draw_table(state, predictor, image, visible)
        _draw_charts(state, predictor, shown, visible)


# -- viewer -------------------------------------------------------------------------------------


def _draw_viewer(
    state: UiState, predictor: Predictor | None, image: OpenImage, shown: Shown | None
) -> Shown | None:
    """Mount the viewer and take in what was done in it since."""
    where = state.workspace.state_of(image.digest, predictor, state.thresholds)
    instances = shown.instances if shown else ()
    names = _names(predictor)
    rows = {instance.row for instance in instances}
    url, small_url = picture_urls(state.workspace.picture(image.digest), "current")
    message = ViewerMessage(
        image=ViewerImage(
            image.digest,
            url,
            image.width,
            image.height,
            image.name,
            small_url,
            micrometres=square_micrometres(image.pixel_um),
        ),
        instances=_viewer_instances(instances, names),
        score_threshold=state.thresholds.score_threshold,
        min_score=SCORE_FLOOR,
        own_threshold=predictor.model.score_threshold if predictor else None,
        selected=tuple(row for row in state.selected if row in rows),
        hidden_categories=state.hidden_categories,
        display=state.display,
        ack=state.ack,
        message=_MESSAGES[where.kind].format(where.text),
        source=predictor.model.key if predictor else "",
        title=f"{shortened(one_line(image.name), _LONG_NAME)}: {where.text}",
    )
    _take_answer(state, viewer(message, key="viewer"))
    if where.kind == "failed":  # the viewer has a line for it, and this may be long
        st.text(f"{one_line(image.name)}: {where.text}")
    for note in image.notes + _run_notes(state, predictor, image):
        st.caption(plain(note))
    if shown is None or predictor is None:
        return None
    return state.workspace.shown(image.digest, predictor, state.thresholds)


def _take_answer(state: UiState, answer: ViewerState) -> None:
    threshold = min(max(answer.score_threshold, SCORE_FLOOR), 1.0)
    state.thresholds = replace(state.thresholds, score_threshold=threshold)
    state.selected, state.hidden_categories = answer.selected, answer.hidden_categories
    state.display, state.ack = answer.display, answer.seq
    if answer.measured is not None:
        state.measured = answer.measured


def _viewer_instances(instances: tuple[Instance, ...], names: dict[int, str]) -> tuple[ViewerInstance, ...]:
    return tuple(
        ViewerInstance(
            id=instance.row,
            label=names[instance.category_id],
            category_id=instance.category_id,
            score=instance.score or 0.0,
            box=instance.given_box or (0.0, 0.0, 0.0, 0.0),
            rle=instance.mask,
            color_instance=hex_color(color),
            color_category=hex_color(category_color(instance.category_id)),
        )
        for instance, color in zip(instances, colors_of(instances, "instance"), strict=True)
    )


def _run_notes(state: UiState, predictor: Predictor | None, image: OpenImage) -> tuple[str, ...]:
    run = state.workspace.run_of(image.digest, predictor) if predictor else None
    return run.notes + _limit_notes(run, state.thresholds) if run else ()


def _limit_notes(run: Answer, thresholds: Thresholds) -> tuple[str, ...]:
    if isinstance(run, Run):
        said = [limit_note(run, thresholds), resolution_note(run)]
    else:
        said = [run.told, tile_limit_note(run, thresholds)]
    return tuple(f"{note[0].upper()}{note[1:]}." for note in said if note)


def _names(predictor: Predictor | None) -> dict[int, str]:
    return {category.id: category.name for category in predictor.model.label_map} if predictor else {}


# -- table ----------------------------------------------------------------------------------------


def _draw_table(
    state: UiState, predictor: Predictor, image: OpenImage, visible: tuple[Instance, ...]
) -> None:
    names = _names(predictor)
    rows = _filter(state, visible, names)
    state.table_rows = tuple(instance.row for _, instance in rows)
    # Another set of rows is another table: positions of the old one mean nothing in it.
    key = f"table-{image.digest[:12]}-{hash(state.table_rows)}"

    def choose() -> None:
        marked = st.session_state[key]["selection"]["rows"]
        state.selected = tuple(sorted(state.table_rows[n] for n in marked if n < len(state.table_rows)))

    chosen = set(state.selected)
    positions = [n for n, row in enumerate(state.table_rows) if row in chosen]
    st.caption(_chosen_sentence([rows[n][0] for n in positions], len(rows)))
    # Written only where it differs: a click that is under way would be taken back by every other write.
    shown_by_table = st.session_state.get(key, {}).get("selection", {}).get("rows")
    if sorted(shown_by_table or []) != positions:
        st.session_state[key] = {"selection": {"rows": positions, "columns": []}}
    st.dataframe(
        detection_table(state, image, rows, names),
        key=key,
        hide_index=True,
        on_select=choose,
        selection_mode="multi-row",
        row_height=44,
        height=min(40 + 44 * max(len(rows), 1), 440),
        placeholder="No instances",
        column_config={
            "segment": st.column_config.ImageColumn(width=60),
            "score": st.column_config.ProgressColumn(min_value=0.0, max_value=1.0, format="%.3f"),
            "area %": st.column_config.NumberColumn(format="%.2f"),
            "area µm²": st.column_config.NumberColumn(format="%.2f"),
        },
        alt="Detections in this image; selected rows are highlighted in the viewer",
    )


def _chosen_sentence(numbers: list[int], count: int) -> str:
    """Say which rows are selected: among hundreds the table may have them far out of sight."""
    rows = counted(count, "row")
    if not numbers:
        return f"{rows}, none selected"
    named = ", ".join(map(str, numbers[:_NUMBERS_NAMED]))
    more = len(numbers) - _NUMBERS_NAMED
    return f"{rows}, selected: no. {named}" + (f" and {more} more" if more > 0 else "")


def _filter(
    state: UiState, visible: tuple[Instance, ...], names: dict[int, str]
) -> list[tuple[int, Instance]]:
    """Return the table's rows with their numbers; a filter hides rows, and does not renumber them."""
    present = sorted({names[instance.category_id] for instance in visible})
    left, right = st.columns([2, 1])
    chosen = left.multiselect(
        "Rows of these categories",
        present,
        [name for name in state.table_categories if name in present],
        key=f"table-filter-{hash(tuple(present))}",
        placeholder="all",
    )
    state.table_categories = chosen
    state.least_area = right.number_input("Area from (px)", 0, None, state.least_area, 100, key="least-area")
    return [
        (number, instance)
        for number, instance in enumerate(visible, start=1)
        if (not chosen or names[instance.category_id] in chosen) and instance.area >= state.least_area
    ]


def detection_table(
    state: UiState, image: OpenImage, rows: list[tuple[int, Instance]], names: dict[int, str]
) -> pd.DataFrame:
    """Build the table's data: one row per numbered instance, its segment as a ``data:`` URL."""
    boxes = [instance.box_xywh for _, instance in rows]
    pixel = image.pixel_um
    sizes = {} if pixel is None else {"area µm²": [i.area * pixel[0] * pixel[1] for _, i in rows]}
    return pd.DataFrame(
        {
            "no.": [number for number, _ in rows],
            "segment": [_cut_out_url(state, image, instance) for _, instance in rows],
            "category": [cell(names[instance.category_id]) for _, instance in rows],
            "score": [instance.score for _, instance in rows],
            "area px": [instance.area for _, instance in rows],
            **sizes,
            "area %": [100 * instance.area / (image.width * image.height) for _, instance in rows],
            "x": [box[0] for box in boxes],
            "y": [box[1] for box in boxes],
            "width": [box[2] for box in boxes],
            "height": [box[3] for box in boxes],
        }
    )


def _cut_out_url(state: UiState, image: OpenImage, instance: Instance) -> str:
    """Return a segment's URL; the session keeps it, since each choice in the viewer draws the table again."""
    key = (image.digest, instance.mask)
    if key not in state.cut_outs:
        picture = cut_out_thumbnail(state.workspace.pixels(image.digest), instance, _CUT_OUT)
        state.cut_outs[key] = data_url(encode_png(picture, compress_level=1), "image/png")
    return state.cut_outs[key]


# -- charts ---------------------------------------------------------------------------------------


def _draw_charts(state: UiState, predictor: Predictor, shown: Shown, visible: tuple[Instance, ...]) -> None:
    left, right = st.columns(2)
    left.plotly_chart(_counts_figure(visible, _names(predictor)), key="counts", width="stretch")
    right.plotly_chart(_scores_figure(shown, state.thresholds.score_threshold), key="scores", width="stretch")


def _counts_figure(visible: tuple[Instance, ...], names: dict[int, str]) -> _Figure:
    counts = Counter(instance.category_id for instance in visible).most_common()[::-1]
    bars = {
        "type": "bar",
        "x": [count for _, count in counts],
        # Plotly takes some HTML in labels for formatting: outside names are shown as they are.
        "y": [names[i].replace("&", "&amp;").replace("<", "&lt;") for i, _ in counts],
        "orientation": "h",
        "marker": {"color": [hex_color(category_color(i)) for i, _ in counts]},
        "text": [count for _, count in counts],
        "textangle": 0,
    }
    return _laid_out([bars], "Instances per category", height=max(220, 60 + 24 * len(counts)))


def _scores_figure(shown: Shown, score_threshold: float) -> _Figure:
    bins = {"start": 0.0, "end": 1.0, "size": 0.05}
    kept = [instance.score for instance in shown.kept]
    below = [instance.score for instance in shown.instances[shown.count :]]
    histograms: list[dict[str, object]] = [
        {"type": "histogram", "x": kept, "xbins": bins, "name": "shown"},
        {"type": "histogram", "x": below, "xbins": bins, "name": "below the threshold", "opacity": 0.35},
    ]
    at = {"xref": "x", "yref": "y domain"}
    line = {"x0": score_threshold, "x1": score_threshold, "y0": 0, "y1": 1, "type": "line", **at}
    text = {
        "text": f"threshold {score_threshold:.2f}",
        "x": score_threshold,
        "y": 1,
        "showarrow": False,
        **at,
    }
    return _laid_out(
        histograms,
        "Scores, and where the threshold cuts",
        height=260,
        barmode="stack",
        xaxis={"range": [0, 1], "title": {"text": "score"}},
        shapes=[{**line, "line": {"dash": "dash", "color": "#888888"}}],
        annotations=[{**text, "xanchor": "left", "yanchor": "top"}],
    )


def _laid_out(traces: list[dict[str, object]], title: str, *, height: int, **layout: object) -> _Figure:
    """Lay out a figure as Plotly's JSON: its classes' methods take ten times as long."""
    return {
        "data": traces,
        "layout": {
            "title": {"text": title},
            "height": height,
            "margin": {"l": 10, "r": 10, "t": 60, "b": 40},
            "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"},
            **layout,
        },
    }
