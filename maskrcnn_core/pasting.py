"""Pastes M x M mask probabilities into their boxes, straight into run lengths.

Mask R-CNN predicts each instance's mask on a small square laid over its box (He et al. 2017, section
3); a mask of the image comes from scaling that square to the box and thresholding. torchvision does so
on float canvases of the image's size, N of them at once. Here only the box is looked at, and of it
only the cells that the mask's edge crosses: between four neighbouring probabilities that all lie
above the threshold every interpolated value does, too.

The result is bit-identical to ``torchvision.models.detection.roi_heads.paste_masks_in_image(...) >
mask_threshold`` on the CPU, whatever that build of torch does with its roundings:

- the interpolation weights are torch's own, asked from ``interpolate`` itself on unit vectors;
- what remains are two sums of two products in float32, which may be fused or not. A pixel whose exact
  value lies nearer to the threshold than :data:`ROUNDING_BAND` is undecided by that; torch is asked for
  its value (in one or two masks of a hundred there is such a pixel, in huge ones more often).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from maskrcnn_core.compiled import compiled
from maskrcnn_core.masks import Rle, Runs

__all__ = ["ROUNDING_BAND", "have_pixels", "paste_mask", "paste_masks"]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

ROUNDING_BAND = 2.5e-7
"""Distance of a pixel's exact value from the threshold within which float32 rounding could decide.

Interpolating once along each axis rounds six times at most (two products and a sum each, fewer if fused),
each time by up to 2**-25 for values below 1: together 1.8e-7."""

_UNKNOWN = np.zeros((0, 0), np.float32)


def paste_masks(
    mask_probs: Floats, boxes: Floats, image_size: tuple[int, int], mask_threshold: float = 0.5
) -> list[Rle]:
    """Pastes N masks into one image.

    Args:
        mask_probs: float32 ``[N, M, M]`` in [0, 1], relative to its box.
        boxes: float32 ``[N, 4]``, x1 y1 x2 y2 in pixels, inside the image.
        image_size: ``(height, width)`` of the image in pixels.
        mask_threshold: a pixel belongs to the mask if its probability is greater.

    Returns:
        One :class:`Rle` for each row; empty masks are kept, so that rows stay aligned.

    Raises:
        ValueError: for arrays of other shapes, or a threshold outside [0, 1).
    """
    if mask_probs.ndim != 3 or mask_probs.shape[1] != mask_probs.shape[2]:
        raise ValueError(f"mask_probs: wanted [N, M, M], got {list(mask_probs.shape)}")
    if boxes.shape != (len(mask_probs), 4):
        raise ValueError(f"boxes: wanted [{len(mask_probs)}, 4], got {list(boxes.shape)}")
    if not 0.0 <= mask_threshold < 1.0:
        # Below 0 the background beside the box would belong to the mask, too.
        raise ValueError(f"mask_threshold: wanted 0 <= t < 1, got {mask_threshold}")
    padded = np.pad(mask_probs.astype(np.float32, copy=False), ((0, 0), (1, 1), (1, 1)))
    grown = _expand_boxes(boxes.astype(np.float32, copy=False), mask_probs.shape[-1])
    return [
        _paste_padded(probs, box, image_size, mask_threshold)
        for probs, box in zip(padded, grown, strict=True)
    ]


def have_pixels(
    mask_probs: Floats, boxes: Floats, image_size: tuple[int, int], mask_threshold: float = 0.5
) -> npt.NDArray[np.bool_]:
    """Whether each of N masks has any pixel: bool ``[N]``, as the areas of :func:`paste_masks` say.

    Nearly all are decided without a paste. With no probability above the threshold there is no pixel;
    with four neighbouring ones above it, and a box of at least a pixel for each cell, there is one.
    """
    cells = mask_probs.shape[-1]
    some: npt.NDArray[np.bool_] = np.asarray((mask_probs > mask_threshold).any(axis=(1, 2)))
    above = mask_probs > mask_threshold + 2 * ROUNDING_BAND
    blocks = above[:, :-1, :-1] & above[:, 1:, :-1] & above[:, :-1, 1:] & above[:, 1:, 1:]
    large = (boxes[:, 2:] - boxes[:, :2] > cells + 2).all(axis=1)
    certain = blocks.any(axis=(1, 2)) & large
    for row in np.flatnonzero(some & ~certain):
        some[row] = paste_mask(mask_probs[row], boxes[row], image_size, mask_threshold).area > 0
    return some


def paste_mask(
    mask_probs: Floats, box: Floats, image_size: tuple[int, int], mask_threshold: float = 0.5
) -> Rle:
    """Pastes one ``[M, M]`` mask; see :func:`paste_masks`."""
    return paste_masks(mask_probs[None], box[None], image_size, mask_threshold)[0]


def _expand_boxes(boxes: Floats, mask_size: int) -> Ints:
    """Boxes grown to fit masks padded by one cell on each side, as whole pixels.

    The order of operations is torchvision's (``expand_boxes``), so that float32 rounds alike; the
    cast truncates towards zero, as its does.
    """
    scale = np.float32((mask_size + 2) / mask_size)
    half = np.float32(0.5)
    half_sizes = (boxes[:, 2:] - boxes[:, :2]) * half * scale
    centres = (boxes[:, 2:] + boxes[:, :2]) * half
    return np.concatenate([centres - half_sizes, centres + half_sizes], axis=1).astype(np.int64)


def _paste_padded(probs: Floats, box: Ints, image_size: tuple[int, int], mask_threshold: float) -> Rle:
    height, width = image_size
    x1, y1, x2, y2 = (int(v) for v in box)
    out_w, out_h = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
    left, top = max(x1, 0), max(y1, 0)
    right, bottom = min(x2 + 1, width), min(y2 + 1, height)
    if left >= right or top >= bottom:
        return Rle(image_size, np.array([height * width], np.uint32))
    weights_x = _interpolation_weights(probs.shape[1], out_w)[:, left - x1 : right - x1]
    weights_y = _interpolation_weights(probs.shape[0], out_h)[:, top - y1 : bottom - y1]
    place = (top, left, height, width)
    runs, is_decided = _paste_runs(probs, weights_x, weights_y, np.float32(mask_threshold), _UNKNOWN, place)
    if not is_decided:
        asked = _paste_with_torch(probs, (out_h, out_w))[top - y1 : bottom - y1, left - x1 : right - x1]
        runs, _ = _paste_runs(probs, weights_x, weights_y, np.float32(mask_threshold), asked, place)
    return Rle(image_size, runs)


# Torch is imported where it is asked: whoever reads or writes masks without pasting any does without it.


def _paste_with_torch(probs: Floats, size: tuple[int, int]) -> Floats:
    import torch
    import torch.nn.functional as F

    scaled = F.interpolate(
        torch.from_numpy(probs)[None, None], size=size, mode="bilinear", align_corners=False
    )
    values: Floats = scaled[0, 0].numpy()
    return values


def _interpolation_weights(cells: int, pixels: int) -> Floats:
    """How much of each cell is in each pixel: float32 ``[cells, pixels]``, two entries a column at most."""
    import torch
    import torch.nn.functional as F

    unit_vectors = torch.eye(cells)[:, None, :, None]
    weights = F.interpolate(unit_vectors, size=(pixels, 1), mode="bilinear", align_corners=False)
    table: Floats = weights[:, 0, :, 0].contiguous().numpy()
    return table


@compiled
def _first_cells(weights: Floats) -> Ints:
    """The first cell with a weight, for each pixel."""
    first = np.zeros(weights.shape[1], np.int64)
    for pixel in range(weights.shape[1]):
        # Cells never decrease from pixel to pixel, so the search goes on where it stopped.
        cell = first[pixel - 1] if pixel else 0
        while weights[cell, pixel] == 0:
            cell += 1
        first[pixel] = cell
    return first


@compiled
def _paste_runs(
    probs: Floats,
    weights_x: Floats,
    weights_y: Floats,
    threshold: np.float32,
    known: Floats,
    place: tuple[int, int, int, int],
) -> tuple[Runs, bool]:
    """Runs of the thresholded paste, and whether every pixel could be decided.

    ``known`` are torch's own values of the box's pixels, looked up for those within
    :data:`ROUNDING_BAND`; an empty array if it has not been asked yet.
    """
    # What is decided by float32 values of our own keeps the roundings of both, ours and torch's.
    margin = np.float32(2 * ROUNDING_BAND)
    top, left, height, width = place
    cells, rows = weights_y.shape
    columns = weights_x.shape[1]
    cell_x, cell_y = _first_cells(weights_x), _first_cells(weights_y)
    upper_weights, lower_weights = np.empty(rows, np.float32), np.zeros(rows, np.float32)
    cell_end = np.full(rows, rows, np.int64)  # the first row of the next cell
    for y in range(rows - 1, -1, -1):
        upper_weights[y] = weights_y[cell_y[y], y]
        if cell_y[y] + 1 < cells:
            lower_weights[y] = weights_y[cell_y[y] + 1, y]
        if y + 1 < rows:
            cell_end[y] = cell_end[y + 1] if cell_y[y] == cell_y[y + 1] else y + 1
    values = np.empty(cells, np.float32)
    runs = np.empty(256, np.uint32)
    count, last_change, inside = 0, 0, False
    for x in range(columns):
        left_cell = cell_x[x]
        right_cell = min(left_cell + 1, probs.shape[1] - 1)
        left_weight = weights_x[left_cell, x]
        right_weight = weights_x[right_cell, x] if right_cell > left_cell else np.float32(0)
        any_foreground = False
        for cell in range(cells):
            values[cell] = probs[cell, left_cell] * left_weight + probs[cell, right_cell] * right_weight
            any_foreground = any_foreground or values[cell] > threshold - margin
        # A run that goes on over the foot of the last column is the only one without foreground here.
        if not any_foreground and not inside:
            continue
        if count + rows + 2 > runs.size:
            grown = np.empty(2 * runs.size + rows, np.uint32)
            grown[:count] = runs[:count]
            runs = grown
        base = (left + x) * height + top
        y = 0
        while y < rows:
            end = cell_end[y]
            upper = cell_y[y]
            lower = min(upper + 1, cells - 1)
            above, below = values[upper], values[lower]
            if min(above, below) > threshold + margin or max(above, below) < threshold - margin:
                # Every value between two on one side lies on that side.
                if (above > threshold) != inside:
                    runs[count] = base + y - last_change
                    count, last_change, inside = count + 1, base + y, not inside
                y = end
                continue
            for row in range(y, end):
                near = above * upper_weights[row] + below * lower_weights[row]
                value = near > threshold
                if abs(near - threshold) <= margin:
                    exact = np.float64(upper_weights[row]) * (
                        np.float64(probs[upper, left_cell]) * left_weight
                        + np.float64(probs[upper, right_cell]) * right_weight
                    ) + np.float64(lower_weights[row]) * (
                        np.float64(probs[lower, left_cell]) * left_weight
                        + np.float64(probs[lower, right_cell]) * right_weight
                    )
                    value = exact > threshold
                    if abs(exact - threshold) <= ROUNDING_BAND:
                        if known.size == 0:
                            return runs[:0].copy(), False
                        value = known[row, x] > threshold
                if value != inside:
                    runs[count] = base + row - last_change
                    count, last_change, inside = count + 1, base + row, not inside
            y = end
        # Below the box lies background, unless the box is as high as the image: then a run goes on from
        # the foot of a column to the head of the next.
        if inside and (rows < height or x + 1 == columns):
            runs[count] = base + rows - last_change
            count, last_change, inside = count + 1, base + rows, False
    rest = height * width - last_change
    if rest or count == 0:
        runs[count] = rest
        count += 1
    return runs[:count].copy(), True
