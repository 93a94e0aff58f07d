"""Models: what each is made of, its licence and accuracy; download one, or load your own."""

import tempfile
from pathlib import Path

import streamlit as st

from maskrcnn_core.bounds import MAX_NAME
from maskrcnn_core.domains import domain_by_key
from maskrcnn_core.files import scratch_folder
from maskrcnn_core.formats.base import file_name
from maskrcnn_core.messages import counted
from maskrcnn_core.model_cards import is_card
from maskrcnn_core.models import ModelSpec, all_models, load_custom_model, load_trained_model, ready_models
from pages.ui.cached import predictor_of
from pages.ui.errors import harmless, plain, show_core_errors
from pages.ui.fetching import draw_fetch_setting
from pages.ui.navigation import through_app
from pages.ui.settings import download_model, shown_title
from pages.ui.state import UiState, get_state
from pages.ui.summary import draw_summary
from pages.ui.uploads import say_why_uploads_fail


def draw_models(specs: list[ModelSpec], ready: set[str]) -> None:
    """The models, one below the other: in a table most of these texts would be cut, on every screen."""
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
    st.subheader("What a model is made of")
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
        "What the train command wrote: the .safetensors file and its model card (.json). Or a torchvision "
        "Mask R-CNN state dict (ResNet-50-FPN, version 1 or 2, any number of classes) as .pth or "
        ".safetensors, and its category names, one a line, without the background. Only this browser "
        "session sees it."
    )
    weights = st.file_uploader("Weights", key="custom-weights")
    names = st.file_uploader("Model card, or category names", key="custom-names")
    say_why_uploads_fail("uploads")
    if state.loaded:
        st.success(plain(state.loaded))
        state.loaded = ""
    if not st.button("Load", key="load-custom", disabled=weights is None or names is None):
        return
    uploads = {"weights": weights, "names": names}
    with show_core_errors(), tempfile.TemporaryDirectory(dir=scratch_folder()) as folder:
        # Messages name the files as the person did, as far as that makes a harmless path.
        file, lines = (Path(folder) / kind / file_name(upload.name) for kind, upload in uploads.items())
        for path, upload in zip((file, lines), uploads.values(), strict=True):
            path.parent.mkdir()
            path.write_bytes(upload.getvalue())
        if is_card(lines):
            model = load_trained_model(file, card=lines)
        else:
            model = load_custom_model(file, lines, title=weights.name[:MAX_NAME])
        from maskrcnn_core.inference import Predictor

        state.custom[model.key] = Predictor(model)
        state.model_key, state.is_model_chosen, state.took_over = model.key, True, None
        categories = counted(len(model.label_map), "category", "categories")
        state.loaded = f"Loaded {model.title}: {categories}. The Annotate page uses it now."
        st.rerun()


through_app()
page_state = get_state()
models = all_models()
ready_keys = {spec.key for spec in ready_models()}
st.title("Models")
draw_models(models, ready_keys)
draw_fetch_setting()
draw_made_of(page_state, models, ready_keys)
draw_custom(page_state)
