"""How it works: Mask R-CNN explained on one's own picture, stage by stage."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from maskrcnn_core.explain.stages import STAGES
from maskrcnn_core.inference.predictor import Predictor
from pages.components.stepper import stepper
from pages.explain.export import draw_take_home
from pages.explain.look import look_at
from pages.explain.panels import draw_glossary, draw_stage
from pages.explain.scene import open_scene
from pages.explain.session import ExplainUi
from pages.shared.ending import end_page
from pages.shared.intake import draw_report, draw_samples, draw_uploader
from pages.shared.model_choice import draw_model_choice, draw_thresholds
from pages.shared.session import UiState, get_state
from pages.shared.texts import harmless, show_core_errors
from pages.shared.whole import Whole


def follow_address(state: UiState) -> None:
    """Open the stage that the address names, such as ``?stage=anchors``."""
    ui = state.of(ExplainUi)
    keys = [stage.key for stage in STAGES]
    if not ui.is_addressed and st.query_params.get("stage") in keys:
        ui.at = keys.index(st.query_params["stage"])
    ui.is_addressed = True
    st.query_params["stage"] = keys[ui.at]


def draw_choice(state: UiState) -> str:
    """Draw the choice among the open images."""
    images = state.workspace.images
    digests = list(images)
    index = digests.index(state.current) if state.current in digests else 0

    def choose() -> None:
        state.look_at(st.session_state[key])

    key = f"explain-image-{state.visit}"
    chosen: str = st.selectbox(
        "Image", digests, index, format_func=lambda d: harmless(images[d].name), key=key, on_change=choose
    )
    return chosen


def draw_more(state: UiState) -> None:
    draw_uploader(state)
    draw_scene_button(state)
    draw_samples(state, across=3)


def draw_scene_button(state: UiState) -> None:
    st.button(
        "Draw a scene with known objects",
        key="explain-scene",
        icon=":material/shapes:",
        help="Discs, squares and triangles: the model for drawings knows them, and so does this page.",
        on_click=open_scene,
        args=(state,),
    )


def draw_steps(state: UiState) -> None:
    """Draw the stages as a list, and buttons that go through them."""
    ui = state.of(ExplainUi)
    # After a move by the buttons the list is another one: an answer of the old one that is still under way,
    # which Streamlit may take for a choice, must not take the move back.
    drawn = ui.round
    key = f"explain-stages-{drawn}"

    def go(steps: int) -> None:
        ui.at = min(max(ui.at + steps, 0), len(STAGES) - 1)
        ui.round += 1

    def choose() -> None:
        if ui.round == drawn:
            ui.at = st.session_state[key]

    stepper(
        ui.steps, ui.at, len(STAGES), go, key="explain-steps", back="Previous stage", forward="Next stage"
    )
    st.radio(
        "Stage",
        range(len(STAGES)),
        ui.at,
        format_func=lambda n: f"{n + 1}. {STAGES[n].title}",
        key=key,
        on_change=choose,
    )


@st.fragment
def draw_desk(state: UiState, predictor: Predictor, digest: str) -> None:
    """Draw what the controls of a stage change; a fragment, so that a control costs no more than it must."""
    stage, below = parts()
    with show_core_errors():
        with stage:
            look = look_at(state, predictor, digest)
            draw_stage(look)
        with below:
            draw_take_home(look)


def parts() -> tuple[DeltaGenerator, DeltaGenerator]:
    """Return a place for what differs between stages, and one for what comes after it.

    Streamlit knows elements by their places: what is opened while the next stage is being drawn would close
    again, as it is another expander a place further.
    """
    return st.container(), st.container()


page_state = get_state()
page_state.of(Whole).wait()
with st.sidebar:
    chosen_model = draw_model_choice(page_state)
    draw_thresholds(page_state)

if not page_state.workspace.images:
    st.title("How Mask R-CNN works")
    st.text("Stage by stage, on your own image and with the model you chose: the real numbers of a real run.")
    draw_report(page_state)
    draw_more(page_state)
    end_page()
if chosen_model is None:
    st.info("No model is ready.", icon=":material/info:")
    st.page_link("pages/models/page.py", label="Get or open one", icon=":material/add:")
    end_page()

with st.container(key="explain-desk"):
    left, right = st.columns([1, 3], gap="medium")
with left:
    image_digest = draw_choice(page_state)
    draw_report(page_state)
    follow_address(page_state)
    draw_steps(page_state)
    with st.expander("Another image", icon=":material/add_photo_alternate:"):
        draw_more(page_state)
with right:
    desk, after = parts()
    with desk:
        draw_desk(page_state, chosen_model, image_digest)
    with after:
        draw_glossary()
