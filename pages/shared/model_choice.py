"""The sidebar: which model, and the thresholds that the viewer does not hold itself."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import streamlit as st

from maskrcnn_core.detection.candidates import MOST_DETECTIONS
from maskrcnn_core.errors import CoreError, InputError
from maskrcnn_core.models.catalog import MODELS, all_models, default_model, model_by_key, ready_models
from maskrcnn_core.models.domains import offered_names
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.models.spec import LoadedModel, ModelSpec
from maskrcnn_core.tiling.choosing import AUTO, OFF, tiling_of
from pages.shared.cached import predictor_of
from pages.shared.domains import draw_domain_choice, fit_domain
from pages.shared.pressing import carrying_out, drop_press, pressed
from pages.shared.session import UiState
from pages.shared.texts import harmless, plain, show_core_errors

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = [
    "HELP_ON_TILES",
    "TILE_CHOICES",
    "draw_download",
    "draw_model_choice",
    "draw_thresholds",
    "draw_tiles",
    "facts_of",
    "shown_title",
]

TILE_CHOICES = (AUTO, OFF, "320", "640", "1024")


def draw_model_choice(state: UiState, *, is_needed: bool = True) -> Predictor | None:
    """Draw the model menu; a model that is not ready offers its download.

    Args:
        is_needed: whether the page has pictures for it; else nobody waits for its network to be built.

    Returns:
        The chosen model's predictor, or ``None`` where there is none yet.
    """
    specs = {spec.key: spec for spec in all_models()}
    keys = [*specs, *state.custom]
    if state.model_key not in keys:
        state.model_key = default_model().key
    domains = st.container()
    ready = {spec.key for spec in ready_models()} | set(state.custom)

    def label(key: str) -> str:
        if key not in ready:  # the menu is narrow: a title would push out of it what matters first
            return f"{harmless(key)} (not downloaded)"
        return harmless(state.custom[key].model.title) if key in state.custom else shown_title(specs[key])

    chosen = st.selectbox(
        "Model", keys, keys.index(state.model_key), format_func=label, key=state.model_widget
    )
    if chosen != state.model_key:
        state.model_key, state.is_model_chosen, state.took_over = chosen, True, None
    fit_domain(state)
    with domains:
        draw_domain_choice(state)
    if state.model_key not in ready:
        _offer_download(state.model_key)
        return None
    if state.model_key in specs:
        st.caption(plain(specs[state.model_key].knows))
    if not is_needed:
        return None
    try:
        return predictor_of(state, state.model_key)
    except CoreError as error:
        st.error(plain(str(error)))
        if state.model_key in specs and specs[state.model_key].url:
            _offer_download(state.model_key)
        return None


def facts_of(state: UiState) -> ModelSpec | LoadedModel | None:
    """Return what is known of the chosen model without its network; None if it is not here."""
    if state.model_key in state.custom:
        return state.custom[state.model_key].model
    return next((spec for spec in ready_models() if spec.key == state.model_key), None)


def shown_title(spec: ModelSpec) -> str:
    """Return a model's title for menus; a trained model's is what somebody wrote into a file."""
    return spec.title if spec in MODELS else harmless(spec.title)


def _offer_download(key: str) -> None:
    spec = model_by_key(key)
    st.info(f"**{shown_title(spec)}**: {spec.knows} {spec.size_bytes / 1e6:.0f} MB, {spec.licence}.")
    draw_download(key, "Download", width="stretch")


def draw_download(key: str, label: str, *, width: Literal["stretch", "content"] = "content") -> None:
    """Offer to fetch a model's weights; once they are here, the page is drawn anew."""
    press = f"download-{key}"
    if pressed(label, key=press, is_kept=True, icon=":material/download:", width=width):
        with carrying_out(press), show_core_errors():
            _download(key, press)
            drop_press(press)
            st.rerun()


def _download(key: str, press: str) -> None:
    """Fetch a model's weights with a progress bar; pressing Cancel keeps what is there for later."""
    place = st.empty()
    with place.container():
        bar = st.progress(0.0, text="Connecting ...")
        st.button(
            "Cancel",
            key=f"cancel-download-{key}",
            help="The part already downloaded is kept and resumed.",
            on_click=drop_press,
            args=(press,),
        )

    def show(done: int, total: int | None) -> None:
        share = done / total if total else 0.0
        of = f" of {total / 1e6:.1f}" if total else ""
        bar.progress(min(share, 1.0), text=f"{done / 1e6:.1f}{of} MB")

    try:
        get_model(key, download=True, on_progress=show)
    finally:
        place.empty()


def draw_thresholds(state: UiState, *, limited: Literal["image", "tile"] = "image") -> None:
    """Draw the sliders for the chosen model; none of them runs the network again.

    Args:
        state: the session's.
        limited: what the limit of detections counts for.
    """
    model = facts_of(state)
    if model is not None:
        _take_score_of(state, model)
        _take_nms_of(state, model)
    old = state.thresholds
    nms = st.slider(
        "NMS IoU",
        0.0,
        1.0,
        old.nms_threshold,
        0.05,
        key=f"nms-{state.own_nms:g}",  # a widget takes another value only as another widget
        help="If two boxes of one category overlap by more than this (intersection over union), the "
        f"lower-scoring one is dropped. The model's own: {state.own_nms:g}.",
    )
    mask = st.slider(
        "Mask threshold",
        0.05,
        0.95,
        old.mask_threshold,
        0.05,
        key="mask-threshold",
        help="A pixel belongs to a mask if its probability is greater: lower values grow masks, higher ones "
        "shrink them.",
    )
    # Each model has a limit of its own: one of nuclei has to find more in an image than one of photos.
    key = model.key if model else ""
    limit = st.number_input(
        f"Maximum detections per {limited}",
        1,
        MOST_DETECTIONS,
        state.limits.get(key, model.max_detections if model else old.max_detections),
        10,
        key=f"max-detections-{key}" if limited == "image" else f"max-detections-{limited}-{key}",
    )
    state.limits[key] = int(limit)
    labels = None
    if model is not None:
        every = [category.name for category in model.label_map]
        names = offered_names(state.domain, every) if state.domain else every
        chosen = [name for name in state.only_categories if name in names]
        state.only_categories = st.multiselect(
            "Only these categories",
            names,
            chosen,
            key=f"only-{key}" + (f"-{state.domain}" if names != every else ""),
            placeholder="all",
        )
        if state.only_categories or names != every:
            labels = model.label_map.labels_of(state.only_categories or names)
    _draw_stretch(state)
    state.thresholds = replace(
        old, nms_threshold=nms, mask_threshold=mask, max_detections=int(limit), labels=labels
    )


HELP_ON_TILES = (
    "Overlapping parts of a picture that the network sees one after another, so that small objects are as "
    "large as those that it learned from. auto cuts pictures that it would see much too small; or type the "
    "side of a tile in pixels."
)


def draw_tiles(state: UiState, predictor: Predictor | None) -> None:
    """Draw the choice of how large pictures are cut for the network; it runs again where that changes.

    For a model that says how large objects were in training, the size of those in the pictures can be given.
    """
    options = [*TILE_CHOICES] if state.tiles in TILE_CHOICES else [*TILE_CHOICES, state.tiles]
    chosen = st.selectbox(
        "Tiles",
        options,
        options.index(state.tiles),
        key="tiles",
        accept_new_options=True,
        help=f"{HELP_ON_TILES} What was found in another way is kept.",
    )
    size = None
    if chosen == AUTO and predictor is not None and predictor.model.object_pixels is not None:
        given = st.number_input(
            "Size of objects (px)",
            0.0,
            None,
            state.object_size,
            1.0,
            "%g",
            key="object-size",
            help="How large objects usually are in these pictures: the square root of their area, which the "
            "table tells of each. Or measure one in the picture (Shift+Y, then drag across it). Tiles are "
            "then as large as makes the network see them as it learned them. 0 leaves it to auto.",
        )
        state.object_size = given
        size = given or None
        _offer_measured(state)
    try:
        state.workspace.tiling = tiling_of(chosen or OFF, object_size=size)
        state.tiles = chosen or OFF
    except InputError as error:
        st.error(plain(str(error)))


def _offer_measured(state: UiState) -> None:
    """Offer the length that was measured in the viewer as the size of objects: that of a disk so wide."""
    if state.measured is None:
        return
    size = round(state.measured * math.sqrt(math.pi) / 2, 1)

    def take() -> None:
        st.session_state["object-size"] = size

    if size > 0 and size != state.object_size:
        st.button(
            f"Take {size:g} px",
            key="take-measured",
            on_click=take,
            help=f"The size of a round object that is {state.measured:.1f} px across, as you measured.",
        )


def _take_score_of(state: UiState, model: ModelSpec | LoadedModel) -> None:
    """Take the score threshold of the model's card when model or domain changes: scores differ in meaning.

    One that somebody has moved stays for all images of this model and domain; the viewer shows that it was.
    """
    chosen = model.key, state.domain
    if chosen != state.scored_by:
        state.thresholds = replace(state.thresholds, score_threshold=model.score_threshold)
        state.scored_by = chosen


def _take_nms_of(state: UiState, model: ModelSpec | LoadedModel) -> None:
    """Take the NMS threshold of a model that has another one; one that somebody has moved stays else."""
    if model.nms_threshold != state.own_nms:
        state.thresholds = replace(state.thresholds, nms_threshold=model.nms_threshold)
        state.own_nms = model.nms_threshold


def _draw_stretch(state: UiState) -> None:
    """Draw the switch, only if it decides how an image looks."""
    workspace = state.workspace
    if not any(image.is_dim for image in workspace.images.values()):
        return
    is_on = st.toggle(
        "Stretch dim images",
        workspace.stretch == "auto",
        key="stretch",
        help="16-bit and floating-point images that use a small part of their range are almost black unless "
        "their values are stretched. The network runs again when this changes.",
    )
    if workspace.set_stretch("auto" if is_on else "off"):
        state.cut_outs.clear()
