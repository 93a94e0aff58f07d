"""Review: a queue by doubt, one key per decision, and nothing lost."""

from collections import Counter

import streamlit as st

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.errors import AwayError
from maskrcnn_core.projects.team.presence import claimed_images, visible_decisions
from pages.components.review import ReviewMessage, reviewer
from pages.review.box_model import draw_box_choice
from pages.review.comments import draw_comments
from pages.review.frames import make_shown, message_while_away
from pages.review.people import draw_people, others_here, tell_what_is_shown
from pages.review.queue_panel import draw_accept_all, draw_queue_choice, keep_queue, look_at
from pages.review.state import Look, ReviewUi, review_of
from pages.shared.away import waits_for_database
from pages.shared.ending import end_page
from pages.shared.naming import draw_whose
from pages.shared.open_project import OpenProject, choose_project, parameter
from pages.shared.progress import draw_progress
from pages.shared.session import REVIEWER, ProjectUi, get_state
from pages.shared.steady import DESK, NOTICES
from pages.shared.taking import take_waiting
from pages.shared.texts import plain, show_core_errors

_NOTHING: dict[Look, str] = {
    "approve": "Nothing waits for approval. Choose something else under Queue.",
    "returned": "Nothing was returned to you. Choose something else under Queue.",
}


def write_address(review: ReviewUi) -> None:
    """Write the place to come back to, or to send to somebody, into the address."""
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
    """Draw buttons to go on from an image that cannot be shown: the reviewer's are not there either."""

    def go(step: int) -> None:
        review.at = min(max(review.at + step, 0), len(review.queue) - 1)

    left, right, _ = st.columns([1, 1, 4])
    left.button("Previous", on_click=go, args=(-1,), disabled=review.at == 0, key="step-back")
    right.button("Next", on_click=go, args=(1,), disabled=review.at >= len(review.queue) - 1, key="step-on")


@st.fragment
def draw_desk(project: OpenProject, ui: ProjectUi) -> None:
    """Draw what decisions change; a fragment, so that a decision costs no more than it must."""
    client, is_saved, is_away = "", False, False
    # What is said of saving comes and goes over the page, so that the picture stays where it is.
    desk, said, below = st.container(), st.container(key=f"review-{NOTICES}"), st.container()
    with said:
        with show_core_errors():
            try:
                was_named = ui.is_named
                client = take_waiting(ui)
                if ui.is_named and not was_named:
                    st.rerun()  # a decision brought the name, which the sidebar does not show yet
                is_saved = True
            except AwayError:
                is_away = True  # the reviewer says so, keeps what is not saved, and tries again
        if not is_saved and not is_away:
            st.button("Try saving again", icon=":material/refresh:", key="save-again")
        draw_whose(ui)
    with desk:
        draw_picture(project, ui, client, is_saved=is_saved)
    if not is_away:
        with below, show_core_errors():
            draw_comments(project, ui)


def draw_picture(project: OpenProject, ui: ProjectUi, client: str, *, is_saved: bool) -> None:
    """Draw the reviewer, and below it how far the project is."""
    review, is_drawn = review_of(ui), False
    review.follow(ui.taken.moves)
    item = review.item
    write_address(review)
    if item is None:
        draw_end(project, review)
        known = visible_decisions(project.store, project.row.id)
        tell_what_is_shown(project, ui, known, others_here(project.row.id, ui))
        if missing := sum(not image.digest for image in project.images):
            st.caption(
                f"{counted(missing, 'image is', 'images are')} listed in a COCO file but missing: add the "
                f"files on the Project page."
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
    elif review.shown is not None:
        draw_progress(review.shown.images, review.shown.instances)


def draw_end(project: OpenProject, review: ReviewUi) -> None:
    """Draw why there is nothing in the queue, and what comes next."""
    if review.look != "annotate":
        st.info(_NOTHING[review.look], icon=":material/inbox:")
        return
    statuses = Counter(image.status for image in project.images if image.digest)
    if set(statuses) != {"reviewed"} or "reviewed" in review.wanted.image_statuses:
        st.info(
            "Nothing matches. Choose something else in the sidebar, under Queue.", icon=":material/inbox:"
        )
        return
    st.success(f"All reviewed: {counted(statuses.total(), 'image')}.", icon=":material/task_alt:")
    st.page_link(
        "pages/project/page.py",
        label="Export",
        icon=":material/download:",
        query_params={"project": str(project.row.id), "section": "out"},
    )


def what_is_shown(project: OpenProject, ui: ProjectUi, client: str) -> ReviewMessage:
    """Return the reviewer's message: the earlier one while the database is away."""
    review, is_away = review_of(ui), False
    shown = review.shown
    others = others_here(project.row.id, ui)
    try:
        known = visible_decisions(project.store, project.row.id)
        shown = review.shown = make_shown(project, ui, review, client, others)
        tell_what_is_shown(project, ui, known, others)
    except AwayError:
        if shown is None or shown.message.project_id != project.row.id:
            raise
        is_away = True
    return message_while_away(shown) if is_away else shown.message


def draw_page(ui: ProjectUi) -> None:
    """Draw the sidebar and the desk."""
    project = choose_project(ui)
    if project is None:
        st.info("There is no project yet.", icon=":material/info:")
        st.page_link("pages/project/page.py", label="Create one", icon=":material/add:")
        end_page()
    if not project.images:
        st.info(f"There are no images in {plain(project.row.name)} yet.", icon=":material/info:")
        st.page_link("pages/project/page.py", label="Add some", icon=":material/add_photo_alternate:")
        end_page()
    review = review_of(ui)
    with st.sidebar:
        draw_queue_choice(project, review)
    keep_queue(project, review, claimed_images(others_here(project.row.id, ui)))
    look_at(project, review, parameter("image"), parameter("instance"))
    with st.sidebar:
        draw_accept_all(project, review)
        draw_box_choice(project, ui, review.round)
        draw_people(project, ui)
    with st.container(key=DESK):
        draw_desk(project, ui)


def draw_last(ui: ProjectUi) -> None:
    """Draw what was on the desk if the database does not respond: keys still work, and are saved later."""
    if isinstance(ui.last, OpenProject) and ui.last.row.id == ui.id and review_of(ui).shown is not None:
        with st.container(key=DESK):
            draw_desk(ui.last, ui)


page_ui = get_state().project
with show_core_errors(), waits_for_database(lambda: draw_last(page_ui)):
    draw_page(page_ui)
