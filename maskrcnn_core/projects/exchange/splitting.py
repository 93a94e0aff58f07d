"""Images parted for training, validation and test: at random by a seed, or with each category in each part.

Balanced parts follow Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data" (ECML PKDD
2011): the images of the rarest category are dealt first, each to the part that wants that category most.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from maskrcnn_core.errors import InputError
from maskrcnn_core.projects.records import Fact, ImageRow

__all__ = ["PARTS", "PartCounts", "PartName", "count_parts", "split_parts"]

PartName = Literal["train", "val", "test"]
PARTS: tuple[PartName, ...] = get_args(PartName)


def split_parts(
    images: Sequence[ImageRow],
    shares: Mapping[PartName, float],
    seed: int,
    *,
    balanced_by: Iterable[Fact] | None = None,
) -> dict[PartName, list[ImageRow]]:
    """Part images at random, but always alike for the same seed.

    The place of an image depends on its content and the seed alone, so that neither the order nor the names
    of files matter; without balancing, one more image moves at most one other out of each part.

    Args:
        images: to part; each part keeps their order.
        shares: of validation, of test, or of both, each above 0 and together below 1; the rest is for
            training. At least one image is in each part.
        seed: any whole number.
        balanced_by: instances whose categories each part gets its share of, as near as whole images allow;
            images without any are dealt alike. ``None`` for none.

    Returns:
        The images of each part, that for training first.

    Raises:
        InputError: for shares out of range, or fewer images than parts.
    """
    shares = {part: shares[part] for part in PARTS if part in shares}
    if "train" in shares or not shares or min(shares.values()) <= 0 or sum(shares.values()) >= 1:
        told = ", ".join(f"{part} {share:g}" for part, share in shares.items()) or "none"
        raise InputError(f"split: expected shares of val and test above 0 and together below 1, got {told}")
    if len(images) <= len(shares):
        raise InputError(f"split: expected at least {len(shares) + 1} images, got {len(images)}")
    sizes = _sizes(len(images), shares)

    def place(image: ImageRow) -> str:
        # Images that nobody has brought have no content: their name stands for it.
        return hashlib.sha256(f"{seed} {image.digest or image.file_name}".encode()).hexdigest()

    shuffled = sorted(images, key=place)
    if balanced_by is None:
        part_of = _dealt(shuffled, sizes)
    else:
        part_of = _balanced(shuffled, sizes, _categories_of(balanced_by, images))
    parts: dict[PartName, list[ImageRow]] = {part: [] for part in PARTS if part in sizes}
    for image in images:
        parts[part_of[image.id]].append(image)
    return parts


def _sizes(count: int, shares: Mapping[PartName, float]) -> dict[PartName, int]:
    """Return how many images are in each part: at least one, and the shares as near as that allows."""
    sizes = {part: max(round(share * count), 1) for part, share in shares.items()}
    while sum(sizes.values()) >= count:
        sizes[max(sizes, key=lambda part: sizes[part])] -= 1
    return sizes | {"train": count - sum(sizes.values())}


def _dealt(shuffled: Sequence[ImageRow], sizes: Mapping[PartName, int]) -> dict[int, PartName]:
    part_of: dict[int, PartName] = {}
    at = 0
    for part in ("val", "test", "train"):
        for image in shuffled[at : at + sizes.get(part, 0)]:
            part_of[image.id] = part
        at += sizes.get(part, 0)
    return part_of


def _categories_of(facts: Iterable[Fact], images: Sequence[ImageRow]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {image.id: set() for image in images}
    for fact in facts:
        if fact.image_id in found:
            found[fact.image_id].add(fact.category_id)
    return found


def _balanced(
    shuffled: Sequence[ImageRow], sizes: Mapping[PartName, int], categories: Mapping[int, Collection[int]]
) -> dict[int, PartName]:
    total = len(shuffled)
    order = {image.id: place for place, image in enumerate(shuffled)}
    waiting: dict[int, set[int]] = defaultdict(set)  # by category, the images that are not dealt yet
    for image in shuffled:
        for category in categories[image.id]:
            waiting[category].add(image.id)
    wants = {
        part: {category: len(ids) * size / total for category, ids in waiting.items()}
        for part, size in sizes.items()
    }
    room = dict(sizes)
    part_of: dict[int, PartName] = {}

    def deal(id_: int, category: int | None) -> None:
        # The part that lacks most of this category, then the one that lacks most images.
        part = max(
            (part for part in PARTS if room.get(part, 0) > 0),
            key=lambda part: (0.0 if category is None else wants[part][category], room[part]),
        )
        part_of[id_] = part
        room[part] -= 1
        for one in categories[id_]:
            wants[part][one] -= 1
            waiting[one].discard(id_)

    while waiting:
        rarest = min(waiting, key=lambda category: (len(waiting[category]), category))
        for id_ in sorted(waiting[rarest], key=order.__getitem__):
            deal(id_, rarest)
        del waiting[rarest]
    for image in shuffled:
        if image.id not in part_of:
            deal(image.id, None)
    return part_of


@dataclass(frozen=True)
class PartCounts:
    """What is in a part.

    Args:
        images: how many.
        share: of all images.
        instances: how many of each category, by the store's id.
        instance_shares: of all instances of each category.
    """

    images: int
    share: float
    instances: Counter[int]
    instance_shares: Mapping[int, float]


def count_parts(
    parts: Mapping[PartName, Sequence[ImageRow]], facts: Iterable[Fact]
) -> dict[PartName, PartCounts]:
    """Return what is in each part.

    Args:
        parts: of :func:`split_parts`.
        facts: the instances that are written.
    """
    part_of = {image.id: part for part, images in parts.items() for image in images}
    counts: dict[PartName, Counter[int]] = {part: Counter() for part in parts}
    for fact in facts:
        if fact.image_id in part_of:
            counts[part_of[fact.image_id]][fact.category_id] += 1
    everything = sum(counts.values(), Counter[int]())
    images_in_all = max(len(part_of), 1)
    return {
        part: PartCounts(
            len(images),
            len(images) / images_in_all,
            counts[part],
            {category: counts[part][category] / number for category, number in everything.items()},
        )
        for part, images in parts.items()
    }
