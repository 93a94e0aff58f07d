"""What a network said of a picture, whole or in tiles, as bytes.

A run of the whole picture is packed as ever (:mod:`maskrcnn_core.detection.packed_runs`); one in tiles is a
MessagePack map of them, each with its packed run.
"""

from __future__ import annotations

import msgspec

from maskrcnn_core.detection.packed_runs import pack_run, unpack_run
from maskrcnn_core.detection.runs import Run
from maskrcnn_core.errors import StoreError
from maskrcnn_core.tiling.planning import Tile
from maskrcnn_core.tiling.running import TiledRun

__all__ = ["pack_answer", "unpack_answer"]

_VERSION = 1
_ZIP = b"PK"  # how NumPy's archives begin


class _Packed(msgspec.Struct):
    version: int
    image_size: tuple[int, int]
    tiles: list[tuple[int, int, int, int]]
    runs: list[bytes]


def pack_answer(answer: Run | TiledRun) -> bytes:
    """Return what a network said of a picture as bytes; floats bit for bit."""
    if isinstance(answer, Run):
        return pack_run(answer)
    tiles = [(tile.top, tile.left, tile.height, tile.width) for tile in answer.tiles]
    runs = [pack_run(run) for run in answer.runs]
    return msgspec.msgpack.encode(_Packed(_VERSION, answer.image_size, tiles, runs))


def unpack_answer(data: bytes) -> Run | TiledRun:
    """Return what :func:`pack_answer` packed.

    Raises:
        StoreError: if the bytes are none, or of another version.
    """
    if data[:2] == _ZIP:
        return unpack_run(data)
    try:
        packed = msgspec.msgpack.decode(data, type=_Packed)
    except msgspec.MsgspecError as error:
        raise StoreError(f"candidates: not what MaskDesk wrote ({error})") from error
    if packed.version != _VERSION:
        raise StoreError(f"candidates of tiles: expected version {_VERSION}, got {packed.version}")
    if len(packed.runs) != len(packed.tiles) or not packed.tiles:
        raise StoreError(
            f"candidates of tiles: expected a run for each tile, got {len(packed.runs)} for "
            f"{len(packed.tiles)}"
        )
    runs = tuple(unpack_run(run) for run in packed.runs)
    return TiledRun(tuple(Tile(*tile) for tile in packed.tiles), runs, packed.image_size)
