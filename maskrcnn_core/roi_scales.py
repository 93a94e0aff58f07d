"""The scales at which regions are read from a feature pyramid, told once instead of guessed.

torchvision guesses them from the first batch that a network ever sees (``_setup_scales`` in
*torchvision/ops/poolers.py*: feature height by image height, before padding, to the nearest power of 2) and
never again. After a first image only a few pixels high, all later ones would be read at a wrong scale.
"""

from __future__ import annotations

from torchvision.models.detection import MaskRCNN
from torchvision.ops.poolers import initLevelMapper

__all__ = ["set_roi_scales"]

_FINEST, _COARSEST = 2, 5
"""Levels of a ResNet's pyramid whose regions are read: strides 4, 8, 16 and 32 (Lin et al. 2017)."""


def set_roi_scales(network: MaskRCNN) -> None:
    """Tells both poolers of a network with a ResNet's feature pyramid their scales, in place."""
    heads = network.roi_heads
    for pool in (heads.box_roi_pool, heads.mask_roi_pool):
        pool.scales = [2.0**-level for level in range(_FINEST, _COARSEST + 1)]
        pool.map_levels = initLevelMapper(
            _FINEST,
            _COARSEST,
            canonical_scale=pool.canonical_scale,
            canonical_level=pool.canonical_level,
        )
