"""Models: what each is made of, its licence and accuracy; download one, or load your own."""

import streamlit as st

from maskrcnn_core.models.catalog import all_models, ready_models
from maskrcnn_core.models.domains import domain_by_key
from maskrcnn_core.models.spec import ModelSpec
from pages.models.engines import draw_engines
from pages.models.own_model import OWN_MODEL, LookAt, draw_own_model
from pages.shared.cached import predictor_of
from pages.shared.fetching import draw_fetch_setting
from pages.shared.model_choice import draw_download, shown_title
from pages.shared.model_summary import draw_summary
from pages.shared.session import UiState, get_state
from pages.shared.texts import harmless, plain, show_core_errors

_CHOICE = "summary-choice"
"""Key of the menu of models to look into."""


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
    if spec.pinning:
        st.caption(plain(spec.pinning))
    if is_ready:
        st.caption(":material/check: Ready to use.")
    elif spec.url:
        draw_download(spec.key, f"Download ({spec.size_bytes / 1e6:.0f} MB)")


def draw_made_of(state: UiState, specs: list[ModelSpec], ready: set[str]) -> None:
    st.subheader("Inside a model")
    keys = [spec.key for spec in specs if spec.key in ready] + list(state.custom)
    titles = {spec.key: shown_title(spec) for spec in specs}
    titles |= {key: harmless(predictor.model.title) for key, predictor in state.custom.items()}
    asked = state.of(LookAt)
    if asked.key in keys or _CHOICE not in st.session_state:
        wanted = (key for key in (asked.key, state.model_key) if key in keys)
        st.session_state[_CHOICE], asked.key = next(wanted, keys[0]), ""
    key = st.selectbox("Model", keys, format_func=titles.__getitem__, key=_CHOICE)
    with show_core_errors():
        predictor = predictor_of(state, key)
        draw_summary(predictor.model, key="summary")
        st.subheader("Engines", anchor="engines")
        draw_engines(predictor)


def draw_contents() -> None:
    """Draw what is on the page, which is long, as links in the sidebar, which has nothing else here."""
    parts = (
        ("Models", "models"),
        ("Inside a model", "inside-a-model"),
        ("Engines", "engines"),
        ("Open your own weights", OWN_MODEL),
    )
    st.sidebar.markdown("\n".join(f"- [{title}](#{anchor})" for title, anchor in parts))


page_state = get_state()
draw_contents()
models = all_models()
ready_keys = {spec.key for spec in ready_models()}
st.title("Models")
st.markdown(f"You have weights of your own? [Open them below](#{OWN_MODEL})")
draw_models(models, ready_keys)
draw_fetch_setting()
draw_made_of(page_state, models, ready_keys)
draw_own_model(page_state)
