"""One step of training, watched: the loop's own call, and what its parts hand to one another.

torchvision's RPN and RoI heads ask methods of their own for targets and samples. For the time of one call
these note down what they were given and what they answered; nothing is computed in another way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.roi_heads import project_masks_on_boxes

from maskrcnn_core.training.augmentation import Target
from maskrcnn_core.training.settings import TrainingSettings
from maskrcnn_core.training.steps import losses_of_step

__all__ = ["SeenSample", "watch_step"]

_AT_ONCE = 16
"""Objects that are compared with all anchors at once: there can be a quarter of a million of these."""


@dataclass(frozen=True, eq=False)
class SeenSample:
    """One sample of a step, and what was made of it. Boxes are x1 y1 x2 y2 in pixels of the network's input.

    Args:
        picture: float32 ``[3, h, w]`` in [0, 1], before the network's own normalising.
        target: as the augmentation made it.
        anchors: float32 ``[A, 4]``, level by level.
        levels: how many anchors each level has; their sum is A.
        anchor_labels: float32 ``[A]``: 1 for an object, 0 for background, -1 for what is left out.
        moved: float32 ``[P, 4]``: where their targets move the anchors of objects, in the anchors' order.
        matched: float32 ``[P, 4]``: the box of the object that each of them stands for.
        drawn: bool ``[A]``: the anchors whose objectness is learned in this step.
        anchor_ious: float32 ``[N]``: what each object overlaps its best anchor by.
        proposals: float32 ``[R, 4]``, as the RPN hands them to the heads.
        proposal_ious: float32 ``[N]``: what each object overlaps its best proposal by.
        rois: float32 ``[K, 4]``: the regions that the heads learn from in this step.
        roi_labels: int64 ``[K]``; 0 is the background.
        roi_matches: int64 ``[K]``: the row of each region's object in the target.
        mask_targets: float32 ``[Q, M, M]`` in [0, 1], of the Q regions with an object, in their order; M is 0
            if no region of the whole step has one.
    """

    picture: Tensor
    target: Target
    anchors: Tensor
    levels: tuple[int, ...]
    anchor_labels: Tensor
    moved: Tensor
    matched: Tensor
    drawn: Tensor
    anchor_ious: Tensor
    proposals: Tensor
    proposal_ious: Tensor
    rois: Tensor
    roi_labels: Tensor
    roi_matches: Tensor
    mask_targets: Tensor


@dataclass(eq=False)
class _Notes:
    """What the parts of a network have said in one step, a list entry for each image."""

    anchors: list[Tensor] = field(default_factory=list)
    levels: tuple[int, ...] = ()
    anchor_labels: list[Tensor] = field(default_factory=list)
    matched: list[Tensor] = field(default_factory=list)
    deltas: Sequence[Tensor] = ()
    drawn: list[Tensor] = field(default_factory=list)
    proposals: list[Tensor] = field(default_factory=list)
    rois: list[Tensor] = field(default_factory=list)
    roi_matches: list[Tensor] = field(default_factory=list)
    roi_labels: list[Tensor] = field(default_factory=list)
    mask_side: int = 0


def watch_step(
    network: MaskRCNN,
    batch: tuple[list[Tensor], list[Target]],
    settings: TrainingSettings,
    step: int,
    *,
    device: torch.device,
    precision: torch.dtype,
) -> tuple[list[SeenSample], dict[str, float]]:
    """Take a step of the loop up to its losses, without gradients.

    Weights stay as they are; batch norms that learn take the batch into their statistics, as they do in
    training. For the arguments see :func:`~maskrcnn_core.training.steps.losses_of_step`.

    Returns:
        What was made of each sample, on the CPU, and the losses by name.
    """
    notes = _Notes()
    with torch.no_grad(), _noting(network, notes):
        losses = losses_of_step(network, batch, settings, step, device=device, precision=precision)
    with torch.no_grad():
        seen = [
            _seen(network, notes, at, picture, {name: value.to(device) for name, value in target.items()})
            for at, (picture, target) in enumerate(zip(*batch, strict=True))
        ]
    return seen, {name: float(loss) for name, loss in losses.items()}


def _seen(network: MaskRCNN, notes: _Notes, at: int, picture: Tensor, target: Target) -> SeenSample:
    rpn, heads = network.rpn, network.roi_heads
    boxes, anchors, labels = target["boxes"], notes.anchors[at], notes.anchor_labels[at]
    objects = labels > 0
    moved = rpn.box_coder.decode_single(notes.deltas[at][objects], anchors[objects]).reshape(-1, 4)
    if notes.rois:
        rois, roi_labels, matches = notes.rois[at], notes.roi_labels[at], notes.roi_matches[at]
    else:  # all of it lay where nobody knows what is there
        rois, roi_labels = anchors.new_zeros((0, 4)), labels.new_zeros(0, dtype=torch.int64)
        matches = roi_labels
    held = roi_labels > 0
    masks = anchors.new_zeros((0, notes.mask_side, notes.mask_side))
    if bool(held.any()):
        # By the laws of the network's family, where it has others than torchvision.
        project = getattr(heads, "project", None) or project_masks_on_boxes
        masks = project(target["masks"], rois[held], matches[held], notes.mask_side)
    values = {
        "picture": picture,
        "anchors": anchors,
        "anchor_labels": labels,
        "moved": moved,
        "matched": notes.matched[at][objects],
        "drawn": notes.drawn[at],
        "anchor_ious": _best(rpn.box_similarity, boxes, anchors),
        "proposals": notes.proposals[at],
        "proposal_ious": _best(heads.box_similarity, boxes, notes.proposals[at]),
        "rois": rois,
        "roi_labels": roi_labels,
        "roi_matches": matches,
        "mask_targets": masks,
    }
    return SeenSample(
        target={name: value.cpu() for name, value in target.items()},
        levels=notes.levels,
        **{name: value.cpu() for name, value in values.items()},
    )


def _best(similarity: Callable[[Tensor, Tensor], Tensor], boxes: Tensor, others: Tensor) -> Tensor:
    if not len(boxes) or not len(others):
        return boxes.new_zeros(len(boxes))
    return torch.cat([similarity(some, others).amax(1) for some in torch.split(boxes, _AT_ONCE)])


@contextmanager
def _noting(network: MaskRCNN, notes: _Notes) -> Iterator[None]:
    """Let a network's parts note down what they say; afterwards they are as they were."""
    rpn, heads = network.rpn, network.roi_heads

    def placed(module: Any, given: Any, anchors: list[Tensor]) -> None:
        maps = given[1]
        places = zip(maps, module.num_anchors_per_location(), strict=True)
        notes.levels = tuple(m.shape[-2] * m.shape[-1] * each for m, each in places)
        notes.anchors = list(anchors)

    def masked(module: Any, given: Any, logits: Tensor) -> None:  # noqa: ARG001
        notes.mask_side = int(logits.shape[-1])

    def assigning(assign: Any) -> Any:
        def noted(anchors: list[Tensor], targets: list[Target]) -> Any:
            labels, matched = assign(anchors, targets)
            notes.anchor_labels, notes.matched = list(labels), list(matched)
            return labels, matched

        return noted

    def losing(lose: Any) -> Any:
        def noted(objectness: Tensor, moves: Tensor, labels: list[Tensor], deltas: Sequence[Tensor]) -> Any:
            notes.deltas = deltas
            return lose(objectness, moves, labels, deltas)

        return noted

    def drawing(draw: Any) -> Any:
        def noted(labels: list[Tensor]) -> Any:
            objects, background = draw(labels)
            notes.drawn = [a.bool() | b.bool() for a, b in zip(objects, background, strict=True)]
            return objects, background

        return noted

    def selecting(select: Any) -> Any:
        def noted(proposals: list[Tensor], targets: list[Target]) -> Any:
            notes.proposals = list(proposals)
            selected = select(proposals, targets)
            notes.rois, notes.roi_matches, notes.roi_labels = (list(part) for part in selected[:3])
            return selected

        return noted

    with ExitStack() as stack:
        for part, name, wrap in (
            (rpn, "assign_targets_to_anchors", assigning),
            (rpn, "compute_loss", losing),
            (rpn, "fg_bg_sampler", drawing),
            (heads, "select_training_samples", selecting),
        ):
            stack.enter_context(_wrapped(part, name, wrap))
        for module, hook in ((rpn.anchor_generator, placed), (heads.mask_predictor, masked)):
            stack.callback(module.register_forward_hook(hook).remove)
        yield
    if not notes.drawn:  # nothing was learned of any anchor
        notes.drawn = [torch.zeros_like(labels, dtype=torch.bool) for labels in notes.anchor_labels]


@contextmanager
def _wrapped(part: Any, name: str, wrap: Callable[[Any], Any]) -> Iterator[None]:
    own = vars(part).get(name)
    setattr(part, name, wrap(getattr(part, name)))
    try:
        yield
    finally:
        if own is None:
            delattr(part, name)
        else:
            setattr(part, name, own)
