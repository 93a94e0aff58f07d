"""What people keep: images, categories and instances with their exact masks.

Behind :meth:`Instance.from_detections` nothing knows torch, scores' thresholds or labels: an instance
has a category id and a mask of pixels, and its area and box come from that mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.dataset.categories import Category, LabelMap
from maskrcnn_core.detection.candidates import Detections
from maskrcnn_core.errors import DatasetError
from maskrcnn_core.geometry.rle import Rle

__all__ = [
    "AnnotatedImage",
    "Dataset",
    "ImageRecord",
    "Instance",
    "UniqueNames",
    "id_in_name",
    "ids_from_names",
    "unique_names",
]

_MAX_ID = 2**53
"""Above it JSON readers that know only floats do not hold whole numbers exactly."""


@dataclass(frozen=True)
class ImageRecord:
    """The facts of one image.

    Args:
        id: unique in its data set; 1 or more in those that we make, kept as it is on import, also 0.
        file_name: unique in its data set, too: CVAT finds images by it.
        width, height: of the upright image in pixels.
        digest: SHA-256 of the file's bytes in hex; empty where the file was never seen.
        text_id: its id in the data set's file where that is a text; ``id`` stands for it.
        view: what of a stack it is, as text (:class:`maskrcnn_core.microscopy.views.View`); else empty.
        pixel_um: width and height of a pixel in micrometres, where that is known.
    """

    id: int
    file_name: str
    width: int
    height: int
    digest: str = ""
    text_id: str = ""
    view: str = ""
    pixel_um: tuple[float, float] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        return (self.height, self.width)


@dataclass(frozen=True)
class Instance:
    """One object in an image, as a person sees it.

    Args:
        image_id: of its :class:`ImageRecord`.
        category_id: of its :class:`~maskrcnn_core.dataset.categories.Category`, as in the data set's file.
        mask: its pixels.
        score: the model's confidence in [0, 1]; ``None`` for what people drew or ground truth says.
        given_box: x1 y1 x2 y2 in float pixels, as the network regressed it or an imported file says;
            evaluators compare it, everything else takes the mask's own.
        given_area: as an imported file says; evaluators tell small from large by it.
        is_crowd: a region of many objects, which evaluators ignore. Only imported ones have it.
        row: a name that lasts while thresholds move: the candidate row it came from; -1 for others.
    """

    image_id: int
    category_id: int
    mask: Rle
    score: float | None = None
    given_box: tuple[float, float, float, float] | None = None
    given_area: float | None = None
    is_crowd: bool = False
    row: int = -1

    @property
    def area(self) -> int:
        """Mask pixels; never the box's width times height, as COCO sizes objects by it."""
        return self.mask.area

    @property
    def box_xywh(self) -> tuple[int, int, int, int]:
        """The mask's tight box in whole pixels."""
        return self.mask.box_xywh

    @classmethod
    def from_detections(
        cls, detections: Detections, label_map: LabelMap, image_id: int, mask_threshold: float
    ) -> tuple[Instance, ...]:
        """Return detections as instances, in their order.

        A detection none of whose pixels passes the mask threshold is no object that one could point
        at, and COCO readers fail on such: it is left out.
        """
        return tuple(
            cls(
                image_id=image_id,
                category_id=label_map.category(int(label)).id,
                mask=mask,
                score=float(score),
                given_box=(float(box[0]), float(box[1]), float(box[2]), float(box[3])),
                row=int(row),
            )
            for label, score, box, row, mask in zip(
                detections.labels,
                detections.scores,
                detections.boxes,
                detections.rows,
                detections.masks(mask_threshold),
                strict=True,
            )
            if mask.area
        )


@dataclass(frozen=True)
class AnnotatedImage:
    """An image with its instances, and a way to its pixels.

    Args:
        record: its facts.
        instances: by descending score.
        load_pixels: gives uint8 ``[H, W, 3]`` RGB, upright; called only by those who draw.
        load_file: gives the bytes of its file, where there is one.
    """

    record: ImageRecord
    instances: tuple[Instance, ...]
    load_pixels: Callable[[], Pixels]
    load_file: Callable[[], bytes] | None = None

    def __post_init__(self) -> None:
        for instance in self.instances:
            if instance.mask.size != self.record.size:
                raise DatasetError(
                    f"{self.record.file_name}: expected a mask of the image's size {self.record.size} "
                    f"(height, width), got {instance.mask.size}"
                )


@dataclass(frozen=True)
class Dataset:
    """Images, categories and instances that belong together.

    Args:
        images: with unique ids and unique file names.
        categories: with unique ids.
        instances: each of an image and a category above.

    Raises:
        DatasetError: naming what breaks those rules.
    """

    images: tuple[ImageRecord, ...]
    categories: tuple[Category, ...]
    instances: tuple[Instance, ...]

    def __post_init__(self) -> None:
        image_ids = {image.id for image in self.images}
        if len(image_ids) != len(self.images):
            raise DatasetError("images: expected every id once")
        if len({image.file_name for image in self.images}) != len(self.images):
            raise DatasetError("images: expected every file_name once")
        category_ids = {category.id for category in self.categories}
        if len(category_ids) != len(self.categories):
            raise DatasetError("categories: expected every id once")
        for index, instance in enumerate(self.instances):
            if instance.image_id not in image_ids:
                raise DatasetError(f"instances[{index}]: there is no image with id {instance.image_id}")
            if instance.category_id not in category_ids:
                raise DatasetError(f"instances[{index}]: there is no category with id {instance.category_id}")

    @classmethod
    def of_images(cls, images: Iterable[AnnotatedImage], categories: Sequence[Category]) -> Dataset:
        """Return one data set of many images.

        File names that occur twice get a number before their suffix.
        """
        images = list(images)
        names = unique_names([image.record.file_name for image in images])
        records = tuple(replace(i.record, file_name=name) for i, name in zip(images, names, strict=True))
        return cls(records, tuple(categories), tuple(n for image in images for n in image.instances))


def ids_from_names(names: Sequence[str]) -> list[int] | None:
    """Return the image ids in the files' names: COCO names its files by their ids (``000000000139.jpg``).

    Returns:
        The ids, where all stems are such numbers (from 1 on), all different; else ``None``.
    """
    ids = [id_in_name(name) for name in names]
    numbers = [number for number in ids if number is not None]
    return numbers if names and len(set(numbers)) == len(names) else None


def id_in_name(name: str) -> int | None:
    """Return the number that a file's name is, if it can be an id."""
    stem = PurePosixPath(name).stem
    if not (stem.isascii() and stem.isdigit() and len(stem) <= 20):
        return None
    number = int(stem)
    return number if 0 < number < _MAX_ID else None


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the same names in order; one that came before gets `` (2)``, `` (3)`` ... before its suffix."""
    unique = UniqueNames()
    unique.avoid(names)
    return [unique.take(name) for name in names]


class UniqueNames:
    """Names of which no two are equal.

    Args:
        taken: names that are given already.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._given = set(taken)
        self._avoided: set[str] = set()
        self._last_number: dict[str, int] = {}

    def avoid(self, names: Iterable[str]) -> None:
        """Reserve these names for whoever asks for them."""
        self._avoided.update(names)

    def take(self, name: str) -> str:
        """Return the name if it is free, else with the next number before its suffix."""
        fresh, number = name, self._last_number.get(name, 1)
        while fresh in self._given or (fresh != name and fresh in self._avoided):
            number += 1
            stem, dot, suffix = name.rpartition(".")
            fresh = f"{stem} ({number}).{suffix}" if dot and stem else f"{name} ({number})"
        self._last_number[name] = number
        self._given.add(fresh)
        return fresh
