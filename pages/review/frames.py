"""What the reviewer shows: the present place of the queue, and those prepared around it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from itertools import islice
from typing import Literal

from maskrcnn_core.drawing.palette import hex_color, instance_color
from maskrcnn_core.errors import CoreError
from maskrcnn_core.images.browser_pictures import BrowserPicture
from maskrcnn_core.images.reading import Stretch
from maskrcnn_core.projects.attributes import fitting_schema, values_of
from maskrcnn_core.projects.records import CategoryRow, ImageRow, InstanceRow
from maskrcnn_core.projects.review.doubts import reasons
from maskrcnn_core.projects.review.operations import REVIEW_KINDS
from maskrcnn_core.projects.seeing import seen_as, seen_in, stretch_of
from maskrcnn_core.projects.team.approvals import (
    Stage,
    has_second_stage,
    standing_approvals,
    told_verdict,
    verdict_of,
)
from maskrcnn_core.projects.team.comments import comments_of
from maskrcnn_core.projects.team.presence import Visitor, claimed_images
from pages.components.review import (
    InstanceState,
    Person,
    Pin,
    QueueFacts,
    ReviewCategory,
    ReviewFrame,
    ReviewMessage,
    SecondLook,
)
from pages.components.viewer import CocoRle, ViewerImage, ViewerInstance, ViewerMessage, picture_urls
from pages.components.viewer_messages import square_micrometres
from pages.review.state import ReviewUi, Shown
from pages.shared.cached import pictures
from pages.shared.open_project import OpenProject, color_of
from pages.shared.session import ProjectUi

__all__ = ["images_near", "make_shown", "message_while_away"]

_BEFORE, _AFTER = 1, 8
"""Places prepared around the present one. People go forward faster than back: some go through two images a
second, and a server with other work may take seconds to hear of it."""
_SOON = 3
"""Places ahead that are prepared also where images are large, or have many instances."""
_MOST_PIXELS = 120_000_000
"""In the pictures of the others, and of all before them; a browser holds as many decoded."""
_MANY_INSTANCES = 600
"""In frames up to one of the others: all of them are made again whenever something is decided."""
_NEAR = 1000
"""Places on either side of the present one of which it is told who has their images open."""
_MOST_INSTANCES = 3000
"""In all frames of one message: a crowd is sent alone."""
_MOST_CORNERS = 60_000
"""Numbers in the polygons of one frame: with more than a hand mends, outlines are made of the masks."""
_SHOWN_VALUES = bool | int | float | str
"""Of attributes: what else a file says stays as it is, and is not shown."""
_LEAST_SCORE = 1e-6  # the viewer's slider at 0 shows scores above 0


def make_shown(
    project: OpenProject, ui: ProjectUi, review: ReviewUi, client: str, others: Collection[Visitor] = ()
) -> Shown:
    """Make what the reviewer shows of a queue that is not empty.

    Args:
        project: whose.
        ui: where the session is, and whose.
        client: the tab whose operations were taken in last; empty for none.
        others: who else is in the project.

    Raises:
        CoreError: if the present image cannot be read. One that cannot be read around it is left out.
    """
    store, taken = project.store, ui.taken
    taken_images = claimed_images(others)
    places = _window(review, taken_images)
    ids = {review.queue[at].image_id for at in places}
    images = {row.id: row for row in store.images(project.row.id, ids=ids)}
    nearest = sorted(places, key=lambda place: (abs(place - review.at), -place))
    there = [
        (at, image) for at in nearest if (image := images.get(review.queue[at].image_id)) and image.digest
    ]
    there = _light_enough(there, review.at + _SOON)
    stretch = stretch_of(project.row)
    made = {image.digest: pictures().ask(image.digest, stretch) for _, image in there}
    # Not the project's own list: others may have changed them since the page was drawn.
    categories = {row.id: row for row in store.categories(project.row.id)}
    approved = _approved(project, images.values())
    frames: list[ReviewFrame] = []
    instances = 0
    for at, image in there:
        # The present one and the next are waited for; the others are ready when they are.
        ready = made[image.digest]
        if at not in (review.at, review.at + 1) and not ready.done():
            continue
        rows = store.instances(project.row.id, image_id=image.id)
        instances += len(rows)
        if frames and instances > (_MOST_INSTANCES if at <= review.at + _SOON else _MANY_INSTANCES):
            break
        try:
            look = None if approved is None else _second_look(image, stands=image.id in approved)
            frames.append(_frame(at, image, rows, categories, review, ready, stretch, look))
        except CoreError:
            if at == review.at:
                raise
    counts = store.counts(project.row.id)
    # Until the browser has said whose it is, nobody knows what is theirs; a decision carries the name itself.
    can_undo, can_redo = (
        store.undoable(project.row.id, ui.who, only=REVIEW_KINDS) if ui.is_named else (True, True)
    )
    message = ReviewMessage(
        frames=tuple(frames),
        queue=QueueFacts(review.token, len(review.queue), review.at, review.unit),
        categories=tuple(
            ReviewCategory(row.id, row.name, color_of(row), tuple(fitting_schema(row).values()))
            for row in categories.values()
        ),
        ack_client=client,
        ack_seq=taken.acks.get(client, 0),
        project_id=project.row.id,
        who=ui.who if ui.is_named else "",
        refused=tuple(r for r in taken.refused.get(client, ()) if r.project_id == project.row.id),
        remarks=tuple(r for r in taken.remarks.get(client, ()) if r.project_id == project.row.id),
        made=taken.made.get(client, {}),
        can_undo=can_undo,
        can_redo=can_redo,
        taken=_taken_places(review, taken_images),
        here=tuple(dict.fromkeys(one.name for one in others if _is_here(one, review))),
        people=_people(others, review),
    )
    shown = (frame.message.image.key for frame in frames)
    return Shown(message, {key: made[key].result() for key in shown}, stretch, *counts)


def message_while_away(shown: Shown) -> ReviewMessage:
    """Return the message of what was shown last, while the database does not respond.

    Its pictures are put on their URLs again: Streamlit drops what a run does not ask for.
    """
    for key, picture in shown.pictures.items():
        _urls(picture, key, shown.stretch)
    return replace(shown.message, is_away=True)


def _window(review: ReviewUi, taken: Mapping[int, str]) -> list[int]:
    """Return the places to prepare: the present one, and those around it that nobody else has open."""

    def free(places: range, count: int) -> list[int]:
        found = (place for place in places if review.queue[place].image_id not in taken)
        return list(islice(found, count))

    before = free(range(review.at - 1, max(review.at - _NEAR, 0) - 1, -1), _BEFORE)
    after = free(range(review.at + 1, min(review.at + _NEAR, len(review.queue))), _AFTER)
    return [*reversed(before), review.at, *after]


def _light_enough(places: Sequence[tuple[int, ImageRow]], soon: int) -> list[tuple[int, ImageRow]]:
    """Return the first of these places: those up to ``soon``, and what has room beside them."""
    pixels: dict[str, int] = {}
    kept = []
    for at, image in places:
        pixels[image.digest] = image.width * image.height
        if at > soon and sum(pixels.values()) > _MOST_PIXELS:
            break
        kept.append((at, image))
    return kept


def _urls(picture: BrowserPicture, digest: str, stretch: Stretch) -> tuple[str, str]:
    return picture_urls(picture, f"review-{digest}", content=f"review-{seen_as(digest, stretch)}")


def images_near(review: ReviewUi, taken: Mapping[int, str]) -> frozenset[int]:
    """Return the images of which the page shows, or may show next, what others do with them.

    Args:
        review: where the session is.
        taken: images that others have open; such a one is passed over for the next.
    """
    places = _window(review, taken)
    return frozenset(item.image_id for item in review.queue[places[0] : places[-1] + 1 + _SOON])


def _taken_places(review: ReviewUi, taken: Mapping[int, str]) -> dict[int, str]:
    if not taken:
        return {}
    near = range(max(review.at - _NEAR, 0), min(review.at + _NEAR, len(review.queue)))
    found = ((place, taken.get(review.queue[place].image_id)) for place in near)
    return {place: name for place, name in found if name is not None}


def _is_here(other: Visitor, review: ReviewUi) -> bool:
    return review.item is not None and other.image_id == review.item.image_id and not other.is_idle


def _people(others: Collection[Visitor], review: ReviewUi) -> tuple[Person, ...]:
    """Return each person once, however many pages they have open."""
    here = {one.name for one in others if _is_here(one, review)}
    names = sorted({one.name for one in others}, key=lambda name: (name not in here, name))
    return tuple(Person(name, name in here) for name in names)


def _approved(project: OpenProject, images: Iterable[ImageRow]) -> frozenset[int] | None:
    """Return which images are approved as they are; ``None`` where nobody is to approve any."""
    if not has_second_stage(project.row):
        return None
    said = [image.id for image in images if verdict_of(image)]
    return standing_approvals(project.store, project.row.id, said)


def _second_look(image: ImageRow, *, stands: bool) -> SecondLook:
    verdict = verdict_of(image)
    stage: Stage | Literal[""] = "to-approve" if image.status == "reviewed" else ""
    if verdict is not None and verdict.said == "approved":
        stage = "approved" if stands else "lapsed"
    elif verdict is not None and image.status != "reviewed":
        stage = "returned"
    return SecondLook(stage, told_verdict(image, stands=stands))


def _frame(
    at: int,
    image: ImageRow,
    rows: list[InstanceRow],
    categories: dict[int, CategoryRow],
    review: ReviewUi,
    picture: Future[BrowserPicture],
    stretch: Stretch,
    second_look: SecondLook | None,
) -> ReviewFrame:
    # An instance of a category that was taken away belongs to nothing that could be shown or written.
    rows = [row for row in rows if row.category_id in categories]
    present = {row.id for row in rows}
    focus = review.queue[at].instance_id
    numbers: dict[int | None, int] = {row.coco_id: row.id for row in rows}
    url, small_url = _urls(picture.result(), image.digest, stretch)
    corners = sum(len(ring) for row in rows for ring in row.polygons or ())
    return ReviewFrame(
        at=at,
        message=ViewerMessage(
            image=ViewerImage(
                image.digest,
                url,
                image.width,
                image.height,
                image.file_name,
                small_url,
                micrometres=square_micrometres(seen_in(image)[1]),
            ),
            instances=tuple(_shown(n, row, categories[row.category_id]) for n, row in enumerate(rows)),
            score_threshold=review.score_threshold,
            min_score=0.0,
            hidden_categories=review.hidden_categories,
            display=review.display,
            ack=review.ack,
            message="No proposals here: draw what you see, or press Done & next",
        ),
        image_id=image.id,
        image_version=image.version,
        image_status=image.status,
        states={
            row.id: InstanceState(
                row.status,
                row.version,
                row.category_id,
                "; ".join(reasons(row.score, row.doubts, review.threshold)),
                row.score is not None,
                row.is_crowd,
                row.polygons if corners <= _MOST_CORNERS else None,
                row.source,
                {name: value for name, value in values_of(row).items() if isinstance(value, _SHOWN_VALUES)},
            )
            for row in rows
        },
        focus=focus if focus in present else None,
        pins=tuple(
            Pin(one.id, one.x, one.y, f"{one.who}: {one.text}", numbers.get(one.instance))
            for one in comments_of(image)
            if not one.is_resolved
        ),
        second_look=second_look,
    )


def _shown(index: int, row: InstanceRow, category: CategoryRow) -> ViewerInstance:
    x, y, width, height = row.box_xywh
    return ViewerInstance(
        id=row.id,
        label=category.name,
        category_id=category.id,
        score=1.0 if row.score is None else min(max(row.score, _LEAST_SCORE), 1.0),
        box=row.given_box or (x, y, x + width, y + height),
        rle=CocoRle(row.size, row.counts),
        color_instance=hex_color(instance_color(index)),
        color_category=color_of(category),
    )
