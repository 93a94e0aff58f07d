"""Precision against recall of a whole set: COCO's arrays, averaged over the categories."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskrcnn_core.evaluation.counting import AREAS, IOUS, RECALLS, Counts

__all__ = ["CURVE_COLUMNS", "SetCurve", "curve_table", "set_curve"]

_BARS = {"at50": 0.5, "at75": 0.75}
CURVE_COLUMNS = ("recall", "box_50", "box_75", "box_mean", "mask_50", "mask_75", "mask_mean")


@dataclass(frozen=True)
class SetCurve:
    """Precisions of a set at COCO's 101 recalls, the mean over the categories that have objects.

    The mean of each over the recalls is AP50, AP75 and AP.

    Args:
        at50, at75: 101 numbers in [0, 1] at IoU .50 and .75; empty if there are no objects.
        mean: likewise, the mean over IoU .50, .55 ... .95.
    """

    at50: tuple[float, ...] = ()
    at75: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()


def set_curve(counts: Counts) -> SetCurve:
    """Return the curves of objects of any size, with the last of the limits."""
    values = counts.precision[..., AREAS.index("all"), -1]
    at50, at75 = (_mean(values[np.isclose(IOUS, bar)]) for bar in _BARS.values())
    return SetCurve(at50, at75, _mean(values))


def _mean(values: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Return the mean over thresholds and categories, ``[T, R, K]``; a category without objects is all -1."""
    known = values[..., (values != -1).all(axis=(0, 1))]
    return tuple(known.mean(axis=(0, 2)).tolist()) if known.size else ()


def curve_table(box: SetCurve, mask: SetCurve) -> bytes:
    """Return the curves as CSV, a row for each recall; columns of what is not known are empty.

    Args:
        box: boxes compared.
        mask: masks compared.
    """
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(CURVE_COLUMNS)
    columns = [curve or ("",) * len(RECALLS) for one in (box, mask) for curve in _curves(one)]
    for recall, *values in zip(RECALLS, *columns, strict=True):
        cells = [value if isinstance(value, str) else f"{value:.6f}" for value in values]
        writer.writerow([f"{recall:.2f}", *cells])
    return stream.getvalue().encode("ascii")


def _curves(one: SetCurve) -> Sequence[tuple[float, ...]]:
    return one.at50, one.at75, one.mean
