"""What the shapes of a ResNet's tensors say of it, by torchvision's names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from maskrcnn_core.errors import WeightsError

__all__ = ["ResNetShape", "resnet_shape", "rows_of", "wanted"]

_BLOCK = re.compile(r"backbone\.body\.layer([1-4])\.(\d+)\.conv1\.weight")
_FIRST = "backbone.body.layer1.0.conv2.weight"
_STAGE_1_WIDTH = 64

ResNetShape = tuple[tuple[int, int, int, int], bool, int, int]
"""Blocks of each stage, whether they are basic ones, groups, and width per group."""


def wanted(tensors: Mapping[str, Tensor], name: str, dimensions: int, where: str) -> Tensor:
    """Return a tensor that has to be there.

    Raises:
        WeightsError: if it is not, or has another number of dimensions.
    """
    tensor = tensors.get(name)
    if tensor is None or tensor.ndim != dimensions or not all(tensor.shape):
        found = "no such tensor" if tensor is None else f"shape {list(tensor.shape)}"
        raise WeightsError(f"{where}: {name}: expected {dimensions} dimensions, got {found}")
    return tensor


def rows_of(tensors: Mapping[str, Tensor], name: str, where: str) -> int:
    """Return the rows of a layer's bias."""
    return len(wanted(tensors, name, 1, where))


def resnet_shape(tensors: Mapping[str, Tensor], where: str) -> ResNetShape:
    """Tell depth, groups and width of a ResNet or ResNeXt.

    Args:
        tensors: by torchvision's names, ``backbone.body...``; gaps between blocks are found later.
        where: the file's name, for messages.

    Raises:
        WeightsError: if it is none.
    """
    deepest = [0, 0, 0, 0]
    for name in tensors:
        if match := _BLOCK.fullmatch(name):
            stage = int(match[1]) - 1
            deepest[stage] = max(deepest[stage], int(match[2]) + 1)
    if not all(1 <= blocks <= 64 for blocks in deepest):
        raise WeightsError(
            f"{where}: expected a ResNet with four stages of 1 to 64 blocks, got "
            f"{', '.join(map(str, deepest))}"
        )
    is_basic = "backbone.body.layer1.0.conv3.weight" not in tensors
    blocks = (deepest[0], deepest[1], deepest[2], deepest[3])
    if is_basic:
        return blocks, True, 1, _STAGE_1_WIDTH
    width, per_group, _, _ = wanted(tensors, _FIRST, 4, where).shape
    if width % per_group:
        raise WeightsError(f"{where}: {_FIRST}: expected whole groups, got {width} outputs of {per_group}")
    # A width of 64 in one group is the plain ResNet; a wide one has 128 in one.
    return blocks, False, width // per_group, per_group
