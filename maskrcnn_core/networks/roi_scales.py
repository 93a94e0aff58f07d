"""The scales at which regions are read from a feature pyramid, told once instead of guessed.

torchvision guesses them from the first batch that a network ever sees (``_setup_scales`` in
*torchvision/ops/poolers.py*: feature height by image height, before padding, to the nearest power of 2) and
never again. After a first image only a few pixels high, all later ones would be read at a wrong scale.
"""

from __future__ import annotations

from torchvision.models.detection import MaskRCNN
from torchvision.ops.poolers import initLevelMapper

__all__ = ["set_roi_scales"]


def set_roi_scales(network: MaskRCNN, finest: int = 2, coarsest: int = 5) -> None:
    """Tell both poolers of a network with a feature pyramid their scales, in place.

    Args:
        network: changed in place.
        finest, coarsest: the levels that regions are read from, level n having a stride of 2 to the n-th; a
            ResNet's pyramid has strides 4, 8, 16 and 32 (Lin et al. 2017).
    """
    heads = network.roi_heads
    for pool in (heads.box_roi_pool, heads.mask_roi_pool):
        pool.scales = [2.0**-level for level in range(finest, coarsest + 1)]
        pool.map_levels = initLevelMapper(
            finest,
            coarsest,
            canonical_scale=pool.canonical_scale,
            canonical_level=pool.canonical_level,
        )
