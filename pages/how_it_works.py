"""How it works: Mask R-CNN explained on one's own picture, stage by stage."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from maskrcnn_core.inference import Predictor
from maskrcnn_core.walk import WALK
from pages.ui.errors import harmless, show_core_errors
from pages.ui.intake import draw_report, draw_samples, draw_uploader
from pages.ui.navigation import through_app
from pages.ui.settings import draw_model_choice, draw_thresholds
from pages.ui.state import UiState, get_state
from pages.ui.stepper import stepper
from pages.ui.walk.look import look_at
from pages.ui.walk.panels import draw_glossary, draw_stage
from pages.ui.walk.scene import open_scene
from pages.ui.walk.take_home import draw_take_home


def follow_address(state: UiState) -> None:
    """``?stage=anchors`` opens that stage."""
    ui = state.walk
    keys = [stage.key for stage in WALK]
    if not ui.is_addressed and st.query_params.get("stage") in keys:
        ui.at = keys.index(st.query_params["stage"])
    ui.is_addressed = True
    st.query_params["stage"] = keys[ui.at]


def draw_choice(state: UiState) -> str:
    """Which of the open images is looked at."""
    images = state.workspace.images
    digests = list(images)
    index = digests.index(state.current) if state.current in digests else 0

    def choose() -> None:
        state.look_at(st.session_state[key])

    key = f"walk-image-{state.visit}"
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
        key="walk-scene",
        icon=":material/shapes:",
        help="Discs, squares and triangles: the model Starter knows them, and so does this page.",
        on_click=open_scene,
        args=(state,),
    )


def draw_steps(state: UiState) -> None:
    """The stages as a list, and buttons that go through them."""
    ui = state.walk
    # After a move by the buttons the list is another one: an answer of the old one that is still under way,
    # which Streamlit may take for a choice, must not take the move back.
    drawn = ui.round
    key = f"walk-stages-{drawn}"

    def go(steps: int) -> None:
        ui.at = min(max(ui.at + steps, 0), len(WALK) - 1)
        ui.round += 1

    def choose() -> None:
        if ui.round == drawn:
            ui.at = st.session_state[key]

    stepper(
        ui.steps, ui.at, len(WALK), go, key="walk-steps", back="The stage before", forward="The next stage"
    )
    st.radio(
        "Stage",
        range(len(WALK)),
        ui.at,
        format_func=lambda n: f"{n + 1}. {WALK[n].title}",
        key=key,
        on_change=choose,
    )


@st.fragment
def draw_desk(state: UiState, predictor: Predictor, digest: str) -> None:
    """What the controls of a stage change; a fragment, so that one costs no more than it must."""
    stage, below = parts()
    with show_core_errors():
        with stage:
            look = look_at(state, predictor, digest)
            draw_stage(look)
        with below:
            draw_take_home(look)


def parts() -> tuple[DeltaGenerator, DeltaGenerator]:
    """A place for what every stage has otherwise, and one for what comes after it.

    Streamlit knows elements by their places: what is opened while the next stage is being drawn would close
    again, as it is another expander a place further.
    """
    return st.container(), st.container()


through_app()
page_state = get_state()
with st.sidebar:
    chosen_model = draw_model_choice(page_state)
    draw_thresholds(page_state)

# The picture is what one looks at: it begins high, and has the width.
st.html(
    "<style>.stMainBlockContainer { padding: 3.2rem 2rem 1rem; }"
    '@media (max-width: 1100px) { [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }'
    '[data-testid="stColumn"] { min-width: min(250px, 100%); } }</style>'
)
if not page_state.workspace.images:
    st.title("How Mask R-CNN works")
    st.text("Stage by stage, on your picture and with the model you chose: the real numbers of a real run.")
    draw_report(page_state)
    draw_more(page_state)
    st.stop()
if chosen_model is None:
    st.info("Choose a model that is ready.")
    st.stop()

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
