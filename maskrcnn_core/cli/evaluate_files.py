"""What ``evaluate`` writes besides its report: a table of images, pictures of differences, and the curve."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.refusals import Refusal
from maskrcnn_core.common.terminal import bar_of, tell, tell_refusals
from maskrcnn_core.dataset.annotations import Dataset, ImageRecord
from maskrcnn_core.dataset.columns import Columns
from maskrcnn_core.errors import ImageError, InputError
from maskrcnn_core.evaluation.coco_metrics import Evaluation
from maskrcnn_core.evaluation.counting import Kind
from maskrcnn_core.evaluation.differences import draw_differences, draw_set_curve
from maskrcnn_core.evaluation.ground_truth import other_size
from maskrcnn_core.evaluation.image_scores import ImageScores, mean_ap
from maskrcnn_core.evaluation.per_image import OfImage, compare_images, image_table, kind_of
from maskrcnn_core.evaluation.set_curves import curve_table
from maskrcnn_core.formats.base import stems_of_records
from maskrcnn_core.images.folders import FolderImages
from maskrcnn_core.images.reading import Stretch, encode_jpeg, encode_png, read_image

__all__ = ["EvaluateFiles", "ImageMeans", "PixelsOf", "pixels_in"]

PixelsOf = Callable[[ImageRecord], Pixels]
"""Gives an image's pixels; raises ImageError or InputError, saying why there are none."""

_DRAWN_ABOVE = 0.5
_QUALITY = 92


@dataclass(frozen=True)
class ImageMeans:
    """AP of images, each by itself, and the mean of them.

    Args:
        AP50, AP: means over the images that have objects; NaN if none has.
        images: how many those are.
        kind: whether boxes or masks were compared.
    """

    AP50: float
    AP: float
    images: int
    kind: Kind

    def sentence(self) -> str:
        """Return what the report says of it."""
        if not self.images:
            return "mean AP of images: none has objects"
        what = "masks" if self.kind == "segm" else "boxes"
        return (
            f"mean AP of {counted(self.images, 'image')} with objects, each by itself: AP50 {self.AP50:.4f}, "
            f"AP {self.AP:.4f} ({what}; the area under the curve of all categories together, as Matterport's "
            "mAP; not COCO's AP)"
        )


@dataclass(frozen=True)
class EvaluateFiles:
    """What is to be written.

    Args:
        per_image: CSV file of a row for each image.
        differences: folder of a picture for each image.
        curve: PNG or CSV file of precision against recall.
        score_threshold: of the detections that pictures show and that the table counts; ``None`` for the
            model's own, or .5.
    """

    per_image: Path | None
    differences: Path | None
    curve: Path | None
    score_threshold: float | None

    def check(self) -> None:
        """Refuse what cannot be written, before anything takes time.

        Raises:
            InputError: naming the option, if it is not the file's kind, or something is there already.
        """
        if self.score_threshold is not None and not 0 <= self.score_threshold <= 1:
            raise InputError(
                f"--score-threshold: expected a number from 0 to 1, got {self.score_threshold:g}"
            )
        if self.curve is not None and self.curve.suffix.casefold() not in (".png", ".csv"):
            raise InputError(
                f"--curve: expected a file ending in .png or .csv, got {one_line(self.curve.name)}"
            )
        for option, file in (("--per-image", self.per_image), ("--curve", self.curve)):
            if file is not None and os.path.lexists(file):
                raise InputError(f"{one_line(str(file))}: this file already exists; choose another {option}")
        folder = self.differences
        if folder is not None and os.path.lexists(folder) and not _is_empty_folder(folder):
            raise InputError(
                f"{one_line(str(folder))}: expected a new or empty folder, got one with files in it, or a "
                "file; choose another --differences"
            )

    def write(
        self,
        truth: Dataset,
        found: Columns,
        evaluation: Evaluation,
        *,
        limit: int,
        own_score: float | None,
        pixels_of: PixelsOf | None,
        quiet: bool,
    ) -> ImageMeans | None:
        """Write all that was asked for, and tell what was written and what could not be.

        Args:
            truth: the ground truth.
            found: what was compared with it.
            evaluation: of the two.
            limit: how many of the best of an image and category count.
            own_score: the model's score threshold, if one ran.
            pixels_of: gives images for pictures.
            quiet: whether there is no progress bar.

        Returns:
            The means over images; ``None`` if nothing that was asked for needs them.

        Raises:
            InputError: naming what cannot be written.
        """
        if self.curve is not None:
            is_table = self.curve.suffix.casefold() == ".csv"
            curves = evaluation.box_curve, evaluation.mask_curve
            _write(self.curve, curve_table(*curves) if is_table else encode_png(draw_set_curve(*curves)))
            tell(f"{one_line(str(self.curve))}: precision against recall")
        if self.per_image is None and self.differences is None:
            return None
        threshold = self.score_threshold
        if threshold is None:
            threshold = _DRAWN_ABOVE if own_score is None else own_score
        rows = []
        compared = compare_images(truth, found, score_threshold=threshold, max_detections=limit)
        with bar_of(total=len(truth.images), unit="image", quiet=quiet) as bar:
            for one in self._pictured(compared, truth, threshold, pixels_of):
                rows.append((one.record, one.scores))
                bar.update(1)
        if self.per_image is not None:
            _write(self.per_image, image_table(rows))
            tell(
                f"{one_line(str(self.per_image))}: {counted(len(rows), 'image')}; detections with scores "
                f"above {threshold:g} are counted, AP has all"
            )
        return _means([scores for _, scores in rows], kind_of(found))

    def _pictured(
        self, compared: Iterator[OfImage], truth: Dataset, threshold: float, pixels_of: PixelsOf | None
    ) -> Iterator[OfImage]:
        """Yield the images, each once its picture is written."""
        if self.differences is None or pixels_of is None:
            yield from compared
            return
        names = {category.id: category.name for category in truth.categories}
        refusals: list[Refusal] = []
        written = 0
        for one, stem in zip(compared, stems_of_records(truth.images), strict=True):
            try:
                pixels = pixels_of(one.record)
            except (ImageError, InputError) as error:
                shown = one_line(one.record.file_name)
                refusals.append(Refusal(shown, str(error).removeprefix(f"{shown}: ")))
            else:
                picture = draw_differences(pixels, one.comparison, one.matches, names, threshold)
                _write(self.differences / f"{stem}.jpg", encode_jpeg(picture, quality=_QUALITY))
                written += 1
            yield one
        tell(
            f"{one_line(str(self.differences))}: {counted(written, 'picture')}, with detections that score "
            f"above {threshold:g}"
        )
        tell_refusals(self.differences, refusals)


def pixels_in(folder: Path, ground_truth: Path, truth: Dataset, stretch: Stretch) -> PixelsOf:
    """Return what finds a ground truth's images in a folder.

    Args:
        folder: of the images.
        ground_truth: the ground truth's own file.
        truth: what is in it.
        stretch: as in :func:`~maskrcnn_core.images.reading.decode_image`.

    Raises:
        InputError: if there is no such folder, or it cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{one_line(str(folder))}: expected the folder of the images, got no folder")
    images = FolderImages(folder, ground_truth)
    found = images.expect([record.file_name for record in truth.images])
    tell_refusals(folder, [Refusal("images", sentence) for sentence in found.refused], found.notes)

    def pixels_of(record: ImageRecord) -> Pixels:
        path = images.paths.get(record.file_name)
        if path is None:
            raise ImageError(f"{one_line(record.file_name)}: the image is not in the folder")
        image = read_image(path, stretch=stretch)
        if image.size != record.size:
            raise ImageError(f"{one_line(record.file_name)}: {other_size(record, image.size)}")
        return image.pixels

    return pixels_of


def _means(images: list[ImageScores], kind: Kind) -> ImageMeans:
    return ImageMeans(*mean_ap(images), kind)


def _is_empty_folder(folder: Path) -> bool:
    try:
        return next(folder.iterdir(), None) is None
    except OSError:
        return False


def _write(file: Path, data: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, data)
    except OSError as error:
        raise InputError(f"{one_line(str(file))}: cannot write this file ({error.strerror})") from error
