"""Models: what each is made of, its licence and accuracy; download one, or load your own."""

import tempfile
from pathlib import Path

import streamlit as st

from maskrcnn_core.common.atomic_files import scratch_folder
from maskrcnn_core.common.bounds import MAX_NAME
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.formats.base import file_name
from maskrcnn_core.models.cards import is_card
from maskrcnn_core.models.catalog import all_models, ready_models
from maskrcnn_core.models.domains import domain_by_key
from maskrcnn_core.models.foreign.sidecar import Sidecar, style_named
from maskrcnn_core.models.foreign.table import CHECKPOINT_FAMILIES
from maskrcnn_core.models.loading import load_custom_model, load_trained_model
from maskrcnn_core.models.spec import ModelSpec
from pages.components.uploads import say_why_uploads_fail
from pages.shared.cached import predictor_of
from pages.shared.fetching import draw_fetch_setting
from pages.shared.model_choice import download_model, shown_title
from pages.shared.model_summary import draw_summary
from pages.shared.notice import Notice
from pages.shared.session import UiState, get_state
from pages.shared.texts import harmless, plain, show_core_errors


def draw_models(specs: list[ModelSpec], ready: set[str]) -> None:
    """Draw the models one below the other: a table would cut most of these texts, on every screen."""
    for spec in specs:
        with st.container(border=True, key=f"card-{spec.key}"):
            _draw_model(spec, is_ready=spec.key in ready)


def _draw_model(spec: ModelSpec, *, is_ready: bool) -> None:
    domains = ", ".join(domain_by_key(key).title for key in spec.domains)
    st.markdown(f"**{plain(spec.title)}**: {plain(domains)}")
    st.caption(plain(spec.knows))
    # A figure never without its images, and none in a column of its own: they cannot be compared.
    measured = "; ".join(row.text for row in spec.measured)
    parts = [f"Measured on {measured}" if measured else "", f"{spec.size_bytes / 1e6:.1f} MB", spec.licence]
    st.caption(plain(". ".join(part for part in parts if part) + f". Source: {spec.source}"))
    if is_ready:
        st.caption(":material/check: Ready to use.")
    elif spec.url and st.button(
        f"Download ({spec.size_bytes / 1e6:.0f} MB)", key=f"get-{spec.key}", icon=":material/download:"
    ):
        with show_core_errors():
            download_model(spec.key)
            st.rerun()


def draw_made_of(state: UiState, specs: list[ModelSpec], ready: set[str]) -> None:
    st.subheader("Inside a model")
    keys = [spec.key for spec in specs if spec.key in ready] + list(state.custom)
    titles = {spec.key: shown_title(spec) for spec in specs}
    titles |= {key: harmless(predictor.model.title) for key, predictor in state.custom.items()}
    index = keys.index(state.model_key) if state.model_key in keys else 0
    key = st.selectbox("Model", keys, index, format_func=titles.__getitem__, key="summary-choice")
    with show_core_errors():
        model = predictor_of(state, key).model
        draw_summary(model, key="summary")


def draw_custom(state: UiState) -> None:
    st.subheader("Your own model")
    st.text(
        "The output of the train command: the .safetensors file and its model card (.json). Or another "
        f"project's Mask R-CNN: {'; '.join(f'{row.title} ({row.files})' for row in CHECKPOINT_FAMILIES)}. "
        "Add its category names, one per line, without the background, if the weights do not have them, and "
        "the training's config if you have it. Only this browser session sees them."
    )
    weights = st.file_uploader("Weights", key="custom-weights")
    names = st.file_uploader("Model card, or category names", key="custom-names")
    config = st.file_uploader("Config of the training, if there is one", key="custom-config")
    style = st.selectbox(
        "Style of an mmdetection model without a config",
        ["pytorch", "caffe"],
        index=None,
        placeholder="As the config says",
        help="pytorch takes images in RGB, caffe in BGR; the config's name has caffe in it if it is that.",
        key="custom-style",
    )
    say_why_uploads_fail("uploads")
    notice = state.of(Notice)
    uploads = {"weights": weights, "names": names, "config": config}
    notice.draw((*(upload and upload.file_id for upload in uploads.values()), style, state.model_key))
    is_asked = st.button("Load", key="load-custom", disabled=weights is None)
    if not is_asked or weights is None:
        return
    with show_core_errors(), tempfile.TemporaryDirectory(dir=scratch_folder()) as folder:
        paths: dict[str, Path | None] = dict.fromkeys(uploads)
        for kind, upload in uploads.items():
            if upload is not None:
                # Messages name the files as the person did, as far as that makes a harmless path.
                path = Path(folder) / kind / file_name(upload.name)
                path.parent.mkdir()
                path.write_bytes(upload.getvalue())
                paths[kind] = path
        file, lines = Path(folder) / "weights" / file_name(weights.name), paths["names"]
        if lines is not None and is_card(lines):
            model = load_trained_model(file, card=lines)
        else:
            sidecar = Sidecar(paths["config"], None if style is None else style_named(style))
            model = load_custom_model(file, lines, title=weights.name[:MAX_NAME], sidecar=sidecar)
        from maskrcnn_core.inference.predictor import Predictor

        state.custom[model.key] = Predictor(model)
        state.model_key, state.is_model_chosen, state.took_over = model.key, True, None
        categories = counted(len(model.label_map), "category", "categories")
        notice.say(f"Loaded {model.title}: {categories}. The Annotate page uses it now.")
        st.rerun()


page_state = get_state()
models = all_models()
ready_keys = {spec.key for spec in ready_models()}
st.title("Models")
draw_models(models, ready_keys)
draw_fetch_setting()
draw_made_of(page_state, models, ready_keys)
draw_custom(page_state)
