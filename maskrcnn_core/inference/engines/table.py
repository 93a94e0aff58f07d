"""The engines that MaskDesk knows, one row each, from the one that defines the result to the fastest.

Torch is imported when an engine is made: menus and command lines show the table without waiting for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.errors import InputError
from maskrcnn_core.inference.engines.equality import Bound
from maskrcnn_core.inference.engines.kept import mark_used, place_of
from maskrcnn_core.inference.engines.spec import EngineSpec, OnStep

if TYPE_CHECKING:
    from torchvision.models.detection import MaskRCNN

    from maskrcnn_core.models.spec import LoadedModel

__all__ = ["AUTO", "AUTO_TITLE", "ENGINES", "EXACT", "NEARLY", "ROUNDING", "check_engine", "engine_by_key"]

AUTO = "auto"
"""The fastest engine that a job is worth and whose bound holds; else the exact one."""

AUTO_TITLE = "Automatic"
"""Of :data:`AUTO`, as menus show it."""

ROUNDING = Bound(box_pixels=0.05, score=0.003, mask_iou=0.98)
"""Of engines that add up the same numbers in another order."""

NEARLY = Bound(matched=0.9)
"""Of engines that compute in half precision: what lies near the score threshold comes and goes."""


def _own(model: LoadedModel, _images: Sequence[Pixels], _device: str, _told: OnStep) -> MaskRCNN:
    return model.network


def _folded(model: LoadedModel, _images: Sequence[Pixels], _device: str, told: OnStep) -> MaskRCNN:
    from maskrcnn_core.inference.engines.folded import folded

    told("folding norms")
    return folded(model.network, least=1)


def _through_openvino(model: LoadedModel, images: Sequence[Pixels], _device: str, told: OnStep) -> MaskRCNN:
    from maskrcnn_core.inference.engines.openvino_parts import through_openvino

    return through_openvino(model.network, images[0], _parts_of(model), told)


def _in_bfloat16(model: LoadedModel, images: Sequence[Pixels], _device: str, told: OnStep) -> MaskRCNN:
    from maskrcnn_core.inference.engines.openvino_parts import through_openvino

    made = through_openvino(model.network, images[0], _parts_of(model), told, "bf16")
    mark_used(_parts_of(model))
    return made


def _parts_of(model: LoadedModel) -> Path:
    """Return where a model's converted parts are kept: either precision runs the same ones."""
    return place_of("openvino", model.digest, _openvino())


def _in_half(model: LoadedModel, images: Sequence[Pixels], device: str, told: OnStep) -> MaskRCNN:
    import torch

    from maskrcnn_core.inference.engines.half import half_dtype, in_half

    told("moving to the GPU")
    return in_half(model.network, images[0], torch.device(device), half_dtype())


def _torch() -> str:
    return f"torch {version('torch')}, torchvision {version('torchvision')}"


_CONVERSION = 2  # rises when other parts come out of the same model: what is kept is then made anew


def _openvino() -> str:
    return f"{_torch()}, openvino {version('openvino')}, conversion {_CONVERSION}"


ENGINES: tuple[EngineSpec, ...] = (
    EngineSpec(
        "exact",
        "Exact",
        "PyTorch as torchvision runs it: bit for bit the stock result.",
        "as torchvision",
        ("cpu", "cuda", "mps"),
        None,
        _own,
        _torch,
    ),
    EngineSpec(
        "folded",
        "Folded",
        "PyTorch with the norms folded into the convolutions and channels innermost.",
        "1.2 times exact for a ResNet-50",
        ("cpu",),
        ROUNDING,
        _folded,
        _torch,
        worth_from=24,
    ),
    EngineSpec(
        "openvino",
        "OpenVINO",
        "OpenVINO on the CPU in float32; the converted parts are kept in your cache.",
        "1.2 to 1.4 times exact for a ResNet-50, 0.9 to 1.1 for `mobile` and `photos`",
        ("cpu",),
        ROUNDING,
        _through_openvino,
        _openvino,
        extra="openvino",
        worth_from=200,  # converting and comparing take a minute for a ResNet-50
    ),
    EngineSpec(
        "openvino-bf16",
        "OpenVINO, half precision",
        "OpenVINO in bfloat16, on processors with instructions for it; it runs the same converted parts.",
        "3.2 to 3.6 times exact for a ResNet-50, 1.3 for `mobile` and `photos`",
        ("cpu",),
        NEARLY,
        _in_bfloat16,
        _openvino,
        extra="openvino",
    ),
    EngineSpec(
        "cuda",
        "CUDA, half precision",
        "PyTorch on an NVIDIA GPU: dense parts in bfloat16 or float16, a batch as one CUDA graph.",
        "not measured, so never chosen by auto",
        ("cuda",),
        NEARLY,
        _in_half,
        _torch,
        buckets=True,
    ),
)
"""The table; each row's bound is checked for each model before it is used."""

EXACT = ENGINES[0]


def engine_by_key(key: str) -> EngineSpec:
    """Return the row with this key.

    Raises:
        InputError: with the keys that there are.
    """
    keys = [spec.key for spec in ENGINES]
    if key in keys:
        return ENGINES[keys.index(key)]
    close = get_close_matches(key.casefold(), keys, n=1)
    help_ = f"did you mean {close[0]}?" if close else f"choose one of {', '.join((AUTO, *keys))}"
    raise InputError(f"engine {key!r}: there is no such engine; {help_}")


def check_engine(key: str) -> None:
    """Check what a job asks for: ``auto``, or the key of a row.

    Raises:
        InputError: with the keys that there are.
    """
    if key != AUTO:
        engine_by_key(key)
