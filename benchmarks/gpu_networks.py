"""Networks of a seed that detect: their last layers are scaled until what comes out spreads as if learned.

What they find means nothing; that they find it, and how much, decides what a run costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn_v2
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops.misc import FrozenBatchNorm2d

from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.networks.roi_scales import set_roi_scales

__all__ = ["NETWORKS", "SeededNetwork", "drawn_images"]

Pixels = npt.NDArray[np.uint8]

_CLASSES = 91
_SURE_REGIONS = 0.12
"""Share of regions with a class above one half: about a hundred detections of a thousand regions."""


@dataclass(frozen=True)
class SeededNetwork:
    """One row of the table of networks.

    Args:
        title: of its rows.
        build: given sides of the input, makes it with random values.
    """

    title: str
    build: Callable[[dict[str, int]], MaskRCNN]

    def model(self, sides: tuple[int, int], regions: int, device: torch.device) -> LoadedModel:
        """Make it detect, on a device, and return it on the CPU.

        Args:
            sides: of its input.
            regions: of an image that it looks at; torchvision's 1000.
            device: where the values of its layers are found.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = self.build({"min_size": sides[0], "max_size": sides[1]})
        set_roi_scales(network)
        network.rpn._post_nms_top_n["testing"] = regions
        network.eval().requires_grad_(False).to(device)
        _calibrate(network, drawn_images(1, sides, seed=7)[0], device)
        return LoadedModel(
            key=self.title,
            title=self.title,
            network=network.cpu(),
            label_map=LabelMap.from_names([f"label {label}" for label in range(1, _CLASSES)]),
            nms_threshold=0.5,
            mask_size=28,
            digest="0" * 64,
            backbone=self.title,
            licence="",
            source="random",
        )


def _version_1(body: str) -> Callable[[dict[str, int]], MaskRCNN]:
    def build(sides: dict[str, int]) -> MaskRCNN:
        backbone = resnet_fpn_backbone(
            backbone_name=body, weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=5
        )
        return MaskRCNN(backbone, num_classes=_CLASSES, **sides)

    return build


def _version_2(sides: dict[str, int]) -> MaskRCNN:
    return maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=_CLASSES, **sides)


NETWORKS = (
    SeededNetwork("R50-FPN v2", _version_2),
    SeededNetwork("R50-FPN v1", _version_1("resnet50")),
    SeededNetwork("R101-FPN v1", _version_1("resnet101")),
)


def drawn_images(count: int, sides: tuple[int, int], seed: int = 0) -> list[Pixels]:
    """Soft blotches of many sizes, uint8 ``[H, W, 3]``."""
    generator = torch.Generator().manual_seed(seed)
    images = []
    for _ in range(count):
        layers = [
            F.interpolate(torch.rand(1, 3, cells, cells, generator=generator), sides, mode="bicubic")
            for cells in (3, 12, 48)
        ]
        pixels = (torch.stack(layers).mean(0)[0].clamp(0, 1) * 255).to(torch.uint8)
        images.append(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()))
    return images


@torch.inference_mode()
def _calibrate(network: MaskRCNN, image: Pixels, device: torch.device) -> None:
    given = [torch.from_numpy(image).to(device).permute(2, 0, 1).float() / 255]
    _settle_norms(network, given)
    heads, rpn = network.roi_heads, network.rpn.head
    classes, boxes = heads.box_predictor.cls_score, heads.box_predictor.bbox_pred
    logits, moves = _outputs(network, (rpn.cls_logits, rpn.bbox_pred), given)
    _spread(rpn.cls_logits, logits, 2.0)
    _spread(rpn.bbox_pred, moves, 0.3)
    logits, moves = _outputs(network, (classes, boxes), given)
    _spread(boxes, moves, 1.0)
    _favour_background(classes, _spread(classes, logits, 8.0))
    # One value for the four pixels that a cell becomes: trained masks have no chequerboard.
    upsampling = heads.mask_predictor.conv5_mask.weight
    upsampling.copy_(upsampling.mean(dim=(2, 3), keepdim=True).expand_as(upsampling).clone())
    masks = heads.mask_predictor.mask_fcn_logits
    _spread(masks, *_outputs(network, (masks,), given), 3.0)


def _settle_norms(network: MaskRCNN, given: list[Tensor]) -> None:
    """Give norms the statistics of an image, layer by layer on its way; frozen ones get a fixed factor."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    if norms:
        network(given)
    for norm in norms:
        norm.eval()
    for name, module in network.named_modules():
        if isinstance(module, FrozenBatchNorm2d) and name.endswith("bn3"):
            module.weight.fill_(0.25)  # else each block doubles the variance


def _outputs(network: MaskRCNN, layers: Sequence[nn.Module], given: list[Tensor]) -> list[Tensor]:
    """Return what layers say in a run, a row for each place."""
    seen: list[list[Tensor]] = [[] for _ in layers]
    hooks = [
        layer.register_forward_hook(lambda _layer, _inputs, output, kept=kept: kept.append(output))
        for layer, kept in zip(layers, seen, strict=True)
    ]
    network(given)
    for hook in hooks:
        hook.remove()
    return [torch.cat([one.movedim(1, -1).flatten(0, -2) for one in kept if one.numel()]) for kept in seen]


def _spread(layer: nn.Module, outputs: Tensor, wanted: float) -> Tensor:
    """Scale a layer so that its outputs have a deviation, about 0; return what they become."""
    centre = outputs.mean(0)
    factor = wanted / (outputs - centre).std().clamp(min=1e-12)
    layer.bias.copy_((layer.bias - centre) * factor)
    layer.weight.mul_(factor)
    return (outputs - centre) * factor


def _favour_background(layer: nn.Module, logits: Tensor) -> None:
    """Move the background's logit until few regions are sure of a class, as a trained head's are."""
    low, high = -50.0, 100.0
    for _ in range(30):
        middle = (low + high) / 2
        moved = logits.clone()
        moved[:, 0] += middle
        sure = (moved.softmax(-1)[:, 1:].max(1)[0] > 0.5).float().mean()
        low, high = (middle, high) if float(sure) > _SURE_REGIONS else (low, middle)
    layer.bias[0] += high
