"""Narrow networks with seeded values, and what other projects would have saved of them."""

import torch

from maskrcnn_core.models.foreign.detectron2 import read_detectron2
from maskrcnn_core.models.foreign.mmdetection import read_mmdetection
from maskrcnn_core.models.foreign.renaming import inverse, rename
from maskrcnn_core.networks.configs import ResNetFpnConfig
from maskrcnn_core.networks.resnet_fpn import build_resnet_fpn

NARROW = {
    "blocks": (1, 1, 2, 1),
    "pyramid": 16,
    "box_hidden": 24,
    "mask_hidden": 8,
    "min_size": 64,
    "max_size": 96,
}
DETECTRON2 = ResNetFpnConfig(laws="detectron2", strides_1x1=True, std=(1.0, 1.0, 1.0), **NARROW)
MMDETECTION = ResNetFpnConfig(laws="mmdetection", **NARROW)
TORCHVISION = ResNetFpnConfig(**{**NARROW, "min_size": 800, "max_size": 1333})

_GAINS = {
    **{f"backbone.fpn.inner_blocks.{level}.0": 0.05 for level in range(4)},
    "rpn.head.bbox_pred": 0.2,
    "roi_heads.box_predictor.bbox_pred": 0.5,
    "roi_heads.box_predictor.cls_score": 2.0,
    "roi_heads.mask_predictor.mask_fcn_logits": 4.0,
}
"""Of layers' weights: so that values stay in bounds, and neither one class nor none is everywhere."""

_ROWS = (
    ("roi_heads.box_predictor.bbox_pred", 4),
    ("roi_heads.mask_predictor.mask_fcn_logits", 1),
)


def make_narrow(config, num_classes=4, seed=0):
    """A network whose every value is drawn, so that scores and masks vary."""
    network = build_resnet_fpn(config, num_classes).to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        draw = torch.rand(tensor.shape, generator=generator) * 2 - 1
        if name.endswith("num_batches_tracked"):
            tensor.zero_()
        elif name.endswith("running_var"):
            tensor.copy_(1 + draw / 2)
        elif tensor.ndim > 1:
            tensor.copy_(draw * (6 / tensor[0].numel()) ** 0.5)
        else:
            tensor.copy_(draw * 0.1 + (1 if name.endswith(".weight") else 0))
    # The background has neither box nor mask of its own in either project.
    with torch.no_grad():
        if config.std == (1.0, 1.0, 1.0):
            network.backbone.body.conv1.weight /= 57
        for name, gain in _GAINS.items():
            network.get_parameter(f"{name}.weight").mul_(gain)
        for layer, rows in _ROWS:
            for kind in ("weight", "bias"):
                network.get_parameter(f"{layer}.{kind}")[:rows] = 0
    return network.requires_grad_(False).eval()


def saved_as(table, network, *, is_bgr):
    """A network's tensors by a family's own names, with the background last and channels as it takes them."""
    state = {n: t.clone() for n, t in network.state_dict().items() if not n.endswith("num_batches_tracked")}
    for kind in ("weight", "bias"):
        name = f"roi_heads.box_predictor.cls_score.{kind}"
        state[name] = torch.cat([state[name][1:], state[name][:1]])
        for layer, rows in _ROWS:
            state[f"{layer}.{kind}"] = state[f"{layer}.{kind}"][rows:]
    if is_bgr:
        state["backbone.body.conv1.weight"] = state["backbone.body.conv1.weight"].flip(1)
    names, others = rename(state, inverse(table))
    assert not others
    return {names[name]: tensor for name, tensor in state.items()}


def detectron2_state(network):
    from maskrcnn_core.models.foreign.detectron2 import _BOX_HEAD, _NAMES

    return saved_as((*_NAMES, *_BOX_HEAD[network.built_from.heads]), network, is_bgr=True)


def mmdetection_state(network, *, is_bgr=False):
    from maskrcnn_core.models.foreign.mmdetection import _NAMES

    return saved_as(_NAMES, network, is_bgr=is_bgr)


__all__ = [
    "DETECTRON2",
    "MMDETECTION",
    "TORCHVISION",
    "detectron2_state",
    "make_narrow",
    "mmdetection_state",
    "read_detectron2",
    "read_mmdetection",
    "saved_as",
]
