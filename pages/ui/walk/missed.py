"""The panel that says why something was missed, or found twice, and takes it all the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from maskrcnn_core.explaining import Explanation, explain_box
from maskrcnn_core.store.drawing import BoxDrawer
from maskrcnn_core.store.editing import made_by
from pages.ui.cached import box_drawer, open_store
from pages.ui.errors import plain, show_core_errors
from pages.ui.mending import project_of_open_images
from pages.ui.project.naming import with_name
from pages.ui.stage_view import Layer, StageMessage, answer_of, stage_view
from pages.ui.walk.look import Box, Look
from pages.ui.walk.state import Taken

__all__ = ["draw_missed"]

_ANCHOR, _PROPOSAL, _ROWS = "#17becf", "#ff7f0e", ("#2ca02c", "#ff4b4b")


def draw_missed(look: Look) -> None:
    """A box that one draws, and what became of the object in it."""
    message = StageMessage(
        f"missed-{look.name}",
        look.url,
        look.size,
        "The image: draw a box around an object",
        asks="box",
        drawn=look.ui.drawn.get(look.name),
    )
    box = answer_of(message, key="walk-missed").drawn
    found = look.detections
    detections = Layer(
        "boxes",
        found.boxes,
        ("#ffffff",),
        "detections",
        tuple(f"{look.category(int(found.labels[n]))} {found.scores[n]:.2f}" for n in range(len(found))),
        width=1.5,
    )
    answer = None
    if box is not None:
        look.ui.drawn[look.name] = box
        with show_core_errors():
            answer = explain_box(look.stages, look.thresholds, look.predictor.model.label_map, box)
    layers = (detections,) if answer is None else (detections, *_layers(look, answer))
    stage_view(replace(message, layers=layers), key="walk-missed")
    if box is None:
        st.info("Draw a box around an object that was missed, or found twice.", icon=":material/draw:")
        return
    if answer is not None:
        _draw_answer(answer)
        _draw_taking(look, box)


def _layers(look: Look, answer: Explanation) -> list[Layer]:
    layers = [
        Layer(
            "boxes",
            answer.anchor_box[None],
            (_ANCHOR,),
            f"best anchor, IoU {answer.anchor_iou:.2f}",
            dashed=True,
        )
    ]
    if answer.proposal_box is not None:
        title = f"best proposal, IoU {answer.proposal_iou:.2f}"
        layers.append(Layer("boxes", answer.proposal_box[None], (_PROPOSAL,), title, dashed=True))
    if answer.rows:
        candidates = look.stages.run.candidates
        rows = np.array(answer.rows)
        labels = tuple(
            f"{look.category(int(candidates.labels[row]))} {candidates.scores[row]:.2f}" for row in rows
        )
        layers.append(Layer("boxes", look.in_image(candidates.boxes[rows]), _ROWS, "", labels, width=2.5))
    return layers


def _draw_answer(answer: Explanation) -> None:
    kind = st.success if answer.verdict == "detected" else st.warning
    kind(plain(answer.sentence) + (f"  \n{plain(answer.helps)}" if answer.helps else ""))
    columns = st.columns(4)
    columns[0].metric("best anchor's IoU", f"{answer.anchor_iou:.2f}", help=f"on level {answer.anchor_level}")
    columns[1].metric("anchors at 0.5 or more", f"{answer.anchors_near:,}")
    has_boxes = answer.verdict not in ("moved off", "not covered")
    columns[2].metric(
        "best objectness on it" if has_boxes else "that anchor's objectness",
        f"{answer.objectness:.3f}",
        help="Of the boxes that the network made of anchors and that overlap yours by half or more"
        if has_boxes
        else "The network made no box that overlaps yours by half",
    )
    columns[3].metric("best proposal's IoU", f"{answer.proposal_iou:.2f}")
    if answer.classes:
        st.dataframe(
            pd.DataFrame(answer.classes, columns=["class of the best proposal", "probability"]),
            hide_index=True,
            key="walk-missed-classes",
            column_config={
                "probability": st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f")
            },
            alt="Class probabilities of the best proposal",
        )


def _draw_taking(look: Look, box: Box) -> None:
    """The network's own heads on the drawn box, kept in a project as an accepted instance."""
    key = (look.name, box)
    asked = st.button(
        "Take it as an instance all the same",
        key="walk-take",
        icon=":material/add_box:",
        help="The network makes a mask of your box. It is kept in a project, where it can be mended.",
        disabled=key in look.ui.taken,
    )
    if asked and key not in look.ui.taken:

        def take() -> None:
            with show_core_errors():
                look.ui.taken[key] = _take(look, box)

        with_name(look.state.project, take)
    taken = look.ui.taken.get(key)
    if taken is None:
        return
    st.success(plain(taken.said), icon=":material/check:")
    if st.button("Open it in the editor", key="walk-open", icon=":material/edit:"):
        look.state.project.open(taken.project_id)
        place = {"project": taken.project_id, "image": taken.image_id, "instance": taken.instance_id}
        st.switch_page("pages/review.py", query_params={name: str(id_) for name, id_ in place.items()})


def _take(look: Look, box: Box) -> Taken:
    state, predictor = look.state, look.predictor
    store = open_store()
    project_id = project_of_open_images(store, state, predictor)
    (image,) = store.images(project_id, digests=[look.image.digest])
    is_own = predictor.model.key in state.custom
    drawer = BoxDrawer(store, predictor) if is_own else box_drawer(predictor.model.key)
    (made,) = made_by(drawer.draw(image.id, box, state.project.who))
    (row,) = store.instances(project_id, ids=[made])
    category = next(c.name for c in store.categories(project_id) if c.id == row.category_id)
    project = store.project(project_id).name
    return Taken(project_id, image.id, made, f"Taken as an instance, {category}, in the project {project}.")
