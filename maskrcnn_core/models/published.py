"""The models that others published for COCO: one row each, best first.

Addresses, licences and figures are the publishers': torchvision's table of weights; Detectron2's
``MODEL_ZOO.md`` (model ids 42073830, 42019571, 139653917, 138205316 and 137849600), which says that a file's
name ends with the first digits of its MD5; the README of MaskRCNN2Go. Detectron2 publishes no sizes: those
here are its tensors'. Of Matterport's weights no figure was published, so its row comes last.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from maskrcnn_core.dataset.categories import COCO_CATEGORIES, LabelMap
from maskrcnn_core.models.foreign.sidecar import MatterportPreset
from maskrcnn_core.models.spec import Measured, ModelSpec
from maskrcnn_core.networks.configs import (
    MOBILE_MASK_SIZE,
    MOBILE_ROIS,
    MOBILE_WEIGHTS_BYTES,
    MOBILE_WEIGHTS_SHA256,
    Version,
)

if TYPE_CHECKING:
    from torchvision.models.detection import MaskRCNN

__all__ = ["PUBLISHED", "USUAL_KEY"]

USUAL_KEY = "coco-v2"
"""What is downloaded where somebody asks for a download and names no model."""


def _torchvision(version: Version) -> Callable[[Path], MaskRCNN]:
    def build(file: Path) -> MaskRCNN:
        from maskrcnn_core.models.checkpoints import load_published_checkpoint

        return load_published_checkpoint(file, version)

    return build


def _mobile(file: Path) -> MaskRCNN:
    from maskrcnn_core.networks.maskrcnn2go.network import load_maskrcnn2go

    return load_maskrcnn2go(file)


def _zoo(preset: MatterportPreset | None = None) -> Callable[[Path], MaskRCNN]:
    def build(file: Path) -> MaskRCNN:
        from maskrcnn_core.models.checkpoints import load_zoo_checkpoint
        from maskrcnn_core.models.foreign.sidecar import Sidecar

        return load_zoo_checkpoint(file, Sidecar(preset=preset))

    return build


_COCO_BY_ID = LabelMap.by_id(COCO_CATEGORIES)
_COCO_CONTIGUOUS = LabelMap.contiguous(COCO_CATEGORIES)
_TORCHVISION_LICENCE = "BSD-3-Clause (torchvision); trained on COCO 2017, whose own terms apply"
_TORCHVISION_SOURCE = "https://docs.pytorch.org/vision/stable/models/mask_rcnn.html"


def _detectron2(
    key: str,
    title: str,
    backbone: str,
    trained: str,
    seconds: float,
    aps: tuple[float, float],
    path: str,
    size_bytes: int,
) -> ModelSpec:
    """Return the row of a model of Detectron2's zoo; ``aps`` are those of masks and boxes."""
    name = path.rpartition("/")[2]
    return ModelSpec(
        key=key,
        title=f"Mask R-CNN {title} (Detectron2, COCO)",
        knows=f"Finds COCO's 80 everyday categories, by Detectron2's laws; {trained}.",
        speed=f"{seconds:.3f} s for a photo on a V100, as published (ResNet-50-FPN 3x: 0.043 s)",
        backbone=backbone,
        licence="CC-BY-SA-3.0 (Detectron2's model zoo); trained on COCO 2017, whose own terms apply",
        source="https://github.com/facebookresearch/detectron2/blob/main/MODEL_ZOO.md",
        measured=(Measured("COCO val2017", *aps),),
        file=f"detectron2/{name}",
        url=f"https://dl.fbaipublicfiles.com/detectron2/{path}",
        sha256="",
        md5=name.removesuffix(".pkl").rpartition("_")[2],
        size_bytes=size_bytes,
        nms_threshold=0.5,
        mask_size=28,
        label_map=_COCO_CONTIGUOUS,
        build=_zoo(),
    )


PUBLISHED: tuple[ModelSpec, ...] = (
    _detectron2(
        "d2-r101-lsj",
        "ResNet-101-FPN LSJ",
        "ResNet-101 with a feature pyramid (batch norm in all parts)",
        "the most accurate of these",
        0.073,
        (43.7, 48.9),
        "new_baselines/mask_rcnn_R_101_FPN_400ep_LSJ/42073830/model_final_f96b26.pkl",
        261_645_012,
    ),
    _detectron2(
        "d2-r50-lsj",
        "ResNet-50-FPN LSJ",
        "ResNet-50 with a feature pyramid (batch norm in all parts)",
        "trained for 400 epochs with large-scale jitter",
        0.069,
        (42.5, 47.4),
        "new_baselines/mask_rcnn_R_50_FPN_400ep_LSJ/42019571/model_final_14d201.pkl",
        185_467_604,
    ),
    ModelSpec(
        key="coco-v2",
        title="Mask R-CNN ResNet-50-FPN v2 (COCO)",
        knows="Finds COCO's 80 everyday categories; the most accurate that is fetched by itself.",
        speed="slow, about 1.7 times the work of version 1",
        backbone="ResNet-50 with a feature pyramid (version 2: batch norm in all parts)",
        licence=_TORCHVISION_LICENCE,
        source=f"{_TORCHVISION_SOURCE}; Li et al. 2021, arXiv:2111.11429",
        measured=(Measured("COCO val2017", 41.8, 47.4),),
        file="maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
        url="https://download.pytorch.org/models/maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
        sha256="73cbd0190fcbe3ba339921fbce2c3a0b6bb9126c9a133c85e43a2a8e060a109e",
        size_bytes=185_828_065,
        nms_threshold=0.5,
        mask_size=28,
        label_map=_COCO_BY_ID,
        build=_torchvision("v2"),
    ),
    _detectron2(
        "d2-x101",
        "ResNeXt-101-32x8d-FPN 3x",
        "ResNeXt-101-32x8d with a feature pyramid",
        "the slowest, with 32 groups of channels",
        0.103,
        (39.5, 44.3),
        "COCO-InstanceSegmentation/mask_rcnn_X_101_32x8d_FPN_3x/139653917/model_final_2d9806.pkl",
        431_351_508,
    ),
    _detectron2(
        "d2-r101",
        "ResNet-101-FPN 3x",
        "ResNet-101 with a feature pyramid",
        "a deeper network for 0.013 s more",
        0.056,
        (38.6, 42.9),
        "COCO-InstanceSegmentation/mask_rcnn_R_101_FPN_3x/138205316/model_final_a3ec72.pkl",
        253_992_660,
    ),
    _detectron2(
        "d2-r50",
        "ResNet-50-FPN 3x",
        "ResNet-50 with a feature pyramid",
        "the quickest of Detectron2's",
        0.043,
        (37.2, 41.0),
        "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x/137849600/model_final_f10217.pkl",
        177_815_252,
    ),
    ModelSpec(
        key="coco-v1",
        title="Mask R-CNN ResNet-50-FPN (COCO)",
        knows="Finds COCO's 80 everyday categories; the network of the paper.",
        speed="about 0.6 times the work of version 2",
        backbone="ResNet-50 with a feature pyramid (frozen batch norm)",
        licence=_TORCHVISION_LICENCE,
        source=f"{_TORCHVISION_SOURCE}; He et al. 2017, arXiv:1703.06870",
        measured=(Measured("COCO val2017", 34.6, 37.9),),
        file="maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        url="https://download.pytorch.org/models/maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        sha256="bf2d0c1efbc936eeee2bc95a48e80ebc86b891f61b0106485937fc29f9315fc0",
        size_bytes=178_090_079,
        nms_threshold=0.5,
        mask_size=28,
        label_map=_COCO_BY_ID,
        build=_torchvision("v1"),
    ),
    ModelSpec(
        key="mobile",
        title="MaskRCNN2Go (COCO, small and fast)",
        knows="Finds COCO's 80 everyday categories; made for phones, misses more, especially small objects.",
        speed="fastest, dozens of times faster than version 1 on a CPU",
        backbone="inverted residual blocks as in MobileNetV2, one feature map of stride 16",
        licence="Apache-2.0",
        source="https://github.com/facebookarchive/models/tree/"
        "7e196ddaec6df39792689df71972f9f4c1314886/mask_rcnn_2go",
        measured=(Measured("COCO minival", 21.6, 24.8),),
        file="maskrcnn2go/model_init.pb",
        url="https://raw.githubusercontent.com/facebookarchive/models/"
        "7e196ddaec6df39792689df71972f9f4c1314886/mask_rcnn_2go/model/int8/model_init.pb",
        sha256=MOBILE_WEIGHTS_SHA256,
        size_bytes=MOBILE_WEIGHTS_BYTES,
        # Published with 0.3; on 206 images of COCO val2017 0.5 measured better (mask AP .232 for .230), and
        # one default for all models is easier to reason about.
        nms_threshold=0.5,
        mask_size=MOBILE_MASK_SIZE,
        label_map=_COCO_CONTIGUOUS,
        build=_mobile,
        rois_per_image=MOBILE_ROIS,
        closer_gain=3.6,  # python -m benchmarks closer
    ),
    ModelSpec(
        key="matterport",
        title="Matterport's Mask R-CNN ResNet-101-FPN (COCO)",
        knows="Finds COCO's 80 everyday categories, by Matterport's laws: one category a region, above 0.7.",
        speed="slow: a ResNet-101, and inputs of 1024 x 1024 pixels whatever the image",
        backbone="ResNet-101 with a feature pyramid",
        licence="MIT (Matterport's Mask_RCNN); trained on COCO, whose own terms apply",
        source="https://github.com/matterport/Mask_RCNN/releases/tag/v2.0",
        measured=(),
        file="matterport/mask_rcnn_coco.h5",
        url="https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5",
        sha256="",
        size_bytes=257_557_808,
        nms_threshold=0.3,
        mask_size=28,
        label_map=_COCO_CONTIGUOUS,
        build=_zoo("coco"),
        score_threshold=0.7,
        rois_per_image=200,
    ),
)
"""Best first, by mask AP; those that nobody measured come last."""
