"""The ResNets that training can begin with: torchvision's, with what they learned of ImageNet.

``BACKBONES`` is the table; help, README and tests read it. The weights are torchvision's ``IMAGENET1K_V1``,
those that its own Mask R-CNNs begin with; addresses and sizes are those of *torchvision/models/resnet.py*. A
file's name holds the first 8 digits of its SHA-256.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.models.downloads import download_file, file_sha256, has_sha256
from maskrcnn_core.models.weights_files import download_target, weights_address, weights_file
from maskrcnn_core.networks.configs import ResNetFpnConfig

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["BACKBONES", "Backbone", "backbone_by_key", "backbone_weights", "read_backbone"]

_HOST = "https://download.pytorch.org/models"
_HEAD = ("fc.weight", "fc.bias")
"""The classifier of ImageNet's 1,000 categories."""


@dataclass(frozen=True)
class Backbone:
    """One row of the table.

    Args:
        key: as torchvision names the network.
        title: in words.
        file: name of its weights in a weights folder.
        megabytes: of that file.
        blocks: residual blocks in each of four stages.
        is_basic: blocks of two 3 x 3 convolutions in place of bottlenecks.
        groups, width_per_group: of a bottleneck's 3 x 3 convolution.
    """

    key: str
    title: str
    file: str
    megabytes: float
    blocks: tuple[int, int, int, int]
    is_basic: bool = False
    groups: int = 1
    width_per_group: int = 64

    @property
    def url(self) -> str:
        """Where torchvision publishes the weights."""
        return f"{_HOST}/{self.file}"

    @property
    def file_name(self) -> str:
        """The weights file's name without folders."""
        return self.file

    @property
    def sha256(self) -> str:
        """The first 8 digits, as the file's name has them."""
        return self.file.removesuffix(".pth").rpartition("-")[2]

    def architecture(self, *, from_nothing: bool) -> ResNetFpnConfig:
        """Return the Mask R-CNN on it, by torchvision's laws.

        ImageNet's norms stay frozen, as torchvision's version 1 has them. Random values need norms that
        learn, in all parts, as version 2 has them.
        """
        return ResNetFpnConfig(
            blocks=self.blocks,
            is_basic=self.is_basic,
            groups=self.groups,
            width_per_group=self.width_per_group,
            heads="v2" if from_nothing else "v1",
        )


_18, _50, _101, _152 = (2, 2, 2, 2), (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)

BACKBONES: tuple[Backbone, ...] = (
    Backbone("resnet18", "ResNet-18", "resnet18-f37072fd.pth", 46.8, _18, is_basic=True),
    Backbone("resnet34", "ResNet-34", "resnet34-b627a593.pth", 87.3, _50, is_basic=True),
    Backbone("resnet50", "ResNet-50", "resnet50-0676ba61.pth", 102.5, _50),
    Backbone("resnet101", "ResNet-101", "resnet101-63fe2227.pth", 178.8, _101),
    Backbone("resnet152", "ResNet-152", "resnet152-394f9c45.pth", 241.6, _152),
    Backbone("resnext50_32x4d", "ResNeXt-50-32x4d", "resnext50_32x4d-7cdf4587.pth", 100.4, _50, False, 32, 4),
    Backbone(
        *("resnext101_32x8d", "ResNeXt-101-32x8d", "resnext101_32x8d-8ba56ff5.pth", 356.1, _101, False, 32, 8)
    ),
    Backbone(
        *("resnext101_64x4d", "ResNeXt-101-64x4d", "resnext101_64x4d-173b62eb.pth", 334.8, _101, False, 64, 4)
    ),
    Backbone(
        *("wide_resnet50_2", "wide ResNet-50", "wide_resnet50_2-95faca4d.pth", 138.2, _50, False, 1, 128)
    ),
    Backbone(
        *("wide_resnet101_2", "wide ResNet-101", "wide_resnet101_2-32ee1156.pth", 254.7, _101, False, 1, 128)
    ),
)


def backbone_by_key(key: str) -> Backbone:
    """Return a row.

    Raises:
        InputError: if there is none of this key.
    """
    found = next((row for row in BACKBONES if row.key == key), None)
    if found is None:
        raise InputError(
            f"backbone: expected one of {', '.join(row.key for row in BACKBONES)}, got {key[:80]!r}"
        )
    return found


def backbone_weights(
    backbone: Backbone, *, download: bool, on_progress: Callable[[int, int | None], None] | None = None
) -> Path:
    """Return the file of what a backbone learned of ImageNet, whose SHA-256 begins as its name says.

    Args:
        backbone: a row.
        download: fetch it if it is not on this computer, or is another file.
        on_progress: called with ``(bytes_done, bytes_total)`` during a download.

    Raises:
        WeightsError: if it is absent or another file, or cannot be fetched.
    """
    file = weights_file(backbone)
    try:
        if file is not None and has_sha256(file_sha256(file), backbone.sha256):
            return file
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read ({error.strerror or error})") from error
    target = download_target(backbone)
    if download:
        return download_file(
            weights_address(backbone), target, sha256=backbone.sha256, on_progress=on_progress
        )
    if file is None:
        raise WeightsError(
            f"{backbone.key}: its weights are not on this computer; --download fetches {backbone.file} "
            f"({backbone.megabytes:.0f} MB), or put it into {target.parent}; --from-nothing does without"
        )
    raise WeightsError(
        f"{file}: expected torchvision's weights, whose SHA-256 begins with {backbone.sha256}, got others or "
        "a damaged file; delete it, or fetch it again with --download"
    )


def read_backbone(file: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a ResNet's values by its own names, without the classifier, in float32.

    Args:
        file: of torchvision, whose SHA-256 has been checked.
        wanted: the state of the network's ``backbone.body``.

    Raises:
        WeightsError: if it cannot be read, or holds another network.
    """
    from maskrcnn_core.models.checkpoints import read_published_state

    state = {
        name: tensor.float()
        for name, tensor in read_published_state(file).items()
        if name not in _HEAD and not name.endswith(".num_batches_tracked")
    }
    shapes = {n: tuple(t.shape) for n, t in wanted.items() if not n.endswith(".num_batches_tracked")}
    if shapes != {name: tuple(tensor.shape) for name, tensor in state.items()}:
        raise WeightsError(
            f"{file.name}: expected the {len(shapes)} tensors of its ResNet, got {len(state)}, or others"
        )
    return state
