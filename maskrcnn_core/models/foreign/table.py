"""The families of checkpoints that open, and those that are known well enough to be refused by name.

``CHECKPOINT_FAMILIES`` is the table; menus, command line, README and tests read it. To add a family, write
how its names are told and how its tensors are read, and one row. Torch is imported once something is read:
menus do without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.models.foreign.sidecar import Sidecar

if TYPE_CHECKING:
    from maskrcnn_core.models.foreign.facts import FamilyFacts
    from maskrcnn_core.models.foreign.raw import RawCheckpoint

__all__ = ["CHECKPOINT_FAMILIES", "CheckpointFamily", "config_beside", "family_of_names"]

_MAX_CONFIG_BYTES = 1 << 20

_OF_SOME = ("config", "style", "preset")
"""What a person may give beside a checkpoint, and not every family has."""


@dataclass(frozen=True)
class CheckpointFamily:
    """One row of the table.

    Args:
        key: for messages and cards.
        title: as people know the project.
        opens: what of it, in words for README and menus.
        files: the usual names of its files.
        beside: names of a training's config next to the weights; ``{stem}`` is the weights' name.
        verified: against what its networks were compared.
        prefixes: of names that no other family's networks have, supported or not.
        read: brings what is in a file into torchvision's terms, given what a person says beside it.
        takes: of a :class:`Sidecar`, what only some families have.
    """

    key: str
    title: str
    opens: str
    files: str
    beside: tuple[str, ...]
    verified: str
    prefixes: tuple[str, ...]
    read: Callable[[RawCheckpoint, Sidecar], FamilyFacts]
    takes: frozenset[str] = frozenset()

    def check(self, sidecar: Sidecar, where: str) -> None:
        """Refuse what says nothing of this family's networks: it would be passed over in silence.

        Raises:
            InputError: naming it, and whose it is.
        """
        for name in _OF_SOME:
            if getattr(sidecar, name) is not None and name not in self.takes:
                whose = " and ".join(row.title for row in CHECKPOINT_FAMILIES if name in row.takes)
                raise InputError(
                    f"{where}: expected no {name} for a checkpoint of {self.title}, got one; it is for "
                    f"{whose}"
                )


def _torchvision(raw: RawCheckpoint, sidecar: Sidecar) -> FamilyFacts:
    from maskrcnn_core.models.foreign.torchvision import read_torchvision

    return read_torchvision(
        raw.tensors, raw.file_name, norm_eps=sidecar.norm_eps, boxes_only=sidecar.boxes_only
    )


def _detectron2(raw: RawCheckpoint, sidecar: Sidecar) -> FamilyFacts:
    from maskrcnn_core.models.foreign.detectron2 import read_detectron2
    from maskrcnn_core.models.foreign.detectron2_config import read_detectron2_config

    config = None
    if sidecar.config is not None:
        config = read_detectron2_config(sidecar.config, boxes_only=sidecar.boxes_only)
    return read_detectron2(raw.tensors, raw.file_name, config, boxes_only=sidecar.boxes_only)


def _mmdetection(raw: RawCheckpoint, sidecar: Sidecar) -> FamilyFacts:
    from maskrcnn_core.models.foreign.mmdetection import read_mmdetection
    from maskrcnn_core.models.foreign.mmdetection_config import parse_mmdetection_config

    config = None
    if sidecar.config is not None:
        config = parse_mmdetection_config(_text_of(sidecar.config), sidecar.config.name)
    meta = raw.meta.get("meta")
    said = {str(key): value for key, value in meta.items()} if isinstance(meta, Mapping) else {}
    return read_mmdetection(
        raw.tensors, raw.file_name, said, config, sidecar.style, boxes_only=sidecar.boxes_only
    )


def _matterport(raw: RawCheckpoint, sidecar: Sidecar) -> FamilyFacts:
    from maskrcnn_core.models.foreign.matterport import read_matterport
    from maskrcnn_core.models.foreign.matterport_config import MATTERPORT_PRESETS, read_printed_config

    settings = None if sidecar.preset is None else MATTERPORT_PRESETS[sidecar.preset]
    if sidecar.config is not None:
        settings = read_printed_config(_text_of(sidecar.config), settings)
    return read_matterport(raw.tensors, raw.file_name, settings)


CHECKPOINT_FAMILIES: tuple[CheckpointFamily, ...] = (
    CheckpointFamily(
        key="detectron2",
        title="Detectron2",
        opens="ResNet-50, ResNet-101 and ResNeXt-101 with a feature pyramid, 1x, 3x and new baselines (LSJ)",
        files="model_final.pth, with config.yaml; the model zoo's model_final_*.pkl",
        beside=("{stem}.yaml", "config.yaml"),
        verified="Detectron2's own predictor",
        prefixes=("backbone.bottom_up.", "proposal_generator."),
        read=_detectron2,
        takes=frozenset({"config"}),
    ),
    CheckpointFamily(
        key="mmdetection",
        title="mmdetection 2.x and 3.x",
        opens="ResNet-50, ResNet-101 and ResNeXt-101 with a feature pyramid, in the pytorch and caffe styles",
        files="epoch_12.pth; the model zoo's files",
        beside=("{stem}.py",),
        verified="mmdetection's own inference_detector",
        prefixes=("neck.", "roi_head.", "rpn_head.", "bbox_head."),
        read=_mmdetection,
        takes=frozenset({"config", "style"}),
    ),
    CheckpointFamily(
        key="matterport",
        title="Matterport's Mask_RCNN",
        opens="ResNet-50 and ResNet-101 with any number of classes, weights and whole models of Keras 2",
        files="mask_rcnn_coco.h5 and those of your own training",
        beside=("{stem}.config.txt",),
        verified="Matterport's own detect",
        prefixes=("mrcnn_", "rpn_conv_shared", "fpn_c5p5", "res2a_branch2a.", "bn2a_branch2a."),
        read=_matterport,
        takes=frozenset({"config", "preset"}),
    ),
    CheckpointFamily(
        key="torchvision",
        title="torchvision",
        opens="ResNet-18 to ResNet-152, ResNeXt and wide ResNets with a feature pyramid, versions 1 and 2",
        files="a state dict as .pth or .safetensors",
        beside=(),
        verified="torchvision itself",
        prefixes=("backbone.body.", "backbone.fpn.", "rpn.head.", "roi_heads."),
        read=_torchvision,
    ),
)

_REFUSED: tuple[tuple[str, str], ...] = (
    ("backbone.fpn.fpn_inner", "maskrcnn-benchmark"),
    ("roi_heads.box.feature_extractor.", "maskrcnn-benchmark"),
    ("conv_rpn_fpn2_w", "Detectron1 (Caffe2)"),
    ("res2_0_branch2a_w", "Detectron1 (Caffe2)"),
    ("FirstStageFeatureExtractor", "TensorFlow's object detection API"),
    ("transformer.", "a transformer such as DETR"),
    ("model.24.", "YOLO"),
)


def family_of_names(names: Iterable[str], where: str) -> CheckpointFamily:
    """Return the family whose names a checkpoint has.

    Raises:
        WeightsError: if it is of none, saying of which others it may be.
    """
    listed = list(names)
    for prefix, title in _REFUSED:
        if any(name.startswith(prefix) for name in listed):
            raise WeightsError(
                f"{where}: expected a checkpoint of {_titles()}, got one of {title}, which is not supported"
            )
    for family in CHECKPOINT_FAMILIES:
        if any(name.startswith(family.prefixes) for name in listed):
            return family
    raise WeightsError(
        f"{where}: expected a checkpoint of {_titles()}, got {len(listed)} tensors that no known Mask R-CNN "
        f"has: {', '.join(listed[:3])}{' ...' if len(listed) > 3 else ''}"
    )


def config_beside(file: Path, family: CheckpointFamily) -> Path | None:
    """Return the config that lies next to a family's weights, or None."""
    places = (file.with_name(name.format(stem=file.stem)) for name in family.beside)
    return next((place for place in places if place.is_file() and place != file), None)


def _titles() -> str:
    *most, last = (family.title for family in CHECKPOINT_FAMILIES)
    return f"{', '.join(most)} or {last}"


def _text_of(file: Path) -> str:
    try:
        if file.stat().st_size > _MAX_CONFIG_BYTES:
            raise InputError(f"{file.name}: expected a config, got a file of over a million bytes")
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{file.name}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file.name}: expected UTF-8 text, got other bytes") from error
