"""A drawn scene whose objects are known: the ground truth that a photo does not have."""

from __future__ import annotations

from maskrcnn_core.evaluation.image_truth import ImageTruth
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES, draw_scene
from pages.explain.session import ExplainUi
from pages.shared.domains import choose_for_sample
from pages.shared.session import UiState

__all__ = ["open_scene"]


def open_scene(state: UiState) -> None:
    """Draw the session's next scene, open it with a model that fits, and look at it."""
    ui = state.of(ExplainUi)
    choose_for_sample(state, "drawings")
    scene = draw_scene(ui.seed)
    report = state.workspace.add(f"scene-{ui.seed}.png", encode_png(scene.pixels))
    ui.seed += 1
    names = {category.id: category.name for category in SCENE_CATEGORIES}
    truth = ImageTruth(
        tuple(names[category_id] for category_id in scene.category_ids),
        scene.masks,
        (False,) * len(scene.masks),
        tuple(names.values()),
        "as drawn",
    )
    for digest in report.added:
        ui.truths[digest] = truth
        state.samples_open.add(digest)
        state.look_at(digest)
