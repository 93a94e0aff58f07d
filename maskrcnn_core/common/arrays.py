"""Types of arrays and boxes, by the names that the rest of the code uses."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Box", "Doubles", "Floats", "Ints", "Pixels", "Reals"]

Pixels = npt.NDArray[np.uint8]
"""An image, ``[H, W, 3]`` in RGB unless a docstring says otherwise."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Reals = npt.NDArray[np.floating[Any]]
"""Floating-point numbers of any width."""

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels."""
