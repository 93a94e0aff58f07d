"""A network's weights, layer by layer, with what is odd about them; and its blocks, as one image used them.

A layer is a module with weights of its own. One of its outputs (a channel, a class, a number) is dead if its
weights cannot matter, whatever the image; channels that are silent on one image only are told by
:attr:`maskrcnn_core.stages.FeatureMap.silent`. The rules for what is odd are set so that they say nothing of
networks that work, trained or just begun, and speak up for damaged ones; each limit gives its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from maskrcnn_core.model_summary import PARTS, Part, part_of
from maskrcnn_core.models import LoadedModel
from maskrcnn_core.stages import FeatureMap, Group, Stages

__all__ = [
    "BINS",
    "DEAD_SHARE",
    "FAR_DEVIATIONS",
    "Block",
    "Layer",
    "blocks_of",
    "layers_of",
]

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

BINS = 60
"""Of a layer's histogram."""

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


@dataclass(frozen=True, eq=False)
class Layer:
    """The weights of one module. Where some are NaN or infinite, numbers are those of the others.

    Args:
        name: in the network, with dots.
        group: of the model summary.
        kind: in words.
        shape: of the weight tensor.
        parameters: learned numbers, with the bias; frozen batch norm has none, as in the model summary.
        fixed: numbers that belong to it and are not learned: running statistics, frozen batch norm.
        least, greatest, mean, deviation: of the weights; NaN where none is finite. The deviation is the
            standard one.
        zeros: share of weights that are exactly zero.
        norms: float32 ``[O]``, for each output the root of the sum of its weights' squares; NaN or infinity
            where one of them is.
        dead: int64, outputs whose weights cannot matter (:data:`DEAD_SHARE`), ascending.
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
    fixed: int
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
        """How many: channels, classes or numbers."""
        return len(self.norms)


@dataclass(frozen=True)
class Block:
    """A part of the network, in the order of an image's way.

    Args:
        name: ``input``, the feature map that a part of the backbone ends with (``C2``), or the group.
        group: of :class:`~maskrcnn_core.stages.PartTime`.
        parts: names of what was timed within.
        parameters: learned numbers.
        maps: ``(channels, height, width)`` in cells of each feature map that comes out, the finest first.
        output: what comes out, in words.
        silent: channels of these maps that say the same everywhere on this image; None where there are none
            to look at.
        seconds: that it took.
        parameter_share: of all the network's.
        time_share: of the time of all blocks.
    """

    name: str
    group: Group
    parts: tuple[str, ...]
    parameters: int
    maps: tuple[tuple[int, int, int], ...]
    output: str
    silent: int | None
    seconds: float
    parameter_share: float
    time_share: float


# -- layers ---------------------------------------------------------------------------------------------


def layers_of(model: LoadedModel) -> tuple[Layer, ...]:
    """All layers, in the network's order. Nothing is run; 44 million weights take some seconds."""
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
    """The tensor that a layer is judged by."""
    own = dict(module.named_parameters(recurse=False))
    weight = getattr(module, "weight", None)
    if isinstance(weight, Tensor) and (own or isinstance(module, FrozenBatchNorm2d)):
        return weight if weight.numel() else None
    return next((p for p in own.values() if p.numel()), None)


def _norm_after(name: str, after: tuple[str, nn.Module] | None) -> nn.Module | None:
    """The batch norm that scales a layer's outputs anew, if the next layer of the same parent is one."""
    if after is None or after[0].rpartition(".")[0] != name.rpartition(".")[0]:
        return None
    return after[1] if _is_norm(after[1]) else None


def _is_norm(module: nn.Module) -> bool:
    return isinstance(getattr(module, "running_var", None), Tensor)


def _layer(name: str, module: nn.Module, tensor: Tensor, norm: nn.Module | None) -> Layer:
    rows = _rows_by_output(module, _array(tensor))
    finite = np.isfinite(rows)
    good = rows.reshape(-1) if finite.all() else rows[finite]
    far, distance = _far(rows)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    dead = _dead(norms, norm)
    # In float64: next to their size, weights of batch norm can be closer than 60 steps of float32.
    counts, edges = np.histogram(good.astype(np.float64), BINS)
    return Layer(
        name=name,
        group=part_of(name),
        kind=_kind(module),
        shape=tuple(tensor.shape),
        parameters=sum(p.numel() for p in module.parameters(recurse=False)),
        fixed=sum(b.numel() for b in module.buffers(recurse=False) if b.is_floating_point()),
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
        oddities=(
            *_not_finite(module, tensor),
            *_dead_outputs(name, rows, dead),
            *_sameness(module, rows, dead),
            *_far_weights(far, distance),
            *_variances(module),
        ),
    )


def _array(tensor: Tensor) -> Floats:
    values: Floats = tensor.detach().cpu().float().numpy()
    return values


def _rows_by_output(module: nn.Module, weight: Floats) -> Floats:
    """``[O, weights of each]``; torch keeps those of a transposed convolution by input."""
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


def _dead(norms: Doubles, norm: nn.Module | None) -> Flags:
    """Which outputs cannot matter; a small one is not dead if batch norm makes it as large as others."""
    dead = _negligible(norms)
    gain = getattr(norm, "weight", None)
    if norm is None or gain is None or len(gain) != len(norms):
        return dead
    variance = _array(norm.running_var).astype(np.float64) + norm.eps  # type: ignore[arg-type,operator]
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = norms * np.abs(_array(gain)) / np.sqrt(variance)
    both: Flags = (norms == 0) | (dead & _negligible(scaled))
    return both


def _negligible(norms: Doubles) -> Flags:
    alive = norms[np.isfinite(norms) & (norms > 0)]
    limit = DEAD_SHARE * float(np.median(alive)) if len(alive) else 0.0
    flags: Flags = norms <= limit
    return flags


def _far(rows: Floats) -> tuple[Flags, float]:
    """Which weights are far from all others, and how many standard deviations the farthest is.

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


# -- what is odd ------------------------------------------------------------------------------------------


def _not_finite(module: nn.Module, weight: Tensor) -> list[str]:
    own = dict(module.named_parameters(recurse=False)) | dict(module.named_buffers(recurse=False))
    tensors = {"weight": weight, **{name.replace("_", " "): t for name, t in own.items() if t is not weight}}
    sentences = []
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and (bad := int((~tensor.isfinite()).sum())):
            sentences.append(f"NaN or infinity: {bad:,} of {tensor.numel():,} numbers of the {name}.")
    return sentences


def _dead_outputs(name: str, rows: Floats, dead: Flags) -> list[str]:
    if not (rows != 0).any():
        return ["All weights are zero."]
    if not dead.any():
        return []
    which = np.flatnonzero(dead)
    verb = "is" if len(which) == 1 else "are"
    sentence = f"{len(which):,} of {len(dead):,} outputs {verb} dead: {_numbers(which)}."
    if name.startswith("roi_heads.box_predictor.bbox_pred") and (which < 4).all():
        sentence = f"{sentence[:-1]}, the background's box, which nothing reads."
    return [sentence]


def _sameness(module: nn.Module, rows: Floats, dead: Flags) -> list[str]:
    """Weights that are equal where training would have told them apart; batch norm begins with ones."""
    if _is_norm(module) or rows.size < 2 or not (rows != 0).any():
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
    """Whether it is a depthwise layer that was written out in full, as the upsampling of MaskRCNN2Go is."""
    size = getattr(module, "kernel_size", None)
    if size is None:
        return False
    reads = (rows.reshape(len(rows), -1, int(np.prod(size))) != 0).any(2)
    return bool((reads.sum(1) <= 1).all())


def _far_weights(far: Flags, distance: float) -> list[str]:
    if not far.any():
        return []
    count, where = int(far.sum()), np.flatnonzero(far.any(1))
    verb, among = ("weight lies", "output") if count == 1 else ("weights lie", "outputs")
    return [
        f"{count:,} {verb} far beyond the others, up to {distance:,.0f} standard deviations, "
        f"in {'output' if len(where) == 1 else among} {_numbers(where)}."
    ]


def _variances(module: nn.Module) -> list[str]:
    """Channels that said the same all through training; their slightest change is made much of."""
    if not _is_norm(module):
        return []
    variance = _array(module.running_var)  # type: ignore[arg-type]  # _is_norm
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
    """``0 to 3, 17, 40 and 5 more``."""
    starts = [n for n in which if n - 1 not in set(which.tolist())]
    ends = [n for n in which if n + 1 not in set(which.tolist())]
    runs = [str(a) if a == b else f"{a} to {b}" for a, b in zip(starts, ends, strict=True)]
    if len(runs) <= _NAMED:
        return ", ".join(runs)
    left = len(which) - sum(int(b - a + 1) for a, b in zip(starts[:_NAMED], ends[:_NAMED], strict=True))
    return f"{', '.join(runs[:_NAMED])} and {left:,} more"


# -- blocks ---------------------------------------------------------------------------------------------


@dataclass
class _Draft:
    """A block before all are known."""

    name: str
    group: Group
    parts: list[str]
    parameters: int
    maps: tuple[FeatureMap, ...]
    output: str
    seconds: float


def blocks_of(model: LoadedModel, stages: Stages) -> tuple[Block, ...]:
    """The blocks that an image went through: input, stages of the backbone, pyramid, RPN, box and mask head.

    A stage of the backbone is what leads to one feature map of :attr:`Stages.backbone`: for a ResNet the stem
    and the four stages of He et al. 2016. Parameters of all blocks sum up to those of the model summary.

    Args:
        model: whose network :func:`~maskrcnn_core.stages.trace` ran.
        stages: of the image.
    """
    drafts = [_heads_draft(stages, "input", 0), *_backbone_drafts(model, stages)]
    counts = _parameters_by_part(model)
    timed = {time.group for time in stages.times}
    for part in PARTS[1:]:
        if counts[part] or part in timed:
            drafts.append(_heads_draft(stages, part, counts[part]))
    parameters = sum(draft.parameters for draft in drafts) or 1
    seconds = sum(draft.seconds for draft in drafts) or 1.0
    return tuple(
        Block(
            name=draft.name,
            group=draft.group,
            parts=tuple(draft.parts),
            parameters=draft.parameters,
            maps=tuple((m.channels, *m.size) for m in draft.maps),
            output=draft.output or _maps_in_words(draft.maps),
            silent=sum(len(m.silent) for m in draft.maps) if draft.maps else None,
            seconds=draft.seconds,
            parameter_share=draft.parameters / parameters,
            time_share=draft.seconds / seconds,
        )
        for draft in drafts
    )


def _parameters_by_part(model: LoadedModel) -> dict[Part, int]:
    counts = dict.fromkeys(PARTS, 0)
    for name, parameter in model.network.named_parameters():
        counts[part_of(name)] += parameter.numel()
    return counts


def _backbone_drafts(model: LoadedModel, stages: Stages) -> list[_Draft]:
    """One for each feature map; a part after the last one belongs to that."""
    backbone = model.network.backbone
    children = dict(getattr(backbone, "body", backbone).named_children())
    ends = {m.module: m for m in stages.backbone}
    drafts: list[_Draft] = []
    is_open = False
    for time in (t for t in stages.times if t.group == "backbone"):
        if not is_open and (not drafts or len(ends) > len(drafts)):
            drafts.append(_Draft("backbone", "backbone", [], 0, (), "", 0.0))
        draft = drafts[-1]
        # A module that runs twice has its parameters once.
        is_new = all(time.name not in d.parts for d in drafts)
        draft.parts.append(time.name)
        draft.seconds += time.seconds
        if is_new and time.name in children:
            draft.parameters += sum(p.numel() for p in children[time.name].parameters())
        is_open = time.name not in ends
        if not is_open:
            draft.name, draft.maps = ends[time.name].name, (ends[time.name],)
    if drafts:
        counted = sum(draft.parameters for draft in drafts)
        drafts[-1].parameters += _parameters_by_part(model)["backbone"] - counted
    return drafts


def _heads_draft(stages: Stages, group: Group, parameters: int) -> _Draft:
    times = [time for time in stages.times if time.group == group]
    return _Draft(
        name=group,
        group=group,
        parts=[time.name for time in times],
        parameters=parameters,
        maps=stages.pyramid if group == "feature pyramid" else (),
        output=_output_of(stages, group),
        seconds=sum(time.seconds for time in times),
    )


def _output_of(stages: Stages, group: Group) -> str:
    height, width = stages.input.padded_size
    regions = len(stages.regions.boxes)
    side = stages.run.mask_size
    words: dict[Group, str] = {
        "input": f"3 × {height} × {width}",
        "RPN": f"{regions:,} regions out of {len(stages.all_anchors):,} anchors",
        "box head": f"{len(stages.run.candidates):,} candidates out of {regions:,} regions",
        "mask head": f"{side} × {side} for each detection",
    }
    return words.get(group, "")


def _maps_in_words(maps: Sequence[FeatureMap]) -> str:
    if not maps:
        return ""
    sizes = [f"{m.size[0]} × {m.size[1]}" for m in maps]
    if len(maps) == 1:
        return f"{maps[0].channels} × {sizes[0]}"
    return f"{len(maps)} maps, {maps[0].channels} × {sizes[0]} to {maps[-1].channels} × {sizes[-1]}"
