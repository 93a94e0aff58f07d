"""The panels: a row for each stage of the core's table."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
import streamlit as st

from maskrcnn_core.explain.glossary import GLOSSARY, PAPERS
from maskrcnn_core.explain.law_sentences import sentences_of
from maskrcnn_core.explain.stages import STAGES, Stage
from pages.explain.look import Look
from pages.explain.missed import draw_missed
from pages.explain.panels_features import (
    draw_anchors,
    draw_backbone,
    draw_input,
    draw_iou,
    draw_proposals,
    draw_pyramid,
    draw_roi_align,
)
from pages.explain.panels_heads import draw_box_head, draw_kinds, draw_mask, draw_suppression
from pages.explain.truth_panel import draw_truth
from pages.explain.weights_panel import draw_weights
from pages.shared.texts import show_core_errors

__all__ = ["PANELS", "draw_glossary", "draw_stage"]

PANELS: Mapping[str, Callable[[Look], None]] = {
    "input": draw_input,
    "backbone": draw_backbone,
    "pyramid": draw_pyramid,
    "anchors": draw_anchors,
    "proposals": draw_proposals,
    "iou": draw_iou,
    "roi-align": draw_roi_align,
    "box-head": draw_box_head,
    "suppression": draw_suppression,
    "mask": draw_mask,
    "kinds": draw_kinds,
    "truth": draw_truth,
    "missed": draw_missed,
    "weights": draw_weights,
}
"""By the stage's key in :data:`maskrcnn_core.explain.stages.STAGES`."""


def draw_stage(look: Look) -> None:
    """Draw the current stage: what it does, its picture and control, its numbers."""
    stage = STAGES[look.ui.at]
    st.subheader(f"{look.ui.at + 1}. {stage.title}")
    st.markdown("\n".join(f"- {sentence}" for sentence in sentences_of(stage, look.trace.laws)))
    with show_core_errors():
        PANELS[stage.key](look)
        _draw_facts(look, stage)
    st.caption(f"Source: {stage.source}")


def _draw_facts(look: Look, stage: Stage) -> None:
    facts = stage.facts(look.trace)
    if not facts:
        return
    st.markdown("**Shapes and numbers of this run**")
    st.dataframe(
        pd.DataFrame(facts, columns=["what", "value"]),
        hide_index=True,
        key=f"explain-facts-{stage.key}",
        alt="Shapes and numbers of this run",
    )


def draw_glossary() -> None:
    """Draw terms and sources."""
    with st.expander("Glossary and sources", icon=":material/menu_book:"):
        st.dataframe(
            pd.DataFrame(GLOSSARY, columns=["term", "meaning"]),
            hide_index=True,
            key="explain-glossary",
            column_config={"meaning": st.column_config.TextColumn(width="large")},
            alt="Terms of this page and what they mean",
        )
        for paper in PAPERS:
            st.text(f"{paper.key}: {paper.title}. {paper.where}")
