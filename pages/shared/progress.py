"""How much of a project is done, in two bars."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from maskrcnn_core.projects.records import ImageStatus, Status

__all__ = ["draw_progress"]


def draw_progress(images: Counter[ImageStatus], instances: Counter[Status]) -> None:
    """Draw how much is done, of images and of instances, each counted by status."""
    decided = instances["accepted"] + instances["rejected"]
    left, right = st.columns(2)
    for column, done, total, what in (
        (left, images["reviewed"], images.total(), "images reviewed"),
        (right, decided, instances.total(), "instances decided"),
    ):
        column.progress(done / max(total, 1), text=f"{done:,} of {total:,} {what}")
