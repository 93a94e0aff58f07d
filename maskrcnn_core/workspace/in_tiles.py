"""What is shown of a picture that the network saw in tiles, while thresholds move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.tiling.running import TiledRun, TileFinds
from maskrcnn_core.workspace.open_images import Shown
from maskrcnn_core.workspace.recent import Recent

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["TileQuestion", "TiledShown"]

_BELOW = 0.1  # of the score: how far a viewer's slider moves before tiles are merged anew
_FINDS_KEPT = 2  # pictures whose tiles' masks are in memory: some thousands each


@dataclass(frozen=True, eq=False)
class TileQuestion:
    """What is asked of a picture in tiles.

    Args:
        run: what the network left behind.
        predictor: that made it.
        thresholds: as they stand.
        image_id: of the instances.
    """

    run: TiledRun
    predictor: Predictor
    thresholds: Thresholds
    image_id: int


class TiledShown:
    """Merges what tiles keep, and remembers it: masks for all scores, objects for the last thresholds.

    Args:
        kept: pictures whose objects are remembered.
    """

    def __init__(self, kept: int) -> None:
        self._finds: Recent[TileFinds] = Recent(_FINDS_KEPT)
        self._instances: Recent[tuple[Instance, ...]] = Recent(kept)

    def shown(self, key: tuple[str, ...], asked: TileQuestion, image: Callable[[], Pixels]) -> Shown:
        """Return what is shown of a picture: merged above the threshold, then what lies not far below.

        What lies below belongs to another merge, at a lower score: it is what a lower threshold brings. All
        that lies below would be many times as much in a large picture.

        Args:
            key: of the picture, how it is seen, and who looked at it.
            asked: the run and the thresholds.
            image: a way to its pixels, for masks that are wanting.

        Raises:
            InferenceError: if a mask that these thresholds ask for cannot be made.
        """
        shown = self.instances(key, asked, image)
        score = asked.thresholds.score_threshold
        lower = replace(asked.thresholds, score_threshold=max(SCORE_FLOOR, score - _BELOW))
        every = self.instances(key, replace(asked, thresholds=lower), image)
        below = tuple(one for one in every if np.float32(one.score or 0.0) <= np.float32(score))
        return Shown(shown + below, len(shown))

    def instances(
        self, key: tuple[str, ...], asked: TileQuestion, image: Callable[[], Pixels]
    ) -> tuple[Instance, ...]:
        """Return the objects that the thresholds keep; see :meth:`shown` for the rest."""
        floor = replace(asked.thresholds, score_threshold=SCORE_FLOOR)
        score = asked.thresholds.score_threshold

        def make() -> tuple[Instance, ...]:
            finds = self._finds.get((key, floor), lambda: asked.run.found(asked.predictor, floor, image))
            return finds.above(score).instances(asked.image_id)

        return self._instances.get((key, floor, score), make)
