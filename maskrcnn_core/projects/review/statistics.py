"""How a project stands: counts, sizes, scores, and how far a model and its reviewers agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from maskrcnn_core.projects.records import Fact, ImageRow, ImageStatus, Status
from maskrcnn_core.projects.review.review_queue import size_of

__all__ = [
    "SCORE_BINS",
    "CutPoint",
    "Overview",
    "accept_rates",
    "counts_by",
    "cut_points",
    "overview",
    "score_bin",
]

SCORE_BINS = 20
"""Bins of scores, each 0.05 wide."""


@dataclass(frozen=True)
class Overview:
    """The numbers at the top of a project's page.

    Args:
        images: by status.
        instances: by status.
        empty: images without an instance that nobody has rejected.
        missing: images that a data set lists and nobody has brought.
    """

    images: Counter[ImageStatus]
    instances: Counter[Status]
    empty: int
    missing: int


def overview(images: Sequence[ImageRow], facts: Iterable[Fact]) -> Overview:
    """Return the counts of a project."""
    facts = list(facts)
    filled = {fact.image_id for fact in facts if fact.status != "rejected"}
    return Overview(
        Counter(image.status for image in images),
        Counter(fact.status for fact in facts),
        sum(image.id not in filled for image in images),
        sum(not image.digest for image in images),
    )


def score_bin(score: float) -> int:
    """Return which of the :data:`SCORE_BINS` a score is in; 1.0 is in the last."""
    # A score such as 0.15 is a little less than three times 0.05 in binary.
    return min(int(score * SCORE_BINS + 1e-9), SCORE_BINS - 1)


def counts_by(facts: Iterable[Fact], what: str) -> dict[Hashable, Counter[Status]]:
    """Return instances by status, for each category, size or score bin.

    Args:
        facts: of a project.
        what: ``category``, ``size`` or ``score``; instances without a score have no bin.
    """
    counts: dict[Hashable, Counter[Status]] = defaultdict(Counter)
    for fact in facts:
        key = _key(fact, what)
        if key is not None:
            counts[key][fact.status] += 1
    return dict(counts)


def accept_rates(facts: Iterable[Fact], what: str) -> dict[Hashable, tuple[int, int]]:
    """Return how many of a model's decided proposals people accepted, out of how many.

    Args:
        facts: of a project.
        what: as for :func:`counts_by`.

    Returns:
        ``(accepted, decided)`` for each key with at least one decision.
    """
    counts = counts_by((fact for fact in facts if fact.score is not None), what)
    rates = {key: (c["accepted"], c["accepted"] + c["rejected"]) for key, c in counts.items()}
    return {key: rate for key, rate in rates.items() if rate[1]}


@dataclass(frozen=True)
class CutPoint:
    """What a score threshold would have done to what people have decided.

    Args:
        score_threshold: scores greater than it stay.
        precision: of those that stay, the share that people accepted; ``None`` if none stays.
        recall: of all that people accepted, the share that stays; ``None`` if they accepted none.
    """

    score_threshold: float
    precision: float | None
    recall: float | None

    @property
    def f1(self) -> float:
        """The harmonic mean of both; 0 where one of them is not known."""
        if not self.precision or not self.recall:
            return 0.0
        return 2 * self.precision * self.recall / (self.precision + self.recall)


def cut_points(facts: Iterable[Fact]) -> list[CutPoint]:
    """Return precision and recall at each edge of a score bin, from the lowest with a decision.

    Below the lowest score that anybody has decided on nothing is known.
    """
    decided = [
        (fact.score, fact.status == "accepted")
        for fact in facts
        if fact.score is not None and fact.status != "proposed"
    ]
    accepted = sum(is_accepted for _, is_accepted in decided)
    points = []
    first = score_bin(min((score for score, _ in decided), default=1.0))
    for edge in range(first, SCORE_BINS):
        threshold = edge / SCORE_BINS
        kept = [is_accepted for score, is_accepted in decided if score > threshold]
        precision = sum(kept) / len(kept) if kept else None
        points.append(CutPoint(threshold, precision, sum(kept) / accepted if accepted else None))
    return points


def _key(fact: Fact, what: str) -> Hashable:
    if what == "category":
        return fact.category_id
    if what == "size":
        return size_of(fact.area)
    if what == "score":
        return None if fact.score is None else score_bin(fact.score)
    raise ValueError(f"counts: expected category, size or score, got {what!r}")
