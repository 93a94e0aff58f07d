"""The engine ``cuda``: dense parts in half precision on a GPU, everything that decides in full.

Written for GPUs and tried on CPUs only: nothing has been measured on a GPU.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.inference.engines.dense import dense_parts, level_names, with_parts
from maskrcnn_core.inference.engines.folded import folded

__all__ = ["half_dtype", "in_half"]


class _InHalf(nn.Module):
    """Run a part under autocast, and return float32."""

    def __init__(self, part: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.part, self.dtype = part, dtype

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        with torch.autocast(inputs[0].device.type, self.dtype):
            outputs = cast(tuple[Tensor, ...], self.part(*inputs))
        return tuple(one.float() for one in outputs)


def in_half(network: MaskRCNN, image: Pixels, device: torch.device, dtype: torch.dtype) -> MaskRCNN:
    """Return a copy of a network on a device whose dense parts run in half precision.

    Args:
        network: on the CPU; it is not changed.
        image: any, uint8 ``[H, W, 3]``.
        device: where the copy lies.
        dtype: bfloat16 or float16.
    """
    base = folded(network)
    parts = {name: _InHalf(part.module, dtype) for name, part in dense_parts(base, image).items()}
    return with_parts(base, parts, level_names(base, image)).to(device)


def half_dtype() -> torch.dtype:
    """Return bfloat16 where the GPU computes in it, which never overflows; else float16."""
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
