"""From the Annotate page to the editor: what is shown becomes a project, where no edit is lost."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from maskrcnn_core.store.handing_over import HandedOver, hand_over, missing_images
from maskrcnn_core.store.seeing import set_stretch
from maskrcnn_core.store.store import Store
from pages.ui.cached import open_store
from pages.ui.domains import offered_categories
from pages.ui.errors import show_core_errors
from pages.ui.project.naming import with_name
from pages.ui.state import UiState

if TYPE_CHECKING:
    from maskrcnn_core.inference import Predictor

__all__ = ["draw_mend", "project_of_open_images"]


def draw_mend(state: UiState, predictor: Predictor | None) -> None:
    """The button that goes on in the editor, once the image that is looked at has its answer.

    Until then it is there as well, as one that came later would move the picture below it.
    """
    is_answered = (
        predictor is not None
        and state.current is not None
        and state.workspace.run_of(state.current, predictor.model.digest) is not None
    )
    asked = st.button(
        "Mend masks, add what was missed",
        key="mend",
        disabled=not is_answered,
        icon=":material/edit:",
        help="Puts the open images with what is shown into a project, and opens the present one in the "
        "editor on the Review page. Every edit is kept there.",
    )
    if asked and predictor is not None:
        with_name(state.project, partial(_mend, state, predictor))


def _mend(state: UiState, predictor: Predictor) -> None:
    with show_core_errors():
        store = open_store()
        project_id = project_of_open_images(store, state, predictor)
        image = next(row for row in store.images(project_id) if row.digest == state.current)
        state.project.open(project_id)
        if predictor.model.key not in state.custom:
            # What was found is mended with what found it; a model of this session alone fills no boxes there.
            state.project.review.box_model = predictor.model.key
        st.switch_page("pages/review.py", query_params={"project": str(project_id), "image": str(image.id)})


def project_of_open_images(store: Store, state: UiState, predictor: Predictor) -> int:
    """The project of the open images; it is made at first, and gets those that have come since.

    It shows dim images as the page does.

    Raises:
        StoreError: if it cannot be stored.
        InputError: if nobody has said their name.
    """
    who = state.project.who
    present = {row.id for row in store.projects()}
    if state.mended_in not in present:
        name = f"Annotated {datetime.now():%Y-%m-%d %H.%M.%S}"
        state.mended_in, state.mended_as = store.create_project(name, who).id, "auto"
        state.kept.clear()  # another project had them, which has gone
    if state.workspace.stretch != state.mended_as:
        # Only where the switch was moved on the page: what the project's own switch says stays otherwise.
        set_stretch(store, state.mended_in, who, state.workspace.stretch)
        state.mended_as = state.workspace.stretch
    answered = [
        digest
        for digest in state.workspace.images
        if state.workspace.run_of(digest, predictor.model.digest) is not None
    ]
    handed = []
    for digest in missing_images(store, state.mended_in, answered):
        image = state.workspace.annotated(digest, predictor, state.thresholds, state.hidden_categories)
        if image is not None:
            handed.append(HandedOver(image, state.workspace.original(digest)))
    if handed:
        categories = offered_categories(state, predictor.model)
        hand_over(store, state.mended_in, who, handed, categories, predictor.model.key)
    state.kept.update(answered)
    return state.mended_in
