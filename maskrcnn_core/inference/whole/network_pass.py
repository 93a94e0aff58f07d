"""One pass of a batch through a Mask R-CNN, from its input to packed answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from maskrcnn_core.detection.conventions import CONVENTIONS
from maskrcnn_core.inference.whole.answers import Layout, pack
from maskrcnn_core.inference.whole.deciding import Chosen, choose, decode, find_candidates, propose
from maskrcnn_core.inference.whole.pooling import Atlas, Pool, lay_out, pool_of
from maskrcnn_core.networks.laws import laws_of

__all__ = ["MOST_CANDIDATES", "NetworkPass"]

MOST_CANDIDATES = 4096
"""Candidates of an image that have room; an image with more goes step by step."""

_MASKS_AT_ONCE = 1600
"""Instances that go through the mask head at once: a batch of 16 with a hundred each. It bounds memory."""

_MOST_OF_REGION = 19
"""Scores above the floor of .05 that a region can have, all of its classes having 1 together."""

_CONVENTION = CONVENTIONS["torchvision"]


@dataclass(frozen=True, eq=False)
class NetworkPass:
    """A network as it is run over batches.

    Args:
        network: on its device, in eval mode, of torchvision's laws.
        box_pool, mask_pool: what stands for its pools.
    """

    network: MaskRCNN
    box_pool: Pool
    mask_pool: Pool

    @classmethod
    def of(cls, network: MaskRCNN, device: torch.device) -> NetworkPass | None:
        """Return it, or ``None`` for a network whose laws are others: that one goes step by step."""
        rpn, heads = network.rpn, network.roi_heads
        is_plain = (
            laws_of(network) == "torchvision"
            and type(network.transform) is GeneralizedRCNNTransform
            and type(rpn) is RegionProposalNetwork
            and type(rpn.box_coder) is BoxCoder
            and type(heads.box_coder) is BoxCoder
        )
        pools = [pool_of(pool, device) for pool in (heads.box_roi_pool, heads.mask_roi_pool)]
        box_pool, mask_pool = pools
        if not is_plain or box_pool is None or mask_pool is None or box_pool.names != mask_pool.names:
            return None
        return cls(network, box_pool, mask_pool)

    def layout(self, masks: int, mask_size: int) -> Layout:
        """Return where the answers lie, for so many masks an image."""
        rows = min(self.network.rpn.post_nms_top_n() * _MOST_OF_REGION, MOST_CANDIDATES)
        return Layout(rows, masks, mask_size)

    def run(self, images: Tensor, sizes: Tensor, limits: Tensor, layout: Layout) -> Tensor:
        """Return packed answers of a batch: float32 ``[B, W]``; no step waits for the device.

        Args:
            images: the network's input ``[B, 3, H, W]``.
            sizes: float32 ``[B, 2]``, height and width of each without padding.
            limits: float32 ``[2]``: the score and the IoU by which masks are chosen that are made at once.
            layout: of the answers.
        """
        network, count = self.network, len(images)
        maps = _in_own_precision(network.backbone)(images)
        if isinstance(maps, Tensor):
            maps = {"0": maps}
        levels = list(maps.values())
        objectness, deltas = _in_own_precision(network.rpn.head)(levels)
        anchors = self._anchors_of(images, levels)
        proposed = propose(network.rpn, objectness, deltas, anchors, sizes)
        atlas = lay_out([maps[name] for name in self.box_pool.names])
        scores, boxes = self._scored(atlas, proposed.boxes)
        is_finite = _finite(scores, proposed.is_there) & _finite(boxes, proposed.is_there)
        for level in levels:
            is_finite = is_finite & level.sum((1, 2, 3), dtype=torch.float32).isfinite()
        chosen = find_candidates(
            scores, boxes, proposed.is_there, sizes, _CONVENTION.least_side, layout.candidates
        )
        rows = choose(chosen, limits, layout.masks)
        masks = self._masks(atlas, chosen, rows).reshape(count, layout.masks, *[layout.mask_size] * 2)
        facts = chosen.counts, is_finite, proposed.is_settled
        return pack(facts, chosen.boxes, chosen.scores, chosen.labels, rows, masks)

    def _anchors_of(self, images: Tensor, levels: Sequence[Tensor]) -> list[Tensor]:
        """Return anchors of each level, one set for all images.

        Made anew each time, in fifty small kernels: a graph must not read what may be let go of behind it.
        """
        generator = self.network.rpn.anchor_generator
        one = ImageList(images[:1], [(images.shape[-2], images.shape[-1])])
        # Told of maps in full precision, whatever they are: half of it has no room for places of anchors.
        shapes = [images.new_empty(1, 1, *level.shape[-2:]) for level in levels]
        anchors: Tensor = generator(one, shapes)[0]
        per_cell = generator.num_anchors_per_location()
        counts = [
            level.shape[-2] * level.shape[-1] * cell for level, cell in zip(levels, per_cell, strict=True)
        ]
        return list(torch.split(anchors, counts))

    def _scored(self, atlas: Atlas, regions: Tensor) -> tuple[Tensor, Tensor]:
        """Follow :func:`~maskrcnn_core.inference.forward.score_regions`: ``[B, P, C]``, ``[B, P, C, 4]``."""
        heads, shape = self.network.roi_heads, regions.shape[:2]
        logits, deltas = heads.box_predictor(heads.box_head(self.box_pool(atlas, regions)))
        boxes = decode(heads.box_coder, deltas.reshape(*shape, -1, 4), regions[:, :, None])
        return logits.softmax(-1).reshape(*shape, -1), boxes

    def _masks(self, atlas: Atlas, chosen: Chosen, rows: Tensor) -> Tensor:
        """Follow :func:`maskrcnn_core.inference.forward.make_masks`: ``[B * N, M, M]``."""
        heads = self.network.roi_heads
        places = rows.clamp(min=0)
        boxes = chosen.boxes.gather(1, places[:, :, None].expand(-1, -1, 4))
        labels = chosen.labels.gather(1, places).reshape(-1)
        pooled = self.mask_pool(atlas, boxes)
        probs = []
        for part, of_part in zip(
            *(torch.split(one, _MASKS_AT_ONCE) for one in (pooled, labels)), strict=True
        ):
            logits = heads.mask_predictor(heads.mask_head(part))
            side = logits.shape[-1]
            own = logits.gather(1, of_part[:, None, None, None].expand(-1, 1, side, side))
            probs.append(own[:, 0].float().sigmoid())
        return torch.cat(probs)


def _in_own_precision(module: nn.Module) -> Callable[..., Any]:
    """Return what runs a part; one that computes in half precision gives its results so, if it can."""
    run: Callable[..., Any] = getattr(module, "in_own_precision", module)
    return run


def _finite(values: Tensor, is_there: Tensor) -> Tensor:
    """Return whether all of each image's rows that are there are finite: bool ``[B]``."""
    rows = values.isfinite().flatten(2).all(2)
    return (rows | ~is_there).all(1)
