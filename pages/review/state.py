"""Where one browser session is in its review."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from maskrcnn_core.drawing.style import Style
from maskrcnn_core.images.browser_pictures import BrowserPicture
from maskrcnn_core.images.reading import Stretch
from maskrcnn_core.projects.records import ImageStatus, Status
from maskrcnn_core.projects.review.review_queue import QueueFilter, QueueItem, Unit
from maskrcnn_core.projects.team.assignments import Whose
from pages.components.review import Go, ReviewMessage
from pages.shared.session import ProjectUi, Turned, get_state

__all__ = ["LOOKS", "Look", "ReviewUi", "Shown", "review_of"]

Look = Literal["annotate", "approve", "returned"]
LOOKS: tuple[Look, ...] = get_args(Look)
"""What a queue is for, where images are approved after they are annotated: what its filter means; what waits
for approval; what was returned to oneself."""


def _unfinished() -> QueueFilter:
    return QueueFilter(image_statuses=frozenset({"new", "opened"}))


@dataclass(frozen=True)
class Shown:
    """What the Review page shows.

    Attributes:
        message: the reviewer's.
        pictures: as browsers show them, by the key of each frame's image.
        stretch: how dim images are seen in them.
        images, instances: how many have each status.
    """

    message: ReviewMessage
    pictures: Mapping[str, BrowserPicture]
    stretch: Stretch
    images: Counter[ImageStatus]
    instances: Counter[Status]


@dataclass
class ReviewUi:
    """Where one browser session is in its review.

    Attributes:
        wanted: the queue's filter.
        whose: whose images are gone through.
        look: what for.
        order, unit, threshold: how the queue is made.
        queue: what is gone through; it stays as it is while people decide.
        made_of: all that the queue was made of; when it changes, another queue is made.
        token: the queue's name.
        at: the present place in it.
        address: image and instance as the page last wrote them into its address.
        round: part of the filter's keys; a new one shows what was chosen elsewhere.
        display, score_threshold, hidden_categories, ack: what was chosen in the viewer.
        shown: what was shown last, for when the database does not answer.
    """

    wanted: QueueFilter = field(default_factory=_unfinished)
    whose: Whose = "all"
    look: Look = "annotate"
    order: str = "doubt"
    unit: Unit = "image"
    threshold: float = 0.5
    queue: tuple[QueueItem, ...] = ()
    made_of: object = None
    token: str = ""
    at: int = 0
    address: tuple[int | None, int | None] = (None, None)
    round: int = 0
    display: Style = field(default_factory=Style)
    score_threshold: float = 0.0
    hidden_categories: tuple[int, ...] = ()
    ack: int = 0
    shown: Shown | None = None

    @property
    def item(self) -> QueueItem | None:
        """What is looked at."""
        return self.queue[self.at] if self.at < len(self.queue) else None

    def in_another_project(self) -> ReviewUi:
        """Keep what one likes to see: that is no matter of a project."""
        return ReviewUi(round=self.round + 1, display=self.display, ack=self.ack)

    def make_of(self, wanted: QueueFilter) -> None:
        """Make the queue of what a filter means."""
        self.wanted, self.look, self.made_of = wanted, "annotate", None
        self.round += 1

    def follow(self, moves: deque[Go | Turned]) -> None:
        """Go where the browser went, and where something was undone, so that people see it."""
        while moves:
            move = moves.popleft()
            if isinstance(move, Turned):
                self._look_at(move.image_id)
            # A place in a queue that is no longer there means nothing.
            elif move.token == self.token and move.at < len(self.queue):
                self.at = move.at

    def _look_at(self, image_id: int) -> None:
        if self.item is not None and self.item.image_id == image_id:
            return
        places = (n for n, item in enumerate(self.queue) if item.image_id == image_id)
        self.at = next(places, self.at)


def review_of(ui: ProjectUi) -> ReviewUi:
    """Return this session's review of the open project, as another page may have asked for it."""
    review = get_state().of_project(ReviewUi)
    if ui.to_review is not None:
        review.make_of(ui.to_review)
        ui.to_review = None
    return review
