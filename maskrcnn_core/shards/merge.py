"""Joins all shards of a run into one COCO file: written, read back and compared one shard at a time.

The file is the very one that a run into one file writes: the same rows in the same order under the same ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from maskrcnn_core.batch.resume_log import writing
from maskrcnn_core.common.atomic_files import replacing_file
from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.dataset.annotations import Dataset, ImageRecord
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import ExportError, InputError
from maskrcnn_core.formats.coco import annotation_row, coco_document, result_rows
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.formats.read_back import read_back_batch
from maskrcnn_core.shards.json_stream import JsonStream
from maskrcnn_core.shards.plan import Plan
from maskrcnn_core.shards.shard_files import Marker, ShardImage, marker_of, read_shard

__all__ = ["Merged", "Merger"]

_MEMBERS = tuple(coco_document(Dataset((), (), ())))
OnShard = Callable[[int, int], None]


@dataclass(frozen=True)
class Merged:
    """What a merge wrote.

    Args:
        images, instances: in the file.
        least_iou: the least mask IoU of all when it was read back; 1 where there are none.
        files: what was written.
    """

    images: int
    instances: int
    least_iou: float
    files: tuple[Path, ...]


class Merger:
    """A run whose shards are all whole.

    Args:
        plan: of the run.
        categories: of the model that ran.
        description: for the file's ``info``.
        tolerance: in pixels, by which polygons may be simplified; 0 keeps every pixel.

    Raises:
        InputError: if a shard is missing, damaged, or made with other settings than the first.
    """

    def __init__(
        self, plan: Plan, categories: tuple[Category, ...], description: str, tolerance: float = 0.0
    ) -> None:
        self._plan, self._categories = plan, categories
        self._description, self._tolerance = description, tolerance
        self._markers = _markers(plan)

    def write(self, out: Path, results: Path | None = None, on_shard: OnShard | None = None) -> Merged:
        """Write the COCO file, and COCO's results form if asked for; each is there whole or not at all.

        Args:
            out: the COCO file.
            results: the file for the results form, or none.
            on_shard: called with ``(shards_done, shards_total)`` after each shard of each pass.

        Raises:
            InputError: if no image succeeded, or a shard is damaged.
            ExportError: if a file cannot be written, or does not come back as it was meant.
        """
        if not any(marker.counts.images > marker.counts.failed for marker in self._markers):
            raise InputError(f"{self._plan.folder.shown}: no image was annotated; nothing was written")
        passes = 4 if results is None else 5
        progress = _Progress(on_shard, passes * len(self._markers))
        files = [out] if results is None else [out, results]
        with ExitStack() as stack:
            # Entered last, and so put in place first.
            stack.enter_context(writing(out))
            out.parent.mkdir(parents=True, exist_ok=True)
            part, stream = stack.enter_context(replacing_file(out))
            self._write_document(stream, progress)
            stream.flush()
            merged = self._read_back(part, progress)
            if results is not None:
                stack.enter_context(writing(results))
                results.parent.mkdir(parents=True, exist_ok=True)
                _, stream = stack.enter_context(replacing_file(results))
                stream.writelines(_joined(self._result_rows(progress)))
        return Merged(*merged, files=tuple(files))

    def _shards(self, progress: _Progress, *, with_instances: bool = True) -> Iterator[list[ShardImage]]:
        """Yield what succeeded of each shard."""
        for number, marker in enumerate(self._markers):
            planned = self._plan.shard(number)
            images = read_shard(self._plan.folder, planned, marker, with_instances=with_instances)
            yield [image for image in images if image.record is not None]
            progress.step()

    def _write_document(self, stream: BinaryIO, progress: _Progress) -> None:
        # The members in the order, and the rows in the form, of `coco_document`.
        empty = coco_document(Dataset((), self._categories, ()), self._description)
        rows = {"images": self._image_rows, "annotations": self._annotation_rows}
        between = b"{"
        for name, value in empty.items():
            stream.write(between + dump_json(name) + b":")
            stream.writelines(_joined(rows[name](progress)) if name in rows else [dump_json(value)])
            between = b","
        stream.write(b"}")

    def _image_rows(self, progress: _Progress) -> Iterator[list[Json]]:
        for images in self._shards(progress, with_instances=False):
            yield _image_rows_of(_records(images))

    def _annotation_rows(self, progress: _Progress) -> Iterator[list[Json]]:
        number = 0
        for images in self._shards(progress):
            rows: list[Json] = []
            for instance in (instance for image in images for instance in image.instances):
                number += 1
                rows.append(annotation_row(number, instance, self._tolerance))
            yield rows

    def _result_rows(self, progress: _Progress) -> Iterator[list[Json]]:
        for images in self._shards(progress):
            yield list(result_rows(instance for image in images for instance in image.instances))

    # -- reading back ---------------------------------------------------------------------------------

    def _read_back(self, part: Path, progress: _Progress) -> tuple[int, int, float]:
        """Return how many images and instances the file has, and the least mask IoU, all compared."""
        images, instances, least = 0, 0, 1.0
        names: list[str] = []
        with part.open("rb") as file:
            for name, rows in JsonStream(file).members():
                names.append(name)
                if name == "images":
                    images = self._compare_images(rows, progress)
                elif name == "annotations":
                    instances, least = self._compare_annotations(rows, progress)
                elif name == "categories":
                    _check_categories(list(rows), self._categories)
        if names != list(_MEMBERS):
            raise ExportError(f"expected {', '.join(_MEMBERS)}, got {one_line(', '.join(names))[:200]}")
        return images, instances, least

    def _compare_images(self, rows: Iterator[Any], progress: _Progress) -> int:
        ids: list[npt.NDArray[np.int64]] = []
        for images in self._shards(progress, with_instances=False):
            meant = _image_rows_of(_records(images))
            if _taken(rows, len(meant)) != meant:
                raise ExportError(f"images: expected those of shard {len(ids)}, got others")
            ids.append(np.array([image.id for image in images], np.int64))
        every = np.concatenate(ids)
        if len(np.unique(every)) != len(every):
            raise ExportError("images: expected every id once")
        if next(rows, None) is not None:
            raise ExportError(f"images: expected {len(every):,}, got more")
        return len(every)

    def _compare_annotations(self, rows: Iterator[Any], progress: _Progress) -> tuple[int, float]:
        categories: list[Json] = [{"id": c.id, "name": c.name} for c in self._categories]
        count, least = 0, 1.0
        for images in self._shards(progress):
            meant = [(one.mask.counts, one.mask.size) for image in images for one in image.instances]
            found = _taken(rows, len(meant))
            if [row["id"] for row in found] != list(range(count + 1, count + 1 + len(meant))):
                raise ExportError(f"annotations: expected ids from {count + 1:,} on, in a row, got others")
            _check_meaning(found, images, count)
            by_id = {i.id: row for i, row in zip(images, _image_rows_of(_records(images)), strict=True)}
            iou = read_back_batch(found, by_id, categories, meant, count, exact=self._tolerance == 0)[1]
            least, count = min(least, iou), count + len(meant)
        if next(rows, None) is not None:
            raise ExportError(f"annotations: expected {count:,}, got more")
        return count, least


@dataclass
class _Progress:
    on_shard: OnShard | None
    total: int
    done: int = 0

    def step(self) -> None:
        self.done += 1
        if self.on_shard is not None:
            self.on_shard(self.done, self.total)


def _markers(plan: Plan) -> list[Marker]:
    markers: list[Marker] = []
    for number in range(len(plan)):
        planned = plan.shard(number)
        marker = marker_of(plan.folder, planned, markers[0].settings if markers else None)
        if marker is None:
            raise InputError(
                f"{plan.folder.shown}: shard {planned.name} of {len(plan):,} is not there or not whole; "
                "annotate again with --resume, which makes it"
            )
        markers.append(marker)
    return markers


def _image_rows_of(records: list[ImageRecord]) -> list[Json]:
    return list(coco_document(Dataset(tuple(records), (), ()))["images"])


def _joined(batches: Iterable[list[Json]]) -> Iterator[bytes]:
    """Yield lists as one list, as JSON."""
    between = b"["
    for batch in batches:
        if batch:
            yield between + dump_json(batch)[1:-1]
            between = b","
    yield b"[]" if between == b"[" else b"]"


def _taken(rows: Iterator[Any], count: int) -> list[Any]:
    found: list[Any] = []
    while len(found) < count:
        row = next(rows, None)
        if row is None:
            raise ExportError(f"expected {count - len(found):,} more rows, got none")
        found.append(row)
    return found


def _records(images: list[ShardImage]) -> list[ImageRecord]:
    return [image.record for image in images if image.record is not None]


def _check_meaning(rows: list[Any], images: list[ShardImage], first: int) -> None:
    """Check that each annotation has the image, the category and the score that were found."""
    meant = (one for image in images for one in image.instances)
    for place, (row, one) in enumerate(zip(rows, meant, strict=True), start=first):
        found = row["image_id"], row["category_id"], row.get("score")
        if found != (one.image_id, one.category_id, one.score):
            raise ExportError(f"annotations[{place}]: expected another image, category or score, got {found}")


def _check_categories(read: list[Any], categories: tuple[Category, ...]) -> None:
    meant: list[Mapping[str, Any]] = [
        {"id": c.id, "name": c.name, "supercategory": c.supercategory} for c in categories
    ]
    if read != meant:
        raise ExportError(f"categories: expected {len(meant)}, got {one_line(str(read))[:200]}")
