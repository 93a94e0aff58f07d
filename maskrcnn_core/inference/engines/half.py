"""The engine ``cuda``: dense parts in half precision on a GPU, everything that decides in full.

Weights are turned into halves once. What each part is handed, and what it gives, is float32 for those who go
step by step; a whole batch's pass takes backbone and region head as they are, and saves a way over each map.
The box head's last layer stays in float32: it costs nothing, and scores and boxes come from it.

Written for GPUs and tried on CPUs only: nothing has been measured on a GPU.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.inference.engines.dense import DensePart, dense_parts, level_names, with_parts
from maskrcnn_core.inference.engines.folded import folded

__all__ = ["half_dtype", "in_half"]


class _InHalf(nn.Module):
    """Run a part in half precision.

    Args:
        part: changed to that precision in place.
        dtype: bfloat16, float16, or float32 to leave it as it is.
    """

    def __init__(self, part: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.part, self.dtype = part.to(dtype), dtype
        self._is_convolution = any(isinstance(module, nn.Conv2d) for module in part.modules())

    def halves(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the part's outputs as they come."""
        given = []
        for one in inputs:
            is_map = one.ndim == 4 and self._is_convolution
            layout = torch.channels_last if is_map else torch.contiguous_format
            given.append(one.to(self.dtype, memory_format=layout))
        return cast(tuple[Tensor, ...], self.part(*given))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(one.float() for one in self.halves(*inputs))


class _BoxesInHalf(nn.Module):
    """Run the box head in half precision, and its last layer in full."""

    def __init__(self, head: nn.Module, predictor: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.head, self.predictor = _InHalf(_Alone(head), dtype), predictor

    def forward(self, pooled: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.predictor(*self.head(pooled)))


class _Alone(nn.Module):
    """Give a module's one output as a tuple."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, values: Tensor) -> tuple[Tensor, ...]:
        return (self.module(values),)


def in_half(network: MaskRCNN, image: Pixels, device: torch.device, dtype: torch.dtype) -> MaskRCNN:
    """Return a copy of a network on a device whose dense parts run in half precision.

    Args:
        network: on the CPU; it is not changed.
        image: any, uint8 ``[H, W, 3]``.
        device: where the copy lies.
        dtype: bfloat16 or float16; float32 for the same parts in full.
    """
    base = folded(network)
    levels = level_names(base, image)
    # Only once the examples have been run: the parts are turned into halves in place.
    parts = {name: _in_half(name, part, dtype) for name, part in dense_parts(base, image).items()}
    return with_parts(base, parts, levels).to(device)


def _in_half(name: str, part: DensePart, dtype: torch.dtype) -> nn.Module:
    module = cast(Any, part.module)
    if name == "box head":
        return _BoxesInHalf(module.head, module.predictor, dtype)
    return _InHalf(module, dtype)


def half_dtype() -> torch.dtype:
    """Return bfloat16 where the GPU computes in it, which never overflows; else float16."""
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
