"""Which queue is reviewed: its filter and order, and where in it a link leads."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

import streamlit as st

from maskrcnn_core.common.bounds import MAX_NAME
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.projects.image_search import HELP
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.records import IMAGE_STATUSES, STATUSES, ImageRow
from maskrcnn_core.projects.review.operations import ACCEPT_ALL
from maskrcnn_core.projects.review.review_queue import (
    ORDERS,
    SIZES,
    QueueFilter,
    QueueItem,
    Unit,
    make_queue,
    proposals_from,
)
from maskrcnn_core.projects.team.approvals import has_second_stage, verdict_of
from maskrcnn_core.projects.team.assignments import WHOSE, assignee_of, own_queue
from pages.review.state import LOOKS, Look, ReviewUi
from pages.shared.open_project import OpenProject
from pages.shared.pressing import drop_press, pressed
from pages.shared.texts import harmless, show_core_errors

__all__ = ["draw_accept_all", "draw_queue_choice", "keep_queue", "look_at"]

_ACCEPT_ABOVE = "accept-above"
_LOOKS: dict[Look, str] = {
    "annotate": "As filtered",
    "approve": "To approve",
    "returned": "Returned to me",
}
_UNITS: dict[Unit, str] = {"image": "Images", "instance": "Instances"}


def draw_queue_choice(project: OpenProject, review: ReviewUi) -> None:
    """Draw filter and order. A change makes another queue; decisions do not."""
    st.subheader("Queue")
    orders = {row.key: row.title for row in ORDERS}
    key = f"-{project.row.id}-{review.round}"
    if has_second_stage(project.row):
        review.look = st.segmented_control(
            "Images",
            LOOKS,
            default=review.look,
            format_func=_LOOKS.__getitem__,
            required=True,
            key="queue-look" + key,
            help="Finished images are to be approved in this project. Those that came back with a comment "
            "are under Returned to me, and among all others that are not finished.",
        )
    else:
        review.look = "annotate"
    review.unit = st.segmented_control(
        "Go through",
        list(_UNITS),
        default=review.unit,
        format_func=_UNITS.__getitem__,
        required=True,
        key="queue-unit" + key,
    )
    review.order = st.selectbox(
        "Order",
        list(orders),
        list(orders).index(review.order),
        format_func=orders.__getitem__,
        key="queue-order" + key,
    )
    if any(assignee_of(image) for image in project.images):
        review.whose = st.segmented_control(
            "Whose images",
            WHOSE,
            default=review.whose,
            required=True,
            key="queue-whose" + key,
            help="Images are assigned on the Project page, below the gallery.",
        )
    if review.order == "doubt":
        review.threshold = st.slider(
            "Most doubtful near score", 0.05, 0.95, review.threshold, 0.05, key="queue-threshold" + key
        )
    wanted = review.wanted
    with st.expander("Filter", icon=":material/filter_alt:", expanded=_is_narrow(wanted)):
        search = st.text_input(
            "Search", wanted.search, max_chars=MAX_NAME, help=f"{HELP}.", key="queue-search" + key
        )
        image_statuses = st.pills(
            "Images",
            IMAGE_STATUSES,
            selection_mode="multi",
            default=[s for s in IMAGE_STATUSES if s in wanted.image_statuses],
            key="queue-images" + key,
        )
        statuses = st.pills(
            "Instances",
            STATUSES,
            selection_mode="multi",
            default=[s for s in STATUSES if s in wanted.statuses],
            key="queue-statuses" + key,
        )
        names = {row.id: row.name for row in project.categories}
        categories = st.multiselect(
            "Categories",
            list(names),
            [c for c in names if c in wanted.categories],
            format_func=lambda id_: harmless(names[id_]),
            placeholder="all",
            key=f"queue-categories{key}-{hash(tuple(names.items()))}",
        )
        sizes = st.pills(
            "Sizes",
            SIZES,
            selection_mode="multi",
            default=[s for s in SIZES if s in wanted.sizes],
            key="queue-sizes" + key,
        )
        least, most = st.slider(
            "Scores", 0.0, 1.0, (wanted.least_score, wanted.most_score), 0.05, key="queue-scores" + key
        )
        is_empty = st.checkbox("Only images without objects", wanted.is_empty, key="queue-empty" + key)
        has_comments = st.checkbox(
            "Only images with open comments", wanted.has_comments, key="queue-comments" + key
        )
    review.wanted = QueueFilter(
        statuses=frozenset(statuses),
        categories=frozenset(categories),
        sizes=frozenset(sizes),
        least_score=least,
        most_score=most,
        sources=wanted.sources,
        image_statuses=frozenset(image_statuses),
        is_empty=is_empty,
        search=search.strip(),
        has_comments=has_comments,
    )
    if pressed(
        "Rebuild the queue",
        icon=":material/refresh:",
        help="Images decided since then move or leave the queue.",
        width="stretch",
        key="queue-anew",
    ):
        review.made_of = None


def _is_narrow(wanted: QueueFilter) -> bool:
    return wanted.is_of_instances or wanted.is_empty or wanted.has_comments or bool(wanted.search)


def keep_queue(project: OpenProject, review: ReviewUi, taken: Collection[int] = ()) -> None:
    """Make the queue, if what it is made of is no longer what was chosen.

    Args:
        project, review: of what, and for whom.
        taken: images that others have open: a new queue begins with another one, if there is any.
    """
    is_personal = review.whose != "all" or review.look == "returned"
    of_person = (review.whose, review.look, project.who if is_personal else "")
    made_of = (project.row.id, review.wanted, review.order, review.unit, review.threshold, of_person)
    if review.made_of == made_of:
        return
    here = review.item
    found: Sequence[ImageRow] | None = None
    with show_core_errors():
        found = _looked_for(project, review)
    review.queue = make_queue(
        found or (),
        project.facts,
        [row.id for row in project.categories],
        # Whether somebody has finished an image is what the other looks are about.
        review.wanted if review.look == "annotate" else replace(review.wanted, image_statuses=frozenset()),
        order=review.order,
        unit=review.unit,
        score_threshold=review.threshold,
    )
    if review.whose != "all":
        assignees = {image.id: assignee_of(image) for image in project.images}
        review.queue = own_queue(review.queue, assignees, project.who, review.whose)
    review.made_of = None if found is None else made_of  # a search that is none is said again until it is one
    _name(review)
    review.at = next((at for at, item in enumerate(review.queue) if item.image_id not in taken), 0)
    if here is not None and here in review.queue:
        review.at = review.queue.index(here)


def _looked_for(project: OpenProject, review: ReviewUi) -> Sequence[ImageRow]:
    match review.look:
        case "annotate":
            return project.searched(review.wanted.search)
        case "approve":
            return project.searched(f"{review.wanted.search} stage:to-approve")
        case "returned":
            returned = project.searched(f"{review.wanted.search} stage:returned")
            verdicts = ((image, verdict_of(image)) for image in returned)
            return [image for image, said in verdicts if said and said.annotator == project.who]


def _name(review: ReviewUi) -> None:
    """Name a queue; the same things in the same order have the same name, even after a restart."""
    text = repr([(item.image_id, item.instance_id) for item in review.queue])
    review.token = hashlib.sha256(text.encode()).hexdigest()[:20]


def look_at(project: OpenProject, review: ReviewUi, image_id: int | None, instance_id: int | None) -> None:
    """Go where a link leads; what it names comes first in the queue if it is not in it.

    The page writes its own place into the address, too: that is no link to follow.
    """
    if image_id is None or (image_id, instance_id) == review.address:
        return
    review.address = (image_id, instance_id)
    if not any(image.id == image_id and image.digest for image in project.images):
        st.warning(
            f"Image {image_id} is not in this project, or its file is missing; another one is shown instead.",
            icon=":material/link_off:",
        )
        return
    item = QueueItem(image_id, instance_id)
    same_image = (n for n, other in enumerate(review.queue) if other.image_id == image_id)
    place = review.queue.index(item) if item in review.queue else next(same_image, None)
    if place is None:
        review.queue, place = (item, *review.queue), 0
        _name(review)
    review.at = place


def draw_accept_all(project: OpenProject, review: ReviewUi) -> None:
    """Offer to accept all proposals of the queue above a score, in one decision that can be undone."""
    title, icon = "Accept all above a score", ":material/done_all:"
    if pressed(title, icon=icon, width="stretch", key=_ACCEPT_ABOVE, is_kept=True):
        # A dialog: what it counts are all instances of the project, and that only when somebody asks.
        put_away = partial(drop_press, _ACCEPT_ABOVE)
        st.dialog(title, icon=icon, on_dismiss=put_away)(_choose_accept_all)(project, review)


def _choose_accept_all(project: OpenProject, review: ReviewUi) -> None:
    least = st.slider("Scores from", 0.05, 1.0, 0.9, 0.01, key="accept-all-score")
    meant = proposals_from(project.store.facts(project.row.id), review.queue, review.wanted, least)
    images = len({fact.image_id for fact in meant})
    st.text(
        f"{counted(len(meant), 'proposal')} in {counted(images, 'image')} of this queue. This is one "
        f"decision; undo takes it back."
    )
    if pressed(
        f"Accept {len(meant):,}", type="primary", disabled=not meant, key="accept-all", width="stretch"
    ):
        with show_core_errors():
            changes = [Change("instance", f.id, f.version, {"status": "accepted"}) for f in meant]
            project.store.decide(project.row.id, project.who, ACCEPT_ALL, changes)
            drop_press(_ACCEPT_ABOVE)
            st.rerun()
