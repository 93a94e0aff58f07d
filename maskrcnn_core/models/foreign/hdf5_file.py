"""Reads weights that Keras 2 saved as HDF5 (``save_weights``, or ``save`` with the weights under
``model_weights``).

An array lies at ``/<outer layer>/<inner layer>/<kind>:0``; the last two parts name it: ``conv1.kernel``.
Matterport's Mask R-CNN nests models, so the outer layer may be another
(``/rpn_model/rpn_conv_shared/kernel:0``).

h5py says where the arrays lie, in a process of its own (``hdf5_outline.py``); what it says is checked against
the file, and the bytes are taken from there without it. Keras writes arrays whole, or in chunks packed by
gzip. Nothing else is
read: no links, no arrays in other files, no other filters.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import re
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from maskrcnn_core.errors import WeightsError

__all__ = ["HDF5_SIGNATURE", "Hdf5Content", "read_hdf5"]

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"

_OUTLINE_S = 60
"""A file of 700 arrays takes 0.5 s. What keeps the library busy is ended after 5 s of its own time; this is
for what waits, as a slow disk does, and for machines without such limits."""

_MAX_DIMENSIONS = 8
_MAX_NUMBER = 1 << 48
_MAX_RATIO = 4
"""Trained weights hardly pack; all of a file's arrays together take at most this many times its size."""

_DEFLATE, _SHUFFLE = 1, 2
_SAVED_BESIDE = ("/optimizer_weights/", "/top_level_model_weights/")
_KERAS_3 = re.compile(r"/vars/\d+$")


@dataclass(frozen=True, eq=False)
class Hdf5Content:
    """What is in a file of Keras.

    Args:
        tensors: by ``layer.kind``; float16, float32 or float64, in Keras's own order of axes.
        attributes: of the file, as far as they are text and numbers: ``keras_version``, ``backend``,
            ``layer_names``.
        notes: sentences for people.
    """

    tensors: dict[str, Tensor]
    attributes: dict[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Claim:
    """What a dataset says it is."""

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    facts: dict[str, Any]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def read_hdf5(file: Path) -> Hdf5Content:
    """Read the weights of a Keras 2 file.

    Args:
        file: begins with HDF5's signature. It is not changed.

    Raises:
        WeightsError: if it is damaged, of another layout, or leads elsewhere; the message names the array.
    """
    found = _outline(file)
    where = file.name
    notes: list[str] = []
    listed = found["datasets"]
    if any(facts["path"].startswith("/model_weights/") for facts in listed):
        notes.append("The weights were found under 'model_weights'.")
        beside = [facts for facts in listed if not facts["path"].startswith("/model_weights/")]
    else:
        beside = [facts for facts in listed if facts["path"].startswith(_SAVED_BESIDE)]
    if beside:
        notes.append(
            f"{len(beside):,} arrays beside the weights were left out, as {beside[0]['path'][:200]}."
        )
    left = {id(facts) for facts in beside}
    weights = [facts for facts in listed if id(facts) not in left]
    if found["left_out"]:
        notes.append(
            f"{found['left_out']:,} attributes or types of the file were left out: not short text or numbers."
        )
    _check_layout(weights, where)
    claims = [_claim(facts, where) for facts in weights]
    tensors: dict[str, Tensor] = {}
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
    except OSError as error:
        raise WeightsError(f"{where}: cannot be read ({error.strerror or error})") from error
    claimed = sum(claim.nbytes for claim in claims)
    if claimed > _MAX_RATIO * size + (1 << 20):
        largest = max(claims, key=lambda claim: claim.nbytes)
        raise WeightsError(
            f"{where}: its arrays claim {claimed:,} bytes and the file has {size:,}, so it is not read; the "
            "largest is "
            f"{largest.path[:200]} with shape {list(largest.shape)}"
        )
    paths: dict[str, str] = {}
    for claim in claims:
        *_, layer, kind = claim.path.split("/")
        name = f"{layer}.{kind.removesuffix(':0')}"
        if name in paths:
            raise WeightsError(
                f"{where}: {paths[name][:200]} and {claim.path[:200]} are both called {name[:200]}, so it is "
                "not read"
            )
        paths[name] = claim.path
        tensors[name] = _read(claim, mapped, where)
    return Hdf5Content(tensors, found["attributes"], tuple(notes))


def _outline(file: Path) -> dict[str, Any]:
    """Return what a process of its own says of the file."""
    program = Path(__file__).with_name("hdf5_outline.py")
    # One thread, as more of them reserve memory by the gigabyte; and no plugins, which are code.
    environment = os.environ | {
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "HDF5_PLUGIN_PRELOAD": "::",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(program), str(file.absolute())],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_OUTLINE_S,
            env=environment,
            check=False,
        )
        found = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise WeightsError(
            f"{file.name}: the HDF5 library does not come to an end with it, so it is not read; copy it again"
        ) from error
    except ValueError as error:  # it was ended by a signal, or by its limits
        raise WeightsError(
            f"{file.name}: the HDF5 library breaks down over it, so the file is damaged; copy it again"
        ) from error
    except OSError as error:
        raise WeightsError(f"{file.name}: no process could be started to read it ({error})") from error
    if "refusal" in found:
        raise WeightsError(
            f"{file.name}: {found['refusal']}, so it is not read; save the weights with Keras's save_weights"
        )
    if "damage" in found:
        raise WeightsError(
            f"{file.name}: the HDF5 library cannot read it ({found['damage']}); the file is cut short or "
            "damaged, copy it "
            "again"
        )
    return dict(found)


def _check_layout(weights: list[dict[str, Any]], where: str) -> None:
    keras_3 = next((facts["path"] for facts in weights if _KERAS_3.search(facts["path"])), None)
    if keras_3 is not None:
        raise WeightsError(
            f"{where}: this is the layout of Keras 3 ({keras_3[1:200]}), which does not say which array is a "
            "kernel and which "
            "a bias; load it where it was trained and save it with Keras 2: model.save_weights('weights.h5')"
        )
    odd = [f["path"] for f in weights if not f["path"].endswith(":0") or f["path"].count("/") < 2]
    if not weights or odd:
        raise WeightsError(
            f"{where}: expected weights of Keras 2, with arrays named as /conv1/conv1/kernel:0, got "
            f"{odd[0][:200] if odd else 'an HDF5 file without arrays'}; is it another kind of HDF5 file?"
        )


def _claim(facts: dict[str, Any], where: str) -> _Claim:
    """Return what a dataset claims, if it is an array of floats and Keras may have written it."""
    path, shape = facts["path"], facts["shape"]
    shown = f"{where}: {path[:200]}"
    if facts["dtype"] is None:
        raise WeightsError(f"{shown}: expected numbers of float16, float32 or float64, got {facts['type']}")
    if (
        shape is None
        or len(shape) > _MAX_DIMENSIONS
        or math.prod(max(side, 1) for side in shape) >= _MAX_NUMBER
    ):
        raise WeightsError(f"{shown} claims the shape {shape}, which no layer has, so it is not read")
    others = [number for number in facts["filters"] if number not in (_DEFLATE, _SHUFFLE)]
    if others:
        raise WeightsError(
            f"{shown} is packed by HDF5's filter {others[0]}, which is not run; save it without compression "
            "or with gzip"
        )
    claim = _Claim(path, tuple(shape), np.dtype(facts["dtype"]), facts)
    if "chunks" not in facts and "offset" not in facts:
        raise WeightsError(
            f"{shown} is kept in its header, as Keras does not; save it with Keras's save_weights"
        )
    return claim


# --- bytes ------------------------------------------------------------------------------------------


def _read(claim: _Claim, mapped: mmap.mmap, where: str) -> Tensor:
    if not claim.nbytes:
        return torch.from_numpy(np.empty(claim.shape, claim.dtype.newbyteorder("=")))
    if "chunks" in claim.facts:
        values = _from_chunks(claim, mapped, where)
    else:
        start = claim.facts["offset"]
        stored = 0 if start is None else max(0, min(claim.nbytes, len(mapped) - start))
        if start is None or stored < claim.nbytes:
            raise _too_little(claim, stored, where)
        if start % claim.dtype.itemsize == 0 and claim.dtype.isnative:
            dtype = torch.from_numpy(np.empty(0, claim.dtype)).dtype
            flat = torch.frombuffer(mapped, dtype=dtype, count=math.prod(claim.shape), offset=start)
            return flat.view(claim.shape)
        values = np.frombuffer(mapped, claim.dtype, math.prod(claim.shape), start).reshape(claim.shape)
    return torch.from_numpy(values.astype(claim.dtype.newbyteorder("=")))


def _too_little(claim: _Claim, stored: int, where: str) -> WeightsError:
    return WeightsError(
        f"{where}: {claim.path[:200]} claims {claim.nbytes:,} bytes and the file stores {stored:,} of them, "
        "so the file is "
        "cut short or was made to mislead; it is not read"
    )


def _from_chunks(claim: _Claim, mapped: mmap.mmap, where: str) -> npt.NDArray[Any]:
    shape, chunk = claim.shape, tuple(claim.facts["chunk_shape"])
    chunk_bytes = math.prod(chunk) * claim.dtype.itemsize
    if len(chunk) != len(shape) or not 0 < chunk_bytes <= 2 * claim.nbytes + (1 << 20):
        raise WeightsError(
            f"{where}: {claim.path[:200]} is parted into pieces of {list(chunk)}, so it is not read"
        )
    wanted = math.prod(-(-side // part) for side, part in zip(shape, chunk, strict=True))
    places = {tuple(corner): (start, length, mask) for corner, start, length, mask in claim.facts["chunks"]}
    if len(places) != wanted:
        raise _too_little(claim, min(claim.nbytes - 1, len(places) * chunk_bytes), where)
    values = np.empty(shape, claim.dtype)
    for corner, (start, length, mask) in places.items():
        fits = all(c % part == 0 and c < side for c, part, side in zip(corner, chunk, shape, strict=True))
        raw = _unpacked(mapped[start : start + length], claim, mask, chunk_bytes) if fits else b""
        if len(raw) != chunk_bytes:
            raise WeightsError(
                f"{where}: {claim.path[:200]}: the piece at {list(corner)} is damaged; copy the file again"
            )
        piece = np.frombuffer(raw, claim.dtype).reshape(chunk)
        sides = [min(part, side - c) for c, part, side in zip(corner, chunk, shape, strict=True)]
        place = tuple(slice(c, c + side) for c, side in zip(corner, sides, strict=True))
        values[place] = piece[tuple(slice(side) for side in sides)]
    return values


def _unpacked(raw: bytes, claim: _Claim, mask: int, limit: int) -> bytes:
    """Undo a chunk's filters, the last first; a bit of the mask leaves one out. Empty if that fails."""
    for number, filter_id in reversed(list(enumerate(claim.facts["filters"]))):
        if mask >> number & 1:
            continue
        if filter_id == _DEFLATE:
            try:
                raw = zlib.decompressobj().decompress(raw, limit + 1)
            except zlib.error:
                return b""
        else:
            item = claim.dtype.itemsize
            if len(raw) % item:
                return b""
            raw = np.frombuffer(raw, np.uint8).reshape(item, -1).T.tobytes()
    return raw
