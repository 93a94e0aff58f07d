"""What several judges share: which pixels an outline holds where the reader itself leaves that open."""

from __future__ import annotations

import numpy as np

__all__ = ["centres_in", "placed"]


def centres_in(shape, height: int, width: int) -> np.ndarray:
    """Return the mask of the pixels whose centres lie in a shape of shapely's."""
    import shapely

    rows, columns = np.mgrid[:height, :width] + 0.5
    return shapely.contains_xy(shape, columns, rows)


def placed(crop: np.ndarray, y: int, x: int, height: int, width: int) -> np.ndarray:
    """Return a mask of the image's size from that of a box."""
    mask = np.zeros((height, width), np.bool_)
    mask[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    return mask
