"""Pastes M x M mask probabilities into their boxes, straight into run lengths.

Mask R-CNN predicts each instance's mask on a small square laid over its box (He et al. 2017, section
3); a mask of the image comes from scaling that square to the box and thresholding. The originals do so
on float canvases of the image's size, N of them at once. Here only the box is looked at, and of it
only the cells that the mask's edge crosses: between four neighbouring probabilities that all lie
above the threshold every interpolated value does, too.

The result is bit-identical to what each family's own code makes of the probabilities on the CPU, say
``torchvision.models.detection.roi_heads.paste_masks_in_image(...) > mask_threshold``, whatever that build of
torch does with its roundings. A pixel whose exact value lies nearer to the threshold than the law's band is
undecided by them, and the law is asked for it (with torchvision, one or two masks of a hundred have such a
pixel, huge ones more often). The laws are in :mod:`maskrcnn_core.detection.paste_laws`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.arrays import Floats, Ints
from maskrcnn_core.common.compiled import compiled
from maskrcnn_core.detection.paste_laws import PASTE_LAWS, Paste, PasteLaw
from maskrcnn_core.geometry.rle import Rle, Runs

__all__ = ["Paste", "have_pixels", "paste_mask", "paste_masks"]

_UNASKED = np.zeros((0, 0), np.bool_)


def paste_masks(
    mask_probs: Floats,
    boxes: Floats,
    image_size: tuple[int, int],
    mask_threshold: float = 0.5,
    paste: Paste = "torchvision",
) -> list[Rle]:
    """Paste N masks into one image.

    Args:
        mask_probs: float32 ``[N, M, M]`` in [0, 1], relative to its box.
        boxes: float32 ``[N, 4]``, x1 y1 x2 y2 in pixels, inside the image.
        image_size: ``(height, width)`` of the image in pixels.
        mask_threshold: a pixel belongs to the mask if its probability is greater, or reaches it: see the law.
        paste: the law by which a mask lies over its box.

    Returns:
        One :class:`Rle` for each row; empty masks are kept, so that rows stay aligned.

    Raises:
        ValueError: for arrays of other shapes, or a threshold outside [0, 1).
    """
    if mask_probs.ndim != 3 or mask_probs.shape[1] != mask_probs.shape[2]:
        raise ValueError(f"mask_probs: expected [N, M, M], got {list(mask_probs.shape)}")
    if boxes.shape != (len(mask_probs), 4):
        raise ValueError(f"boxes: expected [{len(mask_probs)}, 4], got {list(boxes.shape)}")
    if not 0.0 <= mask_threshold < 1.0:
        # Below 0 the background beside the box would belong to the mask, too.
        raise ValueError(f"mask_threshold: expected 0 <= t < 1, got {mask_threshold}")
    law = PASTE_LAWS[paste]
    rows = zip(mask_probs.astype(np.float32, copy=False), boxes.astype(np.float32, copy=False), strict=True)
    return [
        _paste_padded(law.pad(probs, mask_threshold), box, image_size, mask_threshold, law)
        for probs, box in rows
    ]


def have_pixels(
    mask_probs: Floats,
    boxes: Floats,
    image_size: tuple[int, int],
    mask_threshold: float = 0.5,
    paste: Paste = "torchvision",
) -> npt.NDArray[np.bool_]:
    """Return whether each of N masks has any pixel: bool ``[N]``, as the areas of :func:`paste_masks` say.

    Nearly all are decided without a paste. With no probability above the threshold there is no pixel;
    with four neighbouring ones above it, and a box of at least a pixel for each cell, there is one.
    """
    cells = mask_probs.shape[-1]
    law = PASTE_LAWS[paste]
    least = law.threshold(mask_threshold)
    some: npt.NDArray[np.bool_] = np.asarray((mask_probs > least).any(axis=(1, 2)))
    above = mask_probs > least + 2 * law.band
    blocks = above[:, :-1, :-1] & above[:, 1:, :-1] & above[:, :-1, 1:] & above[:, 1:, 1:]
    large = (boxes[:, 2:] - boxes[:, :2] > cells + 2).all(axis=1)
    certain = blocks.any(axis=(1, 2)) & large
    for row in np.flatnonzero(some & ~certain):
        some[row] = paste_mask(mask_probs[row], boxes[row], image_size, mask_threshold, paste).area > 0
    return some


def paste_mask(
    mask_probs: Floats,
    box: Floats,
    image_size: tuple[int, int],
    mask_threshold: float = 0.5,
    paste: Paste = "torchvision",
) -> Rle:
    """Paste one ``[M, M]`` mask; see :func:`paste_masks`."""
    return paste_masks(mask_probs[None], box[None], image_size, mask_threshold, paste)[0]


def _paste_padded(
    probs: Floats, box: Floats, image_size: tuple[int, int], mask_threshold: float, law: PasteLaw
) -> Rle:
    height, width = image_size
    placed = law.place(box, len(probs) - 2, image_size)
    if placed is None:
        return Rle(image_size, np.array([height * width], np.uint32))
    weights = (placed.weights_x, placed.weights_y)
    threshold, place = law.threshold(mask_threshold), (placed.top, placed.left, height, width)
    runs, undecided = _paste_runs(probs, *weights, threshold, law.band, _UNASKED, place)
    if len(undecided):
        known = np.zeros((weights[1].shape[1], weights[0].shape[1]), np.bool_)
        known[tuple(undecided.T)] = law.decide(probs, box, placed, undecided, mask_threshold)
        runs, _ = _paste_runs(probs, *weights, threshold, law.band, known, place)
    return Rle(image_size, runs)


@compiled
def _first_cells(weights: Floats) -> Ints:
    """Return the first cell with a weight, for each pixel."""
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
    band: float,
    known: npt.NDArray[np.bool_],
    place: tuple[int, int, int, int],
) -> tuple[Runs, Ints]:
    """Return the runs of the thresholded paste, and the pixels that could not be decided.

    Args:
        known: whether pixels of the box are foreground, looked up for those within the band; an empty array
            if the law has not been asked yet: then these are returned, int64 ``[K, 2]``, and no useful runs.
    """
    # What is decided by float32 values of our own keeps the roundings of both, ours and the law's.
    margin = np.float32(2 * band)
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
    undecided, asked = np.empty((16, 2), np.int64), 0
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
                    if abs(exact - threshold) <= band:
                        if known.size > 0:
                            value = known[row, x]
                        else:
                            if asked == undecided.shape[0]:
                                more = np.empty((2 * asked, 2), np.int64)
                                more[:asked] = undecided
                                undecided = more
                            undecided[asked, 0], undecided[asked, 1] = row, x
                            asked += 1
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
    return runs[:count].copy(), undecided[:asked].copy()
