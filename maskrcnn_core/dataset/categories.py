"""Categories and label maps: the one place where label, category id and name meet.

A *label* is a model's contiguous index, 0 being the background. A *category id* is what a data set
file says, often with gaps (COCO: 1..90 for 80 categories). They are equal for torchvision's COCO
models and differ for every contiguous one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from maskrcnn_core.errors import InputError

__all__ = ["COCO_CATEGORIES", "Category", "LabelMap"]


@dataclass(frozen=True)
class Category:
    """One category of a data set.

    Args:
        id: the id as in the data set's file, which may be 0 (a label never is: that is the background).
        name: as shown to people.
        supercategory: COCO's grouping; empty where there is none.
        text_id: its id in the data set's file where that is a text; ``id`` stands for it.
    """

    id: int
    name: str
    supercategory: str = ""
    text_id: str = ""


@dataclass(frozen=True)
class LabelMap:
    """A map from a model's labels to categories.

    Args:
        categories: the categories, in the data set's order.
        labels: the model label of each of them, parallel to ``categories``.

    Raises:
        InputError: if the two differ in length, or a label, id or name occurs twice, or a label is
            not positive (0 is the background).
    """

    categories: tuple[Category, ...]
    labels: tuple[int, ...]
    _by_label: dict[int, Category] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.categories) != len(self.labels):
            raise InputError(
                f"label map: expected one label for each category, "
                f"got {len(self.labels)} labels and {len(self.categories)} categories"
            )
        for what, values in (
            ("label", self.labels),
            ("category id", [c.id for c in self.categories]),
            ("category name", [c.name for c in self.categories]),
        ):
            twice = _first_repeated(values)
            if twice is not None:
                raise InputError(f"label map: every {what} must occur once, found {twice!r} twice")
        if any(label < 1 for label in self.labels):
            raise InputError(f"label map: labels start at 1 (0 is background), found {min(self.labels)}")
        object.__setattr__(self, "_by_label", dict(zip(self.labels, self.categories, strict=True)))

    def __iter__(self) -> Iterator[Category]:
        return iter(self.categories)

    def __len__(self) -> int:
        return len(self.categories)

    @classmethod
    def contiguous(cls, categories: Sequence[Category]) -> LabelMap:
        """Return labels 1..N in the order of ``categories`` (MaskRCNN2Go, Matterport, custom models)."""
        return cls(tuple(categories), tuple(range(1, len(categories) + 1)))

    @classmethod
    def by_id(cls, categories: Sequence[Category]) -> LabelMap:
        """Make each category's id its label (torchvision's COCO models)."""
        return cls(tuple(categories), tuple(c.id for c in categories))

    @classmethod
    def from_names(cls, names: Iterable[str]) -> LabelMap:
        """Return categories 1..N named in order, as a model's names file lists them (background left out)."""
        return cls.contiguous([Category(i, name) for i, name in enumerate(names, start=1)])

    def category(self, label: int) -> Category:
        """Return the category of a model's label.

        Raises:
            KeyError: for a label that is not in the map (torchvision's COCO heads have 11 unused ones).
        """
        return self._by_label[label]

    def __contains__(self, label: object) -> bool:
        return label in self._by_label

    def labels_of(self, names: Iterable[str]) -> frozenset[int]:
        """Return the labels of categories given by name (case is ignored).

        Raises:
            InputError: naming the first unknown category and the known ones that look alike.
        """
        by_name = {c.name.casefold(): label for c, label in zip(self.categories, self.labels, strict=True)}
        found = set()
        for name in names:
            label = by_name.get(name.strip().casefold())
            if label is None:
                raise InputError(
                    f"category {name!r}: expected one of the model's {len(self)} categories; "
                    f"did you mean {_closest(name, [c.name for c in self.categories])}?"
                )
            found.add(label)
        return frozenset(found)


def _first_repeated(values: Iterable[object]) -> object | None:
    seen: set[object] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


def _closest(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name.casefold(), known, n=3, cutoff=0.0)
    return " or ".join(repr(c) for c in close)


_COCO_ROWS: tuple[tuple[int, str, str], ...] = (
    (1, "person", "person"),
    (2, "bicycle", "vehicle"),
    (3, "car", "vehicle"),
    (4, "motorcycle", "vehicle"),
    (5, "airplane", "vehicle"),
    (6, "bus", "vehicle"),
    (7, "train", "vehicle"),
    (8, "truck", "vehicle"),
    (9, "boat", "vehicle"),
    (10, "traffic light", "outdoor"),
    (11, "fire hydrant", "outdoor"),
    (13, "stop sign", "outdoor"),
    (14, "parking meter", "outdoor"),
    (15, "bench", "outdoor"),
    (16, "bird", "animal"),
    (17, "cat", "animal"),
    (18, "dog", "animal"),
    (19, "horse", "animal"),
    (20, "sheep", "animal"),
    (21, "cow", "animal"),
    (22, "elephant", "animal"),
    (23, "bear", "animal"),
    (24, "zebra", "animal"),
    (25, "giraffe", "animal"),
    (27, "backpack", "accessory"),
    (28, "umbrella", "accessory"),
    (31, "handbag", "accessory"),
    (32, "tie", "accessory"),
    (33, "suitcase", "accessory"),
    (34, "frisbee", "sports"),
    (35, "skis", "sports"),
    (36, "snowboard", "sports"),
    (37, "sports ball", "sports"),
    (38, "kite", "sports"),
    (39, "baseball bat", "sports"),
    (40, "baseball glove", "sports"),
    (41, "skateboard", "sports"),
    (42, "surfboard", "sports"),
    (43, "tennis racket", "sports"),
    (44, "bottle", "kitchen"),
    (46, "wine glass", "kitchen"),
    (47, "cup", "kitchen"),
    (48, "fork", "kitchen"),
    (49, "knife", "kitchen"),
    (50, "spoon", "kitchen"),
    (51, "bowl", "kitchen"),
    (52, "banana", "food"),
    (53, "apple", "food"),
    (54, "sandwich", "food"),
    (55, "orange", "food"),
    (56, "broccoli", "food"),
    (57, "carrot", "food"),
    (58, "hot dog", "food"),
    (59, "pizza", "food"),
    (60, "donut", "food"),
    (61, "cake", "food"),
    (62, "chair", "furniture"),
    (63, "couch", "furniture"),
    (64, "potted plant", "furniture"),
    (65, "bed", "furniture"),
    (67, "dining table", "furniture"),
    (70, "toilet", "furniture"),
    (72, "tv", "electronic"),
    (73, "laptop", "electronic"),
    (74, "mouse", "electronic"),
    (75, "remote", "electronic"),
    (76, "keyboard", "electronic"),
    (77, "cell phone", "electronic"),
    (78, "microwave", "appliance"),
    (79, "oven", "appliance"),
    (80, "toaster", "appliance"),
    (81, "sink", "appliance"),
    (82, "refrigerator", "appliance"),
    (84, "book", "indoor"),
    (85, "clock", "indoor"),
    (86, "vase", "indoor"),
    (87, "scissors", "indoor"),
    (88, "teddy bear", "indoor"),
    (89, "hair drier", "indoor"),
    (90, "toothbrush", "indoor"),
)

COCO_CATEGORIES: tuple[Category, ...] = tuple(Category(*row) for row in _COCO_ROWS)
"""The 80 object categories of COCO 2017 with their published ids, 1..90 with gaps."""
