"""Pictures that are read by windows, among the images of a run: found tile by tile, never decoded whole."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskrcnn_core.batch.finding import Finding
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.detection.limits import Limits
from maskrcnn_core.errors import ImageError, InferenceError, InputError
from maskrcnn_core.images.reading import SourceImage
from maskrcnn_core.slides.opening import Slide
from maskrcnn_core.tiling.choosing import Tiling
from maskrcnn_core.tiling.windows import WindowedRun, run_windows, tiles_of_source

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["NOT_DRAWN", "SlideFinder", "SlideImage", "Source", "TileWatch"]

NOT_DRAWN = "too large to be drawn: no segments, overlays, mask arrays or splash of it"
"""Said of a picture that is read by windows where files of each image were asked for."""


@dataclass(frozen=True, eq=False)
class SlideImage:
    """A picture of a run that is read by windows; what :class:`SourceImage` is of one that is decoded.

    Args:
        slide: the open file.
        digest: SHA-256 of its bytes in hex.
    """

    slide: Slide
    digest: str

    @classmethod
    def of(cls, slide: Slide) -> SlideImage:
        """Read a slide's file once, for its digest.

        Raises:
            ImageError: if the file cannot be read.
        """
        try:
            return cls(slide, slide.digest)
        except OSError as error:
            shown = one_line(slide.name)
            raise ImageError(
                f"{shown}: cannot be read ({error.strerror}); check the disk it lies on"
            ) from error

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
        """What happens to the pixels on the way."""
        return self.slide.notes


Source = SourceImage | SlideImage
"""An image of a run."""


class TileWatch:
    """Who is told how far a run within a picture is, and whether it shall end.

    Attributes:
        on_tile: called with the picture's name, and how many tiles are done, of how many.
        stop: set to end the run in hand.
    """

    def __init__(self) -> None:
        self.on_tile: Callable[[str, int, int], object] = lambda _name, _done, _total: None
        self.stop = threading.Event()


class SlideFinder:
    """Finds instances in pictures that are read by windows.

    Args:
        predictor, thresholds: as for :class:`~maskrcnn_core.batch.finding.Finder`; the limit of detections
            counts for each tile.
        tiling: how pictures are cut; ``None`` for as the model needs it.
        watch: is told of each tile.
    """

    def __init__(
        self,
        predictor: Predictor,
        thresholds: Thresholds,
        tiling: Tiling | None,
        watch: TileWatch | None = None,
    ) -> None:
        self._predictor, self._thresholds, self._tiling = predictor, thresholds, tiling
        self._watch = watch or TileWatch()

    def look(self, image: SlideImage) -> WindowedRun | InferenceError:
        """Run the network over a picture's tiles."""
        try:
            tiles = tiles_of_source(self._tiling, self._predictor.model, image.size)
            return run_windows(
                self._predictor,
                image.slide,
                tiles,
                self._thresholds,
                lambda done, total: self._watch.on_tile(image.name, done, total),
                self._watch.stop,
            )
        except InferenceError as error:
            return error
        except InputError as error:
            return InferenceError(str(error))

    def finish(self, looked: WindowedRun, image_id: int) -> Finding:
        """Make of what the network gave what is kept."""
        found = looked.instances(self._predictor.model, image_id)
        return Finding(found, (looked.told, *looked.notes), Limits(looked.left_out, looked.scale))

    def begin(self) -> None:
        """Forget that an earlier run was stopped."""
        self._watch.stop.clear()

    def stop(self) -> None:
        """End the run within a picture that is in hand."""
        self._watch.stop.set()
