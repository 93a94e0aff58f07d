"""A network's weights, layer by layer, with what is odd about them.

A layer is a module with weights of its own. One of its outputs (a channel, a class, a number) is dead if its
weights cannot matter, whatever the image; channels that are silent on one image only are told by
:attr:`maskrcnn_core.explain.trace.FeatureMap.silent`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from maskrcnn_core.common.arrays import Floats, Ints
from maskrcnn_core.explain.oddities import array_of, dead_outputs, far_weights, is_norm, oddities_of
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.models.summary import Part, part_of

__all__ = ["BINS", "Layer", "layers_of"]

Doubles = npt.NDArray[np.float64]

BINS = 60
"""Of a layer's histogram."""


@dataclass(frozen=True, eq=False)
class Layer:
    """The weights of one module. Where some are NaN or infinite, numbers are those of the others.

    Args:
        name: in the network, with dots.
        group: of the model summary.
        kind: in words.
        shape: of the weight tensor.
        parameters: learned numbers, with the bias; frozen batch norm has none, as in the model summary.
        least, greatest, mean, deviation: of the weights; NaN where none is finite. The deviation is the
            standard one.
        zeros: share of weights that are exactly zero.
        norms: float32 ``[O]``, for each output the root of the sum of its weights' squares; NaN or infinity
            where one of them is.
        dead: int64, outputs whose weights cannot matter, ascending; see
            :data:`~maskrcnn_core.explain.oddities.DEAD_SHARE`.
        odd: int64, outputs with a weight that is not finite or is far from all others, ascending.
        counts: int64 ``[BINS]``, weights in each bin.
        edges: float64 ``[BINS + 1]``, of the bins.
        oddities: sentences; none for a layer like others.
    """

    name: str
    group: Part
    kind: str
    shape: tuple[int, ...]
    parameters: int
    least: float
    greatest: float
    mean: float
    deviation: float
    zeros: float
    norms: Floats = field(repr=False)
    dead: Ints = field(repr=False)
    odd: Ints = field(repr=False)
    counts: Ints = field(repr=False)
    edges: Doubles = field(repr=False)
    oddities: tuple[str, ...]

    @property
    def outputs(self) -> int:
        """The number of outputs: channels, classes or numbers."""
        return len(self.norms)


def layers_of(model: LoadedModel) -> tuple[Layer, ...]:
    """Return all layers, in the network's order. Nothing is run; 44 million weights take some seconds."""
    modules = [
        (name, module, weight)
        for name, module in model.network.named_modules()
        if (weight := _weight_of(module)) is not None
    ]
    following = [*modules[1:], None]
    return tuple(
        _layer(name, module, weight, _norm_after(name, after[:2] if after else None))
        for (name, module, weight), after in zip(modules, following, strict=True)
    )


def _weight_of(module: nn.Module) -> Tensor | None:
    """Return the tensor that a layer is judged by."""
    own = dict(module.named_parameters(recurse=False))
    weight = getattr(module, "weight", None)
    if isinstance(weight, Tensor) and (own or isinstance(module, FrozenBatchNorm2d)):
        return weight if weight.numel() else None
    return next((p for p in own.values() if p.numel()), None)


def _norm_after(name: str, after: tuple[str, nn.Module] | None) -> nn.Module | None:
    """Return the batch norm that rescales a layer's outputs, if the next layer of the same parent is one."""
    if after is None or after[0].rpartition(".")[0] != name.rpartition(".")[0]:
        return None
    return after[1] if is_norm(after[1]) else None


def _layer(name: str, module: nn.Module, tensor: Tensor, norm: nn.Module | None) -> Layer:
    rows = _rows_by_output(module, array_of(tensor))
    finite = np.isfinite(rows)
    good = rows.reshape(-1) if finite.all() else rows[finite]
    far, distance = far_weights(rows)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    dead = dead_outputs(norms, norm)
    # In float64: next to their size, weights of batch norm can be closer than 60 steps of float32.
    counts, edges = np.histogram(good.astype(np.float64), BINS)
    return Layer(
        name=name,
        group=part_of(name),
        kind=_kind(module),
        shape=tuple(tensor.shape),
        parameters=sum(p.numel() for p in module.parameters(recurse=False)),
        least=float(good.min()) if len(good) else np.nan,
        greatest=float(good.max()) if len(good) else np.nan,
        mean=float(good.mean(dtype=np.float64)) if len(good) else np.nan,
        deviation=float(good.std(dtype=np.float64)) if len(good) else np.nan,
        zeros=float((rows == 0).mean()),
        norms=norms.astype(np.float32),
        dead=np.flatnonzero(dead),
        odd=np.flatnonzero(far.any(1) | ~np.isfinite(norms)),
        counts=counts.astype(np.int64),
        edges=edges,
        oddities=oddities_of(name, module, tensor, rows, dead, far, distance),
    )


def _rows_by_output(module: nn.Module, weight: Floats) -> Floats:
    """Return ``[O, weights of each]``; torch keeps those of a transposed convolution by input."""
    if not isinstance(module, nn.ConvTranspose2d):
        return weight.reshape(len(weight), -1) if weight.ndim else weight.reshape(1, 1)
    grouped = weight.reshape(module.groups, -1, *weight.shape[1:]).swapaxes(1, 2)
    return grouped.reshape(module.out_channels, -1)


def _kind(module: nn.Module) -> str:
    match module:
        case nn.ConvTranspose2d():
            words = "transposed convolution"
        case nn.Conv2d(groups=groups, in_channels=inputs) if groups == inputs > 1:
            words = "depthwise convolution"
        case nn.Conv2d():
            words = "convolution"
        case nn.Linear():
            return "linear"
        case FrozenBatchNorm2d():
            return "frozen batch norm"
        case nn.BatchNorm2d():
            return "batch norm"
        case _:
            return type(module).__name__
    height, width = module.kernel_size
    stride = f", stride {module.stride[0]}" if module.stride[0] > 1 else ""
    return f"{words} {height} × {width}{stride}"
