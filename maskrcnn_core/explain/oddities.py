"""What is odd about a layer's weights, as its own numbers show it: dead outputs, weights far from all others.

The rules are set so that they say nothing of networks that work, trained or just begun, and speak up for
damaged ones; each limit gives its reason.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from maskrcnn_core.common.arrays import Floats, Ints

__all__ = [
    "DEAD_SHARE",
    "FAR_DEVIATIONS",
    "array_of",
    "dead_outputs",
    "far_weights",
    "is_norm",
    "oddities_of",
]

Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

DEAD_SHARE = 1e-4
"""An output is dead if its weights' norm is no more than this share of the layer's median norm.

These networks work in half precision, too, whose steps are 5e-4 of a value: what such an output has to say
is lost in the rounding of its neighbours. Outputs of trained networks were seen down to 0.2 of the median.
"""

FAR_DEVIATIONS = 60.0
"""Standard deviations from the median beyond which a weight is far from all others; trained networks, whose
weights have longer tails than a normal distribution, were seen to reach 29."""

_ZEROS = 0.5  # share of exact zeros that only pruning leaves; weights of 8 bits were seen to have 0.15
_LEAST_SPREAD = 0.05  # of the median: gains of batch norm all begin at 1, and the first that moves is not far
_FEW = 8  # weights; fewer have no spread to compare with
_SAMPLE = 250_000  # weights that a median is taken over; more would not move it
_FLOAT_MAX = float(np.finfo(np.float32).max)
_STEADY = 1e-3  # share of the median variance
_NAMED = 6  # outputs that a sentence counts up


def is_norm(module: nn.Module) -> bool:
    """Return whether a layer is batch norm that keeps running variances."""
    return isinstance(getattr(module, "running_var", None), Tensor)


def array_of(tensor: Tensor) -> Floats:
    """Return a tensor's values as float32, wherever it lies."""
    values: Floats = tensor.detach().cpu().float().numpy()
    return values


def dead_outputs(norms: Doubles, norm: nn.Module | None) -> Flags:
    """Return which outputs cannot matter.

    A small one is not dead if batch norm makes it as large as others.
    """
    dead = _negligible(norms)
    gain = getattr(norm, "weight", None)
    if norm is None or gain is None or len(gain) != len(norms):
        return dead
    variance = array_of(norm.running_var).astype(np.float64) + norm.eps  # type: ignore[arg-type,operator]
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = norms * np.abs(array_of(gain)) / np.sqrt(variance)
    both: Flags = (norms == 0) | (dead & _negligible(scaled))
    return both


def _negligible(norms: Doubles) -> Flags:
    alive = norms[np.isfinite(norms) & (norms > 0)]
    limit = DEAD_SHARE * float(np.median(alive)) if len(alive) else 0.0
    flags: Flags = norms <= limit
    return flags


def far_weights(rows: Floats) -> tuple[Flags, float]:
    """Return which weights are far from all others, and how many standard deviations the farthest is.

    The deviation is 1.4826 times the median distance from the median, as it is for a normal distribution
    (Rousseeuw and Croux 1993); unlike the usual one it does not grow with what is far out. Exact zeros are
    left aside, as what was pruned would hide the spread of the rest.
    """
    none = np.zeros(rows.shape, np.bool_)
    sample = rows.reshape(-1)
    if len(sample) > _SAMPLE:
        sample = sample[np.random.default_rng(0).integers(len(sample), size=_SAMPLE)]
    sample = sample[np.isfinite(sample) & (sample != 0)].astype(np.float64)
    if len(sample) < _FEW:
        return none, 0.0
    median = float(np.median(sample))
    spread = max(1.4826 * float(np.median(np.abs(sample - median))), _LEAST_SPREAD * abs(median))
    limit = FAR_DEVIATIONS * spread
    low, high = np.float32(max(median - limit, -_FLOAT_MAX)), np.float32(min(median + limit, _FLOAT_MAX))
    far: Flags = ((rows < low) | (rows > high)) & np.isfinite(rows) & (rows != 0)
    if spread == 0 or not far.any():
        return none, 0.0
    return far, float(np.abs(rows[far].astype(np.float64) - median).max()) / spread


def oddities_of(
    name: str, module: nn.Module, tensor: Tensor, rows: Floats, dead: Flags, far: Flags, distance: float
) -> tuple[str, ...]:
    """Say in sentences what is odd about a layer; none for a layer like others.

    Args:
        name: of the module in the network.
        module: the layer.
        tensor: its weights.
        rows: float32 ``[O, weights of each]``, the weights by output.
        dead: of each output, as :func:`dead_outputs` says.
        far, distance: of each weight, as :func:`far_weights` says.
    """
    return (
        *_not_finite(module, tensor),
        *_about_dead(name, rows, dead),
        *_sameness(module, rows, dead),
        *_about_far(far, distance),
        *_variances(module),
    )


def _not_finite(module: nn.Module, weight: Tensor) -> list[str]:
    own = dict(module.named_parameters(recurse=False)) | dict(module.named_buffers(recurse=False))
    tensors = {"weight": weight, **{name.replace("_", " "): t for name, t in own.items() if t is not weight}}
    sentences = []
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and (bad := int((~tensor.isfinite()).sum())):
            sentences.append(f"NaN or infinity: {bad:,} of {tensor.numel():,} numbers of the {name}.")
    return sentences


def _about_dead(name: str, rows: Floats, dead: Flags) -> list[str]:
    if not (rows != 0).any():
        return ["All weights are zero."]
    if not dead.any():
        return []
    which = np.flatnonzero(dead)
    verb = "is" if len(which) == 1 else "are"
    sentence = f"{len(which):,} of {len(dead):,} outputs {verb} dead: {_numbers(which)}."
    if name.startswith("roi_heads.box_predictor.bbox_pred") and (which < 4).all():
        sentence = f"{sentence[:-1]}, the background's box, which is never used."
    return [sentence]


def _sameness(module: nn.Module, rows: Floats, dead: Flags) -> list[str]:
    """Describe weights that are equal where training would have set them apart.

    Batch norm starts with ones.
    """
    if is_norm(module) or rows.size < 2 or not (rows != 0).any():
        return []
    if (rows == rows.flat[0]).all():
        return [f"All weights are equal: {rows.flat[0]:g}."]
    sentences = []
    alive = rows[~dead]
    zeros = float((alive == 0).mean()) if alive.size else 0.0
    if zeros >= _ZEROS and not _reads_one_input(module, rows):
        sentences.append(f"{zeros:.0%} of the weights of living outputs are exactly zero.")
    copies = len(alive) - len({row.tobytes() for row in alive}) if rows.shape[1] >= _FEW else 0
    if copies:
        what = "output has" if copies == 1 else "outputs have"
        sentences.append(f"{copies:,} {what} the very weights of another.")
    return sentences


def _reads_one_input(module: nn.Module, rows: Floats) -> bool:
    """Return whether it is a depthwise layer written out in full, as MaskRCNN2Go's upsampling is."""
    size = getattr(module, "kernel_size", None)
    if size is None:
        return False
    reads = (rows.reshape(len(rows), -1, int(np.prod(size))) != 0).any(2)
    return bool((reads.sum(1) <= 1).all())


def _about_far(far: Flags, distance: float) -> list[str]:
    if not far.any():
        return []
    count, where = int(far.sum()), np.flatnonzero(far.any(1))
    verb, among = ("weight is", "output") if count == 1 else ("weights are", "outputs")
    return [
        f"{count:,} {verb} far outside the rest, up to {distance:,.0f} standard deviations, "
        f"in {'output' if len(where) == 1 else among} {_numbers(where)}."
    ]


def _variances(module: nn.Module) -> list[str]:
    """Describe channels that stayed the same throughout training: their slightest change is magnified."""
    if not is_norm(module):
        return []
    variance = array_of(module.running_var)  # type: ignore[arg-type]  # is_norm
    finite = variance[np.isfinite(variance)]
    if not len(finite):
        return []
    sentences = []
    if negative := int((finite < 0).sum()):
        sentences.append(f"The running variance of {negative:,} of {len(variance):,} channels is negative.")
    eps = float(getattr(module, "eps", 0.0)) or 1e-5  # published networks of version 1 add nothing
    steady = (variance >= 0) & (variance < eps)
    # Where all activations are small, so are all variances.
    steady &= (variance <= _STEADY * np.median(finite)) | (variance == 0)
    if steady.any():
        which = np.flatnonzero(steady)
        sentences.append(
            f"The running variance of {len(which):,} of {len(variance):,} channels is next to zero: "
            f"{_numbers(which)}."
        )
    return sentences


def _numbers(which: Ints) -> str:
    """Return numbers as ``0 to 3, 17, 40 and 5 more``."""
    starts = [n for n in which if n - 1 not in set(which.tolist())]
    ends = [n for n in which if n + 1 not in set(which.tolist())]
    runs = [str(a) if a == b else f"{a} to {b}" for a, b in zip(starts, ends, strict=True)]
    if len(runs) <= _NAMED:
        return ", ".join(runs)
    left = len(which) - sum(int(b - a + 1) for a, b in zip(starts[:_NAMED], ends[:_NAMED], strict=True))
    return f"{', '.join(runs[:_NAMED])} and {left:,} more"
