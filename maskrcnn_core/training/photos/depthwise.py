"""Depthwise convolutions whose kernels stay: their backward pass is a depthwise convolution, too.

PyTorch's CPU backward of a grouped convolution takes several times what its forward takes. Where the kernel
is not trained only the input's gradient is wanted, and that is the full correlation of the output's gradient
with the flipped kernel: a forward convolution, which is quick.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskrcnn_core.networks.lite import SameConv2d

__all__ = ["keep_depthwise_kernels"]


def keep_depthwise_kernels(body: nn.Module) -> None:
    """Freeze all depthwise convolutions in a body and make their backward pass quick, in place."""
    for module in body.modules():
        if isinstance(module, SameConv2d) and module.groups > 1:
            module.__class__ = _KeptConv2d
            module.requires_grad_(False)


class _KeptConv2d(SameConv2d):
    def forward(self, x: Tensor) -> Tensor:
        if not (torch.is_grad_enabled() and x.requires_grad):
            return super().forward(x)
        padding = self.padding_of(x.shape[2], x.shape[3])
        bias = None if self.bias is None else self.bias.to(x.dtype)
        y: Tensor = _Depthwise.apply(x, self.weight.to(x.dtype), bias, self.stride[0], padding)
        return y


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: int,
        padding: tuple[int, int, int, int],
    ) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.geometry = stride, padding, x.shape[2], x.shape[3]
        return F.conv2d(F.pad(x, padding), weight, bias, stride, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        gradient = gradients[0]
        (weight,) = ctx.saved_tensors
        stride, (left, _, top, _), height, width = ctx.geometry
        side = weight.shape[-1]
        if stride > 1:  # zeros between, where the kernel did not stop
            count, channels, rows, columns = gradient.shape
            spread = gradient.new_zeros(
                count, channels, (rows - 1) * stride + 1, (columns - 1) * stride + 1
            ).contiguous(memory_format=torch.channels_last)
            spread[:, :, ::stride, ::stride] = gradient
            gradient = spread
        before_x, before_y = side - 1 - left, side - 1 - top
        around = (
            before_x,
            width + side - 1 - before_x - gradient.shape[3],
            before_y,
            height + side - 1 - before_y - gradient.shape[2],
        )
        padded = F.pad(gradient.contiguous(memory_format=torch.channels_last), around)
        of_input = F.conv2d(padded, weight.to(gradient.dtype).flip(2, 3), groups=len(weight))
        return of_input, None, None, None, None
