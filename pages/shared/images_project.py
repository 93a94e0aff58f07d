"""The project that a session's open images become, so that what is done to them stays."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from maskrcnn_core.projects.exchange.from_workspace import HandedOver, hand_over, missing_images
from maskrcnn_core.projects.seeing import set_stretch
from maskrcnn_core.projects.store import Store
from pages.shared.domains import offered_categories
from pages.shared.session import UiState

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["project_of_open_images"]


def project_of_open_images(store: Store, state: UiState, predictor: Predictor) -> int:
    """Return the project of the open images, created the first time, with images opened since added.

    It shows dim images as the page does.

    Raises:
        StoreError: if it cannot be stored.
        InputError: if nobody has said their name.
    """
    who = state.project.who
    present = {row.id for row in store.sound_projects()[0] if not row.is_archived}
    if state.mended_in not in present:
        name = f"Annotated {datetime.now():%Y-%m-%d %H.%M.%S}"
        state.mended_in, state.mended_as = store.create_project(name, who).id, "auto"
        state.kept.clear()  # another project had them, which has gone
    if state.workspace.stretch != state.mended_as:
        # Only where the switch was moved on the page: what the project's own switch says stays otherwise.
        set_stretch(store, state.mended_in, who, state.workspace.stretch)
        state.mended_as = state.workspace.stretch
    done = [
        digest for digest in state.workspace.images if state.workspace.run_of(digest, predictor) is not None
    ]
    handed = []
    for digest in missing_images(store, state.mended_in, done):
        image = state.workspace.annotated(digest, predictor, state.thresholds, state.hidden_categories)
        if image is not None:
            handed.append(HandedOver(image, state.workspace.original(digest)))
    if handed:
        categories = offered_categories(state, predictor.model)
        hand_over(store, state.mended_in, who, handed, categories, predictor.model.key)
    state.kept.update(done)
    return state.mended_in
