"""The engines of OpenVINO: dense parts converted for it, which it fuses and lays out anew.

Conversion follows each part once, which takes half a minute for a ResNet-50; what comes of it is kept in the
person's cache and opens in seconds, in either precision.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import sys
import tempfile
import threading
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.errors import InferenceError
from maskrcnn_core.inference.engines.dense import PARTS, DensePart, dense_parts, level_names, with_parts
from maskrcnn_core.inference.engines.kept import alone_with
from maskrcnn_core.inference.engines.spec import OnStep

# Its converter reports each use to its maker, from a fork of this process, unless that package is missing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino as ov  # noqa: E402

__all__ = ["Precision", "through_openvino"]

Precision = Literal["f32", "bf16"]
"""What OpenVINO computes in; tensors between the parts are float32 in any case."""


@functools.cache
def _core() -> ov.Core:
    """Return the one core of this process, which is never let go.

    On processors with AMX each core gives the thread that makes it a stack for signals, and frees that stack
    at its own end even if the thread still has it: the next signal that Python handles would end the process.
    """
    return ov.Core()


class _Compiled(nn.Module):
    """A part that OpenVINO runs on the CPU: the same tensors in and out."""

    def __init__(self, model: ov.Model, precision: Precision) -> None:
        super().__init__()
        settings = {
            "INFERENCE_PRECISION_HINT": precision,  # left out, it depends on the processor
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "ENABLE_CPU_PINNING": False,  # else the threads of all processes share the first cores
        }
        self._compiled = _core().compile_model(model, "CPU", settings)
        self._lock = threading.Lock()  # masks of one image may be wanted while another one runs

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        # A network that proposes nothing asks for no boxes, which OpenVINO takes for a mistake.
        rows = len(inputs[0])
        given = inputs if rows else tuple(torch.zeros(1, *one.shape[1:]) for one in inputs)
        arrays = [one.contiguous().numpy() for one in given]
        with self._lock:
            outputs = self._compiled(arrays, share_inputs=True)
        tensors = (torch.from_numpy(np.asarray(outputs[port])) for port in self._compiled.outputs)
        return tuple(one if rows else one[:0] for one in tensors)


def through_openvino(
    network: MaskRCNN, image: Pixels, place: Path, on_step: OnStep, precision: Precision = "f32"
) -> MaskRCNN:
    """Return a copy of a network whose dense parts run in OpenVINO.

    Args:
        network: on the CPU; it is not changed.
        image: any, uint8 ``[H, W, 3]``.
        place: the folder in which its converted parts are kept.
        on_step: told of each part.
        precision: what it computes in.

    Raises:
        InferenceError: if a part cannot be converted, or this processor cannot compute in the precision.
    """
    core = _core()
    if not _has_instructions(core, precision):  # float32 would run under another name
        raise InferenceError(f"this processor has no instructions for {precision}")
    with alone_with(place) as can_keep:
        models = _kept(core, place)
        if models is None:
            models = _converted(dense_parts(network, image), on_step)
            if can_keep:
                _keep(models, place)
    on_step("opening")
    parts = {name: _Compiled(model, precision) for name, model in models.items()}
    return with_parts(network, parts, level_names(network, image))


def _has_instructions(core: ov.Core, precision: Precision) -> bool:
    capabilities = {"f32": "FP32", "bf16": "BF16"}
    return capabilities[precision] in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _converted(parts: dict[str, DensePart], on_step: OnStep) -> dict[str, ov.Model]:
    models = {}
    for number, (name, part) in enumerate(parts.items(), 1):
        on_step(f"converting part {number} of {len(parts)}, the {name}")
        try:
            with warnings.catch_warnings(), torch.inference_mode():
                warnings.simplefilter("ignore")  # OpenVINO follows modules in a way that torch calls old
                models[name] = ov.convert_model(part.module, example_input=part.example)
        except Exception as error:  # whatever converters raise: the exact engine does without
            raise InferenceError(f"OpenVINO cannot convert its {name} ({_first_line(error)})") from error
    return models


# -- kept -------------------------------------------------------------------------------------------


def _file_of(place: Path, name: str) -> Path:
    return place / f"{name.replace(' ', '-').lower()}.xml"


def _kept(core: ov.Core, place: Path) -> dict[str, ov.Model] | None:
    """Return the kept parts, if all of them are there and can be read."""
    try:
        return {name: core.read_model(_file_of(place, name)) for name in PARTS}
    except RuntimeError:
        return None


def _keep(models: dict[str, ov.Model], place: Path) -> None:
    """Keep parts, all or none; where nothing can be written they are converted each time."""
    with contextlib.suppress(OSError, RuntimeError):
        made = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        try:
            for name, model in models.items():
                ov.save_model(model, _file_of(made, name), compress_to_fp16=False)
            shutil.rmtree(place, ignore_errors=True)
            made.rename(place)
        finally:
            shutil.rmtree(made, ignore_errors=True)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
