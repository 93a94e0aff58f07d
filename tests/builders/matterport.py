"""A narrow network of Matterport's, its values as Keras keeps them, from a seed."""

from typing import NamedTuple

import h5py
import numpy as np
import torch

from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.models.foreign.matterport import read_matterport
from maskrcnn_core.models.foreign.matterport_config import MatterportSettings
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.networks.matterport import build_matterport


class Widths(NamedTuple):
    """Channels, and the residual blocks of each stage."""

    pyramid: int = 8
    rpn: int = 12
    box: int = 16
    mask: int = 10
    blocks: tuple = (1, 1, 2, 1)


ANCHORS = 3
RESNET101 = Widths(256, 512, 1024, 256, (3, 4, 23, 3))
"""As the published ones."""

SETTINGS = MatterportSettings(
    min_size=96, max_size=128, anchor_scales=(8, 16, 32, 64, 128), min_confidence=0.1, proposals=100
)


def keras_tensors(classes=4, seed=0, widths=Widths()):  # noqa: B008 - it never changes
    """By layer and kind, as ``res2a_branch2a.kernel``; a kernel has height, width, inputs, outputs."""
    rng = np.random.default_rng(seed)
    tensors = {}

    def put(name, values):
        tensors[name] = torch.from_numpy(values.astype(np.float32))

    def conv(layer, *shape, gain=1.0, outputs=None):
        fan_in = np.prod(shape[:-1]) if outputs is None else shape[-1]
        put(f"{layer}.kernel", rng.normal(0, gain * np.sqrt(2 / fan_in), shape))
        put(f"{layer}.bias", rng.normal(0, 0.1, shape[-1] if outputs is None else outputs))

    def norm(layer, size, gain=1.0):
        put(f"{layer}.gamma", gain * rng.uniform(0.6, 1.2, size))
        put(f"{layer}.beta", rng.normal(0, 0.1, size))
        put(f"{layer}.moving_mean", rng.normal(0, 0.1, size))
        put(f"{layer}.moving_variance", rng.uniform(0.5, 1.5, size))

    conv("conv1", 7, 7, 3, 64, gain=0.02)
    norm("bn_conv1", 64)
    before = 64
    for stage, count in enumerate(widths.blocks, start=2):
        narrow, wide = 64 << (stage - 2), 256 << (stage - 2)
        for at in range(count):
            block = f"{stage}{chr(ord('a') + at)}_branch"
            conv(f"res{block}2a", 1, 1, before, narrow)
            conv(f"res{block}2b", 3, 3, narrow, narrow)
            conv(f"res{block}2c", 1, 1, narrow, wide)
            norm(f"bn{block}2a", narrow)
            norm(f"bn{block}2b", narrow)
            norm(f"bn{block}2c", wide, gain=0.3)
            if at == 0:
                conv(f"res{block}1", 1, 1, before, wide)
                norm(f"bn{block}1", wide)
            before = wide
        conv(f"fpn_c{stage}p{stage}", 1, 1, wide, widths.pyramid, gain=0.3)
        conv(f"fpn_p{stage}", 3, 3, widths.pyramid, widths.pyramid)
    conv("rpn_conv_shared", 3, 3, widths.pyramid, widths.rpn)
    conv("rpn_class_raw", 1, 1, widths.rpn, 2 * ANCHORS)
    conv("rpn_bbox_pred", 1, 1, widths.rpn, 4 * ANCHORS)
    conv("mrcnn_class_conv1", 7, 7, widths.pyramid, widths.box)
    norm("mrcnn_class_bn1", widths.box)
    conv("mrcnn_class_conv2", 1, 1, widths.box, widths.box)
    norm("mrcnn_class_bn2", widths.box)
    conv("mrcnn_class_logits", widths.box, classes, gain=2.0)
    conv("mrcnn_bbox_fc", widths.box, 4 * classes)
    for at in (1, 2, 3, 4):
        conv(f"mrcnn_mask_conv{at}", 3, 3, widths.pyramid, widths.pyramid)
        norm(f"mrcnn_mask_bn{at}", widths.pyramid)
    conv("mrcnn_mask_deconv", 2, 2, widths.mask, widths.pyramid, outputs=widths.mask)
    conv("mrcnn_mask", 1, 1, widths.mask, classes)
    return tensors


def write_keras_file(file, classes=4, seed=0, widths=Widths()):  # noqa: B008 - it never changes
    """As ``save_weights`` of Keras 2 writes it: each layer a group, and in it one of its name."""
    with h5py.File(file, "w") as opened:
        tensors = keras_tensors(classes, seed, widths)
        opened.attrs["backend"] = np.bytes_("tensorflow")
        opened.attrs["keras_version"] = "2.2.4"
        layers = dict.fromkeys(name.rpartition(".")[0] for name in tensors)
        opened.attrs["layer_names"] = np.array([layer.encode() for layer in layers])
        for name, tensor in tensors.items():
            layer, _, kind = name.rpartition(".")
            opened.create_dataset(f"{layer}/{layer}/{kind}:0", data=tensor.numpy())
    return file


def make_matterport_network(classes=4, seed=0, settings=SETTINGS):
    facts = read_matterport(keras_tensors(classes, seed), "narrow.h5", settings)
    network = build_matterport(facts.architecture, facts.num_classes)
    network.load_state_dict(dict(facts.tensors), strict=True, assign=True)
    return network.eval().requires_grad_(False)


def make_matterport_model(classes=4, seed=0):
    """As the model table would give it, categories a, b, c ..."""
    return LoadedModel(
        key="narrow",
        title="Narrow",
        network=make_matterport_network(classes, seed),
        label_map=LabelMap.from_names("abcdefgh"[: classes - 1]),
        score_threshold=0.1,
        nms_threshold=0.3,
        mask_size=28,
        digest="0" * 64,
        backbone="ResNet",
        licence="",
        source="random",
    )
