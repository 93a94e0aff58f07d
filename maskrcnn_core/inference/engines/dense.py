"""The dense parts of a Mask R-CNN, taken out of it and put back as something else.

A part takes tensors and returns a tuple of tensors, whatever form its network wants them in: what compiles
or converts parts need not know of lists and ordered dictionaries.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.image_list import ImageList

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.inference.forward import resize_and_normalise, run_backbone

__all__ = ["PARTS", "DensePart", "dense_parts", "level_names", "with_parts"]

PARTS = ("backbone", "RPN head", "box head", "mask head")
"""Names of the parts, in the order in which an image meets them."""

_EXAMPLE_SCALE = 0.4  # of the network's input: parts take any size, and a small one is quick to follow


@dataclass(frozen=True, eq=False)
class DensePart:
    """One dense part of a network.

    Args:
        module: takes tensors, and returns a tuple of tensors.
        example: inputs as it meets them, of a small image.
    """

    module: nn.Module
    example: tuple[Tensor, ...]


class _FlatBackbone(nn.Module):
    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps = self.backbone(images)
        return (maps,) if isinstance(maps, Tensor) else tuple(maps.values())


class _FlatRpnHead(nn.Module):
    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, *maps: Tensor) -> tuple[Tensor, ...]:
        objectness, moves = self.head(list(maps))
        return (*objectness, *moves)


class _FlatHead(nn.Module):
    def __init__(self, head: nn.Module, predictor: nn.Module) -> None:
        super().__init__()
        self.head, self.predictor = head, predictor

    def forward(self, pooled: Tensor) -> tuple[Tensor, ...]:
        outputs = self.predictor(self.head(pooled))
        return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


class _Backbone(nn.Module):
    """Give a part's outputs the names of the pyramid's levels."""

    def __init__(self, part: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.part, self.names = part, names

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        return self._named(self.part(images))

    def in_own_precision(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Give maps in the precision in which the part computes, for those who take any."""
        return self._named(_own_way(self.part)(images))

    def _named(self, maps: Iterable[Tensor]) -> OrderedDict[str, Tensor]:
        return OrderedDict(zip(self.names, maps, strict=True))


class _RpnHead(nn.Module):
    """Give a part's outputs as lists of objectness and of moves, one tensor a level each."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, maps: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        return self._paired(self.part(*maps))

    def in_own_precision(self, maps: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Take and give maps in the precision in which the part computes."""
        return self._paired(_own_way(self.part)(*maps))

    def _paired(self, outputs: tuple[Tensor, ...]) -> tuple[list[Tensor], list[Tensor]]:
        levels = len(outputs) // 2
        return list(outputs[:levels]), list(outputs[levels:])


def _own_way(part: nn.Module) -> Callable[..., tuple[Tensor, ...]]:
    """Return what runs a part without turning its results into float32, where it has such a way."""
    run: Callable[..., tuple[Tensor, ...]] = getattr(part, "halves", part)
    return run


class _MaskHead(nn.Module):
    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, pooled: Tensor) -> Tensor:
        return cast(Tensor, self.part(pooled)[0])


def level_names(network: MaskRCNN, image: Pixels) -> tuple[str, ...]:
    """Return the names of the pyramid's levels, the finest first, as the backbone gives them."""
    with torch.inference_mode():
        return tuple(run_backbone(network, _small_batch(network, image)))


def dense_parts(network: MaskRCNN, image: Pixels) -> dict[str, DensePart]:
    """Return the dense parts of a network on the CPU, by their names.

    Args:
        network: it is run once and not changed.
        image: any, uint8 ``[H, W, 3]``, for the examples.
    """
    heads = network.roi_heads
    with torch.inference_mode():
        batch = _small_batch(network, image)
        maps = run_backbone(network, batch)
        height, width = batch.image_sizes[0]
        whole = [torch.tensor([[0.0, 0.0, width, height], [0.0, 0.0, width / 2, height / 2]])]
        boxes = heads.box_roi_pool(maps, whole, batch.image_sizes)
        masks = heads.mask_roi_pool(maps, whole, batch.image_sizes)
    return {
        "backbone": DensePart(_FlatBackbone(network.backbone), (batch.tensors,)),
        "RPN head": DensePart(_FlatRpnHead(network.rpn.head), tuple(maps.values())),
        "box head": DensePart(_FlatHead(heads.box_head, heads.box_predictor), (boxes,)),
        "mask head": DensePart(_FlatHead(heads.mask_head, heads.mask_predictor), (masks,)),
    }


def with_parts(network: MaskRCNN, parts: Mapping[str, nn.Module], levels: tuple[str, ...]) -> MaskRCNN:
    """Return a copy of a network in which other modules do the work of its dense parts.

    Args:
        network: whose transform, anchors, suppression and sampling are kept; it is not changed.
        parts: of each of :data:`PARTS`, what takes and returns the same tensors.
        levels: as :func:`level_names` gives them.
    """
    heads = network.roi_heads
    others: dict[int, object] = {
        id(network.backbone): _Backbone(parts["backbone"], levels),
        id(network.rpn.head): _RpnHead(parts["RPN head"]),
        id(heads.box_head): parts["box head"],
        id(heads.box_predictor): nn.Identity(),
        id(heads.mask_head): _MaskHead(parts["mask head"]),
        id(heads.mask_predictor): nn.Identity(),
    }
    return copy.deepcopy(network, others).eval()


def _small_batch(network: MaskRCNN, image: Pixels) -> ImageList:
    return resize_and_normalise(network, [image], torch.device("cpu"), _EXAMPLE_SCALE)
