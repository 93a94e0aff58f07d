"""The panel that says why something was missed, or found twice, and adds it anyway."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from maskrcnn_core.common.arrays import Box
from maskrcnn_core.explain.misses import Explanation, explain_box
from maskrcnn_core.projects.mask_edits import made_by
from maskrcnn_core.projects.proposals.network_edits import BoxDrawer
from pages.components.stage_view import Layer, StageMessage, answer_of, stage_view
from pages.explain.look import Look
from pages.explain.session import Taken
from pages.shared.cached import box_drawer, open_store
from pages.shared.images_project import project_of_open_images
from pages.shared.naming import with_name
from pages.shared.pressing import pressed
from pages.shared.texts import plain, show_core_errors

__all__ = ["draw_missed"]

_TAKE = "explain-take"
_ANCHOR, _PROPOSAL, _MEANT, _WINNER = "#17becf", "#ff7f0e", "#2ca02c", "#ff4b4b"


def draw_missed(look: Look) -> None:
    """Draw the image to draw a box on, and say what became of the object in it."""
    message = StageMessage(
        f"missed-{look.name}",
        look.url,
        look.size,
        "The image: draw a box around an object",
        asks="box",
        drawn=look.ui.drawn.get(look.name),
    )
    box = answer_of(message, key="explain-missed").drawn
    found = look.detections
    detections = Layer(
        "boxes",
        found.boxes,
        ("#ffffff",),
        "detections",
        tuple(f"{look.category(int(found.labels[n]))} {found.scores[n]:.2f}" for n in range(len(found))),
        width=1.5,
    )
    explanation = None
    if box is not None:
        look.ui.drawn[look.name] = box
        with show_core_errors():
            explanation = explain_box(look.trace, look.thresholds, look.predictor.model.label_map, box)
    layers = (detections,) if explanation is None else (detections, *_layers(look, explanation))
    stage_view(replace(message, layers=layers), key="explain-missed")
    if box is None:
        st.info("Draw a box around an object that was missed, or found twice.", icon=":material/draw:")
        return
    if explanation is not None:
        _draw_explanation(explanation)
        _draw_taking(look, box)


def _layers(look: Look, explanation: Explanation) -> list[Layer]:
    layers = [
        Layer(
            "boxes",
            explanation.anchor_box[None],
            (_ANCHOR,),
            f"best anchor, IoU {explanation.anchor_iou:.2f}",
            dashed=True,
        )
    ]
    if explanation.proposal_box is not None:
        title = f"best proposal, IoU {explanation.proposal_iou:.2f}"
        layers.append(Layer("boxes", explanation.proposal_box[None], (_PROPOSAL,), title, dashed=True))
    if explanation.rows:
        candidates = look.trace.run.candidates
        rows = np.array(explanation.rows)
        labels = tuple(
            f"{look.category(int(candidates.labels[row]))} {candidates.scores[row]:.2f}" for row in rows
        )
        boxes = look.in_image(candidates.boxes[rows])
        # All that is on the object; or the one that was dropped, and then what stood in its way.
        is_on_it = explanation.verdict in ("detected", "twice")
        ends = len(rows) if is_on_it else 1
        parts = (
            (_MEANT, "on this object" if is_on_it else "dropped", slice(ends)),
            (_WINNER, "what stood in its way", slice(ends, None)),
        )
        for color, title, part in parts:
            if len(rows[part]):
                layers.append(Layer("boxes", boxes[part], (color,), title, labels[part], width=2.5))
    return layers


def _draw_explanation(explanation: Explanation) -> None:
    kind = st.success if explanation.verdict == "detected" else st.warning
    kind(plain(explanation.sentence) + (f"  \n{plain(explanation.helps)}" if explanation.helps else ""))
    columns = st.columns(4)
    columns[0].metric(
        "best anchor's IoU", f"{explanation.anchor_iou:.2f}", help=f"on level {explanation.anchor_level}"
    )
    columns[1].metric("anchors at 0.5 or more", f"{explanation.anchors_near:,}")
    has_boxes = explanation.verdict not in ("moved off", "not covered")
    columns[2].metric(
        "its best objectness" if has_boxes else "that anchor's objectness",
        f"{explanation.objectness:.3f}",
        help="Boxes from anchors that overlap yours by half or more"
        if has_boxes
        else "No box from the network overlaps yours by half",
    )
    columns[3].metric("best proposal's IoU", f"{explanation.proposal_iou:.2f}")
    if explanation.classes:
        st.dataframe(
            pd.DataFrame(explanation.classes, columns=["class of the best proposal", "probability"]),
            hide_index=True,
            key="explain-missed-classes",
            column_config={
                "probability": st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f")
            },
            alt="Class probabilities of the best proposal",
        )


def _draw_taking(look: Look, box: Box) -> None:
    """Offer to run the network's heads on the drawn box and keep the result in a project as accepted."""
    key = (look.name, box)
    asked = pressed(
        "Add it as an instance anyway",
        key=_TAKE,
        is_kept=True,
        about=key,
        icon=":material/add_box:",
        help="The network makes a mask from your box. A project keeps it, and you can correct it there.",
        disabled=key in look.ui.taken,
    )
    if asked and key not in look.ui.taken:

        def take() -> None:
            with show_core_errors():
                look.ui.taken[key] = _take(look, box)

        with_name(look.state.project, _TAKE, take)
    taken = look.ui.taken.get(key)
    if taken is None:
        return
    st.success(plain(taken.said), icon=":material/check:")
    if pressed("Open it in the editor", key="explain-open", icon=":material/edit:"):
        look.state.project.open(taken.project_id)
        place = {"project": taken.project_id, "image": taken.image_id, "instance": taken.instance_id}
        st.switch_page("pages/review/page.py", query_params={name: str(id_) for name, id_ in place.items()})


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
    return Taken(project_id, image.id, made, f"Added as an instance of {category} to the project {project}.")
