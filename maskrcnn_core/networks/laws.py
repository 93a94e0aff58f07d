"""By whose laws a network was built: where its image lies, and what becomes of its boxes and masks."""

from __future__ import annotations

from typing import cast

from torch import nn

from maskrcnn_core.networks.configs import Laws

__all__ = ["corner_in_padding", "image_corner", "laws_of", "set_laws"]


def set_laws(network: nn.Module, laws: Laws) -> None:
    """Tell a network by whose laws it was built, in place."""
    network.__dict__["laws"] = laws


def laws_of(network: nn.Module) -> Laws:
    """Return by whose laws a network was built; torchvision's unless it was told others."""
    return cast(Laws, network.__dict__.get("laws", "torchvision"))


def image_corner(
    network: nn.Module, padded_size: tuple[int, int], input_size: tuple[int, int]
) -> tuple[int, int]:
    """Return row and column of the image's first pixel in a network's padded input."""
    return corner_in_padding(padded_size, input_size) if laws_of(network) == "matterport" else (0, 0)


def corner_in_padding(padded_size: tuple[int, int], input_size: tuple[int, int]) -> tuple[int, int]:
    """Return row and column of the first pixel of an image in the middle of its padding."""
    return (padded_size[0] - input_size[0]) // 2, (padded_size[1] - input_size[1]) // 2
