"""torchvision's own Mask R-CNN with a feature pyramid, versions 1 and 2, on any ResNet or ResNeXt.

**The epsilon of version 1's batch norm.** torchvision freezes version 1's batch norm (``FrozenBatchNorm2d``,
default eps 1e-5) and sets eps to 0 when it loads its own COCO weights, as they were trained when that was the
default (pytorch/vision pull requests 2933 and 2940). A state dict does not keep the eps. What is known from
the tensors decides, else the commonest way of training:

- ``num_batches_tracked`` is there: trained from nothing with ``BatchNorm2d``, eps 1e-5;
- a ``running_var`` is exactly 0: eps 0 would divide by 0, so it was 1e-5;
- another network than ResNet-50, of which there are no COCO weights: eps 1e-5;
- else: eps 0, as after fine-tuning from ``weights="COCO_V1"`` or ``"DEFAULT"`` (torchvision's tutorial). A
  network trained from ``weights_backbone`` alone had 1e-5: pass ``norm_eps=1e-5``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.models.foreign.facts import FamilyFacts
from maskrcnn_core.models.foreign.renaming import first_few
from maskrcnn_core.models.foreign.rows import needs_whole_boxes
from maskrcnn_core.models.foreign.shapes import resnet_shape, wanted
from maskrcnn_core.networks.boxes_only import whole_box_head
from maskrcnn_core.networks.configs import ResNet50Config, ResNetFpnConfig, Version
from maskrcnn_core.networks.families import Architecture
from maskrcnn_core.networks.resnet50_fpn import DEFAULT_EPS

__all__ = ["read_torchvision", "rename_old"]

_MAX_CLASSES = 10_000
_CLASSES_FROM = "roi_heads.box_predictor.cls_score.weight"
_MASK_HIDDEN_FROM = "roi_heads.mask_predictor.conv5_mask.weight"
_TELLS_VERSION: tuple[tuple[str, Version], ...] = (
    ("roi_heads.box_head.fc6.weight", "v1"),
    ("roi_heads.box_head.0.0.weight", "v2"),
)
_COUNTER = ".num_batches_tracked"
_RESNET_50 = ((3, 4, 6, 3), False, 1, 64)

# torchvision before 0.13 named the same layers so; its published version 1 weights still do.
_OLD_NAMES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(backbone\.fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)"), r"\1.0.\2"),
    (re.compile(r"rpn\.head\.conv\.(weight|bias)"), r"rpn.head.conv.0.0.\1"),
    (re.compile(r"roi_heads\.mask_head\.mask_fcn1\.(weight|bias)"), r"roi_heads.mask_head.0.0.\1"),
    (re.compile(r"roi_heads\.mask_head\.mask_fcn2\.(weight|bias)"), r"roi_heads.mask_head.1.0.\1"),
    (re.compile(r"roi_heads\.mask_head\.mask_fcn3\.(weight|bias)"), r"roi_heads.mask_head.2.0.\1"),
    (re.compile(r"roi_heads\.mask_head\.mask_fcn4\.(weight|bias)"), r"roi_heads.mask_head.3.0.\1"),
)


def read_torchvision(
    tensors: Mapping[str, Tensor], where: str, *, norm_eps: float | None = None, boxes_only: bool = False
) -> FamilyFacts:
    """Tell which network a state dict of torchvision's fits.

    Args:
        tensors: by torchvision's names, of today or of before 0.13.
        where: the file's name, for messages.
        norm_eps: epsilon of version 1's frozen batch norm; None decides as the module's text says.
        boxes_only: open a Faster R-CNN for its boxes.

    Raises:
        WeightsError: if it fits none.
        InputError: for an epsilon that is none.
    """
    notes: list[str] = []
    named = rename_old(tensors, notes)
    version = _tell_version(named, where)
    classes = _count_classes(named, where)
    is_faster = needs_whole_boxes(named, "roi_heads.mask_", where, notes, boxes_only=boxes_only)
    if is_faster:
        channels = len(wanted(named, "backbone.fpn.inner_blocks.0.0.weight", 4, where))
        named |= whole_box_head(channels, classes, has_norms=version == "v2")
    hidden = _mask_hidden(named, where)
    shape = resnet_shape(named, where)
    made: Architecture
    if shape == _RESNET_50:
        eps = DEFAULT_EPS if version == "v2" else _decide_eps(named, norm_eps, notes)
        made = ResNet50Config(version, eps, hidden)
    else:
        blocks, is_basic, groups, width = shape
        made = ResNetFpnConfig(
            blocks=blocks,
            is_basic=is_basic,
            groups=groups,
            width_per_group=width,
            norm_eps=DEFAULT_EPS if norm_eps is None else _checked_eps(norm_eps, notes),
            heads=version,
            box_hidden=wanted(named, _CLASSES_FROM, 2, where).shape[1],
            mask_hidden=hidden,
        )
    return FamilyFacts(made, classes, named, notes=tuple(notes), boxes_only=is_faster)


def rename_old(tensors: Mapping[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    """Return tensors by torchvision's names of today."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        for pattern, replacement in _OLD_NAMES:
            if match := pattern.fullmatch(name):
                name = match.expand(replacement)
                break
        renamed[name] = tensor
    if renamed.keys() != tensors.keys():
        notes.append("Layer names of torchvision before 0.13 were updated.")
    return renamed


def _tell_version(tensors: Mapping[str, Tensor], where: str) -> Version:
    for name, version in _TELLS_VERSION:
        if name in tensors:
            return version
    raise WeightsError(
        f"{where}: expected torchvision's Mask R-CNN with a feature pyramid, version 1 (with "
        f"{_TELLS_VERSION[0][0]}) or 2 (with {_TELLS_VERSION[1][0]}), "
        f"got {len(tensors)} tensors, {first_few(tensors)}"
    )


def _count_classes(tensors: Mapping[str, Tensor], where: str) -> int:
    classifier = tensors.get(_CLASSES_FROM)
    if classifier is None or classifier.ndim != 2 or not 2 <= len(classifier) <= _MAX_CLASSES:
        found = "no such tensor" if classifier is None else f"shape {list(classifier.shape)}"
        raise WeightsError(
            f"{where}: {_CLASSES_FROM}: expected [classes, 1024] with 2 classes or more, got {found}"
        )
    return len(classifier)


def _mask_hidden(tensors: Mapping[str, Tensor], where: str) -> int:
    layer = tensors.get(_MASK_HIDDEN_FROM)
    if layer is None:
        return 256  # its absence is reported with all other names
    if layer.ndim != 4 or not 1 <= layer.shape[1] <= 4096:
        raise WeightsError(
            f"{where}: {_MASK_HIDDEN_FROM}: expected [256, hidden, 2, 2], got {list(layer.shape)}"
        )
    return layer.shape[1]


def _decide_eps(tensors: Mapping[str, Tensor], norm_eps: float | None, notes: list[str]) -> float:
    """Return version 1's epsilon, see the module's text."""
    if norm_eps is not None:
        return _checked_eps(norm_eps, notes)
    if any(name.endswith(_COUNTER) for name in tensors):
        notes.append("Batch norm's epsilon is 1e-05: the network was trained with batch norm unfrozen.")
        return DEFAULT_EPS
    if any(bool((t == 0).any()) for n, t in tensors.items() if n.endswith(".running_var")):
        notes.append("Batch norm's epsilon is 1e-05: a variance is 0, which rules out 0.")
        return DEFAULT_EPS
    notes.append(
        "Batch norm's epsilon is 0, as after fine-tuning from torchvision's COCO weights; "
        "the file does not say, and training from a backbone alone has 1e-05."
    )
    return 0.0


def _checked_eps(norm_eps: float, notes: list[str]) -> float:
    if not 0.0 <= norm_eps < 1.0:
        raise InputError(f"batch norm's epsilon: expected a number from 0 to 1, got {norm_eps}")
    notes.append(f"Batch norm's epsilon is {norm_eps:g}, as asked.")
    return norm_eps
