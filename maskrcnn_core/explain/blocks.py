"""The blocks of a network, as one image used them: what came out of each, and how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maskrcnn_core.explain.trace import FeatureMap, Group, Trace
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.models.summary import PARTS, Part, part_of

__all__ = ["Block", "blocks_of"]


@dataclass(frozen=True)
class Block:
    """A part of the network, in the order of an image's way.

    Args:
        name: ``input``, the feature map that a part of the backbone ends with (``C2``), or the group.
        group: of :class:`~maskrcnn_core.explain.trace.PartTime`.
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


def blocks_of(model: LoadedModel, trace: Trace) -> tuple[Block, ...]:
    """Return the blocks that an image went through: input, backbone stages, pyramid, RPN, box and mask head.

    A stage of the backbone is what leads to one feature map of :attr:`Trace.backbone`: for a ResNet the stem
    and the four stages of He et al. 2016. Parameters of all blocks sum up to those of the model summary.

    Args:
        model: whose network :func:`~maskrcnn_core.explain.tracing.trace_network` ran.
        trace: of the image.
    """
    drafts = [_heads_draft(trace, "input", 0), *_backbone_drafts(model, trace)]
    counts = _parameters_by_part(model)
    timed = {time.group for time in trace.times}
    for part in PARTS[1:]:
        if counts[part] or part in timed:
            drafts.append(_heads_draft(trace, part, counts[part]))
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


def _backbone_drafts(model: LoadedModel, trace: Trace) -> list[_Draft]:
    """Return a draft for each feature map; a part after the last map belongs to that map."""
    backbone = model.network.backbone
    children = dict(getattr(backbone, "body", backbone).named_children())
    ends = {m.module: m for m in trace.backbone}
    drafts: list[_Draft] = []
    is_open = False
    for time in (t for t in trace.times if t.group == "backbone"):
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


def _heads_draft(trace: Trace, group: Group, parameters: int) -> _Draft:
    times = [time for time in trace.times if time.group == group]
    return _Draft(
        name=group,
        group=group,
        parts=[time.name for time in times],
        parameters=parameters,
        maps=trace.pyramid if group == "feature pyramid" else (),
        output=_output_of(trace, group),
        seconds=sum(time.seconds for time in times),
    )


def _output_of(trace: Trace, group: Group) -> str:
    height, width = trace.input.padded_size
    regions = len(trace.regions.boxes)
    side = trace.run.mask_size
    words: dict[Group, str] = {
        "input": f"3 × {height} × {width}",
        "RPN": f"{regions:,} regions out of {len(trace.all_anchors):,} anchors",
        "box head": f"{len(trace.run.candidates):,} candidates out of {regions:,} regions",
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
