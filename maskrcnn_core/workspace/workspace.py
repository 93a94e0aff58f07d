"""One person's open images: what was dropped in, what the network said of each, what is shown.

A workspace knows nothing of the screen; a page draws it. Images are kept once, by the SHA-256 of their
bytes, as files in a folder of the workspace's own, so that a hundred photos take disk and not memory. The
folder goes when the workspace goes, unless :meth:`Workspace.keep_in` names one that stays: another workspace
then opens from it what was open, with what the network said. Nothing here is shared between two workspaces
but the device's queue.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.common.atomic_files import replace_file, scratch_folder
from maskrcnn_core.common.one_line import counted
from maskrcnn_core.dataset.annotations import AnnotatedImage, ImageRecord, Instance
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.detection.runs import Failure, Run
from maskrcnn_core.errors import CoreError, ImageError, InferenceError, InputError
from maskrcnn_core.images.archives import ArchiveMember, read_zip_images
from maskrcnn_core.images.browser_pictures import BrowserPicture, browser_picture, very_large_picture
from maskrcnn_core.images.reading import (
    SourceImage,
    Stretch,
    decode_image,
    one_line,
    thumbnail_jpeg,
)
from maskrcnn_core.inference.device_queue import QueuedRun, device_queue_for
from maskrcnn_core.microscopy.seeing import see_image
from maskrcnn_core.tiling.choosing import Tiling, asked_of, tiles_for
from maskrcnn_core.tiling.planning import Tile
from maskrcnn_core.tiling.running import TiledRun, run_tiles
from maskrcnn_core.workspace.image_files import ImageFiles
from maskrcnn_core.workspace.in_tiles import TiledShown, TileQuestion
from maskrcnn_core.workspace.open_images import ImageState, OpenImage, OpeningReport, Shown, data_url
from maskrcnn_core.workspace.recent import Recent

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["Answer", "Workspace"]

Answer = Run | TiledRun
"""What a network said of an image, seen whole or in tiles."""

_PIXELS_KEPT = 3  # decoded images in memory: a 12 MP photo takes 36 MB
_INSTANCES_KEPT = 16  # images whose pasted masks are in memory
_THUMBNAIL = 72  # pixels
_PICTURES = ThreadPoolExecutor(1, thread_name_prefix="pictures")


class Workspace:
    """The open images of one person, in the order they came.

    Attributes:
        images: by digest, in the order they came.
        on_done: told the digest of each image that the network has done with, on the queue's thread.
        tiling: how pictures are cut into tiles for the network; ``None`` for not at all. What was found in
            another way stays.
        is_kept: its images lie in a folder that stays.
    """

    def __init__(self) -> None:
        self.client = uuid.uuid4().hex
        self.on_done: Callable[[str], None] | None = None
        self.stretch: Stretch = "auto"
        self.tiling: Tiling | None = Tiling()
        self._folder = Path(tempfile.mkdtemp(dir=scratch_folder()))
        # A session ends without a word: its files go with the last reference, or with the process.
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._files = ImageFiles(self._folder / "images")
        self.is_kept = False
        self.images: dict[str, OpenImage] = {}
        self._queued: dict[tuple[str, str], QueuedRun[Answer | Failure]] = {}
        self._counts: dict[tuple[str, str], tuple[Answer, object, int]] = {}
        self._tiles_done: dict[tuple[str, str], tuple[int, int]] = {}
        self._stopped: set[tuple[str, str]] = set()
        self._pixels: Recent[Pixels] = Recent(_PIXELS_KEPT)
        self._instances: Recent[tuple[Instance, ...]] = Recent(_INSTANCES_KEPT)
        self._tiled = TiledShown(_INSTANCES_KEPT)

    # -- images -----------------------------------------------------------------------------

    def add(self, name: str, data: bytes) -> OpeningReport:
        """Take in one file: an image, or a zip of images, told apart by content."""
        if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            return self._add_zip(name, data)
        # Of a very large file made beside decoding it: it is about to be looked at.
        picture = _PICTURES.submit(very_large_picture, data)
        try:
            image = see_image(data, name, stretch=self.stretch)
        except ImageError as error:
            return OpeningReport(refused=(str(error),))
        if image.digest in self.images:
            return OpeningReport(known=(name,))
        try:
            self._open(image, data)
            if (made := picture.result()) is not None:
                self._keep_picture(image.digest, made)
        except OSError as error:
            return OpeningReport(refused=(f"{one_line(name)}: cannot be kept here: {error.strerror}",))
        return OpeningReport(added=(image.digest,))

    def _open(self, image: SourceImage, data: bytes | None = None) -> None:
        height, width = image.size
        opened = OpenImage(
            image.digest,
            image.name,
            width,
            height,
            image.notes,
            data_url(thumbnail_jpeg(image.pixels, _THUMBNAIL), "image/jpeg"),
            image.is_dim,
            image.view,
            image.pixel_um,
        )
        self._files.put(opened, data)
        self._pixels.get((image.digest, self.stretch), lambda: image.pixels)
        self.images[image.digest] = opened

    def keep_in(self, folder: Path, stretch: Stretch = "auto") -> OpeningReport:
        """Keep images, and what the network says of them, in a folder that outlives the workspace.

        Args:
            folder: made if it is not there; images that it has from before are opened, before the others.
            stretch: how dim images of before were shown.

        Returns:
            What was opened, and what could not be.

        Raises:
            OSError: if the folder cannot be written.
        """
        if not self.images:
            self.stretch = stretch
        had = set(self.images)
        self._files.move_to(folder)
        self._files.renew()
        self.is_kept = True
        images, refused = self._files.open()
        self.images = {image.digest: image for image in images}
        return OpeningReport(tuple(d for d in self.images if d not in had), refused=tuple(refused))

    def set_stretch(self, stretch: Stretch) -> int:
        """Stretch dim 16-bit and floating-point images, or leave them dark; what the network said of
        them is forgotten.

        Returns:
            How many images look other now.
        """
        if stretch == self.stretch:
            return 0
        self.stretch = stretch
        dim = [image for image in self.images.values() if image.is_dim]
        for image in dim:
            self._forget(image.digest)
            self._open(see_image(self.original(image.digest), image.name, stretch=stretch))
        return len(dim)

    def _forget(self, digest: str) -> None:
        """Forget what was made of an image's pixels."""
        for key in [key for key in self._queued if key[0] == digest]:
            self._queued.pop(key).cancel()
            self._counts.pop(key, None)
        self._files.forget_made(digest)

    def _add_zip(self, name: str, data: bytes) -> OpeningReport:
        report, found = OpeningReport(), False
        try:
            for member in read_zip_images(data, name):
                found = True
                if isinstance(member, ArchiveMember):
                    report += self.add(member.name, member.data)
                else:
                    report += OpeningReport(refused=(member.message,))
        except CoreError as error:
            return report + OpeningReport(refused=(str(error),))
        return report if found else OpeningReport(refused=(f"{one_line(name)}: it contains no images",))

    def remove(self, digests: Iterable[str]) -> None:
        """Close images and cancel their waiting runs; :meth:`reopen` takes it back."""
        closed = [digest for digest in digests if self.images.pop(digest, None) is not None]
        for key in [key for key in self._queued if key[0] in closed]:
            self._queued.pop(key).cancel()
            self._counts.pop(key, None)
        self._stopped.update(key for key in list(self._tiles_done) if key[0] in closed)
        if closed:
            self._files.close(closed)

    @property
    def closed_last(self) -> list[str]:
        """The names of the images that were closed together last, while they can be opened again."""
        return self._files.closed_last

    def reopen(self) -> OpeningReport:
        """Open the images again that were closed together last, where they were in the order."""
        images = self._files.reopen()
        every = self.images | {image.digest: image for image in images}
        self.images = {digest: every[digest] for digest in self._files.in_order(every)}
        return OpeningReport(tuple(image.digest for image in images))

    def remove_closed(self) -> None:
        """Remove the files of closed images for good."""
        self._files.remove_closed()

    def pixels(self, digest: str) -> Pixels:
        """Return an image's pixels, uint8 ``[H, W, 3]`` RGB, upright."""

        stretch = self.stretch

        def decode() -> Pixels:
            return decode_image(self.original(digest), self.images[digest].name, stretch=stretch).pixels

        return self._pixels.get((digest, stretch), decode)

    def _way_to(self, digest: str) -> Callable[[], Pixels]:
        return lambda: self.pixels(digest)

    def original(self, digest: str) -> bytes:
        """Return the bytes of the file that an image came from.

        Raises:
            ImageError: if they are not on the disk any more as they came.
        """
        return self._files.read(digest, self.images[digest].name)

    def picture(self, digest: str) -> BrowserPicture:
        """Return an image as an upright JPEG for browsers, at its full size; made once."""
        file, small = self._files.picture(digest), self._files.small_picture(digest)
        if not file.exists():
            made = browser_picture(self.original(digest), lambda: self.pixels(digest))
            self._keep_picture(digest, made)
            return made
        return BrowserPicture(file.read_bytes(), small.read_bytes() if small.exists() else b"")

    def _keep_picture(self, digest: str, made: BrowserPicture) -> None:
        if made.small:  # first, as it is not looked for before the other one is there
            replace_file(self._files.small_picture(digest), made.small)
        replace_file(self._files.picture(digest), made.whole)

    def scratch(self, name: str) -> Path:
        """Return a file of that name for what is handed out; it goes when the workspace goes."""
        folder = self._folder / "scratch"
        folder.mkdir(exist_ok=True)
        return folder / name

    # -- the network --------------------------------------------------------------------------

    def start(self, predictor: Predictor, thresholds: Thresholds, first: str | None = None) -> int:
        """Queue every image that this model has not been run on.

        Args:
            predictor: the model on its device.
            thresholds: masks are made at once for what these keep at the lowest score.
            first: digest of the image that is looked at: it goes before the others.

        Returns:
            How many were queued.
        """
        if first in self.images and (looked_at := self._queued.get(self._key(first, predictor))) is not None:
            looked_at.hurry()
        queue = device_queue_for(str(predictor.device))
        floor = replace(thresholds, score_threshold=SCORE_FLOOR, labels=None)
        this = weakref.ref(self)  # what waits in the queue keeps nothing of somebody who has gone
        count = 0
        for digest in self.images:
            key = self._key(digest, predictor)
            if key not in self._queued and (kept := self._kept_run(key)) is not None:
                self._queued[key] = QueuedRun.finished(queue, self.client, kept)
            if key not in self._queued:
                tiles = self._tiles(digest, predictor)

                def work(key: tuple[str, str] = key, tiles: tuple[Tile, ...] = tiles) -> Answer | Failure:
                    here = this()
                    if here is None:
                        return Failure("closed before it ran")
                    answer = here._run(predictor, key, tiles, floor)
                    if not isinstance(answer, Failure):
                        here._files.put_run(*key, answer)
                    return answer

                def tell(digest: str = digest) -> None:
                    here = this()
                    if here is not None and here.on_done is not None:
                        here.on_done(digest)

                self._queued[key] = queue.submit(
                    self.client, work, first=digest == first, kind=predictor.model.digest, on_end=tell
                )
                count += 1
        return count

    def _run(
        self, predictor: Predictor, key: tuple[str, str], tiles: tuple[Tile, ...], floor: Thresholds
    ) -> Answer | Failure:
        """Run the network over an image, on the queue's thread."""
        pixels = self.pixels(key[0])
        if len(tiles) == 1:
            return predictor.run([pixels], floor)[0]

        def on_tile(done: int, total: int) -> None:
            self._tiles_done[key] = done, total
            if key in self._stopped:
                raise InferenceError(f"stopped after {done} of {counted(total, 'tile')}")

        try:
            on_tile(0, len(tiles))
            return run_tiles(predictor, pixels, tiles, floor, on_tile)
        except InferenceError as error:
            return Failure(str(error))
        finally:
            self._tiles_done.pop(key, None)
            self._stopped.discard(key)

    def _key(self, digest: str, predictor: Predictor) -> tuple[str, str]:
        """Return an image's digest, and a name for what is asked of it: the model, and its tiles if any."""
        return digest, asked_of(predictor.model.digest, self._tiles(digest, predictor))

    def _tiles(self, digest: str, predictor: Predictor) -> tuple[Tile, ...]:
        image = self.images[digest]
        return tiles_for(self.tiling, predictor.model, (image.height, image.width))

    def _kept_run(self, key: tuple[str, str]) -> Answer | None:
        """Return what this network said of an image before it was closed, or the whole workspace was."""
        if (run := self._files.run(*key)) is None:
            return None
        image = self.images[key[0]]
        return run if run.image_size == (image.height, image.width) else None

    def adopt(self, digest: str, predictor: Predictor, run: Run) -> None:
        """Take on a run that was made elsewhere, so that the network does not run again."""
        key = (digest, predictor.model.digest)
        queued = self._queued.get(key)
        if queued is None or queued.state == "failed" or queued.cancel() or queued.state == "cancelled":
            self._queued[key] = QueuedRun.finished(device_queue_for(str(predictor.device)), self.client, run)
            self._files.put_run(digest, predictor.model.digest, run)

    def cancel(self) -> int:
        """Take all waiting images out of the queue and return how many; they can be started again.

        One that runs in tiles stops after the present one.
        """
        self._stopped.update(list(self._tiles_done))
        return sum(queued.cancel() for queued in self._queued.values())

    def retry(self, model_digest: str) -> None:
        """Forget failures and cancelled runs of a model, so that :meth:`start` queues them again.

        What would fail again in the same way is left as it is.
        """
        for key, queued in list(self._queued.items()):
            failed = queued.state in ("failed", "cancelled") or isinstance(queued.result, Failure)
            if key[1].startswith(model_digest) and failed and not _is_final(queued):
                del self._queued[key]

    def run_of(self, digest: str, predictor: Predictor) -> Answer | None:
        """Return what the network left behind for an image, if it has run."""
        queued = self._queued_for(digest, predictor)
        return queued.result if queued is not None and not isinstance(queued.result, Failure) else None

    def seconds_of(self, digest: str, predictor: Predictor) -> float | None:
        """Return how long the network looked at an image; ``None`` until it has run here."""
        queued = self._queued_for(digest, predictor)
        return queued.took if queued is not None and not isinstance(queued.result, Failure) else None

    def _queued_for(self, digest: str, predictor: Predictor | None) -> QueuedRun[Answer | Failure] | None:
        if predictor is None or digest not in self.images:
            return None
        return self._queued.get(self._key(digest, predictor))

    def state_of(self, digest: str, predictor: Predictor | None, thresholds: Thresholds) -> ImageState:
        """Return where an image stands with a model."""
        queued = self._queued_for(digest, predictor)
        if queued is None or predictor is None:
            return ImageState("not run", "not run")
        key = self._key(digest, predictor)
        if queued.state == "waiting":
            place = queued.place
            if place:
                return ImageState("waiting", f"waiting, {place} ahead of it", brief=f"{place} ahead of it")
            return ImageState("waiting", "waiting, next")
        if queued.state == "running":
            done, total = self._tiles_done.get(key, (0, 0))
            return ImageState("running", f"running, {done} of {total} tiles" if total else "running")
        if queued.state == "cancelled":
            return ImageState("cancelled", "cancelled")
        if isinstance(queued.result, (Run, TiledRun)):
            count = self._found(key, queued.result, predictor, thresholds)
            return ImageState("found", f"{count} found") if count else ImageState("none", "none found")
        if isinstance(queued.result, Failure):
            return ImageState("failed", f"failed: {queued.result.reason}", _is_final(queued))
        return ImageState("failed", f"failed: {one_line(str(queued.error))}", _is_final(queued))

    def seconds_until_news(self, predictor: Predictor | None) -> float | None:
        """Return about how long it takes until an image's state changes by itself; ``None`` if none will."""
        return device_queue_for(str(predictor.device)).seconds_until(self.client) if predictor else None

    def seconds_until(self, digests: Iterable[str], predictor: Predictor) -> float | None:
        """Return about how long it takes until the network has done with all of these images.

        Returns:
            ``None`` if it has, or nobody can know yet.
        """
        waiting = (self._queued_for(digest, predictor) for digest in digests)
        active = [queued for queued in waiting if queued is not None and queued.is_active]
        return max(active, key=lambda queued: queued.place).seconds_left if active else None

    def _found(self, key: tuple[str, str], run: Answer, predictor: Predictor, thresholds: Thresholds) -> int:
        """Return how many instances are shown.

        A list that renews itself asks for the same again and again.
        """
        asked = (thresholds, run.masks_kept if isinstance(run, Run) else 0)
        known = self._counts.get(key)
        if known is None or known[0] is not run or known[1] != asked:
            if isinstance(run, Run):
                count = _count(run, thresholds)
            else:
                tiles = TileQuestion(run, predictor, thresholds, self.number_of(key[0]))
                count = len(self._tiled.instances((*key, self.stretch), tiles, self._way_to(key[0])))
            known = self._counts[key] = run, asked, count
        return known[2]

    # -- what is shown --------------------------------------------------------------------------

    def shown(self, digest: str, predictor: Predictor, thresholds: Thresholds) -> Shown | None:
        """Return an image's instances for a viewer, or ``None`` where the network has not run.

        Raises:
            InferenceError: if a mask that these thresholds ask for cannot be made.
        """
        run = self.run_of(digest, predictor)
        if run is None:
            return None
        if isinstance(run, TiledRun):
            asked = TileQuestion(run, predictor, thresholds, self.number_of(digest))
            return self._tiled.shown(
                (*self._key(digest, predictor), self.stretch), asked, self._way_to(digest)
            )
        rows = run.candidates.select_for_slider(thresholds)
        key = (digest, self.stretch, predictor.model.digest, thresholds.mask_threshold, rows.tobytes())

        def make() -> tuple[Instance, ...]:
            detections = predictor.detections_of(run, rows, lambda: self.pixels(digest))
            label_map, mask_threshold = predictor.model.label_map, thresholds.mask_threshold
            return Instance.from_detections(detections, label_map, self.number_of(digest), mask_threshold)

        instances = self._instances.get(key, make)
        kept = set(run.candidates.select(thresholds).tolist())
        return Shown(instances, sum(instance.row in kept for instance in instances))

    def number_of(self, digest: str) -> int:
        """Return an image's number in the workspace, from 1: its id in exports."""
        return list(self.images).index(digest) + 1

    def annotated(
        self,
        digest: str,
        predictor: Predictor,
        thresholds: Thresholds,
        hidden_categories: Iterable[int] = (),
    ) -> AnnotatedImage | None:
        """Return an image with exactly the instances that are shown, for export.

        ``None`` if it has no run.
        """
        shown = self.shown(digest, predictor, thresholds)
        if shown is None:
            return None
        image, number, hidden = self.images[digest], self.number_of(digest), set(hidden_categories)
        return AnnotatedImage(
            ImageRecord(
                number,
                image.name,
                image.width,
                image.height,
                digest,
                view=image.view,
                pixel_um=image.pixel_um,
            ),
            tuple(
                replace(instance, image_id=number)
                for instance in shown.kept
                if instance.category_id not in hidden
            ),
            lambda: self.pixels(digest),
            lambda: self.original(digest),
        )


def _is_final(queued: QueuedRun[Answer | Failure]) -> bool:
    """Return whether a run that failed would fail again: the image cannot be used, and stays what it is."""
    if isinstance(queued.result, Failure):
        return queued.result.is_final
    return isinstance(queued.error, InputError)


def _count(run: Run, thresholds: Thresholds) -> int:
    """Return how many instances these thresholds keep; one whose mask was never asked for counts as one."""
    rows = run.candidates.select(thresholds)
    unknown = run.without_mask(rows)
    known = run.detections(rows[~np.isin(rows, unknown)])
    return len(unknown) + int(known.have_pixels(thresholds.mask_threshold).sum())
