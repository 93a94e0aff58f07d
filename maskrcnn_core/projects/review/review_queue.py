"""What is to be reviewed, and in which order: pure functions of a project's rows.

A queue is made once, when a person chooses what to look at, and stays as it is while they decide: an order
that changes under one's hands cannot be worked through.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from maskrcnn_core.projects.records import Fact, ImageRow, ImageStatus, Status
from maskrcnn_core.projects.review.doubts import doubt_of
from maskrcnn_core.projects.team.comments import open_comments

__all__ = [
    "ORDERS",
    "SIZES",
    "Order",
    "QueueFilter",
    "QueueItem",
    "Size",
    "Unit",
    "make_queue",
    "proposals_from",
    "size_of",
]

Size = Literal["small", "medium", "large"]
SIZES: tuple[Size, ...] = get_args(Size)

Unit = Literal["image", "instance"]

_SMALL, _MEDIUM = 32**2, 96**2


def size_of(area: int) -> Size:
    """Return COCO's name for a mask's size: its evaluator parts areas at 32² and 96² pixels."""
    return "small" if area < _SMALL else "medium" if area < _MEDIUM else "large"


@dataclass(frozen=True)
class QueueFilter:
    """Which images and instances are meant; an empty field means all.

    Args:
        statuses: of instances.
        categories: the store's ids.
        sizes: of instances, by COCO's definition.
        least_score, most_score: of instances, in [0, 1], both included. Those without a score pass only
            where both are left as they are.
        sources: of instances: a model's key, ``person`` or ``file``.
        image_statuses: of images.
        is_empty: only images without any instance that nobody has rejected.
        search: a query of images, as :func:`~maskrcnn_core.projects.image_search.parse_query` takes it. The
            database answers it: whoever has a filter looks at the images that were found, and at no others.
        has_comments: only images with open comments.
    """

    statuses: frozenset[Status] = frozenset()
    categories: frozenset[int] = frozenset()
    sizes: frozenset[Size] = frozenset()
    least_score: float = 0.0
    most_score: float = 1.0
    sources: frozenset[str] = frozenset()
    image_statuses: frozenset[ImageStatus] = frozenset()
    is_empty: bool = False
    search: str = ""
    has_comments: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.least_score <= self.most_score <= 1:
            raise ValueError(
                f"scores: expected 0 <= least <= most <= 1, got {self.least_score} and {self.most_score}"
            )

    @property
    def is_of_instances(self) -> bool:
        """Whether it says anything about instances: then images without a fitting one are not meant."""
        everything = QueueFilter(
            image_statuses=self.image_statuses,
            is_empty=self.is_empty,
            search=self.search,
            has_comments=self.has_comments,
        )
        return self != everything

    def takes(self, fact: Fact) -> bool:
        """Return whether an instance is meant."""
        has_range = self.least_score > 0 or self.most_score < 1
        score = -1.0 if fact.score is None else fact.score
        return (
            (not has_range or self.least_score <= score <= self.most_score)
            and (not self.statuses or fact.status in self.statuses)
            and (not self.categories or fact.category_id in self.categories)
            and (not self.sizes or size_of(fact.area) in self.sizes)
            and (not self.sources or fact.source in self.sources)
        )

    def takes_image(self, image: ImageRow, facts: Sequence[Fact]) -> bool:
        """Return whether an image is meant.

        Args:
            image: the image.
            facts: all of its instances.
        """
        if self.image_statuses and image.status not in self.image_statuses:
            return False
        if self.has_comments and not open_comments([image]):
            return False
        if self.is_empty and any(fact.status != "rejected" for fact in facts):
            return False
        return not self.is_of_instances or any(self.takes(fact) for fact in facts)


@dataclass(frozen=True)
class QueueItem:
    """One thing to look at.

    Args:
        image_id: the store's.
        instance_id: which instance of it, where instances are gone through one by one.
    """

    image_id: int
    instance_id: int | None = None


_Key = Callable[[Fact, float, Mapping[int, int]], float]


@dataclass(frozen=True)
class Order:
    """A row of the table of orders.

    Args:
        key: its name.
        title: for people.
        of: an instance's place, given the score threshold and the place of each category; the least comes
            first. ``None`` for the order of files.
    """

    key: str
    title: str
    of: _Key | None


ORDERS: tuple[Order, ...] = (
    Order("doubt", "Doubt, most first", lambda f, t, _: -doubt_of(f.score, f.doubts, t)),
    Order("file", "In order of arrival", None),
    Order("score-low", "Score, lowest first", lambda f, *_: 2.0 if f.score is None else f.score),
    Order("score-high", "Score, highest first", lambda f, *_: -1.0 if f.score is None else -f.score),
    Order("small", "Size, smallest first", lambda f, *_: f.area),
    Order("large", "Size, largest first", lambda f, *_: -f.area),
    Order("category", "Category", lambda f, _, places: places.get(f.category_id, len(places))),
)
"""The orders that a queue may have."""


def make_queue(
    images: Sequence[ImageRow],
    facts: Iterable[Fact],
    category_ids: Sequence[int],
    wanted: QueueFilter,
    *,
    order: str = "doubt",
    unit: Unit = "image",
    score_threshold: float = 0.5,
) -> tuple[QueueItem, ...]:
    """Return what is to be looked at, in order.

    An image stands where its first instance would: that with the greatest doubt, the lowest score and so on.
    Only instances that the filter takes count; images without any come last. Equal ones stay as they came.

    Args:
        images: of a project, in the order in which they came. Those without pixels are left out.
        facts: all instances of the project.
        category_ids: the store's, in the order of the project's categories.
        wanted: which images and instances.
        order: the key of a row of :data:`ORDERS`.
        unit: whether an item is an image or a single instance.
        score_threshold: what scores are near to, for the order of doubt.

    Raises:
        ValueError: for an order that is not in the table.
    """
    row = next((o for o in ORDERS if o.key == order), None)
    if row is None:
        raise ValueError(f"order: expected one of {[o.key for o in ORDERS]}, got {order!r}")
    places = {category_id: place for place, category_id in enumerate(category_ids)}
    of_image: dict[int, list[Fact]] = defaultdict(list)
    for fact in facts:
        of_image[fact.image_id].append(fact)
    key = row.of
    items: list[tuple[float, QueueItem]] = []
    for image in images:
        ours = of_image[image.id]
        if not image.digest or not wanted.takes_image(image, ours):
            continue
        meant = [fact for fact in ours if wanted.takes(fact)]
        ranks = [0.0 if key is None else key(fact, score_threshold, places) for fact in meant]
        if unit == "image":
            first = min(ranks, default=float("inf") if key else 0.0)
            items.append((first, QueueItem(image.id)))
        else:
            items += [(r, QueueItem(image.id, fact.id)) for r, fact in zip(ranks, meant, strict=True)]
    return tuple(item for _, item in sorted(items, key=lambda pair: pair[0]))  # sorted keeps ties in order


def proposals_from(
    facts: Iterable[Fact], queue: Iterable[QueueItem], wanted: QueueFilter, least_score: float
) -> list[Fact]:
    """Return the open proposals in a queue's images that its filter takes and that reach a score."""
    images = {item.image_id for item in queue}
    return [
        fact
        for fact in facts
        if fact.status == "proposed"
        and fact.image_id in images
        and fact.score is not None
        and fact.score >= least_score
        and wanted.takes(fact)
    ]
