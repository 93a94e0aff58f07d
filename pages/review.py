"""Review: a queue by doubt, one key per decision, and nothing lost."""

import streamlit as st

from maskrcnn_core.errors import AwayError
from maskrcnn_core.messages import counted
from pages.ui.errors import plain, show_core_errors
from pages.ui.navigation import through_app
from pages.ui.project.away import waits_for_database
from pages.ui.project.boxes import draw_box_choice
from pages.ui.project.choosing import OpenProject, choose_project, parameter
from pages.ui.project.deciding import take_waiting
from pages.ui.project.frames import make_shown, message_while_away
from pages.ui.project.naming import draw_whose
from pages.ui.project.overview import draw_progress
from pages.ui.project.queueing import draw_accept_all, draw_queue_choice, keep_queue, look_at
from pages.ui.review import ReviewMessage, reviewer
from pages.ui.state import REVIEWER, ProjectUi, ReviewUi, get_state


def write_address(review: ReviewUi) -> None:
    """The place to come back to, or to send to somebody."""
    item = review.item
    wanted = {"image": item.image_id, "instance": item.instance_id} if item else {}
    for name in ("image", "instance"):
        value = wanted.get(name)
        if value is not None:
            st.query_params[name] = str(value)
        elif name in st.query_params:
            del st.query_params[name]
    review.address = (wanted.get("image"), wanted.get("instance"))


def draw_steps(review: ReviewUi) -> None:
    """For an image that cannot be shown: its buttons are not there either."""

    def go(step: int) -> None:
        review.at = min(max(review.at + step, 0), len(review.queue) - 1)

    left, right, _ = st.columns([1, 1, 4])
    left.button("Previous", on_click=go, args=(-1,), disabled=review.at == 0, key="step-back")
    right.button("Next", on_click=go, args=(1,), disabled=review.at >= len(review.queue) - 1, key="step-on")


@st.fragment
def draw_desk(project: OpenProject, ui: ProjectUi) -> None:
    """What decisions change; a fragment, so that a decision costs no more than it must."""
    client, is_saved, is_away = "", False, False
    # What is said of saving comes and goes below the picture, so that it stays where it is.
    desk, below = st.container(), st.container()
    with below:
        with show_core_errors():
            try:
                client = take_waiting(ui)
                is_saved = True
            except AwayError:
                is_away = True  # the reviewer says so, keeps what is not saved, and tries again
        if not is_saved and not is_away:
            st.button("Try again to save", icon=":material/refresh:", key="save-again")
        draw_whose(ui)
    with desk:
        draw_picture(project, ui, client, is_saved=is_saved)


def draw_picture(project: OpenProject, ui: ProjectUi, client: str, *, is_saved: bool) -> None:
    """The reviewer, and how far the project is."""
    review, is_drawn = ui.review, False
    item = review.item
    write_address(review)
    if item is None:
        st.info("Nothing is like that. Choose something else under Queue.", icon=":material/inbox:")
        if missing := sum(not image.digest for image in project.images):
            st.caption(
                f"{counted(missing, 'image is', 'images are')} listed by a COCO file, and nobody has "
                "brought what is missing yet."
            )
        return
    with show_core_errors():
        message = what_is_shown(project, ui, client)
        answer = reviewer(message, key=REVIEWER)
        is_drawn = True
        if answer is not None and answer.view is not None:
            view = answer.view
            review.display, review.score_threshold = view.display, view.score_threshold
            review.hidden_categories, review.ack = view.hidden_categories, view.seq
        if is_saved and not message.is_away:
            project.store.mark_opened(item.image_id)
    if not is_drawn:
        draw_steps(review)


def what_is_shown(project: OpenProject, ui: ProjectUi, client: str) -> ReviewMessage:
    """Draws the progress and gives the reviewer's message: those of before while the database is away."""
    shown, is_away = ui.review.shown, False
    try:
        shown = ui.review.shown = make_shown(project, ui, client)
    except AwayError:
        if shown is None or shown.message.project_id != project.row.id:
            raise
        is_away = True
    draw_progress(shown.images, shown.instances)
    return message_while_away(shown) if is_away else shown.message


def draw_page(ui: ProjectUi) -> None:
    """The sidebar and the desk."""
    project = choose_project(ui)
    if project is None:
        st.info("There is no project yet.", icon=":material/info:")
        st.page_link("pages/project.py", label="Make one", icon=":material/add:")
        st.stop()
    if not project.images:
        st.info(f"There are no images in {plain(project.row.name)} yet.", icon=":material/info:")
        st.page_link("pages/project.py", label="Add some", icon=":material/add_photo_alternate:")
        st.stop()
    with st.sidebar:
        draw_queue_choice(project, ui.review)
    keep_queue(project, ui.review)
    look_at(project, ui.review, parameter("image"), parameter("instance"))
    with st.sidebar:
        draw_accept_all(project, ui)
        draw_box_choice(project, ui.review)
    draw_desk(project, ui)


def draw_last(ui: ProjectUi) -> None:
    """What was on the desk, where the database does not answer: keys go on, and are saved later."""
    if isinstance(ui.last, OpenProject) and ui.last.row.id == ui.id and ui.review.shown is not None:
        draw_desk(ui.last, ui)


through_app()
# The picture is what one comes for: it begins high, and has the width.
st.html("<style>.stMainBlockContainer { padding: 3.2rem 1.5rem 1rem; }</style>")
page_ui = get_state().project
with waits_for_database(lambda: draw_last(page_ui)):
    draw_page(page_ui)
