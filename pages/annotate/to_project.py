"""From the Annotate page to the editor: what is shown becomes a project, where no edit is lost."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from pages.shared.cached import open_store
from pages.shared.images_project import project_of_open_images
from pages.shared.naming import with_name
from pages.shared.pressing import pressed
from pages.shared.session import UiState
from pages.shared.texts import show_core_errors

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["draw_mend"]

_KEY = "mend"


def draw_mend(state: UiState, predictor: Predictor | None) -> None:
    """Draw the button that leads to the editor, enabled once the current image has its run.

    Until then it is disabled but visible: one that came later would move the picture below it.
    """
    is_done = (
        predictor is not None
        and state.current is not None
        and state.workspace.run_of(state.current, predictor) is not None
    )
    asked = pressed(
        "Correct masks, add missed objects",
        key=_KEY,
        is_kept=True,
        disabled=not is_done,
        icon=":material/edit:",
        help="Puts the open images and the instances shown into a project, and opens the current one in the "
        "editor on the Review page. Every edit is kept there.",
    )
    if asked and predictor is not None:
        with_name(state.project, _KEY, partial(_mend, state, predictor))


def _mend(state: UiState, predictor: Predictor) -> None:
    with show_core_errors():
        store = open_store()
        project_id = project_of_open_images(store, state, predictor)
        image = next(row for row in store.images(project_id) if row.digest == state.current)
        state.project.open(project_id)
        if predictor.model.key not in state.custom:
            # The model that found these corrects them; one of this session alone fills no boxes there.
            state.project.box_model = predictor.model.key
        st.switch_page(
            "pages/review/page.py", query_params={"project": str(project_id), "image": str(image.id)}
        )
