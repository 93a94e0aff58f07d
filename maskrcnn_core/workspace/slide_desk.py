"""One person's open slides: kept as files and read by windows, with what a model found in each.

What :class:`~maskrcnn_core.workspace.workspace.Workspace` is for images that are decoded. A slide that lies
in a folder of the computer is read where it lies; one that was handed in is kept in a folder of the desk's
own, which goes when the desk goes. A run over a slide's tiles goes on in a thread of its own, takes turns at
the device with everybody else's pictures, says how far it is, and can be stopped. What the network said of
each tile is kept in a file, so that other thresholds need no other run.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.common.atomic_files import scratch_folder
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.dataset.annotations import AnnotatedImage, ImageRecord, Instance
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import DatasetError, ImageError
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.slides.opening import WINDOW_SUFFIXES, Slide, is_for_windows, open_slide
from maskrcnn_core.slides.pyramid import TilePyramid
from maskrcnn_core.tiling.choosing import Tiling
from maskrcnn_core.workspace.slide_runs import (
    FoundInSlide,
    Look,
    SlideRun,
    another_look,
    carry_out,
    whole_look,
)

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["OpenSlide", "SlideDesk", "read_annotations", "slides_in"]


_MIDDLE = 512
"""Pixels: about what a picture of cells shows."""


@dataclass(eq=False)
class OpenSlide:
    """An open slide.

    Args:
        slide: the file.
        tiles: as a viewer asks for them.
        found: what is known to be in it; ``None`` before the first run or file.
        run: the last run over it.
    """

    slide: Slide
    tiles: TilePyramid
    found: FoundInSlide | None = None
    run: SlideRun | None = None

    @property
    def key(self) -> str:
        """SHA-256 of its file: its identity."""
        return self.slide.digest

    @property
    def name(self) -> str:
        """What people call it."""
        return self.slide.name

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        return self.slide.size

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of it."""
        return (*self.slide.notes, *self.slide.damage.sentences)

    @property
    def middle(self) -> Pixels:
        """A window in its middle, uint8 ``[h, w, 3]``: what kind of a picture it is can be told by that.

        Raises:
            ImageError: if it cannot be read.
        """
        height, width = (min(side, _MIDDLE) for side in self.size)
        return self.slide.read((self.size[0] - height) // 2, (self.size[1] - width) // 2, height, width)

    def annotated(self, shown: Callable[[Instance], bool] = lambda _instance: True) -> AnnotatedImage:
        """Return it with those of its instances that are shown, for an export."""
        instances = () if self.found is None else self.found.instances
        height, width = self.size
        record = ImageRecord(1, self.name, width, height, self.key)
        return AnnotatedImage(record, tuple(one for one in instances if shown(one)), self._no_pixels)

    def _no_pixels(self) -> Pixels:
        raise ImageError(f"{one_line(self.name)}: too large to be drawn")


class SlideDesk:
    """The open slides of one person, by digest, in the order they came."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=scratch_folder()))
        self._client = secrets.token_hex(8)
        self.slides: dict[str, OpenSlide] = {}
        # A session ends without a word: what goes on for it ends, and its files go.
        weakref.finalize(self, _end, self.slides, self._folder)

    def add_large(self, name: str, file: BinaryIO) -> OpenSlide | None:
        """Keep and open a file if it is too large to be decoded and can be read by windows; else ``None``."""
        try:
            return self.add(name, file, only_large=True)
        except ImageError:
            return None

    def add(self, name: str, file: BinaryIO, *, only_large: bool = False) -> OpenSlide:
        """Keep a slide that was handed in, and open it.

        Args:
            name: what people call it.
            file: its bytes, at their beginning.
            only_large: refuse what is small enough to be decoded.

        Raises:
            ImageError: if it cannot be kept, or read by windows.
        """
        suffix = Path(name).suffix.lower()
        with tempfile.NamedTemporaryFile(
            dir=self._folder, suffix=suffix if suffix in WINDOW_SUFFIXES else "", delete=False
        ) as kept:
            path = Path(kept.name)
            try:
                shutil.copyfileobj(file, kept, 2**20)
            except OSError as error:
                path.unlink(missing_ok=True)
                raise ImageError(f"{one_line(name)}: cannot be kept here: {error.strerror}") from error
        try:
            if only_large and not is_for_windows(path):
                raise ImageError(f"{one_line(name)}: small enough to be decoded")
            opened = self.open(path, name)
        except ImageError:
            path.unlink(missing_ok=True)
            raise
        if opened.slide.path != path:  # it was open already
            path.unlink(missing_ok=True)
        return opened

    def open(self, path: Path, name: str | None = None) -> OpenSlide:
        """Open a slide where it lies; one that is open already is returned as it is.

        Raises:
            ImageError: if it cannot be read by windows.
        """
        for known in self.slides.values():
            if known.slide.path == path:
                return known
        slide = open_slide(path, name)
        try:
            digest = slide.digest
        except OSError as error:
            raise ImageError(f"{one_line(slide.name)}: cannot be read ({error.strerror})") from error
        if digest in self.slides:
            return self.slides[digest]
        opened = OpenSlide(slide, TilePyramid(slide))
        self.slides[digest] = opened
        return opened

    def close(self, key: str) -> None:
        """Close a slide and stop what goes on with it; the file of one that was handed in is removed."""
        opened = self.slides.pop(key, None)
        if opened is None:
            return
        if opened.run is not None:
            opened.run.stop.set()
        opened.tiles.close()
        if opened.slide.path.parent == self._folder:
            opened.slide.path.unlink(missing_ok=True)  # its tiles are read to the end: it is open

    def start(
        self,
        opened: OpenSlide,
        predictor: Predictor,
        thresholds: Thresholds,
        tiling: Tiling | None = None,
        on_change: Callable[[], None] = lambda: None,
    ) -> SlideRun:
        """Begin a run over a slide; one that goes on is stopped.

        Args:
            opened: the slide.
            predictor: the model on its device.
            thresholds: what is kept of each tile.
            tiling: how it is cut; ``None`` for as the model needs it.
            on_change: called from the run's thread after each tile and at the end.
        """
        look = whole_look(opened.slide, predictor, thresholds, tiling, self._client)
        return self._begin(opened, SlideRun(thresholds), predictor, look, on_change)

    def adjust(
        self,
        opened: OpenSlide,
        predictor: Predictor,
        thresholds: Thresholds,
        on_change: Callable[[], None] = lambda: None,
    ) -> SlideRun | None:
        """Take other thresholds over what a run has left; the network sees only tiles that want new masks.

        Args:
            opened, predictor, thresholds, on_change: as for :meth:`start`.

        Returns:
            The run over what was kept; ``None`` if this model has left nothing of this slide, or these
            thresholds are those of what is known or of a run that goes on.
        """
        found, run = opened.found, opened.run
        if found is None or found.kept is None or not found.is_of(predictor):
            return None
        if run is not None and run.is_active:
            if not run.is_adjusting or run.is_for(thresholds):
                return None
        elif found.is_as(thresholds):
            return None
        look = another_look(opened.slide, predictor, thresholds, found.kept, self._client)
        return self._begin(opened, SlideRun(thresholds, is_adjusting=True), predictor, look, on_change)

    @staticmethod  # a thread that held the desk would keep it when its session has gone
    def _begin(
        opened: OpenSlide, run: SlideRun, predictor: Predictor, look: Look, on_change: Callable[[], None]
    ) -> SlideRun:
        if opened.run is not None:
            opened.run.stop.set()
        opened.run = run

        def keep(found: FoundInSlide) -> None:
            if opened.run is run:  # no other one has taken its place
                opened.found = found

        threading.Thread(
            target=carry_out, args=(run, predictor, look, keep, on_change), name="slide-run", daemon=True
        ).start()
        return run


def _end(slides: dict[str, OpenSlide], folder: Path) -> None:
    for opened in slides.values():
        opened.tiles.close()
        if opened.run is not None:
            opened.run.stop.set()
    shutil.rmtree(folder, ignore_errors=True)


def read_annotations(opened: OpenSlide, data: bytes, name: str) -> FoundInSlide:
    """Take what a COCO JSON file says of a slide for what is in it.

    Args:
        opened: the slide, which the file names, or which is its only image.
        data: the file.
        name: what messages call it.

    Raises:
        DatasetError: if it is no such file, or is of another picture.
    """
    shown = one_line(name)
    dataset, refused = read_coco(data)
    images = [one for one in dataset.images if Path(one.file_name).name == Path(opened.name).name]
    images = images or list(dataset.images if len(dataset.images) == 1 else ())
    if not images:
        raise DatasetError(f"{shown}: expected an image called {one_line(opened.name)} in it, got none")
    image, (height, width) = images[0], opened.size
    if image.size != opened.size:
        raise DatasetError(
            f"{shown}: expected an image of {width:,} x {height:,} pixels, got {image.width:,} x "
            f"{image.height:,}; it is of another picture"
        )
    mine = [one for one in dataset.instances if one.image_id == image.id]
    ranked = sorted(mine, key=lambda one: -(1.0 if one.score is None else one.score))
    notes = [f"{shown}: {reason}" for reason in map(str, refused[:5])]
    if len(refused) > 5:
        notes.append(f"{shown}: {len(refused) - 5:,} more like these")
    numbered = (_numbered(one, number) for number, one in enumerate(ranked))
    opened.found = FoundInSlide(tuple(numbered), dataset.categories, shown, 0.0, tuple(notes))
    return opened.found


def _numbered(instance: Instance, row: int) -> Instance:
    return replace(instance, image_id=1, row=row)


def slides_in(folder: Path) -> Sequence[Path]:
    """Return the files in a folder and in those directly below it that may be slides; none if it is away."""
    try:
        found = [
            path
            for path in (*folder.iterdir(), *folder.glob("*/*"))
            if path.suffix.lower() in WINDOW_SUFFIXES and path.is_file()
        ]
    except OSError:
        return ()
    return sorted(found)
