"""The engine ``folded``: norms folded into the convolutions before them, and channels innermost.

A norm with fixed statistics is a factor and an offset for each channel, so it can be multiplied into the
convolution whose output it takes (Jacob et al. 2018, section 3.2). A CPU saves a pass over each feature map,
and its convolutions need no reordering where the channels lie innermost.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from maskrcnn_core.errors import InferenceError

__all__ = ["fold_norms", "folded"]

_Network = TypeVar("_Network", bound=nn.Module)


def folded(network: _Network, *, least: int = 0) -> _Network:
    """Return a copy of a network, in eval mode, with folded norms and channels innermost.

    Args:
        network: it is not changed.
        least: norms without which the copy would be no faster.

    Raises:
        InferenceError: if fewer can be folded.
    """
    made = copy.deepcopy(network).eval().requires_grad_(False)
    if fold_norms(made) < least:
        raise InferenceError("none of its norms can be folded, so it would be no faster")
    return made.to(memory_format=torch.channels_last)


def fold_norms(network: nn.Module) -> int:
    """Fold each norm that directly follows a convolution of its parent, in place.

    That a child follows another is not proof that it takes its output: whoever folds compares what comes out.

    Returns:
        How many were folded.
    """
    count = 0
    for parent in network.modules():
        children = list(parent.named_children())
        for (_, first), (name, second) in pairwise(children):
            if isinstance(first, nn.Conv2d) and _is_fixed(second, first.out_channels):
                _fold(first, cast(nn.BatchNorm2d, second))  # the frozen one has the same fields
                setattr(parent, name, nn.Identity())
                count += 1
    return count


def _is_fixed(module: nn.Module, channels: int) -> bool:
    """Return whether it is a norm of so many channels whose statistics do not depend on its input."""
    if isinstance(module, FrozenBatchNorm2d):
        return len(module.weight) == channels
    return (
        isinstance(module, nn.BatchNorm2d)
        and module.num_features == channels
        and not module.training
        and module.running_mean is not None
    )


@torch.no_grad()
def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    mean, variance = cast(Tensor, norm.running_mean).double(), cast(Tensor, norm.running_var).double()
    factor = (variance + norm.eps).rsqrt()
    if norm.weight is not None:
        factor = factor * norm.weight.double()
    offset = -mean * factor
    if norm.bias is not None:
        offset = offset + norm.bias.double()
    if convolution.bias is not None:
        offset = offset + convolution.bias.double() * factor
    weight = convolution.weight.double() * factor[:, None, None, None]
    # In double precision up to here: it costs nothing, and each rounding would be in every pixel.
    convolution.weight = nn.Parameter(weight.to(convolution.weight.dtype), requires_grad=False)
    convolution.bias = nn.Parameter(offset.to(convolution.weight.dtype), requires_grad=False)
