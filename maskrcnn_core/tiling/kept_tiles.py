"""What a network said of each tile of a picture, in a file: other thresholds need no other run.

A slide has thousands of tiles, so what :class:`~maskrcnn_core.tiling.running.TiledRun` keeps in memory, the
candidates of each and the masks that were made of them, lies packed in a file without a name here.
"""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections.abc import Sequence

from maskrcnn_core.common.atomic_files import scratch_folder
from maskrcnn_core.detection.packed_runs import pack_run, unpack_run
from maskrcnn_core.detection.runs import Run
from maskrcnn_core.tiling.planning import Tile

__all__ = ["KeptTiles"]


class KeptTiles:
    """Runs over the tiles of a picture, packed. Safe to use from several threads.

    Args:
        tiles: of the picture.
        model_digest: of the network that the runs are of.
    """

    def __init__(self, tiles: Sequence[Tile], model_digest: str) -> None:
        self.tiles, self.model_digest = tuple(tiles), model_digest
        self._file = tempfile.TemporaryFile(dir=scratch_folder())  # noqa: SIM115  closed with this object
        weakref.finalize(self, self._file.close)
        self._places: dict[int, tuple[int, int]] = {}
        self._end = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return of how many tiles there is a run."""
        return len(self._places)

    def put(self, number: int, run: Run) -> None:
        """Keep the run of a tile; one that was kept before is forgotten, but takes its room still.

        Raises:
            OSError: if it cannot be written.
        """
        data = pack_run(run)
        with self._lock:
            self._file.seek(self._end)
            self._file.write(data)
            self._places[number] = self._end, len(data)
            self._end += len(data)

    def run(self, number: int) -> Run:
        """Return the run of a tile.

        Raises:
            KeyError: if there is none.
            OSError: if it cannot be read.
        """
        with self._lock:
            offset, length = self._places[number]
            self._file.seek(offset)
            data = self._file.read(length)
        return unpack_run(data)
