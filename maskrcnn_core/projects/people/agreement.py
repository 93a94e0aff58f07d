"""How far two people agree on the same images: masks, decisions and categories.

Instances of an image are matched by the IoU of their masks, the best pair first, down to :data:`LEAST_IOU`.
Agreement beyond chance is Cohen's kappa ("A Coefficient of Agreement for Nominal Scales", 1960).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from maskrcnn_core.geometry.rle import Rle, mask_iou

__all__ = ["LEAST_IOU", "Agreement", "Said", "SaidOfImages", "Verdict", "agreement", "cohens_kappa"]

LEAST_IOU = 0.5
"""Of two masks of one object: COCO's lowest threshold."""

Verdict = Literal["accepted", "rejected"]


@dataclass(frozen=True)
class Said:
    """What a person said of one instance.

    Args:
        mask: as they left it.
        category: its name.
        verdict: whether it is an object.
    """

    mask: Rle
    category: str
    verdict: Verdict


SaidOfImages: TypeAlias = Mapping[Any, Sequence[Said]]
"""What a person said of each image that they worked on; an image may have nothing on it."""


@dataclass(frozen=True)
class Agreement:
    """How far two people agree.

    Args:
        images: that both worked on.
        matched: pairs of instances that are one object to go by their masks.
        only_first, only_second: instances that one of them accepted and the other one has nothing for.
        mean_iou: of pairs that both accepted; ``None`` if there are none.
        decisions: Cohen's kappa of accepting and rejecting, over all pairs; ``None`` where it is not defined.
        same_decisions: share of pairs with the same decision.
        categories: Cohen's kappa of categories, over pairs that both accepted.
        same_categories: share of those with the same category.
    """

    images: int
    matched: int
    only_first: int
    only_second: int
    mean_iou: float | None
    decisions: float | None
    same_decisions: float | None
    categories: float | None
    same_categories: float | None


def agreement(first: SaidOfImages, second: SaidOfImages) -> Agreement:
    """Return how far two people agree on the images that both worked on."""
    common = [key for key in first if key in second]
    pairs: list[tuple[float, Said, Said]] = []
    alone = [0, 0]
    for key in common:
        matched = _matched(first[key], second[key])
        pairs += [(iou, first[key][a], second[key][b]) for iou, a, b in matched]
        taken: tuple[set[int], set[int]] = ({a for _, a, _ in matched}, {b for _, _, b in matched})
        for side, said in enumerate((first[key], second[key])):
            alone[side] += sum(
                one.verdict == "accepted" and place not in taken[side] for place, one in enumerate(said)
            )
    accepted = [pair for pair in pairs if pair[1].verdict == pair[2].verdict == "accepted"]
    verdicts = [(a.verdict, b.verdict) for _, a, b in pairs]
    categories = [(a.category, b.category) for _, a, b in accepted]
    return Agreement(
        len(common),
        len(pairs),
        alone[0],
        alone[1],
        sum(iou for iou, _, _ in accepted) / len(accepted) if accepted else None,
        cohens_kappa(verdicts),
        _share(verdicts),
        cohens_kappa(categories),
        _share(categories),
    )


def _matched(first: Sequence[Said], second: Sequence[Said]) -> list[tuple[float, int, int]]:
    """Return IoU and places of the pairs that are one object, each instance in one pair at most."""
    found = [
        (iou, a, b)
        for a, one in enumerate(first)
        for b, other in enumerate(second)
        if one.mask.size == other.mask.size and (iou := mask_iou(one.mask, other.mask)) >= LEAST_IOU
    ]
    # Of equal masks those of one category belong together, whatever their order.
    found.sort(key=lambda pair: (-pair[0], first[pair[1]].category != second[pair[2]].category, pair[1:]))
    pairs, taken_first, taken_second = [], set[int](), set[int]()
    for iou, a, b in found:
        if a not in taken_first and b not in taken_second:
            pairs.append((iou, a, b))
            taken_first.add(a)
            taken_second.add(b)
    return pairs


def cohens_kappa(pairs: Iterable[tuple[Hashable, Hashable]]) -> float | None:
    """Return the agreement of two people beyond chance: 1 for full agreement, 0 for that of chance.

    Args:
        pairs: what each of the two said of a thing.

    Returns:
        ``None`` if there are no pairs, or both always said one and the same thing, as chance would, too.
    """
    counts = Counter(pairs)
    total = counts.total()
    if not total:
        return None
    first: Counter[Hashable] = Counter()
    second: Counter[Hashable] = Counter()
    for (a, b), count in counts.items():
        first[a] += count
        second[b] += count
    observed = sum(count for (a, b), count in counts.items() if a == b) / total
    # In whole numbers: what is 1 has to be exactly 1.
    by_chance = sum(first[what] * second[what] for what in first)
    if by_chance == total**2:
        return None
    return (observed - by_chance / total**2) / (1 - by_chance / total**2)


def _share(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    return sum(a == b for a, b in pairs) / len(pairs) if pairs else None
