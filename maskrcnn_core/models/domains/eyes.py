"""The body of a photo model, in NumPy: how its channels respond to a picture.

Colour, contrast and edges do not tell the pictures of a microscope that nobody learned from. Channels that
saw a million photos do better: the mean and the spread of each over the picture. The weights are those of the
photo model's EfficientNet-Lite0 (:mod:`maskrcnn_core.networks.lite`) when the rule was made. The rule keeps
them, so that training the photo model further does not change it, and torch need not be loaded for it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image
from threadpoolctl import ThreadpoolController

from maskrcnn_core.common.arrays import Floats

__all__ = ["SIDE", "STAGE_STRIDES", "body_names", "see_with"]


SIDE = 160
"""Images are squeezed to a square of this many pixels a side."""

STAGE_STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Of the first block of each stage; later blocks have 1 (Tan and Le 2019, arXiv:1905.11946, table 1)."""

_MEAN, _DEVIATION = 127.0, 128.0


_lock = threading.Lock()


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


@contextmanager
def _one_thread() -> Iterator[None]:
    """Hold NumPy's BLAS to one thread: for products as small as these two take five times as long.

    The limit is the process's, so whoever comes meanwhile waits.
    """
    with _lock, _blas().limit(limits=1):
        yield


def body_names(names: list[str], stages: int) -> list[str]:
    """Return which of a body's tensors (``stem.weight`` ...) the first ``stages`` need."""
    first = {"stem", *(f"stage{number}" for number in range(1, stages + 1))}
    return sorted(name for name in names if name.partition(".")[0] in first)


def see_with(body: Mapping[str, Floats], pixels: npt.NDArray[np.uint8]) -> Floats:
    """Return the mean and spread of each channel after each stage, float32 ``[2 x channels]``.

    Args:
        body: tensors by name, as PyTorch lays them out; as many stages as there are.
        pixels: uint8 ``[H, W, 3]`` RGB.
    """
    image = Image.fromarray(pixels)
    way = Image.Resampling.BOX if min(pixels.shape[:2]) >= SIDE else Image.Resampling.BILINEAR
    squeezed = np.asarray(image.resize((SIDE, SIDE), way, reducing_gap=2.0), np.float32)
    with _one_thread():
        return _seen((squeezed - _MEAN) / _DEVIATION, body)


def _seen(squeezed: Floats, body: Mapping[str, Floats]) -> Floats:
    x = _relu6(_stem(squeezed, body["stem.weight"]) + body["stem.bias"])
    seen: list[Floats] = []
    for number, stride in enumerate(STAGE_STRIDES, start=1):
        block = 0
        while f"stage{number}.{block}.project.weight" in body:
            x = _block(x, body, f"stage{number}.{block}.", stride if block == 0 else 1)
            block += 1
        if block:
            flat = x.reshape(-1, x.shape[2])
            seen += [flat.mean(0), flat.std(0, ddof=1)]
    return np.concatenate(seen)


def _block(x: Floats, body: Mapping[str, Floats], at: str, stride: int) -> Floats:
    """Run an inverted residual: ``[H, W, C]`` to ``[ceil(H / stride), ceil(W / stride), C']``."""
    inner = x
    if f"{at}expand.weight" in body:
        inner = _relu6(_pointwise(x, body, f"{at}expand"))
    inner = _relu6(_depthwise(inner, body[f"{at}depthwise.weight"], stride) + body[f"{at}depthwise.bias"])
    out = _pointwise(inner, body, f"{at}project")
    return x + out if stride == 1 and out.shape == x.shape else out


def _pointwise(x: Floats, body: Mapping[str, Floats], name: str) -> Floats:
    weight = body[f"{name}.weight"]
    out: Floats = (x.reshape(-1, x.shape[2]) @ weight[:, :, 0, 0].T + body[f"{name}.bias"]).reshape(
        *x.shape[:2], len(weight)
    )
    return out


def _padded(x: Floats, kernel: int, stride: int) -> tuple[Floats, int, int]:
    """Apply TensorFlow's padding "SAME", and return the rows and columns that come out, too."""
    outs = [math.ceil(side / stride) for side in x.shape[:2]]
    widths = []
    for side, out in zip(x.shape[:2], outs, strict=True):
        total = max((out - 1) * stride + kernel - side, 0)
        widths.append((total // 2, total - total // 2))
    return np.pad(x, (*widths, (0, 0))), outs[0], outs[1]


def _depthwise(x: Floats, weight: Floats, stride: int) -> Floats:
    kernel = weight.shape[2]
    padded, rows, columns = _padded(x, kernel, stride)
    out: Floats = np.zeros((rows, columns, x.shape[2]), np.float32)
    for down in range(kernel):
        for along in range(kernel):
            part = padded[down : down + rows * stride : stride, along : along + columns * stride : stride]
            out += part[:rows, :columns] * weight[:, 0, down, along]
    return out


def _stem(x: Floats, weight: Floats) -> Floats:
    padded, rows, columns = _padded(x, weight.shape[2], 2)
    parts = [
        padded[d : d + rows * 2 : 2, a : a + columns * 2 : 2][:rows, :columns]
        for d in range(3)
        for a in range(3)
    ]
    stacked = np.stack(parts, 2).reshape(rows * columns, -1)  # taps, then channels
    out: Floats = (stacked @ weight.transpose(2, 3, 1, 0).reshape(-1, len(weight))).reshape(rows, columns, -1)
    return out


def _relu6(x: Floats) -> Floats:
    return np.clip(x, 0, 6, out=x)
