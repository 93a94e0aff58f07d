"""Where a network's targets lie, by whose laws its boxes are read and its masks pasted.

A network that predicts its targets perfectly should give the ground truth's masks. What stands between the
two is the family's own: how a box comes to the image, and how a mask lies over it. So each family has targets
that its own paste turns back into what they were made of (docs/adr/0032, with figures).

- **torchvision** cuts a box down to whole pixels, first and last included (``paste_mask_in_image``), so a
  mask comes out half a pixel larger on every side, and samples mask targets at whole coordinates
  (``project_masks_on_boxes``, RoIAlign with ``aligned=False``). Boxes run through the *centres* of the
  outermost pixels, masks along the same line and moved by half a pixel (docs/adr/0005).
- **Detectron2 and mmdetection** paste through the middles of pixels (``grid_sample``). Boxes run around
  pixels, masks stay where they are, and mask targets are read with an aligned RoIAlign.
- **Matterport** brings boxes to the image from end to end, first pixel to first and last to last, and rounds
  them (``denorm_boxes``); its own training resizes masks so, too (``scipy.ndimage.zoom``) and takes boxes
  around what comes out. Mask targets are read with an aligned RoIAlign, as its paste lays them. The original
  reads them with ``crop_and_resize``, corners included: that moves outlines by up to half a cell.

All three cut mask targets to 0 and 1; here a cell keeps its share, as in torchvision, because outlines are
finer than cells. The rest is one law for all: what is matched with what (IoU of .3 and .7 for anchors, .5 for
regions), how many are drawn, and losses of boxes that bend at another place (L1 in Detectron2, smooth L1 with
beta 1 in Matterport, with 1/9 here), which moves no minimum. How regression is scaled belongs to the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import roi_align

from maskrcnn_core.networks.centred_transform import resize_with_skimage
from maskrcnn_core.networks.configs import Laws
from maskrcnn_core.networks.pixel_transform import Resize, resize_with_opencv, resize_with_pil

__all__ = ["TARGET_LAWS", "Project", "TargetLaw"]

Size = tuple[int, int]

Project = Callable[[Tensor, Tensor, Tensor, int], Tensor]
"""What the mask head should say of regions float32 ``[R, 4]``, given masks ``[N, h, w]`` at the input's size,
the row of each region's mask and the side M: float32 ``[R, M, M]`` in [0, 1]."""

_INSIDE = 0.8
"""A sample is inside where the mask, interpolated bilinearly, is at least this: nearly half a pixel within on
straight edges. At 1 slanted edges would lose more than those; measured best for discs of 4 to 60 pixels."""


_HALF = 0.5 + 1e-4
"""More than half: a sample on an edge, but for its rounding, is outside."""


@dataclass(frozen=True)
class TargetLaw:
    """How one family's targets are made.

    Args:
        resize: uint8 images, as the family resizes them; None for torchvision's own function.
        boxes: of bool or uint8 masks ``[N, H, W]`` of an image, in pixels of an input of ``(height, width)``:
            float32 ``[N, 4]``. Masks without pixels have boxes of zeros.
        masks: the same masks at the input's size, uint8 ``[N, h, w]``.
        project: reads mask targets; None for torchvision's own function.
    """

    resize: Resize | None
    boxes: Callable[[Tensor, Size], Tensor]
    masks: Callable[[Tensor, Size], Tensor]
    project: Project | None


def _through_centres(masks: Tensor, size: Size) -> Tensor:
    return _boxes(masks, size, 0.5)


def _around_pixels(masks: Tensor, size: Size) -> Tensor:
    return _boxes(masks, size, 0.0)


def _end_to_end(masks: Tensor, size: Size) -> Tensor:
    """Return boxes around pixels, where the image's last pixel comes to lie on the input's last one."""
    return _boxes(masks, size, 0.0, ends=True)


def _boxes(masks: Tensor, size: Size, inset: float, *, ends: bool = False) -> Tensor:
    """Return boxes that lie so far within the outer edges of each mask's outermost pixels."""
    boxes = torch.zeros((len(masks), 4))
    for axis, (low, high) in enumerate(((0, 2), (1, 3))):
        old, new = masks.shape[2 - axis], size[1 - axis]
        filled = masks.any(1 + axis).to(torch.uint8)
        first, last = filled.argmax(1) + inset, old - filled.flip(1).argmax(1) - inset
        for column, edge in ((low, first), (high, last)):
            if ends:
                boxes[:, column] = (edge - 0.5) * ((new - 1) / max(old - 1, 1)) + 0.5
            else:
                boxes[:, column] = edge * (new / old)
    boxes[~masks.flatten(1).any(1)] = 0
    return boxes


def _moved_masks(masks: Tensor, size: Size) -> Tensor:
    """Resize masks, eroded and moved by half pixels.

    The value at index i is the mask's at coordinate i, where torchvision's target sampling takes it to be.
    """
    places = [torch.arange(side) * (2 / side) - 1 for side in size]
    return (_sampled(masks, places) >= _INSIDE).to(torch.uint8)


def _kept_masks(masks: Tensor, size: Size) -> Tensor:
    """Resize masks; the value at index i is that at the middle of pixel i."""
    places = [(torch.arange(side) + 0.5) * (2 / side) - 1 for side in size]
    return (_sampled(masks, places) > _HALF).to(torch.uint8)


def _stretched_masks(masks: Tensor, size: Size) -> Tensor:
    """Resize masks; their first and last pixels come to lie on the input's (``scipy.ndimage.zoom``)."""
    places = [
        torch.linspace(1 / old - 1, 1 - 1 / old, new) for old, new in zip(masks.shape[1:], size, strict=True)
    ]
    return (_sampled(masks, places) > _HALF).to(torch.uint8)


def _sampled(masks: Tensor, places: Sequence[Tensor]) -> Tensor:
    """Interpolate masks at rows and columns that count from -1 to 1: float32 ``[N, h, w]``."""
    rows, columns = places
    # x before y, as grid_sample wants.
    grid = torch.stack([columns.expand(len(rows), -1), rows[:, None].expand(-1, len(columns))], -1)[None]
    return F.grid_sample(
        masks[None].float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )[0]


def _project_aligned(masks: Tensor, regions: Tensor, rows: Tensor, side: int) -> Tensor:
    placed = torch.cat([rows.to(regions)[:, None], regions], dim=1)
    read: Tensor = roi_align(masks[:, None].to(placed), placed, (side, side), 1.0, aligned=True)
    return read[:, 0]


TARGET_LAWS: Mapping[Laws, TargetLaw] = MappingProxyType(
    {
        "torchvision": TargetLaw(None, _through_centres, _moved_masks, None),
        "detectron2": TargetLaw(resize_with_pil, _around_pixels, _kept_masks, _project_aligned),
        "mmdetection": TargetLaw(resize_with_opencv, _around_pixels, _kept_masks, _project_aligned),
        "matterport": TargetLaw(resize_with_skimage, _end_to_end, _stretched_masks, _project_aligned),
    }
)
"""By whose laws a network was built."""
